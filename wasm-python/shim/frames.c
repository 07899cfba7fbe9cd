/* A table function called once a batch: the rows it gives for all rows of the batch.
 *
 * It is called with the arguments of vectors.c, and returns an iterator (vivarium._frames) of pairs: a position among the rows it
 * was called with, and a row of the result. Positions do not become smaller. Under the policy "fail" one call gets all rows, and what
 * it yields leaves in results of bounded size, as in tables.c. Under the others, whose rows are taken back when they fail, a call that
 * raises is repeated with half of its rows until the row that fails stands alone.
 */
#include "vivarium.h"

int vv_frames_begin(vv_function *function, int64_t rows, PyObject *owner, int64_t *row) {
    vv_table *table = &function->table;
    VV_TRY(vv_table_begin(function, rows, owner));
    vv_selection selection = {.owner = owner};
    table->columns = vv_vectors_arguments(function, rows, &selection, row);
    if (table->columns != NULL) {
        table->computed = selection.count;
        table->numbers = selection.rows;
        table->unread = selection.unread;
        selection.rows = NULL;
        selection.unread = NULL;
    }
    vv_selection_clear(&selection);
    if (table->columns == NULL) {
        vv_table_end(function);
        return -1;
    }
    table->next = 0;
    table->span = table->computed;
    return 0;
}

static int64_t number_of(const vv_table *table, int64_t position) {
    return table->numbers != NULL ? table->numbers[position] : position;
}

/* Calls the function for table.span rows. */
static int begin_range(vv_function *function) {
    vv_table *table = &function->table;
    bool all = table->span == table->computed;
    PyObject *columns = all ? Py_NewRef(table->columns) : vv_vectors_slices(table->columns, table->next, table->span);
    PyObject *rows = columns == NULL ? NULL : PyObject_CallObject(function->callable, columns);
    Py_XDECREF(columns);
    if (rows == NULL) return -1;
    table->iterator = PyObject_GetIter(rows);
    Py_DECREF(rows);
    return table->iterator == NULL ? -1 : 0;
}

/* Appends one pair. */
static int append_pair(vv_function *function, PyObject *pair) {
    vv_table *table = &function->table;
    Py_ssize_t position;
    PyObject *values;
    if (!PyTuple_Check(pair) || !PyArg_ParseTuple(pair, "nO", &position, &values)) return -1;
    if (position < 0 || position >= table->span) {
        PyErr_Format(PyExc_IndexError, "row %zd of a call with %lld rows", position, (long long)table->span);
        return -1;
    }
    table->row = number_of(table, table->next + position);
    return vv_table_emit(function, values);
}

/* Takes pairs off the iterator: 1 when there are more than fit in this result, 0 at their end. *row: of a pair that does not fit. */
static int drain(vv_function *function, int64_t *row) {
    vv_table *table = &function->table;
    for (;;) {
        PyObject *pair = PyIter_Next(table->iterator);
        if (pair == NULL) {
            if (PyErr_Occurred()) return -1;
            Py_CLEAR(table->iterator);
            return 0;
        }
        int status = append_pair(function, pair);
        Py_DECREF(pair);
        if (status < 0) *row = table->row;
        VV_TRY(status);
        if (function->on_error != VV_FAIL) VV_TRY(vv_table_check_length(function));
        else if (vv_table_is_full(function)) return 1;
    }
}

/* After an exception: under the policy "fail" it stands; otherwise the call's rows go, and it is repeated with fewer, or the policy
 * decides what takes the place of the rows of the one that failed. */
static int range_failed(vv_function *function, int64_t *row) {
    vv_table *table = &function->table;
    int64_t blamed = vv_vectors_blamed(table->span);
    if (blamed >= 0) *row = number_of(table, table->next + blamed);
    PyObject *exception = PyErr_GetRaisedException();
    Py_CLEAR(table->iterator); /* runs the generator's finally blocks */
    PyErr_Clear();
    PyErr_SetRaisedException(exception);
    if (function->on_error == VV_FAIL) return -1;
    vv_builder_truncate(&function->builder, table->start);
    if (table->span > 1 && !vv_ends_the_call()) {
        PyErr_Clear();
        table->span /= 2;
        return 0;
    }
    table->row = number_of(table, table->next);
    VV_TRY(vv_function_row_failed(function, table->row));
    if (function->on_error == VV_MAKE_NULL) VV_TRY(vv_table_emit(function, NULL));
    table->next++;
    return 0;
}

/* The row of the batch that could not be read and is the next one of those, behind all rows when there is none. */
static int64_t next_unread(const vv_table *table) {
    bool any = table->unread != NULL && table->unread_next < PyList_GET_SIZE(table->unread);
    return any ? vv_unread_row(table->unread, table->unread_next) : table->rows;
}

/* A call's rows are those in front of it: what takes its place then follows theirs. */
static int64_t bounded_span(const vv_table *table, int64_t unread) {
    int64_t most = table->computed - table->next, span = table->span < most ? table->span : most;
    while (span > 1 && number_of(table, table->next + span - 1) > unread) span--;
    return span;
}

/* What the policy makes of a row that could not be read. */
static int pass_unread(vv_function *function, int64_t unread) {
    vv_table *table = &function->table;
    VV_TRY(vv_unread_failed(function, table->unread, &table->unread_next, unread + 1));
    table->row = unread;
    return function->on_error == VV_MAKE_NULL ? vv_table_emit(function, NULL) : 0;
}

int vv_frames_continue(vv_function *function, int64_t *row) {
    vv_table *table = &function->table;
    function->more = false;
    VV_TRY(vv_builder_start(&function->builder, 0));
    while (table->next < table->computed || next_unread(table) < table->rows) {
        int status = 0;
        if (table->iterator == NULL) {
            if (vv_table_is_full(function)) {
                function->more = true;
                return 0;
            }
            table->start = function->builder.length;
            table->start_bytes = vv_builder_bytes(&function->builder);
            int64_t unread = next_unread(table);
            if (table->next == table->computed || unread < number_of(table, table->next)) {
                if (pass_unread(function, unread) == 0) continue;
                vv_table_end(function);
                return -1;
            }
            table->span = bounded_span(table, unread);
            status = begin_range(function);
        }
        if (status == 0) status = drain(function, row);
        if (status > 0) {
            function->more = true;
            return 0;
        }
        if (status == 0) {
            table->next += table->span;
            table->span *= 2;
        } else if (range_failed(function, row) < 0) {
            vv_table_end(function);
            return -1;
        } else {
            *row = -1;
        }
    }
    vv_table_end(function);
    return 0;
}
