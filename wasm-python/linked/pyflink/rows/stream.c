/* Streams over bytes in memory. Their methods are those of PyFlink's streams, so that PyFlink's own coders can read and write the
 * fields that have no C code. */
#include "rows.h"

/* ---- Input ---- */

const uint8_t *rows_take(rows_input *in, size_t size) {
    if ((size_t)(in->end - in->at) < size) {
        PyErr_SetString(PyExc_ValueError, "a row ends too early");
        return NULL;
    }
    const uint8_t *taken = in->at;
    in->at += size;
    return taken;
}

int rows_take_var_int(rows_input *in, int64_t *value) {
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t *byte = rows_take(in, 1);
        if (byte == NULL) return -1;
        result |= (uint64_t)(*byte & 0x7f) << shift;
        if (!(*byte & 0x80)) {
            *value = (int64_t)result;
            return 0;
        }
    }
    PyErr_SetString(PyExc_ValueError, "a number of variable length does not end");
    return -1;
}

static PyObject *input_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    PyObject *data;
    if (named != NULL || !PyArg_ParseTuple(arguments, "S", &data)) return NULL;
    rows_input *in = (rows_input *)type->tp_alloc(type, 0);
    if (in == NULL) return NULL;
    in->owner = Py_NewRef(data);
    in->at = (const uint8_t *)PyBytes_AS_STRING(data);
    in->end = in->at + PyBytes_GET_SIZE(data);
    return (PyObject *)in;
}

static void input_dealloc(PyObject *self) {
    Py_XDECREF(((rows_input *)self)->owner);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *bytes_of(rows_input *in, Py_ssize_t size) {
    const uint8_t *at = size < 0 ? NULL : rows_take(in, (size_t)size);
    if (at == NULL) return PyErr_Occurred() ? NULL : (PyErr_SetString(PyExc_ValueError, "a length is negative"), NULL);
    return PyBytes_FromStringAndSize((const char *)at, size);
}

static PyObject *input_read(PyObject *self, PyObject *size) {
    Py_ssize_t number = PyLong_AsSsize_t(size);
    return number == -1 && PyErr_Occurred() ? NULL : bytes_of((rows_input *)self, number);
}

static PyObject *input_read_bytes(PyObject *self, PyObject *none) {
    (void)none;
    const uint8_t *at = rows_take((rows_input *)self, 4);
    return at == NULL ? NULL : bytes_of((rows_input *)self, (int32_t)rows_big_endian(at, 4));
}

#define READ(name, size, result)                              \
    static PyObject *name(PyObject *self, PyObject *none) {   \
        (void)none;                                           \
        const uint8_t *at = rows_take((rows_input *)self, size); \
        return at == NULL ? NULL : result;                    \
    }

static PyObject *float_of(const uint8_t *at, bool wide) {
    double value = wide ? PyFloat_Unpack8((const char *)at, 0) : PyFloat_Unpack4((const char *)at, 0);
    return value == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

READ(input_read_byte, 1, PyLong_FromLong(*at))
READ(input_read_int8, 1, PyLong_FromLong((int8_t)*at))
READ(input_read_int16, 2, PyLong_FromLong((int16_t)rows_big_endian(at, 2)))
READ(input_read_int32, 4, PyLong_FromLong((int32_t)rows_big_endian(at, 4)))
READ(input_read_int64, 8, PyLong_FromLongLong((int64_t)rows_big_endian(at, 8)))
READ(input_read_float, 4, float_of(at, false))
READ(input_read_double, 8, float_of(at, true))

static PyObject *input_read_var_int64(PyObject *self, PyObject *none) {
    (void)none;
    int64_t value;
    return rows_take_var_int((rows_input *)self, &value) < 0 ? NULL : PyLong_FromLongLong(value);
}

static PyObject *input_size(PyObject *self, PyObject *none) {
    (void)none;
    return PyLong_FromSsize_t(((rows_input *)self)->end - ((rows_input *)self)->at);
}

static PyMethodDef input_methods[] = {
    {"read", input_read, METH_O, NULL},
    {"read_byte", input_read_byte, METH_NOARGS, NULL},
    {"read_int8", input_read_int8, METH_NOARGS, NULL},
    {"read_int16", input_read_int16, METH_NOARGS, NULL},
    {"read_int32", input_read_int32, METH_NOARGS, NULL},
    {"read_int64", input_read_int64, METH_NOARGS, NULL},
    {"read_float", input_read_float, METH_NOARGS, NULL},
    {"read_double", input_read_double, METH_NOARGS, NULL},
    {"read_bytes", input_read_bytes, METH_NOARGS, NULL},
    {"read_var_int64", input_read_var_int64, METH_NOARGS, NULL},
    {"size", input_size, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject rows_input_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_flink_rows.InputStream",
    .tp_doc = "Reads bytes from their beginning.",
    .tp_basicsize = sizeof(rows_input),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = input_new,
    .tp_dealloc = input_dealloc,
    .tp_methods = input_methods,
};

/* ---- Output ---- */

uint8_t *rows_put(rows_output *out, size_t size) {
    if (out->capacity - out->size < size) {
        size_t capacity = out->capacity * 2 > out->size + size ? out->capacity * 2 : out->size + size + 256;
        uint8_t *data = PyMem_Realloc(out->data, capacity);
        if (data == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        out->data = data;
        out->capacity = capacity;
    }
    uint8_t *at = out->data + out->size;
    out->size += size;
    return at;
}

int rows_put_var_int(rows_output *out, int64_t value) {
    uint64_t rest = (uint64_t)value;
    do {
        uint8_t *at = rows_put(out, 1);
        if (at == NULL) return -1;
        *at = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        rest >>= 7;
    } while (rest > 0);
    return 0;
}

static void output_dealloc(PyObject *self) {
    PyMem_Free(((rows_output *)self)->data);
    Py_TYPE(self)->tp_free(self);
}

static int put_bytes(rows_output *out, const char *data, Py_ssize_t size) {
    uint8_t *at = rows_put(out, (size_t)size);
    if (at == NULL) return -1;
    memcpy(at, data, (size_t)size);
    return 0;
}

static PyObject *none_or_error(int status) {
    if (status < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *output_write(PyObject *self, PyObject *data) {
    Py_buffer buffer;
    if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0) return NULL;
    int status = put_bytes((rows_output *)self, buffer.buf, buffer.len);
    PyBuffer_Release(&buffer);
    return none_or_error(status);
}

static PyObject *output_write_bytes(PyObject *self, PyObject *arguments) {
    Py_buffer buffer;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(arguments, "y*n", &buffer, &size)) return NULL;
    rows_output *out = (rows_output *)self;
    int status = size < 0 || size > buffer.len || size > INT32_MAX ? -1 : 0;
    if (status < 0) PyErr_Format(PyExc_ValueError, "%zd is no length of %zd bytes", size, buffer.len);
    uint8_t *at = status < 0 ? NULL : rows_put(out, 4);
    if (at != NULL) rows_to_big_endian(at, 4, (uint64_t)size);
    status = at == NULL ? -1 : put_bytes(out, buffer.buf, size);
    PyBuffer_Release(&buffer);
    return none_or_error(status);
}

int rows_whole_number(PyObject *value, long long *number) {
    PyNumberMethods *methods = Py_TYPE(value)->tp_as_number;
    PyObject *whole = NULL;
    if (PyLong_Check(value)) whole = Py_NewRef(value);
    else if (methods != NULL && methods->nb_int != NULL) whole = methods->nb_int(value);
    else PyErr_Format(PyExc_TypeError, "an integer is required, got %.200s", Py_TYPE(value)->tp_name);
    if (whole != NULL && !PyLong_Check(whole)) {
        PyErr_Format(PyExc_TypeError, "__int__ returned a %.200s", Py_TYPE(whole)->tp_name);
        Py_CLEAR(whole);
    }
    if (whole == NULL) return -1;
    *number = PyLong_AsLongLong(whole);
    Py_DECREF(whole);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

int rows_put_float(rows_output *out, PyObject *value, size_t size) {
    double number = PyFloat_AsDouble(value);
    if (number == -1.0 && PyErr_Occurred()) return -1;
    float narrow = (float)number; /* what is too large is infinite, as C's cast has it */
    uint64_t bits = 0;
    if (size == 4) {
        uint32_t word;
        memcpy(&word, &narrow, 4);
        bits = word;
    } else {
        memcpy(&bits, &number, 8);
    }
    uint8_t *at = rows_put(out, size);
    if (at == NULL) return -1;
    rows_to_big_endian(at, size, bits);
    return 0;
}

static PyObject *put_int(PyObject *self, PyObject *value, Py_ssize_t size, long long least, long long most) {
    long long number;
    if (rows_whole_number(value, &number) < 0) return NULL;
    if (number < least || number > most) return PyErr_Format(PyExc_OverflowError, "%lld does not fit in %zd bytes", number, size);
    uint8_t *at = rows_put((rows_output *)self, (size_t)size);
    if (at == NULL) return NULL;
    rows_to_big_endian(at, (size_t)size, (uint64_t)number);
    Py_RETURN_NONE;
}

static PyObject *output_write_byte(PyObject *self, PyObject *value) { return put_int(self, value, 1, 0, 255); }
static PyObject *output_write_int8(PyObject *self, PyObject *value) { return put_int(self, value, 1, INT8_MIN, INT8_MAX); }
static PyObject *output_write_int16(PyObject *self, PyObject *value) { return put_int(self, value, 2, INT16_MIN, INT16_MAX); }
static PyObject *output_write_int32(PyObject *self, PyObject *value) { return put_int(self, value, 4, INT32_MIN, INT32_MAX); }
static PyObject *output_write_int64(PyObject *self, PyObject *value) { return put_int(self, value, 8, INT64_MIN, INT64_MAX); }

static PyObject *output_write_float(PyObject *self, PyObject *value) {
    return none_or_error(rows_put_float((rows_output *)self, value, 4));
}

static PyObject *output_write_double(PyObject *self, PyObject *value) {
    return none_or_error(rows_put_float((rows_output *)self, value, 8));
}

static PyObject *output_write_var_int64(PyObject *self, PyObject *value) {
    long long number;
    if (rows_whole_number(value, &number) < 0) return NULL;
    return none_or_error(rows_put_var_int((rows_output *)self, number));
}

static PyObject *output_get(PyObject *self, PyObject *none) {
    (void)none;
    rows_output *out = (rows_output *)self;
    return PyBytes_FromStringAndSize((const char *)out->data, (Py_ssize_t)out->size);
}

static PyObject *output_size(PyObject *self, PyObject *none) {
    (void)none;
    return PyLong_FromSize_t(((rows_output *)self)->size);
}

static PyObject *output_clear(PyObject *self, PyObject *none) {
    (void)none;
    ((rows_output *)self)->size = 0;
    Py_RETURN_NONE;
}

static PyMethodDef output_methods[] = {
    {"write", output_write, METH_O, NULL},
    {"write_byte", output_write_byte, METH_O, NULL},
    {"write_int8", output_write_int8, METH_O, NULL},
    {"write_int16", output_write_int16, METH_O, NULL},
    {"write_int32", output_write_int32, METH_O, NULL},
    {"write_int64", output_write_int64, METH_O, NULL},
    {"write_float", output_write_float, METH_O, NULL},
    {"write_double", output_write_double, METH_O, NULL},
    {"write_bytes", output_write_bytes, METH_VARARGS, NULL},
    {"write_var_int64", output_write_var_int64, METH_O, NULL},
    {"get", output_get, METH_NOARGS, NULL},
    {"size", output_size, METH_NOARGS, NULL},
    {"clear", output_clear, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject rows_output_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_flink_rows.OutputStream",
    .tp_doc = "Collects bytes.",
    .tp_basicsize = sizeof(rows_output),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = output_dealloc,
    .tp_methods = output_methods,
};
