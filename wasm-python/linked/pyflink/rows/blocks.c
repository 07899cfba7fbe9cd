/* Rows of a message as columns: a block of them is decoded, computed by the program that an operator's functions were lifted to, and
 * written. What the program leaves, and what cannot be decoded, goes through the stage as always, in its place in the order of rows:
 * all values, errors and side effects are those of the interpreter. ../../../../docs/columns.md says the rest. */
#include "blocks.h"

#include "calendar.h"

/* More rows than this need not be counted. */
#define MANY_ROWS 64

/* Rows that are left in the message, by their lengths. */
static int count_rows(const rows_input *in) {
    const uint8_t *at = in->at;
    int rows = 0;
    while (rows < MANY_ROWS && at < in->end) {
        const uint8_t *start = at;
        uint64_t length = 0;
        if (!rows_skip_length(&at, in->end)) break;
        for (const uint8_t *digit = at; digit-- > start;) length = length << 7 | (*digit & 0x7f);
        if (length > (size_t)(in->end - at)) break;
        at += length;
        rows++;
    }
    return rows;
}

/* ---- Both, compared: for tests ---- */

/* The interpreter computes the row; what the program gave, if it did, must be the same. */
static int shadow(row_block *block, int i, bool given) {
    rows_output *out = block->loop->out, *compared = block->compared;
    size_t start = out->size;
    compared->size = 0;
    int ours = given ? rows_write_result(block, i, compared) : 0;
    if (ours < 0) return -1;
    int status = rows_next(block->loop);
    if (ours == 0) return status;
    bool same = status == 0 && compared->size == out->size - start;
    if (same && rows_same_result(block, compared->data, out->data + start, compared->size)) return 0;
    PyObject *error = PyErr_GetRaisedException();
    PyErr_Format(PyExc_SystemError, "%U as columns differs from the interpreter", block->function->name);
    Py_XDECREF(error);
    return -1;
}

/* ---- A message ---- */

/* Writes the block's rows. *go_on: whether the program is to be used for those behind. */
static int write_block(row_block *block, bool *go_on) {
    const uint8_t *failed = vv_columns_run(block->function, block->program, block->rows);
    rows_input *in = block->loop->in;
    int interpreted = 0;
    rows_find_outputs(block);
    for (int i = 0; i < block->rows; i++) {
        bool given = !failed[i];
        if (block->compared == NULL && given) {
            int written = rows_write_result(block, i, block->loop->out);
            if (written < 0) return -1;
            block->function->rows_as_columns += written;
            block->loop->row += written;
            in->at = block->starts[i + 1];
            if (written) continue;
            given = false;
        }
        in->at = block->starts[i];
        ROWS_TRY(block->compared != NULL ? shadow(block, i, given) : rows_next(block->loop));
        block->function->rows_as_columns += given;
        block->function->rows_interpreted += !given;
        interpreted += !given;
        *go_on = vv_columns_hold(block->function, block->program);
        if (!*go_on) return 0;
    }
    *go_on = vv_columns_pay(block->function, block->program, block->rows, interpreted);
    return 0;
}

static void free_block(row_block *block) {
    if (block == NULL) return;
    for (Py_ssize_t k = 0; block->columns != NULL && k < block->n_columns; k++) PyMem_Free(block->columns[k].text);
    PyMem_Free(block->columns);
    PyMem_Free(block->outputs);
    Py_XDECREF(block->compared);
    PyMem_Free(block);
}

static row_block *new_block(rows_loop *loop, vv_function *function, vv_program *program) {
    row_block *block = PyMem_Calloc(1, sizeof *block);
    if (block == NULL) return NULL;
    block->loop = loop;
    block->function = function;
    block->program = program;
    block->from = loop->from->children;
    block->to = loop->to->children;
    block->n_columns = loop->from->n_children;
    block->n_outputs = loop->to->n_children;
    block->columns = PyMem_Calloc((size_t)block->n_columns + 1, sizeof *block->columns);
    block->outputs = PyMem_Calloc((size_t)block->n_outputs + 1, sizeof *block->outputs);
    if (vv_columns_are_shadowed(function)) block->compared = (rows_output *)PyObject_CallNoArgs((PyObject *)&rows_output_type);
    if (block->columns != NULL && block->outputs != NULL && !PyErr_Occurred()) return block;
    PyErr_Clear();
    free_block(block);
    return NULL;
}

static bool makes(const vv_program *program, const rows_field *to) {
    static const char kinds[] = {[ROWS_INT] = 'i',   [ROWS_BOOL] = 'b', [ROWS_FLOAT] = 'f', [ROWS_TEXT] = 's',      [ROWS_BYTES] = 'y',
                                 [ROWS_DATE] = 'd', [ROWS_TIME] = 'c', [ROWS_TIMESTAMP] = 't', [ROWS_DECIMAL] = 'D'};
    bool right = program->n_outputs == to->n_children;
    for (Py_ssize_t k = 0; right && k < to->n_children; k++)
        right = program->outputs[k].kind == 0 || program->outputs[k].kind == kinds[to->children[k].kind];
    return right;
}

static bool is_column(const rows_field *field) {
    const Py_ssize_t width = field->width;
    switch (field->kind) {
    case ROWS_INT: return width == 1 || width == 2 || width == 4 || width == 8;
    case ROWS_TIMESTAMP: return width == 8 || width == 12;
    default: return field->kind != ROWS_OTHER;
    }
}

static bool has_columns(const rows_field *row) {
    bool right = rows_is_list(row);
    for (Py_ssize_t k = 0; right && k < row->n_children; k++) right = is_column(&row->children[k]);
    return right;
}

/* Whether the type is that of a block's column. */
static bool is_type_of(const vv_type *type, const rows_field *field) {
    static const vv_kind kinds[] = {[ROWS_INT] = VV_INT64,   [ROWS_BOOL] = VV_BOOL,         [ROWS_FLOAT] = VV_FLOAT64,
                                    [ROWS_TEXT] = VV_STRING, [ROWS_BYTES] = VV_BINARY,      [ROWS_DATE] = VV_DATE32,
                                    [ROWS_TIME] = VV_TIME32, [ROWS_TIMESTAMP] = VV_TIMESTAMP, [ROWS_DECIMAL] = VV_DECIMAL128};
    if (type->kind != kinds[field->kind] || !type->nullable) return false;
    if (field->kind == ROWS_TIME) return type->units_per_second == 1000;
    if (field->kind == ROWS_TIMESTAMP) return type->units_per_second == VV_MICROS_PER_SECOND;
    return field->kind != ROWS_DECIMAL || type->scale == field->scale;
}

bool rows_suit(const vv_function *function, const rows_field *from, const rows_field *to) {
    bool right = has_columns(from) && has_columns(to) && function->n_arguments == from->n_children;
    for (Py_ssize_t k = 0; right && k < from->n_children; k++) right = is_type_of(&function->arguments[k], &from->children[k]);
    return right;
}

int rows_as_columns(rows_loop *loop, vv_function *function, int64_t *wait) {
    vv_program *program = vv_columns_begin(function, count_rows(loop->in));
    if (program == NULL) {
        *wait = vv_columns_wait(function);
        return 0;
    }
    row_block *block = makes(program, loop->to) ? new_block(loop, function, program) : NULL;
    bool go_on = block != NULL;
    int status = 0;
    *wait = INT64_MAX;
    while (go_on && status == 0 && loop->in->at < loop->in->end) {
        rows_read_block(block);
        *wait = 1;
        if (block->rows == 0) break;
        status = write_block(block, &go_on);
        if (!go_on) *wait = vv_columns_wait(function);
    }
    free_block(block);
    vv_columns_end(program);
    return status;
}
