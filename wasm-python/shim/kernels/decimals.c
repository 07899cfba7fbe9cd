/* Decimals: coefficients of 128 bits, with the exponent in the column's type. Results of more than the 28 digits of the default context
 * are rounded, and negative zeros have a sign: both are the interpreter's. */
#include "../columns.h"

typedef unsigned __int128 magnitude;

/* 10**28: a coefficient of an operation is smaller. */
#define LIMIT ((vv_decimal)UINT64_C(100000000000000) * UINT64_C(100000000000000))

static inline magnitude size_of(vv_decimal value) { return value < 0 ? 0 - (magnitude)value : (magnitude)value; }
static inline bool is_small(vv_decimal value) { return value < LIMIT && value > -LIMIT; }

/* Of at most 38. */
static magnitude power_of_ten(int64_t digits) {
    magnitude power = 1;
    for (; digits > 0; digits--) power *= 10;
    return power;
}

/* value * factor: whether it stays below 2**126. */
static inline bool multiply(vv_decimal value, magnitude factor, vv_decimal *product) {
    const magnitude size = size_of(value);
    if (size >> 64 != 0 || factor >> 64 != 0) {
        if (size != 0 && factor > (((magnitude)1 << 126) - 1) / size) return false;
    } else if ((size * factor) >> 126 != 0) {
        return false;
    }
    const magnitude found = size * factor;
    *product = value < 0 ? -(vv_decimal)found : (vv_decimal)found;
    return true;
}

#define EACH_FAILING(condition, ...)                                         \
    const uint8_t *mask = vv_mask(op, block);                                \
    for VV_ROWS(i) {                                                         \
        bool exact = (condition);                                            \
        to[i] = 0;                                                           \
        if (exact) { __VA_ARGS__ }                                           \
        VV_FAIL_IF(i, !exact);                                               \
    }

#define OPERANDS                                                             \
    const vv_decimal *x = block->slots[op->a], *y = block->slots[op->b];     \
    vv_decimal *to = block->slots[op->to]

void vv_k_decimal_add(const vv_op *op, vv_block *block) {
    OPERANDS;
    EACH_FAILING(is_small(x[i]) && is_small(y[i]), to[i] = x[i] + y[i]; exact = is_small(to[i]);)
}

void vv_k_decimal_sub(const vv_op *op, vv_block *block) {
    OPERANDS;
    EACH_FAILING(is_small(x[i]) && is_small(y[i]), to[i] = x[i] - y[i]; exact = is_small(to[i]);)
}

void vv_k_decimal_mul(const vv_op *op, vv_block *block) {
    OPERANDS;
    EACH_FAILING(is_small(x[i]) && is_small(y[i]),
                 vv_decimal product = 0; exact = multiply(x[i], size_of(y[i]), &product) && is_small(product);
                 to[i] = y[i] < 0 ? -product : product; exact = exact && (product != 0 || (x[i] >= 0 && y[i] >= 0));)
}

void vv_k_decimal_neg(const vv_op *op, vv_block *block) {
    const vv_decimal *x = block->slots[op->a];
    vv_decimal *to = block->slots[op->to];
    EACH_FAILING(is_small(x[i]), to[i] = -x[i];)
}

void vv_k_decimal_abs(const vv_op *op, vv_block *block) {
    const vv_decimal *x = block->slots[op->a];
    vv_decimal *to = block->slots[op->to];
    EACH_FAILING(is_small(x[i]), to[i] = x[i] < 0 ? -x[i] : x[i];)
}

#define COMPARISON(name, operator)                                           \
    void vv_k_decimal_##name(const vv_op *op, vv_block *block) {             \
        const vv_decimal *x = block->slots[op->a], *y = block->slots[op->b]; \
        uint8_t *to = block->slots[op->to];                                  \
        for VV_ROWS(i) to[i] = x[i] operator y[i];                           \
    }

COMPARISON(lt, <)
COMPARISON(le, <=)
COMPARISON(eq, ==)
COMPARISON(ne, !=)
COMPARISON(gt, >)
COMPARISON(ge, >=)

void vv_k_decimal_truth(const vv_op *op, vv_block *block) {
    const vv_decimal *x = block->slots[op->a];
    uint8_t *to = block->slots[op->to];
    for VV_ROWS(i) to[i] = x[i] != 0;
}

void vv_k_int_to_decimal(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    vv_decimal *to = block->slots[op->to];
    for VV_ROWS(i) to[i] = x[i];
}

/* More digits behind the point, so many, with fewer in all than the constant allows. */
void vv_k_decimal_widen(const vv_op *op, vv_block *block) {
    const vv_decimal *x = block->slots[op->a];
    vv_decimal *to = block->slots[op->to];
    const magnitude factor = power_of_ten(op->extra), limit = power_of_ten(op->constant);
    EACH_FAILING(true, exact = multiply(x[i], factor, &to[i]) && size_of(to[i]) < limit;)
}

/* Fewer digits behind the point: those that go are zeros. */
void vv_k_decimal_narrow(const vv_op *op, vv_block *block) {
    const vv_decimal *x = block->slots[op->a];
    vv_decimal *to = block->slots[op->to];
    const vv_decimal divisor = (vv_decimal)power_of_ten(op->extra), limit = (vv_decimal)power_of_ten(op->constant);
    EACH_FAILING(x[i] % divisor == 0, to[i] = x[i] / divisor; exact = to[i] < limit && to[i] > -limit;)
}

enum { HALF_EVEN, HALF_UP, HALF_DOWN, DOWN, UP, FLOOR, CEILING };

/* Fewer digits, `extra`, rounded in the constant's way. */
void vv_k_decimal_round(const vv_op *op, vv_block *block) {
    const vv_decimal *x = block->slots[op->a];
    vv_decimal *to = block->slots[op->to];
    const magnitude divisor = power_of_ten(op->extra), half = divisor / 2;
    EACH_FAILING(is_small(x[i]),
        const bool negative = x[i] < 0; const magnitude size = size_of(x[i]);
        magnitude kept = size / divisor; const magnitude rest = size % divisor; bool up = false;
        switch (op->constant) {
        case HALF_EVEN: up = rest > half || (rest == half && (kept & 1)); break;
        case HALF_UP: up = rest >= half; break;
        case HALF_DOWN: up = rest > half; break;
        case UP: up = rest != 0; break;
        case FLOOR: up = rest != 0 && negative; break;
        case CEILING: up = rest != 0 && !negative; break;
        default: break;
        }
        kept += up; to[i] = negative ? -(vv_decimal)kept : (vv_decimal)kept; exact = kept != 0 || !negative;)
}

/* The int that a coefficient of no digits behind the point is. */
void vv_k_decimal_to_int(const vv_op *op, vv_block *block) {
    const vv_decimal *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    EACH_FAILING(x[i] == (int64_t)x[i], to[i] = (int64_t)x[i];)
}

/* The nearest float: where both the coefficient and 10**extra are floats, one division rounds once. */
void vv_k_decimal_to_float(const vv_op *op, vv_block *block) {
    const vv_decimal *x = block->slots[op->a];
    double *to = block->slots[op->to];
    double divisor = 1;
    for (int k = 0; k < op->extra; k++) divisor *= 10;
    EACH_FAILING(size_of(x[i]) <= (magnitude)1 << 53, to[i] = (double)(int64_t)x[i] / divisor;)
}

/* With `extra` digits behind the point. */
void vv_k_decimal_to_text(const vv_op *op, vv_block *block) {
    const vv_decimal *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const int behind = op->extra;
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        uint8_t digits[48], *start = digits + sizeof digits, *copy;
        magnitude rest = size_of(x[i]);
        int count = 0;
        for (; rest != 0 || count <= behind; count++, rest /= 10) {
            if (behind > 0 && count == behind) *--start = '.';
            *--start = (uint8_t)('0' + (int)(rest % 10));
        }
        if (x[i] < 0) *--start = '-';
        const uint32_t size = (uint32_t)(digits + sizeof digits - start);
        copy = vv_room(size);
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        memcpy(copy, start, size);
        to[i] = (vv_text){copy, size};
    }
}
