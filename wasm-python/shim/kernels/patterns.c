/* Regular expressions of a kind that vivarium._lift has compiled, on ASCII: a backtracking matcher that tries what the interpreter tries,
 * in its order. Other text, and what takes too many steps, is the interpreter's.
 *
 * In the program's data, as int32: the number of marks (two for each group, of which the first is the whole match), of instructions, of
 * the set that a match starts with or -1, and the offset of sets, 16 bytes each, a bit for a byte; then the instructions, four each.
 */
#include "../columns.h"

enum { MATCH, ONE, GREEDY, LAZY, SPLIT, JUMP, MARK, AT };
/* ONE: set. GREEDY, LAZY: set, least, most or -1. SPLIT: tried first, tried then. JUMP: to. MARK: number. AT: place. */

enum { START, END, LINE_END, BOUNDARY, NO_BOUNDARY };

#define MOST_STEPS 20000
#define MOST_MARKS 64
#define MOST_FRAMES 512

typedef struct {
    int32_t n_marks, n_instructions, first, sets;
} header;

typedef struct {
    int32_t code, a, b, c;
} instruction;

typedef struct {
    const header *about;
    const instruction *instructions;
    const uint8_t *sets;
    vv_text text;
    int32_t marks[MOST_MARKS];
    int steps;
    bool whole; /* up to the end of the text */
} matcher;

/* What is tried when this way fails: instruction pc at another place of the text, which for repetitions moves up to the bound; or the
 * value that mark pc had. */
typedef struct {
    enum { OTHER_WAY, ONE_LESS, ONE_MORE, FORMER_MARK } kind;
    int32_t pc, at, bound;
} frame;

typedef enum { NONE, FOUND, UNKNOWN } outcome;

static inline bool in_set(const matcher *m, int32_t set, uint8_t byte) {
    return byte < 128 && m->sets[16 * set + (byte >> 3)] >> (byte & 7) & 1;
}

static inline bool is_word(uint8_t byte) {
    return (uint8_t)((byte | 32) - 'a') < 26 || (uint8_t)(byte - '0') < 10 || byte == '_';
}

static bool is_at(vv_text text, int32_t at, int32_t place) {
    const int32_t size = (int32_t)text.size;
    switch (place) {
    case START: return at == 0;
    case END: return at == size;
    case LINE_END: return at == size || (at == size - 1 && text.at[at] == '\n');
    default: break;
    }
    const bool before = at > 0 && is_word(text.at[at - 1]), behind = at < size && is_word(text.at[at]);
    return (before != behind) == (place == BOUNDARY);
}

/* From one place on. */
static outcome match_at(matcher *m, int32_t at) {
    frame frames[MOST_FRAMES];
    int n_frames = 0;
    int32_t pc = 0;
    const int32_t size = (int32_t)m->text.size;
    const uint8_t *bytes = m->text.at;
    for (;;) {
        const instruction *now = &m->instructions[pc];
        bool fits = true;
        if (--m->steps < 0 || n_frames >= MOST_FRAMES) return UNKNOWN;
        switch (now->code) {
        case MATCH:
            if (!m->whole || at == size) {
                m->marks[1] = at;
                return FOUND;
            }
            fits = false;
            break;
        case ONE:
            fits = at < size && in_set(m, now->a, bytes[at]);
            at += fits;
            pc++;
            break;
        case GREEDY:
        case LAZY: {
            const int32_t most = now->c < 0 || now->c > size - at ? size - at : now->c, wanted = now->code == GREEDY ? most : now->b;
            int32_t count = 0;
            while (count < wanted && count < most && in_set(m, now->a, bytes[at + count])) count++;
            fits = count >= now->b;
            m->steps -= count / 8;
            if (fits && now->code == GREEDY && count > now->b) frames[n_frames++] = (frame){ONE_LESS, pc + 1, at + count, at + now->b};
            if (fits && now->code == LAZY && count < most) frames[n_frames++] = (frame){ONE_MORE, pc, at + count, at + most};
            at += count;
            pc++;
            break;
        }
        case SPLIT:
            frames[n_frames++] = (frame){OTHER_WAY, now->b, at, 0};
            pc = now->a;
            break;
        case JUMP: pc = now->a; break;
        case MARK:
            frames[n_frames++] = (frame){FORMER_MARK, now->a, m->marks[now->a], 0};
            m->marks[now->a] = at;
            pc++;
            break;
        default:
            fits = is_at(m->text, at, now->a);
            pc++;
        }
        while (!fits) {
            if (n_frames == 0) return NONE;
            frame *last = &frames[n_frames - 1];
            if (last->kind == FORMER_MARK) {
                m->marks[last->pc] = last->at;
                n_frames--;
                continue;
            }
            fits = true;
            if (last->kind == OTHER_WAY) {
                pc = last->pc;
                at = last->at;
                n_frames--;
            } else if (last->kind == ONE_LESS) {
                pc = last->pc;
                at = --last->at;
                if (last->at == last->bound) n_frames--;
            } else {
                fits = in_set(m, m->instructions[last->pc].a, bytes[last->at]);
                pc = last->pc + 1;
                at = ++last->at;
                if (!fits || last->at == last->bound) n_frames--;
            }
        }
    }
}

/* The first match that starts at `from` or, when it may, behind. */
static outcome match(matcher *m, int32_t from, bool anywhere) {
    for (int32_t start = from; start <= (int32_t)m->text.size; start++) {
        if (anywhere && m->about->first >= 0) {
            while (start < (int32_t)m->text.size && !in_set(m, m->about->first, m->text.at[start])) start++;
            if (start == (int32_t)m->text.size) return NONE;
        }
        for (int32_t k = 0; k < m->about->n_marks; k++) m->marks[k] = -1;
        m->marks[0] = start;
        outcome found = match_at(m, start);
        if (found != NONE || !anywhere) return found;
        if (--m->steps < 0) return UNKNOWN;
    }
    return NONE;
}

static matcher matcher_of(const vv_program *program, int64_t constant) {
    matcher m = {.about = (const header *)(program->data + constant)};
    m.instructions = (const instruction *)(m.about + 1);
    m.sets = program->data + m.about->sets;
    return m;
}

/* What a matcher of columns can look at. */
static bool set_text(matcher *m, vv_text text, bool ascii) {
    m->text = text;
    m->steps = MOST_STEPS;
    return text.size < INT32_MAX && (ascii || vv_is_ascii(text));
}

/* to: whether there is a match; b: where its marks are kept, or 0. extra: 0: search, 1: match, 2: fullmatch. */
void vv_k_pattern_find(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    uint8_t *to = block->slots[op->to];
    int64_t *kept = block->slots[op->b];
    const uint8_t *mask = vv_mask(op, block);
    matcher m = matcher_of(block->program, op->constant);
    const size_t size = (size_t)m.about->n_marks * sizeof(int32_t);
    m.whole = op->extra == 2;
    for VV_ROWS(i) {
        to[i] = 0;
        kept[i] = 0;
        if (!VV_ACTIVE(i)) continue;
        outcome found = set_text(&m, x[i], block->ascii[op->a]) ? match(&m, 0, op->extra == 0) : UNKNOWN;
        uint8_t *marks = found == FOUND ? vv_room(size) : NULL;
        if (found == UNKNOWN || (found == FOUND && marks == NULL)) block->fail[i] = 1;
        if (marks == NULL) continue;
        memcpy(marks, m.marks, size);
        kept[i] = (int64_t)(uintptr_t)marks;
        to[i] = 1;
    }
}

/* The mark of a number of a row that has a match; -1 where its group took no part in it. */
static inline int32_t mark_of(int64_t kept, int32_t number) {
    int32_t mark = -1;
    if (kept != 0) memcpy(&mark, (const uint8_t *)(uintptr_t)kept + (size_t)number * sizeof mark, sizeof mark);
    return mark;
}

/* The text of group `extra` of the match of a whose marks b keeps. */
void vv_k_pattern_group(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    const int64_t *kept = block->slots[op->b];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const int32_t start = mark_of(kept[i], 2 * op->extra), end = mark_of(kept[i], 2 * op->extra + 1);
        if (start >= 0 && end >= start) to[i] = (vv_text){x[i].at + start, (uint32_t)(end - start)};
    }
}

void vv_k_pattern_mark(const vv_op *op, vv_block *block) {
    const int64_t *kept = block->slots[op->b];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) to[i] = VV_ACTIVE(i) ? mark_of(kept[i], op->extra) : -1;
}

static bool substitute(matcher *m, vv_text by, uint8_t **end, const uint8_t *limit) {
    int32_t from = 0;
    for (;;) {
        outcome found = match(m, from, true);
        if (found == UNKNOWN) return false;
        const int32_t stop = found == FOUND ? m->marks[0] : (int32_t)m->text.size;
        if ((size_t)(limit - *end) < (size_t)(stop - from) + by.size) return false;
        memcpy(*end, m->text.at + from, (size_t)(stop - from));
        *end += stop - from;
        if (found == NONE) return true;
        memcpy(*end, by.at, by.size);
        *end += by.size;
        from = m->marks[1];
    }
}

/* Each match, of which none is empty, replaced by a text. extra: the offset in the data of its size, an int32, behind which it lies. */
void vv_k_pattern_replace(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to], by = {block->program->data + op->extra + 4, 0};
    const uint8_t *mask = vv_mask(op, block);
    matcher m = matcher_of(block->program, op->constant);
    memcpy(&by.size, block->program->data + op->extra, 4);
    block->ascii[op->to] = vv_is_ascii(by);
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const bool large = x[i].size > 100000 || by.size > 1000;
        const size_t most = large ? 0 : (size_t)x[i].size * (by.size > 1 ? by.size : 1) + 1;
        uint8_t *start = set_text(&m, x[i], block->ascii[op->a]) && most > 0 ? vv_room(most) : NULL, *end = start;
        if (start == NULL || !substitute(&m, by, &end, start + most)) block->fail[i] = 1;
        if (start == NULL) continue;
        vv_room_used(end);
        if (!block->fail[i]) to[i] = (vv_text){start, (uint32_t)(end - start)};
    }
}
