/* vv_init: starts CPython, once, for the snapshot. What it does is part of every instance; nothing of the host's is. */
#include "vivarium.h"

/* The image's builtin modules beyond CPython's own (NumPy's), written by the build. Ends with a zero entry. */
extern struct _inittab vv_image_modules[];

/* A fixed seed keeps the snapshot reproducible. Dict layouts are baked into it, so no instance can have a seed of its own. */
#define HASH_SEED 20240601

/* Only the snapshotter calls this: it sees the message and the trap. */
static void stop(const char *what, const char *why) {
    fprintf(stderr, "vv_init: %s: %s\n", what, why != NULL ? why : "failed");
    abort();
}

static void check(PyStatus status, const char *what) {
    if (PyStatus_Exception(status)) stop(what, status.err_msg);
}

static void start_interpreter(void) {
    PyPreConfig preconfig;
    PyPreConfig_InitIsolatedConfig(&preconfig);
    preconfig.utf8_mode = 1;
    check(Py_PreInitialize(&preconfig), "pre-initialisation");
    if (PyImport_ExtendInittab(vv_image_modules) < 0 || PyImport_AppendInittab("_vivarium", PyInit__vivarium) < 0)
        stop("builtin modules", NULL);

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.install_signal_handlers = 0;
    config.site_import = 0;
    config.write_bytecode = 0;
    config.use_hash_seed = 1;
    config.hash_seed = HASH_SEED;
    config.module_search_paths_set = 1;
    check(PyConfig_SetBytesString(&config, &config.program_name, "python3"), "program name");
    check(PyConfig_SetBytesString(&config, &config.executable, ""), "executable");
    check(PyConfig_SetBytesString(&config, &config.home, "/env"), "home");
    check(PyWideStringList_Append(&config.module_search_paths, L"/env/lib"), "search path");
    check(PyWideStringList_Append(&config.module_search_paths, L"/env/site"), "search path");
    check(Py_InitializeFromConfig(&config), "initialisation");
    PyConfig_Clear(&config);
}

/* Calls module.function(argument). */
static void call(const char *module_name, const char *function, const char *argument) {
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *done = NULL;
    if (module != NULL) done = argument != NULL ? PyObject_CallMethod(module, function, "s", argument)
                                                : PyObject_CallMethod(module, function, NULL);
    if (done == NULL) {
        PyErr_Print();
        stop(module_name, function);
    }
    Py_DECREF(done);
    Py_DECREF(module);
}

#ifdef __wasm__
__attribute__((export_name("vv_init"), used, visibility("default")))
#endif
void vv_init(void) {
    start_interpreter();
    /* The standard library and the packages move from /env into memory; warm imports come from there. */
    call("_vivarium_boot", "load", "/env");
    call("vivarium._snapshot", "prepare", NULL);
    if (vv_watch_streams() < 0) {
        PyErr_Print();
        stop("standard streams", NULL);
    }
    vv_settle();
}
