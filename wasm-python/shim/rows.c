/* A function called once a row: read the arguments, call, append the result. Nothing else happens between two calls.
 *
 * (A loop in Python bytecode around the function, with the reading and appending in an iterator, was measured too: it saves
 * entering the evaluation loop for every row and costs as much elsewhere.)
 */
#include "calls.h"

/* As vv_append; the most frequent results without a call through a pointer. */
static inline int append_result(vv_builder *builder, PyObject *value) {
    vv_kind kind = builder->type->kind;
    if (builder->length < builder->capacity) {
        if (kind == VV_INT64 && PyLong_CheckExact(value) && PyUnstable_Long_IsCompact((PyLongObject *)value)) {
            ((int64_t *)builder->values.data)[builder->length++] = PyUnstable_Long_CompactValue((PyLongObject *)value);
            return 0;
        }
        if (kind == VV_FLOAT64 && PyFloat_CheckExact(value)) {
            ((double *)builder->values.data)[builder->length++] = PyFloat_AS_DOUBLE(value);
            return 0;
        }
    }
    return vv_append(builder, value);
}

static inline int compute_row(vv_function *function, vectorcallfunc direct, PyObject **arguments, int64_t row) {
    if (!vv_is_called(function, row)) return vv_append(&function->builder, Py_None);
    PyObject *result = vv_call_row(function, direct, arguments, row);
    if (result == NULL) return -1;
    int status = append_result(&function->builder, result);
    Py_DECREF(result);
    return status;
}

/* The row becomes NULL when the function's policy goes on after errors. */
static int row_failed(vv_function *function, int64_t row) {
    vv_builder_truncate(&function->builder, row);
    VV_TRY(vv_function_row_failed(function, row));
    return vv_append(&function->builder, Py_None);
}

int vv_compute_row(vv_function *function, vv_caller *caller, int64_t i, int64_t *row) {
    if (compute_row(function, caller->direct, caller->arguments + 1, i) == 0) return 0;
    int status = row_failed(function, i);
    if (status < 0) *row = i;
    return status;
}

int vv_rows_invoke(vv_function *function, int64_t rows, int64_t *row) {
    vv_caller caller = {vv_direct(function->callable), vv_argument_places(function)};
    int status = vv_builder_start(&function->builder, rows);
    int64_t i = 0;
    while (i < rows && status == 0) {
        i = vv_columns_next(function, &caller, i, rows, &status, row);
        const int64_t first = i, wait = vv_columns_wait(function), stop = rows - i > wait ? i + wait : rows;
        for (; i < stop && status == 0; i++) {
            if (compute_row(function, caller.direct, caller.arguments + 1, i) == 0) continue;
            status = row_failed(function, i);
            if (status < 0) *row = i;
        }
        function->rows_before_lifting -= i - first;
        function->rows_interpreted += i - first;
    }
    return status;
}
