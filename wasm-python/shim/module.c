/* `_vivarium`: what the Python half sees. */
#include "columns.h"

static PyObject *functions; /* list: handle -> Function, or None when the handle is free */

PyDoc_STRVAR(register_doc, "register(function) -> handle: the function becomes callable from the host.");

static PyObject *module_register(PyObject *module, PyObject *function) {
    (void)module;
    if (!PyObject_TypeCheck(function, &vv_function_type)) {
        PyErr_SetString(PyExc_TypeError, "register() takes a Function");
        return NULL;
    }
    Py_ssize_t count = PyList_GET_SIZE(functions);
    for (Py_ssize_t handle = 0; handle < count; handle++) {
        if (PyList_GET_ITEM(functions, handle) != Py_None) continue;
        return PyList_SetItem(functions, handle, Py_NewRef(function)) < 0 ? NULL : PyLong_FromSsize_t(handle);
    }
    return PyList_Append(functions, function) < 0 ? NULL : PyLong_FromSsize_t(count);
}

PyDoc_STRVAR(drop_doc, "drop(handle): forgets a function; LookupError when there is none.");

static PyObject *module_drop(PyObject *module, PyObject *handle) {
    (void)module;
    Py_ssize_t index = PyLong_AsSsize_t(handle);
    if (index == -1 && PyErr_Occurred()) return NULL;
    if (index < 0 || index >= PyList_GET_SIZE(functions) || PyList_GET_ITEM(functions, index) == Py_None) {
        PyErr_Format(PyExc_LookupError, "there is no function with handle %zd", index);
        return NULL;
    }
    if (PyList_SetItem(functions, index, Py_NewRef(Py_None)) < 0) return NULL;
    Py_RETURN_NONE;
}

vv_function *vv_function_of_handle(uint32_t handle) {
    if (functions != NULL && handle < (size_t)PyList_GET_SIZE(functions)) {
        PyObject *function = PyList_GET_ITEM(functions, (Py_ssize_t)handle);
        if (function != Py_None) return (vv_function *)function;
    }
    PyErr_Format(PyExc_LookupError, "there is no function with handle %u", (unsigned)handle);
    return NULL;
}

PyDoc_STRVAR(seed_mt19937_doc,
             "seed_mt19937(capsule, words) -> bool: seeds a numpy.random.MT19937; False where numpy is not linked in.");

PyDoc_STRVAR(siphash13_doc, "siphash13(text or bytes, key of 16 bytes) -> int of 64 bits: the hash of CPython of 64 bits (siphash.c).");
PyDoc_STRVAR(host_request_doc, "host_request(bytes) -> bytes: asks the plug-in that runs the guest; OSError when nothing answers.");
PyDoc_STRVAR(export_schema_doc, "export_schema(description) -> capsule of an ArrowSchema (capsules.c).");
PyDoc_STRVAR(export_array_doc, "export_array(description) -> capsule of an ArrowArray.");
PyDoc_STRVAR(import_schema_doc, "import_schema(capsule) -> (format, name, nullable, children, dictionary) of an ArrowSchema (imports.c).");
PyDoc_STRVAR(import_array_doc, "import_array(layout, capsule) -> the buffers of an ArrowArray.");
PyDoc_STRVAR(objects_doc, "objects(plan, capsule) -> list of the Python objects in an ArrowArray.");
PyDoc_STRVAR(pack_strings_doc, "pack_strings(strings, offsets, data, valid): fills an array of StringDType.");
PyDoc_STRVAR(load_strings_doc, "load_strings(strings) -> (offsets, data, missing) of an array of StringDType.");

static PyMethodDef methods[] = {
    {"export_schema", vv_export_schema, METH_O, export_schema_doc},
    {"export_array", vv_export_array, METH_O, export_array_doc},
    {"import_schema", vv_import_schema, METH_O, import_schema_doc},
    {"import_array", vv_import_array, METH_VARARGS, import_array_doc},
    {"objects", vv_objects, METH_VARARGS, objects_doc},
    {"pack_strings", vv_pack_strings, METH_VARARGS, pack_strings_doc},
    {"load_strings", vv_load_strings, METH_O, load_strings_doc},
    {"register", module_register, METH_O, register_doc},
    {"drop", module_drop, METH_O, drop_doc},
    {"siphash13", vv_siphash13, METH_VARARGS, siphash13_doc},
    {"host_request", vv_host, METH_O, host_request_doc},
    {"seed_mt19937", vv_seed_mt19937, METH_VARARGS, seed_mt19937_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_vivarium",
    .m_doc = "The C half of the runtime: functions over Arrow batches.",
    .m_size = -1,
    .m_methods = methods,
};

static int add_kernels(PyObject *module) {
    PyObject *names = vv_kernel_names();
    int status = PyModule_AddObjectRef(module, "KERNELS", names);
    Py_XDECREF(names);
    return status;
}

PyMODINIT_FUNC PyInit__vivarium(void) {
    if (vv_errors_init() < 0 || vv_temporal_prepare() < 0 || vv_decimal_prepare() < 0) return NULL;
    if (functions == NULL) functions = PyList_New(0);
    if (functions == NULL) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    if (PyType_Ready(&vv_arena_type) < 0 || PyModule_AddType(module, &vv_function_type) < 0 ||
        PyModule_AddType(module, &vv_groups_type) < 0 || PyModule_AddType(module, &vv_group_method_type) < 0 ||
        PyModule_AddType(module, &vv_program_type) < 0 || add_kernels(module) < 0 ||
        PyModule_AddObjectRef(module, "ResultError", vv_result_error) < 0 ||
        PyModule_AddObjectRef(module, "ArgumentError", vv_argument_error) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
