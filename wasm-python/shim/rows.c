/* A function called once a row: read the arguments, call, append the result. Nothing else happens between two calls.
 *
 * (A loop in Python bytecode around the function, with the reading and appending in an iterator, was measured too: it saves
 * entering the evaluation loop for every row and costs as much elsewhere.)
 */
#include "vivarium.h"

static inline bool is_called(const vv_function *function, int64_t row) {
    for (Py_ssize_t i = 0; i < function->n_arguments; i++)
        if (vv_prevents_call(&function->columns[i], row)) return false;
    return true;
}

/* Calls the function for one row; the result as a new reference. `arguments` has a free place in front, which lets CPython
 * prepend a bound method's self without copying. */
static inline PyObject *call_row(const vv_function *function, vectorcallfunc direct, PyObject **arguments, int64_t row) {
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

static inline int compute_row(vv_function *function, vectorcallfunc direct, PyObject **arguments, int64_t row) {
    if (!is_called(function, row)) return vv_append(&function->builder, Py_None);
    PyObject *result = call_row(function, direct, arguments, row);
    if (result == NULL) return -1;
    int status = vv_append(&function->builder, result);
    Py_DECREF(result);
    return status;
}

/* The row becomes NULL when the function's policy goes on after errors. */
static int row_failed(vv_function *function, int64_t row) {
    vv_builder_truncate(&function->builder, row);
    VV_TRY(vv_function_row_failed(function, row));
    return vv_append(&function->builder, Py_None);
}

int vv_rows_invoke(vv_function *function, int64_t rows, int64_t *row) {
    /* Python functions are called through their own entry; what else is callable gets the interpreter's checks around it. */
    vectorcallfunc direct = PyFunction_Check(function->callable) ? PyVectorcall_Function(function->callable) : NULL;
    PyObject **arguments = PyMem_Calloc((size_t)function->n_arguments + 1, sizeof *arguments);
    if (arguments == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int status = vv_builder_start(&function->builder, rows);
    for (int64_t i = 0; i < rows && status == 0; i++) {
        if (compute_row(function, direct, arguments + 1, i) == 0) continue;
        status = row_failed(function, i);
        if (status < 0) *row = i;
    }
    PyMem_Free(arguments);
    return status;
}
