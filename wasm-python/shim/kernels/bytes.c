/* Bytes, which lie as text does. */
#include "../columns.h"

void vv_k_bytes_length(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    VV_UNROLL for VV_ROWS(i) to[i] = x[i].size;
}

/* a[b], or a[constant] */
void vv_k_bytes_item(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    const int64_t *places = op->b < 0 ? NULL : block->slots[op->b];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        to[i] = 0;
        if (!VV_ACTIVE(i)) continue;
        const int64_t size = x[i].size, place = places != NULL ? places[i] : op->constant;
        if (place < -size || place >= size) block->fail[i] = 1;
        else to[i] = x[i].at[place < 0 ? place + size : place];
    }
}

/* Text as ASCII, or ASCII as text; what is beyond is encoded otherwise, or not at all. */
void vv_k_bytes_ascii(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        if (vv_is_ascii(x[i])) to[i] = x[i];
        else block->fail[i] = 1;
    }
}

static inline bool continues(uint8_t byte) { return (byte & 0xC0) == 0x80; }

/* The bytes of the code point at the start, of so many that there are; 0 when it is none. */
static uint32_t point_size(const uint8_t *at, uint32_t left) {
    if (at[0] < 0x80) return 1;
    if (at[0] >= 0xC2 && at[0] <= 0xDF) return left >= 2 && continues(at[1]) ? 2 : 0;
    if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        const uint8_t low = at[0] == 0xE0 ? 0xA0 : 0x80, high = at[0] == 0xED ? 0x9F : 0xBF;
        return left >= 3 && at[1] >= low && at[1] <= high && continues(at[2]) ? 3 : 0;
    }
    if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        const uint8_t low = at[0] == 0xF0 ? 0x90 : 0x80, high = at[0] == 0xF4 ? 0x8F : 0xBF;
        return left >= 4 && at[1] >= low && at[1] <= high && continues(at[2]) && continues(at[3]) ? 4 : 0;
    }
    return 0;
}

static bool is_utf8(vv_text bytes) {
    for (uint32_t at = 0, size; at < bytes.size; at += size) {
        size = point_size(bytes.at + at, bytes.size - at);
        if (size == 0) return false;
    }
    return true;
}

/* As UTF-8. */
void vv_k_bytes_decode(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = block->ascii[op->a];
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        if (vv_is_ascii(x[i]) || is_utf8(x[i])) to[i] = x[i];
        else block->fail[i] = 1;
    }
}

void vv_k_bytes_hex(const vv_op *op, vv_block *block) {
    static const char digits[] = "0123456789abcdef";
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        uint8_t *start = x[i].size > INT32_MAX / 2 ? NULL : vv_room(2 * (size_t)x[i].size);
        if (start == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (uint32_t k = 0; k < x[i].size; k++) {
            start[2 * k] = (uint8_t)digits[x[i].at[k] >> 4];
            start[2 * k + 1] = (uint8_t)digits[x[i].at[k] & 15];
        }
        to[i] = (vv_text){start, 2 * x[i].size};
    }
}
