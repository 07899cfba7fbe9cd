/* The memory a batch arrives in: a Python object, so that NumPy arrays that look into it keep it alive. */
#include "vivarium.h"

#define ALIGNMENT 64

vv_arena *vv_arena_new(size_t size) {
    if (size > (size_t)PY_SSIZE_T_MAX - ALIGNMENT) {
        PyErr_NoMemory();
        return NULL;
    }
    vv_arena *arena = PyObject_New(vv_arena, &vv_arena_type);
    if (arena == NULL) return NULL;
    arena->size = size;
    arena->allocation = PyMem_RawMalloc(size + ALIGNMENT);
    if (arena->allocation == NULL) {
        Py_DECREF(arena);
        PyErr_NoMemory();
        return NULL;
    }
    arena->memory = (uint8_t *)(((uintptr_t)arena->allocation + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
    return arena;
}

static void arena_dealloc(PyObject *self) {
    PyMem_RawFree(((vv_arena *)self)->allocation);
    PyObject_Free(self);
}

PyTypeObject vv_arena_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_vivarium.Arena",
    .tp_doc = "The memory of one input batch.",
    .tp_basicsize = sizeof(vv_arena),
    .tp_dealloc = arena_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};
