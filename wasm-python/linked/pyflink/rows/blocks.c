/* Rows of a message as columns: a block of them is decoded, computed by the program that an operator's functions were lifted to, and
 * written. What the program leaves, and what cannot be decoded, goes through the stage as always, in its place in the order of rows:
 * all values, errors and side effects are those of the interpreter. ../../../../docs/columns.md says the rest. */
#include "rows.h"

#include <float.h>
#include <math.h>

#include "columns.h"

/* Bytes of text that a block may hold: with longer texts, blocks have fewer rows. */
#define MOST_TEXT ((size_t)128 << 10)
/* Bytes of a result with which nothing about its length overflows; longer ones are the interpreter's. */
#define MOST_RESULT ((size_t)64 << 20)
/* More rows than this need not be counted. */
#define MANY_ROWS 64

typedef struct {
    bool nulls;
    uint8_t validity[VV_BLOCK / 8];
    union {
        int64_t ints[VV_BLOCK];
        double floats[VV_BLOCK];
        uint8_t bits[VV_BLOCK / 8];
        int32_t offsets[VV_BLOCK + 1];
    } values; /* of NULL: zero */
    uint8_t *text;
    size_t capacity;
} block_column;

typedef struct {
    char kind; /* of vv_output */
    bool all_null;
    const uint8_t *nulls; /* NULL: there are none */
    const void *values;
} block_output;

typedef struct {
    rows_loop *loop;
    vv_function *function;
    vv_program *program;
    const rows_field *from, *to; /* children of the loop's */
    Py_ssize_t n_columns, n_outputs;
    block_column *columns;
    block_output *outputs;
    rows_output *compared; /* in shadow mode: a row as the program makes it; else NULL */
    int rows;
    size_t text_size;
    const uint8_t *starts[VV_BLOCK + 1]; /* of rows in the message, and where the last one ends */
} row_block;

/* ---- Reading ---- */

static const uint8_t *take(const uint8_t **at, const uint8_t *end, size_t size) {
    const uint8_t *taken = *at;
    if ((size_t)(end - taken) < size) return NULL;
    *at = taken + size;
    return taken;
}

/* A row's length, which nothing relies on. */
static bool skip_length(const uint8_t **at, const uint8_t *end) {
    for (int digits = 0; digits < 10 && *at < end; digits++)
        if (!(*(*at)++ & 0x80)) return true;
    return false;
}

/* Rows that are left in the message, by their lengths. */
static int count_rows(const rows_input *in) {
    const uint8_t *at = in->at;
    int rows = 0;
    while (rows < MANY_ROWS && at < in->end) {
        const uint8_t *start = at;
        uint64_t length = 0;
        if (!skip_length(&at, in->end)) break;
        for (const uint8_t *digit = at; digit-- > start;) length = length << 7 | (*digit & 0x7f);
        if (length > (size_t)(in->end - at)) break;
        at += length;
        rows++;
    }
    return rows;
}

static inline int64_t int_of(const uint8_t *at, Py_ssize_t width) {
    switch (width) {
    case 1: return (int8_t)*at;
    case 2: return (int16_t)rows_big_endian(at, 2);
    case 4: return (int32_t)rows_big_endian(at, 4);
    default: return (int64_t)rows_big_endian(at, 8);
    }
}

static inline double float_of(const uint8_t *at, Py_ssize_t width) {
    double value;
    float narrow;
    uint64_t bits = width == 4 ? 0 : rows_big_endian(at, 8);
    uint32_t narrow_bits = width == 4 ? (uint32_t)rows_big_endian(at, 4) : 0;
    memcpy(&value, &bits, 8);
    memcpy(&narrow, &narrow_bits, 4);
    return width == 4 ? (double)narrow : value;
}

/* Copies a text behind the column's others. */
static bool read_text(row_block *block, block_column *column, int i, const uint8_t **at, const uint8_t *end) {
    const uint8_t *length = take(at, end, 4);
    if (length == NULL) return false;
    int32_t size = (int32_t)rows_big_endian(length, 4);
    const uint8_t *text = size < 0 ? NULL : take(at, end, (size_t)size);
    if (text == NULL || block->text_size + (size_t)size > MOST_TEXT) return false;
    int32_t start = column->values.offsets[i];
    if ((size_t)(start + size) > column->capacity) {
        size_t capacity = 2 * column->capacity + (size_t)size + 1024;
        uint8_t *larger = PyMem_Realloc(column->text, capacity);
        if (larger == NULL) return false;
        column->text = larger;
        column->capacity = capacity;
    }
    vv_put(column->text + start, text, (uint32_t)size);
    column->values.offsets[i + 1] = start + size;
    block->text_size += (size_t)size;
    return true;
}

static bool read_value(row_block *block, Py_ssize_t k, int i, const uint8_t **at, const uint8_t *end) {
    const rows_field *field = &block->from[k];
    block_column *column = &block->columns[k];
    const uint8_t *value;
    switch (field->kind) {
    case ROWS_INT:
        if ((value = take(at, end, (size_t)field->width)) == NULL) return false;
        column->values.ints[i] = int_of(value, field->width);
        return true;
    case ROWS_FLOAT:
        if ((value = take(at, end, (size_t)field->width)) == NULL) return false;
        column->values.floats[i] = float_of(value, field->width);
        return true;
    case ROWS_BOOL:
        if ((value = take(at, end, 1)) == NULL) return false;
        vv_set_bit(column->values.bits, i, *value != 0);
        return true;
    case ROWS_TEXT: return read_text(block, column, i, at, end);
    default: return false;
    }
}

static void read_null(row_block *block, Py_ssize_t k, int i) {
    block_column *column = &block->columns[k];
    column->nulls = true;
    vv_set_bit(column->validity, i, false);
    switch (block->from[k].kind) {
    case ROWS_BOOL: vv_set_bit(column->values.bits, i, false); break;
    case ROWS_TEXT: column->values.offsets[i + 1] = column->values.offsets[i]; break;
    default: column->values.ints[i] = 0;
    }
}

/* Whether the whole row could be read; if not, it is the interpreter's, which says what is wrong with it. */
static bool read_row(row_block *block, int i, const uint8_t **at, const uint8_t *end) {
    const Py_ssize_t count = block->n_columns;
    if (!skip_length(at, end)) return false;
    const uint8_t *mask = take(at, end, rows_mask_size(count));
    if (mask == NULL) return false;
    for (Py_ssize_t k = 0; k < count; k++) {
        if (rows_mask_bit(mask, k)) read_null(block, k, i);
        else if (!read_value(block, k, i, at, end)) return false;
    }
    return true;
}

static bool follows(const uint8_t *at, uint8_t least, uint8_t most) { return *at >= least && *at <= most; }

/* Whether str takes the bytes for UTF-8: no surrogates, nothing longer than it need be. */
static bool is_text(const uint8_t *at, const uint8_t *end) {
    while (at < end) {
        uint8_t first = *at++;
        if (first < 0x80) continue;
        Py_ssize_t more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
        if (first < 0xC2 || first > 0xF4 || end - at < more) return false;
        uint8_t least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80, most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (!follows(at, least, most)) return false;
        for (Py_ssize_t i = 1; i < more; i++)
            if (!follows(at + i, 0x80, 0xBF)) return false;
        at += more;
    }
    return true;
}

/* The first row whose text is none; so many rows, when there is no such. */
static int texts_that_are_some(const block_column *column, int rows) {
    const int32_t *offsets = column->values.offsets;
    uint8_t high = 0;
    VV_VECTOR for (int32_t i = 0; i < offsets[rows]; i++) high |= column->text[i];
    for (int i = 0; high >= 0x80 && i < rows; i++)
        if (!is_text(column->text + offsets[i], column->text + offsets[i + 1])) return i;
    return rows;
}

/* Reads rows that come next, as many as fit: none when the first one cannot be read. */
static void read_block(row_block *block) {
    const uint8_t *at = block->loop->in->at, *end = block->loop->in->end;
    block->rows = 0;
    block->text_size = 0;
    block->starts[0] = at;
    for (Py_ssize_t k = 0; k < block->n_columns; k++) {
        block->columns[k].nulls = false;
        block->columns[k].values.offsets[0] = 0;
        memset(block->columns[k].validity, 0xFF, sizeof block->columns[k].validity);
    }
    while (block->rows < VV_BLOCK && at < end && read_row(block, block->rows, &at, end)) block->starts[++block->rows] = at;
    for (Py_ssize_t k = 0; k < block->n_columns; k++)
        if (block->from[k].kind == ROWS_TEXT) block->rows = texts_that_are_some(&block->columns[k], block->rows);
    for (Py_ssize_t k = 0; k < block->n_columns; k++) {
        vv_column *column = &block->function->columns[k];
        column->length = block->rows;
        column->validity = block->columns[k].nulls ? block->columns[k].validity : NULL;
        column->values = &block->columns[k].values;
        column->data = block->columns[k].text;
    }
}

/* ---- Writing ---- */

static void find_outputs(row_block *block) {
    for (Py_ssize_t k = 0; k < block->n_outputs; k++) {
        const vv_output *output = &block->program->outputs[k];
        block->outputs[k] = (block_output){
            .kind = output->kind,
            .all_null = output->kind == 0 || output->null_mask == -2,
            .nulls = output->null_mask < 0 ? NULL : vv_columns_slot(output->null_mask),
            .values = output->value < 0 ? NULL : vv_columns_slot(output->value),
        };
    }
}

static inline bool is_null(const block_output *output, int i) { return output->all_null || (output->nulls != NULL && output->nulls[i]); }

static inline bool fits_int(int64_t value, Py_ssize_t width) {
    switch (width) {
    case 1: return value == (int8_t)value;
    case 2: return value == (int16_t)value;
    case 4: return value == (int32_t)value;
    default: return true;
    }
}

static inline bool fits_float(double value, Py_ssize_t width) {
    return width == 8 || !(fabsf((float)value) > FLT_MAX) || fabs(value) > DBL_MAX;
}

/* Bytes of a value that is not NULL; -1: it does not fit. */
static inline Py_ssize_t size_of(const block_output *output, const rows_field *field, int i) {
    switch (output->kind) {
    case 'i': return fits_int(((const int64_t *)output->values)[i], field->width) ? field->width : -1;
    case 'f': return fits_float(((const double *)output->values)[i], field->width) ? field->width : -1;
    case 'b': return 1;
    default: return (Py_ssize_t)((const vv_text *)output->values)[i].size + 4;
    }
}

static inline void put_int(uint8_t *at, Py_ssize_t width, uint64_t value) {
    switch (width) {
    case 1: *at = (uint8_t)value; break;
    case 2: rows_to_big_endian(at, 2, value); break;
    case 4: rows_to_big_endian(at, 4, value); break;
    default: rows_to_big_endian(at, 8, value);
    }
}

static inline uint64_t bits_of(double value, Py_ssize_t width) {
    float narrow = (float)value;
    uint32_t narrow_bits;
    uint64_t bits;
    memcpy(&narrow_bits, &narrow, 4);
    memcpy(&bits, &value, 8);
    return width == 4 ? narrow_bits : bits;
}

static inline uint8_t *put_value(uint8_t *at, const block_output *output, const rows_field *field, int i) {
    switch (output->kind) {
    case 'i': put_int(at, field->width, (uint64_t)((const int64_t *)output->values)[i]); return at + field->width;
    case 'f': put_int(at, field->width, bits_of(((const double *)output->values)[i], field->width)); return at + field->width;
    case 'b': *at = ((const uint8_t *)output->values)[i]; return at + 1;
    default: break;
    }
    vv_text text = ((const vv_text *)output->values)[i];
    rows_to_big_endian(at, 4, text.size);
    vv_put(at + 4, text.at, text.size);
    return at + 4 + text.size;
}

/* Writes a row with its length in front: 1; 0 when a value does not fit, and then nothing is written. */
static int write_row(const row_block *block, int i, rows_output *out) {
    const Py_ssize_t count = block->n_outputs;
    const block_output *outputs = block->outputs;
    size_t mask_size = rows_mask_size(count), size = mask_size, digits = 1;
    for (Py_ssize_t k = 0; k < count; k++) {
        if (is_null(&outputs[k], i)) continue;
        Py_ssize_t more = size_of(&outputs[k], &block->to[k], i);
        if (more < 0 || size > MOST_RESULT) return 0;
        size += (size_t)more;
    }
    while (size >> 7 * digits > 0) digits++;
    bool room = out->capacity - out->size >= digits + size;
    uint8_t *at = room ? out->data + out->size : rows_put(out, digits + size), *mask;
    if (at == NULL) return -1;
    out->size = (size_t)(at - out->data) + digits + size;
    for (size_t rest = size; rest > 0x7f; rest >>= 7) *at++ = (uint8_t)(rest | 0x80);
    *at++ = (uint8_t)(size >> 7 * (digits - 1));
    for (mask = at; at < mask + mask_size; at++) *at = 0;
    for (Py_ssize_t k = 0; k < count; k++) {
        if (is_null(&outputs[k], i)) rows_set_mask_bit(mask, k);
        else at = put_value(at, &outputs[k], &block->to[k], i);
    }
    return 1;
}

/* ---- Both, compared: for tests ---- */

static bool same_value(const rows_field *field, const uint8_t *one, const uint8_t *other, size_t size) {
    if (memcmp(one, other, size) == 0) return true;
    return field->kind == ROWS_FLOAT && isnan(float_of(one, field->width)) && isnan(float_of(other, field->width));
}

/* Whether two rows of one size, with their lengths, are the same to the last bit, apart from the payloads of NaNs. */
static bool same_row(const row_block *block, const uint8_t *one, const uint8_t *other, size_t length) {
    const uint8_t *start = one, *mask;
    if (!skip_length(&one, one + length)) return false;
    size_t head = (size_t)(one - start) + rows_mask_size(block->n_outputs);
    if (memcmp(start, other, head) != 0) return false;
    mask = one;
    one = start + head, other += head;
    for (Py_ssize_t k = 0; k < block->n_outputs; k++) {
        if (rows_mask_bit(mask, k)) continue;
        const rows_field *field = &block->to[k];
        size_t size = field->kind == ROWS_TEXT ? 4 + (size_t)rows_big_endian(one, 4) : (size_t)field->width;
        if (!same_value(field, one, other, size)) return false;
        one += size, other += size;
    }
    return true;
}

/* The interpreter computes the row; what the program gave, if it did, must be the same. */
static int shadow(row_block *block, int i, bool given) {
    rows_output *out = block->loop->out, *compared = block->compared;
    size_t start = out->size;
    compared->size = 0;
    int ours = given ? write_row(block, i, compared) : 0;
    if (ours < 0) return -1;
    int status = rows_next(block->loop);
    if (ours == 0) return status;
    bool same = status == 0 && compared->size == out->size - start;
    if (same && same_row(block, compared->data, out->data + start, compared->size)) return 0;
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
    find_outputs(block);
    for (int i = 0; i < block->rows; i++) {
        bool given = !failed[i];
        if (block->compared == NULL && given) {
            int written = write_row(block, i, block->loop->out);
            if (written < 0) return -1;
            block->function->rows_as_columns += written;
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
    static const char kinds[] = {[ROWS_INT] = 'i', [ROWS_BOOL] = 'b', [ROWS_FLOAT] = 'f', [ROWS_TEXT] = 's'};
    bool right = program->n_outputs == to->n_children;
    for (Py_ssize_t k = 0; right && k < to->n_children; k++)
        right = program->outputs[k].kind == 0 || program->outputs[k].kind == kinds[to->children[k].kind];
    return right;
}

static bool has_columns(const rows_field *row) {
    bool right = rows_is_list(row);
    for (Py_ssize_t k = 0; right && k < row->n_children; k++) {
        const rows_field *field = &row->children[k];
        bool whole = field->width == 1 || field->width == 2 || field->width == 4 || field->width == 8;
        rows_kind kind = field->kind;
        right = kind == ROWS_INT ? whole : kind != ROWS_OTHER;
    }
    return right;
}

bool rows_suit(const vv_function *function, const rows_field *from, const rows_field *to) {
    static const vv_kind kinds[] = {[ROWS_INT] = VV_INT64, [ROWS_BOOL] = VV_BOOL, [ROWS_FLOAT] = VV_FLOAT64, [ROWS_TEXT] = VV_STRING};
    bool right = has_columns(from) && has_columns(to) && function->n_arguments == from->n_children;
    for (Py_ssize_t k = 0; right && k < from->n_children; k++)
        right = function->arguments[k].kind == kinds[from->children[k].kind] && function->arguments[k].nullable;
    return right;
}

/* How many rows are the interpreter's, when there is no program now. */
static int64_t rows_to_wait(const vv_function *function) {
    bool some_day = function->lifter != NULL && function->lifter != Py_None && function->program == NULL;
    return !some_day ? INT64_MAX : function->rows_before_lifting > 0 ? function->rows_before_lifting : 1;
}

int rows_as_columns(rows_loop *loop, vv_function *function, int64_t *wait) {
    vv_program *program = vv_columns_begin(function, count_rows(loop->in));
    if (program == NULL) {
        *wait = rows_to_wait(function);
        return 0;
    }
    row_block *block = makes(program, loop->to) ? new_block(loop, function, program) : NULL;
    bool go_on = block != NULL;
    int status = 0;
    *wait = INT64_MAX;
    while (go_on && status == 0 && loop->in->at < loop->in->end) {
        read_block(block);
        *wait = 1;
        if (block->rows == 0) break;
        status = write_block(block, &go_on);
        if (!go_on) *wait = rows_to_wait(function);
    }
    free_block(block);
    vv_columns_end(program);
    return status;
}
