/* A function called once a row.
 *
 * The loop runs in the interpreter, as Python bytecode made once for each bound function (vivarium._drivers):
 *
 *     for x, y in rows:
 *         rows.result = function(x, y)
 *
 * so that CPython calls a Python function by pushing a frame instead of entering its evaluation loop anew for every row. All the
 * rest happens here, in the iterator: each step writes the previous row's result and reads the next row's arguments. Rows
 * that need no call (NULL in, NULL out) are passed over inside the step.
 */
#include "vivarium.h"
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    PyObject *result;      /* what the function returned for `row`; NULL before the call returns */
    vv_function *function; /* borrowed; NULL when the batch is over */
    PyObject *arguments;   /* the tuple of two and more arguments, reused while nobody else holds it */
    int64_t row;           /* the row being computed; -1 before the first */
    int64_t rows;
    bool stepping;         /* guards against user code that finds this object and calls it from within a conversion */
} vv_rows;

static inline bool is_called(const vv_function *function, int64_t row) {
    for (Py_ssize_t i = 0; i < function->n_arguments; i++)
        if (vv_prevents_call(&function->columns[i], row)) return false;
    return true;
}

/* A tuple for this row's arguments that nobody else refers to. */
static PyObject *fresh_arguments(vv_rows *self, Py_ssize_t count) {
    if (self->arguments != NULL && Py_REFCNT(self->arguments) == 1) {
        /* The collector stops tracking a tuple of atoms; the next row may bring containers. */
        if (!PyObject_GC_IsTracked(self->arguments)) PyObject_GC_Track(self->arguments);
        return Py_NewRef(self->arguments);
    }
    PyObject *tuple = PyTuple_New(count);
    if (tuple != NULL) Py_XSETREF(self->arguments, Py_NewRef(tuple));
    return tuple;
}

static PyObject *read_arguments(vv_rows *self) {
    vv_function *function = self->function;
    Py_ssize_t count = function->n_arguments;
    if (count == 1) return vv_read(&function->columns[0], self->row);
    if (count == 0) Py_RETURN_NONE;
    PyObject *tuple = fresh_arguments(self, count);
    if (tuple == NULL) return NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = vv_read(&function->columns[i], self->row);
        if (value == NULL) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyObject *old = PyTuple_GET_ITEM(tuple, i);
        PyTuple_SET_ITEM(tuple, i, value);
        Py_XDECREF(old);
    }
    return tuple;
}

static PyObject *step(vv_rows *self) {
    vv_function *function = self->function;
    vv_builder *builder = &function->builder;
    if (self->result != NULL) {
        PyObject *result = self->result;
        self->result = NULL;
        int status = vv_append(builder, result);
        Py_DECREF(result);
        if (status < 0) return NULL;
    }
    while (++self->row < self->rows) {
        if (is_called(function, self->row)) return read_arguments(self);
        if (vv_append(builder, Py_None) < 0) return NULL;
    }
    return NULL;
}

static PyObject *rows_next(PyObject *object) {
    vv_rows *self = (vv_rows *)object;
    if (self->function == NULL) return NULL;
    if (self->stepping) {
        PyErr_SetString(PyExc_RuntimeError, "the rows of a batch are being read");
        return NULL;
    }
    self->stepping = true;
    PyObject *arguments = step(self);
    self->stepping = false;
    return arguments;
}

static void rows_dealloc(PyObject *object) {
    vv_rows *self = (vv_rows *)object;
    Py_XDECREF(self->result);
    Py_XDECREF(self->arguments);
    PyObject_Free(self);
}

static PyMemberDef rows_members[] = {
    {"result", Py_T_OBJECT_EX, offsetof(vv_rows, result), 0, "what the function returned for the current row"},
    {NULL},
};

PyTypeObject vv_rows_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_vivarium.Rows",
    .tp_doc = "The rows of one batch: an iterator over arguments that takes results.",
    .tp_basicsize = sizeof(vv_rows),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = rows_dealloc,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = rows_next,
    .tp_members = rows_members,
};

/* Runs the driver until the batch ends. A row that fails under a policy that goes on becomes NULL and the loop is entered
 * again at the next one. */
static int run(vv_rows *self, int64_t *row) {
    vv_function *function = self->function;
    PyObject *arguments[] = {NULL, function->callable, (PyObject *)self};
    for (;;) {
        PyObject *done = PyObject_Vectorcall(function->driver, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        if (done != NULL) {
            Py_DECREF(done);
            return 0;
        }
        /* After a failure the builder stands at the row that failed: everything before it was written. */
        vv_builder_truncate(&function->builder, function->builder.length);
        *row = function->builder.length;
        Py_CLEAR(self->result);
        VV_TRY(vv_function_row_failed(function, *row));
        VV_TRY(vv_append(&function->builder, Py_None));
        self->row = *row;
        *row = -1;
    }
}

int vv_rows_invoke(vv_function *function, int64_t rows, int64_t *row) {
    VV_TRY(vv_builder_start(&function->builder, rows));
    vv_rows *self = PyObject_New(vv_rows, &vv_rows_type);
    if (self == NULL) return -1;
    self->result = NULL;
    self->function = function;
    self->arguments = NULL;
    self->row = -1;
    self->rows = rows;
    self->stepping = false;
    int status = run(self, row);
    self->function = NULL;
    Py_DECREF(self);
    if (status == 0 && function->builder.length != rows) {
        PyErr_SetString(PyExc_RuntimeError, "the loop over the rows of a batch was tampered with");
        return -1;
    }
    return status;
}
