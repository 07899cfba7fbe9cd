/* PyFlink's Row: a Python class whose objects are made, compared and looked into for every element of a stream. Its own methods stay
 * for everything but the plain cases, which are done here as they would do them. */
#include "rows.h"

static PyTypeObject *row_type;
static PyObject *kinds[4];                                     /* members of RowKind, by value */
static PyObject *values_name, *named_name, *kind_name, *fields_name; /* of a Row's attributes */
static PyObject *python_init, *python_getitem, *python_eq;

/* An attribute of the object itself, a new reference; NULL without an exception when there is none. */
static PyObject *attribute(PyObject *row, PyObject *name) { return _PyObject_GenericGetAttrWithDict(row, name, NULL, 1); }

/* The values of a Row, a new reference to a list; NULL without an exception when it is something else. */
static PyObject *values_of(PyObject *row) {
    PyObject *values = Py_IS_TYPE(row, row_type) ? attribute(row, values_name) : NULL;
    if (values != NULL && !PyList_CheckExact(values)) Py_CLEAR(values);
    return values;
}

static int set_up(PyObject *row, PyObject *values, PyObject *kind) {
    ROWS_TRY(PyObject_GenericSetAttr(row, values_name, values));
    ROWS_TRY(PyObject_GenericSetAttr(row, named_name, Py_False));
    return PyObject_GenericSetAttr(row, kind_name, kind);
}

PyObject *rows_new_row(PyObject *values, PyObject *names, unsigned kind) {
    if (row_type == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "_flink_rows knows no Row yet");
        return NULL;
    }
    PyObject *none = PyTuple_New(0);
    PyObject *row = none == NULL ? NULL : row_type->tp_new(row_type, none, NULL);
    Py_XDECREF(none);
    if (row == NULL) return NULL;
    int status = set_up(row, values, kinds[kind]);
    if (status == 0 && names != NULL) status = PyObject_GenericSetAttr(row, fields_name, names);
    if (status < 0) Py_CLEAR(row);
    return row;
}

PyObject *rows_row_item(PyObject *row, Py_ssize_t at) {
    PyObject *values = row_type == NULL ? NULL : values_of(row);
    PyObject *item = values != NULL && at < PyList_GET_SIZE(values) ? Py_NewRef(PyList_GET_ITEM(values, at)) : NULL;
    Py_XDECREF(values);
    return item != NULL ? item : PySequence_GetItem(row, at);
}

PyObject *rows_row_fields(PyObject *row, PyObject *names, unsigned *kind) {
    PyObject *values = row_type == NULL ? NULL : values_of(row);
    PyObject *own = values == NULL ? NULL : attribute(row, fields_name), *its_kind = values == NULL ? NULL : attribute(row, kind_name);
    int same = own == NULL || own == names ? 1 : PyObject_RichCompareBool(own, names, Py_EQ);
    unsigned found = 0;
    while (found < 4 && its_kind != kinds[found]) found++;
    Py_XDECREF(own);
    Py_XDECREF(its_kind);
    if (same < 0) Py_CLEAR(values);
    if (same < 0 || (values != NULL && same && found < 4)) {
        *kind = found;
        return values;
    }
    /* Other names, another class: as PyFlink's coder asks. */
    Py_XDECREF(values);
    PyObject *member = PyObject_CallMethod(row, "get_row_kind", NULL);
    PyObject *number = member == NULL ? NULL : PyObject_GetAttrString(member, "value");
    long value = number == NULL ? -1 : PyLong_AsLong(number);
    Py_XDECREF(member);
    Py_XDECREF(number);
    if (value < 0 || value > 3) return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "%ld is no kind of a row", value);
    *kind = (unsigned)value;
    PyObject *fields = PyObject_CallMethod(row, "get_fields_by_names", "O", names);
    PyObject *list = fields == NULL ? NULL : PySequence_List(fields);
    Py_XDECREF(fields);
    return list;
}

/* ---- Methods ---- */

static PyObject *row_init(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    if (!Py_IS_TYPE(self, row_type) || (names != NULL && PyTuple_GET_SIZE(names) > 0)) {
        Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
        PyObject **with_self = PyMem_Malloc(((size_t)all + 1) * sizeof *with_self);
        if (with_self == NULL) return PyErr_NoMemory();
        with_self[0] = self;
        memcpy(with_self + 1, arguments, (size_t)all * sizeof *with_self);
        PyObject *done = PyObject_Vectorcall(python_init, with_self, (size_t)count + 1, names);
        PyMem_Free(with_self);
        return done;
    }
    PyObject *values = PyList_New(count);
    if (values == NULL) return NULL;
    for (Py_ssize_t i = 0; i < count; i++) PyList_SET_ITEM(values, i, Py_NewRef(arguments[i]));
    int status = set_up(self, values, kinds[0]);
    Py_DECREF(values);
    if (status < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *row_getitem(PyObject *self, PyObject *item) {
    PyObject *values = PyLong_CheckExact(item) ? values_of(self) : NULL;
    if (values == NULL) return PyObject_CallFunctionObjArgs(python_getitem, self, item, NULL);
    PyObject *found = PyObject_GetItem(values, item);
    Py_DECREF(values);
    return found;
}

static PyObject *row_eq(PyObject *self, PyObject *other) {
    PyObject *mine = values_of(self), *its = mine == NULL ? NULL : values_of(other), *answer = NULL;
    bool plain = its != NULL;
    for (int i = 0; plain && i < 2; i++) {
        PyObject *names = attribute(i ? other : self, fields_name);
        if (names != NULL) plain = false;
        Py_XDECREF(names);
    }
    if (plain) {
        PyObject *kind = attribute(self, kind_name), *its_kind = attribute(other, kind_name);
        answer = kind == its_kind ? PyObject_RichCompare(mine, its, Py_EQ) : Py_NewRef(Py_False);
        Py_XDECREF(kind);
        Py_XDECREF(its_kind);
    }
    Py_XDECREF(mine);
    Py_XDECREF(its);
    return plain ? answer : PyObject_CallFunctionObjArgs(python_eq, self, other, NULL);
}

static PyMethodDef row_methods[] = {
    {"__init__", (PyCFunction)(void (*)(void))row_init, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"__getitem__", row_getitem, METH_O, NULL},
    {"__eq__", row_eq, METH_O, NULL},
};

PyObject *rows_adopt(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *type;
    if (!PyArg_ParseTuple(arguments, "O!(OOOO)", &PyType_Type, &type, &kinds[0], &kinds[1], &kinds[2], &kinds[3])) return NULL;
    if (row_type != NULL) return PyErr_Format(PyExc_RuntimeError, "_flink_rows has its Row");
    const struct {
        PyObject **place;
        const char *name;
    } names[] = {{&values_name, "_values"}, {&named_name, "_from_dict"}, {&kind_name, "_row_kind"}, {&fields_name, "_fields"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((*names[i].place = PyUnicode_InternFromString(names[i].name)) == NULL) return NULL;
    PyObject **originals[] = {&python_init, &python_getitem, &python_eq};
    for (int i = 0; i < 3; i++)
        if ((*originals[i] = PyObject_GetAttrString(type, row_methods[i].ml_name)) == NULL) return NULL;
    for (int i = 0; i < 4; i++) Py_INCREF(kinds[i]);
    row_type = (PyTypeObject *)Py_NewRef(type);
    for (int i = 0; i < 3; i++) {
        PyObject *method = PyDescr_NewMethod(row_type, &row_methods[i]);
        int status = method == NULL ? -1 : PyObject_SetAttrString(type, row_methods[i].ml_name, method);
        Py_XDECREF(method);
        if (status < 0) return NULL;
    }
    Py_RETURN_NONE;
}
