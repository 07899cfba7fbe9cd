/* Columns and constants into slots. Where the layout is the slot's nothing is copied. */
#include "../calendar.h"
#include "../columns.h"

#define LOOK(name, ctype)                                                                   \
    void vv_k_##name(const vv_op *op, vv_block *block) {                                    \
        const ctype *values = vv_column_at(block, op->extra)->values;                             \
        block->slots[op->to] = (void *)(values + block->first);                             \
    }

LOOK(load_int64, int64_t)
LOOK(load_float64, double)

#define WIDEN(name, ctype, wide)                                                            \
    void vv_k_##name(const vv_op *op, vv_block *block) {                                    \
        const ctype *restrict from = (const ctype *)vv_column_at(block, op->extra)->values + block->first; \
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
    const uint64_t *from = (const uint64_t *)vv_column_at(block, op->extra)->values + block->first;
    int64_t *to = block->slots[op->to];
    for VV_ROWS(i) {
        if (from[i] > INT64_MAX) block->fail[i] = 1;
        to[i] = (int64_t)(from[i] & INT64_MAX);
    }
}

void vv_k_load_bool(const vv_op *op, vv_block *block) {
    const uint8_t *bits = vv_column_at(block, op->extra)->values;
    uint8_t *to = block->slots[op->to];
    VV_UNROLL for VV_ROWS(i) to[i] = vv_bit(bits, block->first + i);
}

/* Whether the value is NULL. */
void vv_k_load_null(const vv_op *op, vv_block *block) {
    const uint8_t *bits = vv_column_at(block, op->extra)->validity;
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
        const vv_column *column = vv_column_at(block, op->extra);                               \
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

void vv_k_load_float16(const vv_op *op, vv_block *block) {
    const char *from = (const char *)vv_column_at(block, op->extra)->values + 2 * block->first;
    double *to = block->slots[op->to];
    for VV_ROWS(i) to[i] = PyFloat_Unpack2(from + 2 * i, PY_LITTLE_ENDIAN);
}

void vv_k_load_fixed_bytes(const vv_op *op, vv_block *block) {
    const vv_column *column = vv_column_at(block, op->extra);
    const uint32_t width = (uint32_t)column->type->width;
    const uint8_t *from = width == 0 ? vv_nothing : (const uint8_t *)column->values + (size_t)block->first * width;
    vv_text *to = block->slots[op->to];
    VV_UNROLL for VV_ROWS(i) to[i] = (vv_text){from + (size_t)i * width, width};
}

void vv_k_load_decimal(const vv_op *op, vv_block *block) {
    const uint8_t *from = (const uint8_t *)vv_column_at(block, op->extra)->values + (size_t)block->first * sizeof(vv_decimal);
    memcpy(block->slots[op->to], from, (size_t)block->rows * sizeof(vv_decimal));
}

/* ---- Moments: what the object cannot hold makes an error when it is read ---- */

/* The converted value of each row of a ctype; `wrong` where there is no object. */
#define CONVERT(ctype, converted, wrong)                                                    \
    do {                                                                                    \
        const ctype *restrict from = (const ctype *)column->values + block->first;          \
        uint64_t any = 0;                                                                   \
        VV_VECTOR for VV_ROWS(i) {                                                          \
            const int64_t value = from[i];                                                  \
            any |= (wrong);                                                                 \
            to[i] = (int64_t)(converted);                                                   \
        }                                                                                   \
        if (any == 0) return;                                                               \
        for VV_ROWS(i) {                                                                    \
            const int64_t value = from[i];                                                  \
            if ((wrong) && !vv_is_null(column, block->first + i)) block->fail[i] = 1;       \
        }                                                                                   \
    } while (0)

#define FIRST_MOMENT (VV_FIRST_DAY * VV_MICROS_PER_DAY)
#define LAST_MOMENT (VV_LAST_DAY * VV_MICROS_PER_DAY + VV_MICROS_PER_DAY - 1)

void vv_k_load_date32(const vv_op *op, vv_block *block) {
    const vv_column *column = vv_column_at(block, op->extra);
    int64_t *to = block->slots[op->to];
    CONVERT(int32_t, value, (value < VV_FIRST_DAY) | (value > VV_LAST_DAY));
}

void vv_k_load_date64(const vv_op *op, vv_block *block) {
    const int64_t day = VV_SECONDS_PER_DAY * 1000;
    const vv_column *column = vv_column_at(block, op->extra);
    int64_t *to = block->slots[op->to];
    CONVERT(int64_t, value / day, (value < VV_FIRST_DAY * day) | (value > VV_LAST_DAY * day) | (value % day != 0));
}

/* Units of a column as microseconds between two that there are. */
static void load_micros(const vv_op *op, vv_block *block, int64_t least, int64_t most) {
    const vv_column *column = vv_column_at(block, op->extra);
    const int64_t units = column->type->units_per_second;
    int64_t *to = block->slots[op->to];
    if (units > VV_MICROS_PER_SECOND) {
        const int64_t parts = units / VV_MICROS_PER_SECOND;
        CONVERT(int64_t, value / parts, (value / parts < least) | (value / parts > most) | (value % parts != 0));
        return;
    }
    const int64_t factor = VV_MICROS_PER_SECOND / units, low = least / factor, high = most / factor;
    if (column->type->width == 4) CONVERT(int32_t, (uint64_t)value * (uint64_t)factor, (value < low) | (value > high));
    else CONVERT(int64_t, (uint64_t)value * (uint64_t)factor, (value < low) | (value > high));
}

void vv_k_load_time(const vv_op *op, vv_block *block) { load_micros(op, block, 0, VV_MICROS_PER_DAY - 1); }

/* A timestamp or a duration. */
void vv_k_load_moment(const vv_op *op, vv_block *block) {
    const bool duration = vv_column_at(block, op->extra)->type->kind == VV_DURATION;
    const int64_t most = INT64_MAX - VV_MICROS_PER_SECOND;
    if (duration) load_micros(op, block, -most, most);
    else load_micros(op, block, FIRST_MOMENT, LAST_MOMENT);
}

/* ---- Constants and copies ---- */

void vv_k_set_decimal(const vv_op *op, vv_block *block) {
    vv_decimal *to = block->slots[op->to];
    for VV_ROWS(i) memcpy(&to[i], block->program->data + op->constant, sizeof *to);
}

void vv_k_copy_decimal(const vv_op *op, vv_block *block) {
    memcpy(block->slots[op->to], block->slots[op->a], (size_t)block->rows * sizeof(vv_decimal));
}

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
