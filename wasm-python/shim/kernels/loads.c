/* Columns and constants into slots. Where the layout is the slot's nothing is copied. */
#include "../columns.h"

#define LOOK(name, ctype)                                                                   \
    void vv_k_##name(const vv_op *op, vv_block *block) {                                    \
        const ctype *values = block->columns[op->extra].values;                             \
        block->slots[op->to] = (void *)(values + block->first);                             \
    }

LOOK(load_int64, int64_t)
LOOK(load_float64, double)

#define WIDEN(name, ctype, wide)                                                            \
    void vv_k_##name(const vv_op *op, vv_block *block) {                                    \
        const ctype *restrict from = (const ctype *)block->columns[op->extra].values + block->first; \
        wide *restrict to = block->slots[op->to];                                           \
        VV_VECTOR for VV_ROWS(i) to[i] = (wide)from[i];                                     \
    }

WIDEN(load_int8, int8_t, int64_t)
WIDEN(load_int16, int16_t, int64_t)
WIDEN(load_int32, int32_t, int64_t)
WIDEN(load_uint8, uint8_t, int64_t)
WIDEN(load_uint16, uint16_t, int64_t)
WIDEN(load_uint32, uint32_t, int64_t)
WIDEN(load_float32, float, double)

void vv_k_load_uint64(const vv_op *op, vv_block *block) {
    const uint64_t *from = (const uint64_t *)block->columns[op->extra].values + block->first;
    int64_t *to = block->slots[op->to];
    for VV_ROWS(i) {
        if (from[i] > INT64_MAX) block->fail[i] = 1;
        to[i] = (int64_t)(from[i] & INT64_MAX);
    }
}

void vv_k_load_bool(const vv_op *op, vv_block *block) {
    const uint8_t *bits = block->columns[op->extra].values;
    uint8_t *to = block->slots[op->to];
    VV_UNROLL for VV_ROWS(i) to[i] = vv_bit(bits, block->first + i);
}

/* Whether the value is NULL. */
void vv_k_load_null(const vv_op *op, vv_block *block) {
    const uint8_t *bits = block->columns[op->extra].validity;
    uint8_t *to = block->slots[op->to];
    if (bits == NULL) memset(to, 0, (size_t)block->rows);
    else VV_UNROLL for VV_ROWS(i) to[i] = !vv_bit(bits, block->first + i);
}

static bool all_ascii(const uint8_t *bytes, size_t size) {
    uint8_t high = 0;
    VV_VECTOR for (size_t i = 0; i < size; i++) high |= bytes[i];
    return (high & 0x80) == 0;
}

#define LOAD_TEXT(name, ctype)                                                              \
    void vv_k_##name(const vv_op *op, vv_block *block) {                                    \
        const vv_column *column = &block->columns[op->extra];                               \
        const ctype *offsets = (const ctype *)column->values + block->first;                \
        const uint8_t *data = column->data != NULL ? column->data : vv_nothing;             \
        vv_text *to = block->slots[op->to];                                                 \
        VV_UNROLL for VV_ROWS(i) {                                                          \
            to[i].at = data + offsets[i];                                                   \
            to[i].size = (uint32_t)(offsets[i + 1] - offsets[i]);                           \
        }                                                                                   \
        block->ascii[op->to] = all_ascii(data + offsets[0], (size_t)(offsets[block->rows] - offsets[0])); \
    }

LOAD_TEXT(load_text, int32_t)
LOAD_TEXT(load_large_text, int64_t)

void vv_k_set_number(const vv_op *op, vv_block *block) {
    const uint64_t constant = (uint64_t)op->constant;
    vv_bits *to = block->slots[op->to];
    VV_VECTOR for VV_ROWS(i) to[i] = constant;
}

void vv_k_set_bool(const vv_op *op, vv_block *block) { memset(block->slots[op->to], op->constant != 0, (size_t)block->rows); }

void vv_k_set_text(const vv_op *op, vv_block *block) {
    vv_text *to = block->slots[op->to], constant = vv_constant_text(block, op->constant);
    for VV_ROWS(i) to[i] = constant;
    block->ascii[op->to] = vv_is_ascii(constant);
}

void vv_k_copy_number(const vv_op *op, vv_block *block) { memcpy(block->slots[op->to], block->slots[op->a], (size_t)block->rows * 8); }

void vv_k_copy_bool(const vv_op *op, vv_block *block) { memcpy(block->slots[op->to], block->slots[op->a], (size_t)block->rows); }

void vv_k_copy_text(const vv_op *op, vv_block *block) {
    memcpy(block->slots[op->to], block->slots[op->a], (size_t)block->rows * sizeof(vv_text));
    block->ascii[op->to] = block->ascii[op->a];
}
