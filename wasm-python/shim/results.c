/* The results of a program, from slots into the function's builder; and whether the interpreter's are the same. */
#include "calendar.h"
#include "columns.h"

#include <float.h>
#include <math.h>

/* Each value of a slot as the builder's C type; `fits` says whether it can be. All of them, or none: then false. */
#define STORE(ctype, T, fits, converted)                                     \
    do {                                                                     \
        const T *restrict from = (const T *)slot + start;                    \
        ctype *restrict to = (ctype *)builder->values.data + builder->length; \
        int all = 1;                                                         \
        VV_VECTOR for (int i = 0; i < rows; i++) {                           \
            const T value = from[i];                                         \
            all &= (fits);                                                   \
            to[i] = (ctype)(converted);                                      \
        }                                                                    \
        if (!all) return false;                                              \
        builder->length += rows;                                             \
        return true;                                                         \
    } while (0)

static bool is_large(const vv_builder *builder) {
    return builder->type->kind == VV_LARGE_STRING || builder->type->kind == VV_LARGE_BINARY;
}

static bool is_text(const vv_builder *builder) {
    const vv_kind kind = builder->type->kind;
    return kind == VV_STRING || kind == VV_BINARY || is_large(builder);
}

static bool store_texts(vv_builder *builder, const vv_text *texts, int rows) {
    const bool large = is_large(builder);
    uint64_t size = 0;
    for (int i = 0; i < rows; i++) size += texts[i].size;
    const bool fits = size <= INT32_MAX && (large || size <= (size_t)INT32_MAX - builder->data.size);
    if (!fits || vv_buffer_reserve(&builder->data, (size_t)size) < 0) {
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

/* Durations beyond this are written by other rules: temporal.c. */
#define MOST_DURATION (INT64_C(106751990) * VV_MICROS_PER_DAY)

/* Microseconds in the builder's unit. */
static bool store_moments(vv_builder *builder, const void *slot, int start, int rows) {
    const int64_t units = builder->type->units_per_second;
    for (int i = start; builder->type->kind == VV_DURATION && i < start + rows; i++)
        if (((const int64_t *)slot)[i] > MOST_DURATION || ((const int64_t *)slot)[i] < -MOST_DURATION) return false;
    if (units > VV_MICROS_PER_SECOND) {
        const int64_t factor = units / VV_MICROS_PER_SECOND, most = INT64_MAX / factor;
        STORE(int64_t, int64_t, (value <= most) & (value >= -most), (uint64_t)value * (uint64_t)factor);
    }
    const int64_t divisor = VV_MICROS_PER_SECOND / units;
    if (divisor == 1) STORE(int64_t, int64_t, true, value);
    if (builder->type->width == 4) STORE(int32_t, int64_t, value % divisor == 0, value / divisor);
    STORE(int64_t, int64_t, value % divisor == 0, value / divisor);
}

static bool store_float16(vv_builder *builder, const double *values, int rows) {
    for (int i = 0; i < rows; i++) {
        if (PyFloat_Pack2(values[i], (char *)builder->values.data + 2 * (builder->length + i), PY_LITTLE_ENDIAN) == 0) continue;
        PyErr_Clear();
        return false;
    }
    builder->length += rows;
    return true;
}

/* So many values of a slot, from `start` on: of a builder that has room for them and no fields. */
static bool store_values(vv_builder *builder, const void *slot, int start, int rows) {
    switch (builder->type->kind) {
    case VV_INT8: STORE(int8_t, int64_t, value == (int8_t)value, value);
    case VV_INT16: STORE(int16_t, int64_t, value == (int16_t)value, value);
    case VV_INT32: STORE(int32_t, int64_t, value == (int32_t)value, value);
    case VV_INT64: STORE(int64_t, int64_t, true, value);
    case VV_UINT8: STORE(uint8_t, int64_t, value == (uint8_t)value, value);
    case VV_UINT16: STORE(uint16_t, int64_t, value == (uint16_t)value, value);
    case VV_UINT32: STORE(uint32_t, int64_t, value == (uint32_t)value, value);
    case VV_UINT64: STORE(uint64_t, int64_t, value >= 0, value);
    case VV_FLOAT16: return store_float16(builder, (const double *)slot + start, rows);
    case VV_FLOAT32: STORE(float, double, !(fabsf((float)value) > FLT_MAX) | (fabs(value) > DBL_MAX), value);
    case VV_FLOAT64: STORE(double, double, true, value);
    case VV_DATE32: STORE(int32_t, int64_t, true, value);
    case VV_DATE64: STORE(int64_t, int64_t, true, (uint64_t)value * (uint64_t)(VV_SECONDS_PER_DAY * 1000));
    case VV_TIME32:
    case VV_TIME64:
    case VV_TIMESTAMP:
    case VV_DURATION: return store_moments(builder, slot, start, rows);
    case VV_DECIMAL128:
        memcpy(builder->values.data + (size_t)builder->length * 16, (const vv_decimal *)slot + start, (size_t)rows * 16);
        builder->length += rows;
        return true;
    case VV_BOOL:
        for (int i = 0; i < rows; i++) vv_set_bit(builder->values.data, builder->length++, ((const uint8_t *)slot)[start + i]);
        return true;
    default: return is_text(builder) && store_texts(builder, (const vv_text *)slot + start, rows);
    }
}

/* ---- Structs ----
 *
 * A program has two slots for each field, of the values and of the rows where it is None: fields of a struct that is a field come behind it,
 * whose own slot of values says nothing. */

/* Where in the program's fields one is that comes next. */
typedef struct {
    const vv_program *program;
    void *const *slots;
    Py_ssize_t next;
} fields;

static const uint8_t *none_of(const fields *from, Py_ssize_t field) {
    const int16_t slot = from->program->fields[2 * field + 1];
    return slot < 0 ? NULL : from->slots[slot];
}

static const void *values_of(const fields *from, Py_ssize_t field) { return from->slots[from->program->fields[2 * field]]; }

/* How many fields a value of the type has, those of its own fields included. */
static Py_ssize_t count_fields(const vv_type *type) {
    Py_ssize_t count = 0;
    if (type->kind == VV_STRUCT)
        for (Py_ssize_t k = 0; k < type->n_children; k++) count += 1 + count_fields(&type->children[k]);
    return count;
}

static bool store_fields(vv_builder *builder, fields *from, int start, int rows);

/* Values of a field that is a struct or not, all of them there. */
static bool store_there(vv_builder *field, fields *from, Py_ssize_t own, int start, int rows) {
    return field->type->kind == VV_STRUCT ? store_fields(field, from, start, rows) : store_values(field, values_of(from, own), start, rows);
}

/* The field's values, of which some may be None. */
static bool store_field(vv_builder *field, fields *from, int start, int rows) {
    const Py_ssize_t own = from->next++, inside = from->next;
    const uint8_t *none = none_of(from, own);
    if (field->capacity - field->length < rows && vv_builder_grow(field, rows) < 0) {
        PyErr_Clear();
        return false;
    }
    if (none == NULL) return store_there(field, from, own, start, rows);
    for (int i = start; i < start + rows; i++) {
        from->next = inside;
        if (!none[i]) {
            if (!store_there(field, from, own, i, 1)) return false;
        } else if (!field->type->nullable || vv_append_null(field) < 0) {
            PyErr_Clear();
            return false;
        }
    }
    from->next = inside + count_fields(field->type);
    return true;
}

static bool store_fields(vv_builder *builder, fields *from, int start, int rows) {
    for (Py_ssize_t k = 0; k < builder->type->n_children; k++)
        if (!store_field(&builder->children[k], from, start, rows)) return false;
    builder->length += rows;
    return true;
}

bool vv_store(vv_builder *builder, const vv_program *program, void *const *slots, int start, int rows) {
    if (builder->capacity - builder->length < rows) return false;
    if (builder->type->kind != VV_STRUCT) return store_values(builder, slots[program->value], start, rows);
    fields from = {program, slots, 0};
    const int64_t length = builder->length;
    if (count_fields(builder->type) == program->n_fields && store_fields(builder, &from, start, rows)) return true;
    vv_builder_truncate(builder, length); /* and all fields of it */
    return false;
}

/* ---- The same? ---- */

/* The value of a row as the builder would store it, of at most 16 bytes: whether it fits. */
static bool store_alone(const vv_type *type, const void *slot, int i, uint64_t stored[2]) {
    vv_builder one = {.type = type, .capacity = 1, .values = {(uint8_t *)stored, 16, 16}};
    return is_text(&one) || store_values(&one, slot, i, 1);
}

static bool fields_fit(const vv_type *type, fields *from, int i) {
    bool all = true;
    for (Py_ssize_t k = 0; k < type->n_children; k++) {
        const vv_type *field = &type->children[k];
        const Py_ssize_t own = from->next++, inside = from->next;
        const uint8_t *none = none_of(from, own);
        if (none != NULL && none[i]) all = all && field->nullable;
        else if (field->kind == VV_STRUCT) all = fields_fit(field, from, i) && all;
        else all = all && store_alone(field, values_of(from, own), i, (uint64_t[2]){0, 0});
        from->next = inside + count_fields(field);
    }
    return all;
}

bool vv_fits(const vv_builder *builder, const vv_program *program, void *const *slots, int i) {
    if (builder->type->kind != VV_STRUCT) return store_alone(builder->type, slots[program->value], i, (uint64_t[2]){0, 0});
    fields from = {program, slots, 0};
    return fields_fit(builder->type, &from, i);
}

static double as_double(const vv_type *type, const void *value) {
    double wide = 0;
    float narrow = 0;
    if (type->kind == VV_FLOAT16) return PyFloat_Unpack2(value, PY_LITTLE_ENDIAN);
    if (type->kind == VV_FLOAT64) memcpy(&wide, value, sizeof wide);
    if (type->kind == VV_FLOAT32) memcpy(&narrow, value, sizeof narrow);
    return type->kind == VV_FLOAT32 ? narrow : wide;
}

static bool same_value(const vv_builder *builder, int64_t row, const void *slot, int i) {
    const vv_type *type = builder->type;
    if (is_text(builder)) {
        const bool large = is_large(builder);
        const int64_t *wide = (const int64_t *)builder->values.data;
        const int32_t *narrow = (const int32_t *)builder->values.data;
        const int64_t from = large ? wide[row] : narrow[row], to = large ? wide[row + 1] : narrow[row + 1];
        const vv_text text = ((const vv_text *)slot)[i];
        return to - from == text.size && memcmp(builder->data.data + from, text.at, text.size) == 0;
    }
    uint64_t stored[2] = {0, 0};
    store_alone(type, slot, i, stored);
    if (type->kind == VV_BOOL) return vv_bit((const uint8_t *)stored, 0) == vv_bit(builder->values.data, row);
    const uint8_t *other = builder->values.data + row * type->width;
    return memcmp(stored, other, (size_t)type->width) == 0 || (isnan(as_double(type, stored)) && isnan(as_double(type, other)));
}

static bool same_fields(const vv_builder *builder, int64_t row, fields *from, int i) {
    for (Py_ssize_t k = 0; k < builder->type->n_children; k++) {
        const vv_builder *field = &builder->children[k];
        const Py_ssize_t own = from->next++, inside = from->next;
        const uint8_t *none = none_of(from, own);
        const bool null = field->null_count > 0 && !vv_bit(field->validity.data, row), ours = none != NULL && none[i];
        if (null != ours) return false;
        if (!null && field->type->kind == VV_STRUCT && !same_fields(field, row, from, i)) return false;
        if (!null && field->type->kind != VV_STRUCT && !same_value(field, row, values_of(from, own), i)) return false;
        from->next = inside + count_fields(field->type);
    }
    return true;
}

bool vv_same_result(const vv_builder *builder, const vv_program *program, void *const *slots, int i) {
    const int64_t row = builder->length - 1;
    if (builder->type->kind != VV_STRUCT) return same_value(builder, row, slots[program->value], i);
    fields from = {program, slots, 0};
    return same_fields(builder, row, &from, i);
}
