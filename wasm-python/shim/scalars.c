/* Writers of booleans, numbers, text and bytes.
 *
 * The rules, which ../python/vivarium/types.py documents for users: an int for an integer type must be in range, and a bool
 * is not an int; a float type takes floats, and ints that it can hold exactly; a bool type takes bools; NumPy scalars count
 * as their Python equals, through __index__ and __float__; text is str and bytes are bytes, bytearray or memoryview.
 */
#include "vivarium.h"

#include <math.h>

static int write_null(vv_builder *builder, PyObject *value) {
    return vv_misfit(builder, value, "only None does");
}

static bool is_numpy_bool(PyObject *value) {
    const char *name = Py_TYPE(value)->tp_name;
    return strcmp(name, "numpy.bool") == 0 || strcmp(name, "numpy.bool_") == 0;
}

static int write_bool(vv_builder *builder, PyObject *value) {
    int truth;
    if (PyBool_Check(value)) truth = value == Py_True;
    else if (is_numpy_bool(value)) VV_TRY(truth = PyObject_IsTrue(value));
    else return vv_misfit(builder, value, "a bool is expected");
    vv_set_bit(builder->values.data, builder->length, truth);
    builder->length++;
    return 0;
}

/* ---- Integers ---- */

/* An int, for a value that is one: a new reference. Floats, strings and bools are refused rather than converted. */
static PyObject *as_int(vv_builder *builder, PyObject *value) {
    if (PyBool_Check(value) || is_numpy_bool(value)) {
        vv_misfit(builder, value, "an int is expected, not a bool; int(...) makes one");
        return NULL;
    }
    if (PyLong_Check(value)) return Py_NewRef(value);
    if (PyIndex_Check(value)) return PyNumber_Index(value);
    vv_misfit(builder, value, PyFloat_Check(value) ? "an int is expected; round(...) or int(...) makes one" : "an int is expected");
    return NULL;
}

static int out_of_range(vv_builder *builder, PyObject *value) {
    const vv_type *type = builder->type;
    int bits = type->width * 8;
    if (type->kind >= VV_UINT8 && type->kind <= VV_UINT64)
        return vv_misfit(builder, value, "it is outside 0 to %llu", (unsigned long long)(UINT64_MAX >> (64 - bits)));
    return vv_misfit(builder, value, "it is outside %lld to %lld", (long long)(INT64_MIN >> (64 - bits)),
                     (long long)(INT64_MAX >> (64 - bits)));
}

/* The slow path: any object, and ints of more than one digit. */
static int signed_value(vv_builder *builder, PyObject *value, long long *number) {
    int overflow = 0;
    PyObject *integer = as_int(builder, value);
    if (integer == NULL) return -1;
    *number = PyLong_AsLongLongAndOverflow(integer, &overflow);
    Py_DECREF(integer);
    if (*number == -1 && PyErr_Occurred()) return -1;
    return overflow == 0 ? 0 : out_of_range(builder, value);
}

static inline bool compact_value(PyObject *value, long long *number) {
    if (!PyLong_CheckExact(value) || !PyUnstable_Long_IsCompact((PyLongObject *)value)) return false;
    *number = PyUnstable_Long_CompactValue((PyLongObject *)value);
    return true;
}

#define WRITE_SIGNED(name, ctype)                                                                \
    static int name(vv_builder *builder, PyObject *value) {                                      \
        long long number;                                                                        \
        if (!compact_value(value, &number)) VV_TRY(signed_value(builder, value, &number));       \
        if (number != (ctype)number) return out_of_range(builder, value);                        \
        ((ctype *)builder->values.data)[builder->length++] = (ctype)number;                      \
        return 0;                                                                                \
    }

WRITE_SIGNED(write_int8, int8_t)
WRITE_SIGNED(write_int16, int16_t)
WRITE_SIGNED(write_int32, int32_t)
WRITE_SIGNED(write_int64, int64_t)
WRITE_SIGNED(write_uint8, uint8_t)
WRITE_SIGNED(write_uint16, uint16_t)
WRITE_SIGNED(write_uint32, uint32_t)

static int write_uint64(vv_builder *builder, PyObject *value) {
    long long small;
    uint64_t number;
    if (compact_value(value, &small)) {
        if (small < 0) return out_of_range(builder, value);
        number = (uint64_t)small;
    } else {
        PyObject *integer = as_int(builder, value);
        if (integer == NULL) return -1;
        number = PyLong_AsUnsignedLongLong(integer);
        Py_DECREF(integer);
        if (number == UINT64_MAX && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return -1;
            PyErr_Clear();
            return out_of_range(builder, value);
        }
    }
    ((uint64_t *)builder->values.data)[builder->length++] = number;
    return 0;
}

/* ---- Floats ---- */

/* Ints, NumPy scalars and other numbers: converted when the float equals them. */
static int convert_to_double(vv_builder *builder, PyObject *value, double *number) {
    if (PyBool_Check(value) || is_numpy_bool(value))
        return vv_misfit(builder, value, "a float is expected, not a bool; float(...) makes one");
    PyNumberMethods *methods = Py_TYPE(value)->tp_as_number;
    if (methods == NULL || (methods->nb_float == NULL && methods->nb_index == NULL))
        return vv_misfit(builder, value, "a float is expected");
    PyObject *converted = PyNumber_Float(value);
    if (converted == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return -1;
        PyErr_Clear();
        return vv_misfit(builder, value, "it is too large for a float");
    }
    *number = PyFloat_AS_DOUBLE(converted);
    int same = isnan(*number) ? 1 : PyObject_RichCompareBool(converted, value, Py_EQ);
    Py_DECREF(converted);
    VV_TRY(same);
    return same ? 0 : vv_misfit(builder, value, "no float equals it exactly; float(...) rounds it");
}

static inline int as_double(vv_builder *builder, PyObject *value, double *number) {
    if (PyFloat_Check(value)) {
        *number = PyFloat_AS_DOUBLE(value);
        return 0;
    }
    return convert_to_double(builder, value, number);
}

static int write_float64(vv_builder *builder, PyObject *value) {
    double number;
    VV_TRY(as_double(builder, value, &number));
    ((double *)builder->values.data)[builder->length++] = number;
    return 0;
}

/* Rounding to the nearest float32 or float16 is what declaring that type asks for; becoming infinite is not. */
static int write_float32(vv_builder *builder, PyObject *value) {
    double number;
    VV_TRY(as_double(builder, value, &number));
    float narrow = (float)number;
    if (isinf(narrow) && !isinf(number)) return vv_misfit(builder, value, "it is too large");
    ((float *)builder->values.data)[builder->length++] = narrow;
    return 0;
}

static int write_float16(vv_builder *builder, PyObject *value) {
    double number;
    VV_TRY(as_double(builder, value, &number));
    char *place = (char *)builder->values.data + 2 * builder->length;
    if (PyFloat_Pack2(number, place, PY_LITTLE_ENDIAN) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return -1;
        PyErr_Clear();
        return vv_misfit(builder, value, "it is too large");
    }
    builder->length++;
    return 0;
}

/* ---- Text and bytes ---- */

/* Room for one more value of so many bytes at the end of the data buffer; NULL with an exception set. */
static uint8_t *reserve_data(vv_builder *builder, size_t size) {
    bool large = builder->type->kind == VV_LARGE_STRING || builder->type->kind == VV_LARGE_BINARY;
    if (!large && size > (size_t)INT32_MAX - builder->data.size) {
        PyErr_Format(vv_result_error, "the values of %U of this batch exceed 2 GiB", builder->type->path);
        return NULL;
    }
    if (vv_buffer_reserve(&builder->data, size) < 0) return NULL;
    return builder->data.data + builder->data.size;
}

static void commit_data(vv_builder *builder, size_t size) {
    vv_kind kind = builder->type->kind;
    builder->data.size += size;
    builder->length++;
    if (kind == VV_LARGE_STRING || kind == VV_LARGE_BINARY)
        ((int64_t *)builder->values.data)[builder->length] = (int64_t)builder->data.size;
    else ((int32_t *)builder->values.data)[builder->length] = (int32_t)builder->data.size;
}

static int append_bytes(vv_builder *builder, const void *bytes, size_t size) {
    uint8_t *place = reserve_data(builder, size);
    if (place == NULL) return -1;
    memcpy(place, bytes, size);
    commit_data(builder, size);
    return 0;
}

/* UTF-8 written in place: asking the object for its UTF-8 would allocate it once more. */
static int append_encoded(vv_builder *builder, PyObject *text) {
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    int kind = PyUnicode_KIND(text);
    const void *characters = PyUnicode_DATA(text);
    size_t widest = kind == PyUnicode_1BYTE_KIND ? 2 : kind == PyUnicode_2BYTE_KIND ? 3 : 4;
    if ((size_t)length > (size_t)PY_SSIZE_T_MAX / 4) {
        PyErr_NoMemory();
        return -1;
    }
    uint8_t *start = reserve_data(builder, (size_t)length * widest), *place = start;
    if (place == NULL) return -1;
    for (Py_ssize_t i = 0; i < length; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, characters, i);
        if (c < 0x80) {
            *place++ = (uint8_t)c;
        } else if (c < 0x800) {
            *place++ = (uint8_t)(0xC0 | c >> 6);
            *place++ = (uint8_t)(0x80 | (c & 0x3F));
        } else if (Py_UNICODE_IS_SURROGATE(c)) {
            return vv_misfit(builder, text, "the lone surrogate U+%04X at index %zd has no UTF-8 form", (unsigned)c, i);
        } else if (c < 0x10000) {
            *place++ = (uint8_t)(0xE0 | c >> 12);
            *place++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
            *place++ = (uint8_t)(0x80 | (c & 0x3F));
        } else {
            *place++ = (uint8_t)(0xF0 | c >> 18);
            *place++ = (uint8_t)(0x80 | (c >> 12 & 0x3F));
            *place++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
            *place++ = (uint8_t)(0x80 | (c & 0x3F));
        }
    }
    commit_data(builder, (size_t)(place - start));
    return 0;
}

static int write_text(vv_builder *builder, PyObject *value) {
    if (!PyUnicode_Check(value)) return vv_misfit(builder, value, "a str is expected");
    if (PyUnicode_IS_COMPACT_ASCII(value))
        return append_bytes(builder, PyUnicode_1BYTE_DATA(value), (size_t)PyUnicode_GET_LENGTH(value));
    return append_encoded(builder, value);
}

static int write_bytes(vv_builder *builder, PyObject *value) {
    if (PyBytes_CheckExact(value)) return append_bytes(builder, PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value));
    if (!PyBytes_Check(value) && !PyByteArray_Check(value) && !PyMemoryView_Check(value))
        return vv_misfit(builder, value, "bytes are expected");
    Py_buffer view;
    VV_TRY(PyObject_GetBuffer(value, &view, PyBUF_SIMPLE));
    int status = append_bytes(builder, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return status;
}

static int write_fixed_binary(vv_builder *builder, PyObject *value) {
    if (!PyBytes_Check(value) && !PyByteArray_Check(value) && !PyMemoryView_Check(value))
        return vv_misfit(builder, value, "bytes are expected");
    Py_buffer view;
    VV_TRY(PyObject_GetBuffer(value, &view, PyBUF_SIMPLE));
    size_t width = (size_t)builder->type->width;
    bool fits = (size_t)view.len == width;
    if (fits) memcpy(builder->values.data + (size_t)builder->length * width, view.buf, width);
    Py_ssize_t size = view.len;
    PyBuffer_Release(&view);
    if (!fits) return vv_misfit(builder, value, "it has %zd bytes", size);
    builder->length++;
    return 0;
}

vv_writer vv_writer_of(const vv_type *type) {
    switch (type->kind) {
    case VV_NULL: return write_null;
    case VV_BOOL: return write_bool;
    case VV_INT8: return write_int8;
    case VV_INT16: return write_int16;
    case VV_INT32: return write_int32;
    case VV_INT64: return write_int64;
    case VV_UINT8: return write_uint8;
    case VV_UINT16: return write_uint16;
    case VV_UINT32: return write_uint32;
    case VV_UINT64: return write_uint64;
    case VV_FLOAT16: return write_float16;
    case VV_FLOAT32: return write_float32;
    case VV_FLOAT64: return write_float64;
    case VV_STRING:
    case VV_LARGE_STRING: return write_text;
    case VV_BINARY:
    case VV_LARGE_BINARY: return write_bytes;
    case VV_FIXED_BINARY: return write_fixed_binary;
    case VV_DATE32:
    case VV_DATE64:
    case VV_TIME32:
    case VV_TIME64:
    case VV_TIMESTAMP:
    case VV_DURATION:
    case VV_INTERVAL: return vv_temporal_writer_of(type);
    case VV_DECIMAL128:
    case VV_DECIMAL256: return vv_decimal_writer_of(type);
    case VV_LIST:
    case VV_LARGE_LIST:
    case VV_FIXED_LIST:
    case VV_STRUCT:
    case VV_MAP: return vv_nested_writer_of(type);
    }
    Py_UNREACHABLE();
}
