/* What CPython 3.11 does not have yet of the functions used here. Each does what the one of its name does in 3.13. */
#ifndef OLDER_PYTHON_H
#define OLDER_PYTHON_H

#if PY_VERSION_HEX < 0x030C0000

#include <structmember.h>

#define Py_T_OBJECT_EX T_OBJECT_EX
#define Py_T_INT T_INT
#define Py_T_LONGLONG T_LONGLONG
#define Py_READONLY READONLY

static inline PyObject *PyErr_GetRaisedException(void) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) return NULL;
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) PyException_SetTraceback(value, traceback);
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
}

static inline void PyErr_SetRaisedException(PyObject *exception) {
    if (exception == NULL) PyErr_Clear();
    else PyErr_Restore(Py_NewRef(Py_TYPE(exception)), exception, PyException_GetTraceback(exception));
}

/* An int of at most one digit. */
static inline int PyUnstable_Long_IsCompact(const PyLongObject *value) {
    return Py_SIZE(value) >= -1 && Py_SIZE(value) <= 1;
}

static inline Py_ssize_t PyUnstable_Long_CompactValue(const PyLongObject *value) {
    return Py_SIZE(value) * (Py_ssize_t)value->ob_digit[0];
}

#endif
#if PY_VERSION_HEX < 0x030D0000

static inline int PyObject_GetOptionalAttr(PyObject *object, PyObject *name, PyObject **value) {
    *value = PyObject_GetAttr(object, name);
    if (*value != NULL) return 1;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
    PyErr_Clear();
    return 0;
}

static inline int PyObject_GetOptionalAttrString(PyObject *object, const char *name, PyObject **value) {
    *value = PyObject_GetAttrString(object, name);
    if (*value != NULL) return 1;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
    PyErr_Clear();
    return 0;
}

static inline int PyDict_GetItemRef(PyObject *dict, PyObject *key, PyObject **value) {
    *value = Py_XNewRef(PyDict_GetItemWithError(dict, key));
    return *value != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

#endif
#endif
