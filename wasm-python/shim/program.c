/* A lifted function: ops, constants, slots, and what has to be as it was. vivarium._lift makes them; what it says is trusted here. */
#include "columns.h"

const uint8_t vv_nothing[1];

static const vv_kernel kernels[] = {
#define KERNEL(name) vv_k_##name,
    VV_KERNELS(KERNEL)
#undef KERNEL
};

static const char *const names[] = {
#define NAME(name) #name,
    VV_KERNELS(NAME)
#undef NAME
};

PyObject *vv_kernel_names(void) {
    PyObject *tuple = PyTuple_New(VV_KERNEL_COUNT);
    for (int i = 0; tuple != NULL && i < VV_KERNEL_COUNT; i++) {
        PyObject *name = PyUnicode_InternFromString(names[i]);
        if (name == NULL) Py_CLEAR(tuple);
        else PyTuple_SET_ITEM(tuple, i, name);
    }
    return tuple;
}

void vv_program_run(vv_block *block, int from, int to) {
    const vv_op *ops = block->program->ops;
    for (int at = from; at < to; at++) {
        kernels[ops[at].code](&ops[at], block);
        if (ops[at].code == VV_CODE_loop) at = ops[at].extra - 1;
    }
}

/* ---- Guards ---- */

/* Of a guard, a tuple: its first item. */
enum {
    GUARD_CODE,     /* function, its code, defaults, keyword defaults (None: none) */
    GUARD_CELL,     /* cell, content */
    GUARD_ITEM,     /* dict, key, value */
    GUARD_ABSENT,   /* dict, key */
    GUARD_CONTENTS, /* dict, list or set; tuple of its items, of a dict's keys and values in turn */
    GUARD_CALL,     /* callable without arguments; tuple of (name, value) each, of attributes of what it returns */
    GUARD_CLASS,    /* class, name, what lies under it in the class or in one it is made of (left out: nothing) */
};

/* Whether sys.monitoring watches this code alone; watching all of it changes `instrumentation`. */
static bool is_monitored(const PyCodeObject *code) {
#if PY_VERSION_HEX >= 0x030D0000
    static const _Py_LocalMonitors none;
    return code->_co_monitoring != NULL && memcmp(&code->_co_monitoring->local_monitors, &none, sizeof none) != 0;
#else
    (void)code;
    return false;
#endif
}

static bool same_code(PyObject *guard) {
    PyObject *function = PyTuple_GET_ITEM(guard, 1), *code = PyFunction_GET_CODE(function);
    PyObject *defaults = PyFunction_GET_DEFAULTS(function), *keywords = PyFunction_GET_KW_DEFAULTS(function);
    if (is_monitored((PyCodeObject *)code)) return false;
    return code == PyTuple_GET_ITEM(guard, 2) && (defaults != NULL ? defaults : Py_None) == PyTuple_GET_ITEM(guard, 3) &&
           (keywords != NULL ? keywords : Py_None) == PyTuple_GET_ITEM(guard, 4);
}

static bool same_dict(PyObject *dict, PyObject *items) {
    Py_ssize_t position = 0, count = 0, size = PyTuple_GET_SIZE(items);
    PyObject *key, *value;
    if (PyDict_GET_SIZE(dict) * 2 != size) return false;
    for (; PyDict_Next(dict, &position, &key, &value); count += 2)
        if (count >= size || PyTuple_GET_ITEM(items, count) != key || PyTuple_GET_ITEM(items, count + 1) != value) return false;
    return count == size;
}

static bool same_list(PyObject *list, PyObject *items) {
    Py_ssize_t size = PyTuple_GET_SIZE(items);
    if (PyList_GET_SIZE(list) != size) return false;
    for (Py_ssize_t i = 0; i < size; i++)
        if (PyList_GET_ITEM(list, i) != PyTuple_GET_ITEM(items, i)) return false;
    return true;
}

static bool same_set(PyObject *set, PyObject *items) {
    Py_ssize_t size = PyTuple_GET_SIZE(items), count = 0;
    if (PySet_GET_SIZE(set) != size) return false;
    PyObject *iterator = PyObject_GetIter(set), *item;
    bool same = iterator != NULL;
    while (same && (item = PyIter_Next(iterator)) != NULL) {
        same = count < size && PyTuple_GET_ITEM(items, count++) == item;
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    PyErr_Clear();
    return same && count == size;
}

static bool same_contents(PyObject *container, PyObject *items) {
    if (PyDict_CheckExact(container)) return same_dict(container, items);
    if (PyList_CheckExact(container)) return same_list(container, items);
    return PySet_Check(container) && same_set(container, items);
}

static bool same_attributes(PyObject *callable, PyObject *attributes) {
    PyObject *object = PyObject_CallNoArgs(callable);
    bool same = object != NULL;
    for (Py_ssize_t i = 0; same && i < PyTuple_GET_SIZE(attributes); i++) {
        PyObject *pair = PyTuple_GET_ITEM(attributes, i), *value = PyObject_GetAttr(object, PyTuple_GET_ITEM(pair, 0));
        same = value != NULL && PyObject_RichCompareBool(value, PyTuple_GET_ITEM(pair, 1), Py_EQ) == 1;
        Py_XDECREF(value);
    }
    Py_XDECREF(object);
    return same;
}

static bool guard_holds(int kind, PyObject *guard) {
    PyObject *object = PyTuple_GET_ITEM(guard, 1);
    switch (kind) {
    case GUARD_CODE: return same_code(guard);
    case GUARD_CELL: return PyCell_GET(object) == PyTuple_GET_ITEM(guard, 2);
    case GUARD_ITEM: return PyDict_GetItemWithError(object, PyTuple_GET_ITEM(guard, 2)) == PyTuple_GET_ITEM(guard, 3);
    case GUARD_ABSENT: return PyDict_GetItemWithError(object, PyTuple_GET_ITEM(guard, 2)) == NULL;
    case GUARD_CONTENTS: return same_contents(object, PyTuple_GET_ITEM(guard, 2));
    case GUARD_CALL: return same_attributes(object, PyTuple_GET_ITEM(guard, 2));
    case GUARD_CLASS:
        return _PyType_Lookup((PyTypeObject *)object, PyTuple_GET_ITEM(guard, 2)) == (PyTuple_GET_SIZE(guard) == 3 ? NULL : PyTuple_GET_ITEM(guard, 3));
    default: return false;
    }
}

/* Changes with every change of what sys.monitoring and sys.settrace watch. */
static uintptr_t instrumentation(void) {
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_Get()->eval_breaker & ~(uintptr_t)0xFF;
#else
    return 0;
#endif
}

static bool is_of_name(int kind) { return kind == GUARD_ITEM || kind == GUARD_ABSENT; }

/* Changes with every change of a dict that has its values to itself; 0 for others. */
static uint64_t version_of(const PyDictObject *dict) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* there is no other way in 3.11 and 3.13 */
    return dict->ma_values != NULL ? 0 : dict->ma_version_tag;
#pragma GCC diagnostic pop
}

/* Whether nothing in the namespaces has changed since this was asked, so that guards of names need not be looked at: they are most of a
 * program's, and all are checked behind every row that the interpreter computes. */
static bool same_namespaces(const vv_program *program) {
    bool same = true;
    for (Py_ssize_t i = 0; i < program->n_namespaces; i++) {
        const uint64_t version = version_of(program->namespaces[i].dict);
        same = same && version != 0 && version == program->namespaces[i].version;
        program->namespaces[i].version = version;
    }
    return same;
}

/* Not to be taken for the same the next time. */
static bool does_not_hold(const vv_program *program) {
    PyErr_Clear();
    for (Py_ssize_t i = 0; i < program->n_namespaces; i++) program->namespaces[i].version = 0;
    return false;
}

bool vv_program_holds(const vv_program *program) {
    PyThreadState *thread = PyThreadState_Get();
    if (thread->c_tracefunc != NULL || thread->c_profilefunc != NULL || instrumentation() != program->instrumentation) return false;
    const bool same = same_namespaces(program);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(program->guards); i++) {
        const int kind = program->guard_kinds[i];
        if (same && is_of_name(kind)) continue;
        if (!guard_holds(kind, PyTuple_GET_ITEM(program->guards, i)) || PyErr_Occurred()) return does_not_hold(program);
    }
    return true;
}

static bool attributes_are_sound(PyObject *attributes) {
    bool sound = PyTuple_CheckExact(attributes);
    for (Py_ssize_t i = 0; sound && i < PyTuple_GET_SIZE(attributes); i++) {
        PyObject *pair = PyTuple_GET_ITEM(attributes, i);
        sound = PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2 && PyUnicode_CheckExact(PyTuple_GET_ITEM(pair, 0));
    }
    return sound;
}

static bool guard_is_sound(PyObject *guard) {
    if (!PyTuple_CheckExact(guard) || PyTuple_GET_SIZE(guard) < 3 || !PyLong_CheckExact(PyTuple_GET_ITEM(guard, 0))) return false;
    PyObject *object = PyTuple_GET_ITEM(guard, 1);
    Py_ssize_t size = PyTuple_GET_SIZE(guard);
    switch (PyLong_AsLong(PyTuple_GET_ITEM(guard, 0))) {
    case GUARD_CODE: return size == 5 && PyFunction_Check(object);
    case GUARD_CELL: return size == 3 && PyCell_Check(object);
    case GUARD_ITEM: return size == 4 && PyDict_CheckExact(object);
    case GUARD_ABSENT: return size == 3 && PyDict_CheckExact(object);
    case GUARD_CONTENTS: return size == 3 && PyTuple_CheckExact(PyTuple_GET_ITEM(guard, 2));
    case GUARD_CALL: return size == 3 && attributes_are_sound(PyTuple_GET_ITEM(guard, 2));
    case GUARD_CLASS: return size <= 4 && PyType_Check(object) && PyUnicode_CheckExact(PyTuple_GET_ITEM(guard, 2));
    default: return false;
    }
}

/* ---- The type ---- */

static size_t slot_width(char kind) {
    switch (kind) {
    case 'b': return 1;
    case 'w': return 8;
    case 't': return sizeof(vv_text);
    case 'd': return sizeof(vv_decimal);
    case 'n': return 4;
    case 'c': return 0;
    default: return SIZE_MAX;
    }
}

/* Every op is a kernel's and its operands are slots. */
static bool ops_are_sound(const vv_program *program) {
    for (Py_ssize_t i = 0; i < program->n_ops; i++) {
        const vv_op *op = &program->ops[i];
        const int16_t operands[] = {op->mask, op->to, op->a, op->b, op->c};
        if (op->code >= VV_KERNEL_COUNT) return false;
        for (int k = 0; k < 5; k++)
            if (operands[k] < -1 || operands[k] >= program->n_slots) return false;
    }
    const int16_t results[] = {program->value, program->value_mask};
    for (Py_ssize_t k = 0; k < 2 * program->n_fields; k++)
        if (program->fields[k] < -1 || program->fields[k] >= program->n_slots) return false;
    return results[0] < program->n_slots && results[1] < program->n_slots && program->null_mask < program->n_slots;
}

/* Notes what kinds the guards are, which are sound, and the namespaces. */
static int take_guards(vv_program *self) {
    const Py_ssize_t count = PyTuple_GET_SIZE(self->guards);
    self->guard_kinds = PyMem_Calloc((size_t)count + 1, 1);
    self->namespaces = PyMem_Calloc((size_t)count + 1, sizeof *self->namespaces);
    if (self->guard_kinds == NULL || self->namespaces == NULL) return PyErr_NoMemory(), -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *guard = PyTuple_GET_ITEM(self->guards, i);
        Py_ssize_t known = 0;
        self->guard_kinds[i] = (uint8_t)PyLong_AsLong(PyTuple_GET_ITEM(guard, 0));
        if (!is_of_name(self->guard_kinds[i])) continue;
        PyDictObject *dict = (PyDictObject *)PyTuple_GET_ITEM(guard, 1); /* the guard has the reference */
        while (known < self->n_namespaces && self->namespaces[known].dict != dict) known++;
        if (known == self->n_namespaces) self->namespaces[self->n_namespaces++].dict = dict;
    }
    return 0;
}

/* The values of a program that makes rows: (kind, slot, its mask, the mask of None) each. */
static int take_outputs(vv_program *self, PyObject *outputs) {
    Py_ssize_t count = PyTuple_GET_SIZE(outputs);
    self->outputs = PyMem_Calloc((size_t)count + 1, sizeof *self->outputs);
    if (self->outputs == NULL) return PyErr_NoMemory(), -1;
    for (self->n_outputs = 0; self->n_outputs < count; self->n_outputs++) {
        const char *kind;
        int value, value_mask, null_mask;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(outputs, self->n_outputs), "siii", &kind, &value, &value_mask, &null_mask)) return -1;
        bool sound = (kind[0] == 0 || (value >= 0 && strchr("ifbsydctD", kind[0]) != NULL)) && value < self->n_slots && value_mask >= -1 &&
                     value_mask < self->n_slots && null_mask >= -2 && null_mask < self->n_slots;
        if (!sound) return PyErr_SetString(PyExc_ValueError, "Program: an output is none"), -1;
        self->outputs[self->n_outputs] = (vv_output){kind[0], (int16_t)value, (int16_t)value_mask, (int16_t)null_mask};
    }
    return 0;
}

static void *copied(const char *bytes, Py_ssize_t size) {
    void *copy = PyMem_Malloc((size_t)size + 8);
    if (copy == NULL) PyErr_NoMemory();
    else memcpy(copy, bytes, (size_t)size);
    return copy;
}

/* Program(ops, data, kinds of slots, kind of result, its slot, its mask, the mask of None, whether there are loops, guards, slots of its
 * fields, outputs=()) */
static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    const char *ops, *data, *kinds, *kind, *fields;
    Py_ssize_t ops_size, data_size, n_slots, fields_size;
    int value, value_mask, null_mask, loops;
    PyObject *guards, *outputs = NULL;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Program takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "y#y#y#siiipO!y#|O!:Program", &ops, &ops_size, &data, &data_size, &kinds, &n_slots, &kind, &value, &value_mask,
                          &null_mask, &loops, &PyTuple_Type, &guards, &fields, &fields_size, &PyTuple_Type, &outputs))
        return NULL;
    vv_program *self = (vv_program *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->guards = Py_NewRef(guards);
    self->ops = copied(ops, ops_size);
    self->data = copied(data, data_size);
    self->kinds = copied(kinds, n_slots);
    self->fields = copied(fields, fields_size);
    self->n_fields = fields_size / (Py_ssize_t)(2 * sizeof *self->fields);
    self->n_ops = ops_size / (Py_ssize_t)sizeof(vv_op);
    self->data_size = (size_t)data_size;
    self->n_slots = n_slots;
    self->kind = kind[0];
    self->value = (int16_t)value;
    self->value_mask = (int16_t)value_mask;
    self->null_mask = (int16_t)null_mask;
    self->loops = loops != 0;
    self->instrumentation = instrumentation();
    bool sound = !PyErr_Occurred() && ops_size % (Py_ssize_t)sizeof(vv_op) == 0 && n_slots < INT16_MAX && ops_are_sound(self);
    sound = sound && (outputs == NULL || take_outputs(self, outputs) == 0);
    for (Py_ssize_t i = 0; sound && i < n_slots; i++) sound = slot_width(kinds[i]) != SIZE_MAX;
    for (Py_ssize_t i = 0; sound && i < PyTuple_GET_SIZE(guards); i++) sound = guard_is_sound(PyTuple_GET_ITEM(guards, i));
    sound = sound && take_guards(self) == 0;
    for (Py_ssize_t i = 0; sound && i < n_slots; i++) self->slots_size += (slot_width(kinds[i]) * VV_BLOCK + 63) / 64 * 64;
    if (!sound) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "Program: an op, a slot or a guard is none");
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int program_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(((vv_program *)object)->guards);
    return 0;
}

static int program_clear(PyObject *object) {
    (void)object; /* guards are borrowed from while the program runs; they go with it */
    return 0;
}

static void program_dealloc(PyObject *object) {
    vv_program *self = (vv_program *)object;
    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->guards);
    PyMem_Free(self->guard_kinds);
    PyMem_Free(self->namespaces);
    PyMem_Free(self->ops);
    PyMem_Free(self->data);
    PyMem_Free(self->kinds);
    PyMem_Free(self->fields);
    PyMem_Free(self->outputs);
    Py_TYPE(object)->tp_free(object);
}

PyTypeObject vv_program_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_vivarium.Program",
    .tp_doc = "A function that runs as columns.",
    .tp_basicsize = sizeof(vv_program),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = program_new,
    .tp_traverse = program_traverse,
    .tp_clear = program_clear,
    .tp_dealloc = program_dealloc,
};
