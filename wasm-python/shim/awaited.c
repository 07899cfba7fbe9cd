/* An async function: it is called for every row of the batch, and then all the calls are awaited together.
 *
 * The event loop is Python's own (vivarium._await); what it gives back is one outcome for each row: a value, or the exception
 * that ended the call. Outcomes are taken in the order of the rows, so that the first failing row is reported whichever call
 * ended first.
 */
#include "calls.h"

/* What stands for the row among the awaited: an awaitable, None without a call, or an exception that came before one. */
static PyObject *begin(vv_function *function, PyObject **arguments, int64_t row) {
    if (!vv_is_called(function, row)) Py_RETURN_NONE;
    PyObject *awaitable = vv_call_row(function, vv_direct(function->callable), arguments, row);
    if (awaitable != NULL && awaitable != Py_None) return awaitable;
    if (awaitable == Py_None) {
        Py_DECREF(awaitable);
        PyErr_SetString(vv_result_error, "result: None; an async function returns an awaitable");
    }
    if (vv_ends_the_call()) return NULL;
    return PyErr_GetRaisedException();
}

/* A list of one outcome a row: (value, None) or (None, exception). */
static PyObject *outcomes(vv_function *function, int64_t rows, int64_t *row) {
    PyObject **arguments = vv_argument_places(function);
    PyObject *calls = PyList_New((Py_ssize_t)rows);
    for (int64_t i = 0; calls != NULL && i < rows; i++) {
        PyObject *call = begin(function, arguments + 1, i);
        if (call == NULL) {
            *row = i;
            Py_CLEAR(calls);
        } else {
            PyList_SET_ITEM(calls, (Py_ssize_t)i, call);
        }
    }
    if (calls == NULL) return NULL;
    PyObject *module = PyImport_ImportModule("vivarium._await"), *answer = NULL;
    if (module != NULL) answer = PyObject_CallMethod(module, "together", "O", calls);
    Py_XDECREF(module);
    Py_DECREF(calls);
    if (answer != NULL && (!PyList_Check(answer) || PyList_GET_SIZE(answer) != (Py_ssize_t)rows)) {
        Py_CLEAR(answer);
        PyErr_SetString(PyExc_SystemError, "one outcome for every row is expected");
    }
    return answer;
}

static int append_outcome(vv_function *function, PyObject *outcome) {
    PyObject *value, *exception;
    if (!PyArg_ParseTuple(outcome, "OO;an outcome", &value, &exception)) return -1;
    if (exception == Py_None) return vv_append(&function->builder, value);
    PyErr_SetRaisedException(Py_NewRef(exception));
    return -1;
}

int vv_awaited_invoke(vv_function *function, int64_t rows, int64_t *row) {
    VV_TRY(vv_builder_start(&function->builder, rows));
    PyObject *all = outcomes(function, rows, row);
    if (all == NULL) return -1;
    function->rows_interpreted += rows;
    int status = 0;
    for (int64_t i = 0; i < rows && status == 0; i++) {
        if (append_outcome(function, PyList_GET_ITEM(all, (Py_ssize_t)i)) == 0) continue;
        vv_builder_truncate(&function->builder, i);
        status = vv_function_row_failed(function, i);
        if (status == 0) status = vv_append(&function->builder, Py_None);
        if (status < 0) *row = i;
    }
    Py_DECREF(all);
    return status;
}
