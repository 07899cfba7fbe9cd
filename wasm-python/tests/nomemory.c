/* Makes the interpreter's allocations fail: for test_exhausted_memory.py. */
#include <Python.h>

static PyMemAllocatorEx original[3];
static const PyMemAllocatorDomain domains[3] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
static long long allowed = -1, last; /* allocations that are left before they fail; -1: all; and up to which one they do */
static long long asked;

static int fails(void) {
    asked++;
    return allowed >= 0 && asked > allowed && (last < 0 || asked <= last);
}

static void *failing_malloc(void *context, size_t size) {
    PyMemAllocatorEx *own = context;
    return fails() ? NULL : own->malloc(own->ctx, size);
}

static void *failing_calloc(void *context, size_t count, size_t size) {
    PyMemAllocatorEx *own = context;
    return fails() ? NULL : own->calloc(own->ctx, count, size);
}

static void *failing_realloc(void *context, void *pointer, size_t size) {
    PyMemAllocatorEx *own = context;
    return fails() ? NULL : own->realloc(own->ctx, pointer, size);
}

static void plain_free(void *context, void *pointer) {
    PyMemAllocatorEx *own = context;
    own->free(own->ctx, pointer);
}

static void begin(long long first, long long end) {
    for (int i = 0; i < 3; i++) {
        PyMem_GetAllocator(domains[i], &original[i]);
        PyMemAllocatorEx failing = {&original[i], failing_malloc, failing_calloc, failing_realloc, plain_free};
        PyMem_SetAllocator(domains[i], &failing);
    }
    allowed = first;
    last = end;
    asked = 0;
}

static long long end(void) {
    for (int i = 0; i < 3; i++) PyMem_SetAllocator(domains[i], &original[i]);
    return asked;
}

/* vv_invoke; allocations fail behind the first so many, up to the one of that number (-1: all). How many were asked for. */
long long nomemory_invoke(void *(*invoke)(unsigned, unsigned, void *), unsigned handle, void *arena, long long first, long long stop, void **result) {
    begin(first, stop);
    *result = invoke(handle, 0, arena);
    return end();
}

/* Within such a call: from now on nothing can be allocated until it ends. */
void nomemory_now(void) {
    allowed = asked;
    last = -1;
}
