/* Bytes written as other bytes: base64 (RFC 4648), hexadecimal digits, and tables of 256. */
#include "../columns.h"

#define NONE 0xFF

static const char symbols[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* What a symbol of base64 stands for, or NONE. */
static const uint8_t *values_of_symbols(void) {
    static uint8_t values[256];
    if (values[0] == NONE) return values;
    memset(values, NONE, sizeof values);
    for (uint8_t i = 0; i < 64; i++) values[(uint8_t)symbols[i]] = i;
    return values;
}

/* binascii.b2a_base64(a, newline=False) */
void vv_k_bytes_to_base64(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const uint64_t size = ((uint64_t)x[i].size + 2) / 3 * 4;
        uint8_t *copy = size > INT32_MAX ? NULL : vv_room((size_t)size), *end = copy;
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (uint32_t at = 0; at < x[i].size; at += 3) {
            const uint32_t left = x[i].size - at;
            const uint32_t word = (uint32_t)x[i].at[at] << 16 | (left > 1 ? (uint32_t)x[i].at[at + 1] << 8 : 0) | (left > 2 ? x[i].at[at + 2] : 0);
            *end++ = (uint8_t)symbols[word >> 18];
            *end++ = (uint8_t)symbols[word >> 12 & 63];
            *end++ = left > 1 ? (uint8_t)symbols[word >> 6 & 63] : '=';
            *end++ = left > 2 ? (uint8_t)symbols[word & 63] : '=';
        }
        to[i] = (vv_text){copy, (uint32_t)size};
    }
}

/* Whole groups of four symbols, of which the last may end with "=" or "==": what else there is, CPython skips or raises for. */
static bool from_base64(vv_text text, uint8_t *to, const uint8_t *values) {
    for (uint32_t at = 0; at < text.size; at += 4) {
        const uint8_t *four = text.at + at;
        const bool last = at + 4 == text.size;
        const uint32_t count = last && four[3] == '=' ? (four[2] == '=' ? 2 : 3) : 4;
        uint32_t word = 0;
        for (uint32_t k = 0; k < count; k++) {
            if (values[four[k]] == NONE) return false;
            word |= (uint32_t)values[four[k]] << (18 - 6 * k);
        }
        for (uint32_t k = 0; k + 1 < count; k++) *to++ = (uint8_t)(word >> (16 - 8 * k));
    }
    return true;
}

/* binascii.a2b_base64(a), strict or not */
void vv_k_bytes_from_base64(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block), *values = values_of_symbols();
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i) || x[i].size == 0) continue;
        const uint32_t size = x[i].size;
        uint8_t *copy = size % 4 == 0 ? vv_room(size / 4 * 3) : NULL;
        if (copy == NULL || !from_base64(x[i], copy, values)) {
            block->fail[i] = 1;
            continue;
        }
        const uint32_t padding = (x[i].at[size - 1] == '=') + (x[i].at[size - 2] == '=');
        to[i] = (vv_text){copy, size / 4 * 3 - padding};
    }
}

static inline uint8_t value_of(uint8_t byte) {
    const uint8_t letter = (uint8_t)((byte | 32) - 'a');
    return (uint8_t)(byte - '0') < 10 ? (uint8_t)(byte - '0') : letter < 6 ? letter + 10 : NONE;
}

/* binascii.unhexlify(a), and bytes.fromhex(a) where there are no blanks. */
void vv_k_bytes_from_hex(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        uint8_t *copy = x[i].size % 2 == 0 ? vv_room(x[i].size / 2) : NULL;
        bool all = copy != NULL;
        for (uint32_t k = 0; all && k < x[i].size / 2; k++) {
            const uint8_t high = value_of(x[i].at[2 * k]), low = value_of(x[i].at[2 * k + 1]);
            all = high != NONE && low != NONE;
            copy[k] = (uint8_t)(high << 4 | low);
        }
        if (all) to[i] = (vv_text){copy, x[i].size / 2};
        else block->fail[i] = 1;
    }
}

/* Each byte by the constant, which has 256. */
void vv_k_bytes_translate(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a], table = vv_constant_text(block, op->constant);
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i) || x[i].size == 0) continue;
        uint8_t *copy = vv_room(x[i].size);
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (uint32_t k = 0; k < x[i].size; k++) copy[k] = table.at[x[i].at[k]];
        to[i] = (vv_text){copy, x[i].size};
    }
}
