/* Runs a program over a batch: kernels block by block, then the rows of the block in order, of which those that failed are the
 * interpreter's. So errors, policies and messages are made by the interpreter, in row order, as without a program. */
#include "columns.h"

#include "calls.h"

/* A function that changes what it depends on is not lifted over and over. */
#define MOST_LIFTS 3
/* Batches of fewer rows are not worth a program's ops. */
#define FEWEST_ROWS 16
/* A program is judged by so many rows: when more than a third of them failed it is not used again. */
#define ROWS_TO_JUDGE 8192
/* And by each block, as what kernels do for rows that fail is lost: one of which more than seven eighths failed is lost. The first block,
 * and the one behind a lost one, is small; behind one that is lost the interpreter has the next rows, behind the second in a row four times
 * as many, and so on. After so many in a row the program is not used again. */
#define ROWS_TO_TRY 64
#define ROWS_TO_REST 256
#define MOST_LOST 4
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
    bool taken; /* by vv_columns_begin */
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

static void give_room_back(void) {
    if (scratch.capacity <= KEPT_ROOM) return;
    PyMem_RawFree(scratch.room);
    scratch.room = NULL;
    scratch.capacity = 0;
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
        static const char kinds[] = "bwtdn";
        static const size_t widths[] = {1, 8, sizeof(vv_text), sizeof(vv_decimal), 4};
        const char *kind = strchr(kinds, program->kinds[i]);
        scratch.places[i] = at;
        if (kind != NULL) at += (widths[kind - kinds] * VV_BLOCK + 63) / 64 * 64;
    }
    memset(scratch.ascii, 0, (size_t)program->n_slots);
    return true;
}

/* How many bytes of text and the like the rows have. */
static size_t text_bytes(const vv_column *column, int64_t first, int rows) {
    size_t bytes = 0;
    switch (column->type->kind) {
    case VV_STRING:
    case VV_BINARY: return (size_t)(((const int32_t *)column->values)[first + rows] - ((const int32_t *)column->values)[first]);
    case VV_LARGE_STRING:
    case VV_LARGE_BINARY: return (size_t)(((const int64_t *)column->values)[first + rows] - ((const int64_t *)column->values)[first]);
    case VV_STRUCT:
        for (Py_ssize_t i = 0; i < column->type->n_children; i++) bytes += text_bytes(&column->children[i], first, rows);
        return bytes;
    default: return 0;
    }
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

/* Fails what no path of the program gave a value or None for. */
static void fail_unknown(const vv_output *output, int rows) {
    const uint8_t *value = output->value_mask < 0 ? NULL : scratch.places[output->value_mask];
    const uint8_t *null = output->null_mask < 0 ? NULL : scratch.places[output->null_mask];
    if (output->null_mask == -2 || (output->kind != 0 && value == NULL)) return;
    for (int i = 0; i < rows; i++) scratch.fail[i] |= !((value != NULL && value[i]) || (null != NULL && null[i]));
}

/* Runs the kernels. */
static void run_block(const vv_function *function, const vv_program *program, int64_t first, int rows) {
    int turns = MOST_TURNS;
    vv_block block = {rows, first, scratch.fail, program, function->columns, scratch.places, scratch.ascii, &turns};
    size_t bytes = 0;
    for (Py_ssize_t i = 0; i < function->n_arguments; i++) bytes += text_bytes(&function->columns[i], first, rows);
    make_room(((size_t)32 << 10) + 8 * bytes);
    mark_rows_without_call(function, first, rows);
    vv_program_run(&block, 0, (int)program->n_ops);
    const vv_output only = {program->kind, program->value, program->value_mask, program->null_mask};
    for (Py_ssize_t k = 0; k < program->n_outputs; k++) fail_unknown(&program->outputs[k], rows);
    if (program->n_outputs == 0) fail_unknown(&only, rows);
}

static inline bool is_none(const vv_program *program, int i) {
    if (program->null_mask < 0) return program->null_mask == -2;
    return ((const uint8_t *)scratch.places[program->null_mask])[i];
}

static bool any(const uint8_t *marks, int rows) {
    uint8_t some = 0;
    VV_VECTOR for (int i = 0; i < rows; i++) some |= marks[i];
    return some != 0;
}

/* ---- Both, compared: for tests ---- */

static Py_ssize_t failed_rows(const vv_function *function) {
    return function->error_rows == NULL ? 0 : PyList_GET_SIZE(function->error_rows);
}

/* The interpreter computes every row; what the kernels gave must be the same. */
static int shadow(vv_function *function, const vv_program *program, vv_caller *caller, int64_t first, int i, int64_t *row) {
    Py_ssize_t errors = failed_rows(function);
    const vv_builder *builder = &function->builder;
    const bool none = scratch.without_call[i] || is_none(program, i);
    const bool ours = (scratch.without_call[i] || !scratch.fail[i]) && (none || vv_fits(builder, program, scratch.places, i));
    int status = vv_compute_row(function, caller, first + i, row);
    bool same = status == 0 && failed_rows(function) == errors;
    if (same && ours) {
        bool null = builder->null_count > 0 && !vv_bit(builder->validity.data, builder->length - 1);
        same = none ? null : !null && vv_same_result(builder, program, scratch.places, i);
    }
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
        vv_store(builder, program, scratch.places, 0, rows)) {
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
        } else if (!failed && vv_store(builder, program, scratch.places, i, 1)) {
            function->rows_as_columns++;
            continue;
        } else {
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

enum verdict { GO_ON, REST, GIVE_UP };

static enum verdict judge_block(vv_program *program, int rows, int failed) {
    if (rows < FEWEST_ROWS) return GO_ON;
    program->proven = failed * 8 <= rows * 7;
    program->lost = program->proven ? 0 : program->lost + 1;
    return program->proven ? GO_ON : program->lost < MOST_LOST ? REST : GIVE_UP;
}

static enum verdict judge(vv_program *program, int rows, int failed) {
    program->computed += rows;
    program->failed += failed;
    if (program->computed >= ROWS_TO_JUDGE) {
        const bool often = program->failed * 3 > program->computed;
        program->computed = program->failed = 0;
        if (often) return GIVE_UP;
    }
    return judge_block(program, rows, failed);
}

bool vv_columns_pay(vv_function *function, vv_program *program, int rows, int failed) {
    if (function->columns_mode != MODE_LAZY) return true;
    const enum verdict verdict = judge(program, rows, failed);
    if (verdict == REST) function->rows_before_lifting = (int64_t)ROWS_TO_REST << (2 * (program->lost - 1));
    if (verdict == GIVE_UP) forget_program(function, true);
    return verdict == GO_ON;
}

int vv_columns_block(const vv_function *function, const vv_program *program) {
    return program->proven || function->columns_mode != MODE_LAZY ? VV_BLOCK : ROWS_TO_TRY;
}

static int64_t run_rows(vv_function *function, vv_caller *caller, int64_t first, int64_t rows, int *status, int64_t *row) {
    vv_program *program = (vv_program *)Py_NewRef(function->program);
    bool go_on = vv_columns_hold(function, program);
    while (go_on && first < rows && *status == 0) {
        const int most = vv_columns_block(function, program);
        const int count = rows - first < most ? (int)(rows - first) : most;
        const int64_t interpreted = function->rows_interpreted;
        run_block(function, program, first, count);
        *status = end_block(function, program, caller, first, count, &first, row);
        if (*status == 0) go_on = vv_columns_pay(function, program, count, (int)(function->rows_interpreted - interpreted));
        if (*status <= 0) continue;
        forget_program(function, false);
        go_on = false;
        *status = 0;
    }
    Py_DECREF(program);
    give_room_back();
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
    if (scratch.taken || function->lifter == NULL || function->lifter == Py_None || (lazy && rows - first < FEWEST_ROWS)) return first;
    if (lazy && function->rows_before_lifting > 0) return first;
    if (function->program == NULL) lift(function);
    if (function->program == NULL || !make_slots((vv_program *)function->program)) return first;
    return run_rows(function, caller, first, rows, status, row);
}

int64_t vv_columns_wait(const vv_function *function) {
    if (function->lifter == NULL || function->lifter == Py_None) return INT64_MAX;
    if (function->rows_before_lifting > 0) return function->rows_before_lifting;
    return function->program != NULL ? INT64_MAX : 1;
}

/* ---- Rows that come another way ---- */

vv_program *vv_columns_begin(vv_function *function, int64_t rows) {
    const bool lazy = function->columns_mode == MODE_LAZY;
    if (scratch.taken || function->lifter == NULL || function->lifter == Py_None || (lazy && rows < FEWEST_ROWS)) return NULL;
    if (lazy && function->rows_before_lifting > 0) return NULL;
    if (function->program == NULL) lift(function);
    vv_program *program = (vv_program *)function->program;
    if (program == NULL || !vv_columns_hold(function, program) || !make_slots(program)) return NULL;
    scratch.taken = true;
    return (vv_program *)Py_NewRef(program);
}

const uint8_t *vv_columns_run(const vv_function *function, const vv_program *program, int rows) {
    run_block(function, program, 0, rows);
    return scratch.fail;
}

const void *vv_columns_slot(int16_t slot) { return scratch.places[slot]; }

bool vv_columns_hold(vv_function *function, const vv_program *program) {
    if (vv_program_holds(program)) return true;
    if (function->program == (const PyObject *)program) forget_program(function, false);
    return false;
}

void vv_columns_end(vv_program *program) {
    scratch.taken = false;
    give_room_back();
    Py_DECREF(program);
}

bool vv_columns_are_shadowed(const vv_function *function) { return function->columns_mode == MODE_SHADOW; }
