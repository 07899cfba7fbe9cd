/* `_vivarium.host_request`: what only the plug-in that runs the guest can answer. ABI.md, "Imports". */
#include "vivarium.h"

#ifdef __wasm__
#define VV_IMPORT(name) __attribute__((import_module("vivarium"), import_name(name)))
VV_IMPORT("request") int64_t vv_host_request(const void *request, uint32_t length);
VV_IMPORT("reply") int64_t vv_host_reply(void *reply, uint32_t length);
#else
static int64_t vv_host_request(const void *request, uint32_t length) { return (void)request, (void)length, -1; }
static int64_t vv_host_reply(void *reply, uint32_t length) { return (void)reply, (void)length, -1; }
#endif

static const char *problem(int64_t code) {
    switch (code) {
    case -1: return "nothing answers requests here";
    case -3: return "the answer to a request is longer than a batch may be";
    default: return "a request is longer than a batch may be";
    }
}

PyObject *vv_host(PyObject *module, PyObject *request) {
    (void)module;
    if (!PyBytes_Check(request)) {
        PyErr_SetString(PyExc_TypeError, "a request is bytes");
        return NULL;
    }
    int64_t length = vv_host_request(PyBytes_AS_STRING(request), (uint32_t)PyBytes_GET_SIZE(request));
    if (length < 0 || length > INT32_MAX) {
        PyErr_SetString(PyExc_OSError, problem(length));
        return NULL;
    }
    PyObject *reply = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (reply == NULL) return NULL;
    if (vv_host_reply(PyBytes_AS_STRING(reply), (uint32_t)length) < 0) {
        Py_DECREF(reply);
        PyErr_SetString(PyExc_OSError, "the answer to a request was taken away");
        return NULL;
    }
    return reply;
}
