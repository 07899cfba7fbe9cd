/* A callable bound to the types of its arguments and of its result, and what its policies mean for a batch. */
#include "vivarium.h"

#define REPORTED_ERRORS 100

static int compile_arguments(vv_function *self, PyObject *plans, PyObject *names) {
    Py_ssize_t count = PyTuple_GET_SIZE(plans);
    self->arguments = PyMem_Calloc((size_t)count + 1, sizeof *self->arguments);
    self->columns = PyMem_Calloc((size_t)count + 1, sizeof *self->columns);
    self->places = PyMem_Calloc((size_t)count + 1, sizeof *self->places);
    if (self->arguments == NULL || self->columns == NULL || self->places == NULL) {
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

/* Function(callable, name, argument plans, argument names, result plan, on_error, dtypes, mode=VV_ROWS, hidden=0, max_rows=0,
 * max_bytes=0) */
static PyObject *function_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *callable, *name, *plans, *names, *result, *dtypes;
    int on_error, mode = VV_ROWS;
    Py_ssize_t hidden = 0, max_bytes = 0;
    long long max_rows = 0;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Function takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OUO!O!O!iO|inLn:Function", &callable, &name, &PyTuple_Type, &plans, &PyTuple_Type, &names,
                          &PyTuple_Type, &result, &on_error, &dtypes, &mode, &hidden, &max_rows, &max_bytes))
        return NULL;
    if (PyTuple_GET_SIZE(plans) != PyTuple_GET_SIZE(names) || on_error < VV_FAIL || on_error > VV_SKIP) {
        PyErr_SetString(PyExc_ValueError, "Function: one name for every argument, and on_error from 0 to 2");
        return NULL;
    }
    bool table = mode >= VV_TABLE && mode <= VV_LENIENT;
    if (dtypes != Py_None) mode = table ? VV_TABLE : VV_BATCHES;
    if (mode < VV_ROWS || mode > VV_AWAITED || hidden < 0 || (table && (max_rows < 1 || max_bytes < 1))) {
        PyErr_SetString(PyExc_ValueError, "Function: a mode, the number of hidden arguments, and limits of a table's results");
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
    self->operations = Py_NewRef(Py_None);
    self->measured = Py_NewRef(Py_None);
    self->mode = (vv_mode)mode;
    self->hidden = hidden;
    self->table.max_rows = max_rows;
    self->table.max_bytes = (size_t)max_bytes;
    self->on_error = (vv_on_error)on_error;
    if (compile_arguments(self, plans, names) < 0 || vv_type_compile(&self->result, result, "result") < 0 ||
        vv_builder_prepare(&self->builder, &self->result) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    const vv_type *result_type = &self->result;
    if (table && (result_type->kind != VV_STRUCT || result_type->n_children != 2 || result_type->children[0].kind != VV_UINT32 ||
                  result_type->children[1].kind != VV_STRUCT ||
                  (mode == VV_VALUES && result_type->children[1].n_children != 1))) {
        Py_DECREF(self);
        PyErr_SetString(PyExc_ValueError, "Function: the result of a table function is a struct of a row's number and a struct");
        return NULL;
    }
    return (PyObject *)self;
}

static int function_traverse(PyObject *object, visitproc visit, void *arg) {
    vv_function *self = (vv_function *)object;
    for (Py_ssize_t i = 0; i < self->n_arguments; i++) VV_VISIT_TYPE(&self->arguments[i]);
    VV_VISIT_TYPE(&self->result);
    Py_VISIT(self->callable);
    Py_VISIT(self->spoil);
    Py_VISIT(self->registry);
    Py_VISIT(self->dtypes);
    Py_VISIT(self->held);
    Py_VISIT(self->errors);
    Py_VISIT(self->error_rows);
    Py_VISIT(self->operations);
    Py_VISIT(self->measured);
    Py_VISIT(self->lifter);
    Py_VISIT(self->program);
    Py_VISIT(self->table.iterator);
    Py_VISIT(self->table.columns);
    Py_VISIT(self->table.unread);
    return 0;
}

static int function_clear(PyObject *object) {
    vv_function *self = (vv_function *)object;
    Py_CLEAR(self->callable);
    Py_CLEAR(self->spoil);
    Py_CLEAR(self->registry);
    Py_CLEAR(self->dtypes);
    Py_CLEAR(self->operations);
    Py_CLEAR(self->measured);
    Py_CLEAR(self->lifter);
    Py_CLEAR(self->program);
    vv_table_end(self);
    vv_function_release(self);
    return 0;
}

static void function_dealloc(PyObject *object) {
    vv_function *self = (vv_function *)object;
    PyObject_GC_UnTrack(object);
    function_clear(object);
    Py_CLEAR(self->name);
    for (Py_ssize_t i = 0; i < self->n_arguments; i++) {
        Py_XDECREF(self->places[i + 1]);
        vv_column_clear(&self->columns[i]);
        vv_type_clear(&self->arguments[i]);
    }
    PyMem_Free(self->places);
    PyMem_Free(self->columns);
    PyMem_Free(self->arguments);
    vv_builder_clear(&self->builder);
    vv_type_clear(&self->result);
    Py_TYPE(object)->tp_free(object);
}

PyDoc_STRVAR(spoil_doc, "spoil: called with the group of a row that failed under the policy \"null\"; or None");
PyDoc_STRVAR(registry_doc, "registry: the dict of metrics, which says when there is nothing to ask `measured` for; or None");
PyDoc_STRVAR(operations_doc, "operations: dict of an operation's number to the Function that is it, or None");
PyDoc_STRVAR(measured_doc, "measured: called without arguments after each call, returns the metrics that changed or None; or None");

PyDoc_STRVAR(lifter_doc, "lifter: called without arguments when enough rows were interpreted, returns the function's Program or None");
PyDoc_STRVAR(columns_mode_doc, "columns_mode: 0: when it is worth it; 1: from the first row; 2: likewise, and compared with the interpreter");
PyDoc_STRVAR(rows_to_wait_doc, "rows_to_wait: rows that are interpreted before lifter is called");
PyDoc_STRVAR(rows_before_lifting_doc, "rows_before_lifting: those that are left of them");
PyDoc_STRVAR(rows_as_columns_doc, "rows_as_columns: how many rows the program computed");
PyDoc_STRVAR(rows_interpreted_doc, "rows_interpreted: how many rows were calls, of functions that are called once a row");
PyDoc_STRVAR(programs_dropped_doc, "programs_dropped: how often a program was given up");

static PyMemberDef members[] = {
    {"spoil", Py_T_OBJECT_EX, offsetof(vv_function, spoil), 0, spoil_doc},
    {"registry", Py_T_OBJECT_EX, offsetof(vv_function, registry), 0, registry_doc},
    {"operations", Py_T_OBJECT_EX, offsetof(vv_function, operations), 0, operations_doc},
    {"measured", Py_T_OBJECT_EX, offsetof(vv_function, measured), 0, measured_doc},
    {"lifter", Py_T_OBJECT_EX, offsetof(vv_function, lifter), 0, lifter_doc},
    {"columns_mode", Py_T_INT, offsetof(vv_function, columns_mode), 0, columns_mode_doc},
    {"rows_to_wait", Py_T_LONGLONG, offsetof(vv_function, rows_to_wait), 0, rows_to_wait_doc},
    {"rows_before_lifting", Py_T_LONGLONG, offsetof(vv_function, rows_before_lifting), 0, rows_before_lifting_doc},
    {"rows_as_columns", Py_T_LONGLONG, offsetof(vv_function, rows_as_columns), Py_READONLY, rows_as_columns_doc},
    {"rows_interpreted", Py_T_LONGLONG, offsetof(vv_function, rows_interpreted), Py_READONLY, rows_interpreted_doc},
    {"programs_dropped", Py_T_LONGLONG, offsetof(vv_function, programs_dropped), Py_READONLY, programs_dropped_doc},
    {NULL, 0, 0, 0, NULL},
};

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
    .tp_members = members,
};

vv_function *vv_function_operation(vv_function *self, uint32_t operation) {
    if (operation == 0) return self;
    PyObject *number = PyLong_FromUnsignedLong(operation), *found = NULL;
    if (number != NULL && self->operations != NULL && PyDict_Check(self->operations))
        found = PyDict_GetItemWithError(self->operations, number);
    Py_XDECREF(number);
    if (found != NULL && PyObject_TypeCheck(found, &vv_function_type)) return (vv_function *)found;
    if (!PyErr_Occurred()) PyErr_Format(PyExc_LookupError, "%U has no operation %u", self->name, (unsigned)operation);
    return NULL;
}

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
    switch (self->mode) {
    case VV_BATCHES: return vv_vectors_invoke(self, batch->length, owner, row);
    case VV_ROWS:
        if (vv_rows_invoke(self, batch->length, row) < 0) return NULL;
        break;
    case VV_AWAITED:
        if (vv_awaited_invoke(self, batch->length, row) < 0) return NULL;
        break;
    case VV_TABLE:
    case VV_VALUES:
    case VV_LENIENT:
        if (self->dtypes != Py_None ? vv_frames_begin(self, batch->length, owner, row) < 0
                                    : vv_table_begin(self, batch->length, owner) < 0)
            return NULL;
        return vv_function_resume(self, row);
    }
    return vv_builder_finish(&self->builder);
}

struct ArrowArray *vv_function_resume(vv_function *self, int64_t *row) {
    *row = -1;
    if (self->table.owner == NULL) {
        PyErr_Format(PyExc_LookupError, "%U has no result that could be continued", self->name);
        return NULL;
    }
    int status = self->dtypes != Py_None ? vv_frames_continue(self, row) : vv_table_continue(self, row);
    return status < 0 ? NULL : vv_builder_finish(&self->builder);
}

/* Adds what the function was called with to the description of an error: a list of reprs, cut. Arguments are read once more for it, and
 * what cannot be read is shown as "?": the error may be about this very value. */
static int describe_arguments(const vv_function *self, PyObject *description, int64_t row) {
    PyObject *list = PyList_New(0);
    int status = list == NULL ? -1 : 0;
    for (Py_ssize_t i = self->hidden; i < self->n_arguments && status == 0; i++) {
        PyObject *value = vv_read(&self->columns[i], row);
        PyObject *text = value == NULL ? NULL : vv_shown(value);
        if (value == NULL && !vv_ends_the_call()) {
            PyErr_Clear();
            text = PyUnicode_FromString("?");
        }
        status = text == NULL ? -1 : PyList_Append(list, text);
        Py_XDECREF(text);
        Py_XDECREF(value);
    }
    if (status == 0) status = PyDict_SetItemString(description, "arguments", list);
    Py_XDECREF(list);
    return status;
}

/* The group of a row is told that it has no value any more. */
static int spoil(const vv_function *self, int64_t row) {
    if (self->spoil == NULL || self->spoil == Py_None) return 0;
    PyObject *group = vv_read(&self->columns[0], row);
    PyObject *done = group == NULL ? NULL : PyObject_CallOneArg(self->spoil, group);
    Py_XDECREF(group);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int vv_function_row_failed(vv_function *self, int64_t row) {
    if (self->on_error == VV_FAIL || vv_ends_the_call()) return -1;
    if (self->errors == NULL) self->errors = PyList_New(0);
    if (self->error_rows == NULL) self->error_rows = PyList_New(0);
    if (self->errors == NULL || self->error_rows == NULL) return -1;
    if (PyList_GET_SIZE(self->errors) < REPORTED_ERRORS) {
        PyObject *description = vv_error_describe(self->name, row);
        if (description == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        int status = describe_arguments(self, description, row);
        if (status == 0) status = PyList_Append(self->errors, description);
        Py_DECREF(description);
        VV_TRY(status);
    }
    PyErr_Clear();
    PyObject *number = PyLong_FromLongLong(row);
    if (number == NULL) return -1;
    int status = PyList_Append(self->error_rows, number);
    Py_DECREF(number);
    return status < 0 ? -1 : spoil(self, row);
}

void vv_function_release(vv_function *self) {
    Py_CLEAR(self->held);
    Py_CLEAR(self->errors);
    Py_CLEAR(self->error_rows);
}
