/* Code points of valid UTF-8. */
#ifndef VIVARIUM_POINTS_H
#define VIVARIUM_POINTS_H

#include "../columns.h"

static inline uint32_t vv_points(const uint8_t *bytes, uint32_t size) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < size; i++) count += (bytes[i] & 0xC0) != 0x80;
    return count;
}

/* The place of a code point's first byte, from a place that is one; never beyond the end. */
static inline uint32_t vv_points_ahead(vv_text text, uint32_t at, int64_t count) {
    while (at < text.size && count > 0) {
        at++;
        while (at < text.size && (text.at[at] & 0xC0) == 0x80) at++;
        count--;
    }
    return at;
}

static inline vv_text vv_points_between(vv_text text, int64_t start, int64_t stop) {
    uint32_t first = vv_points_ahead(text, 0, start), last = vv_points_ahead(text, first, stop - start);
    return (vv_text){text.at + first, last - first};
}

#endif
