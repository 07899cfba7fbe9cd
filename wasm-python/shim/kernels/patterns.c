/* Regular expressions of a kind that vivarium._lift has compiled, on ASCII: a backtracking matcher that tries what the interpreter tries,
 * in its order. Other text, and what takes too many steps, is the interpreter's.
 *
 * In the program's data, as int32: the number of marks (two for each group, of which the first is the whole match), of instructions, of
 * the set that a match starts with or -1, and the offset of sets, 16 bytes each, a bit for a byte; then the instructions, four each.
 */
#include "../columns.h"

enum { MATCH, ONE, GREEDY, LAZY, SPLIT, JUMP, MARK, AT, LOOK, LOOKED };
/* ONE: set. GREEDY, LAZY: set, least, most or -1. SPLIT: tried first, tried then. JUMP: to. MARK: number. AT: place. LOOK: what is behind
 * its LOOKED, whether there has to be a match of what is between them, how far back it starts. */

enum { START, END, LINE_END, BOUNDARY, NO_BOUNDARY };

#define MOST_STEPS 20000
#define MOST_MARKS 64
#define MOST_FRAMES 512
#define MOST_LOOKS 3 /* within each other */

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

/* From one place on, by the instructions from pc on. */
static outcome match_at(matcher *m, int32_t pc, int32_t at, int looks) {
    frame frames[MOST_FRAMES];
    int n_frames = 0;
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
        case LOOKED: return FOUND;
        case LOOK: {
            if (looks == MOST_LOOKS) return UNKNOWN;
            const outcome there = at < now->c ? NONE : match_at(m, pc + 1, at - now->c, looks + 1);
            if (there == UNKNOWN) return UNKNOWN;
            fits = (there == FOUND) == (now->b != 0);
            pc = now->a;
            break;
        }
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
        outcome found = match_at(m, 0, start, 0);
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

/* What a match becomes, piece by piece: a group's text, or a constant one. */
typedef struct {
    int32_t group; /* or -1 */
    uint32_t offset, size;
} piece;

typedef struct {
    const piece *pieces;
    int32_t count, groups; /* pieces, and those of them that are groups */
    size_t size;           /* of the constant ones */
    bool ascii;
} template;

static template template_of(const vv_program *program, int32_t offset) {
    template by = {.pieces = (const piece *)(program->data + offset + 4), .ascii = true};
    memcpy(&by.count, program->data + offset, 4);
    for (int32_t k = 0; k < by.count; k++) {
        by.groups += by.pieces[k].group >= 0;
        by.size += by.pieces[k].size;
        by.ascii = by.ascii && vv_is_ascii((vv_text){program->data + by.pieces[k].offset, by.pieces[k].size});
    }
    return by;
}

static bool put(uint8_t **end, const uint8_t *limit, const uint8_t *from, size_t size) {
    if ((size_t)(limit - *end) < size) return false;
    memcpy(*end, from, size);
    *end += size;
    return true;
}

/* A group that took no part in the match is empty. */
static bool put_match(const matcher *m, const uint8_t *data, const template *by, uint8_t **end, const uint8_t *limit) {
    bool room = true;
    for (int32_t k = 0; room && k < by->count; k++) {
        const piece *next = &by->pieces[k];
        const int32_t *marks = m->marks + (next->group < 0 ? 0 : 2 * next->group);
        if (next->group < 0) room = put(end, limit, data + next->offset, next->size);
        else if (marks[0] >= 0 && marks[1] >= marks[0]) room = put(end, limit, m->text.at + marks[0], (size_t)(marks[1] - marks[0]));
    }
    return room;
}

static bool substitute(matcher *m, const uint8_t *data, const template *by, uint8_t **end, const uint8_t *limit) {
    int32_t from = 0;
    for (;;) {
        outcome found = match(m, from, true);
        if (found == UNKNOWN) return false;
        const int32_t stop = found == FOUND ? m->marks[0] : (int32_t)m->text.size;
        if (!put(end, limit, m->text.at + from, (size_t)(stop - from))) return false;
        if (found == NONE) return true;
        if (!put_match(m, data, by, end, limit)) return false;
        from = m->marks[1];
    }
}

/* Each match, of which none is empty, replaced by a template. extra: its offset in the data: the number of its pieces, an int32, and those. */
void vv_k_pattern_replace(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block), *data = block->program->data;
    matcher m = matcher_of(block->program, op->constant);
    const template by = template_of(block->program, op->extra);
    const size_t most_of_byte = by.size + (by.groups > 1 ? (size_t)by.groups : 1);
    block->ascii[op->to] = by.ascii;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const bool large = x[i].size > 100000 || by.size > 1000;
        const size_t most = large ? 0 : (size_t)x[i].size * most_of_byte + 1;
        uint8_t *start = set_text(&m, x[i], block->ascii[op->a]) && most > 0 ? vv_room(most) : NULL, *end = start;
        if (start == NULL || !substitute(&m, data, &by, &end, start + most)) block->fail[i] = 1;
        if (start == NULL) continue;
        vv_room_used(end);
        if (!block->fail[i]) to[i] = (vv_text){start, (uint32_t)(end - start)};
    }
}

/* What behind each part of a list is: parts.c. */
#define PART_END 0xFF

/* All matches, of which none is empty, as a list. */
static bool list_matches(matcher *m, int32_t group, uint8_t **end, const uint8_t *limit) {
    for (int32_t from = 0;; from = m->marks[1]) {
        const outcome found = match(m, from, true);
        if (found != FOUND) return found == NONE;
        const int32_t *marks = m->marks + 2 * group;
        const bool part = marks[0] >= 0 && marks[1] >= marks[0];
        if (part && !put(end, limit, m->text.at + marks[0], (size_t)(marks[1] - marks[0]))) return false;
        if (*end == limit) return false;
        *(*end)++ = PART_END;
    }
}

/* findall(). extra: the group of which the texts are; one that took no part in its match is empty. */
void vv_k_pattern_all(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    matcher m = matcher_of(block->program, op->constant);
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const size_t most = 2 * (size_t)x[i].size + 1;
        uint8_t *start = set_text(&m, x[i], block->ascii[op->a]) ? vv_room(most) : NULL, *end = start;
        if (start == NULL || !list_matches(&m, op->extra, &end, start + most)) block->fail[i] = 1;
        if (start == NULL) continue;
        vv_room_used(end);
        if (!block->fail[i]) to[i] = (vv_text){start, (uint32_t)(end - start)};
    }
}
