/* Seeds the generator behind numpy.random's functions.
 *
 * numpy.random.seed() checks and converts an array of Python ints first, which takes longer than all else an instance does
 * at its start; this goes straight to numpy's C function for a seed of several words. The stream is that of
 * numpy.random.seed(words).
 */
#include "vivarium.h"

#ifdef VV_NUMPY
#include <numpy/random/bitgen.h>

/* numpy/random/src/mt19937. Linked into the guest; a shim that is loaded beside a native numpy does not find it. */
__attribute__((weak)) void mt19937_init_by_array(void *state, uint32_t *words, int count);

#define WORDS 8

PyObject *vv_seed_mt19937(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *capsule;
    Py_buffer seed;
    if (!PyArg_ParseTuple(arguments, "Oy*", &capsule, &seed)) return NULL;
    bitgen_t *generator = PyCapsule_GetPointer(capsule, "BitGenerator");
    if (generator != NULL && seed.len != WORDS * sizeof(uint32_t)) {
        PyErr_Format(PyExc_ValueError, "a seed has %d words of 32 bits", WORDS);
        generator = NULL;
    }
    bool found = mt19937_init_by_array != NULL;
    if (generator != NULL && found) {
        uint32_t words[WORDS];
        memcpy(words, seed.buf, sizeof words);
        mt19937_init_by_array(generator->state, words, WORDS);
    }
    PyBuffer_Release(&seed);
    return generator == NULL ? NULL : PyBool_FromLong(found);
}
#else
PyObject *vv_seed_mt19937(PyObject *module, PyObject *arguments) {
    (void)module, (void)arguments;
    Py_RETURN_FALSE;
}
#endif
