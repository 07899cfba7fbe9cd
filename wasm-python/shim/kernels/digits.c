/* Ints of any size as they are written: digits of a text, or bytes. What they are when they fit into 64 bits, and what is left of them
 * when they are divided, which always does.
 *
 * extra: the base of the digits, 2 to 36; 256: bytes, the most significant first; -256: the least significant first. */
#include "../columns.h"

static inline uint32_t digit_of(uint8_t byte) {
    const uint8_t letter = (uint8_t)((byte | 32) - 'a');
    return (uint8_t)(byte - '0') < 10 ? (uint32_t)(byte - '0') : letter < 26 ? (uint32_t)letter + 10 : UINT32_MAX;
}

/* The digits in order of weight, the heaviest first. */
static inline uint32_t digit_at(vv_text text, uint32_t k, int32_t base) {
    return base == 256 ? text.at[k] : base == -256 ? text.at[text.size - 1 - k] : digit_of(text.at[k]);
}

/* Where it takes time that grows with the square of their number, Python may be asked to refuse more digits than this. */
#define MOST_DIGITS 640

/* Fails what is not digits alone: signs, blanks, underscores and prefixes are the interpreter's, and it raises. */
void vv_k_digits_check(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        if (!VV_ACTIVE(i)) continue;
        bool all = x[i].size > 0 && ((op->extra & (op->extra - 1)) == 0 || x[i].size <= MOST_DIGITS);
        for (uint32_t k = 0; all && k < x[i].size; k++) all = digit_of(x[i].at[k]) < (uint32_t)op->extra;
        if (!all) block->fail[i] = 1;
    }
}

void vv_k_digits_value(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const uint32_t base = op->extra < 0 ? 256 : (uint32_t)op->extra;
    for VV_ROWS(i) {
        to[i] = 0;
        if (!VV_ACTIVE(i)) continue;
        uint64_t value = 0;
        bool fits = true;
        for (uint32_t k = 0; fits && k < x[i].size; k++) {
            fits = value <= (uint64_t)INT64_MAX / base;
            value = value * base + digit_at(x[i], k, op->extra);
            fits = fits && value <= INT64_MAX;
        }
        if (fits) to[i] = (int64_t)value;
        else block->fail[i] = 1;
    }
}

/* Modulo the constant, from 1 to 2**55. */
void vv_k_digits_mod(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const uint64_t base = op->extra < 0 ? 256 : (uint64_t)op->extra, modulus = (uint64_t)op->constant;
    const uint64_t most = UINT64_MAX / modulus / base; /* a weight that takes one more digit: rest * weight + group fits into 64 bits */
    for VV_ROWS(i) {
        uint64_t rest = 0, group = 0, weight = 1;
        for (uint32_t k = 0; VV_ACTIVE(i) && k < x[i].size; k++) {
            if (weight > most) rest = (rest * weight + group) % modulus, group = 0, weight = 1;
            group = group * base + digit_at(x[i], k, op->extra);
            weight *= base;
        }
        to[i] = (int64_t)((rest * weight + group) % modulus);
    }
}
