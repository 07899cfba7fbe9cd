/* The functions the host calls: ABI.md. Everything they return stays valid until the next of them is called. */
#include "vivarium.h"

/* Also built as a native extension module, for tests and for the native side of benchmarks. */
#ifdef __wasm__
#define VV_EXPORT(name) __attribute__((export_name(#name), used, visibility("default")))
#else
#define VV_EXPORT(name) __attribute__((used, visibility("default")))
#endif

struct vv_result {
    uint32_t status;
    const char *reply;
    uint32_t reply_len;
    struct ArrowArray *array;
    void *arena;
    uint32_t arena_size;
    uint32_t rows_as_columns, rows_interpreted, programs_dropped; /* in this call */
};

static struct vv_result result;
static PyObject *held_reply;        /* bytes behind result.reply */
static vv_function *held_function;  /* its builder or result object is behind result.array */
static vv_arena *arena;             /* given to the host, or free for it to fill again */
static bool running;                /* the host's call has not returned; a second one would find half-made state */

static void release_previous(void) {
    if (held_function != NULL) vv_function_release(held_function);
    Py_CLEAR(held_function);
    Py_CLEAR(held_reply);
    memset(&result, 0, sizeof result);
}

static struct vv_result *finish(uint32_t status, PyObject *reply) {
    memset(&result, 0, sizeof result);
    result.status = status;
    Py_XSETREF(held_reply, reply);
    if (reply != NULL) {
        result.reply = PyBytes_AS_STRING(reply);
        result.reply_len = (uint32_t)PyBytes_GET_SIZE(reply);
    }
    return &result;
}

/* The exception being raised is the result. */
static struct vv_result *fail(PyObject *name, int64_t row) {
    const char *bare = NULL;
    finish(1, vv_error_reply(name, row, &bare));
    if (bare != NULL) {
        result.reply = bare;
        result.reply_len = (uint32_t)strlen(bare);
    }
    return &result;
}

#define BUSY                                                                                                                 \
    "{\"error\": {\"kind\": \"protocol\", \"type\": null, \"message\": \"the guest is running another call\", \"function\": null, " \
    "\"row\": null, \"traceback\": [], \"cause\": null}}"

/* The answer to a call within a call, whose own result it leaves alone. */
static struct vv_result *busy(void) {
    static struct vv_result answer;
    memset(&answer, 0, sizeof answer);
    answer.status = 1;
    answer.reply = BUSY;
    answer.reply_len = (uint32_t)strlen(BUSY);
    return &answer;
}

/* The variables of `sys`. Its own functions that look one up make a str of the name each time, and this is done twice a call. */
static PyObject *sys_variables(void) {
    static PyObject *variables;
    if (variables == NULL) {
        PyObject *module = PyImport_ImportModule("sys");
        if (module != NULL) variables = Py_NewRef(PyModule_GetDict(module));
        Py_XDECREF(module);
    }
    return variables;
}

/* ---- What user code prints ---- */

/* It must reach the host with the call that printed it. Flushing two streams takes twice as long as calling a small function, and few
 * functions print. So the buffers of the streams that the interpreter starts with note that they are written to, by a `write` of their
 * own, and the streams keep no text back from them. A stream that user code has put in the place of one of them is flushed after each call. */
static PyObject *watched[2]; /* stdout and stderr; NULL: not watched */
static bool printed;

static PyObject *noted_write(PyObject *write, PyObject *text) {
    printed = true;
    return PyObject_CallOneArg(write, text);
}

static PyMethodDef noted_write_method = {"write", noted_write, METH_O, NULL};

static int note_writes(PyObject *buffer) {
    PyObject *write = PyObject_GetAttrString(buffer, "write");
    PyObject *noted = write == NULL ? NULL : PyCFunction_New(&noted_write_method, write);
    int status = noted == NULL ? -1 : PyObject_SetAttrString(buffer, "write", noted);
    Py_XDECREF(noted);
    Py_XDECREF(write);
    return status;
}

/* stream.reconfigure(write_through=True): however it is written to, its buffer's `write` is called. */
static int write_through(PyObject *stream) {
    PyObject *reconfigure = PyObject_GetAttrString(stream, "reconfigure");
    PyObject *none = PyTuple_New(0), *arguments = Py_BuildValue("{s:O}", "write_through", Py_True);
    PyObject *done = reconfigure == NULL || none == NULL || arguments == NULL ? NULL : PyObject_Call(reconfigure, none, arguments);
    Py_XDECREF(arguments);
    Py_XDECREF(none);
    Py_XDECREF(reconfigure);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int vv_watch_streams(void) {
    static const char *const names[] = {"stdout", "stderr"};
    for (int i = 0; i < 2; i++) {
        PyObject *stream = PySys_GetObject(names[i]);
        PyObject *buffer = stream == NULL ? NULL : PyObject_GetAttrString(stream, "buffer");
        int status = buffer == NULL || note_writes(buffer) < 0 ? -1 : write_through(stream);
        Py_XDECREF(buffer);
        VV_TRY(status);
        Py_XSETREF(watched[i], Py_NewRef(stream));
    }
    return 0;
}

static void flush_stream(PyObject *stream) {
    static PyObject *method;
    if (method == NULL) method = PyUnicode_InternFromString("flush");
    if (stream == NULL || stream == Py_None || method == NULL) {
        PyErr_Clear();
        return;
    }
    Py_INCREF(stream);
    PyObject *done = PyObject_CallMethodNoArgs(stream, method);
    if (done == NULL) PyErr_Clear();
    Py_XDECREF(done);
    Py_DECREF(stream);
}

static void flush(void) {
    static PyObject *names[2];
    if (names[0] == NULL) names[0] = PyUnicode_InternFromString("stdout");
    if (names[1] == NULL) names[1] = PyUnicode_InternFromString("stderr");
    PyObject *variables = sys_variables();
    bool all = true; /* of the streams that note it */
    for (int i = 0; i < 2; i++) {
        PyObject *stream = variables == NULL || names[i] == NULL ? NULL : PyDict_GetItemWithError(variables, names[i]);
        bool notes = stream != NULL && stream == watched[i];
        if (!notes || printed) flush_stream(stream);
        all &= notes;
    }
    if (all) printed = false;
}

VV_EXPORT(vv_abi_version) int32_t vv_abi_version(void) { return VV_ABI_VERSION; }

VV_EXPORT(vv_alloc) void *vv_alloc(size_t size) { return PyMem_RawMalloc(size); }

VV_EXPORT(vv_free) void vv_free(void *pointer) { PyMem_RawFree(pointer); }

/* ---- Control ---- */

/* vivarium._runtime.control(request) -> (status, reply) */
static PyObject *control(PyObject *request, uint32_t *status) {
    PyObject *module = request == NULL ? NULL : PyImport_ImportModule("vivarium._runtime");
    PyObject *answer = module == NULL ? NULL : PyObject_CallMethod(module, "control", "O", request);
    PyObject *reply = NULL;
    Py_XDECREF(module);
    if (answer != NULL && PyArg_ParseTuple(answer, "IS;an answer of vivarium._runtime.control", status, &reply)) Py_INCREF(reply);
    Py_XDECREF(answer);
    return reply;
}

VV_EXPORT(vv_control) struct vv_result *vv_control(char *request, size_t size) {
    if (running) {
        PyMem_RawFree(request);
        return busy();
    }
    running = true;
    release_previous();
    PyObject *bytes = PyBytes_FromStringAndSize(request, (Py_ssize_t)size);
    PyMem_RawFree(request);
    uint32_t status = 1;
    PyObject *reply = control(bytes, &status);
    if (reply == NULL) fail(NULL, -1);
    else finish(status, reply);
    Py_XDECREF(bytes);
    flush();
    running = false;
    return &result;
}

/* ---- Batches ---- */

VV_EXPORT(vv_batch) void *vv_batch(size_t size) {
    if (running) return NULL;
    release_previous();
    if (arena == NULL || arena->size < size || Py_REFCNT(arena) > 1) {
        Py_CLEAR(arena);
        arena = vv_arena_new(size);
        if (arena == NULL) PyErr_Clear();
    }
    return arena == NULL ? NULL : arena->memory;
}

/* What is to be said besides the result: rows that failed, that there is more of it, metrics that changed. */
static int report(vv_function *owner, vv_function *function, PyObject **reply) {
    bool none = owner->measured == NULL || owner->measured == Py_None ||
                (owner->registry != NULL && PyDict_Check(owner->registry) && PyDict_GET_SIZE(owner->registry) == 0);
    PyObject *metrics = none ? Py_NewRef(Py_None) : PyObject_CallNoArgs(owner->measured);
    if (metrics == NULL) return -1;
    *reply = NULL;
    if (function->error_rows != NULL || function->more || metrics != Py_None) {
        PyObject *errors = function->errors != NULL ? function->errors : Py_None;
        PyObject *rows = function->error_rows != NULL ? function->error_rows : Py_None;
        PyObject *module = PyImport_ImportModule("vivarium._errors");
        if (module != NULL)
            *reply = PyObject_CallMethod(module, "report", "OOOO", errors, rows, function->more ? Py_True : Py_False, metrics);
        Py_XDECREF(module);
        if (*reply != NULL && !PyBytes_Check(*reply)) {
            Py_CLEAR(*reply);
            PyErr_SetString(PyExc_TypeError, "report() returns bytes");
        }
    }
    Py_DECREF(metrics);
    return PyErr_Occurred() ? -1 : 0;
}

/* Operation of every function: more of the last result. All other numbers are looked up in the function. */
#define CONTINUE 1
/* Operations beyond this one are about groups, not rows. */
#define RETRACT 2

static struct ArrowArray *run(vv_function *function, uint32_t operation, void *batch, int64_t *row) {
    if (operation == CONTINUE) return vv_function_resume(function, row);
    if (arena == NULL || batch != arena->memory || arena->size < sizeof(struct ArrowArray)) {
        PyErr_SetString(PyExc_BufferError, "the batch is not in the arena that vv_batch gave");
        return NULL;
    }
    return vv_function_invoke(function, batch, (PyObject *)arena, row);
}

/* A continuation belongs to the operation that has more; at most one of a function's has. */
static vv_function *operation_of(vv_function *owner, uint32_t operation) {
    if (operation != CONTINUE || owner->more || owner->operations == NULL || !PyDict_Check(owner->operations))
        return operation == CONTINUE ? owner : vv_function_operation(owner, operation);
    Py_ssize_t position = 0;
    PyObject *number, *value;
    while (PyDict_Next(owner->operations, &position, &number, &value))
        if (PyObject_TypeCheck(value, &vv_function_type) && ((vv_function *)value)->more) return (vv_function *)value;
    return owner;
}

/* Of a function, at one time. */
typedef struct {
    int64_t rows_as_columns, rows_interpreted, programs_dropped;
} vv_counts;

static vv_counts counts_of(const vv_function *function) {
    return (vv_counts){function->rows_as_columns, function->rows_interpreted, function->programs_dropped};
}

static void count(const vv_function *function, vv_counts before) {
    const vv_counts now = counts_of(function);
    result.rows_as_columns = (uint32_t)(now.rows_as_columns - before.rows_as_columns);
    result.rows_interpreted = (uint32_t)(now.rows_interpreted - before.rows_interpreted);
    result.programs_dropped = (uint32_t)(now.programs_dropped - before.programs_dropped);
}

static void invoke(uint32_t handle, uint32_t operation, void *batch) {
    int64_t row = -1;
    PyObject *name = NULL, *reply = NULL;
    struct ArrowArray *array = NULL;
    vv_counts before = {0};
    vv_function *owner = vv_function_of_handle(handle);
    vv_function *function = owner == NULL ? NULL : operation_of(owner, operation);
    if (function != NULL) {
        held_function = (vv_function *)Py_NewRef(function);
        name = function->name;
        before = counts_of(function);
        array = run(function, operation, batch, &row);
        if (array != NULL && report(owner, function, &reply) < 0) array = NULL;
    }
    if (array == NULL || PyErr_Occurred()) {
        Py_XDECREF(reply);
        fail(name, row);
    } else {
        finish(0, reply);
        result.array = array;
    }
    if (function != NULL && operation <= RETRACT) count(function, before);
}

VV_EXPORT(vv_invoke) struct vv_result *vv_invoke(uint32_t handle, uint32_t operation, void *batch) {
    if (running) return busy();
    running = true;
    release_previous();
    invoke(handle, operation, batch);
    flush();
    if (arena != NULL && Py_REFCNT(arena) == 1) {
        result.arena = arena->memory;
        result.arena_size = (uint32_t)arena->size;
    } else {
        Py_CLEAR(arena);
    }
    running = false;
    return &result;
}
