/* Exceptions: those raised here about values, and how any exception becomes the JSON of ABI.md.
 *
 * The description is made in Python (vivarium._errors). It must also come out when memory is exhausted or the exception's own
 * __str__ misbehaves: a reserve of memory is given up while a MemoryError is described, and what fails even so is described
 * here from static memory.
 */
#include "vivarium.h"

PyObject *vv_result_error, *vv_argument_error;

#define RESERVE_BYTES ((size_t)256 << 10)
#define SHOWN_CHARACTERS 100
static void *reserve;

int vv_errors_init(void) {
    if (reserve == NULL) reserve = PyMem_RawMalloc(RESERVE_BYTES);
    if (vv_result_error == NULL) vv_result_error = PyErr_NewException("_vivarium.ResultError", NULL, NULL);
    if (vv_argument_error == NULL) vv_argument_error = PyErr_NewException("_vivarium.ArgumentError", NULL, NULL);
    return vv_result_error == NULL || vv_argument_error == NULL ? -1 : 0;
}

PyObject *vv_shown(PyObject *value) {
    PyObject *text = PyObject_Repr(value);
    if (text == NULL) {
        if (vv_ends_the_call()) return NULL;
        PyErr_Clear();
        return PyUnicode_FromFormat("<%.100s>", Py_TYPE(value)->tp_name);
    }
    if (PyUnicode_GET_LENGTH(text) <= SHOWN_CHARACTERS) return text;
    PyObject *start = PyUnicode_Substring(text, 0, SHOWN_CHARACTERS);
    Py_DECREF(text);
    if (start == NULL) return NULL;
    PyObject *cut = PyUnicode_FromFormat("%U...", start);
    Py_DECREF(start);
    return cut;
}

int vv_misfit(const vv_builder *builder, PyObject *value, const char *reason, ...) {
    va_list arguments;
    va_start(arguments, reason);
    PyObject *why = PyUnicode_FromFormatV(reason, arguments);
    va_end(arguments);
    PyObject *what = why == NULL ? NULL : vv_shown(value);
    if (what != NULL)
        PyErr_Format(vv_result_error, "%U: %U (%.100s) does not fit %U: %U", builder->type->path, what,
                     Py_TYPE(value)->tp_name, builder->type->spelling, why);
    Py_XDECREF(what);
    Py_XDECREF(why);
    return -1;
}

PyObject *vv_unreadable(const vv_column *column, int64_t row, const char *reason, ...) {
    va_list arguments;
    va_start(arguments, reason);
    PyObject *why = PyUnicode_FromFormatV(reason, arguments);
    va_end(arguments);
    if (why == NULL) return NULL;
    long long number = column->type->width == 4 ? ((const int32_t *)column->values)[row]
                       : column->type->width == 8 ? ((const int64_t *)column->values)[row]
                                                  : 0;
    PyErr_Format(vv_argument_error, "%U: the value %lld of type %U has no Python equivalent: %U", column->type->path, number,
                 column->type->spelling, why);
    Py_DECREF(why);
    return NULL;
}

/* ---- Descriptions ---- */

static PyObject *call_helper(const char *helper, PyObject *exception, PyObject *name, int64_t row) {
    PyObject *module = PyImport_ImportModule("vivarium._errors");
    if (module == NULL) return NULL;
    PyObject *answer = PyObject_CallMethod(module, helper, "OOL", exception, name != NULL ? name : Py_None, (long long)row);
    Py_DECREF(module);
    return answer;
}

/* Calls the helper with the exception being raised. A second attempt follows the failure of the first, without what the
 * exception holds on to: its frames may be what fills the memory. */
static PyObject *with_exception(const char *helper, PyObject *name, int64_t row, PyObject **kept) {
    PyObject *exception = PyErr_GetRaisedException();
    if (exception == NULL) {
        PyErr_SetString(PyExc_SystemError, "a call failed without an exception");
        exception = PyErr_GetRaisedException();
    }
    bool memory = PyErr_GivenExceptionMatches(exception, PyExc_MemoryError);
    if (memory) {
        PyMem_RawFree(reserve);
        reserve = NULL;
    }
    PyObject *answer = call_helper(helper, exception, name, row);
    if (answer == NULL) {
        PyErr_Clear();
        PyException_SetTraceback(exception, Py_None);
        PyException_SetContext(exception, NULL);
        PyException_SetCause(exception, NULL);
        answer = call_helper(helper, exception, name, row);
        PyErr_Clear();
    }
    *kept = exception;
    return answer;
}

static void let_go(PyObject *exception) {
    Py_XDECREF(exception);
    PyErr_Clear();
    if (reserve == NULL) reserve = PyMem_RawMalloc(RESERVE_BYTES);
}

PyObject *vv_error_describe(PyObject *name, int64_t row) {
    PyObject *exception, *answer = with_exception("describe", name, row, &exception);
    let_go(exception);
    return answer;
}

/* The description of last resort: kind and type, from static memory. */
static const char *bare_reply(PyObject *exception, int64_t row) {
    static char text[512];
    char type[101], number[24] = "null";
    const char *name = exception != NULL ? Py_TYPE(exception)->tp_name : "MemoryError";
    bool memory = exception == NULL || PyErr_GivenExceptionMatches(exception, PyExc_MemoryError);
    size_t length = 0;
    for (; *name != '\0' && length < sizeof type - 1; name++) {
        char c = *name;
        type[length++] = c >= ' ' && c < 127 && c != '"' && c != '\\' ? c : '?';
    }
    type[length] = '\0';
    if (row >= 0) snprintf(number, sizeof number, "%lld", (long long)row);
    snprintf(text, sizeof text,
             "{\"error\": {\"kind\": \"%s\", \"type\": \"%s\", \"message\": \"%s\", \"function\": null, \"row\": %s, "
             "\"traceback\": [], \"cause\": null}}",
             memory ? "memory" : "exception", type, memory ? "out of memory" : "the exception could not be described", number);
    return text;
}

PyObject *vv_error_reply(PyObject *name, int64_t row, const char **bare) {
    PyObject *exception, *answer = with_exception("reply", name, row, &exception);
    if (answer == NULL || !PyBytes_Check(answer)) {
        Py_CLEAR(answer);
        *bare = bare_reply(exception, row);
    }
    let_go(exception);
    return answer;
}
