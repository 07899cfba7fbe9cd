/* Numbers as text and text as numbers. */
#include "../columns.h"

void vv_k_int_to_text(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        uint8_t *start = vv_room(20), *end = start;
        if (start == NULL) {
            block->fail[i] = 1;
            continue;
        }
        uint64_t rest = x[i] < 0 ? 0 - (uint64_t)x[i] : (uint64_t)x[i];
        uint8_t reversed[20];
        int count = 0;
        do reversed[count++] = (uint8_t)('0' + rest % 10);
        while (rest /= 10);
        if (x[i] < 0) *end++ = '-';
        while (count > 0) *end++ = reversed[--count];
        vv_room_used(end);
        to[i] = (vv_text){start, (uint32_t)(end - start)};
    }
}

/* hex(), oct() and bin(), or formats of those. extra: the base; the constant: 1: with its prefix, 2: with capital letters. */
void vv_k_int_in_base(const vv_op *op, vv_block *block) {
    const char *digits = op->constant & 2 ? "0123456789ABCDEF" : "0123456789abcdef";
    const int bits = op->extra == 16 ? 4 : op->extra == 8 ? 3 : 1;
    const int64_t *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        uint8_t *start = vv_room(67), *end = start;
        if (start == NULL) {
            block->fail[i] = 1;
            continue;
        }
        uint64_t rest = x[i] < 0 ? 0 - (uint64_t)x[i] : (uint64_t)x[i];
        int count = 1;
        while (count * bits < 64 && rest >> count * bits != 0) count++;
        if (x[i] < 0) *end++ = '-';
        if (op->constant & 1) *end++ = '0', *end++ = bits == 4 ? 'x' : bits == 3 ? 'o' : 'b';
        for (int k = count - 1; k >= 0; k--) *end++ = (uint8_t)digits[rest >> k * bits & (uint64_t)(op->extra - 1)];
        vv_room_used(end);
        to[i] = (vv_text){start, (uint32_t)(end - start)};
    }
}

/* A number's text with the constant, a byte, between groups of three digits in front of its point. */
void vv_k_text_grouped(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        const uint32_t first = x[i].size > 0 && x[i].at[0] == '-';
        uint32_t last = first;
        while (last < x[i].size && x[i].at[last] != '.') last++;
        uint8_t *start = vv_room((size_t)x[i].size + last / 3), *end = start;
        if (start == NULL) {
            block->fail[i] = 1;
            continue;
        }
        for (uint32_t k = 0; k < x[i].size; k++) {
            if (k > first && k < last && (last - k) % 3 == 0) *end++ = (uint8_t)op->constant;
            *end++ = x[i].at[k];
        }
        vv_room_used(end);
        to[i] = (vv_text){start, (uint32_t)(end - start)};
    }
}

/* repr: the interpreter's own function. */
void vv_k_float_to_text(const vv_op *op, vv_block *block) {
    const double *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        char *text = PyOS_double_to_string(x[i], 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
        size_t size = text == NULL ? 0 : strlen(text);
        uint8_t *copy = text == NULL ? NULL : vv_room(size);
        if (copy == NULL) {
            PyErr_Clear();
            block->fail[i] = 1;
        } else {
            memcpy(copy, text, size);
            to[i] = (vv_text){copy, (uint32_t)size};
        }
        PyMem_Free(text);
    }
}

static vv_text trimmed(vv_text text) {
    while (text.size > 0 && vv_is_space(*text.at)) text.at++, text.size--;
    while (text.size > 0 && vv_is_space(text.at[text.size - 1])) text.size--;
    return text;
}

/* Takes a sign off the front: whether it was a minus. */
static bool take_sign(vv_text *text) {
    if (text->size == 0 || (*text->at != '-' && *text->at != '+')) return false;
    bool negative = *text->at == '-';
    text->at++, text->size--;
    return negative;
}

/* At most 18 digits and a sign: underscores, other digits, larger numbers and what is none at all are left. */
static bool parse_int(vv_text text, int64_t *number) {
    text = trimmed(text);
    bool negative = take_sign(&text);
    if (text.size == 0 || text.size > 18) return false;
    int64_t value = 0;
    for (uint32_t i = 0; i < text.size; i++) {
        uint8_t digit = (uint8_t)(text.at[i] - '0');
        if (digit > 9) return false;
        value = value * 10 + digit;
    }
    *number = negative ? -value : value;
    return true;
}

void vv_k_text_to_int(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        to[i] = 0;
        if (VV_ACTIVE(i) && !parse_int(x[i], &to[i])) block->fail[i] = 1;
    }
}

/* At most 15 digits and a point: then the digits are a whole double, the power of ten too, and one division rounds once. */
static bool parse_float(vv_text text, double *number) {
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    text = trimmed(text);
    bool negative = take_sign(&text), point = false;
    int64_t value = 0;
    int digits = 0, behind = 0;
    for (uint32_t i = 0; i < text.size; i++) {
        if (text.at[i] == '.' && !point) {
            point = true;
            continue;
        }
        uint8_t digit = (uint8_t)(text.at[i] - '0');
        if (digit > 9 || ++digits > 15) return false;
        value = value * 10 + digit;
        behind += point;
    }
    if (digits == 0) return false;
    double result = (double)value / powers[behind];
    *number = negative ? -result : result;
    return true;
}

void vv_k_text_to_float(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    double *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        to[i] = 0;
        if (VV_ACTIVE(i) && !parse_float(x[i], &to[i])) block->fail[i] = 1;
    }
}
