/* Columns out of Python objects: the Arrow PyCapsule interface (https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html).
 *
 * A description of an array is the tuple (format, name, nullable, length, null count, (buffer or None, ...), (child, ...)), where
 * buffers are objects with PEP 3118's interface. The capsules keep them until they are released.
 */
#include "vivarium.h"

/* ---- Schemas ---- */

/* Consumers may release without holding the interpreter's lock. */
static void release_schema(struct ArrowSchema *schema) {
    PyGILState_STATE lock = PyGILState_Ensure();
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i] == NULL) continue;
        if (schema->children[i]->release != NULL) schema->children[i]->release(schema->children[i]);
        PyMem_Free(schema->children[i]);
    }
    PyMem_Free(schema->children);
    Py_XDECREF((PyObject *)schema->private_data); /* the tuple whose strings it points to */
    schema->release = NULL;
    PyGILState_Release(lock);
}

static int make_schema(struct ArrowSchema *schema, PyObject *description);

static int make_schema_children(struct ArrowSchema *schema, PyObject *children) {
    Py_ssize_t count = PyTuple_GET_SIZE(children);
    schema->children = PyMem_Calloc((size_t)count + 1, sizeof *schema->children);
    if (schema->children == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    schema->n_children = count;
    for (Py_ssize_t i = 0; i < count; i++) {
        schema->children[i] = PyMem_Calloc(1, sizeof *schema->children[i]);
        if (schema->children[i] == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        VV_TRY(make_schema(schema->children[i], PyTuple_GET_ITEM(children, i)));
    }
    return 0;
}

static int make_schema(struct ArrowSchema *schema, PyObject *description) {
    int nullable;
    PyObject *children;
    memset(schema, 0, sizeof *schema);
    if (!PyTuple_Check(description) ||
        !PyArg_ParseTuple(description, "sspLLO!O!;a description", &schema->format, &schema->name, &nullable, &(long long){0},
                          &(long long){0}, &PyTuple_Type, &(PyObject *){NULL}, &PyTuple_Type, &children))
        return -1;
    schema->flags = nullable ? VV_ARROW_NULLABLE : 0;
    schema->private_data = Py_NewRef(description);
    schema->release = release_schema;
    if (Py_EnterRecursiveCall(" in a nested type")) return -1;
    int status = make_schema_children(schema, children);
    Py_LeaveRecursiveCall();
    return status;
}

static void schema_capsule_destructor(PyObject *capsule) {
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema == NULL) return;
    if (schema->release != NULL) schema->release(schema);
    PyMem_Free(schema);
}

/* ---- Arrays ---- */

typedef struct {
    Py_ssize_t count;
    Py_buffer views[];
} held_buffers;

static void release_array(struct ArrowArray *array) {
    PyGILState_STATE lock = PyGILState_Ensure();
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i] == NULL) continue;
        if (array->children[i]->release != NULL) array->children[i]->release(array->children[i]);
        PyMem_Free(array->children[i]);
    }
    PyMem_Free(array->children);
    PyMem_Free(array->buffers);
    held_buffers *held = array->private_data;
    for (Py_ssize_t i = 0; held != NULL && i < held->count; i++) PyBuffer_Release(&held->views[i]);
    PyMem_Free(held);
    array->release = NULL;
    PyGILState_Release(lock);
}

static int hold_buffers(struct ArrowArray *array, PyObject *buffers) {
    Py_ssize_t count = PyTuple_GET_SIZE(buffers);
    held_buffers *held = PyMem_Calloc(1, sizeof *held + (size_t)count * sizeof held->views[0]);
    array->private_data = held;
    array->buffers = PyMem_Calloc((size_t)count + 1, sizeof *array->buffers);
    if (held == NULL || array->buffers == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    array->n_buffers = count;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *buffer = PyTuple_GET_ITEM(buffers, i);
        held->count = i; /* those before this one are held */
        if (buffer == Py_None) {
            memset(&held->views[i], 0, sizeof held->views[i]); /* releasing nothing is nothing */
        } else {
            VV_TRY(PyObject_GetBuffer(buffer, &held->views[i], PyBUF_SIMPLE));
            array->buffers[i] = held->views[i].buf;
        }
        held->count = i + 1;
    }
    return 0;
}

static int make_array(struct ArrowArray *array, PyObject *description) {
    const char *format, *name;
    int nullable;
    long long length, null_count;
    PyObject *buffers, *children;
    memset(array, 0, sizeof *array);
    if (!PyTuple_Check(description) || !PyArg_ParseTuple(description, "sspLLO!O!;a description", &format, &name, &nullable, &length,
                                                         &null_count, &PyTuple_Type, &buffers, &PyTuple_Type, &children))
        return -1;
    array->length = length;
    array->null_count = null_count;
    array->release = release_array;
    VV_TRY(hold_buffers(array, buffers));
    Py_ssize_t count = PyTuple_GET_SIZE(children);
    array->children = PyMem_Calloc((size_t)count + 1, sizeof *array->children);
    if (array->children == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    array->n_children = count;
    if (Py_EnterRecursiveCall(" in a nested array")) return -1;
    int status = 0;
    for (Py_ssize_t i = 0; i < count && status == 0; i++) {
        array->children[i] = PyMem_Calloc(1, sizeof *array->children[i]);
        if (array->children[i] == NULL) PyErr_NoMemory();
        status = array->children[i] == NULL ? -1 : make_array(array->children[i], PyTuple_GET_ITEM(children, i));
    }
    Py_LeaveRecursiveCall();
    return status;
}

static void array_capsule_destructor(PyObject *capsule) {
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array == NULL) return;
    if (array->release != NULL) array->release(array);
    PyMem_Free(array);
}

PyObject *vv_export_schema(PyObject *module, PyObject *description) {
    (void)module;
    struct ArrowSchema *schema = PyMem_Calloc(1, sizeof *schema);
    if (schema == NULL) return PyErr_NoMemory();
    PyObject *capsule = make_schema(schema, description) < 0 ? NULL : PyCapsule_New(schema, "arrow_schema", schema_capsule_destructor);
    if (capsule == NULL) {
        if (schema->release != NULL) schema->release(schema);
        PyMem_Free(schema);
    }
    return capsule;
}

PyObject *vv_export_array(PyObject *module, PyObject *description) {
    (void)module;
    struct ArrowArray *array = PyMem_Calloc(1, sizeof *array);
    if (array == NULL) return PyErr_NoMemory();
    PyObject *capsule = make_array(array, description) < 0 ? NULL : PyCapsule_New(array, "arrow_array", array_capsule_destructor);
    if (capsule == NULL) {
        if (array->release != NULL) array->release(array);
        PyMem_Free(array);
    }
    return capsule;
}

/* ---- Values ---- */

static PyObject *read_all(const vv_column *column) {
    PyObject *list = PyList_New((Py_ssize_t)column->length);
    for (int64_t i = 0; list != NULL && i < column->length; i++) {
        PyObject *value = vv_read(column, i);
        if (value == NULL) Py_CLEAR(list);
        else PyList_SET_ITEM(list, (Py_ssize_t)i, value);
    }
    return list;
}

/* The Python objects of an array that vv_export_array made of checked buffers. */
PyObject *vv_objects(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *plan, *capsule, *list = NULL;
    if (!PyArg_ParseTuple(arguments, "O!O", &PyTuple_Type, &plan, &capsule)) return NULL;
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array == NULL) return NULL;
    vv_type type;
    vv_column column;
    memset(&column, 0, sizeof column);
    if (vv_type_compile(&type, plan, "column") == 0 && vv_column_prepare(&column, &type) == 0 && vv_column_point(&column, array) == 0)
        list = read_all(&column);
    vv_column_clear(&column);
    vv_type_clear(&type);
    return list;
}
