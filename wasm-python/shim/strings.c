/* Strings of a column as NumPy's StringDType, and back, without a Python object for each. */
#include "vivarium.h"

#ifdef VV_NUMPY
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL vv_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

static bool is_strings(PyObject *object) {
    return PyArray_CheckExact(object) && PyArray_TYPE((PyArrayObject *)object) == NPY_VSTRING && PyArray_NDIM((PyArrayObject *)object) == 1;
}

static bool is_contiguous(PyObject *object, int type, npy_intp length) {
    PyArrayObject *array = (PyArrayObject *)object;
    return PyArray_CheckExact(object) && PyArray_TYPE(array) == type && PyArray_NDIM(array) == 1 && PyArray_IS_C_CONTIGUOUS(array) &&
           PyArray_ISBEHAVED_RO(array) && (length < 0 || PyArray_DIM(array, 0) == length);
}

/* pack_strings(strings, offsets, data, valid): fills an array of StringDType; offsets are int64. */
PyObject *vv_pack_strings(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *strings, *offsets, *data, *valid;
    if (vv_vectors_prepare() < 0 || !PyArg_ParseTuple(arguments, "OOOO", &strings, &offsets, &data, &valid)) return NULL;
    npy_intp length = is_strings(strings) ? PyArray_DIM((PyArrayObject *)strings, 0) : -1;
    if (length < 0 || !is_contiguous(offsets, NPY_INT64, length + 1) || !is_contiguous(data, NPY_UINT8, -1) ||
        (valid != Py_None && !is_contiguous(valid, NPY_BOOL, length))) {
        PyErr_SetString(PyExc_TypeError, "pack_strings() takes an array of StringDType, int64 offsets, bytes and a mask");
        return NULL;
    }
    const int64_t *ends = PyArray_DATA((PyArrayObject *)offsets);
    const char *bytes = PyArray_DATA((PyArrayObject *)data);
    const npy_bool *present = valid == Py_None ? NULL : PyArray_DATA((PyArrayObject *)valid);
    npy_intp size = PyArray_DIM((PyArrayObject *)data, 0);
    npy_string_allocator *allocator = NpyString_acquire_allocator((PyArray_StringDTypeObject *)PyArray_DESCR((PyArrayObject *)strings));
    int status = 0;
    for (npy_intp i = 0; i < length && status == 0; i++) {
        npy_packed_static_string *packed = PyArray_GETPTR1((PyArrayObject *)strings, i);
        if (present != NULL && !present[i]) status = NpyString_pack_null(allocator, packed);
        else if (ends[i] < 0 || ends[i] > ends[i + 1] || ends[i + 1] > size) status = -2;
        else status = NpyString_pack(allocator, packed, bytes + ends[i], (size_t)(ends[i + 1] - ends[i]));
    }
    NpyString_release_allocator(allocator);
    if (status == 0) Py_RETURN_NONE;
    if (status == -2) PyErr_SetString(PyExc_ValueError, "offsets do not fit the bytes");
    else if (!PyErr_Occurred()) PyErr_NoMemory();
    return NULL;
}

static PyObject *new_array(int type, npy_intp length) { return PyArray_SimpleNew(1, &length, type); }

/* load_strings(strings) -> (offsets, data, mask of what is missing, or None). */
PyObject *vv_load_strings(PyObject *module, PyObject *strings) {
    (void)module;
    if (vv_vectors_prepare() < 0) return NULL;
    if (!is_strings(strings)) {
        PyErr_SetString(PyExc_TypeError, "load_strings() takes an array of StringDType");
        return NULL;
    }
    PyArrayObject *array = (PyArrayObject *)strings;
    npy_intp length = PyArray_DIM(array, 0);
    PyObject *offsets = new_array(NPY_INT64, length + 1), *missing = new_array(NPY_BOOL, length), *data = NULL;
    if (offsets == NULL || missing == NULL) goto done;
    int64_t *ends = PyArray_DATA((PyArrayObject *)offsets);
    npy_bool *lost = PyArray_DATA((PyArrayObject *)missing);
    bool any = false;
    npy_string_allocator *allocator = NpyString_acquire_allocator((PyArray_StringDTypeObject *)PyArray_DESCR(array));
    npy_static_string text;
    int status = 0;
    ends[0] = 0;
    for (npy_intp i = 0; i < length && status >= 0; i++) {
        status = NpyString_load(allocator, PyArray_GETPTR1(array, i), &text);
        lost[i] = status == 1;
        any |= status == 1;
        ends[i + 1] = ends[i] + (status == 0 ? (int64_t)text.size : 0);
    }
    if (status >= 0 && ends[length] <= PY_SSIZE_T_MAX) data = new_array(NPY_UINT8, (npy_intp)ends[length]);
    for (npy_intp i = 0; i < length && data != NULL; i++) {
        if (NpyString_load(allocator, PyArray_GETPTR1(array, i), &text) != 0 || text.size == 0) continue;
        memcpy((char *)PyArray_DATA((PyArrayObject *)data) + ends[i], text.buf, text.size);
    }
    NpyString_release_allocator(allocator);
    if (data == NULL && !PyErr_Occurred()) PyErr_NoMemory();
    if (data != NULL && !any) Py_SETREF(missing, Py_NewRef(Py_None));
done:
    if (data != NULL) return Py_BuildValue("NNN", offsets, data, missing);
    Py_XDECREF(offsets);
    Py_XDECREF(missing);
    return NULL;
}

#else /* an image without NumPy, where vivarium.arrow cannot be imported */

PyObject *vv_pack_strings(PyObject *module, PyObject *arguments) {
    (void)module, (void)arguments;
    vv_vectors_prepare();
    return NULL;
}

PyObject *vv_load_strings(PyObject *module, PyObject *strings) {
    (void)module, (void)strings;
    vv_vectors_prepare();
    return NULL;
}
#endif
