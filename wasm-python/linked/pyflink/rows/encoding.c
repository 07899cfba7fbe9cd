/* What a program made of a block's rows, as Flink's rows: the same bytes that PyFlink's coders write. */
#include "blocks.h"

#include <float.h>
#include <math.h>

/* Bytes of a result with which nothing about its length overflows; longer ones are the interpreter's. */
#define MOST_RESULT ((size_t)64 << 20)
void rows_find_outputs(row_block *block) {
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

static inline Py_ssize_t size_of_timestamp(int64_t micros, Py_ssize_t width) {
    int64_t millis;
    uint32_t nanos;
    return rows_split_timestamp(micros, &millis, &nanos) ? width : -1;
}

/* Bytes of a value that is not NULL; -1: it does not fit. */
static inline Py_ssize_t size_of(block_output *output, const rows_field *field, int i) {
    switch (output->kind) {
    case 'i': return fits_int(((const int64_t *)output->values)[i], field->width) ? field->width : -1;
    case 'f': return fits_float(((const double *)output->values)[i], field->width) ? field->width : -1;
    case 'b': return 1;
    case 'd':
    case 'c': return 4;
    case 't': return size_of_timestamp(((const int64_t *)output->values)[i], field->width);
    case 'D':
        output->text_size = rows_write_decimal(((const vv_decimal *)output->values)[i], (int)field->scale, output->text);
        return (Py_ssize_t)output->text_size + 4;
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

static inline uint8_t *put_timestamp(uint8_t *at, Py_ssize_t width, int64_t micros) {
    int64_t millis;
    uint32_t nanos;
    rows_split_timestamp(micros, &millis, &nanos);
    rows_to_big_endian(at, 8, (uint64_t)millis);
    if (width == 12) rows_to_big_endian(at + 8, 4, nanos);
    return at + width;
}

static inline uint8_t *put_value(uint8_t *at, const block_output *output, const rows_field *field, int i) {
    switch (output->kind) {
    case 'i': put_int(at, field->width, (uint64_t)((const int64_t *)output->values)[i]); return at + field->width;
    case 'f': put_int(at, field->width, bits_of(((const double *)output->values)[i], field->width)); return at + field->width;
    case 'b': *at = ((const uint8_t *)output->values)[i]; return at + 1;
    case 'd': rows_to_big_endian(at, 4, (uint64_t)((const int64_t *)output->values)[i]); return at + 4;
    case 'c': rows_to_big_endian(at, 4, (uint64_t)(((const int64_t *)output->values)[i] / 1000)); return at + 4;
    case 't': return put_timestamp(at, field->width, ((const int64_t *)output->values)[i]);
    default: break;
    }
    vv_text text = output->kind == 'D' ? (vv_text){output->text, (uint32_t)output->text_size} : ((const vv_text *)output->values)[i];
    rows_to_big_endian(at, 4, text.size);
    vv_put(at + 4, text.at, text.size);
    return at + 4 + text.size;
}

int rows_write_result(const row_block *block, int i, rows_output *out) {
    const Py_ssize_t count = block->n_outputs;
    block_output *outputs = block->outputs;
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

/* ---- Compared: for tests ---- */

static bool same_value(const rows_field *field, const uint8_t *one, const uint8_t *other, size_t size) {
    if (memcmp(one, other, size) == 0) return true;
    return field->kind == ROWS_FLOAT && isnan(rows_float_of(one, field->width)) && isnan(rows_float_of(other, field->width));
}

bool rows_same_result(const row_block *block, const uint8_t *one, const uint8_t *other, size_t length) {
    const uint8_t *start = one, *mask;
    if (!rows_skip_length(&one, one + length)) return false;
    size_t head = (size_t)(one - start) + rows_mask_size(block->n_outputs);
    if (memcmp(start, other, head) != 0) return false;
    mask = one;
    one = start + head, other += head;
    for (Py_ssize_t k = 0; k < block->n_outputs; k++) {
        if (rows_mask_bit(mask, k)) continue;
        const rows_field *field = &block->to[k];
        const bool has_length = field->kind == ROWS_TEXT || field->kind == ROWS_BYTES || field->kind == ROWS_DECIMAL;
        size_t size = has_length ? 4 + (size_t)rows_big_endian(one, 4) : (size_t)field->width;
        if (!same_value(field, one, other, size)) return false;
        one += size, other += size;
    }
    return true;
}
