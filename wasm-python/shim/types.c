/* The compiled plan of an Arrow type, built from the format strings of the Arrow C Data Interface. */
#include "vivarium.h"

/* Formats of one fixed spelling. */
static const struct {
    const char *format;
    vv_kind kind;
    int32_t width;
    int64_t units_per_second;
} simple_formats[] = {
    {"n", VV_NULL, 0, 0},
    {"b", VV_BOOL, 0, 0},
    {"c", VV_INT8, 1, 0},
    {"C", VV_UINT8, 1, 0},
    {"s", VV_INT16, 2, 0},
    {"S", VV_UINT16, 2, 0},
    {"i", VV_INT32, 4, 0},
    {"I", VV_UINT32, 4, 0},
    {"l", VV_INT64, 8, 0},
    {"L", VV_UINT64, 8, 0},
    {"e", VV_FLOAT16, 2, 0},
    {"f", VV_FLOAT32, 4, 0},
    {"g", VV_FLOAT64, 8, 0},
    {"u", VV_STRING, 0, 0},
    {"U", VV_LARGE_STRING, 0, 0},
    {"z", VV_BINARY, 0, 0},
    {"Z", VV_LARGE_BINARY, 0, 0},
    {"tdD", VV_DATE32, 4, 0},
    {"tdm", VV_DATE64, 8, 1000},
    {"tts", VV_TIME32, 4, 1},
    {"ttm", VV_TIME32, 4, 1000},
    {"ttu", VV_TIME64, 8, 1000000},
    {"ttn", VV_TIME64, 8, 1000000000},
    {"tDs", VV_DURATION, 8, 1},
    {"tDm", VV_DURATION, 8, 1000},
    {"tDu", VV_DURATION, 8, 1000000},
    {"tDn", VV_DURATION, 8, 1000000000},
    {"tin", VV_INTERVAL, 16, 0},
    {"+l", VV_LIST, 0, 0},
    {"+L", VV_LARGE_LIST, 0, 0},
    {"+s", VV_STRUCT, 0, 0},
    {"+m", VV_MAP, 0, 0},
};

static int64_t timestamp_units(char letter) {
    switch (letter) {
    case 's': return 1;
    case 'm': return 1000;
    case 'u': return 1000000;
    case 'n': return 1000000000;
    default: return 0;
    }
}

static int parse_format(vv_type *type, const char *format) {
    for (size_t i = 0; i < sizeof simple_formats / sizeof *simple_formats; i++) {
        if (strcmp(format, simple_formats[i].format) != 0) continue;
        type->kind = simple_formats[i].kind;
        type->width = simple_formats[i].width;
        type->units_per_second = simple_formats[i].units_per_second;
        return 0;
    }
    int consumed = 0, bits = 128;
    if (strncmp(format, "ts", 2) == 0 && format[2] != '\0' && format[3] == ':') {
        type->kind = VV_TIMESTAMP;
        type->width = 8;
        type->units_per_second = timestamp_units(format[2]);
        if (type->units_per_second != 0) return 0;
    } else if (sscanf(format, "d:%d,%d%n", &type->precision, &type->scale, &consumed) == 2) {
        if (format[consumed] == ',') bits = atoi(format + consumed + 1);
        type->kind = bits == 256 ? VV_DECIMAL256 : VV_DECIMAL128;
        type->width = bits / 8;
        if ((bits == 128 || bits == 256) && type->precision > 0 && type->precision <= (bits == 128 ? 38 : 76)) return 0;
    } else if (sscanf(format, "w:%d%n", &type->width, &consumed) == 1 && format[consumed] == '\0') {
        type->kind = VV_FIXED_BINARY;
        if (type->width >= 0) return 0;
    } else if (sscanf(format, "+w:%d%n", &type->list_size, &consumed) == 1 && format[consumed] == '\0') {
        type->kind = VV_FIXED_LIST;
        if (type->list_size >= 0) return 0;
    }
    PyErr_Format(PyExc_ValueError, "the Arrow format string '%s' is not supported", format);
    return -1;
}

static Py_ssize_t expected_children(const vv_type *type) {
    switch (type->kind) {
    case VV_LIST:
    case VV_LARGE_LIST:
    case VV_FIXED_LIST:
    case VV_MAP: return 1;
    case VV_STRUCT: return -1;
    default: return 0;
    }
}

/* "result" + the field's place in its parent: ".name" in a struct, "[]" in a list. */
static PyObject *child_path(const vv_type *parent, const char *path, PyObject *child_plan) {
    if (parent->kind != VV_STRUCT) return PyUnicode_FromFormat("%s[]", path);
    return PyUnicode_FromFormat("%s.%S", path, PyTuple_GET_ITEM(child_plan, 1));
}

static int compile_children(vv_type *type, PyObject *plans, const char *path) {
    Py_ssize_t count = PyTuple_GET_SIZE(plans), expected = expected_children(type);
    if (expected >= 0 && count != expected) {
        PyErr_Format(PyExc_ValueError, "%U has %zd children instead of %zd", type->spelling, count, expected);
        return -1;
    }
    if (count == 0) return 0;
    type->children = PyMem_Calloc((size_t)count, sizeof *type->children);
    if (type->children == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    type->n_children = count;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *plan = PyTuple_GET_ITEM(plans, i);
        if (!PyTuple_Check(plan) || PyTuple_GET_SIZE(plan) != 6) {
            PyErr_SetString(PyExc_TypeError, "a type plan is a tuple of six items");
            return -1;
        }
        PyObject *inner = child_path(type, path, plan);
        if (inner == NULL) return -1;
        const char *inner_path = PyUnicode_AsUTF8(inner);
        int status = inner_path == NULL ? -1 : vv_type_compile(&type->children[i], plan, inner_path);
        Py_DECREF(inner);
        VV_TRY(status);
    }
    if (type->kind == VV_MAP && (type->children[0].kind != VV_STRUCT || type->children[0].n_children != 2)) {
        PyErr_SetString(PyExc_ValueError, "the entries of a map are a struct of a key and a value");
        return -1;
    }
    return 0;
}

int vv_type_compile(vv_type *type, PyObject *plan, const char *path) {
    const char *format;
    PyObject *name, *spelling, *extra, *children;
    int nullable;
    memset(type, 0, sizeof *type);
    if (!PyArg_ParseTuple(plan, "sUpUOO!;a type plan", &format, &name, &nullable, &spelling, &extra, &PyTuple_Type, &children))
        return -1;
    type->nullable = nullable;
    type->name = Py_NewRef(name);
    PyUnicode_InternInPlace(&type->name);
    type->spelling = Py_NewRef(spelling);
    type->path = PyUnicode_FromString(path);
    if (type->path == NULL) return -1;
    VV_TRY(parse_format(type, format));
    if (extra != Py_None && type->kind == VV_TIMESTAMP) type->zone = Py_NewRef(extra);
    if (type->kind == VV_STRUCT && PyFrozenSet_Check(extra)) type->optional = Py_NewRef(extra);
    else if (extra != Py_None && type->kind != VV_TIMESTAMP) type->constructor = Py_NewRef(extra);
    if (Py_EnterRecursiveCall(" in a nested type")) return -1;
    int status = compile_children(type, children, path);
    Py_LeaveRecursiveCall();
    VV_TRY(status);
    type->read = vv_reader_of(type);
    type->renew = type->constructor == NULL ? vv_renewer_of(type) : NULL;
    if (type->constructor != NULL && type->kind != VV_STRUCT && type->kind != VV_INTERVAL) {
        type->read_plain = type->read;
        type->read = vv_read_made;
    }
    type->write = vv_writer_of(type);
    return 0;
}

int vv_type_traverse(const vv_type *type, visitproc visit, void *arg) {
    Py_VISIT(type->zone);
    Py_VISIT(type->constructor);
    Py_VISIT(type->optional);
    for (Py_ssize_t i = 0; i < type->n_children; i++) VV_VISIT_TYPE(&type->children[i]);
    return 0;
}

void vv_type_clear(vv_type *type) {
    for (Py_ssize_t i = 0; i < type->n_children; i++) vv_type_clear(&type->children[i]);
    PyMem_Free(type->children);
    type->children = NULL;
    type->n_children = 0;
    Py_CLEAR(type->zone);
    Py_CLEAR(type->constructor);
    Py_CLEAR(type->optional);
    Py_CLEAR(type->name);
    Py_CLEAR(type->path);
    Py_CLEAR(type->spelling);
}
