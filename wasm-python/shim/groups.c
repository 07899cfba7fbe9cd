/* Accumulators of an aggregate function, one a group, and methods that take a group's accumulator as their first argument.
 *
 * A group is a number that the host chose, from 0 upwards. A GroupMethod is called with that number and the values of a row, and
 * calls the user's method with the accumulator in the number's place: an ordinary function of a row for rows.c, without a
 * Python frame of ours between two calls.
 */
#include "vivarium.h"

#define MAX_ARGUMENTS 256

typedef struct {
    PyObject_HEAD
    PyObject *create;       /* makes a new accumulator */
    PyObject *spoilt;       /* stands for the accumulator of a group whose result is NULL because a row of it failed; no method gets it */
    PyObject **accumulators;/* owned; NULL where no row has come yet */
    size_t size, capacity;
} vv_groups;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    vv_groups *groups;
    PyObject *method;
    bool replaces; /* what the method returns, unless it is None, is the accumulator from then on */
} vv_group_method;

/* ---- The accumulators ---- */

/* The place of a group's accumulator, which may be NULL. */
static PyObject **place(vv_groups *self, PyObject *number) {
    size_t group = PyLong_AsSize_t(number);
    if (group == (size_t)-1 && PyErr_Occurred()) return NULL;
    if (group >= self->capacity) {
        size_t most = PY_SSIZE_T_MAX / sizeof(PyObject *); /* which also keeps the sums below from wrapping */
        size_t capacity = group >= most ? SIZE_MAX : self->capacity * 2 > group ? self->capacity * 2 : group + 64;
        PyObject **larger = capacity > most ? NULL : PyMem_RawRealloc(self->accumulators, capacity * sizeof *larger);
        if (larger == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        memset(larger + self->capacity, 0, (capacity - self->capacity) * sizeof *larger);
        self->accumulators = larger;
        self->capacity = capacity;
    }
    if (group >= self->size) self->size = group + 1;
    return &self->accumulators[group];
}

/* The group's accumulator, made when there is none: a new reference. */
static PyObject *accumulator_of(vv_groups *self, PyObject *number) {
    PyObject **found = place(self, number);
    if (found == NULL) return NULL;
    if (*found != NULL) return Py_NewRef(*found);
    PyObject *made = PyObject_CallNoArgs(self->create);
    if (made == NULL) return NULL;
    found = place(self, number); /* user code ran, and could have reached this object */
    if (found == NULL) Py_CLEAR(made);
    else Py_XSETREF(*found, Py_NewRef(made));
    return made;
}

static int put(vv_groups *self, PyObject *number, PyObject *accumulator) {
    PyObject **found = place(self, number);
    if (found == NULL) return -1;
    Py_XSETREF(*found, Py_NewRef(accumulator));
    return 0;
}

static PyObject *groups_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *create, *spoilt;
    if (kwargs != NULL || !PyArg_ParseTuple(args, "OO:Groups", &create, &spoilt)) return NULL;
    vv_groups *self = (vv_groups *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->create = Py_NewRef(create);
    self->spoilt = Py_NewRef(spoilt);
    return (PyObject *)self;
}

static int groups_traverse(PyObject *object, visitproc visit, void *arg) {
    vv_groups *self = (vv_groups *)object;
    Py_VISIT(self->create);
    Py_VISIT(self->spoilt);
    for (size_t i = 0; i < self->size; i++) Py_VISIT(self->accumulators[i]);
    return 0;
}

static int groups_clear(PyObject *object) {
    vv_groups *self = (vv_groups *)object;
    PyObject **accumulators = self->accumulators;
    size_t size = self->size;
    self->accumulators = NULL;
    self->size = self->capacity = 0;
    for (size_t i = 0; i < size; i++) Py_XDECREF(accumulators[i]);
    PyMem_RawFree(accumulators);
    return 0;
}

static void groups_dealloc(PyObject *object) {
    vv_groups *self = (vv_groups *)object;
    PyObject_GC_UnTrack(object);
    groups_clear(object);
    Py_CLEAR(self->create);
    Py_CLEAR(self->spoilt);
    Py_TYPE(object)->tp_free(object);
}

static PyObject *groups_get(PyObject *self, PyObject *number) { return accumulator_of((vv_groups *)self, number); }

static PyObject *groups_put(PyObject *self, PyObject *args) {
    PyObject *number, *accumulator;
    if (!PyArg_ParseTuple(args, "OO:put", &number, &accumulator) || put((vv_groups *)self, number, accumulator) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *groups_forget(PyObject *self, PyObject *unused) {
    (void)unused;
    groups_clear(self);
    Py_RETURN_NONE;
}

static Py_ssize_t groups_length(PyObject *self) { return (Py_ssize_t)((vv_groups *)self)->size; }

static PyMethodDef groups_methods[] = {
    {"get", groups_get, METH_O, "get(group) -> the group's accumulator, made when there is none"},
    {"put", groups_put, METH_VARARGS, "put(group, accumulator)"},
    {"forget", groups_forget, METH_NOARGS, "forget(): there are no groups any more"},
    {NULL, NULL, 0, NULL},
};

static PySequenceMethods groups_sequence = {.sq_length = groups_length};

PyTypeObject vv_groups_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_vivarium.Groups",
    .tp_doc = "Groups(create, spoilt): accumulators by group.",
    .tp_basicsize = sizeof(vv_groups),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = groups_new,
    .tp_traverse = groups_traverse,
    .tp_clear = groups_clear,
    .tp_dealloc = groups_dealloc,
    .tp_methods = groups_methods,
    .tp_as_sequence = &groups_sequence,
};

/* ---- Methods ---- */

static int keep(vv_group_method *self, PyObject *number, PyObject *result) {
    if (result == NULL) return -1;
    return self->replaces && result != Py_None ? put(self->groups, number, result) : 0;
}

static PyObject *method_call(PyObject *object, PyObject *const *arguments, size_t flags, PyObject *names) {
    vv_group_method *self = (vv_group_method *)object;
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    PyObject *places[MAX_ARGUMENTS + 1];
    if (names != NULL || count < 1 || count > MAX_ARGUMENTS) {
        PyErr_SetString(PyExc_TypeError, "a group and values are expected");
        return NULL;
    }
    PyObject *accumulator = accumulator_of(self->groups, arguments[0]);
    if (accumulator == NULL) return NULL;
    if (accumulator == self->groups->spoilt) {
        Py_DECREF(accumulator);
        Py_RETURN_NONE;
    }
    places[1] = accumulator;
    for (Py_ssize_t i = 1; i < count; i++) places[i + 1] = arguments[i];
    PyObject *result = PyObject_Vectorcall(self->method, places + 1, (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    int status = keep(self, arguments[0], result);
    Py_DECREF(accumulator);
    Py_XDECREF(result);
    if (status < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *method_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *groups, *method;
    int replaces;
    if (kwargs != NULL || !PyArg_ParseTuple(args, "O!Op:GroupMethod", &vv_groups_type, &groups, &method, &replaces)) return NULL;
    vv_group_method *self = (vv_group_method *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->vectorcall = method_call;
    self->groups = (vv_groups *)Py_NewRef(groups);
    self->method = Py_NewRef(method);
    self->replaces = replaces;
    return (PyObject *)self;
}

static int method_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(((vv_group_method *)object)->groups);
    Py_VISIT(((vv_group_method *)object)->method);
    return 0;
}

static int method_clear(PyObject *object) {
    Py_CLEAR(((vv_group_method *)object)->groups);
    Py_CLEAR(((vv_group_method *)object)->method);
    return 0;
}

static void method_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object);
    method_clear(object);
    Py_TYPE(object)->tp_free(object);
}

PyTypeObject vv_group_method_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_vivarium.GroupMethod",
    .tp_doc = "GroupMethod(groups, method, replaces): called with a group and values.",
    .tp_basicsize = sizeof(vv_group_method),
    .tp_vectorcall_offset = offsetof(vv_group_method, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_new = method_new,
    .tp_traverse = method_traverse,
    .tp_clear = method_clear,
    .tp_dealloc = method_dealloc,
};
