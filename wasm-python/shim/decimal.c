/* Decimals: Arrow's scaled integers of 128 or 256 bits, exactly, to and from decimal.Decimal.
 *
 * Both ways go through decimal digits, which is the one form that both sides can give and take without a context: contexts
 * round, and user code can change them.
 */
#include "vivarium.h"

#define MAX_DIGITS 77 /* of 256 bits, sign aside */
#define MAX_LIMBS 8
#define LIMB_DIGITS 9
#define LIMB_BASE UINT32_C(1000000000)

static PyObject *decimal_type;

int vv_decimal_prepare(void) {
    if (decimal_type != NULL) return 0;
    PyObject *module = PyImport_ImportModule("decimal");
    if (module == NULL) return -1;
    decimal_type = PyObject_GetAttrString(module, "Decimal");
    Py_DECREF(module);
    return decimal_type == NULL ? -1 : 0;
}

/* Two's complement: the number's negative. */
static void negate(uint32_t *limbs, int count) {
    uint64_t carry = 1;
    for (int i = 0; i < count; i++) {
        carry += (uint32_t)~limbs[i];
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static uint32_t divide(uint32_t *limbs, int count, uint32_t divisor) {
    uint64_t rest = 0;
    for (int i = count; i-- > 0;) {
        rest = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    return (uint32_t)rest;
}

static void multiply_add(uint32_t *limbs, int count, uint32_t factor, uint32_t term) {
    uint64_t carry = term;
    for (int i = 0; i < count; i++) {
        carry += (uint64_t)limbs[i] * factor;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* ---- Reading ---- */

static PyObject *read_decimal(const vv_column *column, int64_t row) {
    const vv_type *type = column->type;
    int count = type->width / 4, used = count;
    uint32_t limbs[MAX_LIMBS];
    char text[MAX_DIGITS + LIMB_DIGITS + 24], *end = text + MAX_DIGITS + LIMB_DIGITS + 2, *start = end;
    memcpy(limbs, (const uint8_t *)column->values + row * type->width, (size_t)type->width);
    bool negative = limbs[count - 1] >> 31;
    if (negative) negate(limbs, count);
    while (used > 0 && limbs[used - 1] == 0) used--;
    do {
        uint32_t digits = divide(limbs, used, LIMB_BASE);
        while (used > 0 && limbs[used - 1] == 0) used--;
        for (int i = 0; i < LIMB_DIGITS && (used > 0 || digits != 0); i++, digits /= 10) *--start = (char)('0' + digits % 10);
    } while (used > 0);
    if (start == end) *--start = '0';
    if (negative) *--start = '-';
    if (type->scale != 0) end += sprintf(end, "E%d", -type->scale);
    PyObject *digits = PyUnicode_FromStringAndSize(start, end - start);
    if (digits == NULL) return NULL;
    PyObject *decimal = PyObject_CallOneArg(decimal_type, digits);
    Py_DECREF(digits);
    return decimal;
}

vv_reader vv_decimal_reader_of(const vv_type *type) {
    (void)type;
    return read_decimal;
}

/* ---- Writing ---- */

typedef struct {
    bool negative;
    size_t length;
    int64_t exponent; /* of the last digit */
    char digits[MAX_DIGITS + 1];
    bool too_long;
} digits;

/* Parses what str() of a finite Decimal or int gives; false for anything else, such as NaN. */
static bool parse(const char *text, digits *number) {
    bool fraction = false;
    size_t zeros = 0; /* trailing, kept apart so that a long tail of zeros needs no room */
    memset(number, 0, sizeof *number);
    if (*text == '-') number->negative = true, text++;
    if (!((*text >= '0' && *text <= '9') || *text == '.')) return false;
    for (; (*text >= '0' && *text <= '9') || *text == '.'; text++) {
        if (*text == '.') {
            fraction = true;
            continue;
        }
        if (fraction) number->exponent--;
        if (*text == '0') {
            if (number->length > 0) zeros++;
            continue;
        }
        if (number->length + zeros + 1 > MAX_DIGITS) {
            number->too_long = true;
            continue;
        }
        while (zeros > 0) number->digits[number->length++] = '0', zeros--;
        number->digits[number->length++] = *text;
    }
    number->exponent += (int64_t)zeros;
    if (*text == 'E') number->exponent += strtoll(text + 1, NULL, 10);
    return true;
}

static int append_digits(vv_builder *builder, PyObject *value, const digits *number) {
    const vv_type *type = builder->type;
    int64_t shift = number->exponent + type->scale;
    uint32_t limbs[MAX_LIMBS] = {0};
    int count = type->width / 4;
    if (number->too_long) return vv_misfit(builder, value, "it has too many digits");
    if (number->length > 0) {
        if (shift < 0) return vv_misfit(builder, value, "it has more than %d digits after the decimal point", type->scale);
        if (shift > type->precision || (int64_t)number->length + shift > type->precision)
            return vv_misfit(builder, value, "it has more than %d digits before the decimal point", type->precision - type->scale);
        for (size_t i = 0; i < number->length; i++) multiply_add(limbs, count, 10, (uint32_t)(number->digits[i] - '0'));
        for (; shift > 0; shift--) multiply_add(limbs, count, 10, 0);
    }
    if (number->negative) negate(limbs, count);
    memcpy(builder->values.data + (size_t)builder->length * (size_t)type->width, limbs, (size_t)type->width);
    builder->length++;
    return 0;
}

static int write_decimal(vv_builder *builder, PyObject *value) {
    int is_decimal = PyObject_TypeCheck(value, (PyTypeObject *)decimal_type);
    if (!is_decimal && (!PyLong_Check(value) || PyBool_Check(value)))
        return vv_misfit(builder, value, PyFloat_Check(value) ? "a Decimal is expected; Decimal(str(...)) makes one" : "a Decimal is expected");
    /* The type's own str, which a subclass cannot replace. */
    PyObject *text = is_decimal ? ((PyTypeObject *)decimal_type)->tp_str(value) : PyLong_Type.tp_repr(value);
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) return -1;
        PyErr_Clear();
        return vv_misfit(builder, value, "it has too many digits");
    }
    digits number;
    const char *characters = PyUnicode_AsUTF8(text);
    bool finite = characters != NULL && parse(characters, &number);
    Py_DECREF(text);
    if (characters == NULL) return -1;
    return finite ? append_digits(builder, value, &number) : vv_misfit(builder, value, "it is not a finite number");
}

vv_writer vv_decimal_writer_of(const vv_type *type) {
    (void)type;
    return write_decimal;
}
