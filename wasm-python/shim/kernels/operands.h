/* Kernels of one or two operands, of which one may be the constant. */
#ifndef VIVARIUM_OPERANDS_H
#define VIVARIUM_OPERANDS_H

#include "../columns.h"

#define VV_OPERANDS(T)                                                       \
    const T *x = op->a < 0 ? NULL : block->slots[op->a];                     \
    const T *y = op->b < 0 ? NULL : block->slots[op->b];                     \
    T constant;                                                              \
    memcpy(&constant, &op->constant, sizeof constant)

/* The statements for all rows, with the operands as u and v: three loops, so that each becomes vector instructions. */
#define VV_EACH(T, ...)                                                                                          \
    do {                                                                                                         \
        if (y == NULL) VV_VECTOR for VV_ROWS(i) { const T u = x[i], v = constant; __VA_ARGS__ }                  \
        else if (x == NULL) VV_VECTOR for VV_ROWS(i) { const T u = constant, v = y[i]; __VA_ARGS__ }             \
        else VV_VECTOR for VV_ROWS(i) { const T u = x[i], v = y[i]; __VA_ARGS__ }                                \
    } while (0)

/* The same, a few rows at a time, for what does not become vector instructions. */
#define VV_EACH_UNROLLED(T, ...)                                                                                 \
    do {                                                                                                         \
        if (y == NULL) VV_UNROLL for VV_ROWS(i) { const T u = x[i], v = constant; __VA_ARGS__ }                  \
        else if (x == NULL) VV_UNROLL for VV_ROWS(i) { const T u = constant, v = y[i]; __VA_ARGS__ }             \
        else VV_UNROLL for VV_ROWS(i) { const T u = x[i], v = y[i]; __VA_ARGS__ }                                \
    } while (0)

/* The same, one row at a time. */
#define VV_EACH_SLOWLY(T, ...)                                                                                   \
    for VV_ROWS(i) { const T u = x != NULL ? x[i] : constant, v = y != NULL ? y[i] : constant; __VA_ARGS__ }

#define VV_BINARY(name, T, R, expression)                                    \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        VV_OPERANDS(T);                                                      \
        R *restrict to = block->slots[op->to];                               \
        VV_EACH(T, to[i] = (R)(expression););                                \
    }

#define VV_UNARY(name, T, R, expression)                                     \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        const T *restrict x = block->slots[op->a];                           \
        R *restrict to = block->slots[op->to];                               \
        VV_VECTOR for VV_ROWS(i) { const T u = x[i]; to[i] = (R)(expression); } \
    }

#endif
