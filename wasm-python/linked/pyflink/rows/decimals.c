/* Decimals of a precision and a scale, which Flink sends as text. What is not plain is PyFlink's coder's. */
#include "rows.h"

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
