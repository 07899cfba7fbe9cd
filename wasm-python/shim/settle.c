/* vv_settle: the end of vv_init. Leaves a heap that instances rarely write to.
 *
 * Instances share the snapshot's memory until they write to it, and every page they write costs a fault and 4 KiB. Left
 * alone, an interpreter writes all over its heap: to count references, and because allocators hand out the holes that
 * start-up left between long-lived objects. So, in this order:
 *
 *   1. every object that lives is made immortal (PEP 683): its count of references is never written again;
 *   2. the ints that wait to be used again, the holes in pymalloc's pools and those in malloc's bins are used up. What an instance allocates comes from one
 *      fresh arena and from the end of the heap, page by page.
 *
 * Nothing is lost by it: what the snapshot holds would not be freed by instances anyway, and a hole that nobody writes to
 * is shared by all of them.
 */
#define Py_BUILD_CORE 1
#include "vivarium.h"

#if PY_VERSION_HEX >= 0x030D0000
#include "internal/pycore_interp.h"
#include "internal/pycore_long.h"
#include "internal/pycore_obmalloc.h"
#include "internal/pycore_object.h"

/* ---- Immortal objects ---- */

/* Objects made immortal whose references have not been followed yet. */
static struct {
    PyObject **items;
    size_t count, size;
} pending;

static void push(PyObject *object) {
    if (pending.count == pending.size) {
        pending.size = pending.size == 0 ? 1 << 16 : pending.size * 2;
        pending.items = PyMem_RawRealloc(pending.items, pending.size * sizeof *pending.items);
        if (pending.items == NULL) abort();
    }
    pending.items[pending.count++] = object;
}

static int make_immortal(PyObject *object, void *ignored) {
    (void)ignored;
    if (object == NULL || _Py_IsImmortal(object)) return 0;
    /* A mortal string in the table of interned strings is counted there differently from an immortal one. */
    if (PyUnicode_CheckExact(object) && PyUnicode_CHECK_INTERNED(object) == SSTATE_INTERNED_MORTAL)
        ((PyASCIIObject *)object)->state.interned = SSTATE_INTERNED_IMMORTAL;
    object->ob_refcnt = _Py_IMMORTAL_REFCNT;
    push(object);
    return 0;
}

#define VISIT(object) make_immortal((PyObject *)(object), NULL)

/* Code objects are not the collector's. */
static void follow_code(PyCodeObject *code) {
    VISIT(code->co_consts);
    VISIT(code->co_names);
    VISIT(code->co_exceptiontable);
    VISIT(code->co_localsplusnames);
    VISIT(code->co_localspluskinds);
    VISIT(code->co_filename);
    VISIT(code->co_name);
    VISIT(code->co_qualname);
    VISIT(code->co_linetable);
}

static void follow(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    VISIT(type);
    VISIT(type->tp_mro);
    VISIT(type->tp_bases);
    if (PyCode_Check(object)) {
        follow_code((PyCodeObject *)object);
        return;
    }
    if (PyDict_Check(object)) { /* the collector does not look at keys that are strings */
        PyObject *key, *value;
        for (Py_ssize_t at = 0; PyDict_Next(object, &at, &key, &value);) VISIT(key);
    }
    if (PyObject_IS_GC(object) && type->tp_traverse != NULL) type->tp_traverse(object, make_immortal, NULL);
}

static int visit_tracked(PyObject *object, void *ignored) {
    make_immortal(object, ignored);
    return 1;
}

static void make_everything_immortal(void) {
    PyUnstable_GC_VisitObjects(visit_tracked, NULL);
    VISIT(_Py_INTERP_CACHED_OBJECT(_PyInterpreterState_GET(), interned_strings));
    while (pending.count > 0) follow(pending.items[--pending.count]);
    PyMem_RawFree(pending.items);
    memset(&pending, 0, sizeof pending);
}

/* ---- Holes ---- */

/* Takes the ints that wait to be used again. */
static void use_up_ints(void) {
    for (int taken = 0; taken < _PyLong_FREE_INTS; taken++)
        if (PyLong_FromLong(1 << 20) == NULL) abort();
}

/* Takes every free block of every pool, then every free pool, and starts an arena. */
static void use_up_pools(void) {
    struct _obmalloc_state *state = _PyInterpreterState_GET()->obmalloc;
    for (size_t class = 0; class < NB_SMALL_SIZE_CLASSES; class++) {
        for (;;) {
            struct pool_header *pool = state->pools.used[2 * class]; /* of an empty list: a stand-in that is its own next */
            if (pool->nextpool == pool) break;
            if (PyObject_Malloc((class + 1) << ALIGNMENT_SHIFT) == NULL) abort();
        }
    }
    size_t arenas = state->mgmt.narenas_currently_allocated;
    while (state->mgmt.narenas_currently_allocated == arenas)
        if (PyObject_Malloc(SMALL_REQUEST_THRESHOLD) == NULL) abort();
}

#else /* Before 3.13 nothing is immortal, and references are counted in shared pages too: only malloc's holes can be used up. */

static void make_everything_immortal(void) {}
static void use_up_ints(void) {}
static void use_up_pools(void) {}

#endif

/* support/malloc.c */
extern void vv_use_up_free_chunks(size_t reserve);

/* What the end of the heap can give before linear memory has to grow: loading a function, a batch, and some. */
#define RESERVE (4u << 20)

#ifdef __wasm__
__attribute__((export_name("vv_settle"), used, visibility("default")))
#endif
void vv_settle(void) {
    make_everything_immortal();
    use_up_ints();
    use_up_pools();
    vv_use_up_free_chunks(RESERVE);
}
