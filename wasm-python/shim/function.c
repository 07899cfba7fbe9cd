/* A callable bound to the types of its arguments and of its result, and what its policies mean for a batch. */
#include "vivarium.h"

#define REPORTED_ERRORS 100

static int compile_arguments(vv_function *self, PyObject *plans, PyObject *names) {
    Py_ssize_t count = PyTuple_GET_SIZE(plans);
    self->arguments = PyMem_Calloc((size_t)count + 1, sizeof *self->arguments);
    self->columns = PyMem_Calloc((size_t)count + 1, sizeof *self->columns);
    if (self->arguments == NULL || self->columns == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const char *path = PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, i));
        if (path == NULL) return -1;
        self->n_arguments = i + 1;
        VV_TRY(vv_type_compile(&self->arguments[i], PyTuple_GET_ITEM(plans, i), path));
        VV_TRY(vv_column_prepare(&self->columns[i], &self->arguments[i]));
    }
    return 0;
}

/* Function(callable, name, argument plans, argument names, result plan, on_error, dtypes) */
static PyObject *function_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *callable, *name, *plans, *names, *result, *dtypes;
    int on_error;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Function takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OUO!O!O!iO:Function", &callable, &name, &PyTuple_Type, &plans, &PyTuple_Type, &names,
                          &PyTuple_Type, &result, &on_error, &dtypes))
        return NULL;
    if (PyTuple_GET_SIZE(plans) != PyTuple_GET_SIZE(names) || on_error < VV_FAIL || on_error > VV_SKIP) {
        PyErr_SetString(PyExc_ValueError, "Function: one name for every argument, and on_error from 0 to 2");
        return NULL;
    }
    if (dtypes != Py_None && vv_vectors_prepare() < 0) return NULL;
    if (dtypes != Py_None && (!PyTuple_Check(dtypes) || PyTuple_GET_SIZE(dtypes) != PyTuple_GET_SIZE(plans) + 1)) {
        PyErr_SetString(PyExc_ValueError, "Function: one dtype for every argument and one for the result");
        return NULL;
    }
    vv_function *self = (vv_function *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->callable = Py_NewRef(callable);
    self->name = Py_NewRef(name);
    self->dtypes = Py_NewRef(dtypes);
    self->vectorized = dtypes != Py_None;
    self->on_error = (vv_on_error)on_error;
    if (compile_arguments(self, plans, names) < 0 || vv_type_compile(&self->result, result, "result") < 0 ||
        vv_builder_prepare(&self->builder, &self->result) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int function_traverse(PyObject *object, visitproc visit, void *arg) {
    vv_function *self = (vv_function *)object;
    Py_VISIT(self->callable);
    Py_VISIT(self->dtypes);
    Py_VISIT(self->held);
    Py_VISIT(self->errors);
    return 0;
}

static int function_clear(PyObject *object) {
    vv_function *self = (vv_function *)object;
    Py_CLEAR(self->callable);
    Py_CLEAR(self->dtypes);
    vv_function_release(self);
    return 0;
}

static void function_dealloc(PyObject *object) {
    vv_function *self = (vv_function *)object;
    PyObject_GC_UnTrack(object);
    function_clear(object);
    Py_CLEAR(self->name);
    for (Py_ssize_t i = 0; i < self->n_arguments; i++) {
        vv_column_clear(&self->columns[i]);
        vv_type_clear(&self->arguments[i]);
    }
    PyMem_Free(self->columns);
    PyMem_Free(self->arguments);
    vv_builder_clear(&self->builder);
    vv_type_clear(&self->result);
    Py_TYPE(object)->tp_free(object);
}

PyTypeObject vv_function_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_vivarium.Function",
    .tp_doc = "A callable bound to the Arrow types of its arguments and of its result.",
    .tp_basicsize = sizeof(vv_function),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = function_new,
    .tp_traverse = function_traverse,
    .tp_clear = function_clear,
    .tp_dealloc = function_dealloc,
};

/* ---- A call ---- */

struct ArrowArray *vv_function_invoke(vv_function *self, const struct ArrowArray *batch, PyObject *owner, int64_t *row) {
    *row = -1;
    if (batch->n_children != self->n_arguments || batch->length < 0) {
        PyErr_Format(PyExc_BufferError, "a batch of %lld columns for %zd arguments", (long long)batch->n_children,
                     self->n_arguments);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < self->n_arguments; i++) {
        if (vv_column_point(&self->columns[i], batch->children[i]) < 0) return NULL;
        if (self->columns[i].length == batch->length) continue;
        PyErr_SetString(PyExc_BufferError, "the columns of a batch have one length");
        return NULL;
    }
    if (self->vectorized) return vv_vectors_invoke(self, batch->length, owner, row);
    if (vv_rows_invoke(self, batch->length, row) < 0) return NULL;
    return vv_builder_finish(&self->builder);
}

/* Exhausted memory and an exit are never a matter of one row: when they strike depends on what else is in the batch. */
static bool ends_the_call(void) {
    return PyErr_ExceptionMatches(PyExc_MemoryError) || !PyErr_ExceptionMatches(PyExc_Exception);
}

int vv_function_row_failed(vv_function *self, int64_t row) {
    if (self->on_error == VV_FAIL || ends_the_call()) return -1;
    if (self->errors == NULL) self->errors = PyList_New(0);
    if (self->error_rows == NULL) self->error_rows = PyList_New(0);
    if (self->errors == NULL || self->error_rows == NULL) return -1;
    if (PyList_GET_SIZE(self->errors) < REPORTED_ERRORS) {
        PyObject *description = vv_error_describe(self->name, row);
        if (description == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        int status = PyList_Append(self->errors, description);
        Py_DECREF(description);
        VV_TRY(status);
    }
    PyErr_Clear();
    PyObject *number = PyLong_FromLongLong(row);
    if (number == NULL) return -1;
    int status = PyList_Append(self->error_rows, number);
    Py_DECREF(number);
    return status;
}

void vv_function_release(vv_function *self) {
    Py_CLEAR(self->held);
    Py_CLEAR(self->errors);
    Py_CLEAR(self->error_rows);
}
