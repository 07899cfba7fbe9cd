/* Lists as lists, maps as dicts, structs as dicts or as what a struct's constructor makes. */
#include "vivarium.h"

/* ---- Reading ---- */

static void element_range(const vv_column *column, int64_t row, int64_t *start, int64_t *end) {
    switch (column->type->kind) {
    case VV_FIXED_LIST:
        *start = row * column->type->list_size;
        *end = *start + column->type->list_size;
        return;
    case VV_LARGE_LIST:
        *start = ((const int64_t *)column->values)[row];
        *end = ((const int64_t *)column->values)[row + 1];
        return;
    default:
        *start = ((const int32_t *)column->values)[row];
        *end = ((const int32_t *)column->values)[row + 1];
    }
}

static PyObject *read_list(const vv_column *column, int64_t row) {
    int64_t start, end;
    element_range(column, row, &start, &end);
    PyObject *list = PyList_New((Py_ssize_t)(end - start));
    for (int64_t i = start; list != NULL && i < end; i++) {
        PyObject *element = vv_read(&column->children[0], i);
        if (element == NULL) Py_CLEAR(list);
        else PyList_SET_ITEM(list, (Py_ssize_t)(i - start), element);
    }
    return list;
}

static PyObject *read_dict(const vv_column *column, int64_t row) {
    PyObject *dict = PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < column->type->n_children; i++) {
        PyObject *value = vv_read(&column->children[i], row);
        if (value == NULL || PyDict_SetItem(dict, column->type->children[i].name, value) < 0) Py_CLEAR(dict);
        Py_XDECREF(value);
    }
    return dict;
}

static PyObject *read_struct(const vv_column *column, int64_t row) {
    const vv_type *type = column->type;
    if (type->constructor == NULL) return read_dict(column, row);
    PyObject *fields = PyTuple_New(type->n_children), *object = NULL;
    bool complete = fields != NULL;
    for (Py_ssize_t i = 0; complete && i < type->n_children; i++) {
        PyObject *value = vv_read(&column->children[i], row);
        if (value == NULL) complete = false;
        else PyTuple_SET_ITEM(fields, i, value);
    }
    if (complete && type->constructor == (PyObject *)&PyTuple_Type) return fields;
    if (complete) object = PyObject_CallObject(type->constructor, fields);
    Py_XDECREF(fields);
    return object;
}

static PyObject *read_map(const vv_column *column, int64_t row) {
    int64_t start, end;
    element_range(column, row, &start, &end);
    const vv_column *keys = &column->children[0].children[0], *values = &column->children[0].children[1];
    PyObject *dict = PyDict_New();
    for (int64_t i = start; dict != NULL && i < end; i++) {
        PyObject *key = vv_read(keys, i), *value = key == NULL ? NULL : vv_read(values, i);
        if (value == NULL || PyDict_SetItem(dict, key, value) < 0) Py_CLEAR(dict);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    if (dict == NULL || PyDict_GET_SIZE(dict) == end - start) return dict;
    Py_DECREF(dict);
    PyErr_Format(vv_argument_error, "%U: a map with a key that occurs twice has no Python equivalent", column->type->path);
    return NULL;
}

vv_reader vv_nested_reader_of(const vv_type *type) {
    return type->kind == VV_STRUCT ? read_struct : type->kind == VV_MAP ? read_map : read_list;
}

/* ---- Writing ---- */

static int append_child(vv_builder *child, PyObject *value) {
    if (value == Py_None && !child->type->nullable) return vv_misfit(child, value, "it is declared without NULLs");
    /* Depth is bounded by the type, not by the value: no recursion check is needed. */
    return vv_append(child, value);
}

static int end_list(vv_builder *builder) {
    int64_t end = builder->children[0].length;
    if (builder->type->kind == VV_LARGE_LIST) {
        ((int64_t *)builder->values.data)[builder->length + 1] = end;
    } else {
        if (end > INT32_MAX) {
            PyErr_Format(vv_result_error, "the lists of %U of this batch have more than 2147483647 elements", builder->type->path);
            return -1;
        }
        ((int32_t *)builder->values.data)[builder->length + 1] = (int32_t)end;
    }
    builder->length++;
    return 0;
}

/* Any iterable whose order means something; text is one, but never meant as a list. */
static bool is_listable(PyObject *value) {
    if (PyUnicode_Check(value) || PyBytes_Check(value) || PyByteArray_Check(value)) return false;
    return !PyDict_Check(value) && !PyAnySet_Check(value) && (Py_TYPE(value)->tp_iter != NULL || PySequence_Check(value));
}

static int write_list(vv_builder *builder, PyObject *value) {
    if (!is_listable(value)) return vv_misfit(builder, value, "a list is expected");
    /* A tuple of its own: converting elements can run user code, which could change a list meanwhile. */
    PyObject *elements = PySequence_Tuple(value);
    if (elements == NULL) return -1;
    Py_ssize_t count = PyTuple_GET_SIZE(elements);
    bool fixed = builder->type->kind == VV_FIXED_LIST;
    int status = 0;
    if (fixed && count != builder->type->list_size) status = vv_misfit(builder, value, "it has %zd elements", count);
    for (Py_ssize_t i = 0; status == 0 && i < count; i++)
        status = append_child(&builder->children[0], PyTuple_GET_ITEM(elements, i));
    Py_DECREF(elements);
    VV_TRY(status);
    if (!fixed) return end_list(builder);
    builder->length++;
    return 0;
}

static int append_dict(vv_builder *builder, PyObject *value) {
    const vv_type *type = builder->type;
    Py_ssize_t known = 0;
    for (Py_ssize_t i = 0; i < type->n_children; i++) {
        PyObject *field;
        int found = PyDict_GetItemRef(value, type->children[i].name, &field);
        VV_TRY(found);
        known += found;
        if (!found) {
            int optional = type->optional != NULL ? PySet_Contains(type->optional, type->children[i].name) : 0;
            VV_TRY(optional);
            if (!optional) return vv_misfit(builder, value, "the field '%U' is missing", type->children[i].name);
            field = Py_NewRef(Py_None);
        }
        int status = append_child(&builder->children[i], field);
        Py_DECREF(field);
        VV_TRY(status);
    }
    if (PyDict_GET_SIZE(value) != known) return vv_misfit(builder, value, "it has keys that are not fields");
    return 0;
}

/* Whether a tuple is one with names, of which at least one is a field's: then names decide, and order means nothing. One that has names
 * of its own throughout is as good as a plain tuple. */
static int has_field_names(const vv_builder *builder, PyObject *value) {
    const vv_type *type = builder->type;
    if (PyTuple_CheckExact(value) || (PyObject *)Py_TYPE(value) == type->constructor) return 0;
    PyObject *names;
    VV_TRY(PyObject_GetOptionalAttrString((PyObject *)Py_TYPE(value), "_fields", &names));
    int found = 0;
    for (Py_ssize_t i = 0; names != NULL && PyTuple_Check(names) && found == 0 && i < type->n_children; i++)
        found = PySequence_Contains(names, type->children[i].name);
    Py_XDECREF(names);
    return found;
}

static int append_attributes(vv_builder *builder, PyObject *value) {
    for (Py_ssize_t i = 0; i < builder->type->n_children; i++) {
        PyObject *name = builder->type->children[i].name, *field;
        VV_TRY(PyObject_GetOptionalAttr(value, name, &field));
        if (field == NULL) return vv_misfit(builder, value, "the field '%U' is missing", name);
        int status = append_child(&builder->children[i], field);
        Py_DECREF(field);
        VV_TRY(status);
    }
    return 0;
}

static int append_tuple(vv_builder *builder, PyObject *value) {
    if (PyTuple_GET_SIZE(value) != builder->type->n_children)
        return vv_misfit(builder, value, "it has %zd items", PyTuple_GET_SIZE(value));
    int named = has_field_names(builder, value);
    VV_TRY(named);
    if (named) return append_attributes(builder, value);
    for (Py_ssize_t i = 0; i < builder->type->n_children; i++)
        VV_TRY(append_child(&builder->children[i], PyTuple_GET_ITEM(value, i)));
    return 0;
}

static int append_dataclass(vv_builder *builder, PyObject *value) {
    PyObject *fields;
    VV_TRY(PyObject_GetOptionalAttrString((PyObject *)Py_TYPE(value), "__dataclass_fields__", &fields));
    if (fields == NULL) return vv_misfit(builder, value, "a dict, a tuple or a dataclass is expected");
    Py_DECREF(fields);
    return append_attributes(builder, value);
}

/* An object that says what it is as a struct: its class has __arrow_struct__, which returns a dict or a tuple. */
static int append_other(vv_builder *builder, PyObject *value) {
    PyObject *method;
    VV_TRY(PyObject_GetOptionalAttrString((PyObject *)Py_TYPE(value), "__arrow_struct__", &method));
    if (method == NULL) return append_dataclass(builder, value);
    PyObject *fields = PyObject_CallOneArg(method, value);
    Py_DECREF(method);
    if (fields == NULL) return -1;
    int status = PyDict_Check(fields)    ? append_dict(builder, fields)
                 : PyTuple_Check(fields) ? append_tuple(builder, fields)
                                         : vv_misfit(builder, value, "__arrow_struct__() returns a dict or a tuple");
    Py_DECREF(fields);
    return status;
}

static int write_struct(vv_builder *builder, PyObject *value) {
    if (PyDict_Check(value)) VV_TRY(append_dict(builder, value));
    else if (PyTuple_Check(value)) VV_TRY(append_tuple(builder, value));
    else VV_TRY(append_other(builder, value));
    builder->length++;
    return 0;
}

static int append_entry(vv_builder *entries, PyObject *key, PyObject *value) {
    if (entries->length == entries->capacity) VV_TRY(vv_builder_grow(entries, 1));
    VV_TRY(append_child(&entries->children[0], key));
    VV_TRY(append_child(&entries->children[1], value));
    entries->length++;
    return 0;
}

static int write_map(vv_builder *builder, PyObject *value) {
    if (!PyDict_Check(value)) return vv_misfit(builder, value, "a dict is expected");
    PyObject *items = PyDict_Items(value);
    if (items == NULL) return -1;
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        status = append_entry(&builder->children[0], PyTuple_GET_ITEM(item, 0), PyTuple_GET_ITEM(item, 1));
    }
    Py_DECREF(items);
    VV_TRY(status);
    return end_list(builder);
}

vv_writer vv_nested_writer_of(const vv_type *type) {
    return type->kind == VV_STRUCT ? write_struct : type->kind == VV_MAP ? write_map : write_list;
}
