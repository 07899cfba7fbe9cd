/* Texts, as UTF-8: their order is that of their code points, and what is found in one is found in the other. Where positions count and
 * a text is not ASCII, code points are. Changing the case of such a text is the interpreter's. */
#include "../columns.h"

#include "points.h"

void vv_k_text_truth(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    uint8_t *to = block->slots[op->to];
    VV_UNROLL for VV_ROWS(i) to[i] = x[i].size != 0;
}

static int compare(vv_text a, vv_text b) {
    int order = memcmp(a.at, b.at, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : a.size < b.size ? -1 : a.size > b.size;
}

static bool equal(vv_text a, vv_text b) { return a.size == b.size && vv_same(a.at, b.at, a.size); }

#define COMPARISON(name, expression)                                         \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        const vv_text *x = block->slots[op->a], *y = block->slots[op->b];    \
        uint8_t *to = block->slots[op->to];                                  \
        const uint8_t *mask = vv_mask(op, block);                            \
        for VV_ROWS(i) to[i] = VV_ACTIVE(i) ? (expression) : 0;              \
    }

COMPARISON(text_eq, equal(x[i], y[i]))
COMPARISON(text_ne, !equal(x[i], y[i]))
COMPARISON(text_lt, compare(x[i], y[i]) < 0)
COMPARISON(text_le, compare(x[i], y[i]) <= 0)
COMPARISON(text_gt, compare(x[i], y[i]) > 0)
COMPARISON(text_ge, compare(x[i], y[i]) >= 0)

/* Equal to the constant. */
void vv_k_text_is(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a], constant = vv_constant_text(block, op->constant);
    uint8_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    if (constant.size <= 8) {
        uint64_t word = vv_word(constant.at, constant.size);
        VV_UNROLL for VV_ROWS(i) to[i] = x[i].size == constant.size && vv_word(x[i].at, constant.size) == word;
    } else {
        for VV_ROWS(i) to[i] = VV_ACTIVE(i) && equal(x[i], constant);
    }
}

void vv_k_text_length(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    if (block->ascii[op->a]) VV_UNROLL for VV_ROWS(i) to[i] = x[i].size;
    else for VV_ROWS(i) to[i] = VV_ACTIVE(i) ? (int64_t)vv_points(x[i].at, x[i].size) : 0;
}

static inline int64_t clipped(int64_t end, int64_t length) {
    if (end < 0) return end < -length ? 0 : end + length;
    return end > length ? length : end;
}

/* a[b:c]. extra: bit 0: the start is the constant's low half, bit 1: the stop is its high half, bit 2: of bytes. */
void vv_k_text_slice(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *restrict to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const bool ascii = block->ascii[op->a], bytewise = ascii || op->extra & 4;
    const int64_t *starts = op->extra & 1 ? NULL : block->slots[op->b], *stops = op->extra & 2 ? NULL : block->slots[op->c];
    const int64_t first = (int32_t)op->constant, last = (int32_t)(op->constant >> 32);
    block->ascii[op->to] = ascii;
    if (bytewise && starts == NULL && stops == NULL && first >= 0 && last >= 0) {
        VV_UNROLL for VV_ROWS(i) {
            uint32_t size = x[i].size, start = first < size ? (uint32_t)first : size, stop = last < size ? (uint32_t)last : size;
            to[i].at = x[i].at + start;
            to[i].size = stop > start ? stop - start : 0;
        }
        return;
    }
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const bool bytes = bytewise || vv_is_ascii(x[i]);
        int64_t length = bytes ? x[i].size : vv_points(x[i].at, x[i].size);
        int64_t start = clipped(starts != NULL ? starts[i] : first, length), stop = clipped(stops != NULL ? stops[i] : last, length);
        if (stop <= start) continue;
        to[i] = bytes ? (vv_text){x[i].at + start, (uint32_t)(stop - start)} : vv_points_between(x[i], start, stop);
    }
}

/* a[b], or a[constant] */
void vv_k_text_index(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    const int64_t *places = op->b < 0 ? NULL : block->slots[op->b];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const bool ascii = block->ascii[op->a];
    block->ascii[op->to] = ascii;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const bool bytes = ascii || vv_is_ascii(x[i]);
        int64_t length = bytes ? x[i].size : vv_points(x[i].at, x[i].size), place = places != NULL ? places[i] : op->constant;
        if (place < -length || place >= length) {
            block->fail[i] = 1;
            continue;
        }
        if (place < 0) place += length;
        to[i] = bytes ? (vv_text){x[i].at + place, 1} : vv_points_between(x[i], place, place + 1);
    }
}

/* ---- Case ---- */

/* Eight bytes of ASCII with the letters from `lowest` on in the other case. */
static inline uint64_t other_case(uint64_t word, uint8_t lowest) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t from = word + ones * (uint64_t)(128 - lowest), beyond = word + ones * (uint64_t)(128 - lowest - 26);
    return word ^ ((from ^ beyond) & (ones << 7)) >> 2;
}

/* The whole block at once, when its texts are ASCII and lie behind each other, as a column's do. */
static bool change_together(const vv_op *op, vv_block *block, uint8_t lowest) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    int last = block->rows - 1;
    bool together = block->ascii[op->a];
    VV_UNROLL for (int i = 0; i < last; i++) together &= x[i].at + x[i].size == x[i + 1].at;
    if (!together) return false;
    const uint8_t *from = x[0].at;
    size_t size = (size_t)(x[last].at - from) + x[last].size;
    uint8_t *copy = vv_room(size);
    if (copy == NULL) return false;
    VV_VECTOR for (size_t i = 0; i < size; i++) copy[i] = (uint8_t)(from[i] ^ (uint8_t)((uint8_t)((uint8_t)(from[i] - lowest) < 26) << 5));
    VV_UNROLL for VV_ROWS(i) to[i] = (vv_text){copy + (x[i].at - from), x[i].size};
    return true;
}

static void change_case(const vv_op *op, vv_block *block, uint8_t lowest) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    if (change_together(op, block, lowest)) return;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i) || x[i].size == 0) continue;
        uint32_t size = x[i].size, done = 0;
        uint64_t high = 0;
        uint8_t *copy = vv_room(size);
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (; done + 8 <= size; done += 8) {
            uint64_t word = vv_word(x[i].at + done, 8);
            high |= word;
            word = other_case(word, lowest);
            memcpy(copy + done, &word, 8);
        }
        for (; done < size; done++) {
            high |= x[i].at[done];
            copy[done] = (uint8_t)other_case(x[i].at[done], lowest);
        }
        if (high & UINT64_C(0x8080808080808080)) block->fail[i] = 1;
        else to[i] = (vv_text){copy, size};
    }
}

void vv_k_text_upper(const vv_op *op, vv_block *block) { change_case(op, block, 'a'); }
void vv_k_text_lower(const vv_op *op, vv_block *block) { change_case(op, block, 'A'); }

static inline bool is_letter(uint8_t byte) { return (uint8_t)((byte | 32) - 'a') < 26; }

/* The first letter of each word, or the first character, as a capital, and all others small. */
static void capitalize(const vv_op *op, vv_block *block, bool words) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i) || x[i].size == 0) continue;
        uint8_t *copy = vv_is_ascii(x[i]) ? vv_room(x[i].size) : NULL;
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        bool inside = false;
        for (uint32_t k = 0; k < x[i].size; k++) {
            const uint8_t byte = x[i].at[k];
            copy[k] = !is_letter(byte) ? byte : inside ? byte | 32 : (uint8_t)(byte & ~32);
            inside = words ? is_letter(byte) : true;
        }
        to[i] = (vv_text){copy, x[i].size};
    }
}

void vv_k_text_title(const vv_op *op, vv_block *block) { capitalize(op, block, true); }
void vv_k_text_capitalize(const vv_op *op, vv_block *block) { capitalize(op, block, false); }

/* ---- Ends ---- */

static inline bool is_stripped(uint8_t byte, vv_text set) {
    if (set.at == NULL) return vv_is_space(byte);
    return memchr(set.at, byte, set.size) != NULL;
}

/* extra: bit 0: at the start, bit 1: at the end, bit 2: the bytes of the constant, which are ASCII, instead of blanks. */
void vv_k_text_strip(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to], set = {NULL, 0};
    const uint8_t *mask = vv_mask(op, block);
    if (op->extra & 4) set = vv_constant_text(block, op->constant);
    block->ascii[op->to] = block->ascii[op->a];
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const uint8_t *start = x[i].at, *end = start + x[i].size;
        if (op->extra & 1) while (start < end && is_stripped(*start, set)) start++;
        if (op->extra & 2) while (end > start && is_stripped(end[-1], set)) end--;
        /* There are blanks beyond ASCII. */
        if (set.at == NULL && start < end && ((op->extra & 1 && *start & 0x80) || (op->extra & 2 && end[-1] & 0x80))) block->fail[i] = 1;
        to[i] = (vv_text){start, (uint32_t)(end - start)};
    }
}

/* ---- New texts ---- */

/* Of so many parts: (slot or -1, offset, size) each in the program's data. */
void vv_k_text_concat(const vv_op *op, vv_block *block) {
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block), *data = block->program->data;
    const int32_t *parts = (const int32_t *)(data + op->constant);
    bool ascii = true;
    for (int k = 0; k < op->extra; k++) {
        const int32_t *part = parts + 3 * k;
        ascii &= part[0] < 0 ? vv_is_ascii((vv_text){data + part[1], (uint32_t)part[2]}) : block->ascii[part[0]];
    }
    block->ascii[op->to] = ascii;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        uint64_t size = 0;
        for (int k = 0; k < op->extra; k++)
            size += parts[3 * k] < 0 ? (uint32_t)parts[3 * k + 2] : ((const vv_text *)block->slots[parts[3 * k]])[i].size;
        uint8_t *copy = size > INT32_MAX ? NULL : vv_room((size_t)size), *end = copy;
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (int k = 0; k < op->extra; k++) {
            const int32_t *part = parts + 3 * k;
            vv_text text = part[0] < 0 ? (vv_text){data + part[1], (uint32_t)part[2]} : ((const vv_text *)block->slots[part[0]])[i];
            vv_put(end, text.at, text.size);
            end += text.size;
        }
        to[i] = (vv_text){copy, (uint32_t)size};
    }
}

/* constant * a */
void vv_k_text_repeat(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    vv_text *to = block->slots[op->to], constant = vv_constant_text(block, op->constant);
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = vv_is_ascii(constant);
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i) || x[i] <= 0) continue;
        uint8_t *copy = x[i] > 100000 || constant.size > 10000 ? NULL : vv_room((size_t)x[i] * constant.size);
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (int64_t k = 0; k < x[i]; k++) vv_put(copy + (size_t)k * constant.size, constant.at, constant.size);
        to[i] = (vv_text){copy, (uint32_t)x[i] * constant.size};
    }
}

/* To a width, the constant's low half, with the byte above it, which is ASCII. 
 * extra: 0: ljust, 1: rjust, 2: zfill, 3: the format "^", 4: center. */
void vv_k_text_pad(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const uint32_t width = (uint32_t)op->constant;
    const uint8_t filler = (uint8_t)(op->constant >> 32);
    block->ascii[op->to] = block->ascii[op->a];
    for VV_ROWS(i) {
        to[i] = VV_ACTIVE(i) ? x[i] : VV_EMPTY;
        const uint32_t length = vv_points(to[i].at, to[i].size);
        if (!VV_ACTIVE(i) || length >= width) continue;
        const uint32_t missing = width - length;
        uint8_t *copy = vv_room((size_t)x[i].size + missing), *end = copy;
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        /* center() and the format differ in where the odd one goes. */
        const uint32_t left = op->extra == 0 ? 0 : op->extra == 3 ? missing / 2 : op->extra == 4 ? missing / 2 + (missing & width & 1) : missing;
        const uint32_t sign = op->extra == 2 && x[i].size > 0 && (x[i].at[0] == '-' || x[i].at[0] == '+');
        if (sign) *end++ = x[i].at[0];
        memset(end, filler, left);
        vv_put(end + left, x[i].at + sign, x[i].size - sign);
        memset(end + left + x[i].size - sign, filler, missing - left);
        to[i] = (vv_text){copy, x[i].size + missing};
    }
}
