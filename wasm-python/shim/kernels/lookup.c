/* Constant containers: the number of a key, and the value of that number. */
#include "../columns.h"

static uint32_t hash(vv_text text) {
    uint64_t hash = vv_word(text.at, text.size) * UINT64_C(0x9E3779B97F4A7C15) + text.size;
    if (text.size > 8) hash ^= vv_word(text.at + text.size - 8, 8) * UINT64_C(0xC2B2AE3D27D4EB4F);
    hash ^= hash >> 32;
    return (uint32_t)(hash ^ hash >> 15);
}

typedef struct {
    const uint8_t *data;
    uint32_t *places;     /* of a power of two: 0: free; or the number of a key, and 1 */
    const uint32_t *keys; /* (offset, size) each */
    uint32_t last;
} table;

/* In the program's data: the number of keys, that of places, places, keys. Their places are found when the program is used first. */
static table table_at(const vv_program *program, int64_t offset) {
    uint32_t *start = (uint32_t *)(program->data + offset);
    return (table){program->data, start + 3, start + 3 + start[1], start[1] - 1};
}

static int64_t find(const table *t, vv_text text) {
    for (uint32_t place = hash(text) & t->last;; place = (place + 1) & t->last) {
        uint32_t number = t->places[place];
        if (number == 0) return -1;
        const uint32_t *key = t->keys + 2 * (number - 1);
        if (key[1] == text.size && vv_same(t->data + key[0], text.at, text.size)) return (int64_t)number - 1;
    }
}

static void fill(const vv_program *program, int64_t offset) {
    uint32_t *start = (uint32_t *)(program->data + offset);
    table t = table_at(program, offset);
    if (start[2] != 0) return;
    start[2] = 1;
    for (uint32_t number = 0; number < start[0]; number++) {
        const uint32_t *key = t.keys + 2 * number;
        uint32_t place = hash((vv_text){t.data + key[0], key[1]}) & t.last;
        while (t.places[place] != 0) place = (place + 1) & t.last;
        t.places[place] = number + 1;
    }
}

/* to: the number of the key that a is, 0 when it is none; b: whether it is one. */
void vv_k_find_text(const vv_op *op, vv_block *block) {
    fill(block->program, op->constant);
    const table t = table_at(block->program, op->constant);
    const vv_text *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    uint8_t *found = block->slots[op->b];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        int64_t number = VV_ACTIVE(i) ? find(&t, x[i]) : -1;
        found[i] = number >= 0;
        to[i] = number < 0 ? 0 : number;
    }
}

/* The same for ints; extra: how many. */
void vv_k_find_int(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a], *keys = (const int64_t *)(block->program->data + op->constant);
    int64_t *to = block->slots[op->to];
    uint8_t *found = block->slots[op->b];
    for VV_ROWS(i) {
        found[i] = 0;
        to[i] = 0;
        for (int k = 0; k < op->extra; k++) {
            if (keys[k] != x[i]) continue;
            to[i] = k;
            found[i] = 1;
        }
    }
}

/* The value of a number below extra. */
void vv_k_take_number(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    const vv_bits *values = (const vv_bits *)(block->program->data + op->constant);
    vv_bits *to = block->slots[op->to];
    VV_UNROLL for VV_ROWS(i) to[i] = values[(uint64_t)x[i] < (uint64_t)op->extra ? x[i] : 0];
}

void vv_k_take_bool(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    const uint8_t *values = block->program->data + op->constant;
    uint8_t *to = block->slots[op->to];
    VV_UNROLL for VV_ROWS(i) to[i] = values[(uint64_t)x[i] < (uint64_t)op->extra ? x[i] : 0];
}

void vv_k_take_text(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    const uint32_t *values = (const uint32_t *)(block->program->data + op->constant);
    vv_text *to = block->slots[op->to];
    bool ascii = true;
    for (int k = 0; k < op->extra; k++) ascii &= vv_is_ascii((vv_text){block->program->data + values[2 * k], values[2 * k + 1]});
    block->ascii[op->to] = ascii;
    VV_UNROLL for VV_ROWS(i) {
        const uint32_t *value = values + 2 * ((uint64_t)x[i] < (uint64_t)op->extra ? x[i] : 0);
        to[i] = (vv_text){block->program->data + value[0], value[1]};
    }
}
