/* pthread keys for the guest's one thread.
 *
 * They replace those of zig's wasip1 libc, whose pthread_key_delete() walks a list of threads that has no end there, so
 * that finalising the interpreter never returned. All symbols of libc's pthread_key_create.o are defined, so that the
 * linker has no reason to take that object.
 */
#include <errno.h>
#include <stddef.h>

#define KEYS 128

static struct {
    const void *value;
    unsigned char used;
} keys[KEYS];

volatile size_t __pthread_tsd_size = sizeof(void *) * KEYS;
void *__pthread_tsd_main[KEYS];

int pthread_key_create(unsigned *key, void (*destructor)(void *)) {
    (void)destructor; /* runs when a thread ends; the one thread ends with the instance */
    for (unsigned i = 0; i < KEYS; i++) {
        if (!keys[i].used) {
            keys[i].used = 1;
            keys[i].value = NULL;
            *key = i;
            return 0;
        }
    }
    return EAGAIN;
}

int pthread_key_delete(unsigned key) {
    if (key >= KEYS || !keys[key].used) return EINVAL;
    keys[key].used = 0;
    keys[key].value = NULL;
    return 0;
}

void *pthread_getspecific(unsigned key) { return key < KEYS ? (void *)keys[key].value : NULL; }

int pthread_setspecific(unsigned key, const void *value) {
    if (key >= KEYS || !keys[key].used) return EINVAL;
    keys[key].value = value;
    return 0;
}

int __pthread_key_create(unsigned *key, void (*destructor)(void *)) { return pthread_key_create(key, destructor); }

int __pthread_key_delete(unsigned key) { return pthread_key_delete(key); }

void __pthread_tsd_run_dtors(void) {}

void __pthread_key_atfork(int who) { (void)who; }
