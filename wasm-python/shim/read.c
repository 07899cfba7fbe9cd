/* Columns: the values of an Arrow array as Python objects. */
#include "vivarium.h"

/* ---- Pointing a column at an array ---- */

int vv_column_prepare(vv_column *column, const vv_type *type) {
    memset(column, 0, sizeof *column);
    column->type = type;
    if (type->n_children == 0) return 0;
    column->children = PyMem_Calloc((size_t)type->n_children, sizeof *column->children);
    if (column->children == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < type->n_children; i++) VV_TRY(vv_column_prepare(&column->children[i], &type->children[i]));
    return 0;
}

void vv_column_clear(vv_column *column) {
    for (Py_ssize_t i = 0; column->children != NULL && i < column->type->n_children; i++)
        vv_column_clear(&column->children[i]);
    PyMem_Free(column->children);
    column->children = NULL;
}

static int64_t expected_buffers(vv_kind kind) {
    switch (kind) {
    case VV_NULL: return 0;
    case VV_FIXED_LIST:
    case VV_STRUCT: return 1;
    case VV_STRING:
    case VV_LARGE_STRING:
    case VV_BINARY:
    case VV_LARGE_BINARY: return 3;
    default: return 2;
    }
}

int vv_column_point(vv_column *column, const struct ArrowArray *array) {
    const vv_type *type = column->type;
    int64_t buffers = expected_buffers(type->kind);
    if (array->n_buffers != buffers || array->n_children != type->n_children || array->offset != 0) {
        PyErr_Format(PyExc_BufferError, "the array of %U is not laid out as a %U with offset 0", type->path, type->spelling);
        return -1;
    }
    column->length = array->length;
    column->validity = buffers > 0 && array->null_count != 0 ? array->buffers[0] : NULL;
    column->values = buffers > 1 ? array->buffers[1] : NULL;
    column->data = buffers > 2 ? array->buffers[2] : NULL;
    for (Py_ssize_t i = 0; i < type->n_children; i++)
        VV_TRY(vv_column_point(&column->children[i], array->children[i]));
    return 0;
}

/* ---- Readers of the types without a file of their own ---- */

static PyObject *read_null(const vv_column *column, int64_t row) {
    (void)column, (void)row;
    Py_RETURN_NONE;
}

static PyObject *read_bool(const vv_column *column, int64_t row) {
    return PyBool_FromLong(vv_bit(column->values, row));
}

#define READ_FIXED(name, ctype, convert)                                \
    static PyObject *name(const vv_column *column, int64_t row) {       \
        return convert(((const ctype *)column->values)[row]);           \
    }

READ_FIXED(read_int8, int8_t, PyLong_FromLong)
READ_FIXED(read_int16, int16_t, PyLong_FromLong)
READ_FIXED(read_int32, int32_t, PyLong_FromLong)
READ_FIXED(read_int64, int64_t, PyLong_FromLongLong)
READ_FIXED(read_uint8, uint8_t, PyLong_FromLong)
READ_FIXED(read_uint16, uint16_t, PyLong_FromLong)
READ_FIXED(read_uint32, uint32_t, PyLong_FromUnsignedLong)
READ_FIXED(read_uint64, uint64_t, PyLong_FromUnsignedLongLong)
READ_FIXED(read_float32, float, PyFloat_FromDouble)
READ_FIXED(read_float64, double, PyFloat_FromDouble)

static PyObject *read_float16(const vv_column *column, int64_t row) {
    double value = PyFloat_Unpack2((const char *)column->values + 2 * row, PY_LITTLE_ENDIAN);
    if (value == -1.0 && PyErr_Occurred()) return NULL;
    return PyFloat_FromDouble(value);
}

/* The host has checked UTF-8. Text in practice is mostly ASCII, whose object is one allocation and one copy. */
static PyObject *text(const uint8_t *bytes, Py_ssize_t size) {
    uint8_t high = 0;
    Py_ssize_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        if (word & UINT64_C(0x8080808080808080)) return PyUnicode_DecodeUTF8((const char *)bytes, size, NULL);
    }
    for (; i < size; i++) high |= bytes[i];
    /* Strings of one character are singletons of the interpreter, which the decoder knows. */
    if (high & 0x80 || size <= 1) return PyUnicode_DecodeUTF8((const char *)bytes, size, NULL);
    PyObject *object = PyUnicode_New(size, 127);
    if (object != NULL) memcpy(PyUnicode_1BYTE_DATA(object), bytes, (size_t)size);
    return object;
}

static inline const uint8_t *slice(const vv_column *column, int64_t row, Py_ssize_t *size) {
    const int32_t *offsets = column->values;
    *size = offsets[row + 1] - offsets[row];
    return column->data + offsets[row];
}

static inline const uint8_t *large_slice(const vv_column *column, int64_t row, Py_ssize_t *size) {
    const int64_t *offsets = column->values;
    *size = (Py_ssize_t)(offsets[row + 1] - offsets[row]);
    return column->data + offsets[row];
}

static PyObject *read_string(const vv_column *column, int64_t row) {
    Py_ssize_t size;
    const uint8_t *bytes = slice(column, row, &size);
    return text(bytes, size);
}

static PyObject *read_large_string(const vv_column *column, int64_t row) {
    Py_ssize_t size;
    const uint8_t *bytes = large_slice(column, row, &size);
    return text(bytes, size);
}

static PyObject *read_binary(const vv_column *column, int64_t row) {
    Py_ssize_t size;
    const uint8_t *bytes = slice(column, row, &size);
    return PyBytes_FromStringAndSize((const char *)bytes, size);
}

static PyObject *read_large_binary(const vv_column *column, int64_t row) {
    Py_ssize_t size;
    const uint8_t *bytes = large_slice(column, row, &size);
    return PyBytes_FromStringAndSize((const char *)bytes, size);
}

static PyObject *read_fixed_binary(const vv_column *column, int64_t row) {
    int32_t width = column->type->width;
    return PyBytes_FromStringAndSize((const char *)column->values + row * width, width);
}

PyObject *vv_read_made(const vv_column *column, int64_t row) {
    PyObject *value = column->type->read_plain(column, row);
    PyObject *made = value == NULL ? NULL : PyObject_CallOneArg(column->type->constructor, value);
    Py_XDECREF(value);
    return made;
}

vv_reader vv_reader_of(const vv_type *type) {
    switch (type->kind) {
    case VV_NULL: return read_null;
    case VV_BOOL: return read_bool;
    case VV_INT8: return read_int8;
    case VV_INT16: return read_int16;
    case VV_INT32: return read_int32;
    case VV_INT64: return read_int64;
    case VV_UINT8: return read_uint8;
    case VV_UINT16: return read_uint16;
    case VV_UINT32: return read_uint32;
    case VV_UINT64: return read_uint64;
    case VV_FLOAT16: return read_float16;
    case VV_FLOAT32: return read_float32;
    case VV_FLOAT64: return read_float64;
    case VV_STRING: return read_string;
    case VV_LARGE_STRING: return read_large_string;
    case VV_BINARY: return read_binary;
    case VV_LARGE_BINARY: return read_large_binary;
    case VV_FIXED_BINARY: return read_fixed_binary;
    case VV_DATE32:
    case VV_DATE64:
    case VV_TIME32:
    case VV_TIME64:
    case VV_TIMESTAMP:
    case VV_DURATION:
    case VV_INTERVAL: return vv_temporal_reader_of(type);
    case VV_DECIMAL128:
    case VV_DECIMAL256: return vv_decimal_reader_of(type);
    case VV_LIST:
    case VV_LARGE_LIST:
    case VV_FIXED_LIST:
    case VV_STRUCT:
    case VV_MAP: return vv_nested_reader_of(type);
    }
    Py_UNREACHABLE();
}

/* ---- The same objects again ---- */

static bool renew_int32(const vv_column *column, int64_t row, PyObject *object) {
    return vv_renew_int(object, ((const int32_t *)column->values)[row]);
}

static bool renew_int64(const vv_column *column, int64_t row, PyObject *object) {
    return vv_renew_int(object, ((const int64_t *)column->values)[row]);
}

static bool renew_float64(const vv_column *column, int64_t row, PyObject *object) {
    ((PyFloatObject *)object)->ob_fval = ((const double *)column->values)[row];
    return true;
}

vv_renewer vv_renewer_of(const vv_type *type) {
    switch (type->kind) {
    case VV_INT32: return renew_int32;
    case VV_INT64: return renew_int64;
    case VV_FLOAT64: return renew_float64;
    default: return NULL;
    }
}
