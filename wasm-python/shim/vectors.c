/* A function called once a batch, with NumPy arrays.
 *
 * Arguments of fixed width are read-only arrays that look into the arena; booleans are unpacked, dates widened to
 * datetime64[D], and what NumPy has no type for becomes an object array. A result that already is a contiguous array of the
 * result type is handed to the host where it lies. Everything else about results, NumPy's rules included, is decided in Python
 * (vivarium._vectors).
 *
 * Under the policies that go on after an error, a call that raises is repeated on halves of its rows until the rows that fail
 * stand alone: for a function that treats rows alike, which rows fail then does not depend on how the batches were cut.
 */
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include "vivarium.h"

#include <numpy/arrayobject.h>

int vv_vectors_prepare(void) { return PyArray_ImportNumPyAPI(); }

typedef struct {
    vv_function *function;
    PyObject **arguments; /* arrays of the rows that are computed: owned */
    int64_t computed;     /* how many rows that is */
    const int64_t *rows;  /* which ones; NULL when all of them */
} call;

static int64_t row_of(const call *self, int64_t position) { return self->rows != NULL ? self->rows[position] : position; }

/* ---- Arguments ---- */

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

static PyObject *object_column(const vv_column *column, int64_t *row) {
    PyArray_Descr *descr = PyArray_DescrFromType(NPY_OBJECT);
    PyObject *array = descr == NULL ? NULL : new_array((PyObject *)descr, column->length, NULL);
    Py_XDECREF(descr);
    if (array == NULL) return NULL;
    PyObject **objects = PyArray_DATA((PyArrayObject *)array);
    for (int64_t i = 0; i < column->length; i++) {
        PyObject *value = vv_read(column, i);
        if (value == NULL) {
            *row = i;
            Py_DECREF(array);
            return NULL;
        }
        Py_XSETREF(objects[i], value);
    }
    return array;
}

static PyObject *column_array(const vv_column *column, PyObject *dtype, PyObject *owner, int64_t *row) {
    if (dtype == Py_None) return object_column(column, row);
    return looks_into_arena(column->type->kind) ? view_column(column, dtype, owner) : unpack_column(column, dtype);
}

/* ---- Rows with a NULL ---- */

/* The rows for which the function is called: NULL in *found means all. */
static int find_computed(call *self, int64_t rows, int64_t **found) {
    const vv_function *function = self->function;
    bool any = false;
    *found = NULL;
    self->computed = rows;
    for (Py_ssize_t i = 0; i < function->n_arguments; i++)
        any |= function->columns[i].validity != NULL && !function->arguments[i].nullable;
    if (!any) return 0;
    *found = PyMem_RawMalloc((size_t)rows * sizeof(int64_t));
    if (*found == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->computed = 0;
    for (int64_t row = 0; row < rows; row++) {
        bool null = false;
        for (Py_ssize_t i = 0; i < function->n_arguments; i++) null |= vv_prevents_call(&function->columns[i], row);
        if (!null) (*found)[self->computed++] = row;
    }
    self->rows = *found;
    return 0;
}

static int replace(PyObject **place, PyObject *with) {
    if (with == NULL) return -1;
    Py_SETREF(*place, with);
    return 0;
}

static int take_computed(call *self) {
    npy_intp shape[1] = {(npy_intp)self->computed};
    PyObject *index = PyArray_New(&PyArray_Type, 1, shape, NPY_INTP, NULL, NULL, 0, 0, NULL);
    if (index == NULL) return -1;
    npy_intp *positions = PyArray_DATA((PyArrayObject *)index);
    for (int64_t i = 0; i < self->computed; i++) positions[i] = (npy_intp)self->rows[i];
    int status = 0;
    for (Py_ssize_t i = 0; i < self->function->n_arguments && status == 0; i++)
        status = replace(&self->arguments[i], PyObject_GetItem(self->arguments[i], index));
    Py_DECREF(index);
    return status;
}

static PyObject *helper(const char *name, const char *format, ...) {
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

static PyObject *with_mask(PyObject *array, const vv_column *column) {
    npy_intp shape[1] = {(npy_intp)column->length};
    PyObject *mask = PyArray_ZEROS(1, shape, NPY_BOOL, 0);
    if (mask == NULL) return NULL;
    npy_bool *masked = PyArray_DATA((PyArrayObject *)mask);
    for (int64_t i = 0; i < column->length; i++) masked[i] = vv_is_null(column, i);
    PyObject *answer = helper("masked", "(OO)", array, mask);
    Py_DECREF(mask);
    return answer;
}

static int make_arguments(call *self, PyObject *owner, int64_t *row) {
    const vv_function *function = self->function;
    for (Py_ssize_t i = 0; i < function->n_arguments; i++) {
        const vv_column *column = &function->columns[i];
        self->arguments[i] = column_array(column, PyTuple_GET_ITEM(function->dtypes, i), owner, row);
        if (self->arguments[i] == NULL) return -1;
        if (function->arguments[i].nullable) VV_TRY(replace(&self->arguments[i], with_mask(self->arguments[i], column)));
    }
    return self->rows != NULL ? take_computed(self) : 0;
}

/* ---- Results ---- */

/* Whether this is exactly what the host is to receive: then the host may copy it from where it lies. */
static bool is_final(const vv_function *function, PyObject *result, int64_t length) {
    vv_kind kind = function->result.kind;
    if (!PyArray_CheckExact(result) || kind < VV_INT8 || kind > VV_FLOAT64) return false;
    PyArrayObject *array = (PyArrayObject *)result;
    PyArray_Descr *expected = (PyArray_Descr *)PyTuple_GET_ITEM(function->dtypes, function->n_arguments);
    return PyArray_NDIM(array) == 1 && PyArray_DIM(array, 0) == length && PyArray_IS_C_CONTIGUOUS(array) &&
           PyArray_ISBEHAVED_RO(array) && PyArray_DESCR(array) == expected;
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

/* The row an error about results speaks of, when it says at which position it found it. */
static void locate(const call *self, int64_t start, int64_t count, int64_t *row) {
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *index = PyErr_GivenExceptionMatches(exception, vv_result_error) ? PyObject_GetAttrString(exception, "index") : NULL;
    Py_ssize_t position = index != NULL ? PyLong_AsSsize_t(index) : -1;
    if (position >= 0 && position < count) *row = row_of(self, start + position);
    Py_XDECREF(index);
    PyErr_SetRaisedException(exception);
}

static int append_result(const call *self, PyObject *result, int64_t start, int64_t count, int64_t *row) {
    const vv_function *function = self->function;
    PyObject *dtype = PyTuple_GET_ITEM(function->dtypes, function->n_arguments);
    PyObject *checked = helper("checked", "(OOLO)", result, dtype, (long long)count, function->result.spelling);
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

static PyObject *call_range(const call *self, int64_t start, int64_t count) {
    Py_ssize_t n = self->function->n_arguments;
    if (count == self->computed) return PyObject_Vectorcall(self->function->callable, self->arguments, (size_t)n, NULL);
    PyObject *slices = PyTuple_New(n), *result = NULL;
    if (slices == NULL) return NULL;
    bool complete = true;
    for (Py_ssize_t i = 0; i < n && complete; i++) {
        PyObject *slice = PySequence_GetSlice(self->arguments[i], (Py_ssize_t)start, (Py_ssize_t)(start + count));
        if (slice == NULL) complete = false;
        else PyTuple_SET_ITEM(slices, i, slice);
    }
    if (complete) result = PyObject_CallObject(self->function->callable, slices);
    Py_DECREF(slices);
    return result;
}

/* Computes a range of the rows into the builder, halving it when a call fails and the policy goes on. */
static int compute(const call *self, int64_t start, int64_t count, int64_t *row) {
    vv_builder *builder = &self->function->builder;
    int64_t before = builder->length;
    PyObject *result = call_range(self, start, count);
    int status = result == NULL ? -1 : append_result(self, result, start, count, row);
    Py_XDECREF(result);
    if (status == 0) return 0;
    if (self->function->on_error == VV_FAIL) return -1;
    vv_builder_truncate(builder, before);
    if (count > 1 && PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
        VV_TRY(compute(self, start, count / 2, row));
        return compute(self, start + count / 2, count - count / 2, row);
    }
    if (count == 1) *row = row_of(self, start);
    VV_TRY(vv_function_row_failed(self->function, row_of(self, start)));
    *row = -1;
    return append_nulls_until(builder, row_of(self, start) + 1);
}

static struct ArrowArray *run(call *self, int64_t rows, PyObject *owner, int64_t *row) {
    vv_function *function = self->function;
    PyObject *result = NULL;
    if (make_arguments(self, owner, row) < 0) return NULL;
    if (function->on_error == VV_FAIL && self->computed == rows && rows > 0) {
        result = call_range(self, 0, rows);
        if (result == NULL) return NULL;
        if (is_final(function, result, rows)) {
            struct ArrowArray *array = hand_over(function, result, rows);
            Py_DECREF(result);
            return array;
        }
    }
    int status = vv_builder_start(&function->builder, rows);
    if (status == 0 && result != NULL) status = append_result(self, result, 0, rows, row);
    else if (status == 0 && self->computed > 0) status = compute(self, 0, self->computed, row);
    Py_XDECREF(result);
    if (status < 0 || append_nulls_until(&function->builder, rows) < 0) return NULL;
    return vv_builder_finish(&function->builder);
}

struct ArrowArray *vv_vectors_invoke(vv_function *function, int64_t rows, PyObject *owner, int64_t *row) {
    struct ArrowArray *array = NULL;
    int64_t *found = NULL;
    call self = {.function = function};
    self.arguments = PyMem_Calloc((size_t)function->n_arguments + 1, sizeof *self.arguments);
    if (self.arguments == NULL) PyErr_NoMemory();
    else if (find_computed(&self, rows, &found) == 0) array = run(&self, rows, owner, row);
    for (Py_ssize_t i = 0; self.arguments != NULL && i < function->n_arguments; i++) Py_XDECREF(self.arguments[i]);
    PyMem_Free(self.arguments);
    PyMem_RawFree(found);
    return array;
}
