/* Lists of texts whose number depends on the row: a text with an end behind each of them, a byte that no UTF-8 has. */
#include "../columns.h"

#define END 0xFF

static inline uint8_t *put_part(uint8_t *to, const uint8_t *from, const uint8_t *end) {
    vv_put(to, from, (uint32_t)(end - from));
    to += end - from;
    *to = END;
    return to + 1;
}

/* Whether there may be a blank that is not ASCII: U+0085, U+00A0, U+1680, U+2000 to U+205F, U+3000. */
static bool may_have_other_blanks(vv_text text) {
    for (uint32_t k = 0; k + 1 < text.size; k++) {
        const uint8_t first = text.at[k], second = text.at[k + 1];
        if (first == 0xC2 && (second == 0x85 || second == 0xA0)) return true;
        if (first == 0xE2 && (second == 0x80 || second == 0x81)) return true;
        if ((first == 0xE1 && second == 0x9A) || (first == 0xE3 && second == 0x80)) return true;
    }
    return false;
}

/* a.split() */
void vv_k_text_words(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i) || x[i].size == 0) continue;
        const bool known = block->ascii[op->a] || vv_is_ascii(x[i]) || !may_have_other_blanks(x[i]);
        uint8_t *copy = known ? vv_room((size_t)x[i].size + 1) : NULL, *out = copy;
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (const uint8_t *at = x[i].at, *end = at + x[i].size; at < end;) {
            const uint8_t *start = at;
            while (at < end && !vv_is_space(*at)) at++;
            if (at > start) out = put_part(out, start, at);
            while (at < end && vv_is_space(*at)) at++;
        }
        vv_room_used(out);
        to[i] = (vv_text){copy, (uint32_t)(out - copy)};
    }
}

/* The place of the constant at or behind `at`, or the last one that ends at or before `end`; NULL: there is none. */
static const uint8_t *next_of(const uint8_t *at, const uint8_t *end, vv_text constant) {
    for (; (size_t)(end - at) >= constant.size; at++)
        if (vv_same(at, constant.at, constant.size)) return at;
    return NULL;
}

static const uint8_t *last_of(const uint8_t *start, const uint8_t *end, vv_text constant) {
    while ((size_t)(end - start) >= constant.size) {
        const uint8_t *at = end-- - constant.size;
        if (vv_same(at, constant.at, constant.size)) return at;
    }
    return NULL;
}

#define MOST_TIMES 8

/* a.split(constant, extra), or where that is negative, a.rsplit(constant, -extra): at most eight times. */
void vv_k_text_divide(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a], constant = vv_constant_text(block, op->constant);
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const int asked = op->extra < 0 ? -op->extra : op->extra, most = asked < MOST_TIMES ? asked : MOST_TIMES;
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const uint8_t *start = x[i].at, *end = start + x[i].size, *found[MOST_TIMES], *at;
        int count = 0;
        if (op->extra > 0) {
            for (at = start; count < most && (at = next_of(at, end, constant)) != NULL; at += constant.size) found[count++] = at;
        } else {
            for (at = end; count < most && (at = last_of(start, at, constant)) != NULL;) found[count++] = at;
        }
        uint8_t *copy = vv_room((size_t)x[i].size + MOST_TIMES + 1), *out = copy;
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (int k = 0; k < count; k++) {
            at = found[op->extra > 0 ? k : count - 1 - k];
            out = put_part(out, start, at);
            start = at + constant.size;
        }
        out = put_part(out, start, end);
        vv_room_used(out);
        to[i] = (vv_text){copy, (uint32_t)(out - copy)};
    }
}

/* The place behind so many parts; not beyond the end. */
static uint32_t behind_parts(vv_text text, int64_t count) {
    uint32_t at = 0;
    for (; count > 0 && at < text.size; count--) {
        while (at < text.size && text.at[at] != END) at++;
        if (at < text.size) at++;
    }
    return at;
}

/* a[start:stop] of a list, which are the constant's halves. */
void vv_k_parts_slice(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const int64_t first = (int32_t)op->constant, last = (int32_t)(op->constant >> 32);
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        int64_t count = 0;
        for (uint32_t k = 0; k < x[i].size; k++) count += x[i].at[k] == END;
        const uint32_t start = behind_parts(x[i], first < 0 ? first + count : first), stop = behind_parts(x[i], last < 0 ? last + count : last);
        if (stop > start) to[i] = (vv_text){x[i].at + start, stop - start};
    }
}

#define MOST_SORTED 256

/* By code points, which is by bytes of UTF-8. */
static int compare_texts(vv_text a, vv_text b) {
    const int order = memcmp(a.at, b.at, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : a.size < b.size ? -1 : a.size > b.size;
}

/* Puts a part at its place among so many that are in order. */
static void insert(vv_text *sorted, int count, vv_text part) {
    int low = 0, high = count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (compare_texts(sorted[middle], part) <= 0) low = middle + 1;
        else high = middle;
    }
    memmove(sorted + low + 1, sorted + low, (size_t)(count - low) * sizeof *sorted);
    sorted[low] = part;
}

/* The parts in order; how many there are, or -1: too many. */
static int sort(vv_text parts, vv_text *sorted) {
    int count = 0;
    for (uint32_t start = 0; start < parts.size;) {
        const uint8_t *end = memchr(parts.at + start, END, parts.size - start);
        const uint32_t size = end == NULL ? parts.size - start : (uint32_t)(end - (parts.at + start));
        if (count == MOST_SORTED) return -1;
        insert(sorted, count++, (vv_text){parts.at + start, size});
        start += size + 1;
    }
    return count;
}

/* sorted(a) of a list, or set(a). extra: 1: the largest first; 2: each once. */
void vv_k_parts_sort(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to], sorted[MOST_SORTED];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i) || x[i].size == 0) continue;
        const int count = sort(x[i], sorted);
        uint8_t *start = count < 0 ? NULL : vv_room(x[i].size), *end = start;
        if (start == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (int k = 0; k < count; k++) {
            const vv_text part = sorted[op->extra == 1 ? count - 1 - k : k];
            if (op->extra == 2 && k > 0 && compare_texts(part, sorted[k - 1]) == 0) continue;
            vv_put(end, part.at, part.size);
            end += part.size;
            *end++ = END;
        }
        vv_room_used(end);
        to[i] = (vv_text){start, (uint32_t)(end - start)};
    }
}
