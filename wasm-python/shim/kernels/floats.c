/* Floats, with CPython's rules for what raises and for signs of zeros. What raises is the interpreter's, and so is most of what is not
 * finite: its rules are many and such rows few. */
#include "operands.h"

#include <math.h>

VV_BINARY(float_add, double, double, u + v)
VV_BINARY(float_sub, double, double, u - v)
VV_BINARY(float_mul, double, double, u *v)
VV_BINARY(float_max, double, double, v > u ? v : u)
VV_BINARY(float_min, double, double, v < u ? v : u)
VV_BINARY(float_lt, double, uint8_t, u < v)
VV_BINARY(float_le, double, uint8_t, u <= v)
VV_BINARY(float_eq, double, uint8_t, u == v)
VV_BINARY(float_ne, double, uint8_t, u != v)
VV_BINARY(float_gt, double, uint8_t, u > v)
VV_BINARY(float_ge, double, uint8_t, u >= v)
VV_UNARY(float_truth, double, uint8_t, u != 0)
VV_UNARY(float_neg, double, double, -u)
VV_UNARY(float_abs, double, double, fabs(u))

void vv_k_float_div(const vv_op *op, vv_block *block) {
    VV_OPERANDS(double);
    double *restrict to = block->slots[op->to];
    int64_t any = 0;
    VV_EACH(double, any |= v == 0; to[i] = u / v;);
    if (any == 0) return;
    const uint8_t *mask = vv_mask(op, block);
    (void)x;
    for VV_ROWS(i) VV_FAIL_IF(i, (y != NULL ? y[i] : constant) == 0);
}

/* float_divmod of CPython's floatobject.c. */
static void divide(double u, double v, double *quotient, double *rest) {
    double mod = fmod(u, v), div = (u - mod) / v;
    if (mod != 0) {
        if ((v < 0) != (mod < 0)) {
            mod += v;
            div -= 1.0;
        }
    } else {
        mod = copysign(0.0, v);
    }
    *rest = mod;
    if (div != 0) {
        *quotient = floor(div);
        if (div - *quotient > 0.5) *quotient += 1.0;
    } else {
        *quotient = copysign(0.0, u / v);
    }
}

#define DIVISION(name, taken)                                                \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        VV_OPERANDS(double);                                                 \
        double *to = block->slots[op->to];                                   \
        const uint8_t *mask = vv_mask(op, block);                            \
        VV_EACH_SLOWLY(double, double quotient = 0; double rest = 0;         \
            if (VV_ACTIVE(i)) {                                              \
                if (v == 0) block->fail[i] = 1;                              \
                else divide(u, v, &quotient, &rest);                         \
            }                                                                \
            to[i] = taken;)                                                  \
    }

DIVISION(float_floordiv, quotient)
DIVISION(float_mod, rest)

/* u ** v for finite numbers, of which the result is one as well; not 0 to a power below 1. */
static bool power(double u, double v, double *result) {
    bool negative = false;
    if (u == 0 && v >= 1 && isfinite(v)) {
        *result = pow(u, v);
        return true;
    }
    if (u < 0) {
        if (floor(v) != v || !(fabs(v) < 9e15)) return false;
        negative = fmod(fabs(v), 2) == 1;
        u = -u;
    }
    *result = pow(u, v);
    if (!(u > 0) || !isfinite(u) || !isfinite(v) || !isfinite(*result)) return false;
    if (negative) *result = -*result;
    return true;
}

void vv_k_float_pow(const vv_op *op, vv_block *block) {
    VV_OPERANDS(double);
    double *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    VV_EACH_SLOWLY(double, to[i] = 0; if (VV_ACTIVE(i) && !power(u, v, &to[i])) block->fail[i] = 1;)
}

#define AS_INT(name, expression)                                             \
    void vv_k_##name(const vv_op *op, vv_block *block) {                     \
        const double *restrict x = block->slots[op->a];                      \
        int64_t *restrict to = block->slots[op->to];                         \
        int any = 0;                                                         \
        VV_VECTOR for VV_ROWS(i) {                                           \
            const double value = expression;                                 \
            const bool fits = fabs(value) < 9.2e18;                          \
            any |= !fits;                                                    \
            to[i] = (int64_t)(fits ? value : 0.0);                           \
        }                                                                    \
        if (!any) return;                                                    \
        const uint8_t *mask = vv_mask(op, block);                            \
        for VV_ROWS(i) VV_FAIL_IF(i, !(fabs(x[i]) < 9.1e18));                \
    }

AS_INT(float_to_int, x[i])
AS_INT(float_round, rint(x[i]))
AS_INT(float_floor, floor(x[i]))
AS_INT(float_ceil, ceil(x[i]))

static const double powers_of_ten[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* x * p as a sum of two doubles that is exact (Dekker); the caller keeps away from overflow. */
static void exact_product(double x, double p, double *high, double *low) {
    const double split = 134217729.0;
    double c = split * x, xh = c - (c - x), xl = x - xh;
    double e = split * p, ph = e - (e - p), pl = p - ph;
    *high = x * p;
    *low = ((xh * ph - *high) + xh * pl + xl * ph) + xl * pl;
}

/* Beyond this the product has no room for a fraction. */
#define LARGEST_SCALED 2251799813685248.0
/* Whether y = x * power, which is rounded, is so near to a tie that x itself has to be asked. */
#define NEAR_TIE(y, whole) (fabs(fabs((y) - (whole)) - 0.5) <= fabs(y) * 2.3e-16)

/* x * power as the nearest whole number, ties to the even one, with x taken exactly; false when it is not decided here. */
static bool scaled(double x, double power, double *result) {
    double y = x * power;
    if (!(fabs(y) < LARGEST_SCALED)) return false; /* also NaN */
    double whole = rint(y);
    if (NEAR_TIE(y, whole)) {
        if (fabs(x) < 1e-280) return false;
        double high, low;
        exact_product(x, power, &high, &low);
        double below = floor(high), over = high - below - 0.5; /* exact */
        if (over != 0 && fabs(over) <= fabs(low)) return false;
        if (over > 0 || (over == 0 && low > 0)) whole = below + 1;
        else if (over < 0 || low < 0) whole = below;
        else whole = fmod(below, 2) == 0 ? below : below + 1;
        if (whole == 0) whole = copysign(0.0, x);
    }
    *result = whole;
    return true;
}

/* round(x, digits), digits a constant from 0 to 15. */
void vv_k_float_round_digits(const vv_op *op, vv_block *block) {
    const double *restrict x = block->slots[op->a], power = powers_of_ten[op->constant];
    double *restrict to = block->slots[op->to];
    int any = 0;
    VV_VECTOR for VV_ROWS(i) {
        const double y = x[i] * power, whole = rint(y);
        any |= !(fabs(y) < LARGEST_SCALED) | NEAR_TIE(y, whole);
        to[i] = whole / power;
    }
    if (!any) return;
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        double whole = 0;
        VV_FAIL_IF(i, !scaled(x[i], power, &whole));
        to[i] = whole / power;
    }
}

static uint32_t digits(uint64_t value, uint8_t *to) {
    uint8_t reversed[20];
    uint32_t count = 0;
    do reversed[count++] = (uint8_t)('0' + value % 10);
    while (value /= 10);
    for (uint32_t i = 0; i < count; i++) to[i] = reversed[count - 1 - i];
    return count;
}

/* format(x, ".<extra>f"), extra from 0 to 9 */
void vv_k_float_fixed(const vv_op *op, vv_block *block) {
    const double *x = block->slots[op->a], power = powers_of_ten[op->extra];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const uint64_t unit = (uint64_t)power;
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        double whole;
        uint8_t *start = NULL;
        if (!VV_ACTIVE(i)) continue;
        if (!scaled(x[i], power, &whole) || (start = vv_room(32)) == NULL) {
            block->fail[i] = 1;
            continue;
        }
        uint8_t *end = start;
        if (signbit(x[i])) *end++ = '-';
        uint64_t value = (uint64_t)fabs(whole), rest = value % unit;
        end += digits(value / unit, end);
        if (op->extra > 0) {
            *end++ = '.';
            for (int k = op->extra - 1; k >= 0; k--, rest /= 10) end[k] = (uint8_t)('0' + rest % 10);
            end += op->extra;
        }
        vv_room_used(end);
        to[i] = (vv_text){start, (uint32_t)(end - start)};
    }
}

/* In the order of vivarium._lift.calls. */
static double function(int64_t which, double x) {
    switch (which) {
    case 0: return sqrt(x);
    case 1: return exp(x);
    case 2: return log(x);
    case 3: return sin(x);
    case 4: return cos(x);
    case 5: return tan(x);
    case 6: return asin(x);
    case 7: return acos(x);
    case 8: return atan(x);
    case 9: return log10(x);
    case 10: return log2(x);
    case 11: return x * (3.14159265358979323846 / 180.0);
    case 12: return x * (180.0 / 3.14159265358979323846);
    default: return fabs(x);
    }
}

void vv_k_float_function(const vv_op *op, vv_block *block) {
    const double *x = block->slots[op->a];
    double *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        to[i] = 0;
        if (!VV_ACTIVE(i)) continue;
        to[i] = function(op->constant, x[i]);
        if (!isfinite(to[i]) || !isfinite(x[i])) block->fail[i] = 1;
    }
}

void vv_k_float_atan2(const vv_op *op, vv_block *block) {
    const double *y = block->slots[op->a], *x = block->slots[op->b];
    double *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        to[i] = 0;
        if (!VV_ACTIVE(i)) continue;
        if (!isfinite(x[i]) || !isfinite(y[i])) block->fail[i] = 1;
        else to[i] = atan2(y[i], x[i]);
    }
}

/* ---- math.hypot() and math.dist() ---- */

/* The sum of two numbers of which the first is not the smaller one, and what is lost of it. */
static inline double add_exactly(double large, double small, double *lost) {
    const double sum = large + small;
    *lost = small - (sum - large);
    return sum;
}

/* The length of a vector of numbers that are not negative, with the largest: in CPython's order of operations, since the last bit of the
 * result depends on it. Squares of what was scaled to below one are added to a one, with what is lost of products and sums beside them; the
 * root is corrected once. */
static double length(const double *numbers, int count, double largest) {
    int exponent;
    frexp(largest, &exponent);
    const double scale = ldexp(1.0, -exponent);
    double sum = 1.0, lost, of_products = 0.0, of_sums = 0.0;
    for (int k = 0; k < count; k++) {
        const double scaled = numbers[k] * scale, square = scaled * scaled;
        sum = add_exactly(sum, square, &lost);
        of_products += fma(scaled, scaled, -square);
        of_sums += lost;
    }
    const double root = sqrt(sum - 1.0 + (of_products + of_sums)), square = -root * root;
    sum = add_exactly(sum, square, &lost);
    of_products += fma(-root, root, -square);
    of_sums += lost;
    return (root + (sum - 1.0 + (of_products + of_sums)) / (2.0 * root)) / scale;
}

#define MOST_DIMENSIONS 8

/* In the program's data, as int32, three words each: the slot of a number, and two that say nothing. extra: how many there are. What is
 * not finite, or smaller than a normal number, is the interpreter's. */
void vv_k_float_length(const vv_op *op, vv_block *block) {
    const int32_t *parts = (const int32_t *)(block->program->data + op->constant);
    const int count = op->extra < MOST_DIMENSIONS ? op->extra : MOST_DIMENSIONS;
    double *to = block->slots[op->to], numbers[MOST_DIMENSIONS];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        double largest = 0.0;
        bool known = true;
        to[i] = 0.0;
        if (!VV_ACTIVE(i)) continue;
        for (int k = 0; k < count; k++) {
            numbers[k] = fabs(((const double *)block->slots[parts[3 * k]])[i]);
            known = known && isfinite(numbers[k]);
            if (numbers[k] > largest) largest = numbers[k];
        }
        if (!known || (largest != 0.0 && largest < 1e-300)) block->fail[i] = 1;
        else if (largest != 0.0) to[i] = length(numbers, count, largest);
    }
}
