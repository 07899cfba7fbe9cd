/* Columns of other libraries' into Python: the consumer's side of the Arrow PyCapsule interface. What Python makes of them, and which
 * types there are, is in vivarium._imports. A producer is trusted as any code in the guest is: with nothing but the guest's memory.
 */
#include "vivarium.h"

/* ---- Schemas ---- */

static PyObject *schema_tuple(const struct ArrowSchema *schema);

static PyObject *schema_children(const struct ArrowSchema *schema) {
    PyObject *children = PyTuple_New((Py_ssize_t)schema->n_children);
    for (int64_t i = 0; children != NULL && i < schema->n_children; i++) {
        PyObject *child = schema_tuple(schema->children[i]);
        if (child == NULL) Py_CLEAR(children);
        else PyTuple_SET_ITEM(children, (Py_ssize_t)i, child);
    }
    return children;
}

/* (format, name, nullable, (child, ...), dictionary or None) */
static PyObject *schema_tuple(const struct ArrowSchema *schema) {
    if (schema == NULL || schema->release == NULL || schema->format == NULL || schema->n_children < 0) {
        PyErr_SetString(PyExc_ValueError, "the Arrow schema was released, or is none");
        return NULL;
    }
    if (Py_EnterRecursiveCall(" in a nested type")) return NULL;
    PyObject *children = schema_children(schema);
    PyObject *dictionary = schema->dictionary != NULL ? schema_tuple(schema->dictionary) : Py_NewRef(Py_None);
    Py_LeaveRecursiveCall();
    PyObject *made = NULL;
    if (children != NULL && dictionary != NULL)
        made = Py_BuildValue("ssOOO", schema->format, schema->name != NULL ? schema->name : "",
                             schema->flags & VV_ARROW_NULLABLE ? Py_True : Py_False, children, dictionary);
    Py_XDECREF(children);
    Py_XDECREF(dictionary);
    return made;
}

PyObject *vv_import_schema(PyObject *module, PyObject *capsule) {
    (void)module;
    const struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    return schema == NULL ? NULL : schema_tuple(schema);
}

/* ---- Arrays ---- */

#ifdef VV_NUMPY

/* What stands in an array's buffers behind the validity. */
enum { NOTHING, BITS, FIXED, OFFSETS32, OFFSETS64, TEXT32, TEXT64 };

static const int buffers_of[] = {1, 2, 2, 2, 2, 3, 3};

#define MOST_ROWS (PY_SSIZE_T_MAX / 64)

static PyObject *array_tuple(PyObject *layout, const struct ArrowArray *array, PyObject *owner);

static PyObject *array_children(PyObject *layouts, const struct ArrowArray *array, PyObject *owner) {
    Py_ssize_t count = PyTuple_GET_SIZE(layouts);
    if (array->n_children != count) {
        PyErr_Format(PyExc_ValueError, "an Arrow array of %lld children where there are %zd", (long long)array->n_children, count);
        return NULL;
    }
    PyObject *children = PyTuple_New(count);
    for (Py_ssize_t i = 0; children != NULL && i < count; i++) {
        PyObject *child = array_tuple(PyTuple_GET_ITEM(layouts, i), array->children[i], owner);
        if (child == NULL) Py_CLEAR(children);
        else PyTuple_SET_ITEM(children, i, child);
    }
    return children;
}

static PyObject *view_buffer(const struct ArrowArray *array, int index, size_t size, PyObject *owner) {
    return vv_view_bytes(index < array->n_buffers ? array->buffers[index] : NULL, size, owner);
}

static size_t values_size(int layout, size_t rows, size_t width) {
    switch (layout) {
    case BITS: return (rows + 7) / 8;
    case FIXED: return rows * width;
    case OFFSETS32:
    case TEXT32: return (rows + 1) * 4;
    case OFFSETS64:
    case TEXT64: return (rows + 1) * 8;
    default: return 0;
    }
}

static int64_t text_size(int layout, const struct ArrowArray *array, size_t rows) {
    if ((layout != TEXT32 && layout != TEXT64) || array->buffers[1] == NULL) return 0;
    return layout == TEXT64 ? ((const int64_t *)array->buffers[1])[rows] : ((const int32_t *)array->buffers[1])[rows];
}

static int check_array(int layout, const struct ArrowArray *array) {
    const char *problem = NULL;
    if (array == NULL || array->release == NULL) problem = "it was released, or is none";
    else if (array->length < 0 || array->offset < 0 || array->length > MOST_ROWS || array->offset > MOST_ROWS)
        problem = "its length or offset is out of range";
    else if (array->n_buffers != 0 && (array->n_buffers != buffers_of[layout] || array->buffers == NULL))
        problem = "its number of buffers is not that of its type";
    else if (array->n_buffers == 0 && layout != NOTHING && array->length != 0) problem = "it has no buffers";
    if (problem == NULL) return 0;
    PyErr_Format(PyExc_ValueError, "the Arrow array cannot be read: %s", problem);
    return -1;
}

/* (offset, rows with those before the offset, validity, values, data, (child, ...), dictionary or None) of the layout
 * (what stands in its buffers, width, (child layout, ...), dictionary's layout or None). */
static PyObject *array_tuple(PyObject *layout, const struct ArrowArray *array, PyObject *owner) {
    int kind;
    long long width;
    PyObject *layouts, *dictionary_layout;
    if (!PyTuple_Check(layout) || !PyArg_ParseTuple(layout, "iLO!O;a layout", &kind, &width, &PyTuple_Type, &layouts, &dictionary_layout))
        return NULL;
    if (kind < NOTHING || kind > TEXT64 || width < 0 || width > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "there is no such layout");
        return NULL;
    }
    if (check_array(kind, array) < 0 || Py_EnterRecursiveCall(" in a nested array")) return NULL;
    PyObject *children = array_children(layouts, array, owner), *dictionary = NULL;
    if (children != NULL)
        dictionary = dictionary_layout == Py_None ? Py_NewRef(Py_None) : array_tuple(dictionary_layout, array->dictionary, owner);
    Py_LeaveRecursiveCall();
    size_t rows = (size_t)(array->offset + array->length);
    bool empty = array->n_buffers == 0;
    PyObject *validity = dictionary == NULL ? NULL : view_buffer(array, 0, (rows + 7) / 8, owner);
    PyObject *values = validity == NULL ? NULL : view_buffer(array, 1, values_size(kind, rows, (size_t)width), owner);
    PyObject *data = values == NULL ? NULL : view_buffer(array, 2, empty ? 0 : (size_t)text_size(kind, array, rows), owner);
    if (data != NULL)
        return Py_BuildValue("LLNNNNN", (long long)array->offset, (long long)rows, validity, values, data, children, dictionary);
    Py_XDECREF(values);
    Py_XDECREF(validity);
    Py_XDECREF(dictionary);
    Py_XDECREF(children);
    return NULL;
}

PyObject *vv_import_array(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *layout, *capsule;
    if (vv_vectors_prepare() < 0 || !PyArg_ParseTuple(arguments, "OO", &layout, &capsule)) return NULL;
    const struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    return array == NULL ? NULL : array_tuple(layout, array, capsule);
}

#else /* an image without NumPy has no Columns */

PyObject *vv_import_array(PyObject *module, PyObject *arguments) {
    (void)module, (void)arguments;
    vv_vectors_prepare();
    return NULL;
}
#endif
