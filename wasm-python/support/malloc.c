/* malloc for the guest: dlmalloc over memory.grow.
 *
 * It replaces the allocator of zig's wasip1 libc, which rounds every size up to a power of two and never uses the tail of
 * the initial memory: 49 MB after start-up, against 17 MB with dlmalloc. The build includes dlmalloc.c by its path.
 * strdup, strndup and wcsdup are here because libc's own versions call libc's own allocator directly, and free() of their
 * results would corrupt this heap.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#define WASM_PAGE 65536u

extern unsigned char __heap_base;

/* Extends the heap by `size` bytes (a multiple of the granularity); dlmalloc never gives memory back through it. */
static void *more_core(ptrdiff_t size) {
    static uintptr_t end;
    if (!end) end = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    if (size < 0) return (void *)-1;
    uintptr_t start = end, wanted = end + (uintptr_t)size;
    if (wanted < start) return (void *)-1;
    uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) * WASM_PAGE;
    if (wanted > have) {
        uintptr_t pages = (wanted - have + WASM_PAGE - 1) / WASM_PAGE;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) {
            errno = ENOMEM;
            return (void *)-1;
        }
    }
    end = wanted;
    return (void *)start;
}

#define HAVE_MMAP 0
#define HAVE_MREMAP 0
#define HAVE_MORECORE 1
#define MORECORE more_core
#define MORECORE_CONTIGUOUS 1
#define MORECORE_CANNOT_TRIM 1
#define USE_LOCKS 0
#define NO_MALLINFO 1
#define LACKS_SYS_PARAM_H 1
#define LACKS_SYS_MMAN_H 1
#define LACKS_FCNTL_H 1
#define ABORT __builtin_trap()
#define malloc_getpagesize WASM_PAGE
#define DEFAULT_GRANULARITY WASM_PAGE
#define MALLOC_ALIGNMENT ((size_t)16)
#define MALLOC_FAILURE_ACTION errno = ENOMEM;
#include DLMALLOC_C

/* Takes every free chunk that lies between others, for good, so that all later ones come from the end of the heap; there,
 * `reserve` bytes are then free without growing linear memory. For the snapshot: see shim/settle.c. */
__attribute__((no_builtin("malloc", "free"))) /* or clang removes allocations that nobody uses */
void vv_use_up_free_chunks(size_t reserve) {
    for (size_t size = (size_t)1 << 20; size >= MALLOC_ALIGNMENT; size -= size > 1024 ? size / 16 : MALLOC_ALIGNMENT) {
        for (;;) {
            char *end = (char *)gm->top;
            char *chunk = malloc(size);
            if (chunk == NULL) ABORT;
            if (chunk < end) continue;
            free(chunk);
            break;
        }
    }
    free(malloc(reserve));
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

void *reallocarray(void *memory, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(memory, bytes);
}

char *strdup(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

char *strndup(const char *text, size_t most) {
    size_t length = strnlen(text, most);
    char *copy = malloc(length + 1);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = 0;
    return copy;
}

wchar_t *wcsdup(const wchar_t *text) {
    size_t size = (wcslen(text) + 1) * sizeof(wchar_t);
    wchar_t *copy = malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}
