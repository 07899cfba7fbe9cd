/* The guest's C shim: Arrow arrays in linear memory -> Python objects -> a call -> Arrow arrays.
 *
 *   exports.c       the functions of ../ABI.md, called by the host
 *   interpreter.c   vv_init: starts CPython, once, for the snapshot
 *   settle.c        the end of vv_init: a heap that instances rarely write to
 *   types.c         a vv_type: the compiled plan of one Arrow type
 *   read.c          a vv_column: values of an Arrow array -> Python objects
 *   write.c         a vv_builder: Python objects -> an Arrow array; scalars.c: booleans, numbers, text, bytes
 *   temporal.c, decimal.c, nested.c   both directions of those types
 *   function.c      a vv_function: a callable bound to argument types and a result type
 *   calls.h         one call of a function with the values of a row
 *   rows.c          calls a function once a row
 *   columns.c       computes such a function's rows as columns (columns.h); program.c: what it was lifted to; kernels/: the work;
 *                   results.c: what comes of it
 *   calendar.h      days as dates
 *   arrays.c        columns as NumPy arrays
 *   vectors.c       calls a function once a batch, with numpy arrays (VV_NUMPY: images with numpy)
 *   strings.c       strings as numpy's StringDType
 *   capsules.c      columns out of Python, by the Arrow PyCapsule interface
 *   imports.c       columns of other libraries' into Python, by the same interface
 *   seed.c          seeds numpy's global generator
 *   tables.c        calls a function once a row and collects the rows it returns
 *   frames.c        calls one once a batch, with what vectors.c makes, and collects the rows it returns
 *   awaited.c       calls an async function once a row and awaits the calls of a batch together
 *   groups.c        accumulators by group, and their methods as functions of a row
 *   arena.c         the memory a batch arrives in
 *   host.c          asks the plug-in that runs the guest
 *   errors.c        a raised exception -> the JSON of ABI.md
 *   module.c        `_vivarium`, what the Python half (../python/vivarium) sees of all this
 *
 * Conventions. A function that can fail returns 0, or -1 with a Python exception set (pointers: NULL). Everything runs
 * under the interpreter's lock on one thread. What a struct holds is freed by its *_clear function, which may be called on
 * a zeroed or half-filled struct. The host's arrays are trusted here (the host wrote them); what user code returns is not.
 */
#ifndef VIVARIUM_H
#define VIVARIUM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "older_python.h"

#define VV_ABI_VERSION 2

/* Passes a failure on to the caller. */
#define VV_TRY(expression)               \
    do {                                 \
        if ((expression) < 0) return -1; \
    } while (0)

/* ---- The Arrow C Data Interface (https://arrow.apache.org/docs/format/CDataInterface.html) ---- */

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

/* Of ArrowSchema.flags. */
#define VV_ARROW_NULLABLE 2

static inline bool vv_bit(const uint8_t *bits, int64_t i) { return bits[i >> 3] >> (i & 7) & 1; }

static inline void vv_set_bit(uint8_t *bits, int64_t i, bool value) {
    uint8_t mask = (uint8_t)(1u << (i & 7));
    bits[i >> 3] = (uint8_t)(value ? bits[i >> 3] | mask : bits[i >> 3] & ~mask);
}

/* ---- types.c ---- */

typedef struct vv_type vv_type;
typedef struct vv_column vv_column;
typedef struct vv_builder vv_builder;

typedef enum {
    VV_NULL,
    VV_BOOL,
    VV_INT8,
    VV_INT16,
    VV_INT32,
    VV_INT64,
    VV_UINT8,
    VV_UINT16,
    VV_UINT32,
    VV_UINT64,
    VV_FLOAT16,
    VV_FLOAT32,
    VV_FLOAT64,
    VV_STRING,
    VV_LARGE_STRING,
    VV_BINARY,
    VV_LARGE_BINARY,
    VV_FIXED_BINARY,
    VV_DATE32,
    VV_DATE64,
    VV_TIME32,
    VV_TIME64,
    VV_TIMESTAMP,
    VV_DURATION,
    VV_INTERVAL,
    VV_DECIMAL128,
    VV_DECIMAL256,
    VV_LIST,
    VV_LARGE_LIST,
    VV_FIXED_LIST,
    VV_STRUCT,
    VV_MAP,
} vv_kind;

/* Makes the Python object of a value that is not NULL: a new reference. */
typedef PyObject *(*vv_reader)(const vv_column *column, int64_t row);
/* Writes the value into an object that this column's reader made and that nobody else has; false when it cannot. */
typedef bool (*vv_renewer)(const vv_column *column, int64_t row, PyObject *object);
/* Appends a value that is not None. On failure the builder's own length is unchanged (its children may have grown). */
typedef int (*vv_writer)(vv_builder *builder, PyObject *value);

struct vv_type {
    vv_kind kind;
    int32_t width;            /* bytes of one value in the values buffer; 0 when values have no fixed width */
    int32_t list_size;        /* of a fixed-size list */
    int32_t precision, scale; /* of a decimal */
    int64_t units_per_second; /* of times, timestamps and durations */
    PyObject *zone;           /* of a timestamp: a tzinfo, or NULL for one without time zone */
    PyObject *constructor;    /* of a struct: called with the fields in order; NULL for a dict. Of another type: called with the value, whose
                               * place is taken by what it makes (an Enum's member, a tuple instead of a list); or NULL */
    PyObject *optional;       /* of a struct: frozenset of the fields that a dict may leave out; NULL when it may leave out none */
    PyObject *name;           /* field name: str */
    PyObject *path;           /* where in an argument or result this type stands, for messages: "result.items[]" */
    PyObject *spelling;       /* as the type is written in declarations: "decimal128(38, 10)" */
    bool nullable;
    vv_reader read;
    vv_reader read_plain; /* what vv_read_made gives to the constructor */
    vv_renewer renew; /* NULL: objects are not used again */
    vv_writer write;
    Py_ssize_t n_children;
    vv_type *children;
};

/* Compiles a plan: the tuple (format, name, nullable, spelling, extra, (child plan, ...)), where format is the format string
 * of the Arrow C Data Interface and extra a timestamp's tzinfo, a struct's constructor, or None. */
int vv_type_compile(vv_type *type, PyObject *plan, const char *path);
void vv_type_clear(vv_type *type);
int vv_type_traverse(const vv_type *type, visitproc visit, void *arg);
/* In a tp_traverse function. */
#define VV_VISIT_TYPE(type)                                 \
    do {                                                    \
        int visited = vv_type_traverse((type), visit, arg); \
        if (visited != 0) return visited;                   \
    } while (0)

/* ---- read.c ---- */

struct vv_column {
    const vv_type *type;
    const uint8_t *validity; /* bit set: value present; NULL when all are */
    const void *values;      /* fixed-width values, or offsets when the type has a variable size */
    const uint8_t *data;     /* the bytes that offsets point into */
    int64_t length;
    vv_column *children;
};

int vv_column_prepare(vv_column *column, const vv_type *type);
void vv_column_clear(vv_column *column);
/* Lets a prepared column read this array, which must be of its type. */
int vv_column_point(vv_column *column, const struct ArrowArray *array);

static inline bool vv_is_null(const vv_column *column, int64_t row) {
    return column->validity != NULL && !vv_bit(column->validity, row);
}

/* Whether this row's value of an argument keeps the function from being called. */
static inline bool vv_prevents_call(const vv_column *column, int64_t row) {
    return vv_is_null(column, row) && !column->type->nullable;
}

/* The value as a new reference, None when it is NULL. */
static inline PyObject *vv_read(const vv_column *column, int64_t row) {
    if (vv_is_null(column, row)) Py_RETURN_NONE;
    return column->type->read(column, row);
}

/* An int of one digit becomes another one. Those that the interpreter has once for all are not made this way. Before CPython 3.12,
 * ints are laid out in another way, and this one is read anew. */
#if PY_VERSION_HEX >= 0x030C0000
static inline bool vv_renew_int(PyObject *object, int64_t value) {
    PyLongObject *number = (PyLongObject *)object;
    bool shared = value >= -5 && value <= 256;
    if (shared || value > (int64_t)PyLong_MASK || value < -(int64_t)PyLong_MASK || !PyUnstable_Long_IsCompact(number)) return false;
    number->long_value.lv_tag = (uintptr_t)1 << _PyLong_NON_SIZE_BITS | (value < 0 ? 2 : 0);
    number->long_value.ob_digit[0] = (digit)(value < 0 ? -value : value);
    return true;
}
#else
static inline bool vv_renew_int(PyObject *object, int64_t value) {
    (void)object, (void)value;
    return false;
}
#endif

/* Import what their types need; called when `_vivarium` is. */
int vv_temporal_prepare(void);
int vv_decimal_prepare(void);

vv_reader vv_reader_of(const vv_type *type);
PyObject *vv_read_made(const vv_column *column, int64_t row);
vv_renewer vv_renewer_of(const vv_type *type);
vv_reader vv_temporal_reader_of(const vv_type *type);
vv_reader vv_decimal_reader_of(const vv_type *type);
vv_reader vv_nested_reader_of(const vv_type *type);

/* ---- write.c ---- */

typedef struct {
    uint8_t *data;
    size_t size, capacity; /* bytes */
} vv_buffer;

struct vv_builder {
    const vv_type *type;
    int64_t length, null_count;
    int64_t capacity;   /* values there is room for in `validity` and `values` */
    vv_buffer validity; /* meaningful only while null_count > 0: then a set bit beyond `length` is normal */
    vv_buffer values;   /* fixed-width values, or offsets */
    vv_buffer data;     /* the bytes that offsets point into */
    vv_builder *children;
    struct ArrowArray array; /* filled by vv_builder_finish */
    const void *buffers[3];
    struct ArrowArray **child_arrays;
};

int vv_builder_prepare(vv_builder *builder, const vv_type *type);
void vv_builder_clear(vv_builder *builder);
/* Empties the builder for a new array, keeping reasonably sized memory, and makes room for `rows` values. */
int vv_builder_start(vv_builder *builder, int64_t rows);
int vv_builder_grow(vv_builder *builder, int64_t rows);
/* Bytes of what was appended, a byte for each validity bit, for a result that must not become too large: the sum of what each
 * value takes, wherever it stands. */
size_t vv_builder_bytes(const vv_builder *builder);
int vv_append_null(vv_builder *builder);
/* Takes values off the end, also off children; repairs children that a failed write left longer. */
void vv_builder_truncate(vv_builder *builder, int64_t length);
/* The array of what was appended. It stays valid until the next vv_builder_start. */
struct ArrowArray *vv_builder_finish(vv_builder *builder);
/* The end of an append that failed: 0 when the value stands for another one, or for NULL, which is appended instead. */
int vv_append_instead(vv_builder *builder, PyObject *value);

/* Makes room for so many more bytes; `data` is not NULL afterwards, even for none. */
int vv_buffer_reserve(vv_buffer *buffer, size_t more);

static inline int vv_append(vv_builder *builder, PyObject *value) {
    if (builder->length == builder->capacity) VV_TRY(vv_builder_grow(builder, 1));
    if (value == Py_None) return vv_append_null(builder);
    return builder->type->write(builder, value) == 0 ? 0 : vv_append_instead(builder, value);
}

vv_writer vv_writer_of(const vv_type *type);
vv_writer vv_temporal_writer_of(const vv_type *type);
vv_writer vv_decimal_writer_of(const vv_type *type);
vv_writer vv_nested_writer_of(const vv_type *type);

/* ---- function.c ---- */

typedef enum { VV_FAIL, VV_MAKE_NULL, VV_SKIP } vv_on_error;

/* How the rows of a batch reach the callable. */
typedef enum {
    VV_ROWS,    /* one call a row, one value a row */
    VV_BATCHES, /* one call a batch, with NumPy arrays */
    VV_TABLE,   /* one call a row, which returns an iterable of rows, or nothing; with `dtypes`, one call a batch (frames.c) */
    VV_VALUES,  /* the same with one column, whose values are not wrapped in rows */
    VV_LENIENT, /* either, and anything else that is returned is one row: PyFlink's rule */
    VV_AWAITED, /* one call a row, which returns an awaitable; those of a batch are awaited together */
} vv_mode;

/* Where a table function is within a batch: its rows may take several results. */
typedef struct {
    PyObject *owner;    /* what keeps the batch alive; NULL when there is none */
    PyObject *iterator; /* of the row that is being computed, or NULL */
    int64_t rows, row;  /* of the batch; the next one, or the one of `iterator` */
    PyObject *columns;  /* of a function that is called once a batch: a tuple of its arguments */
    PyObject *unread;   /* of such a function: the rows that cannot be read (arrays.c), or NULL */
    Py_ssize_t unread_next; /* the first of them that is not done with */
    int64_t *numbers;   /* their rows' numbers in the batch; NULL when they are all of them */
    int64_t computed;   /* how many those are */
    int64_t next, span; /* the first of them that is not done with, and how many are computed in one call */
    int64_t start;      /* where the output of that row, or of that call, begins in the builder */
    size_t start_bytes; /* and how many bytes there are before it */
    int64_t max_rows;   /* of one result */
    size_t max_bytes;
} vv_table;

typedef struct {
    PyObject_HEAD
    PyObject *callable;
    PyObject *name;     /* registered name: str */
    PyObject *dtypes;   /* vectorized: how each argument is made (arrays.c); last the dtype of the result, None: objects,
                         * or (export, dtype): export(result, rows) is the capsule of an ArrowArray, or None */
    vv_mode mode;
    vv_on_error on_error;
    Py_ssize_t hidden;  /* leading arguments that are the runtime's, not the user's: a group's number */
    PyObject *spoil;    /* called with the group of a row that failed under the policy "null"; or NULL */
    PyObject *registry; /* dict of metrics: while it is empty, `measured` has nothing to say; or NULL */
    PyObject **places;  /* calls.h: a free one, and one for each argument */
    PyObject *operations; /* dict: an operation's number -> the Function that is it; or NULL */
    PyObject *measured; /* called without arguments after each call: the metrics that changed, or None; or NULL */
    vv_table table;
    bool more;          /* the result is not the last one of its batch */
    Py_ssize_t n_arguments;
    vv_type *arguments; /* `nullable`: a NULL reaches the function; else it makes the result NULL without a call */
    vv_column *columns;
    vv_type result;
    vv_builder builder;
    PyObject *held;     /* what keeps the last result's memory alive besides the builder */
    PyObject *errors;   /* list of described row errors of this call (the first 100), or NULL */
    PyObject *error_rows; /* list of the rows that failed, or NULL */
    PyObject *lifter;   /* called without arguments: the function as columns (columns.h), or None; NULL or None: there is none */
    PyObject *program;  /* what it gave, or NULL */
    int columns_mode;   /* columns.c: lazy, forced, shadow */
    int lifts;
    int64_t rows_to_wait;        /* that are interpreted before the function is lifted, which takes about as long as half of them do */
    int64_t rows_before_lifting; /* those that are left of them; and of those that a program rests for (columns.c) */
    int64_t rows_as_columns, rows_interpreted; /* of functions that are called once a row */
    int64_t programs_dropped;    /* because what they took for granted changed, or too many rows were the interpreter's */
} vv_function;

extern PyTypeObject vv_function_type;

/* Runs a bound function over a batch; NULL with an exception set, and in *row the row it belongs to or -1. */
struct ArrowArray *vv_function_invoke(vv_function *function, const struct ArrowArray *batch, PyObject *owner, int64_t *row);
/* What an exception of this row means under the function's policy: 0, and the exception is recorded and cleared; or -1. */
int vv_function_row_failed(vv_function *function, int64_t row);
/* Whether the exception being raised ends a call under every policy: exhausted memory and an exit are never a matter of one row, because
 * when they strike depends on what else is in the batch. */
static inline bool vv_ends_the_call(void) {
    return PyErr_ExceptionMatches(PyExc_MemoryError) || !PyErr_ExceptionMatches(PyExc_Exception);
}
/* Lets go of everything that belongs to the last call. */
void vv_function_release(vv_function *function);
/* The function behind an operation: itself for 0. NULL with an exception set when there is none. Borrowed. */
vv_function *vv_function_operation(vv_function *function, uint32_t operation);
/* The next result of the last batch, for a function that has more of it. */
struct ArrowArray *vv_function_resume(vv_function *function, int64_t *row);

/* ---- rows.c, vectors.c, tables.c, frames.c, awaited.c ---- */

/* Makes NumPy's C interface available; -1 with an exception set when NumPy cannot be imported. */
int vv_vectors_prepare(void);
int vv_rows_invoke(vv_function *function, int64_t rows, int64_t *row);

/* What the calls of a batch's rows share: calls.h. */
typedef struct {
    PyObject *(*direct)(PyObject *, PyObject *const *, size_t, PyObject *);
    PyObject **arguments;
} vv_caller;

/* Calls the function for a row and appends its result, or what its policy makes of an error. */
int vv_compute_row(vv_function *function, vv_caller *caller, int64_t i, int64_t *row);

/* ---- columns.c ---- */

/* Computes rows as columns, when the function is lifted: the first row that is left, for the interpreter. */
int64_t vv_columns_next(vv_function *function, vv_caller *caller, int64_t first, int64_t rows, int *status, int64_t *row);
/* How many rows the interpreter computes before that is to be tried again. */
int64_t vv_columns_wait(const vv_function *function);

/* arrays.c: the rows of a batch that a function of columns is called with, and what was read of them already. */
typedef struct {
    PyObject *owner;   /* what keeps the batch alive: borrowed */
    int64_t count;     /* how many rows */
    int64_t *rows;     /* their numbers in the batch, ascending; NULL when they are all (PyMem_RawFree) */
    PyObject *index;   /* the same as an array, or None */
    PyObject *objects; /* list: the columns that become arrays of objects, in the order in which the arguments are made of them */
    Py_ssize_t next;   /* the first of them that is not made into an argument yet */
    PyObject *unread;  /* list of (row, exception or None), ascending: rows left out because a value of theirs cannot be read; or NULL */
} vv_selection;
/* Reads what becomes objects. A row that cannot be read is an error under the policy "fail", and otherwise leaves the selection. */
int vv_selection_read(vv_function *function, vv_selection *selection, int64_t *row);
void vv_selection_clear(vv_selection *selection);
/* The argument that a column becomes. */
PyObject *vv_column_array(const vv_column *column, PyObject *how, vv_selection *selection);
/* Records the failure of rows that could not be read, from *next on, as far as they come before a row. */
int vv_unread_failed(vv_function *function, PyObject *unread, Py_ssize_t *next, int64_t before);
/* The number of one of them. */
int64_t vv_unread_row(PyObject *unread, Py_ssize_t at);
/* An array of bytes that looks into memory which its owner keeps; None for NULL. */
PyObject *vv_view_bytes(const void *memory, size_t size, PyObject *owner);
/* Calls a function of vivarium._vectors; arguments as for Py_BuildValue. */
PyObject *vv_vectors_helper(const char *name, const char *format, ...);
struct ArrowArray *vv_vectors_invoke(vv_function *function, int64_t rows, PyObject *owner, int64_t *row);
/* The result is a struct of the row (uint32) that a row belongs to, and of the row. */
int vv_table_begin(vv_function *function, int64_t rows, PyObject *owner);
int vv_table_continue(vv_function *function, int64_t *row);
/* Forgets what is left of a batch. */
void vv_table_end(vv_function *function);
/* Appends one row of the result, for the row table.row of the batch; NULL is a row of NULLs. */
int vv_table_emit(vv_function *function, PyObject *value);
/* Whether the result is large enough to leave. */
bool vv_table_is_full(const vv_function *function);
/* Raises when there is more since table.start than one result may have. */
int vv_table_check_length(const vv_function *function);
/* The same for a function that is called once a batch, with the arguments of vv_vectors_arguments. */
int vv_frames_begin(vv_function *function, int64_t rows, PyObject *owner, int64_t *row);
int vv_frames_continue(vv_function *function, int64_t *row);
/* The tuple of arguments for the rows that neither a NULL nor a value that cannot be read keeps from being computed. The selection, which
 * starts as one of zeroes with an owner, is to be cleared also after a failure. */
PyObject *vv_vectors_arguments(vv_function *function, int64_t rows, vv_selection *selection, int64_t *row);
/* Part of each argument. */
PyObject *vv_vectors_slices(PyObject *arguments, int64_t start, int64_t count);
/* The position that an error about a result is to blame on, when it says one; otherwise -1. Keeps the error. */
int64_t vv_vectors_blamed(int64_t count);
int vv_awaited_invoke(vv_function *function, int64_t rows, int64_t *row);

/* ---- groups.c ---- */

extern PyTypeObject vv_groups_type, vv_group_method_type;

/* ---- arena.c ---- */

extern PyTypeObject vv_arena_type;
typedef struct {
    PyObject_HEAD
    void *allocation;
    uint8_t *memory; /* 64-byte aligned */
    size_t size;
} vv_arena;

vv_arena *vv_arena_new(size_t size);

/* ---- errors.c ---- */

/* Raised for a value Arrow's type cannot hold (kind "result") and for one that Python's cannot ("argument"). */
extern PyObject *vv_result_error, *vv_argument_error;

int vv_errors_init(void);
/* repr(value) cut to a length that fits in a message; "<type>" when it fails, except for what ends the call. */
PyObject *vv_shown(PyObject *value);
/* "result 300 does not fit int8: <reason>", as a vv_result_error; always -1. */
int vv_misfit(const vv_builder *builder, PyObject *value, const char *reason, ...);
/* The same for a value of an argument; always NULL. */
PyObject *vv_unreadable(const vv_column *column, int64_t row, const char *reason, ...);
/* The exception being raised, described as a dict of ABI.md; NULL when even that failed. Clears the exception. */
PyObject *vv_error_describe(PyObject *name, int64_t row);
/* The reply for the exception being raised: bytes, or NULL when memory is exhausted, and then *bare is text in static memory. Clears it. */
PyObject *vv_error_reply(PyObject *name, int64_t row, const char **bare);

/* ---- exports.c ---- */

/* Lets the streams that Python prints to now note it when they are written to; -1 with an exception set when they are none that can. */
int vv_watch_streams(void);

/* ---- module.c ---- */

PyMODINIT_FUNC PyInit__vivarium(void);

/* Methods that live elsewhere: seed.c, siphash.c, capsules.c, strings.c. */
PyObject *vv_seed_mt19937(PyObject *module, PyObject *arguments);
/* Asks the plug-in that runs the guest: bytes in, bytes out. */
PyObject *vv_host(PyObject *module, PyObject *request);
PyObject *vv_siphash13(PyObject *module, PyObject *arguments);
PyObject *vv_export_schema(PyObject *module, PyObject *description);
PyObject *vv_export_array(PyObject *module, PyObject *description);
PyObject *vv_import_schema(PyObject *module, PyObject *capsule);
PyObject *vv_import_array(PyObject *module, PyObject *arguments);
PyObject *vv_objects(PyObject *module, PyObject *arguments);
PyObject *vv_pack_strings(PyObject *module, PyObject *arguments);
PyObject *vv_load_strings(PyObject *module, PyObject *strings);

void vv_settle(void);
/* A handle's function, or NULL with an exception set. Borrowed. */
vv_function *vv_function_of_handle(uint32_t handle);

#endif
