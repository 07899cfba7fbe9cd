/* Characters of texts: their numbers, their order, and tables of what each of them becomes. */
#include "../columns.h"

#include "points.h"

void vv_k_text_isascii(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    uint8_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) to[i] = VV_ACTIVE(i) && vv_is_ascii(x[i]);
}

/* a[::-1] */
void vv_k_text_reverse(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = block->ascii[op->a];
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i) || x[i].size == 0) continue;
        uint8_t *copy = vv_room(x[i].size), *end = copy == NULL ? NULL : copy + x[i].size;
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (uint32_t at = 0, next; at < x[i].size; at = next) {
            next = vv_points_ahead(x[i], at, 1);
            end -= next - at;
            memcpy(end, x[i].at + at, next - at);
        }
        to[i] = (vv_text){copy, x[i].size};
    }
}

/* The code point at a place of valid UTF-8. */
static uint32_t point_at(vv_text text, uint32_t at) {
    const uint8_t first = text.at[at];
    if (first < 0x80) return first;
    const uint32_t more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    uint32_t point = first & (0x3F >> more);
    for (uint32_t k = 1; k <= more && at + k < text.size; k++) point = point << 6 | (text.at[at + k] & 0x3F);
    return point;
}

/* ord(a) */
void vv_k_text_to_ord(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        to[i] = 0;
        if (!VV_ACTIVE(i)) continue;
        if (x[i].size == 0 || vv_points_ahead(x[i], 0, 1) != x[i].size) block->fail[i] = 1;
        else to[i] = point_at(x[i], 0);
    }
}

/* chr(a); of surrogates there is no UTF-8. */
void vv_k_ord_to_text(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const bool known = x[i] >= 0 && x[i] < 0x110000 && (x[i] < 0xD800 || x[i] > 0xDFFF);
        uint8_t *copy = known ? vv_room(4) : NULL, *end = copy;
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        const uint32_t point = (uint32_t)x[i];
        if (point < 0x80) {
            *end++ = (uint8_t)point;
        } else {
            const uint32_t more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
            static const uint8_t firsts[] = {0, 0xC0, 0xE0, 0xF0};
            *end++ = (uint8_t)(firsts[more] | point >> 6 * more);
            for (uint32_t k = more; k-- > 0;) *end++ = (uint8_t)(0x80 | (point >> 6 * k & 0x3F));
        }
        vv_room_used(end);
        to[i] = (vv_text){copy, (uint32_t)(end - copy)};
    }
}

/* What a code point beyond ASCII becomes, (point, offset, size) each; NULL: what it is. */
static const uint32_t *other_place(const uint32_t *others, uint32_t count, uint32_t point) {
    for (uint32_t k = 0; k < count; k++)
        if (others[3 * k] == point) return others + 3 * k + 1;
    return NULL;
}

/* a.translate(): in the program's data, the number of characters beyond ASCII, (offset, size) for each of ASCII, and then those. */
void vv_k_text_translate(const vv_op *op, vv_block *block) {
    const uint8_t *data = block->program->data;
    const uint32_t *table = (const uint32_t *)(data + op->constant), count = table[0], *others = table + 1 + 2 * 128;
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        uint8_t *copy = NULL, *end = NULL;
        uint64_t size = 0;
        for (int writes = 0; writes < 2; writes++) { /* measured first */
            for (uint32_t at = 0, next; at < x[i].size; at = next) {
                next = x[i].at[at] < 0x80 ? at + 1 : vv_points_ahead(x[i], at, 1);
                const uint32_t *place = x[i].at[at] < 0x80 ? table + 1 + 2 * x[i].at[at] : other_place(others, count, point_at(x[i], at));
                const vv_text new = place == NULL ? (vv_text){x[i].at + at, next - at} : (vv_text){data + place[0], place[1]};
                if (writes) vv_put(end, new.at, new.size), end += new.size;
                else size += new.size;
            }
            if (!writes && (size > INT32_MAX || (copy = end = vv_room((size_t)size)) == NULL)) break;
        }
        if (copy == NULL) block->fail[i] = 1;
        else to[i] = (vv_text){copy, (uint32_t)size};
    }
}
