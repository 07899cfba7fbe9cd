/* `_flink_rows`: what Python sees. */
#include "rows.h"

PyDoc_STRVAR(adopt_doc, "adopt(Row, kinds): the class of rows, whose most used methods are replaced, and its four kinds, by value.");

PyDoc_STRVAR(run_doc,
             "run(codec, stages, codec, mode, columns, message, function=None) -> bytes: takes each row through the stages.\n\n"
             "A stage is (function,), which is called with a row: results that are not the last stage's are gone through, one after the\n"
             "other; or (advance, function): advance(row[1]), then function(row[2], row[0]), whose results are put into rows with row[0]\n"
             "and row[1] in front. Of the last stage's results, mode 0: one row; 1: rows; 2: rows, behind which an end is written.\n"
             "columns: True, and the only stage is called with the row's values and returns the one value of the result.\n"
             "function: a _vivarium.Function of the row's columns, whose program makes what the only stage would: rows run as columns.");

static PyMethodDef methods[] = {
    {"adopt", rows_adopt, METH_VARARGS, adopt_doc},
    {"run", rows_run, METH_VARARGS, run_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_flink_rows",
    .m_doc = "Flink's rows as bytes and as Python objects.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__flink_rows(void) {
    PyObject *module = rows_import_times() < 0 || rows_import_decimals() < 0 ? NULL : PyModule_Create(&definition);
    if (module != NULL && (PyModule_AddType(module, &rows_input_type) < 0 || PyModule_AddType(module, &rows_output_type) < 0 ||
                           PyModule_AddType(module, &rows_codec_type) < 0))
        Py_CLEAR(module);
    return module;
}
