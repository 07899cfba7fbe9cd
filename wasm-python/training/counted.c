/* `_vivarium_counted`, of guests that count their branches: write() sends what LLVM's profile runtime has counted so far, in its raw form, to stdout. */

#include <Python.h>

#include <stdlib.h>
#include <unistd.h>

/* The runtime's headers define these anew where there is no operating system. */
#undef assert
#define getpagesize profile_getpagesize
#include "InstrProfiling.h"
#include "InstrProfilingInternal.h"

/* What counting objects refer to, so that a linker takes the runtime. */
int __llvm_profile_runtime;

/* What the runtime takes its memory from. */
void *minicov_alloc_zeroed(size_t size, size_t align) {
    (void)align;
    return calloc(1, size);
}

void minicov_dealloc(void *memory, size_t size, size_t align) {
    (void)size, (void)align;
    free(memory);
}

static int write_all(const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, size);
        if (written <= 0) return -1;
        bytes += written, size -= (size_t)written;
    }
    return 0;
}

/* Parts of the profile in their order; a part without bytes is so many zeros. */
static uint32_t append(ProfDataWriter *writer, ProfDataIOVec *parts, uint32_t count) {
    (void)writer;
    for (uint32_t i = 0; i < count; i++) {
        size_t size = parts[i].ElmSize * parts[i].NumElm;
        if (parts[i].Data != NULL) {
            if (write_all(parts[i].Data, size) != 0) return 1;
            continue;
        }
        for (; size > 0; size--) {
            if (write_all("", 1) != 0) return 1;
        }
    }
    return 0;
}

static PyObject *counted_write(PyObject *module, PyObject *ignored) {
    (void)module, (void)ignored;
    ProfDataWriter writer = {.Write = append, .WriterCtx = NULL};
    if (lprofWriteData(&writer, lprofGetVPDataReader(), 0) != 0) {
        PyErr_SetString(PyExc_OSError, "the counts cannot be written");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"write", counted_write, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_vivarium_counted", .m_size = 0, .m_methods = methods};

PyMODINIT_FUNC PyInit__vivarium_counted(void) {
    return PyModuleDef_Init(&definition);
}
