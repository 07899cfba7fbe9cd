/* The loop over the rows of a message, through the operators of a bundle.
 *
 *   message ──decode──> row ──stage──> results ──stage──> results ──encode──> bytes
 *
 * A result goes through all that follows before the next one is asked for, as in PyFlink's own loop. */
#include "rows.h"

enum { SINGLE, MULTIPLE, SEPARATED };

/* Says of the exception which row it was. */
static int blame_row(const rows_loop *loop, const char *what) {
    if (loop->of == NULL) return rows_blame("in %s row %lld of a message", what, (long long)loop->row);
    return rows_blame("in %s row %lld of a message, of %U", what, (long long)loop->row, loop->of);
}

/* Writes a value with its length in front, as every row of a message has it: one byte is left for the length, and a long value moved. */
static int write_prefixed(rows_loop *loop, int (*write)(const rows_field *, PyObject *, rows_output *), PyObject *value) {
    rows_output *out = loop->out;
    size_t start = out->size;
    ROWS_TRY(rows_put(out, 1) == NULL ? -1 : 0);
    if (write(loop->to, value, out) < 0) return blame_row(loop, "the result for");
    size_t length = out->size - start - 1, digits = 1;
    while (length >> 7 * digits > 0) digits++;
    if (digits > 1) {
        ROWS_TRY(rows_put(out, digits - 1) == NULL ? -1 : 0);
        memmove(out->data + start + digits, out->data + start + 1, length);
    }
    for (size_t i = 0; i < digits; i++) out->data[start + i] = (uint8_t)((length >> 7 * i & 0x7f) | (i + 1 < digits ? 0x80 : 0));
    return 0;
}

static int write_end(rows_loop *loop) {
    uint8_t *end = rows_put(loop->out, 2);
    if (end == NULL) return -1;
    end[0] = 1, end[1] = 0;
    return 0;
}

static int through(rows_loop *loop, Py_ssize_t stage, PyObject *row);

/* What follows a stage, for one of its results. */
static int pass_on(rows_loop *loop, Py_ssize_t stage, PyObject *result) {
    return stage + 1 == PyTuple_GET_SIZE(loop->stages) ? write_prefixed(loop, loop->to->write, result) : through(loop, stage + 1, result);
}

/* Puts a result behind time and watermark, which are the first values of `row`. */
static PyObject *timed(PyObject *row, PyObject *result) {
    PyObject *values = PyList_New(3), *timed = NULL;
    if (values != NULL) {
        PyObject *time = rows_row_item(row, 0), *watermark = time == NULL ? NULL : rows_row_item(row, 1);
        PyList_SET_ITEM(values, 0, time);
        PyList_SET_ITEM(values, 1, watermark);
        PyList_SET_ITEM(values, 2, Py_NewRef(result));
        if (watermark != NULL) timed = rows_new_row(values, NULL, 0);
    }
    Py_XDECREF(values);
    return timed;
}

static int pass_on_all(rows_loop *loop, Py_ssize_t stage, PyObject *results, PyObject *timed_as) {
    PyObject *iterator = PyObject_GetIter(results);
    if (iterator == NULL) return -1;
    PyObject *result;
    int status = 0;
    while (status == 0 && (result = PyIter_Next(iterator)) != NULL) {
        if (timed_as != NULL) Py_SETREF(result, timed(timed_as, result));
        status = result == NULL ? -1 : pass_on(loop, stage, result);
        Py_XDECREF(result);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : status;
}

/* advance(row[1]), function(row[2], row[0]): the results, a new reference. */
static PyObject *handled(PyObject *advance, PyObject *function, PyObject *row) {
    PyObject *arguments[2] = {NULL, NULL}, *results = NULL;
    PyObject *watermark = rows_row_item(row, 1), *done = watermark == NULL ? NULL : PyObject_CallOneArg(advance, watermark);
    if (done != NULL && (arguments[0] = rows_row_item(row, 2)) != NULL && (arguments[1] = rows_row_item(row, 0)) != NULL)
        results = PyObject_Vectorcall(function, arguments, 2, NULL);
    Py_XDECREF(watermark);
    Py_XDECREF(done);
    Py_XDECREF(arguments[0]);
    Py_XDECREF(arguments[1]);
    return results;
}

static int through(rows_loop *loop, Py_ssize_t stage, PyObject *row) {
    PyObject *what = PyTuple_GET_ITEM(loop->stages, stage);
    bool handles = PyTuple_GET_SIZE(what) == 2, last = stage + 1 == PyTuple_GET_SIZE(loop->stages);
    PyObject *function = PyTuple_GET_ITEM(what, handles ? 1 : 0);
    PyObject *results = handles ? handled(PyTuple_GET_ITEM(what, 0), function, row) : PyObject_CallOneArg(function, row);
    if (results == NULL) return -1;
    int status = 0;
    if (handles) {
        int some = PyObject_IsTrue(results);
        status = some > 0 ? pass_on_all(loop, stage, results, row) : some;
    } else if (last && loop->mode == SINGLE) {
        status = write_prefixed(loop, loop->to->write, results);
    } else if (!last || results != Py_None) {
        status = pass_on_all(loop, stage, results, NULL);
    }
    Py_DECREF(results);
    return status == 0 && last && loop->mode == SEPARATED ? write_end(loop) : status;
}

/* The only stage's function, called with the values of the next row; its result is the row's only value. */
static int spread(rows_loop *loop) {
    PyObject **values = loop->values;
    Py_ssize_t count = loop->from->n_children;
    if (rows_read_values(loop->from, loop->in, values) < 0) return blame_row(loop, "the values of");
    PyObject *result = PyObject_Vectorcall(PyTuple_GET_ITEM(PyTuple_GET_ITEM(loop->stages, 0), 0), values, (size_t)count, NULL);
    for (Py_ssize_t i = 0; i < count; i++) Py_DECREF(values[i]);
    int status = result == NULL ? -1 : write_prefixed(loop, rows_write_only, result);
    Py_XDECREF(result);
    return status;
}

int rows_next(rows_loop *loop) {
    int64_t length;
    loop->row++;
    if (rows_take_var_int(loop->in, &length) < 0) return blame_row(loop, "the length of");
    if (loop->values != NULL) return spread(loop);
    PyObject *row = loop->from->read(loop->from, loop->in);
    int status = row == NULL ? blame_row(loop, "the values of") : through(loop, 0, row);
    Py_XDECREF(row);
    return status;
}

/* All rows of the message; with a function of _vivarium's, as columns where that can be. */
static int all(rows_loop *loop, vv_function *function) {
    int64_t wait = function == NULL ? INT64_MAX : 0;
    int status = 0;
    while (status == 0 && loop->in->at < loop->in->end) {
        if (wait == 0) {
            status = rows_as_columns(loop, function, &wait);
            continue;
        }
        status = rows_next(loop);
        wait--;
        if (function == NULL) continue;
        function->rows_before_lifting--;
        function->rows_interpreted++;
    }
    return status;
}

static int check_stages(PyObject *stages, bool columns) {
    Py_ssize_t count = PyTuple_GET_SIZE(stages);
    bool right = count > 0 && (!columns || count == 1);
    for (Py_ssize_t i = 0; right && i < count; i++) {
        PyObject *stage = PyTuple_GET_ITEM(stages, i);
        right = PyTuple_Check(stage) && (PyTuple_GET_SIZE(stage) == 1 || (PyTuple_GET_SIZE(stage) == 2 && !columns));
    }
    if (right) return 0;
    PyErr_SetString(PyExc_ValueError, "stages are tuples of one function or two");
    return -1;
}

static int check_function(const rows_loop *loop, PyObject *function) {
    bool none = function == Py_None;
    if (none || (PyObject_TypeCheck(function, &vv_function_type) && PyTuple_GET_SIZE(loop->stages) == 1 && loop->mode == SINGLE &&
                 rows_suit((vv_function *)function, loop->from, loop->to)))
        return 0;
    PyErr_SetString(PyExc_TypeError, "the function is one of _vivarium, with the columns of the rows, or None");
    return -1;
}

PyObject *rows_run(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *decoder, *encoder, *message, *function = Py_None;
    rows_loop loop = {0};
    int columns;
    if (!PyArg_ParseTuple(arguments, "O!O!O!ipS|O", &rows_codec_type, &decoder, &PyTuple_Type, &loop.stages, &rows_codec_type, &encoder,
                          &loop.mode, &columns, &message, &function) ||
        check_stages(loop.stages, columns) < 0)
        return NULL;
    loop.from = &((rows_codec *)decoder)->root;
    loop.to = &((rows_codec *)encoder)->root;
    loop.of = ((rows_codec *)decoder)->of;
    if (columns && !(rows_is_list(loop.from) && rows_is_list(loop.to) && loop.to->n_children == 1))
        return PyErr_Format(PyExc_TypeError, "only the values of a row can be spread, and make a row of one value");
    if (check_function(&loop, function) < 0) return NULL;
    loop.in = (rows_input *)PyObject_CallOneArg((PyObject *)&rows_input_type, message);
    loop.out = (rows_output *)PyObject_CallNoArgs((PyObject *)&rows_output_type);
    loop.values = columns ? PyMem_Calloc((size_t)loop.from->n_children + 1, sizeof *loop.values) : NULL;
    int status = loop.in == NULL || loop.out == NULL ? -1 : 0;
    if (columns && loop.values == NULL) status = (PyErr_NoMemory(), -1);
    if (status == 0) status = all(&loop, function == Py_None ? NULL : (vv_function *)function);
    PyMem_Free(loop.values);
    PyObject *written = status < 0 ? NULL : PyBytes_FromStringAndSize((const char *)loop.out->data, (Py_ssize_t)loop.out->size);
    Py_XDECREF(loop.in);
    Py_XDECREF(loop.out);
    return written;
}
