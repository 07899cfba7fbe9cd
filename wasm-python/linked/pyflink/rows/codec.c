/* Codec: the type that reads and writes the fields of one plan. */
#include "rows.h"

static PyObject *codec_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    PyObject *plan, *of = NULL;
    if (named != NULL || !PyArg_ParseTuple(arguments, "O|U", &plan, &of)) return NULL;
    rows_codec *codec = (rows_codec *)type->tp_alloc(type, 0);
    if (codec != NULL) codec->of = Py_XNewRef(of);
    if (codec != NULL && rows_compile(&codec->root, plan) < 0) Py_CLEAR(codec);
    return (PyObject *)codec;
}

static void codec_dealloc(PyObject *self) {
    rows_clear_field(&((rows_codec *)self)->root);
    Py_XDECREF(((rows_codec *)self)->scratch);
    Py_XDECREF(((rows_codec *)self)->of);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *codec_decode(PyObject *self, PyObject *arguments) {
    PyObject *in, *length;
    if (!PyArg_UnpackTuple(arguments, "decode_from_stream", 1, 2, &in, &length)) return NULL;
    if (!PyObject_TypeCheck(in, &rows_input_type)) return PyErr_Format(PyExc_TypeError, "an InputStream of _flink_rows is expected");
    const rows_field *root = &((rows_codec *)self)->root;
    return root->read(root, (rows_input *)in);
}

static PyObject *codec_encode(PyObject *self, PyObject *arguments) {
    PyObject *value, *out;
    if (!PyArg_UnpackTuple(arguments, "encode_to_stream", 2, 2, &value, &out)) return NULL;
    if (!PyObject_TypeCheck(out, &rows_output_type)) return PyErr_Format(PyExc_TypeError, "an OutputStream of _flink_rows is expected");
    const rows_field *root = &((rows_codec *)self)->root;
    if (root->write(root, value, (rows_output *)out) < 0) return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(read_at_doc, "read_at(data, position) -> value, position: the value that begins there, and where it ends.");

static PyObject *codec_read_at(PyObject *self, PyObject *arguments) {
    PyObject *data;
    Py_ssize_t position;
    if (!PyArg_ParseTuple(arguments, "Sn", &data, &position)) return NULL;
    if (position < 0 || position > PyBytes_GET_SIZE(data)) return PyErr_Format(PyExc_ValueError, "a row ends too early");
    rows_input *in = (rows_input *)PyObject_CallOneArg((PyObject *)&rows_input_type, data);
    if (in == NULL) return NULL;
    in->at += position;
    const rows_field *root = &((rows_codec *)self)->root;
    PyObject *value = root->read(root, in);
    Py_ssize_t end = in->at - (const uint8_t *)PyBytes_AS_STRING(data);
    Py_DECREF(in);
    return value == NULL ? NULL : Py_BuildValue("Nn", value, end);
}

static PyObject *codec_decode_all(PyObject *self, PyObject *data) {
    PyObject *in = PyObject_CallOneArg((PyObject *)&rows_input_type, data);
    if (in == NULL) return NULL;
    const rows_field *root = &((rows_codec *)self)->root;
    PyObject *value = root->read(root, (rows_input *)in);
    Py_DECREF(in);
    return value;
}

static PyObject *codec_encode_all(PyObject *self, PyObject *value) {
    rows_codec *codec = (rows_codec *)self;
    rows_output *out = codec->scratch;
    codec->scratch = NULL;
    if (out == NULL) out = (rows_output *)PyObject_CallNoArgs((PyObject *)&rows_output_type);
    if (out == NULL) return NULL;
    out->size = 0;
    int status = codec->root.write(&codec->root, value, out);
    PyObject *bytes = status < 0 ? NULL : PyBytes_FromStringAndSize((const char *)out->data, (Py_ssize_t)out->size);
    Py_XSETREF(codec->scratch, out);
    return bytes;
}

static PyMethodDef codec_methods[] = {
    {"decode_from_stream", codec_decode, METH_VARARGS, NULL},
    {"encode_to_stream", codec_encode, METH_VARARGS, NULL},
    {"decode", codec_decode_all, METH_O, "decode(data) -> value"},
    {"encode", codec_encode_all, METH_O, "encode(value) -> bytes"},
    {"read_at", codec_read_at, METH_VARARGS, read_at_doc},
    {NULL, NULL, 0, NULL},
};

PyTypeObject rows_codec_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_flink_rows.Codec",
    .tp_doc = "Codec(plan, of=None): reads and writes values of one type; of: what the values of a message are of, for errors.",
    .tp_basicsize = sizeof(rows_codec),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = codec_new,
    .tp_dealloc = codec_dealloc,
    .tp_methods = codec_methods,
};
