/* Columns as what a vectorized function gets: NumPy arrays, and what Python makes of them.
 *
 *   how               the argument
 *   a dtype           an array: read-only and looking into the arena where the type has a fixed width; booleans are unpacked and
 *                     dates widened to datetime64[D]
 *   None              an array of the objects that a row-at-a-time function gets
 *   (make, how)       make(mask, array): mask is an array of bool, set where there is a NULL, or None when there is none
 *   (make, [how ...]) make(mask, array of the first field, ...), for a struct
 *   a callable        how(length, validity, values, data, children), the column's buffers as arrays of bytes that look into the
 *                     arena, and None for those there are not; children are tuples like that
 */
#include "vivarium.h"

#ifdef VV_NUMPY
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL vv_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

PyObject *vv_vectors_helper(const char *name, const char *format, ...) {
    PyObject *module = PyImport_ImportModule("vivarium._vectors");
    PyObject *callable = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    if (callable == NULL) return NULL;
    va_list values;
    va_start(values, format);
    PyObject *arguments = Py_VaBuildValue(format, values);
    va_end(values);
    PyObject *answer = arguments == NULL ? NULL : PyObject_CallObject(callable, arguments);
    Py_XDECREF(arguments);
    Py_DECREF(callable);
    return answer;
}

static bool looks_into_arena(vv_kind kind) {
    return (kind >= VV_INT8 && kind <= VV_FLOAT64) || kind == VV_TIMESTAMP || kind == VV_DURATION;
}

static PyObject *new_array(PyObject *dtype, int64_t length, void *memory) {
    npy_intp shape[1] = {(npy_intp)length};
    PyArray_Descr *descr = (PyArray_Descr *)Py_NewRef(dtype);
    int flags = memory != NULL ? NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED : 0;
    return PyArray_NewFromDescr(&PyArray_Type, descr, 1, shape, NULL, memory, flags, NULL);
}

static PyObject *view_column(const vv_column *column, PyObject *dtype, PyObject *owner) {
    PyObject *array = new_array(dtype, column->length, (void *)column->values);
    if (array != NULL && PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(owner)) < 0) Py_CLEAR(array);
    return array;
}

static PyObject *unpack_column(const vv_column *column, PyObject *dtype) {
    PyObject *array = new_array(dtype, column->length, NULL);
    if (array == NULL) return NULL;
    void *memory = PyArray_DATA((PyArrayObject *)array);
    for (int64_t i = 0; i < column->length; i++) {
        if (column->type->kind == VV_BOOL) ((npy_bool *)memory)[i] = vv_bit(column->values, i);
        else ((int64_t *)memory)[i] = ((const int32_t *)column->values)[i];
    }
    return array;
}

/* ---- Objects ---- */

/* Not more than these are kept: later ones are counted only. */
#define KEPT_EXCEPTIONS 100

/* A column that becomes objects, or a struct that such columns are fields of. */
typedef struct {
    const vv_column *column;
    Py_ssize_t parent;  /* the struct that this is a field of, or -1 */
    PyObject *array;    /* owned by the selection; NULL for a struct */
    bool null;          /* of the row that is being read: there is no value */
} source;

typedef struct {
    source *items;
    Py_ssize_t count, arrays;
} sources;

static PyObject *object_array(int64_t length) {
    PyArray_Descr *descr = PyArray_DescrFromType(NPY_OBJECT);
    PyObject *array = descr == NULL ? NULL : new_array((PyObject *)descr, length, NULL);
    Py_XDECREF(descr);
    return array;
}

static int add_source(sources *all, const vv_column *column, Py_ssize_t parent, vv_selection *selection, bool objects) {
    source *items = PyMem_Realloc(all->items, (size_t)(all->count + 1) * sizeof *items);
    if (items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    all->items = items;
    items[all->count] = (source){.column = column, .parent = parent};
    if (objects) {
        PyObject *array = object_array(selection->count);
        int status = array == NULL ? -1 : PyList_Append(selection->objects, array);
        Py_XDECREF(array);
        VV_TRY(status);
        items[all->count].array = array;
        all->arrays++;
    }
    all->count++;
    return 0;
}

/* In the order of vv_column_array. */
static int find_sources(sources *all, const vv_column *column, PyObject *how, Py_ssize_t parent, vv_selection *selection) {
    if (how == Py_None) return add_source(all, column, parent, selection, true);
    PyObject *inner = PyTuple_Check(how) && PyTuple_GET_SIZE(how) == 2 ? PyTuple_GET_ITEM(how, 1) : NULL;
    if (inner == NULL) return 0;
    if (!PyList_Check(inner)) return find_sources(all, column, inner, parent, selection);
    Py_ssize_t own = all->count;
    VV_TRY(add_source(all, column, parent, selection, false));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(inner) && i < column->type->n_children; i++)
        VV_TRY(find_sources(all, &column->children[i], PyList_GET_ITEM(inner, i), own, selection));
    return 0;
}

/* The objects of one row, which go to a position of the arrays. What lies under a NULL means nothing, and is not read. */
static int read_row(sources *all, int64_t row, int64_t position) {
    for (Py_ssize_t i = 0; i < all->count; i++) {
        source *one = &all->items[i];
        one->null = (one->parent >= 0 && all->items[one->parent].null) || vv_is_null(one->column, row);
        if (one->array == NULL) continue;
        PyObject *value = one->null ? Py_NewRef(Py_None) : one->column->type->read(one->column, row);
        if (value == NULL) return -1;
        PyObject **objects = PyArray_DATA((PyArrayObject *)one->array);
        Py_XSETREF(objects[position], value);
    }
    return 0;
}

/* The exception being raised is this row's. */
static int leave_out(vv_selection *selection, int64_t row) {
    PyObject *exception = PyErr_GetRaisedException();
    if (selection->unread == NULL) selection->unread = PyList_New(0);
    bool kept = selection->unread != NULL && PyList_GET_SIZE(selection->unread) < KEPT_EXCEPTIONS;
    PyObject *entry = selection->unread == NULL ? NULL : Py_BuildValue("LO", (long long)row, kept ? exception : Py_None);
    int status = entry == NULL ? -1 : PyList_Append(selection->unread, entry);
    Py_XDECREF(entry);
    Py_DECREF(exception);
    return status;
}

static int number_rows(vv_selection *selection) {
    if (selection->rows != NULL) return 0;
    selection->rows = PyMem_RawMalloc((size_t)(selection->count + 1) * sizeof *selection->rows);
    if (selection->rows == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int64_t i = 0; i < selection->count; i++) selection->rows[i] = i;
    return 0;
}

static int read_rows(const vv_function *function, sources *all, vv_selection *selection, int64_t *row) {
    int64_t kept = 0;
    for (int64_t i = 0; i < selection->count; i++) {
        int64_t number = selection->rows != NULL ? selection->rows[i] : i;
        if (read_row(all, number, kept) == 0) {
            if (kept < i) selection->rows[kept] = number;
            kept++;
            continue;
        }
        *row = number;
        if (function->on_error == VV_FAIL || vv_ends_the_call()) return -1;
        VV_TRY(number_rows(selection));
        VV_TRY(leave_out(selection, number));
    }
    *row = -1;
    if (kept == selection->count) return 0;
    selection->count = kept;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(selection->objects); i++) {
        PyObject *part = PySequence_GetSlice(PyList_GET_ITEM(selection->objects, i), 0, (Py_ssize_t)kept);
        if (part == NULL) return -1;
        PyList_SetItem(selection->objects, i, part);
    }
    return 0;
}

int vv_selection_read(vv_function *function, vv_selection *selection, int64_t *row) {
    sources all = {0};
    selection->objects = PyList_New(0);
    int status = selection->objects == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; i < function->n_arguments && status == 0; i++)
        status = find_sources(&all, &function->columns[i], PyTuple_GET_ITEM(function->dtypes, i), -1, selection);
    if (status == 0 && all.arrays > 0) status = read_rows(function, &all, selection, row);
    PyMem_Free(all.items);
    return status;
}

void vv_selection_clear(vv_selection *selection) {
    PyMem_RawFree(selection->rows);
    selection->rows = NULL;
    Py_CLEAR(selection->index);
    Py_CLEAR(selection->objects);
    Py_CLEAR(selection->unread);
}

int64_t vv_unread_row(PyObject *unread, Py_ssize_t at) {
    return PyLong_AsLongLong(PyTuple_GET_ITEM(PyList_GET_ITEM(unread, at), 0));
}

int vv_unread_failed(vv_function *function, PyObject *unread, Py_ssize_t *next, int64_t before) {
    for (; unread != NULL && *next < PyList_GET_SIZE(unread); ++*next) {
        int64_t row = vv_unread_row(unread, *next);
        if (row >= before) break;
        PyObject *exception = PyTuple_GET_ITEM(PyList_GET_ITEM(unread, *next), 1);
        if (exception != Py_None) PyErr_SetRaisedException(Py_NewRef(exception));
        else PyErr_SetNone(vv_argument_error); /* by then as many are described as ever are */
        VV_TRY(vv_function_row_failed(function, row));
    }
    return 0;
}

static PyObject *next_objects(vv_selection *selection) {
    if (selection->next < PyList_GET_SIZE(selection->objects)) return Py_NewRef(PyList_GET_ITEM(selection->objects, selection->next++));
    PyErr_SetString(PyExc_SystemError, "a column of objects was not read");
    return NULL;
}

/* ---- Buffers as they are ---- */

static bool has_offsets(vv_kind kind) {
    return (kind >= VV_STRING && kind <= VV_LARGE_BINARY) || kind == VV_LIST || kind == VV_LARGE_LIST || kind == VV_MAP;
}

static bool has_long_offsets(vv_kind kind) {
    return kind == VV_LARGE_STRING || kind == VV_LARGE_BINARY || kind == VV_LARGE_LIST;
}

PyObject *vv_view_bytes(const void *memory, size_t size, PyObject *owner) {
    if (memory == NULL) Py_RETURN_NONE;
    npy_intp shape[1] = {(npy_intp)size};
    PyObject *array = PyArray_New(&PyArray_Type, 1, shape, NPY_UINT8, NULL, (void *)memory, 0,
                                  NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED, NULL);
    if (array != NULL && PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(owner)) < 0) Py_CLEAR(array);
    return array;
}

static PyObject *column_buffers(const vv_column *column, PyObject *owner) {
    const vv_type *type = column->type;
    size_t length = (size_t)column->length, bits = (length + 7) / 8, values = length * (size_t)type->width, data = 0;
    if (type->kind == VV_BOOL) values = bits;
    if (has_offsets(type->kind)) {
        bool wide = has_long_offsets(type->kind);
        values = (length + 1) * (wide ? 8 : 4);
        if (column->values == NULL) values = 0;
        else data = wide ? (size_t)((const int64_t *)column->values)[length] : (size_t)((const int32_t *)column->values)[length];
    }
    PyObject *children = PyTuple_New(type->n_children);
    if (children == NULL || Py_EnterRecursiveCall(" in a nested column")) {
        Py_XDECREF(children);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < type->n_children; i++) {
        PyObject *child = column_buffers(&column->children[i], owner);
        if (child == NULL) break;
        PyTuple_SET_ITEM(children, i, child);
    }
    Py_LeaveRecursiveCall();
    if (PyErr_Occurred()) {
        Py_DECREF(children);
        return NULL;
    }
    PyObject *parts[3] = {vv_view_bytes(column->validity, bits, owner), vv_view_bytes(column->values, values, owner),
                          vv_view_bytes(column->data, data, owner)};
    if (parts[0] != NULL && parts[1] != NULL && parts[2] != NULL)
        return Py_BuildValue("LNNNN", (long long)column->length, parts[0], parts[1], parts[2], children);
    for (int i = 0; i < 3; i++) Py_XDECREF(parts[i]);
    Py_DECREF(children);
    return NULL;
}

static PyObject *call_with_buffers(const vv_column *column, PyObject *callable, PyObject *owner) {
    PyObject *buffers = column_buffers(column, owner);
    PyObject *made = buffers == NULL ? NULL : PyObject_CallObject(callable, buffers);
    Py_XDECREF(buffers);
    return made;
}

/* ---- Arrays, and what is made of them ---- */

/* The rows that `index` names, unless it is None. Steals the array. */
static PyObject *take(PyObject *array, PyObject *index) {
    if (array == NULL || index == Py_None) return array;
    PyObject *taken = PyObject_GetItem(array, index);
    Py_DECREF(array);
    return taken;
}

/* Where there is a NULL among the rows that are taken; None when there is none. */
static PyObject *null_mask(const vv_column *column, PyObject *index) {
    if (column->validity == NULL) Py_RETURN_NONE;
    const npy_intp *rows = index == Py_None ? NULL : PyArray_DATA((PyArrayObject *)index);
    npy_intp shape[1] = {rows == NULL ? (npy_intp)column->length : PyArray_DIM((PyArrayObject *)index, 0)};
    PyObject *mask = PyArray_ZEROS(1, shape, NPY_BOOL, 0);
    if (mask == NULL) return NULL;
    npy_bool *masked = PyArray_DATA((PyArrayObject *)mask), any = 0;
    for (npy_intp i = 0; i < shape[0]; i++) any |= masked[i] = vv_is_null(column, rows == NULL ? i : rows[i]);
    if (any) return mask;
    Py_DECREF(mask);
    Py_RETURN_NONE;
}

static PyObject *made_of_arrays(const vv_column *column, PyObject *how, vv_selection *selection) {
    PyObject *inner = PyTuple_GET_SIZE(how) == 2 ? PyTuple_GET_ITEM(how, 1) : Py_None;
    bool fields = PyList_Check(inner);
    if (PyTuple_GET_SIZE(how) != 2 || (fields && PyList_GET_SIZE(inner) != column->type->n_children)) {
        PyErr_SetString(PyExc_ValueError, "a maker comes with one entry, or with a list of one for every field of a struct");
        return NULL;
    }
    Py_ssize_t count = fields ? PyList_GET_SIZE(inner) + 1 : 2;
    PyObject *arguments = PyTuple_New(count), *mask = arguments == NULL ? NULL : null_mask(column, selection->index), *made = NULL;
    if (mask != NULL) PyTuple_SET_ITEM(arguments, 0, mask);
    bool complete = mask != NULL && !Py_EnterRecursiveCall(" in a nested column");
    if (complete) {
        for (Py_ssize_t i = 1; i < count && complete; i++) {
            const vv_column *source = fields ? &column->children[i - 1] : column;
            PyObject *array = vv_column_array(source, fields ? PyList_GET_ITEM(inner, i - 1) : inner, selection);
            if (array == NULL) complete = false;
            else PyTuple_SET_ITEM(arguments, i, array);
        }
        Py_LeaveRecursiveCall();
    }
    if (complete) made = PyObject_CallObject(PyTuple_GET_ITEM(how, 0), arguments);
    Py_XDECREF(arguments);
    return made;
}

PyObject *vv_column_array(const vv_column *column, PyObject *how, vv_selection *selection) {
    PyObject *owner = selection->owner, *index = selection->index;
    if (how == Py_None) return next_objects(selection);
    if (PyTuple_Check(how)) return made_of_arrays(column, how, selection);
    if (!PyArray_DescrCheck(how)) return take(call_with_buffers(column, how, owner), index);
    return take(looks_into_arena(column->type->kind) ? view_column(column, how, owner) : unpack_column(column, how), index);
}
#endif
