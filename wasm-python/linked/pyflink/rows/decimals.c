/* Decimals of a precision and a scale, which Flink sends as text. What is not plain is PyFlink's coder's: it rounds, refuses, and keeps the
 * signs of zeros. */
#include "rows.h"

static PyTypeObject *decimal_type;

int rows_import_decimals(void) {
    PyObject *module = PyImport_ImportModule("decimal"), *type = module == NULL ? NULL : PyObject_GetAttrString(module, "Decimal");
    Py_XDECREF(module);
    if (type != NULL && !PyType_Check(type)) PyErr_SetString(PyExc_TypeError, "decimal.Decimal is no type");
    Py_XSETREF(decimal_type, (PyTypeObject *)type);
    return PyErr_Occurred() ? -1 : 0;
}

typedef unsigned __int128 magnitude;

/* A coefficient of so many digits fits 127 bits, and so does every one of their powers of ten. */
#define MOST_DIGITS 38

/* The number behind an E; false where there is none of at most three digits. */
static bool read_exponent(const uint8_t *at, const uint8_t *end, Py_ssize_t *exponent) {
    bool negative = at < end && *at == '-';
    if (negative || (at < end && *at == '+')) at++;
    if (at == end || end - at > 3) return false;
    Py_ssize_t found = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') return false;
        found = 10 * found + (*at - '0');
    }
    *exponent = negative ? -found : found;
    return true;
}

bool rows_read_decimal(const rows_field *field, const uint8_t *at, size_t size, __int128 *value) {
    const uint8_t *end = at + size;
    const bool negative = at < end && *at == '-';
    magnitude number = 0;
    Py_ssize_t digits = 0, behind = 0, exponent = 0; /* digits: behind leading zeros */
    bool point = false, any = false;
    for (at += negative; at < end && *at != 'E'; at++) {
        if (*at == '.' && !point) {
            point = true;
            continue;
        }
        if (*at < '0' || *at > '9' || digits == MOST_DIGITS) return false;
        number = 10 * number + (magnitude)(*at - '0');
        digits += number != 0;
        behind += point;
        any = true;
    }
    if (!any || (at < end && !read_exponent(at + 1, end, &exponent))) return false;
    const Py_ssize_t missing = field->scale - (behind - exponent);
    if (missing < 0 || (number == 0 ? negative : digits + missing > field->precision)) return false;
    for (Py_ssize_t k = 0; k < missing && number != 0; k++) number *= 10;
    *value = negative ? -(__int128)number : (__int128)number;
    return true;
}

/* Its digits, which end there: where they start. */
static uint8_t *digits_before(uint8_t *end, magnitude value) {
    for (; value >> 64 != 0; value /= 10) *--end = (uint8_t)('0' + (int)(value % 10));
    uint64_t rest = (uint64_t)value;
    do *--end = (uint8_t)('0' + (int)(rest % 10));
    while ((rest /= 10) != 0);
    return end;
}

static uint8_t *append(uint8_t *to, const uint8_t *from, const uint8_t *end) {
    while (from < end) *to++ = *from++;
    return to;
}

size_t rows_write_decimal(__int128 value, int scale, uint8_t *to) {
    uint8_t room[40], *end = room + sizeof room, *digits = digits_before(end, value < 0 ? 0 - (magnitude)value : (magnitude)value);
    const uint8_t *start = to;
    const int before = (int)(end - digits) - scale; /* digits in front of the point; below 0: zeros between it and the digits */
    if (value < 0) *to++ = '-';
    if (before > 0) {
        to = append(to, digits, digits + before);
        if (scale > 0) *to++ = '.';
        to = append(to, digits + before, end);
    } else if (before > -6) { /* as Decimal.__str__ has it */
        *to++ = '0', *to++ = '.';
        for (int k = before; k < 0; k++) *to++ = '0';
        to = append(to, digits, end);
    } else {
        *to++ = *digits++;
        if (digits < end) *to++ = '.';
        to = append(to, digits, end);
        *to++ = 'E', *to++ = '-';
        to = append(to, digits_before(end, (magnitude)(1 - before)), end);
    }
    return (size_t)(to - start);
}

/* ---- Objects ---- */

PyObject *rows_read_decimal_object(const rows_field *field, rows_input *in) {
    const uint8_t *start = in->at, *at = rows_take(in, 4);
    if (at == NULL) return NULL;
    const int32_t size = (int32_t)rows_big_endian(at, 4);
    __int128 value;
    if (size < 0 || size > in->end - in->at || !rows_read_decimal(field, in->at, (size_t)size, &value)) {
        in->at = start;
        return rows_read_other(field, in);
    }
    in->at += size;
    uint8_t text[ROWS_DECIMAL_TEXT];
    const size_t length = rows_write_decimal(value, (int)field->scale, text);
    return PyObject_CallFunction((PyObject *)decimal_type, "s#", (const char *)text, (Py_ssize_t)length);
}

int rows_write_decimal_object(const rows_field *field, PyObject *value, rows_output *out) {
    PyObject *text = Py_IS_TYPE(value, decimal_type) ? PyObject_Str(value) : NULL;
    if (PyErr_Occurred()) return -1;
    __int128 number;
    const bool plain = text != NULL && PyUnicode_IS_COMPACT_ASCII(text) &&
                       rows_read_decimal(field, (const uint8_t *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text), &number);
    Py_XDECREF(text);
    if (!plain) return rows_write_other(field, value, out);
    uint8_t *at = rows_put(out, 4 + ROWS_DECIMAL_TEXT);
    if (at == NULL) return -1;
    const size_t size = rows_write_decimal(number, (int)field->scale, at + 4);
    rows_to_big_endian(at, 4, size);
    out->size -= ROWS_DECIMAL_TEXT - size;
    return 0;
}
