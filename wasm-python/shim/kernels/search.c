/* What is in a text: constants that are looked for, and classes of characters. */
#include "../columns.h"

#include "points.h"

/* The place of the constant at or behind a place; -1: nowhere. It is not empty. */
static int64_t place_of(vv_text text, vv_text constant, uint32_t from) {
    while (constant.size <= text.size && from <= text.size - constant.size) {
        const uint8_t *found = memchr(text.at + from, constant.at[0], text.size - constant.size - from + 1);
        if (found == NULL) return -1;
        if (vv_same(found, constant.at, constant.size)) return found - text.at;
        from = (uint32_t)(found - text.at) + 1;
    }
    return -1;
}

/* Of the constant, or of b. */
void vv_k_text_contains(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a], *y = op->b < 0 ? NULL : block->slots[op->b];
    vv_text sought = y != NULL ? VV_EMPTY : vv_constant_text(block, op->constant);
    uint8_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        if (y != NULL) sought = y[i];
        to[i] = VV_ACTIVE(i) && (sought.size == 0 || place_of(x[i], sought, 0) >= 0);
    }
}

/* a.split(constant)[extra], or [b], which is not negative. */
void vv_k_text_part(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a], separator = vv_constant_text(block, op->constant);
    const int64_t *places = op->b < 0 ? NULL : block->slots[op->b];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = block->ascii[op->a];
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        int64_t wanted = places != NULL ? places[i] : op->extra, start = 0, found;
        if (wanted < 0) {
            wanted++;
            for (found = place_of(x[i], separator, 0); found >= 0; wanted++) found = place_of(x[i], separator, (uint32_t)found + separator.size);
        }
        if (wanted < 0) {
            block->fail[i] = 1;
            continue;
        }
        for (; (found = place_of(x[i], separator, (uint32_t)start)) >= 0 && wanted > 0; wanted--) start = found + separator.size;
        if (wanted > 0) block->fail[i] = 1;
        else to[i] = (vv_text){x[i].at + start, (uint32_t)((found < 0 ? x[i].size : found) - start)};
    }
}

static int64_t last_place_of(vv_text text, vv_text constant) {
    for (int64_t at = (int64_t)text.size - constant.size; at >= 0; at--)
        if (vv_same(text.at + at, constant.at, constant.size)) return at;
    return -1;
}

/* extra: 1: the last one. */
void vv_k_text_find(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a], constant = vv_constant_text(block, op->constant);
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        to[i] = !VV_ACTIVE(i) ? -1 : op->extra ? last_place_of(x[i], constant) : place_of(x[i], constant, 0);
        if (to[i] > 0 && !block->ascii[op->a]) to[i] = vv_points(x[i].at, (uint32_t)to[i]);
    }
}

void vv_k_text_count(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a], constant = vv_constant_text(block, op->constant);
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        to[i] = 0;
        if (!VV_ACTIVE(i)) continue;
        for (int64_t at = place_of(x[i], constant, 0); at >= 0; at = place_of(x[i], constant, (uint32_t)at + constant.size)) to[i]++;
    }
}

#define END(name, start)                                                     \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        const vv_text *x = block->slots[op->a], constant = vv_constant_text(block, op->constant); \
        uint8_t *to = block->slots[op->to];                                  \
        const uint8_t *mask = vv_mask(op, block);                            \
        for VV_ROWS(i)                                                       \
            to[i] = VV_ACTIVE(i) && constant.size <= x[i].size && vv_same(x[i].at + (start), constant.at, constant.size); \
    }

END(text_starts, 0)
END(text_ends, x[i].size - constant.size)

/* Two constants in the program's data, (offset, size) each: what is replaced, which is not empty, and by what. */
void vv_k_text_replace(const vv_op *op, vv_block *block) {
    const uint8_t *data = block->program->data;
    const uint32_t *constants = (const uint32_t *)(data + op->constant);
    const vv_text *x = block->slots[op->a], old = {data + constants[0], constants[1]}, new = {data + constants[2], constants[3]};
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = block->ascii[op->a] && vv_is_ascii(new);
    for VV_ROWS(i) {
        to[i] = VV_ACTIVE(i) ? x[i] : VV_EMPTY;
        if (to[i].size == 0) continue;
        int64_t found = place_of(x[i], old, 0);
        if (found < 0) continue;
        uint64_t size = x[i].size;
        if (new.size > old.size) size += (uint64_t)(x[i].size / old.size) * (new.size - old.size);
        uint8_t *copy = size > INT32_MAX ? NULL : vv_room((size_t)size), *end = copy;
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        uint32_t done = 0;
        for (; found >= 0; found = place_of(x[i], old, done)) {
            vv_put(end, x[i].at + done, (uint32_t)found - done);
            end += (uint32_t)found - done;
            vv_put(end, new.at, new.size);
            end += new.size;
            done = (uint32_t)found + old.size;
        }
        vv_put(end, x[i].at + done, x[i].size - done);
        end += x[i].size - done;
        vv_room_used(end);
        to[i] = (vv_text){copy, (uint32_t)(end - copy)};
    }
}

#define CLASS(name, test)                                                    \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        const vv_text *x = block->slots[op->a];                              \
        uint8_t *to = block->slots[op->to];                                  \
        const uint8_t *mask = vv_mask(op, block);                            \
        for VV_ROWS(i) {                                                     \
            bool all = VV_ACTIVE(i) && x[i].size > 0;                        \
            if (all && !block->ascii[op->a] && !vv_is_ascii(x[i])) block->fail[i] = 1; \
            for (uint32_t k = 0; all && k < x[i].size; k++) {                \
                const uint8_t byte = x[i].at[k];                             \
                all = test;                                                  \
            }                                                                \
            to[i] = all;                                                     \
        }                                                                    \
    }

CLASS(text_isdigit, (uint8_t)(byte - '0') < 10)
CLASS(text_isalpha, (uint8_t)((byte | 32) - 'a') < 26)
CLASS(text_isalnum, (uint8_t)(byte - '0') < 10 || (uint8_t)((byte | 32) - 'a') < 26)
CLASS(text_isspace, vv_is_space(byte))

#define CASE(name, wanted, other)                                            \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        const vv_text *x = block->slots[op->a];                              \
        uint8_t *to = block->slots[op->to];                                  \
        const uint8_t *mask = vv_mask(op, block);                            \
        for VV_ROWS(i) {                                                     \
            to[i] = 0;                                                       \
            if (!VV_ACTIVE(i)) continue;                                     \
            if (!block->ascii[op->a] && !vv_is_ascii(x[i])) block->fail[i] = 1; \
            bool some = false, none = true;                                  \
            for (uint32_t k = 0; k < x[i].size; k++) {                       \
                some |= (uint8_t)(x[i].at[k] - (wanted)) < 26;               \
                none &= (uint8_t)(x[i].at[k] - (other)) >= 26;               \
            }                                                                \
            to[i] = some && none;                                            \
        }                                                                    \
    }

CASE(text_isupper, 'A', 'a')
CASE(text_islower, 'a', 'A')
