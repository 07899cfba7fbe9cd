/* Ints of 64 bits. Whatever leaves them is the interpreter's. */
#include "operands.h"

#include <math.h>

/* First for the whole block whether anything went wrong, which vectors do; only then which rows. `wrong` is negative where the result is
 * not the exact one. */
#define CHECKED(name, expression, wrong)                                     \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        VV_OPERANDS(int64_t);                                                \
        int64_t *restrict to = block->slots[op->to];                         \
        int64_t any = 0;                                                     \
        VV_EACH(int64_t, const int64_t r = (int64_t)(expression); any |= (wrong); to[i] = r;); \
        if (any >= 0) return;                                                \
        const uint8_t *mask = vv_mask(op, block);                            \
        VV_EACH_SLOWLY(int64_t, const int64_t r = to[i]; VV_FAIL_IF(i, (wrong) < 0);) \
    }

CHECKED(int_add, (uint64_t)u + (uint64_t)v, (u ^ r) & (v ^ r))
CHECKED(int_sub, (uint64_t)u - (uint64_t)v, (u ^ v) & (u ^ r))

static bool multiply(int64_t u, int64_t v, int64_t *result) {
    uint64_t size_u = u < 0 ? 0 - (uint64_t)u : (uint64_t)u, size_v = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    *result = (int64_t)((uint64_t)u * (uint64_t)v);
    if (((size_u | size_v) >> 31) == 0 || size_u == 0 || size_v == 0) return true;
    return size_u <= (uint64_t)INT64_MAX / size_v; /* the smallest int64 itself is left to the interpreter */
}

static inline uint64_t beyond_int32(int64_t value) { return ((uint64_t)value + (UINT64_C(1) << 31)) >> 32; }

void vv_k_int_mul(const vv_op *op, vv_block *block) {
    VV_OPERANDS(int64_t);
    int64_t *restrict to = block->slots[op->to];
    uint64_t any = 0;
    VV_EACH(int64_t, any |= beyond_int32(u) | beyond_int32(v); to[i] = (int64_t)((uint64_t)u * (uint64_t)v););
    if (any == 0) return;
    const uint8_t *mask = vv_mask(op, block);
    VV_EACH_SLOWLY(int64_t, int64_t product; VV_FAIL_IF(i, !multiply(u, v, &product));)
}

static inline bool undivided(int64_t u, int64_t v) { return v == 0 || (v == -1 && u == INT64_MIN); }

static inline void divide(int64_t u, int64_t v, int64_t *quotient, int64_t *rest) {
    if (((uint64_t)u | (uint64_t)v) >> 32 == 0) { /* a division of 32 bits takes a fraction of the time */
        *quotient = (uint32_t)u / (uint32_t)v;
        *rest = (uint32_t)u % (uint32_t)v;
        return;
    }
    *quotient = u / v;
    *rest = u % v;
    if (*rest != 0 && (*rest ^ v) < 0) {
        *rest += v;
        --*quotient;
    }
}

#define DIVISION(name, taken)                                                \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        VV_OPERANDS(int64_t);                                                \
        int64_t *restrict to = block->slots[op->to];                         \
        const uint8_t *mask = vv_mask(op, block);                            \
        VV_EACH_UNROLLED(int64_t, int64_t quotient = 0; int64_t rest = 0;    \
            if (undivided(u, v)) { VV_FAIL_IF(i, true); }                    \
            else divide(u, v, &quotient, &rest);                             \
            to[i] = taken;);                                                 \
    }

DIVISION(int_floordiv, quotient)
DIVISION(int_mod, rest)

#define NEGATED(value) (int64_t)(0 - (uint64_t)(value))

#define WITHOUT_SMALLEST(name, expression)                                   \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        const int64_t *x = block->slots[op->a];                              \
        int64_t *to = block->slots[op->to];                                  \
        const uint8_t *mask = vv_mask(op, block);                            \
        for VV_ROWS(i) {                                                     \
            VV_FAIL_IF(i, x[i] == INT64_MIN);                                \
            to[i] = expression;                                              \
        }                                                                    \
    }

WITHOUT_SMALLEST(int_neg, NEGATED(x[i]))
WITHOUT_SMALLEST(int_abs, x[i] < 0 ? NEGATED(x[i]) : x[i])

VV_BINARY(int_and, int64_t, int64_t, u & v)
VV_BINARY(int_or, int64_t, int64_t, u | v)
VV_BINARY(int_xor, int64_t, int64_t, u ^ v)
VV_BINARY(int_max, int64_t, int64_t, v > u ? v : u)
VV_BINARY(int_min, int64_t, int64_t, v < u ? v : u)
VV_BINARY(int_lt, int64_t, uint8_t, u < v)
VV_BINARY(int_le, int64_t, uint8_t, u <= v)
VV_BINARY(int_eq, int64_t, uint8_t, u == v)
VV_BINARY(int_ne, int64_t, uint8_t, u != v)
VV_BINARY(int_gt, int64_t, uint8_t, u > v)
VV_BINARY(int_ge, int64_t, uint8_t, u >= v)
VV_UNARY(int_truth, int64_t, uint8_t, u != 0)

void vv_k_int_shr(const vv_op *op, vv_block *block) {
    VV_OPERANDS(int64_t);
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    VV_EACH_SLOWLY(int64_t, VV_FAIL_IF(i, v < 0); to[i] = u >> (v < 0 ? 0 : v > 63 ? 63 : v);)
}

void vv_k_int_shl(const vv_op *op, vv_block *block) {
    VV_OPERANDS(int64_t);
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    VV_EACH_SLOWLY(int64_t, const bool far = v < 0 || v > 62; const int64_t by = far ? 0 : v;
        to[i] = u == 0 ? 0 : (int64_t)((uint64_t)u << by);
        VV_FAIL_IF(i, v < 0 || (u != 0 && (far || to[i] >> by != u)));)
}

/* To a constant power of at most 64. */
void vv_k_int_pow(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        int64_t result = 1;
        bool exact = true;
        for (int64_t n = 0; n < op->constant && exact; n++) exact = multiply(result, x[i], &result);
        VV_FAIL_IF(i, !exact);
        to[i] = result;
    }
}

/* Beyond 2**53 a double may be another number. */
#define LARGEST (INT64_C(1) << 53)

static inline int64_t beyond_double(int64_t value) { return (value > LARGEST) | (value < -LARGEST); }

void vv_k_int_div(const vv_op *op, vv_block *block) {
    VV_OPERANDS(int64_t);
    double *restrict to = block->slots[op->to];
    int64_t any = 0;
    VV_EACH(int64_t, any |= (v == 0) | beyond_double(u) | beyond_double(v); to[i] = (double)u / (double)v;);
    if (any == 0) return;
    const uint8_t *mask = vv_mask(op, block);
    VV_EACH_SLOWLY(int64_t, VV_FAIL_IF(i, (v == 0) | beyond_double(u) | beyond_double(v));)
}

/* Rounded, as float(int) does. */
VV_UNARY(int_to_float, int64_t, double, u)

void vv_k_int_to_float_exact(const vv_op *op, vv_block *block) {
    const int64_t *restrict x = block->slots[op->a];
    double *restrict to = block->slots[op->to];
    int64_t any = 0;
    VV_VECTOR for VV_ROWS(i) {
        any |= beyond_double(x[i]);
        to[i] = (double)x[i];
    }
    if (any == 0) return;
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) VV_FAIL_IF(i, beyond_double(x[i]));
}

void vv_k_int_gcd(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a], *y = block->slots[op->b];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        uint64_t u = x[i] < 0 ? 0 - (uint64_t)x[i] : (uint64_t)x[i], v = y[i] < 0 ? 0 - (uint64_t)y[i] : (uint64_t)y[i];
        while (VV_ACTIVE(i) && v != 0) {
            const uint64_t rest = u % v;
            u = v;
            v = rest;
        }
        to[i] = (int64_t)u;
        VV_FAIL_IF(i, u > INT64_MAX);
    }
}

/* extra: 0: bit_length(), 1: bit_count(), both of the size alone. */
void vv_k_int_bits(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    VV_UNROLL for VV_ROWS(i) {
        const uint64_t size = x[i] < 0 ? 0 - (uint64_t)x[i] : (uint64_t)x[i];
        to[i] = op->extra != 0 ? __builtin_popcountll(size) : size == 0 ? 0 : 64 - __builtin_clzll(size);
    }
}

/* math.isqrt(): the double's root is at most one off. */
void vv_k_int_sqrt(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        const uint64_t square = x[i] < 0 ? 0 : (uint64_t)x[i];
        uint64_t root = (uint64_t)sqrt((double)square);
        while (root * root > square) root--;
        while ((root + 1) * (root + 1) <= square) root++;
        to[i] = (int64_t)root;
        VV_FAIL_IF(i, x[i] < 0);
    }
}
