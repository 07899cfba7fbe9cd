/* Bools, which masks are too: a byte a row, 0 or 1. And values that depend on one. */
#include "operands.h"

VV_BINARY(bool_and, uint8_t, uint8_t, u & v)
VV_BINARY(bool_and_not, uint8_t, uint8_t, u & (v ^ 1))
VV_BINARY(bool_or, uint8_t, uint8_t, u | v)
VV_BINARY(bool_xor, uint8_t, uint8_t, u ^ v)
VV_UNARY(bool_not, uint8_t, uint8_t, u ^ 1)
VV_UNARY(bool_to_int, uint8_t, int64_t, u)

void vv_k_fail(const vv_op *op, vv_block *block) {
    const uint8_t *mask = vv_mask(op, block);
    uint8_t *restrict fail = block->fail;
    if (mask == NULL) memset(fail, 1, (size_t)block->rows);
    else VV_VECTOR for VV_ROWS(i) fail[i] |= mask[i];
}

/* The bits of a where c, else those of b; one of them may be the constant. */
void vv_k_select_number(const vv_op *op, vv_block *block) {
    const uint8_t *restrict c = block->slots[op->c];
    vv_bits *restrict to = block->slots[op->to];
    VV_OPERANDS(vv_bits);
    VV_EACH(vv_bits, const uint64_t first = (uint64_t)0 - c[i]; to[i] = (u & first) | (v & ~first););
}

void vv_k_select_bool(const vv_op *op, vv_block *block) {
    const uint8_t *restrict c = block->slots[op->c];
    uint8_t *restrict to = block->slots[op->to];
    VV_OPERANDS(uint8_t);
    VV_EACH(uint8_t, const uint8_t first = (uint8_t)(0 - c[i]); to[i] = (uint8_t)((u & first) | (v & ~first)););
}

void vv_k_select_text(const vv_op *op, vv_block *block) {
    const uint8_t *c = block->slots[op->c];
    const vv_text *x = op->a < 0 ? NULL : block->slots[op->a], *y = op->b < 0 ? NULL : block->slots[op->b];
    vv_text *to = block->slots[op->to], constant = VV_EMPTY;
    bool ascii = true;
    if (x == NULL || y == NULL) {
        constant = vv_constant_text(block, op->constant);
        ascii = vv_is_ascii(constant);
    }
    VV_UNROLL for VV_ROWS(i) to[i] = c[i] ? (x != NULL ? x[i] : constant) : (y != NULL ? y[i] : constant);
    block->ascii[op->to] = ascii && (x == NULL || block->ascii[op->a]) && (y == NULL || block->ascii[op->b]);
}

void vv_k_select_decimal(const vv_op *op, vv_block *block) {
    const uint8_t *c = block->slots[op->c];
    const vv_decimal *x = block->slots[op->a], *y = block->slots[op->b];
    vv_decimal *to = block->slots[op->to];
    VV_UNROLL for VV_ROWS(i) to[i] = c[i] ? x[i] : y[i];
}
