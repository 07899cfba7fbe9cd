/* The hash of text and bytes that CPython of 64 bits has: SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", with one round for
 * each word and three at the end) over the characters as they lie in memory, of one, two or four bytes each. The guest's own has 32 bits.
 */
#include "vivarium.h"

typedef struct {
    uint64_t a, b, c, d;
} state;

static uint64_t rotated(uint64_t word, int bits) {
    return word << bits | word >> (64 - bits);
}

static void mix(state *s) {
    s->a += s->b;
    s->c += s->d;
    s->b = rotated(s->b, 13) ^ s->a;
    s->d = rotated(s->d, 16) ^ s->c;
    s->a = rotated(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotated(s->b, 17) ^ s->c;
    s->d = rotated(s->d, 21) ^ s->a;
    s->c = rotated(s->c, 32);
}

/* Up to eight bytes as a word, the first one lowest. */
static uint64_t word_of(const unsigned char *bytes, size_t count) {
    uint64_t word = 0;
    for (size_t at = 0; at < count; at++) word |= (uint64_t)bytes[at] << (8 * at);
    return word;
}

static uint64_t siphash13(const unsigned char *bytes, size_t length, uint64_t low, uint64_t high) {
    state s = {
        low ^ UINT64_C(0x736f6d6570736575),
        high ^ UINT64_C(0x646f72616e646f6d),
        low ^ UINT64_C(0x6c7967656e657261),
        high ^ UINT64_C(0x7465646279746573),
    };
    size_t at = 0;
    for (; length - at >= 8; at += 8) {
        uint64_t word = word_of(bytes + at, 8);
        s.d ^= word;
        mix(&s);
        s.a ^= word;
    }
    uint64_t last = word_of(bytes + at, length - at) | (uint64_t)(length & 0xff) << 56;
    s.d ^= last;
    mix(&s);
    s.a ^= last;
    s.c ^= 0xff;
    for (int round = 0; round < 3; round++) mix(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

PyObject *vv_siphash13(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *value;
    Py_buffer key;
    if (!PyArg_ParseTuple(arguments, "Oy*", &value, &key)) return NULL;
    PyObject *answer = NULL;
    if (key.len != 16) {
        PyErr_Format(PyExc_ValueError, "a key has 16 bytes, not %zd", key.len);
    } else if (PyUnicode_Check(value)) {
        size_t length = (size_t)PyUnicode_GET_LENGTH(value) * (size_t)PyUnicode_KIND(value);
        const unsigned char *bytes = key.buf;
        answer = PyLong_FromUnsignedLongLong(
            siphash13(PyUnicode_DATA(value), length, word_of(bytes, 8), word_of(bytes + 8, 8)));
    } else if (PyBytes_Check(value)) {
        const unsigned char *bytes = key.buf;
        answer = PyLong_FromUnsignedLongLong(siphash13((const unsigned char *)PyBytes_AS_STRING(value),
                                                       (size_t)PyBytes_GET_SIZE(value), word_of(bytes, 8), word_of(bytes + 8, 8)));
    } else {
        PyErr_Format(PyExc_TypeError, "siphash13() takes text or bytes, not %.100s", Py_TYPE(value)->tp_name);
    }
    PyBuffer_Release(&key);
    return answer;
}
