/* json.loads(text) with constant keys behind it: the value at the end of the path, and all of the text is checked. What the interpreter may
 * see in another way (escapes, control characters, bytes beyond ASCII, long numbers, exponents, deep nesting, NaN) is the interpreter's. */
#include "../columns.h"

#define DEEPEST 32
#define MOST_DIGITS 15

/* A value: what json_kind gives. */
enum { MISSING, NOTHING, A_BOOL, AN_INT, A_FLOAT, A_TEXT, A_CONTAINER, UNKNOWN };

typedef struct {
    int32_t kind;
    union {
        int64_t number;
        double real;
    };
    vv_text text;
} found;

typedef struct {
    const uint8_t *at, *end;
    const uint8_t *data;   /* of the program */
    const uint32_t *keys;  /* (offset, size) each */
    uint32_t n_keys, optional; /* how many of the last keys may be missing */
    found value;
} input;

static void skip_blanks(input *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\t' || *in->at == '\r')) in->at++;
}

static bool take(input *in, uint8_t byte) {
    if (in->at == in->end || *in->at != byte) return false;
    in->at++;
    return true;
}

static bool take_text(input *in, vv_text *text) {
    if (!take(in, '"')) return false;
    const uint8_t *start = in->at;
    while (in->at < in->end && *in->at != '"') {
        if (*in->at == '\\' || *in->at < 32 || *in->at > 126) return false;
        in->at++;
    }
    *text = (vv_text){start, (uint32_t)(in->at - start)};
    return take(in, '"');
}

static bool take_word(input *in, const char *word) {
    const size_t size = strlen(word);
    if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0) return false;
    in->at += size;
    return true;
}

/* Digits, into `number`: how many; 0 when there are none or too many. */
static int take_digits(input *in, int before, int64_t *number) {
    int count = 0;
    for (; in->at < in->end && (uint8_t)(*in->at - '0') <= 9; in->at++) {
        if (++count + before > MOST_DIGITS) return 0;
        *number = *number * 10 + (*in->at - '0');
    }
    return count;
}

static bool take_number(input *in, found *value) {
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const bool negative = take(in, '-'), zero = in->at < in->end && *in->at == '0';
    int64_t number = 0;
    const int whole = take_digits(in, 0, &number);
    if (whole == 0 || (whole > 1 && zero)) return false;
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        const int behind = take_digits(in, whole, &number);
        const double size = (double)number / powers[behind]; /* a whole double by a power of ten that is one: rounded once */
        *value = (found){.kind = A_FLOAT, .real = negative ? -size : size};
        if (behind == 0) return false;
    } else {
        *value = (found){.kind = AN_INT, .number = negative ? -number : number};
    }
    return in->at == in->end || (*in->at != 'e' && *in->at != 'E');
}

static bool take_value(input *in, uint32_t wanted, int depth, found *value);

/* wanted: the first of the keys that are left, or n_keys: nothing of it is. */
static bool take_object(input *in, uint32_t wanted, int depth, found *value) {
    skip_blanks(in);
    if (take(in, '}')) return true;
    do {
        vv_text key;
        found other;
        skip_blanks(in);
        if (!take_text(in, &key)) return false;
        skip_blanks(in);
        if (!take(in, ':')) return false;
        skip_blanks(in);
        /* Of equal keys, the last one counts. */
        const uint32_t *name = wanted < in->n_keys ? in->keys + 2 * wanted : NULL;
        const bool ours = name != NULL && key.size == name[1] && vv_same(in->data + name[0], key.at, key.size);
        if (!take_value(in, ours ? wanted + 1 : UINT32_MAX, depth + 1, ours ? value : &other)) return false;
        skip_blanks(in);
    } while (take(in, ','));
    return take(in, '}');
}

static bool take_array(input *in, int depth) {
    skip_blanks(in);
    if (take(in, ']')) return true;
    do {
        found other;
        skip_blanks(in);
        if (!take_value(in, UINT32_MAX, depth + 1, &other)) return false;
        skip_blanks(in);
    } while (take(in, ','));
    return take(in, ']');
}

/* wanted: as above; UINT32_MAX: the value is not on the path. */
static bool take_value(input *in, uint32_t wanted, int depth, found *value) {
    const bool inside = wanted < in->n_keys; /* there are keys left: only an object has a value for them */
    if (in->at == in->end || depth > DEEPEST) return false;
    if (take(in, '{')) {
        *value = (found){.kind = !inside ? A_CONTAINER : in->n_keys - wanted <= in->optional ? MISSING : UNKNOWN};
        return take_object(in, inside ? wanted : UINT32_MAX, depth, value);
    }
    if (*in->at == '[') {
        in->at++;
        *value = (found){.kind = inside ? UNKNOWN : A_CONTAINER};
        return take_array(in, depth);
    }
    bool taken;
    vv_text text = VV_EMPTY;
    if (*in->at == '"') {
        taken = take_text(in, &text);
        *value = (found){.kind = A_TEXT, .text = text};
    } else if (*in->at == 't' || *in->at == 'f') {
        *value = (found){.kind = A_BOOL, .number = *in->at == 't'};
        taken = take_word(in, *in->at == 't' ? "true" : "false");
    } else if (*in->at == 'n') {
        *value = (found){.kind = NOTHING};
        taken = take_word(in, "null");
    } else {
        taken = take_number(in, value);
    }
    if (inside) value->kind = UNKNOWN;
    return taken;
}

/* The value of a row: kinds in `to`, numbers in b, texts in c. extra: how many of the last keys may be missing. In the data: the number of keys, and
 * (offset, size) of each. */
void vv_k_json_find(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    vv_bits *numbers = block->slots[op->b];
    vv_text *texts = block->slots[op->c];
    const uint8_t *mask = vv_mask(op, block), *data = block->program->data;
    const uint32_t *keys = (const uint32_t *)(data + op->constant);
    block->ascii[op->c] = 1;
    for VV_ROWS(i) {
        to[i] = UNKNOWN;
        numbers[i] = 0;
        texts[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        input in = {.at = x[i].at, .end = x[i].at + x[i].size, .data = data, .keys = keys + 1, .n_keys = keys[0], .optional = (uint32_t)op->extra};
        found value = {.kind = UNKNOWN};
        skip_blanks(&in);
        const bool taken = take_value(&in, 0, 0, &value);
        skip_blanks(&in);
        if (!taken || in.at != in.end || value.kind == UNKNOWN) {
            block->fail[i] = 1;
            continue;
        }
        to[i] = value.kind;
        if (value.kind == A_TEXT) texts[i] = value.text;
        else if (value.kind == A_FLOAT) memcpy(&numbers[i], &value.real, 8);
        else if (value.kind == A_BOOL || value.kind == AN_INT) memcpy(&numbers[i], &value.number, 8);
    }
}
