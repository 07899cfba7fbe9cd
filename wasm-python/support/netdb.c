/* Name resolution for the guest: there is none. CPython's bundled getaddrinfo.c and getnameinfo.c call these functions,
 * which wasip1's libc does not have; every name is "not found". */
#include <netdb.h>
#include <stddef.h>

#undef h_errno

int *__h_errno_location(void) {
    static int host_not_found = 1; /* HOST_NOT_FOUND */
    return &host_not_found;
}

struct hostent *gethostbyname(const char *name) {
    (void)name;
    return NULL;
}

struct hostent *gethostbyaddr(const void *address, socklen_t length, int type) {
    (void)address, (void)length, (void)type;
    return NULL;
}

struct servent *getservbyname(const char *name, const char *protocol) {
    (void)name, (void)protocol;
    return NULL;
}

struct servent *getservbyport(int port, const char *protocol) {
    (void)port, (void)protocol;
    return NULL;
}
