/* One call of a function with the values of a row, for those who make one a row. */
#ifndef VIVARIUM_CALLS_H
#define VIVARIUM_CALLS_H

#include "vivarium.h"

/* Python functions are called through their own entry; what else is callable gets the interpreter's checks around it. */
static inline vectorcallfunc vv_direct(PyObject *callable) {
    return PyFunction_Check(callable) ? PyVectorcall_Function(callable) : NULL;
}

/* Places for the arguments of a call and a free one in front: vv_call_row takes the second. PyMem_Free gives them back. */
static inline PyObject **vv_argument_places(const vv_function *function) {
    PyObject **arguments = PyMem_Calloc((size_t)function->n_arguments + 1, sizeof *arguments);
    if (arguments == NULL) PyErr_NoMemory();
    return arguments;
}

static inline bool vv_is_called(const vv_function *function, int64_t row) {
    for (Py_ssize_t i = 0; i < function->n_arguments; i++)
        if (vv_prevents_call(&function->columns[i], row)) return false;
    return true;
}

/* Calls the function for one row; the result as a new reference. `arguments` has a free place in front, which lets CPython
 * prepend a bound method's self without copying. */
static inline PyObject *vv_call_row(const vv_function *function, vectorcallfunc direct, PyObject **arguments, int64_t row) {
    Py_ssize_t count = function->n_arguments, read = 0;
    PyObject *result = NULL;
    for (; read < count; read++) {
        arguments[read] = vv_read(&function->columns[read], row);
        if (arguments[read] == NULL) break;
    }
    if (read == count) {
        size_t flags = (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET;
        result = direct != NULL ? direct(function->callable, arguments, flags, NULL)
                                : PyObject_Vectorcall(function->callable, arguments, flags, NULL);
    }
    while (read > 0) Py_DECREF(arguments[--read]);
    return result;
}

#endif
