/* `_flink_rows`: Flink's rows as bytes <-> Python objects, in C.
 *
 *   stream.c   InputStream and OutputStream, with the methods of PyFlink's own (pyflink.fn_execution.stream_slow)
 *   row.c      PyFlink's Row
 *   fields.c   a tree of fields, compiled from a plan; what has no C code calls the PyFlink coder it came with
 *   times.c    dates, times and datetimes as objects
 *   decimals.c Decimals as texts and as objects
 *   codec.c    Codec: what Python sees of a tree
 *   loop.c     the loop over the rows of a message, through the operators of a bundle
 *   blocks.c   rows of a message that run as columns (../../../shim/columns.h), a block of them at a time
 *   decoding.c, encoding.c, blocks.h   rows into such a block, and its results into rows
 *   module.c   the module
 *
 * The formats are those of Flink's Java serializers, which pyflink.fn_execution.coder_impl_slow shows in Python: numbers are
 * big-endian, a row starts with a mask of its kind (2 bits) and of its NULLs.
 *
 * Conventions. A function that can fail returns 0, or -1 with a Python exception set (pointers: NULL). Nothing about input is relied
 * on: what ends too early is a ValueError.
 */
#ifndef FLINK_ROWS_H
#define FLINK_ROWS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "calendar.h"
#include "vivarium.h"

#define ROWS_TRY(expression)             \
    do {                                 \
        if ((expression) < 0) return -1; \
    } while (0)

/* ---- stream.c ---- */

typedef struct {
    PyObject_HEAD
    PyObject *owner;         /* bytes */
    const uint8_t *at, *end;
} rows_input;

typedef struct {
    PyObject_HEAD
    uint8_t *data;
    size_t size, capacity;
} rows_output;

extern PyTypeObject rows_input_type, rows_output_type;

/* The next `size` bytes; NULL with an exception set when there are fewer. */
const uint8_t *rows_take(rows_input *in, size_t size);
int rows_take_var_int(rows_input *in, int64_t *value);
/* Room for `size` more bytes, which count as written. */
uint8_t *rows_put(rows_output *out, size_t size);
int rows_put_var_int(rows_output *out, int64_t value);
/* What Cython makes of an object for a C integer, as PyFlink's compiled coders have it: whatever has __int__ counts, cut to a whole number. */
int rows_whole_number(PyObject *value, long long *number);
/* A float of 4 or 8 bytes. */
int rows_put_float(rows_output *out, PyObject *value, size_t size);

static inline uint64_t rows_big_endian(const uint8_t *at, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | at[i];
    return value;
}

static inline void rows_to_big_endian(uint8_t *at, size_t size, uint64_t value) {
    for (size_t i = 0; i < size; i++) at[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

/* Copies what is mostly short: memcpy is a call out of the sandbox. */
static inline void rows_copy(uint8_t *to, const void *from, size_t size) {
    const uint8_t *at = from;
    if (size > 128) {
        memcpy(to, at, size);
        return;
    }
    for (; size >= 8; to += 8, at += 8, size -= 8) memcpy(to, at, 8);
    if (size & 4) memcpy(to, at, 4), to += 4, at += 4;
    if (size & 2) memcpy(to, at, 2), to += 2, at += 2;
    if (size & 1) *to = *at;
}

/* ---- row.c ---- */

/* A Row of these values, a list; names may be NULL; the kind is one of four. A new reference. */
PyObject *rows_new_row(PyObject *values, PyObject *names, unsigned kind);
/* row[at], a new reference. */
PyObject *rows_row_item(PyObject *row, Py_ssize_t at);
/* The values of these fields in their order, a new list or the row's own, and the row's kind. */
PyObject *rows_row_fields(PyObject *row, PyObject *names, unsigned *kind);
/* adopt(Row, (kind, kind, kind, kind)): this is the class of rows. Some of its methods are replaced. */
PyObject *rows_adopt(PyObject *module, PyObject *arguments);

/* ---- fields.c ---- */

typedef struct rows_field rows_field;

/* What columns can hold (blocks.c), and anything else. */
typedef enum {
    ROWS_OTHER,
    ROWS_INT,
    ROWS_BOOL,
    ROWS_FLOAT,
    ROWS_TEXT,
    ROWS_BYTES,
    ROWS_DATE,      /* days, of 4 bytes */
    ROWS_TIME,      /* milliseconds, of 4 bytes */
    ROWS_TIMESTAMP, /* milliseconds, of 8 bytes, and nanoseconds, of 4, where the width is 12 */
    ROWS_DECIMAL,   /* a text */
} rows_kind;

struct rows_field {
    rows_kind kind;
    PyObject *(*read)(const rows_field *field, rows_input *in); /* a new reference */
    int (*write)(const rows_field *field, PyObject *value, rows_output *out);
    Py_ssize_t width;         /* bytes of a number or a time */
    Py_ssize_t precision, scale; /* of a decimal */
    PyObject *decode, *encode; /* methods of a PyFlink coder, for fields without C code */
    PyObject *names;          /* of a Row's fields */
    Py_ssize_t n_children;
    rows_field *children;
};

/* Makes a tree of zeroes one of a plan; what fails leaves a tree that can be cleared. */
int rows_compile(rows_field *field, PyObject *plan);
void rows_clear_field(rows_field *field);
bool rows_is_list(const rows_field *field); /* of a "row" */

/* A row starts with a mask: two bits of its kind, then one for each field, whether it is NULL. */
#define ROWS_KIND_BITS 2

static inline size_t rows_mask_size(Py_ssize_t fields) { return ((size_t)fields + ROWS_KIND_BITS + 7) / 8; }

static inline bool rows_mask_bit(const uint8_t *mask, Py_ssize_t field) {
    size_t bit = (size_t)field + ROWS_KIND_BITS;
    return mask[bit / 8] >> (7 - bit % 8) & 1;
}

static inline void rows_set_mask_bit(uint8_t *mask, Py_ssize_t field) {
    size_t bit = (size_t)field + ROWS_KIND_BITS;
    mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

/* Says in a note of the exception that is set where it was raised, as PyUnicode_FromFormat writes it. Always -1. */
int rows_blame(const char *format, ...);
/* The values of a row, as new references; or none, with an exception. */
int rows_read_values(const rows_field *field, rows_input *in, PyObject **values);
/* A row of one value. */
int rows_write_only(const rows_field *field, PyObject *value, rows_output *out);

/* A PyFlink coder's value. */
PyObject *rows_read_other(const rows_field *field, rows_input *in);
int rows_write_other(const rows_field *field, PyObject *value, rows_output *out);

/* ---- times.c ---- */

int rows_import_times(void);
PyObject *rows_read_date(const rows_field *field, rows_input *in);
PyObject *rows_read_time(const rows_field *field, rows_input *in);
PyObject *rows_read_timestamp(const rows_field *field, rows_input *in);
int rows_write_date(const rows_field *field, PyObject *value, rows_output *out);
int rows_write_time(const rows_field *field, PyObject *value, rows_output *out);
int rows_write_timestamp(const rows_field *field, PyObject *value, rows_output *out);

/* A datetime, in microseconds; false where there is none. */
static inline bool rows_join_timestamp(const uint8_t *at, Py_ssize_t width, int64_t *micros) {
    const int64_t day = VV_SECONDS_PER_DAY * 1000, millis = (int64_t)rows_big_endian(at, 8);
    const uint32_t nanos = width == 12 ? (uint32_t)rows_big_endian(at + 8, 4) : 0;
    if (millis < VV_FIRST_DAY * day || millis >= (VV_LAST_DAY + 1) * day || nanos >= 1000000) return false;
    *micros = millis * 1000 + nanos / 1000;
    return true;
}

/* A float of seconds has place for every microsecond of so many on both sides of 1970; beyond, those of a second from ROWS_LATE_MICROS on may
 * be rounded up to the next one, until the year 9999. */
#define ROWS_EXACT_MICROS (INT64_C(1) << 53)
#define ROWS_LATE_MICROS 999900

/* A datetime as PyFlink's coder writes it, whose seconds are a float that is cut: before 1970 towards the epoch, whatever its
 * microseconds are. Far from 1970 a float that is not a whole second can become one: those are the interpreter's. */
static inline bool rows_split_timestamp(int64_t micros, int64_t *millis, uint32_t *nanos) {
    int64_t fraction, cut = micros % VV_MICROS_PER_SECOND;
    vv_divide_down(micros, VV_MICROS_PER_SECOND, &fraction);
    *millis = micros / VV_MICROS_PER_SECOND * 1000 + fraction / 1000;
    *nanos = (uint32_t)(fraction % 1000 * 1000);
    return (cut < ROWS_LATE_MICROS && cut > -ROWS_LATE_MICROS) || (micros < ROWS_EXACT_MICROS && micros > -ROWS_EXACT_MICROS);
}

/* ---- codec.c ---- */

typedef struct {
    PyObject_HEAD
    rows_field root;
    PyObject *of;         /* a text: what the rows are to or from, for errors; or NULL */
    rows_output *scratch; /* for `encode`; NULL while it is in use */
} rows_codec;

extern PyTypeObject rows_codec_type;

/* ---- loop.c ---- */

typedef struct {
    PyObject *stages; /* a tuple of tuples */
    const rows_field *from, *to;
    PyObject *of; /* a text: what takes the rows, for errors; or NULL */
    int64_t row;  /* the number of the current one, from 1 on */
    int mode;
    rows_input *in;
    rows_output *out;
    PyObject **values; /* places for the values of a row, when a function is called with them; else NULL */
} rows_loop;

/* Takes the next row through the stages. */
int rows_next(rows_loop *loop);
/* run(codec, stages, codec, mode, columns, message, function) -> bytes */
PyObject *rows_run(PyObject *module, PyObject *arguments);

/* ---- blocks.c ---- */

/* Whether the function, of _vivarium, takes the rows of the one type and makes those of the other one. */
bool rows_suit(const vv_function *function, const rows_field *from, const rows_field *to);
/* Takes rows through the only stage as columns, as far as that goes. *wait is how many rows the interpreter computes then, before this
 * is to be tried again. */
int rows_as_columns(rows_loop *loop, vv_function *function, int64_t *wait);

/* ---- decimals.c ---- */

/* Bytes that the text of a Decimal has at most. */
#define ROWS_DECIMAL_TEXT 56

/* The Decimal of a text, in units of the field's scale. False: it has to be rounded, has too many digits, is a negative zero or no number. */
bool rows_read_decimal(const rows_field *field, const uint8_t *at, size_t size, __int128 *value);
/* Writes what str() makes of a Decimal of that scale; how many bytes. */
size_t rows_write_decimal(__int128 value, int scale, uint8_t *to);
int rows_import_decimals(void);
PyObject *rows_read_decimal_object(const rows_field *field, rows_input *in);
int rows_write_decimal_object(const rows_field *field, PyObject *value, rows_output *out);

#endif
