/* Functions of a row that run as columns: the program that vivarium._lift made of a function's bytecode, run by kernels over blocks of
 * rows. ../../docs/columns.md says what is lifted and why that is exact.
 *
 * A program is a list of ops. A kernel computes one op for all rows of a block, and promises:
 *   - it writes `to` for every row, also for those its mask leaves out; texts of such rows are valid, though they may be anything;
 *   - it sets `fail` for every row in its mask whose exact answer it does not know: the interpreter computes those;
 *   - it takes memory from the block's room only, and a row there is no room for fails;
 *   - it reads and writes nothing outside of what its operands say.
 * A row that has failed stays so, and what later kernels make of it means nothing.
 */
#ifndef VIVARIUM_COLUMNS_H
#define VIVARIUM_COLUMNS_H

#include "kernels/list.h"
#include "vivarium.h"

#include <string.h>

/* Rows of a block: its slots fit the first-level cache. */
#define VV_BLOCK 256

/* Epochs are checked at every turn of a loop in WebAssembly; taking several rows at once wins most of that back. */
#ifdef __clang__
#define VV_VECTOR _Pragma("clang loop vectorize(enable) interleave_count(4)")
#define VV_UNROLL _Pragma("clang loop unroll_count(4)")
#else
#define VV_VECTOR
#define VV_UNROLL
#endif

typedef struct {
    const uint8_t *at;
    uint32_t size;
} vv_text;

/* A Decimal without its exponent, which is part of a column's type. */
typedef __int128 vv_decimal;

/* The bits of a number of either type. */
typedef uint64_t __attribute__((may_alias)) vv_bits;

extern const uint8_t vv_nothing[1];
#define VV_EMPTY ((vv_text){vv_nothing, 0})

/* Operands are numbers of slots, or -1: none, or the constant. As vivarium._lift packs them. */
typedef struct {
    uint16_t code;
    int16_t mask; /* the rows that count: a slot of bools; -1: all */
    int16_t to, a, b, c;
    int32_t extra;
    int64_t constant; /* a value's bits, or a place in the program's data: the offset, and for text the size above it */
} vv_op;

typedef struct vv_program vv_program;

typedef struct {
    int rows;
    int64_t first;            /* in the batch */
    uint8_t *fail;            /* a byte for each row */
    const vv_program *program;
    const vv_column *columns;
    void **slots;
    uint8_t *ascii;           /* by slot: every text in it is known to be ASCII */
    int *turns;               /* of loops that this block may still take */
} vv_block;

typedef void (*vv_kernel)(const vv_op *op, vv_block *block);

#define VV_DECLARE_KERNEL(name) void vv_k_##name(const vv_op *op, vv_block *block);
VV_KERNELS(VV_DECLARE_KERNEL)

enum {
#define VV_KERNEL_CODE(name) VV_CODE_##name,
    VV_KERNELS(VV_KERNEL_CODE)
#undef VV_KERNEL_CODE
    VV_KERNEL_COUNT
};

/* ---- program.c ---- */

/* One of the values of a row that a program makes, as the fields of these names in vv_program say it of an only one. */
typedef struct {
    char kind;
    int16_t value, value_mask, null_mask;
} vv_output;

/* A dict, and its version when all guards of names in it held. */
typedef struct {
    PyDictObject *dict;
    uint64_t version;
} vv_namespace;

struct vv_program {
    PyObject_HEAD
    vv_op *ops;
    Py_ssize_t n_ops;
    uint8_t *data; /* constants */
    size_t data_size;
    char *kinds;   /* of slots: 'b' bools, 'w' numbers, 't' texts, 'd' decimals, 'n' row numbers, 'c' a look into a column */
    Py_ssize_t n_slots;
    size_t slots_size;
    char kind;     /* of results, as vivarium._lift names it: 0 when all are None */
    int16_t value, value_mask, null_mask; /* null_mask: -1: no row; -2: all */
    int16_t *fields; /* of a struct's: the slot of each field's value and of the rows where it is None, or -1; results.c says in which order */
    Py_ssize_t n_fields;
    vv_output *outputs; /* of a program that makes rows of values, which has no result besides */
    Py_ssize_t n_outputs;
    bool loops;
    PyObject *guards;
    uint8_t *guard_kinds;
    vv_namespace *namespaces; /* that guards of names look into */
    Py_ssize_t n_namespaces;
    uintptr_t instrumentation;
    int64_t computed, failed; /* rows, since they were last judged */
    bool proven;              /* the last block was worth it: the next one is a whole one */
    int lost;                 /* blocks in a row that were not */
};

extern PyTypeObject vv_program_type;
/* Runs ops over the block. */
void vv_program_run(vv_block *block, int from, int to);
/* Whether everything the program took for granted still is; never raises. */
bool vv_program_holds(const vv_program *program);
/* Names of kernels, in the order of their codes. */
PyObject *vv_kernel_names(void);

/* ---- columns.c ---- */

/* Memory of the block for so many bytes of text; NULL when there is none. What is not needed is given back by vv_room_used. */
uint8_t *vv_room(size_t size);
void vv_room_used(const uint8_t *end);

/* For rows that come another way than in Arrow's batches (../linked/pyflink/rows/blocks.c): what they are made of is put into
 * function->columns, a block of them at a time, from row 0. */

/* The program for so many rows that come next, a new reference, or NULL: they are the interpreter's. Until vv_columns_end no other
 * one runs. */
vv_program *vv_columns_begin(vv_function *function, int64_t rows);
/* Runs it: a byte for each row of the block, whether it is the interpreter's. */
const uint8_t *vv_columns_run(const vv_function *function, const vv_program *program, int rows);
/* What a slot holds after that. */
const void *vv_columns_slot(int16_t slot);
/* Whether what the program took for granted still is, after a row that the interpreter computed. */
bool vv_columns_hold(vv_function *function, const vv_program *program);
/* The most rows that the next block may have. */
int vv_columns_block(const vv_function *function, const vv_program *program);
/* Whether the program is worth going on with now, after a block of which so many rows were the interpreter's. */
bool vv_columns_pay(vv_function *function, vv_program *program, int rows, int failed);
void vv_columns_end(vv_program *program);
/* Whether the interpreter is to compute all rows as well. */
bool vv_columns_are_shadowed(const vv_function *function);

/* ---- results.c ---- */

/* Appends the results of so many rows of the block; false, and nothing is appended, when one does not fit the result's type. */
bool vv_store(vv_builder *builder, const vv_program *program, void *const *slots, int start, int rows);
/* Whether the result of a row of the block fits. */
bool vv_fits(const vv_builder *builder, const vv_program *program, void *const *slots, int i);
/* Whether the last value of the builder, which is not NULL, is the result of that row, to the last bit. */
bool vv_same_result(const vv_builder *builder, const vv_program *program, void *const *slots, int i);

/* ---- What kernels share ---- */

static inline const uint8_t *vv_mask(const vv_op *op, const vv_block *block) {
    return op->mask < 0 ? NULL : block->slots[op->mask];
}

/* The column of an argument, or of a field of it: the argument's number in the low byte, in each byte above it one more than a field's. */
static inline const vv_column *vv_column_at(const vv_block *block, int32_t place) {
    const vv_column *column = &block->columns[place & 0xFF];
    for (uint32_t fields = (uint32_t)place >> 8; fields != 0; fields >>= 8) column = &column->children[(fields & 0xFF) - 1];
    return column;
}

#define VV_ROWS(i) (int i = 0, rows_##i = block->rows; i < rows_##i; i++)
/* Rows that count and have not failed. */
#define VV_ACTIVE(i) ((mask == NULL || mask[i]) && !block->fail[i])
#define VV_FAIL_IF(i, condition) \
    if ((condition) && (mask == NULL || mask[i])) block->fail[i] = 1

static inline vv_text vv_constant_text(const vv_block *block, int64_t constant) {
    return (vv_text){block->program->data + (uint32_t)constant, (uint32_t)((uint64_t)constant >> 32)};
}

/* Up to eight bytes as a number, zeros behind them; reads no byte that is not there. */
static inline uint64_t vv_word(const uint8_t *bytes, uint32_t size) {
    uint64_t word = 0;
    if (size >= 8) {
        memcpy(&word, bytes, 8);
    } else if (size >= 4) {
        uint32_t low, high;
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + size - 4, 4);
        word = low | (uint64_t)high << 8 * (size - 4);
    } else if (size >= 2) {
        uint16_t low, high;
        memcpy(&low, bytes, 2);
        memcpy(&high, bytes + size - 2, 2);
        word = low | (uint64_t)high << 8 * (size - 2);
    } else if (size == 1) {
        word = bytes[0];
    }
    return word;
}

static inline bool vv_same(const uint8_t *a, const uint8_t *b, uint32_t size) {
    if (size <= 8) return vv_word(a, size) == vv_word(b, size);
    if (size <= 16) return vv_word(a, 8) == vv_word(b, 8) && vv_word(a + size - 8, 8) == vv_word(b + size - 8, 8);
    return memcmp(a, b, size) == 0;
}

/* Copies; for short texts without a call. */
static inline void vv_put(uint8_t *to, const uint8_t *from, uint32_t size) {
    if (size > 64) {
        memcpy(to, from, size);
    } else if (size >= 16) {
        uint32_t done = 0;
        for (; done + 16 <= size; done += 16) memcpy(to + done, from + done, 16);
        memcpy(to + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
        uint64_t low, high;
        memcpy(&low, from, 8);
        memcpy(&high, from + size - 8, 8);
        memcpy(to, &low, 8);
        memcpy(to + size - 8, &high, 8);
    } else if (size >= 4) {
        uint32_t low, high;
        memcpy(&low, from, 4);
        memcpy(&high, from + size - 4, 4);
        memcpy(to, &low, 4);
        memcpy(to + size - 4, &high, 4);
    } else {
        for (uint32_t i = 0; i < size; i++) to[i] = from[i];
    }
}

static inline bool vv_is_ascii(vv_text text) {
    uint64_t high = 0;
    uint32_t i = 0;
    for (; i + 8 <= text.size; i += 8) high |= vv_word(text.at + i, 8);
    high |= vv_word(text.at + i, text.size - i);
    return (high & UINT64_C(0x8080808080808080)) == 0;
}

/* What str.strip, int and float take for blank in ASCII. */
static inline bool vv_is_space(uint8_t byte) { return byte == 32 || (byte >= 9 && byte <= 13) || (byte >= 28 && byte <= 31); }

#endif
