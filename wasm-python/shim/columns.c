/* Runs a program over a batch: kernels block by block, then the rows of the block in order, of which those that failed are the
 * interpreter's. So errors, policies and messages are made by the interpreter, in row order, as without a program. */
#include "columns.h"

#include <float.h>
#include <math.h>

#include "calls.h"

/* A function that changes what it depends on is not lifted over and over. */
#define MOST_LIFTS 3
/* Batches of fewer rows are not worth a program's ops. */
#define FEWEST_ROWS 16
/* A program is judged by so many rows: when more than a third of them failed it is not used again. */
#define ROWS_TO_JUDGE 8192
#define KEPT_ROOM ((size_t)256 << 10)
#define MOST_ROOM ((size_t)16 << 20)
/* Turns of loops that one block may take, before what is left of it is the interpreter's. */
#define MOST_TURNS 100000

enum { MODE_LAZY, MODE_FORCED, MODE_SHADOW };

/* One set for all programs: they do not run within each other. */
static struct {
    uint8_t *slots;
    size_t slots_size;
    void **places;
    uint8_t *ascii;
    Py_ssize_t n_places;
    uint8_t *room;
    size_t capacity, used;
    uint8_t fail[VV_BLOCK], without_call[VV_BLOCK];
} scratch;

uint8_t *vv_room(size_t size) {
    if (scratch.room == NULL || size > scratch.capacity - scratch.used) return NULL;
    uint8_t *start = scratch.room + scratch.used;
    scratch.used += size;
    return start;
}

void vv_room_used(const uint8_t *end) { scratch.used = (size_t)(end - scratch.room); }

static void make_room(size_t wanted) {
    if (wanted > MOST_ROOM) wanted = MOST_ROOM;
    scratch.used = 0;
    if (wanted <= scratch.capacity) return;
    PyMem_RawFree(scratch.room);
    scratch.room = PyMem_RawMalloc(wanted);
    scratch.capacity = scratch.room == NULL ? 0 : wanted;
}

/* Slots for the program; false when there is no memory. */
static bool make_slots(const vv_program *program) {
    if (program->slots_size > scratch.slots_size || scratch.slots == NULL) {
        PyMem_RawFree(scratch.slots);
        scratch.slots = PyMem_RawCalloc(program->slots_size + 64, 1);
        scratch.slots_size = scratch.slots == NULL ? 0 : program->slots_size;
        if (scratch.slots == NULL) return false;
    }
    if (program->n_slots > scratch.n_places || scratch.places == NULL) {
        PyMem_RawFree(scratch.places);
        PyMem_RawFree(scratch.ascii);
        scratch.places = PyMem_RawCalloc((size_t)program->n_slots + 1, sizeof *scratch.places);
        scratch.ascii = PyMem_RawCalloc((size_t)program->n_slots + 1, 1);
        scratch.n_places = scratch.places == NULL || scratch.ascii == NULL ? 0 : program->n_slots;
        if (scratch.places == NULL || scratch.ascii == NULL) return false;
    }
    uint8_t *at = (uint8_t *)(((uintptr_t)scratch.slots + 63) & ~(uintptr_t)63);
    for (Py_ssize_t i = 0; i < program->n_slots; i++) {
        static const char kinds[] = "bwtn";
        static const size_t widths[] = {1, 8, sizeof(vv_text), 4};
        const char *kind = strchr(kinds, program->kinds[i]);
        scratch.places[i] = at;
        if (kind != NULL) at += (widths[kind - kinds] * VV_BLOCK + 63) / 64 * 64;
    }
    memset(scratch.ascii, 0, (size_t)program->n_slots);
    return true;
}

static size_t text_bytes(const vv_function *function, int64_t first, int rows) {
    size_t bytes = 0;
    for (Py_ssize_t i = 0; i < function->n_arguments; i++) {
        const vv_column *column = &function->columns[i];
        if (column->type->kind == VV_STRING)
            bytes += (size_t)(((const int32_t *)column->values)[first + rows] - ((const int32_t *)column->values)[first]);
        else if (column->type->kind == VV_LARGE_STRING)
            bytes += (size_t)(((const int64_t *)column->values)[first + rows] - ((const int64_t *)column->values)[first]);
    }
    return bytes;
}

/* The rows that a NULL keeps from being called are nobody's to compute: they count as failed for the kernels. */
static void mark_rows_without_call(const vv_function *function, int64_t first, int rows) {
    memset(scratch.without_call, 0, (size_t)rows);
    for (Py_ssize_t k = 0; k < function->n_arguments; k++) {
        const vv_column *column = &function->columns[k];
        if (column->validity == NULL || column->type->nullable) continue;
        for (int i = 0; i < rows; i++) scratch.without_call[i] |= !vv_bit(column->validity, first + i);
    }
    memcpy(scratch.fail, scratch.without_call, (size_t)rows);
}

/* Runs the kernels, and fails what no path of the program gave a result for. */
static void run_block(const vv_function *function, const vv_program *program, int64_t first, int rows) {
    int turns = MOST_TURNS;
    vv_block block = {rows, first, scratch.fail, program, function->columns, scratch.places, scratch.ascii, &turns};
    make_room(((size_t)16 << 10) + 8 * text_bytes(function, first, rows));
    mark_rows_without_call(function, first, rows);
    vv_program_run(&block, 0, (int)program->n_ops);
    const uint8_t *value = program->value_mask < 0 ? NULL : scratch.places[program->value_mask];
    const uint8_t *null = program->null_mask < 0 ? NULL : scratch.places[program->null_mask];
    if (program->null_mask == -2 || (program->kind != 0 && value == NULL)) return;
    for (int i = 0; i < rows; i++) scratch.fail[i] |= !((value != NULL && value[i]) || (null != NULL && null[i]));
}

static inline bool is_none(const vv_program *program, int i) {
    if (program->null_mask < 0) return program->null_mask == -2;
    return ((const uint8_t *)scratch.places[program->null_mask])[i];
}

/* ---- Results ---- */

/* Each value of a slot as the builder's C type; `fits` says whether it can be. All of them, or none: then false. */
#define STORE(ctype, T, fits)                                                \
    do {                                                                     \
        const T *restrict from = (const T *)slot + start;                    \
        ctype *restrict to = (ctype *)builder->values.data + builder->length; \
        int all = 1;                                                         \
        VV_VECTOR for (int i = 0; i < rows; i++) {                           \
            const T value = from[i];                                         \
            all &= (fits);                                                   \
            to[i] = (ctype)value;                                            \
        }                                                                    \
        if (!all) return false;                                              \
        builder->length += rows;                                             \
        return true;                                                         \
    } while (0)

static bool store_texts(vv_builder *builder, const vv_text *texts, int rows) {
    const bool large = builder->type->kind == VV_LARGE_STRING;
    uint64_t size = 0;
    for (int i = 0; i < rows; i++) size += texts[i].size;
    if (size > INT32_MAX || (!large && size > (size_t)INT32_MAX - builder->data.size) || vv_buffer_reserve(&builder->data, (size_t)size) < 0) {
        PyErr_Clear();
        return false;
    }
    uint8_t *start = builder->data.data, *end = start + builder->data.size;
    for (int i = 0; i < rows; i++) {
        vv_put(end, texts[i].at, texts[i].size);
        end += texts[i].size;
        builder->length++;
        if (large) ((int64_t *)builder->values.data)[builder->length] = end - start;
        else ((int32_t *)builder->values.data)[builder->length] = (int32_t)(end - start);
    }
    builder->data.size = (size_t)(end - start);
    return true;
}

/* Appends the results of so many rows of the block; false, and nothing is appended, when one does not fit the result's type. */
static bool store(vv_builder *builder, const vv_program *program, int start, int rows) {
    const void *slot = scratch.places[program->value];
    if (builder->capacity - builder->length < rows) return false;
    switch (builder->type->kind) {
    case VV_INT8: STORE(int8_t, int64_t, value == (int8_t)value);
    case VV_INT16: STORE(int16_t, int64_t, value == (int16_t)value);
    case VV_INT32: STORE(int32_t, int64_t, value == (int32_t)value);
    case VV_INT64: STORE(int64_t, int64_t, true);
    case VV_UINT8: STORE(uint8_t, int64_t, value == (uint8_t)value);
    case VV_UINT16: STORE(uint16_t, int64_t, value == (uint16_t)value);
    case VV_UINT32: STORE(uint32_t, int64_t, value == (uint32_t)value);
    case VV_UINT64: STORE(uint64_t, int64_t, value >= 0);
    case VV_FLOAT32: STORE(float, double, !(fabsf((float)value) > FLT_MAX) | (fabs(value) > DBL_MAX));
    case VV_FLOAT64: STORE(double, double, true);
    case VV_BOOL:
        for (int i = 0; i < rows; i++) vv_set_bit(builder->values.data, builder->length++, ((const uint8_t *)slot)[start + i]);
        return true;
    case VV_STRING:
    case VV_LARGE_STRING: return store_texts(builder, (const vv_text *)slot + start, rows);
    default: return false;
    }
}

static bool any(const uint8_t *marks, int rows) {
    uint8_t some = 0;
    VV_VECTOR for (int i = 0; i < rows; i++) some |= marks[i];
    return some != 0;
}

/* ---- Both, compared: for tests ---- */

static bool same_bits(const vv_type *type, const uint8_t *one, const uint8_t *values, int64_t row) {
    if (type->kind == VV_BOOL) return vv_bit(one, 0) == vv_bit(values, row);
    const uint8_t *other = values + row * type->width;
    if (memcmp(one, other, (size_t)type->width) == 0) return true;
    double numbers[2] = {0, 0};
    float narrow[2] = {0, 0};
    if (type->kind == VV_FLOAT64) {
        memcpy(&numbers[0], one, 8);
        memcpy(&numbers[1], other, 8);
    } else if (type->kind == VV_FLOAT32) {
        memcpy(&narrow[0], one, 4);
        memcpy(&narrow[1], other, 4);
    }
    return (isnan(numbers[0]) && isnan(numbers[1])) || (isnan(narrow[0]) && isnan(narrow[1]));
}

/* The result of one row of the block as the builder would store it, at most eight bytes: whether there is one that fits. */
static bool stored_alone(const vv_program *program, const vv_type *type, int i, void *stored) {
    if (type->kind == VV_STRING || type->kind == VV_LARGE_STRING) return true;
    vv_builder one = {.type = type, .capacity = 1, .values = {stored, 8, 8}};
    return store(&one, program, i, 1);
}

static bool same_text(const vv_builder *builder, vv_text text, int64_t row) {
    const bool large = builder->type->kind == VV_LARGE_STRING;
    int64_t start = large ? ((int64_t *)builder->values.data)[row] : ((int32_t *)builder->values.data)[row];
    return builder->data.size - (size_t)start == text.size && memcmp(builder->data.data + start, text.at, text.size) == 0;
}

static bool same_result(const vv_builder *builder, const vv_program *program, int i, const void *stored) {
    const vv_type *type = builder->type;
    int64_t row = builder->length - 1;
    bool null = builder->null_count > 0 && !vv_bit(builder->validity.data, row);
    if (scratch.without_call[i] || is_none(program, i)) return null;
    if (null) return false;
    if (type->kind == VV_STRING || type->kind == VV_LARGE_STRING)
        return same_text(builder, ((const vv_text *)scratch.places[program->value])[i], row);
    return same_bits(type, stored, builder->values.data, row);
}

static Py_ssize_t failed_rows(const vv_function *function) {
    return function->error_rows == NULL ? 0 : PyList_GET_SIZE(function->error_rows);
}

/* The interpreter computes every row; what the kernels gave must be the same. */
static int shadow(vv_function *function, const vv_program *program, vv_caller *caller, int64_t first, int i, int64_t *row) {
    Py_ssize_t errors = failed_rows(function);
    void *stored = PyMem_Malloc(8);
    const bool none = scratch.without_call[i] || is_none(program, i);
    const bool ours = stored != NULL && (scratch.without_call[i] || !scratch.fail[i]) &&
                      (none || stored_alone(program, function->builder.type, i, stored));
    int status = vv_compute_row(function, caller, first + i, row);
    bool same = status == 0 && failed_rows(function) == errors && (!ours || same_result(&function->builder, program, i, stored));
    PyMem_Free(stored);
    if (!ours || same) return status;
    PyObject *error = PyErr_GetRaisedException();
    *row = first + i;
    PyErr_Format(PyExc_SystemError, "%U as columns differs from the interpreter", function->name);
    Py_XDECREF(error);
    return -1;
}

/* ---- A batch ---- */

static int end_block(vv_function *function, vv_program *program, vv_caller *caller, int64_t first, int rows, int64_t *done, int64_t *row) {
    vv_builder *builder = &function->builder;
    if (function->columns_mode != MODE_SHADOW && program->kind != 0 && program->null_mask == -1 && !any(scratch.fail, rows) &&
        store(builder, program, 0, rows)) {
        function->rows_as_columns += rows;
        *done = first + rows;
        return 0;
    }
    for (int i = 0; i < rows; i++) {
        *done = first + i + 1;
        bool failed = scratch.fail[i] && !scratch.without_call[i];
        if (function->columns_mode == MODE_SHADOW) {
            function->rows_as_columns += !failed;
            function->rows_interpreted += failed;
            VV_TRY(shadow(function, program, caller, first, i, row));
        } else if (scratch.without_call[i] || (!failed && is_none(program, i))) {
            VV_TRY(vv_append_null(builder));
            function->rows_as_columns++;
            continue;
        } else if (!failed && store(builder, program, i, 1)) {
            function->rows_as_columns++;
            continue;
        } else {
            program->failed++;
            function->rows_interpreted++;
            VV_TRY(vv_compute_row(function, caller, first + i, row));
        }
        if (!vv_program_holds(program)) return 1;
    }
    return 0;
}

static void forget_program(vv_function *function, bool for_good) {
    if (function->program != NULL) function->programs_dropped++;
    Py_CLEAR(function->program);
    function->rows_before_lifting = function->rows_to_wait;
    if (for_good || ++function->lifts >= MOST_LIFTS) Py_CLEAR(function->lifter);
}

static bool fails_too_often(vv_program *program, int rows) {
    program->computed += rows;
    if (program->computed < ROWS_TO_JUDGE) return false;
    bool often = program->failed * 3 > program->computed;
    program->computed = program->failed = 0;
    return often;
}

static int64_t run_rows(vv_function *function, vv_caller *caller, int64_t first, int64_t rows, int *status, int64_t *row) {
    vv_program *program = (vv_program *)Py_NewRef(function->program);
    bool holds = vv_program_holds(program), often = false;
    if (!holds) forget_program(function, false);
    while (holds && !often && first < rows && *status == 0) {
        int count = rows - first < VV_BLOCK ? (int)(rows - first) : VV_BLOCK;
        run_block(function, program, first, count);
        *status = end_block(function, program, caller, first, count, &first, row);
        often = function->columns_mode == MODE_LAZY && fails_too_often(program, count);
        if (*status <= 0 && !often) continue;
        holds = *status == 0;
        *status = *status < 0 ? -1 : 0;
        forget_program(function, often);
    }
    Py_DECREF(program);
    if (scratch.capacity > KEPT_ROOM) {
        PyMem_RawFree(scratch.room);
        scratch.room = NULL;
        scratch.capacity = 0;
    }
    return first;
}

/* Asks vivarium._lift for a program. Whatever goes wrong there, the function is as good as it was. */
static void lift(vv_function *function) {
    PyThreadState *thread = PyThreadState_Get();
    if (thread->c_tracefunc != NULL || thread->c_profilefunc != NULL) {
        forget_program(function, true);
        return;
    }
    PyObject *program = PyObject_CallNoArgs(function->lifter);
    if (program == NULL || !PyObject_TypeCheck(program, &vv_program_type)) {
        PyErr_Clear();
        Py_XDECREF(program);
        forget_program(function, true);
        return;
    }
    Py_XSETREF(function->program, program);
}

int64_t vv_columns_next(vv_function *function, vv_caller *caller, int64_t first, int64_t rows, int *status, int64_t *row) {
    const bool lazy = function->columns_mode == MODE_LAZY;
    if (function->lifter == NULL || function->lifter == Py_None || (lazy && rows - first < FEWEST_ROWS)) return first;
    if (function->program == NULL && (function->rows_before_lifting <= 0 || !lazy)) lift(function);
    if (function->program == NULL || !make_slots((vv_program *)function->program)) return first;
    return run_rows(function, caller, first, rows, status, row);
}

int64_t vv_columns_wait(vv_function *function, int64_t first, int64_t rows) {
    if (function->lifter == NULL || function->lifter == Py_None || function->program != NULL) return rows;
    int64_t waiting = function->rows_before_lifting > 0 ? function->rows_before_lifting : 1;
    return rows - first > waiting ? first + waiting : rows;
}
