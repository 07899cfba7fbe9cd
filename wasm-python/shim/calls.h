/* One call of a function with the values of a row, for those who make one a row. */
#ifndef VIVARIUM_CALLS_H
#define VIVARIUM_CALLS_H

#include "vivarium.h"

/* Python functions are called through their own entry; what else is callable gets the interpreter's checks around it. */
static inline vectorcallfunc vv_direct(PyObject *callable) {
    return PyFunction_Check(callable) ? PyVectorcall_Function(callable) : NULL;
}

static inline PyObject *vv_call_direct(vectorcallfunc direct, PyObject *callable, PyObject **arguments, size_t flags) {
#ifdef __wasm__
    /* The entry of nearly all of them, which CPython's libraries do not export but its archive has: by name, it is inlined. */
    extern PyObject *_PyFunction_Vectorcall(PyObject *, PyObject *const *, size_t, PyObject *);
    if (direct == _PyFunction_Vectorcall) return _PyFunction_Vectorcall(callable, arguments, flags, NULL);
#endif
    return direct(callable, arguments, flags, NULL);
}

/* Places for the arguments of a call and a free one in front: vv_call_row takes the second. They are the function's, of which only one
 * call runs at a time, and between two calls they hold nothing but numbers as below. */
static inline PyObject **vv_argument_places(const vv_function *function) { return function->places; }

/* A number that only its place holds after a call is nobody's: it stays there, and the next row's value is written into it, also when that
 * is in another batch, which saves giving memory back and taking it again. */
static inline void vv_let_go(const vv_column *column, PyObject **place) {
    if (column->type->renew != NULL && Py_REFCNT(*place) == 1) return;
    Py_CLEAR(*place);
}

/* int64 is by far the most frequent: without a call through a pointer, which is as much work as all the rest. */
static inline bool vv_renew(const vv_column *column, int64_t row, PyObject *object) {
    if (column->type->kind == VV_INT64) return vv_renew_int(object, ((const int64_t *)column->values)[row]);
    return column->type->renew(column, row, object);
}

/* The row's value, in the object that the place has where that can be; false with an exception set. */
static inline bool vv_take(const vv_column *column, int64_t row, PyObject **place) {
    if (*place != NULL) {
        if (!vv_is_null(column, row) && vv_renew(column, row, *place)) return true;
        Py_CLEAR(*place);
    }
    *place = vv_read(column, row);
    return *place != NULL;
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
    while (read < count && vv_take(&function->columns[read], row, &arguments[read])) read++;
    if (read == count) {
        size_t flags = (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET;
        result = direct != NULL ? vv_call_direct(direct, function->callable, arguments, flags)
                                : PyObject_Vectorcall(function->callable, arguments, flags, NULL);
    }
    while (read > 0) {
        read--;
        vv_let_go(&function->columns[read], &arguments[read]);
    }
    return result;
}

#endif
