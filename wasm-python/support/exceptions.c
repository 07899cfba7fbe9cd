/* C++ exceptions for the guest: a throw ends the instance. The only C++ that throws is numpy's FFT, when memory runs out
 * in the middle of a transform; wasip1 objects are built without unwinding, so nothing could catch it. */
#include <stdlib.h>

void *__cxa_allocate_exception(size_t size) { return malloc(size); }

void __cxa_throw(void *exception, void *type, void (*destructor)(void *)) {
    (void)exception, (void)type, (void)destructor;
    abort();
}
