/* A function called once a batch, with NumPy arrays.
 *
 * arrays.c makes the arguments. A result that already is a contiguous array of the
 * result type is handed to the host where it lies. Everything else about results, NumPy's rules included, is decided in Python
 * (vivarium._vectors).
 *
 * Under the policies that go on after an error, a call that raises is repeated on halves of its rows until the rows that fail
 * stand alone: for a function that treats rows alike, which rows fail then does not depend on how the batches were cut.
 */
#include "vivarium.h"

#ifdef VV_NUMPY
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL vv_numpy
#include <numpy/arrayobject.h>

int vv_vectors_prepare(void) { return PyArray_ImportNumPyAPI(); }

typedef struct {
    vv_function *function;
    PyObject **arguments; /* arrays of the rows that are computed: owned */
    vv_selection selection; /* those rows */
    Py_ssize_t unread_next; /* the first row that could not be read and is not done with */
} call;

static int64_t row_of(const call *self, int64_t position) {
    return self->selection.rows != NULL ? self->selection.rows[position] : position;
}

/* ---- Rows with a NULL ---- */

/* The rows for which the function is called. */
static int find_computed(const vv_function *function, int64_t rows, vv_selection *selection) {
    bool any = false;
    selection->count = rows;
    for (Py_ssize_t i = 0; i < function->n_arguments; i++)
        any |= function->columns[i].validity != NULL && !function->arguments[i].nullable;
    if (!any) return 0;
    selection->rows = PyMem_RawMalloc((size_t)rows * sizeof(int64_t));
    if (selection->rows == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    selection->count = 0;
    for (int64_t row = 0; row < rows; row++) {
        bool null = false;
        for (Py_ssize_t i = 0; i < function->n_arguments; i++) null |= vv_prevents_call(&function->columns[i], row);
        if (!null) selection->rows[selection->count++] = row;
    }
    return 0;
}

/* The rows' numbers as an array, or None for all rows. */
static PyObject *index_of(const vv_selection *selection) {
    if (selection->rows == NULL) Py_RETURN_NONE;
    npy_intp shape[1] = {(npy_intp)selection->count};
    PyObject *index = PyArray_New(&PyArray_Type, 1, shape, NPY_INTP, NULL, NULL, 0, 0, NULL);
    if (index == NULL) return NULL;
    npy_intp *positions = PyArray_DATA((PyArrayObject *)index);
    for (int64_t i = 0; i < selection->count; i++) positions[i] = (npy_intp)selection->rows[i];
    return index;
}

static int make_arguments(vv_function *function, int64_t rows, vv_selection *selection, PyObject **arguments, int64_t *row) {
    VV_TRY(find_computed(function, rows, selection));
    VV_TRY(vv_selection_read(function, selection, row));
    selection->index = index_of(selection);
    if (selection->index == NULL) return -1;
    for (Py_ssize_t i = 0; i < function->n_arguments; i++) {
        PyObject *how = PyTuple_GET_ITEM(function->dtypes, i);
        arguments[i] = vv_column_array(&function->columns[i], how, selection);
        if (arguments[i] == NULL) return -1;
    }
    return 0;
}

/* ---- Results ---- */

static PyObject *result_dtype(const vv_function *function) {
    PyObject *last = PyTuple_GET_ITEM(function->dtypes, function->n_arguments);
    return PyTuple_Check(last) ? PyTuple_GET_ITEM(last, 1) : last;
}

/* Whether this is exactly what the host is to receive: then the host may copy it from where it lies. */
static bool is_final(const vv_function *function, PyObject *result, int64_t length) {
    vv_kind kind = function->result.kind;
    if (!PyArray_CheckExact(result) || kind < VV_INT8 || kind > VV_FLOAT64) return false;
    PyArrayObject *array = (PyArrayObject *)result;
    PyObject *expected = result_dtype(function);
    return PyArray_NDIM(array) == 1 && PyArray_DIM(array, 0) == length && PyArray_IS_C_CONTIGUOUS(array) &&
           PyArray_ISBEHAVED_RO(array) && (PyObject *)PyArray_DESCR(array) == expected;
}

static struct ArrowArray *hand_over(vv_function *function, PyObject *result, int64_t length) {
    struct ArrowArray *array = &function->builder.array;
    function->builder.buffers[0] = NULL;
    function->builder.buffers[1] = PyArray_DATA((PyArrayObject *)result);
    memset(array, 0, sizeof *array);
    array->length = length;
    array->n_buffers = 2;
    array->buffers = function->builder.buffers;
    Py_XSETREF(function->held, Py_NewRef(result));
    return array;
}

/* A result that is an Arrow array goes to the host as it is. False with no exception set when it is none. */
static bool hand_over_exported(vv_function *function, PyObject *result, int64_t rows, struct ArrowArray **array) {
    PyObject *last = PyTuple_GET_ITEM(function->dtypes, function->n_arguments);
    if (!PyTuple_Check(last)) return false;
    PyObject *capsule = PyObject_CallFunction(PyTuple_GET_ITEM(last, 0), "OL", result, (long long)rows);
    if (capsule == Py_None) Py_CLEAR(capsule);
    if (capsule == NULL) return false;
    *array = PyCapsule_GetPointer(capsule, "arrow_array");
    Py_XSETREF(function->held, capsule);
    return *array != NULL;
}

static int append_nulls_until(vv_builder *builder, int64_t row) {
    while (builder->length < row) VV_TRY(vv_append(builder, Py_None));
    return 0;
}

static void append_fixed(vv_builder *builder, const char *value) {
    int64_t i = builder->length++;
    switch (builder->type->kind) {
    case VV_BOOL: vv_set_bit(builder->values.data, i, *(const npy_bool *)value != 0); break;
    case VV_DATE32: ((int32_t *)builder->values.data)[i] = (int32_t) * (const int64_t *)value; break;
    default: {
        size_t width = (size_t)builder->type->width;
        memcpy(builder->values.data + (size_t)i * width, value, width);
    }
    }
}

/* Appends checked results, a tuple (array of the result's dtype, mask or None). */
static int append_array(const call *self, PyObject *pair, int64_t start, int64_t count) {
    vv_builder *builder = &self->function->builder;
    PyArrayObject *values, *mask = NULL;
    PyObject *maybe_mask;
    if (!PyArg_ParseTuple(pair, "O!O", &PyArray_Type, &values, &maybe_mask)) return -1;
    if (maybe_mask != Py_None) mask = (PyArrayObject *)maybe_mask;
    for (int64_t i = 0; i < count; i++) {
        VV_TRY(append_nulls_until(builder, row_of(self, start + i)));
        if (mask != NULL && *(npy_bool *)PyArray_GETPTR1(mask, i)) VV_TRY(vv_append(builder, Py_None));
        else if (builder->length < builder->capacity) append_fixed(builder, PyArray_GETPTR1(values, i));
    }
    return 0;
}

/* Appends results that are Python objects, a list. */
static int append_objects(const call *self, PyObject *list, int64_t start, int64_t count, int64_t *row) {
    vv_builder *builder = &self->function->builder;
    for (int64_t i = 0; i < count; i++) {
        VV_TRY(append_nulls_until(builder, row_of(self, start + i)));
        /* Conversions run user code, which may have shortened its list. */
        PyObject *value = i < PyList_GET_SIZE(list) ? Py_NewRef(PyList_GET_ITEM(list, i)) : Py_NewRef(Py_None);
        int status = vv_append(builder, value);
        Py_DECREF(value);
        if (status < 0) *row = builder->length;
        VV_TRY(status);
    }
    return 0;
}

int64_t vv_vectors_blamed(int64_t count) {
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *index = PyErr_GivenExceptionMatches(exception, vv_result_error) ? PyObject_GetAttrString(exception, "index") : NULL;
    Py_ssize_t position = index != NULL ? PyLong_AsSsize_t(index) : -1;
    Py_XDECREF(index);
    PyErr_SetRaisedException(exception);
    return position < count ? position : -1;
}

/* The row an error about results speaks of, when it says at which position it found it. */
static void locate(const call *self, int64_t start, int64_t count, int64_t *row) {
    int64_t position = vv_vectors_blamed(count);
    if (position >= 0) *row = row_of(self, start + position);
}

static int append_result(const call *self, PyObject *result, int64_t start, int64_t count, int64_t *row) {
    const vv_function *function = self->function;
    PyObject *dtype = result_dtype(function);
    PyObject *checked = vv_vectors_helper("checked", "(OOLO)", result, dtype, (long long)count, function->result.spelling);
    if (checked == NULL) {
        locate(self, start, count, row);
        return -1;
    }
    int status = PyList_Check(checked) ? append_objects(self, checked, start, count, row)
                                       : append_array(self, checked, start, count);
    Py_DECREF(checked);
    return status;
}

/* ---- The call ---- */

static PyObject *sliced(PyObject *const *arguments, Py_ssize_t n, int64_t start, int64_t count) {
    PyObject *slices = PyTuple_New(n);
    for (Py_ssize_t i = 0; slices != NULL && i < n; i++) {
        PyObject *slice = PySequence_GetSlice(arguments[i], (Py_ssize_t)start, (Py_ssize_t)(start + count));
        if (slice == NULL) Py_CLEAR(slices);
        else PyTuple_SET_ITEM(slices, i, slice);
    }
    return slices;
}

static PyObject *call_range(const call *self, int64_t start, int64_t count) {
    Py_ssize_t n = self->function->n_arguments;
    if (count == self->selection.count) return PyObject_Vectorcall(self->function->callable, self->arguments, (size_t)n, NULL);
    PyObject *slices = sliced(self->arguments, n, start, count);
    PyObject *result = slices == NULL ? NULL : PyObject_CallObject(self->function->callable, slices);
    Py_XDECREF(slices);
    return result;
}

/* Computes a range of the rows into the builder, halving it when a call fails and the policy goes on. */
static int compute(call *self, int64_t start, int64_t count, int64_t *row) {
    vv_builder *builder = &self->function->builder;
    int64_t before = builder->length;
    PyObject *result = call_range(self, start, count);
    int status = result == NULL ? -1 : append_result(self, result, start, count, row);
    if (result == NULL) locate(self, start, count, row);
    Py_XDECREF(result);
    if (status == 0) return vv_unread_failed(self->function, self->selection.unread, &self->unread_next, row_of(self, start + count - 1));
    if (self->function->on_error == VV_FAIL) return -1;
    vv_builder_truncate(builder, before);
    if (count > 1 && !vv_ends_the_call()) {
        PyErr_Clear();
        VV_TRY(compute(self, start, count / 2, row));
        return compute(self, start + count / 2, count - count / 2, row);
    }
    if (count == 1) *row = row_of(self, start);
    if (vv_ends_the_call()) return -1;
    PyObject *exception = PyErr_GetRaisedException();
    int earlier = vv_unread_failed(self->function, self->selection.unread, &self->unread_next, row_of(self, start));
    if (earlier < 0) Py_DECREF(exception);
    else PyErr_SetRaisedException(exception);
    VV_TRY(earlier);
    VV_TRY(vv_function_row_failed(self->function, row_of(self, start)));
    *row = -1;
    return append_nulls_until(builder, row_of(self, start) + 1);
}

static struct ArrowArray *run(call *self, int64_t rows, int64_t *row) {
    vv_function *function = self->function;
    PyObject *result = NULL;
    if (make_arguments(function, rows, &self->selection, self->arguments, row) < 0) return NULL;
    if (function->on_error == VV_FAIL && self->selection.count == rows && rows > 0) {
        result = call_range(self, 0, rows);
        if (result == NULL) {
            locate(self, 0, rows, row);
            return NULL;
        }
        if (is_final(function, result, rows)) {
            struct ArrowArray *array = hand_over(function, result, rows);
            Py_DECREF(result);
            return array;
        }
        struct ArrowArray *exported = NULL;
        if (hand_over_exported(function, result, rows, &exported) || PyErr_Occurred()) {
            Py_DECREF(result);
            return exported;
        }
    }
    int status = vv_builder_start(&function->builder, rows);
    if (status == 0 && result != NULL) status = append_result(self, result, 0, rows, row);
    else if (status == 0 && self->selection.count > 0) status = compute(self, 0, self->selection.count, row);
    Py_XDECREF(result);
    if (status == 0) status = vv_unread_failed(function, self->selection.unread, &self->unread_next, rows);
    if (status < 0 || append_nulls_until(&function->builder, rows) < 0) return NULL;
    return vv_builder_finish(&function->builder);
}

struct ArrowArray *vv_vectors_invoke(vv_function *function, int64_t rows, PyObject *owner, int64_t *row) {
    struct ArrowArray *array = NULL;
    call self = {.function = function, .selection = {.owner = owner}};
    self.arguments = PyMem_Calloc((size_t)function->n_arguments + 1, sizeof *self.arguments);
    if (self.arguments == NULL) PyErr_NoMemory();
    else array = run(&self, rows, row);
    for (Py_ssize_t i = 0; self.arguments != NULL && i < function->n_arguments; i++) Py_XDECREF(self.arguments[i]);
    PyMem_Free(self.arguments);
    vv_selection_clear(&self.selection);
    return array;
}

/* ---- The arguments alone, for frames.c ---- */

PyObject *vv_vectors_arguments(vv_function *function, int64_t rows, vv_selection *selection, int64_t *row) {
    PyObject *arguments = PyTuple_New(function->n_arguments);
    if (arguments != NULL && make_arguments(function, rows, selection, &PyTuple_GET_ITEM(arguments, 0), row) < 0) Py_CLEAR(arguments);
    return arguments;
}

PyObject *vv_vectors_slices(PyObject *arguments, int64_t start, int64_t count) {
    return sliced(&PyTuple_GET_ITEM(arguments, 0), PyTuple_GET_SIZE(arguments), start, count);
}

#else /* an image without NumPy */

int vv_vectors_prepare(void) {
    PyErr_SetString(PyExc_ImportError, "this image has no NumPy");
    return -1;
}

struct ArrowArray *vv_vectors_invoke(vv_function *function, int64_t rows, PyObject *owner, int64_t *row) {
    (void)function, (void)rows, (void)owner, (void)row;
    vv_vectors_prepare();
    return NULL;
}

PyObject *vv_vectors_arguments(vv_function *function, int64_t rows, vv_selection *selection, int64_t *row) {
    vv_vectors_invoke(function, rows, selection->owner, row);
    return NULL;
}

PyObject *vv_vectors_slices(PyObject *arguments, int64_t start, int64_t count) {
    (void)arguments, (void)start, (void)count;
    vv_vectors_prepare();
    return NULL;
}

int64_t vv_vectors_blamed(int64_t count) {
    (void)count;
    return -1;
}

void vv_selection_clear(vv_selection *selection) { (void)selection; }

int vv_unread_failed(vv_function *function, PyObject *unread, Py_ssize_t *next, int64_t before) {
    (void)function, (void)unread, (void)next, (void)before;
    return 0;
}

int64_t vv_unread_row(PyObject *unread, Py_ssize_t at) {
    (void)unread, (void)at;
    return 0;
}
#endif
