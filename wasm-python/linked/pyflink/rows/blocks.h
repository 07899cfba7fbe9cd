/* A block of a message's rows as columns. blocks.c takes a message through it, decoding.c fills columns, encoding.c writes results. */
#ifndef FLINK_BLOCKS_H
#define FLINK_BLOCKS_H

#include "columns.h"
#include "rows.h"

typedef struct {
    bool nulls;
    uint8_t validity[VV_BLOCK / 8];
    union {
        int64_t ints[VV_BLOCK];
        int32_t narrow[VV_BLOCK];
        vv_decimal decimals[VV_BLOCK];
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
    uint8_t text[ROWS_DECIMAL_TEXT]; /* of a Decimal that is about to be written */
    size_t text_size;
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

/* ---- decoding.c ---- */

/* The bytes of a number of 4 or 8, as they are sent. */
static inline double rows_float_of(const uint8_t *at, Py_ssize_t width) {
    double value;
    float narrow;
    uint64_t bits = width == 4 ? 0 : rows_big_endian(at, 8);
    uint32_t narrow_bits = width == 4 ? (uint32_t)rows_big_endian(at, 4) : 0;
    memcpy(&value, &bits, 8);
    memcpy(&narrow, &narrow_bits, 4);
    return width == 4 ? (double)narrow : value;
}

/* Goes beyond a row's length, which nothing relies on; false where it does not end. */
bool rows_skip_length(const uint8_t **at, const uint8_t *end);
/* Reads rows that come next, as many as fit: none when the first one cannot be read. */
void rows_read_block(row_block *block);

/* ---- encoding.c ---- */

/* Looks up what the program made of a block. */
void rows_find_outputs(row_block *block);
/* Writes a row with its length in front: 1; 0 when a value does not fit, and then nothing is written. */
int rows_write_result(const row_block *block, int i, rows_output *out);
/* Whether two rows of one size, with their lengths, are the same to the last bit, apart from the payloads of NaNs. */
bool rows_same_result(const row_block *block, const uint8_t *one, const uint8_t *other, size_t length);

#endif
