/* Fields, and what compiles a tree of them from a plan. A plan is a tuple: its first item names the kind, the others are plans of children, or methods of the
 * PyFlink coder that a field has instead of C code:
 *
 *   ("int", bytes)  ("bool",)  ("float",)  ("double",)  ("bytes",)  ("text",)
 *   ("array", item)           a count, then a presence byte and the item for each      GenericArrayCoder
 *   ("items", item)           a count, then the items                                  PrimitiveArrayCoder
 *   ("map", key, value)       a count, then key, absence byte and value for each       MapCoder
 *   ("tuple", item, ...)      the items                                                TupleCoder
 *   ("row", field, ...)       a mask, then the fields that are not NULL; a list        FlattenRowCoder
 *   ("record", names, field, ...)  the same; a Row                                     RowCoder
 *   ("date", decode_from_stream, encode_to_stream)  ("time", the same)
 *   ("timestamp", bytes, the same)    of a datetime    TimestampCoder
 *   ("zoned", bytes, the same)        with a zone      LocalZonedTimestampCoder
 *   ("decimal", precision, scale, the same)
 *   ("other", decode_from_stream, encode_to_stream)
 */
#include "rows.h"

#define DEEPEST 64

/* ---- Errors ---- */

int rows_blame(const char *format, ...) {
    PyObject *error = PyErr_GetRaisedException();
    if (error == NULL) return -1;
    va_list arguments;
    va_start(arguments, format);
    PyObject *note = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    PyObject *done = note == NULL ? NULL : PyObject_CallMethod(error, "add_note", "O", note);
    Py_XDECREF(note);
    Py_XDECREF(done);
    PyErr_Clear();
    PyErr_SetRaisedException(error);
    return -1;
}

static int blame_field(const rows_field *field, Py_ssize_t at) {
    if (field->names != NULL && at < PyList_GET_SIZE(field->names)) return rows_blame("in the field %R", PyList_GET_ITEM(field->names, at));
    return rows_blame("in field %zd of %zd", at + 1, field->n_children);
}

static int blame_item(Py_ssize_t at) { return rows_blame("in item %zd", at); }

/* ---- Values ---- */

static PyObject *read_int(const rows_field *field, rows_input *in) {
    const uint8_t *at = rows_take(in, (size_t)field->width);
    if (at == NULL) return NULL;
    unsigned unused = 64 - 8 * (unsigned)field->width;
    int64_t value = (int64_t)(rows_big_endian(at, (size_t)field->width) << unused) >> unused;
    return PyLong_FromLongLong(value);
}

static int write_int(const rows_field *field, PyObject *value, rows_output *out) {
    long long number;
    ROWS_TRY(rows_whole_number(value, &number));
    unsigned unused = 64 - 8 * (unsigned)field->width;
    if ((int64_t)((uint64_t)number << unused) >> unused != number) {
        PyErr_Format(PyExc_OverflowError, "%lld does not fit in %zd bytes", number, field->width);
        return -1;
    }
    uint8_t *at = rows_put(out, (size_t)field->width);
    if (at == NULL) return -1;
    rows_to_big_endian(at, (size_t)field->width, (uint64_t)number);
    return 0;
}

static PyObject *read_bool(const rows_field *field, rows_input *in) {
    (void)field;
    const uint8_t *at = rows_take(in, 1);
    return at == NULL ? NULL : PyBool_FromLong(*at);
}

static int write_bool(const rows_field *field, PyObject *value, rows_output *out) {
    (void)field;
    long long number; /* as PyFlink: True, False and small ints */
    ROWS_TRY(rows_whole_number(value, &number));
    if (number < 0 || number > 255) {
        PyErr_Format(PyExc_OverflowError, "%lld is no truth value", number);
        return -1;
    }
    uint8_t *at = rows_put(out, 1);
    if (at == NULL) return -1;
    *at = (uint8_t)number;
    return 0;
}

static PyObject *read_float(const rows_field *field, rows_input *in) {
    const char *at = (const char *)rows_take(in, (size_t)field->width);
    if (at == NULL) return NULL;
    double value = field->width == 4 ? PyFloat_Unpack4(at, 0) : PyFloat_Unpack8(at, 0);
    return value == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

static int write_float(const rows_field *field, PyObject *value, rows_output *out) {
    return rows_put_float(out, value, (size_t)field->width);
}

/* A count or a length: 32 bits, not negative. */
static int take_count(rows_input *in, Py_ssize_t *count) {
    const uint8_t *at = rows_take(in, 4);
    if (at == NULL) return -1;
    *count = (int32_t)rows_big_endian(at, 4);
    if (*count >= 0) return 0;
    PyErr_SetString(PyExc_ValueError, "a length is negative");
    return -1;
}

static int put_count(rows_output *out, Py_ssize_t count) {
    uint8_t *at = rows_put(out, 4);
    if (at == NULL) return -1;
    rows_to_big_endian(at, 4, (uint64_t)count);
    return 0;
}

static const char *take_bytes(rows_input *in, Py_ssize_t *size) {
    return take_count(in, size) < 0 ? NULL : (const char *)rows_take(in, (size_t)*size);
}

static int put_bytes(rows_output *out, const char *data, Py_ssize_t size) {
    ROWS_TRY(put_count(out, size));
    uint8_t *at = rows_put(out, (size_t)size);
    if (at == NULL) return -1;
    rows_copy(at, data, (size_t)size);
    return 0;
}

static PyObject *read_bytes(const rows_field *field, rows_input *in) {
    (void)field;
    Py_ssize_t size;
    const char *at = take_bytes(in, &size);
    return at == NULL ? NULL : PyBytes_FromStringAndSize(at, size);
}

static int write_bytes(const rows_field *field, PyObject *value, rows_output *out) {
    (void)field;
    Py_buffer buffer;
    if (PyObject_GetBuffer(value, &buffer, PyBUF_SIMPLE) < 0) return -1;
    int status = put_bytes(out, buffer.buf, buffer.len);
    PyBuffer_Release(&buffer);
    return status;
}

static PyObject *read_text(const rows_field *field, rows_input *in) {
    (void)field;
    Py_ssize_t size;
    const char *at = take_bytes(in, &size);
    return at == NULL ? NULL : PyUnicode_DecodeUTF8(at, size, NULL);
}

static int write_text(const rows_field *field, PyObject *value, rows_output *out) {
    (void)field;
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "a str is expected, got %.200s", Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(value, &size);
    return text == NULL ? -1 : put_bytes(out, text, size);
}

/* ---- Fields with children ---- */

/* An item, or None where its flag says so. */
static PyObject *read_flagged(const rows_field *field, rows_input *in, bool means_present) {
    const uint8_t *flag = rows_take(in, 1);
    if (flag == NULL) return NULL;
    return (*flag != 0) == means_present ? field->read(field, in) : Py_NewRef(Py_None);
}

static int write_flagged(const rows_field *field, PyObject *value, rows_output *out, bool means_present) {
    uint8_t *flag = rows_put(out, 1);
    if (flag == NULL) return -1;
    *flag = (value != Py_None) == means_present;
    return value == Py_None ? 0 : field->write(field, value, out);
}

static PyObject *read_list(const rows_field *field, rows_input *in, bool flagged) {
    Py_ssize_t count;
    if (take_count(in, &count) < 0) return NULL;
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = flagged ? read_flagged(field->children, in, true) : field->children->read(field->children, in);
        if (item == NULL) blame_item(i);
        if (item == NULL || PyList_Append(list, item) < 0) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static int write_list(const rows_field *field, PyObject *value, rows_output *out, bool flagged) {
    Py_ssize_t count = PyObject_Length(value);
    if (count < 0) return -1;
    ROWS_TRY(put_count(out, count));
    PyObject *items = PySequence_Fast(value, "an array is a list, a tuple or another iterable");
    if (items == NULL) return -1;
    int status = PySequence_Fast_GET_SIZE(items) == count ? 0 : (PyErr_SetString(PyExc_ValueError, "an array changed"), -1);
    for (Py_ssize_t i = 0; status == 0 && i < count; i++) {
        PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(items, i));
        status = flagged ? write_flagged(field->children, item, out, true) : field->children->write(field->children, item, out);
        Py_DECREF(item);
        if (status < 0) blame_item(i);
        if (status == 0 && PySequence_Fast_GET_SIZE(items) != count) {
            PyErr_SetString(PyExc_ValueError, "an array changed");
            status = -1;
        }
    }
    Py_DECREF(items);
    return status;
}

static PyObject *read_array(const rows_field *field, rows_input *in) { return read_list(field, in, true); }
static int write_array(const rows_field *field, PyObject *value, rows_output *out) { return write_list(field, value, out, true); }
static PyObject *read_items(const rows_field *field, rows_input *in) { return read_list(field, in, false); }
static int write_items(const rows_field *field, PyObject *value, rows_output *out) { return write_list(field, value, out, false); }

static PyObject *read_map(const rows_field *field, rows_input *in) {
    Py_ssize_t count;
    if (take_count(in, &count) < 0) return NULL;
    PyObject *map = PyDict_New();
    for (Py_ssize_t i = 0; map != NULL && i < count; i++) {
        PyObject *key = field->children[0].read(&field->children[0], in);
        PyObject *value = key == NULL ? NULL : read_flagged(&field->children[1], in, false);
        if (value == NULL) rows_blame("in item %zd of a map", i);
        if (value == NULL || PyDict_SetItem(map, key, value) < 0) Py_CLEAR(map);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return map;
}

static int write_map(const rows_field *field, PyObject *value, rows_output *out) {
    PyObject *items = PyMapping_Items(value);
    if (items == NULL) return -1;
    int status = put_count(out, PyList_GET_SIZE(items));
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *key, *item;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(items, i), "OO", &key, &item)) status = -1;
        else status = field->children[0].write(&field->children[0], key, out);
        if (status == 0) status = write_flagged(&field->children[1], item, out, false);
        if (status < 0) rows_blame("in item %zd of a map", i);
    }
    Py_DECREF(items);
    return status;
}

static PyObject *read_tuple(const rows_field *field, rows_input *in) {
    PyObject *tuple = PyTuple_New(field->n_children);
    for (Py_ssize_t i = 0; tuple != NULL && i < field->n_children; i++) {
        PyObject *item = field->children[i].read(&field->children[i], in);
        if (item == NULL) blame_item(i);
        if (item == NULL) Py_CLEAR(tuple);
        else PyTuple_SET_ITEM(tuple, i, item);
    }
    return tuple;
}

static int write_tuple(const rows_field *field, PyObject *value, rows_output *out) {
    for (Py_ssize_t i = 0; i < field->n_children; i++) {
        PyObject *item = PySequence_GetItem(value, i);
        int status = item == NULL ? -1 : field->children[i].write(&field->children[i], item, out);
        Py_XDECREF(item);
        if (status < 0) return blame_item(i);
    }
    return 0;
}

int rows_read_values(const rows_field *field, rows_input *in, PyObject **values) {
    const uint8_t *mask = rows_take(in, rows_mask_size(field->n_children));
    if (mask == NULL) return -1;
    for (Py_ssize_t i = 0; i < field->n_children; i++) {
        values[i] = rows_mask_bit(mask, i) ? Py_NewRef(Py_None) : field->children[i].read(&field->children[i], in);
        if (values[i] != NULL) continue;
        blame_field(field, i);
        for (; i > 0; i--) Py_CLEAR(values[i - 1]);
        return -1;
    }
    return 0;
}

static PyObject *read_row(const rows_field *field, rows_input *in) {
    PyObject *row = PyList_New(field->n_children);
    if (row != NULL && rows_read_values(field, in, field->n_children > 0 ? &PyList_GET_ITEM(row, 0) : NULL) < 0) Py_CLEAR(row);
    return row;
}

bool rows_is_list(const rows_field *field) { return field->read == read_row; }

static uint8_t *put_mask(const rows_field *field, unsigned kind, rows_output *out) {
    size_t size = rows_mask_size(field->n_children);
    uint8_t *mask = rows_put(out, size);
    if (mask == NULL) return NULL;
    mask[0] = (uint8_t)((kind & 1) << 7 | (kind & 2) << 5);
    if (size > 1) memset(mask + 1, 0, size - 1);
    return mask;
}

int rows_write_only(const rows_field *field, PyObject *value, rows_output *out) {
    uint8_t *mask = put_mask(field, 0, out);
    if (mask == NULL) return -1;
    if (value == Py_None) rows_set_mask_bit(mask, 0);
    else if (field->children[0].write(&field->children[0], value, out) < 0) return blame_field(field, 0);
    return 0;
}

static int write_fields(const rows_field *field, PyObject *value, unsigned kind, rows_output *out) {
    if (!PyList_Check(value) || PyList_GET_SIZE(value) < field->n_children) {
        PyErr_Format(PyExc_TypeError, "a row is a list of %zd values, got %.200s", field->n_children, Py_TYPE(value)->tp_name);
        return -1;
    }
    uint8_t *mask = put_mask(field, kind, out);
    if (mask == NULL) return -1;
    for (Py_ssize_t i = 0; i < field->n_children; i++)
        if (PyList_GET_ITEM(value, i) == Py_None) rows_set_mask_bit(mask, i);
    /* Writing a value may run Python code, which may change the list, and moves the mask: what was NULL stays left out, and what is now
     * has no bytes that would stand for it. */
    size_t start = (size_t)(mask - out->data);
    for (Py_ssize_t i = 0; i < field->n_children; i++) {
        if (PyList_GET_SIZE(value) < field->n_children) {
            PyErr_SetString(PyExc_ValueError, "a row changed while it was written");
            return -1;
        }
        if (rows_mask_bit(out->data + start, i)) continue;
        PyObject *item = Py_NewRef(PyList_GET_ITEM(value, i));
        int status = item == Py_None ? (PyErr_SetString(PyExc_ValueError, "a row changed while it was written"), -1)
                                     : field->children[i].write(&field->children[i], item, out);
        Py_DECREF(item);
        if (status < 0) return blame_field(field, i);
    }
    return 0;
}

static int write_row(const rows_field *field, PyObject *value, rows_output *out) { return write_fields(field, value, 0, out); }

static PyObject *read_record(const rows_field *field, rows_input *in) {
    const uint8_t *mask = in->at;
    PyObject *values = read_row(field, in);
    PyObject *row = values == NULL ? NULL : rows_new_row(values, field->names, mask[0] >> 7 | (mask[0] >> 5 & 2));
    Py_XDECREF(values);
    return row;
}

static int write_record(const rows_field *field, PyObject *value, rows_output *out) {
    unsigned kind;
    PyObject *values = rows_row_fields(value, field->names, &kind);
    int status = values == NULL ? -1 : write_fields(field, values, kind, out);
    Py_XDECREF(values);
    return status;
}

PyObject *rows_read_other(const rows_field *field, rows_input *in) { return PyObject_CallOneArg(field->decode, (PyObject *)in); }

int rows_write_other(const rows_field *field, PyObject *value, rows_output *out) {
    PyObject *done = PyObject_CallFunctionObjArgs(field->encode, value, (PyObject *)out, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* ---- Plans ---- */

static const struct {
    const char *name;
    PyObject *(*read)(const rows_field *, rows_input *);
    int (*write)(const rows_field *, PyObject *, rows_output *);
    Py_ssize_t width, children; /* -1: given by the plan */
    rows_kind kind;
} KINDS[] = {
    {"int", read_int, write_int, -1, 0, ROWS_INT},         {"bool", read_bool, write_bool, 1, 0, ROWS_BOOL},
    {"float", read_float, write_float, 4, 0, ROWS_FLOAT},  {"double", read_float, write_float, 8, 0, ROWS_FLOAT},
    {"bytes", read_bytes, write_bytes, 0, 0, ROWS_BYTES},  {"text", read_text, write_text, 0, 0, ROWS_TEXT},
    {"array", read_array, write_array, 0, 1, ROWS_OTHER},  {"items", read_items, write_items, 0, 1, ROWS_OTHER},
    {"map", read_map, write_map, 0, 2, ROWS_OTHER},        {"tuple", read_tuple, write_tuple, 0, -1, ROWS_OTHER},
    {"row", read_row, write_row, 0, -1, ROWS_OTHER},       {"record", read_record, write_record, 0, -1, ROWS_OTHER},
    {"date", rows_read_date, rows_write_date, 4, 0, ROWS_DATE},
    {"time", rows_read_time, rows_write_time, 4, 0, ROWS_TIME},
    {"timestamp", rows_read_timestamp, rows_write_timestamp, -1, 0, ROWS_TIMESTAMP},
    {"zoned", rows_read_other, rows_write_timestamp, -1, 0, ROWS_TIMESTAMP},
    {"decimal", rows_read_decimal_object, rows_write_decimal_object, 0, 0, ROWS_DECIMAL},
    {"other", rows_read_other, rows_write_other, 0, 0, ROWS_OTHER},
};

#define WIDEST 12

void rows_clear_field(rows_field *field) {
    for (Py_ssize_t i = 0; i < field->n_children; i++) rows_clear_field(&field->children[i]);
    PyMem_Free(field->children);
    Py_CLEAR(field->decode);
    Py_CLEAR(field->encode);
    Py_CLEAR(field->names);
}

static int compile_field(rows_field *field, PyObject *plan, int depth) {
    if (!PyTuple_Check(plan) || PyTuple_GET_SIZE(plan) == 0 || !PyUnicode_Check(PyTuple_GET_ITEM(plan, 0)) || depth > DEEPEST) {
        PyErr_SetString(PyExc_ValueError, "a plan is a tuple that starts with the name of its kind");
        return -1;
    }
    Py_ssize_t given = PyTuple_GET_SIZE(plan) - 1, first = 1;
    for (size_t kind = 0; kind < sizeof KINDS / sizeof *KINDS; kind++) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(plan, 0), KINDS[kind].name) != 0) continue;
        field->read = KINDS[kind].read;
        field->write = KINDS[kind].write;
        field->width = KINDS[kind].width;
        field->kind = KINDS[kind].kind;
        if (field->read == read_record && given > 0 && PyList_Check(PyTuple_GET_ITEM(plan, 1))) {
            field->names = Py_NewRef(PyTuple_GET_ITEM(plan, 1));
            first = 2;
            given--;
        }
        Py_ssize_t children = KINDS[kind].children < 0 ? given : KINDS[kind].children;
        if (field->read == read_record && field->names == NULL) break;
        if (field->width < 0 && given > 0) {
            field->width = PyLong_AsSsize_t(PyTuple_GET_ITEM(plan, first++));
            given--;
        } else if (field->kind == ROWS_DECIMAL && given > 2) {
            field->precision = PyLong_AsSsize_t(PyTuple_GET_ITEM(plan, first++));
            field->scale = PyLong_AsSsize_t(PyTuple_GET_ITEM(plan, first++));
            given -= 2;
        }
        const bool has_coder = field->kind >= ROWS_DATE || field->read == rows_read_other;
        if (has_coder && given == 2) {
            field->decode = Py_NewRef(PyTuple_GET_ITEM(plan, first++));
            field->encode = Py_NewRef(PyTuple_GET_ITEM(plan, first++));
            given = 0;
        }
        if (PyErr_Occurred() || given != children || field->width < 0 || field->width > (field->read == read_int ? 8 : WIDEST)) break;
        if (has_coder && field->decode == NULL) break;
        if (field->kind == ROWS_TIMESTAMP && field->width != 8 && field->width != WIDEST) break;
        if (field->kind == ROWS_DECIMAL && (field->precision < 1 || field->precision > 38 || field->scale < 0 || field->scale > field->precision)) break;
        field->children = PyMem_Calloc((size_t)children + 1, sizeof *field->children);
        if (field->children == NULL) return PyErr_NoMemory(), -1;
        field->n_children = children;
        for (Py_ssize_t i = 0; i < children; i++) ROWS_TRY(compile_field(&field->children[i], PyTuple_GET_ITEM(plan, first + i), depth + 1));
        return 0;
    }
    if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "%R is no plan", plan);
    return -1;
}

int rows_compile(rows_field *field, PyObject *plan) { return compile_field(field, plan, 0); }
