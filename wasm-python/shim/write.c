/* Builders: Python objects as an Arrow array. What Arrow's type cannot hold exactly is an error that shows the value. */
#include "vivarium.h"

/* Memory of a builder beyond this is given back after a batch: one huge result must not stay for the life of the instance. */
#define KEPT_BYTES ((size_t)16 << 20)

/* What an empty buffer points at, so that the host never sees a null pointer for a buffer that a type must have. */
static const uint64_t empty_buffer[8];

/* ---- Buffers ---- */

int vv_buffer_reserve(vv_buffer *buffer, size_t more) {
    if (buffer->data != NULL && more <= buffer->capacity - buffer->size) return 0;
    size_t needed = buffer->size + more;
    size_t capacity = buffer->capacity + buffer->capacity / 2;
    if (needed < more || needed > (size_t)PY_SSIZE_T_MAX) {
        PyErr_NoMemory();
        return -1;
    }
    if (capacity < needed) capacity = needed;
    if (capacity < 64) capacity = 64;
    uint8_t *data = PyMem_RawRealloc(buffer->data, capacity);
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

static void buffer_clear(vv_buffer *buffer) {
    PyMem_RawFree(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

static void buffer_restart(vv_buffer *buffer) {
    if (buffer->capacity > KEPT_BYTES) buffer_clear(buffer);
    buffer->size = 0;
}

/* ---- The builder ---- */

static size_t offset_width(vv_kind kind) {
    switch (kind) {
    case VV_STRING:
    case VV_BINARY:
    case VV_LIST:
    case VV_MAP: return 4;
    case VV_LARGE_STRING:
    case VV_LARGE_BINARY:
    case VV_LARGE_LIST: return 8;
    default: return 0;
    }
}

int vv_builder_prepare(vv_builder *builder, const vv_type *type) {
    memset(builder, 0, sizeof *builder);
    builder->type = type;
    if (type->n_children == 0) return 0;
    builder->children = PyMem_Calloc((size_t)type->n_children, sizeof *builder->children);
    builder->child_arrays = PyMem_Calloc((size_t)type->n_children, sizeof *builder->child_arrays);
    if (builder->children == NULL || builder->child_arrays == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < type->n_children; i++)
        VV_TRY(vv_builder_prepare(&builder->children[i], &type->children[i]));
    return 0;
}

void vv_builder_clear(vv_builder *builder) {
    for (Py_ssize_t i = 0; builder->children != NULL && i < builder->type->n_children; i++)
        vv_builder_clear(&builder->children[i]);
    PyMem_Free(builder->children);
    PyMem_Free(builder->child_arrays);
    builder->children = NULL;
    builder->child_arrays = NULL;
    buffer_clear(&builder->validity);
    buffer_clear(&builder->values);
    buffer_clear(&builder->data);
}

int vv_builder_start(vv_builder *builder, int64_t rows) {
    buffer_restart(&builder->validity);
    buffer_restart(&builder->values);
    buffer_restart(&builder->data);
    builder->length = builder->null_count = builder->capacity = 0;
    for (Py_ssize_t i = 0; i < builder->type->n_children; i++) VV_TRY(vv_builder_start(&builder->children[i], 0));
    return vv_builder_grow(builder, rows);
}

/* Bytes of the values buffer for so many values. */
static size_t values_size(const vv_type *type, int64_t count) {
    size_t offsets = offset_width(type->kind);
    if (type->kind == VV_BOOL) return ((size_t)count + 7) / 8;
    return offsets != 0 ? ((size_t)count + 1) * offsets : (size_t)count * (size_t)type->width;
}

/* Makes the buffers' sizes fit `capacity` values; bits of the validity that are new say "present". */
int vv_builder_grow(vv_builder *builder, int64_t rows) {
    int64_t capacity = builder->length + rows, larger = builder->capacity + builder->capacity / 2;
    if (builder->capacity > 0 && larger > capacity) capacity = larger;
    if (rows < 0 || capacity < 0 || capacity > PY_SSIZE_T_MAX / 32) {
        PyErr_NoMemory();
        return -1;
    }
    size_t size = values_size(builder->type, capacity);
    if (size > builder->values.size) VV_TRY(vv_buffer_reserve(&builder->values, size - builder->values.size));
    builder->values.size = size;
    if (builder->null_count > 0) {
        size_t bytes = ((size_t)capacity + 7) / 8, old = builder->validity.size;
        if (bytes > old) {
            VV_TRY(vv_buffer_reserve(&builder->validity, bytes - old));
            memset(builder->validity.data + old, 0xFF, bytes - old);
            builder->validity.size = bytes;
        }
    }
    if (builder->length == 0 && builder->values.data != NULL)
        memset(builder->values.data, 0, offset_width(builder->type->kind));
    builder->capacity = capacity;
    return 0;
}

size_t vv_builder_bytes(const vv_builder *builder) {
    const vv_type *type = builder->type;
    size_t width = offset_width(type->kind) != 0 ? offset_width(type->kind) : (size_t)type->width;
    size_t bytes = builder->data.size + (size_t)builder->length * (width + 1);
    for (Py_ssize_t i = 0; i < type->n_children; i++) bytes += vv_builder_bytes(&builder->children[i]);
    return bytes;
}

/* The end of the variable-size data or of the child's values that belong to the first `length` values. */
static int64_t end_offset(const vv_builder *builder, int64_t length) {
    return offset_width(builder->type->kind) == 8 ? ((const int64_t *)builder->values.data)[length]
                                                  : ((const int32_t *)builder->values.data)[length];
}

static void set_end_offset(vv_builder *builder, int64_t length, int64_t end) {
    if (offset_width(builder->type->kind) == 8) ((int64_t *)builder->values.data)[length] = end;
    else ((int32_t *)builder->values.data)[length] = (int32_t)end;
}

static int append_blank(vv_builder *builder);

static int append_blank_children(vv_builder *builder) {
    int64_t count = builder->type->kind == VV_FIXED_LIST ? builder->type->list_size : 1;
    for (Py_ssize_t i = 0; i < builder->type->n_children; i++) {
        vv_builder *child = &builder->children[i];
        for (int64_t k = 0; k < count; k++) {
            if (child->length == child->capacity) VV_TRY(vv_builder_grow(child, 1));
            VV_TRY(child->type->nullable ? vv_append_null(child) : append_blank(child));
        }
    }
    return 0;
}

/* What lies under a NULL: zeroes, nothing. Below a NULL a field's value means nothing, but a field declared without NULLs has none. */
static int append_blank(vv_builder *builder) {
    const vv_type *type = builder->type;
    if (type->kind == VV_NULL) builder->null_count++;
    else if (type->kind == VV_BOOL) vv_set_bit(builder->values.data, builder->length, false);
    else if (offset_width(type->kind) != 0) set_end_offset(builder, builder->length + 1, end_offset(builder, builder->length));
    else if (type->width > 0) memset(builder->values.data + (size_t)builder->length * (size_t)type->width, 0, (size_t)type->width);
    else VV_TRY(append_blank_children(builder));
    builder->length++;
    return 0;
}

int vv_append_null(vv_builder *builder) {
    const vv_type *type = builder->type;
    if (type->kind == VV_NULL) return append_blank(builder);
    if (builder->null_count == 0) {
        size_t bytes = ((size_t)builder->capacity + 7) / 8;
        builder->validity.size = 0;
        VV_TRY(vv_buffer_reserve(&builder->validity, bytes));
        memset(builder->validity.data, 0xFF, bytes);
        builder->validity.size = bytes;
    }
    VV_TRY(append_blank(builder));
    vv_set_bit(builder->validity.data, builder->length - 1, false);
    builder->null_count++;
    return 0;
}

/* NaT and NA of pandas, which are NULL in a Series too. */
static bool is_missing(PyObject *value) {
    const char *name = Py_TYPE(value)->tp_name, *last = strrchr(name, '.');
    if (last != NULL) name = last + 1;
    if (strcmp(name, "NaTType") != 0 && strcmp(name, "NAType") != 0) return false;
    PyObject *module = PyObject_GetAttrString((PyObject *)Py_TYPE(value), "__module__");
    const char *path = module != NULL && PyUnicode_Check(module) ? PyUnicode_AsUTF8(module) : NULL;
    bool missing = path != NULL && strncmp(path, "pandas.", 7) == 0;
    Py_XDECREF(module);
    PyErr_Clear();
    return missing;
}

/* Whether the type's constructor is an Enum, and the value a member of it. */
static bool is_member(const vv_type *type, PyObject *value) {
    return type->kind != VV_STRUCT && type->constructor != NULL && PyType_Check(type->constructor) &&
           !PyType_FastSubclass((PyTypeObject *)type->constructor, Py_TPFLAGS_TUPLE_SUBCLASS) &&
           PyObject_TypeCheck(value, (PyTypeObject *)type->constructor);
}

int vv_append_instead(vv_builder *builder, PyObject *value) {
    if (!PyErr_ExceptionMatches(vv_result_error)) return -1;
    PyObject *exception = PyErr_GetRaisedException();
    int status = -1;
    if (is_member(builder->type, value)) {
        PyObject *plain = PyObject_GetAttrString(value, "value");
        status = plain == NULL ? -1 : builder->type->write(builder, plain);
        Py_XDECREF(plain);
    } else if (builder->type->nullable && is_missing(value)) {
        status = vv_append_null(builder);
    } else {
        PyErr_SetRaisedException(exception);
        return -1;
    }
    Py_DECREF(exception);
    return status;
}

void vv_builder_truncate(vv_builder *builder, int64_t length) {
    const vv_type *type = builder->type;
    if (type->kind == VV_NULL) {
        builder->null_count = length;
    } else if (builder->null_count > 0) {
        for (int64_t i = length; i < builder->length; i++) {
            if (vv_bit(builder->validity.data, i)) continue;
            vv_set_bit(builder->validity.data, i, true);
            builder->null_count--;
        }
    }
    builder->length = length;
    if (offset_width(type->kind) != 0 && builder->values.size != 0) {
        int64_t end = end_offset(builder, length);
        if (type->n_children == 0) builder->data.size = (size_t)end;
        else vv_builder_truncate(&builder->children[0], end);
        return;
    }
    int64_t scale = type->kind == VV_FIXED_LIST ? type->list_size : 1;
    for (Py_ssize_t i = 0; i < type->n_children; i++) vv_builder_truncate(&builder->children[i], length * scale);
}

struct ArrowArray *vv_builder_finish(vv_builder *builder) {
    const vv_type *type = builder->type;
    struct ArrowArray *array = &builder->array;
    bool variable = offset_width(type->kind) != 0;
    int64_t buffers = type->kind == VV_NULL                                    ? 0
                      : type->kind == VV_STRUCT || type->kind == VV_FIXED_LIST ? 1
                      : variable && type->n_children == 0                      ? 3
                                                                               : 2;
    memset(array, 0, sizeof *array);
    array->length = builder->length;
    array->null_count = builder->null_count;
    array->n_buffers = buffers;
    array->buffers = builder->buffers;
    builder->buffers[0] = builder->null_count > 0 && type->kind != VV_NULL ? builder->validity.data : NULL;
    builder->buffers[1] = builder->values.data != NULL ? (const void *)builder->values.data : empty_buffer;
    builder->buffers[2] = builder->data.data != NULL ? (const void *)builder->data.data : empty_buffer;
    array->n_children = type->n_children;
    array->children = builder->child_arrays;
    for (Py_ssize_t i = 0; i < type->n_children; i++)
        builder->child_arrays[i] = vv_builder_finish(&builder->children[i]);
    return array;
}
