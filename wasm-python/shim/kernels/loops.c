/* A loop that runs while any row does. The rows that enter it are put side by side in slots of their own; the ops of the body run until
 * none is left. Rows that leave are written to slots of the rows outside; when too few are left, the rest moves together again.
 *
 * In the program's data, as int32: the slots (row numbers, rows still in the loop, rows that go on, failed rows), then the numbers of
 * values that enter, of values for the next turn, and of exits; the values, three each: (from, to, kind); then the exits: the slots
 * (rows inside, rows outside), the number of values, and those. Kind: 0: bools, 1: numbers, 2: texts, 3: decimals; and of values for
 * the next turn 4 more where each turn computes `from` anew, so that the two slots can change places.
 */
#include "../columns.h"

/* A row that takes longer is the interpreter's, and so is all that is left of the block: of two rows, one may raise while the other never
 * ends. */
#define TURNS 100000

/* Below so many of a hundred rows that are still in the loop they are moved together. */
#define CROWDED 90

typedef struct {
    const int32_t *numbers;
} reader;

static int32_t next(reader *from) { return *from->numbers++; }

static const int32_t *values(reader *from, int32_t count) {
    const int32_t *start = from->numbers;
    from->numbers += 3 * count;
    return start;
}

/* Values of the chosen rows, side by side; `from` and `to` may be one. */
static void gather(vv_block *block, const int32_t *value, const int32_t *chosen, int count) {
    const void *from = block->slots[value[0]];
    void *to = block->slots[value[1]];
    if (value[2] == 0) for (int i = 0; i < count; i++) ((uint8_t *)to)[i] = ((const uint8_t *)from)[chosen[i]];
    else if (value[2] == 1) VV_UNROLL for (int i = 0; i < count; i++) ((vv_bits *)to)[i] = ((const vv_bits *)from)[chosen[i]];
    else if (value[2] == 2) for (int i = 0; i < count; i++) ((vv_text *)to)[i] = ((const vv_text *)from)[chosen[i]];
    else for (int i = 0; i < count; i++) ((vv_decimal *)to)[i] = ((const vv_decimal *)from)[chosen[i]];
    if (value[2] == 2) block->ascii[value[1]] = block->ascii[value[0]];
}

/* Values of the rows that leave, each to its row outside. */
static void scatter(vv_block *inside, const int32_t *value, const int32_t *leaving, int count, const int32_t *numbers) {
    const void *from = inside->slots[value[0]];
    void *to = inside->slots[value[1]];
    for (int k = 0; k < count; k++) {
        const int32_t i = leaving[k];
        if (value[2] == 0) ((uint8_t *)to)[numbers[i]] = ((const uint8_t *)from)[i];
        else if (value[2] == 1) ((vv_bits *)to)[numbers[i]] = ((const vv_bits *)from)[i];
        else if (value[2] == 2) ((vv_text *)to)[numbers[i]] = ((const vv_text *)from)[i];
        else ((vv_decimal *)to)[numbers[i]] = ((const vv_decimal *)from)[i];
    }
    if (value[2] == 2) inside->ascii[value[1]] &= inside->ascii[value[0]];
}

/* The numbers of the marked rows, in order; how many there are. Marks are 0 or 1, so that a mark is the lowest bit of its byte. */
static int find(const uint8_t *marks, int rows, int32_t *found) {
    int count = 0, i = 0;
    for (; i + 8 <= rows; i += 8) {
        uint64_t word;
        memcpy(&word, marks + i, 8);
        for (; word != 0; word &= word - 1) found[count++] = i + (__builtin_ctzll(word) >> 3);
    }
    for (; i < rows; i++)
        if (marks[i]) found[count++] = i;
    return count;
}

/* Takes the marks of failed rows away; whether any is left. */
static bool keep_good(uint8_t *restrict marks, const uint8_t *restrict failed, int rows) {
    uint8_t any = 0;
    VV_VECTOR for (int i = 0; i < rows; i++) {
        marks[i] &= failed[i] ^ 1;
        any |= marks[i];
    }
    return any != 0;
}

static bool any(const uint8_t *marks, int rows) {
    uint8_t some = 0;
    VV_VECTOR for (int i = 0; i < rows; i++) some |= marks[i];
    return some != 0;
}

/* Which rows have another turn; how many. */
static int go_on(uint8_t *running, const uint8_t *again, const uint8_t *failed, int rows) {
    int left = 0;
    VV_VECTOR for (int i = 0; i < rows; i++) {
        running[i] = again[i] & (failed[i] ^ 1);
        left += running[i];
    }
    return left;
}

/* Before any row has left: no rows, and values that may be looked at. */
static void clear_exit(vv_block *block, int32_t outside, const int32_t *taken, int32_t count) {
    memset(block->slots[outside], 0, (size_t)block->rows);
    for (int32_t k = 0; k < count; k++) {
        void *to = block->slots[taken[3 * k + 1]];
        if (taken[3 * k + 2] == 0) memset(to, 0, (size_t)block->rows);
        else if (taken[3 * k + 2] == 1) memset(to, 0, (size_t)block->rows * 8);
        else if (taken[3 * k + 2] == 2) for VV_ROWS(i) ((vv_text *)to)[i] = VV_EMPTY;
        else memset(to, 0, (size_t)block->rows * sizeof(vv_decimal));
        block->ascii[taken[3 * k + 1]] = 1;
    }
}

static void leave(vv_block *inside, reader exits, int32_t count, const int32_t *numbers) {
    int32_t leaving[VV_BLOCK];
    for (int32_t e = 0; e < count; e++) {
        uint8_t *gone = inside->slots[next(&exits)], *outside = inside->slots[next(&exits)];
        int32_t n_taken = next(&exits);
        const int32_t *taken = values(&exits, n_taken);
        if (!keep_good(gone, inside->fail, inside->rows)) continue;
        const int n_leaving = find(gone, inside->rows, leaving);
        for (int k = 0; k < n_leaving; k++) outside[numbers[leaving[k]]] = 1;
        for (int32_t k = 0; k < n_taken; k++) scatter(inside, taken + 3 * k, leaving, n_leaving, numbers);
    }
}

/* The values of the next turn. */
static void carry(vv_block *inside, const int32_t *carried, int32_t count) {
    static const size_t widths[] = {1, 8, sizeof(vv_text), sizeof(vv_decimal)};
    for (int32_t k = 0; k < count; k++) {
        const int32_t *value = carried + 3 * k, kind = value[2] & 3;
        void *from = inside->slots[value[0]], *to = inside->slots[value[1]];
        if (value[2] & 4) {
            inside->slots[value[0]] = to;
            inside->slots[value[1]] = from;
        } else {
            memcpy(to, from, (size_t)inside->rows * widths[kind]);
        }
        if (kind == 2) inside->ascii[value[1]] = inside->ascii[value[0]];
    }
}

void vv_k_loop(const vv_op *op, vv_block *block) {
    reader from = {(const int32_t *)(block->program->data + op->constant)};
    int32_t *numbers = block->slots[next(&from)];
    uint8_t *running = block->slots[next(&from)];
    int32_t again_slot = next(&from);
    uint8_t *failed = block->slots[next(&from)];
    int32_t n_entering = next(&from), n_carried = next(&from), n_exits = next(&from), start = next(&from);
    const int32_t *entering = values(&from, n_entering), *carried = values(&from, n_carried);
    reader exits = from;
    for (int32_t e = 0; e < n_exits; e++) {
        next(&from);
        int32_t outside = next(&from), n_taken = next(&from);
        clear_exit(block, outside, values(&from, n_taken), n_taken);
    }
    const uint8_t *mask = vv_mask(op, block);
    int count = 0;
    for VV_ROWS(i) {
        numbers[count] = i;
        count += VV_ACTIVE(i) ? 1 : 0;
    }
    if (count == 0) return;
    for (int32_t k = 0; k < n_entering; k++) gather(block, entering + 3 * k, numbers, count);
    vv_block inside = *block;
    inside.rows = count;
    inside.fail = failed;
    memset(running, 1, (size_t)count);
    memset(failed, 0, (size_t)count);
    for (;;) {
        if (--*block->turns < 0)
            for (int i = 0; i < inside.rows; i++) failed[i] |= running[i];
        else vv_program_run(&inside, start, op->extra);
        leave(&inside, exits, *block->turns < 0 ? 0 : n_exits, numbers);
        if (any(failed, inside.rows))
            for (int i = 0; i < inside.rows; i++)
                if (failed[i]) block->fail[numbers[i]] = 1;
        if (*block->turns < 0 || again_slot < 0) return;
        const int left = go_on(running, block->slots[again_slot], failed, inside.rows);
        if (left == 0) return;
        carry(&inside, carried, n_carried);
        if (left * 100 >= inside.rows * CROWDED) continue;
        int32_t chosen[VV_BLOCK];
        count = find(running, inside.rows, chosen);
        for (int32_t k = 0; k < n_entering; k++) {
            const int32_t moved[3] = {entering[3 * k + 1], entering[3 * k + 1], entering[3 * k + 2]};
            gather(block, moved, chosen, count);
        }
        for (int i = 0; i < count; i++) numbers[i] = numbers[chosen[i]];
        memset(running, 1, (size_t)count);
        memset(failed, 0, (size_t)count);
        inside.rows = count;
    }
}
