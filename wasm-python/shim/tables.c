/* A function that returns rows for a row: a generator, or anything that can be iterated over.
 *
 * The result is one array for the rows of many input rows, each with the number of its input row. It is cut when it has become
 * large enough: the iterator that was not exhausted waits for the host to ask for more. Under the policies that go on after an
 * error the rows of one input row are never spread over results, because they are taken back when it fails.
 */
#include "calls.h"

#define ROW_NUMBERS(function) (&(function)->builder.children[0])
#define OUTPUT(function) (&(function)->builder.children[1])

void vv_table_end(vv_function *function) {
    vv_table *table = &function->table;
    Py_CLEAR(table->iterator);
    Py_CLEAR(table->columns);
    Py_CLEAR(table->unread);
    table->unread_next = 0;
    PyMem_RawFree(table->numbers);
    table->numbers = NULL;
    Py_CLEAR(table->owner);
    function->more = false;
}

int vv_table_begin(vv_function *function, int64_t rows, PyObject *owner) {
    vv_table_end(function);
    if (rows > UINT32_MAX) {
        PyErr_NoMemory();
        return -1;
    }
    function->table.rows = rows;
    function->table.row = 0;
    function->table.owner = Py_NewRef(owner);
    function->rows_interpreted += rows;
    return 0;
}

/* ---- One row of the result ---- */

static int append_number(vv_builder *numbers, int64_t row) {
    if (numbers->length == numbers->capacity) VV_TRY(vv_builder_grow(numbers, 1));
    ((uint32_t *)numbers->values.data)[numbers->length++] = (uint32_t)row;
    return 0;
}

/* The value of the only column. PyFlink's users write it alone or as a row of one. */
static int append_single(vv_function *function, PyObject *value) {
    vv_builder *output = OUTPUT(function), *column = &output->children[0];
    if (output->length == output->capacity) VV_TRY(vv_builder_grow(output, 1));
    bool row = function->mode == VV_LENIENT && PyTuple_Check(value);
    if (row && PyTuple_GET_SIZE(value) != 1) return vv_misfit(output, value, "it has %zd items", PyTuple_GET_SIZE(value));
    VV_TRY(vv_append(column, row ? PyTuple_GET_ITEM(value, 0) : value));
    output->length++;
    return 0;
}

static int append_row(vv_function *function, PyObject *value) {
    vv_builder *output = OUTPUT(function);
    if (function->mode == VV_VALUES) return append_single(function, value);
    if (function->mode == VV_LENIENT && output->type->n_children == 1) {
        PyObject *row; /* PyFlink's Row is written as a struct is */
        VV_TRY(PyObject_GetOptionalAttrString((PyObject *)Py_TYPE(value), "__arrow_struct__", &row));
        if (row == NULL) return append_single(function, value);
        Py_DECREF(row);
    }
    if (value == Py_None) return vv_misfit(output, value, "a row of %zd values is expected", output->type->n_children);
    return vv_append(output, value);
}

static int append_null_row(vv_function *function) {
    vv_builder *output = OUTPUT(function);
    if (output->length == output->capacity) VV_TRY(vv_builder_grow(output, 1));
    for (Py_ssize_t i = 0; i < output->type->n_children; i++) VV_TRY(vv_append(&output->children[i], Py_None));
    output->length++;
    return 0;
}

/* Both halves of a row, or none. */
int vv_table_emit(vv_function *function, PyObject *value) {
    vv_builder *builder = &function->builder;
    int status = value == NULL ? append_null_row(function) : append_row(function, value);
    if (status == 0) status = append_number(ROW_NUMBERS(function), function->table.row);
    if (status < 0) vv_builder_truncate(builder, builder->length);
    else builder->length++;
    return status;
}

/* ---- The rows of one input row ---- */

static bool is_iterated(const vv_function *function, PyObject *result) {
    if (PyGen_Check(result) || PyList_Check(result) || PyRange_Check(result) || PyIter_Check(result)) return true;
    if (function->mode == VV_LENIENT || PyUnicode_Check(result) || PyBytes_Check(result) || PyDict_Check(result)) return false;
    return Py_TYPE(result)->tp_iter != NULL;
}

/* Calls the function for the next row, and leaves an iterator over what it returned, or none. */
static int begin_row(vv_function *function) {
    vv_table *table = &function->table;
    PyObject **arguments = vv_argument_places(function);
    PyObject *result = vv_call_row(function, vv_direct(function->callable), arguments + 1, table->row);
    if (result == NULL) return -1;
    int status = 0;
    if (is_iterated(function, result)) {
        table->iterator = PyObject_GetIter(result);
        status = table->iterator == NULL ? -1 : 0;
    } else if (function->mode == VV_LENIENT && result != Py_None) {
        status = vv_table_emit(function, result);
    } else if (result != Py_None) {
        PyErr_Format(vv_result_error, "result: a table function returns an iterable of rows (or yields them), not %.100s",
                     Py_TYPE(result)->tp_name);
        status = -1;
    }
    Py_DECREF(result);
    return status;
}

bool vv_table_is_full(const vv_function *function) {
    return function->builder.length >= function->table.max_rows || vv_builder_bytes(&function->builder) >= function->table.max_bytes;
}

int vv_table_check_length(const vv_function *function) {
    const vv_table *table = &function->table;
    if (function->builder.length - table->start <= table->max_rows &&
        vv_builder_bytes(&function->builder) - table->start_bytes <= table->max_bytes)
        return 0;
    PyErr_Format(vv_result_error,
                 "result: more than %lld rows or %zu bytes for one row, which only the error policy \"fail\" lets through",
                 (long long)table->max_rows, table->max_bytes);
    return -1;
}

/* Takes rows off the iterator: 1 when there are more than fit in this result, 0 at their end. */
static int drain(vv_function *function) {
    vv_table *table = &function->table;
    while (table->iterator != NULL) {
        PyObject *value = PyIter_Next(table->iterator);
        if (value == NULL) {
            if (PyErr_Occurred()) return -1;
            Py_CLEAR(table->iterator);
            return 0;
        }
        int status = vv_table_emit(function, value);
        Py_DECREF(value);
        VV_TRY(status);
        if (function->on_error == VV_FAIL) {
            if (vv_table_is_full(function)) return 1;
        } else {
            VV_TRY(vv_table_check_length(function));
        }
    }
    return 0;
}

/* The row's own rows go, and the policy decides what takes their place. */
static int row_failed(vv_function *function) {
    vv_table *table = &function->table;
    PyObject *exception = PyErr_GetRaisedException();
    Py_CLEAR(table->iterator); /* runs the generator's finally blocks */
    PyErr_Clear();
    PyErr_SetRaisedException(exception);
    vv_builder_truncate(&function->builder, table->start);
    VV_TRY(vv_function_row_failed(function, table->row));
    return function->on_error == VV_MAKE_NULL ? vv_table_emit(function, NULL) : 0;
}

int vv_table_continue(vv_function *function, int64_t *row) {
    vv_table *table = &function->table;
    function->more = false;
    VV_TRY(vv_builder_start(&function->builder, 0));
    for (; table->row < table->rows; table->row++) {
        int status = 0;
        if (table->iterator == NULL) {
            if (!vv_is_called(function, table->row)) continue;
            if (vv_table_is_full(function)) {
                function->more = true;
                return 0;
            }
            table->start = function->builder.length;
            table->start_bytes = vv_builder_bytes(&function->builder);
            status = begin_row(function);
        }
        if (status == 0) status = drain(function);
        if (status > 0) {
            function->more = true;
            return 0;
        }
        if (status < 0 && row_failed(function) < 0) {
            *row = table->row;
            vv_table_end(function);
            return -1;
        }
    }
    vv_table_end(function);
    return 0;
}
