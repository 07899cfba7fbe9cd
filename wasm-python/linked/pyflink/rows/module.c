/* `_flink_rows`: what Python sees, and the loop over the rows of a message. */
#include "rows.h"

/* Writes a value with its length in front, as every row of a message has it. */
static int write_prefixed(const rows_field *field, PyObject *value, rows_output *row, rows_output *out) {
    row->size = 0;
    ROWS_TRY(field->write(field, value, row));
    ROWS_TRY(rows_put_var_int(out, (int64_t)row->size));
    uint8_t *at = rows_put(out, row->size);
    if (at == NULL) return -1;
    memcpy(at, row->data, row->size);
    return 0;
}

static int write_all(const rows_field *field, PyObject *values, rows_output *row, rows_output *out) {
    PyObject *iterator = values == Py_None ? NULL : PyObject_GetIter(values);
    if (iterator == NULL) return values == Py_None ? 0 : -1;
    PyObject *value;
    int status = 0;
    while (status == 0 && (value = PyIter_Next(iterator)) != NULL) {
        status = write_prefixed(field, value, row, out);
        Py_DECREF(value);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : status;
}

enum { SINGLE, MULTIPLE, SEPARATED };

static PyObject *call(PyObject *function, PyObject *value, bool spread) {
    if (!spread) return PyObject_CallOneArg(function, value);
    return PyObject_Vectorcall(function, &PyList_GET_ITEM(value, 0), (size_t)PyList_GET_SIZE(value), NULL);
}

PyDoc_STRVAR(run_doc,
             "run(codec, function, codec, mode, columns, message) -> bytes: calls the function for each row of a message.\n\n"
             "mode 0: it returns a row; 1: rows; 2: rows, behind which an end is written. columns: None, and the function is called\n"
             "with the row; or True, and it is called with the row's values and returns the one value of the result.");

static PyObject *run(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *decoder, *function, *encoder, *message;
    int mode, spread;
    if (!PyArg_ParseTuple(arguments, "O!OO!ipS", &rows_codec_type, &decoder, &function, &rows_codec_type, &encoder, &mode, &spread, &message))
        return NULL;
    const rows_field *from = &((rows_codec *)decoder)->root, *to = &((rows_codec *)encoder)->root;
    rows_input *in = (rows_input *)PyObject_CallOneArg((PyObject *)&rows_input_type, message);
    rows_output *row = (rows_output *)PyObject_CallNoArgs((PyObject *)&rows_output_type);
    rows_output *out = (rows_output *)PyObject_CallNoArgs((PyObject *)&rows_output_type);
    int status = in == NULL || row == NULL || out == NULL ? -1 : 0;
    while (status == 0 && in->at < in->end) {
        int64_t length;
        PyObject *value = rows_take_var_int(in, &length) < 0 ? NULL : from->read(from, in);
        if (value != NULL && spread && !PyList_CheckExact(value)) {
            PyErr_SetString(PyExc_TypeError, "only the values of a row can be spread");
            Py_CLEAR(value);
        }
        PyObject *result = value == NULL ? NULL : call(function, value, spread);
        Py_XDECREF(value);
        if (result != NULL && spread) {
            PyObject *only = PyList_New(1);
            if (only == NULL) Py_CLEAR(result);
            else PyList_SET_ITEM(only, 0, result), result = only;
        }
        if (result == NULL) status = -1;
        else status = mode == SINGLE ? write_prefixed(to, result, row, out) : write_all(to, result, row, out);
        Py_XDECREF(result);
        if (status == 0 && mode == SEPARATED) {
            uint8_t *end = rows_put(out, 2);
            if (end == NULL) status = -1;
            else end[0] = 1, end[1] = 0;
        }
    }
    PyObject *written = status < 0 ? NULL : PyBytes_FromStringAndSize((const char *)out->data, (Py_ssize_t)out->size);
    Py_XDECREF(in);
    Py_XDECREF(row);
    Py_XDECREF(out);
    return written;
}

static PyMethodDef methods[] = {
    {"run", run, METH_VARARGS, run_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_flink_rows",
    .m_doc = "Flink's rows as bytes and as Python objects.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__flink_rows(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && (PyModule_AddType(module, &rows_input_type) < 0 || PyModule_AddType(module, &rows_output_type) < 0 ||
                           PyModule_AddType(module, &rows_codec_type) < 0))
        Py_CLEAR(module);
    return module;
}
