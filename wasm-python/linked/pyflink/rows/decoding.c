/* Rows of a message into a block's columns. A row that cannot be read, for whatever reason, is the interpreter's, which says what is wrong
 * with it. */
#include "blocks.h"

/* Bytes of text that a block may hold: with longer texts, blocks have fewer rows. */
#define MOST_TEXT ((size_t)128 << 10)

static const uint8_t *take(const uint8_t **at, const uint8_t *end, size_t size) {
    const uint8_t *taken = *at;
    if ((size_t)(end - taken) < size) return NULL;
    *at = taken + size;
    return taken;
}

bool rows_skip_length(const uint8_t **at, const uint8_t *end) {
    for (int digits = 0; digits < 10 && *at < end; digits++)
        if (!(*(*at)++ & 0x80)) return true;
    return false;
}

static inline int64_t int_of(const uint8_t *at, Py_ssize_t width) {
    switch (width) {
    case 1: return (int8_t)*at;
    case 2: return (int16_t)rows_big_endian(at, 2);
    case 4: return (int32_t)rows_big_endian(at, 4);
    default: return (int64_t)rows_big_endian(at, 8);
    }
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

static bool read_decimal(const rows_field *field, const uint8_t **at, const uint8_t *end, vv_decimal *value) {
    const uint8_t *length = take(at, end, 4);
    if (length == NULL) return false;
    int32_t size = (int32_t)rows_big_endian(length, 4);
    const uint8_t *text = size < 0 ? NULL : take(at, end, (size_t)size);
    return text != NULL && rows_read_decimal(field, text, (size_t)size, value);
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
        column->values.floats[i] = rows_float_of(value, field->width);
        return true;
    case ROWS_BOOL:
        if ((value = take(at, end, 1)) == NULL) return false;
        vv_set_bit(column->values.bits, i, *value != 0);
        return true;
    case ROWS_TEXT:
    case ROWS_BYTES: return read_text(block, column, i, at, end);
    case ROWS_DATE:
    case ROWS_TIME:
        if ((value = take(at, end, 4)) == NULL) return false;
        column->values.narrow[i] = (int32_t)rows_big_endian(value, 4);
        return true;
    case ROWS_TIMESTAMP:
        value = take(at, end, (size_t)field->width);
        return value != NULL && rows_join_timestamp(value, field->width, &column->values.ints[i]);
    case ROWS_DECIMAL: return read_decimal(field, at, end, &column->values.decimals[i]);
    default: return false;
    }
}

static void read_null(row_block *block, Py_ssize_t k, int i) {
    block_column *column = &block->columns[k];
    column->nulls = true;
    vv_set_bit(column->validity, i, false);
    switch (block->from[k].kind) {
    case ROWS_BOOL: vv_set_bit(column->values.bits, i, false); break;
    case ROWS_TEXT:
    case ROWS_BYTES: column->values.offsets[i + 1] = column->values.offsets[i]; break;
    case ROWS_DATE:
    case ROWS_TIME: column->values.narrow[i] = 0; break;
    case ROWS_DECIMAL: column->values.decimals[i] = 0; break;
    default: column->values.ints[i] = 0;
    }
}

/* Whether the whole row could be read; if not, it is the interpreter's, which says what is wrong with it. */
static bool read_row(row_block *block, int i, const uint8_t **at, const uint8_t *end) {
    const Py_ssize_t count = block->n_columns;
    if (!rows_skip_length(at, end)) return false;
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

void rows_read_block(row_block *block) {
    const uint8_t *at = block->loop->in->at, *end = block->loop->in->end;
    const int most = vv_columns_block(block->function, block->program);
    block->rows = 0;
    block->text_size = 0;
    block->starts[0] = at;
    for (Py_ssize_t k = 0; k < block->n_columns; k++) {
        block->columns[k].nulls = false;
        block->columns[k].values.offsets[0] = 0;
        memset(block->columns[k].validity, 0xFF, sizeof block->columns[k].validity);
    }
    while (block->rows < most && at < end && read_row(block, block->rows, &at, end)) block->starts[++block->rows] = at;
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
