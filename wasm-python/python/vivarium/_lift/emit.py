"""The program that a function becomes: ops on registers, and the bytes that the shim runs (shim/columns.h)."""

import struct

import _vivarium

from vivarium._lift.values import BOOL, BYTES, FLOAT, LARGEST, NUMBER, TEXT, Deopt, NotLifted, Reg, exponent_of, held, type_of

CODES = {name: code for code, name in enumerate(_vivarium.KERNELS)}

MOST_OPS = 500
MOST_DATA = 1 << 18

ROWS = "rows"
"""The type of a register of row numbers."""

_SLOTS = {BOOL: "b", TEXT: "t", BYTES: "t", ROWS: "n"}
_KINDS = {"b": 0, "w": 1, "t": 2, "d": 3}
_ANEW = 4
"""Of slots that loops move values between: by number, and what is added where each turn computes the value anew: shim/kernels/loops.c."""

_FORMS = {"b": "bool", "w": "number", "t": "text", "d": "decimal"}
_LOOKS = ("load_int64", "load_float64")
_FINDS = ("find_text", "find_int", "pattern_find", "json_find")
_FINDS_MORE = ("json_find",)
"""Kernels that write b too, and those that write c."""


_PURE = frozenset(
    """
    load_int8 load_int16 load_int32 load_int64 load_uint8 load_uint16 load_uint32 load_float16 load_float32 load_float64 load_bool
    load_text load_large_text load_fixed_bytes load_decimal load_null set_number set_bool set_text set_decimal
    copy_number copy_bool copy_text copy_decimal
    int_add int_sub int_mul int_neg int_abs int_and int_or int_xor int_max int_min int_lt int_le int_eq int_ne int_gt int_ge int_truth
    int_to_float float_add float_sub float_mul float_neg float_abs float_max float_min float_lt float_le float_eq float_ne float_gt float_ge
    float_truth bool_and bool_and_not bool_or bool_xor bool_not bool_to_int select_number select_bool select_text select_decimal
    text_truth text_eq text_ne text_lt text_le text_gt text_ge text_is text_length text_slice text_upper text_lower text_strip text_concat
    text_contains text_find text_count text_starts text_ends text_replace text_isdigit text_isalpha
    text_words text_divide parts_slice text_grouped text_reverse text_translate text_isascii int_in_base int_gcd
    text_isalnum text_isspace text_isupper text_islower text_title text_capitalize text_pad
    find_text find_int take_number take_bool take_text int_to_text date_part moment_to_text bytes_length bytes_hex
    bytes_to_base64 bytes_translate bytes_digest bytes_checksum digits_value digits_mod
    pattern_find pattern_group pattern_mark pattern_replace pattern_all parts_sort int_bits float_length
    """.split()
)
"""Kernels of operations that never raise in Python: what nothing reads of them need not be computed."""


def slot_kind(t):
    """Of the slot that a register of the type needs: shim/columns.h."""
    return _SLOTS.get(t) or ("w" if exponent_of(t) is None else "d")


def form(t):
    """What kernels that only move values call the type."""
    return _FORMS[slot_kind(t)]


class Op:
    __slots__ = ("name", "mask", "to", "a", "b", "c", "extra", "constant", "here")

    def __init__(self, name, mask, to, a, b, c, extra, constant, here):
        self.name, self.mask, self.to, self.a, self.b, self.c = name, mask, to, a, b, c
        self.extra, self.constant = extra, constant
        self.here = here  # (Code, number) of the instruction that it is of

    def reads(self):
        registers = [self.mask, self.a]
        if self.name not in _FINDS:
            registers += (self.b, self.c)
        elif self.name not in _FINDS_MORE:
            registers.append(self.c)
        if type(self.constant) is Parts:
            registers += [part[0] for part in self.constant.parts]
        return [register for register in registers if register >= 0]

    def writes(self):
        if self.name not in _FINDS:
            return [self.to] if self.to >= 0 else []
        return [self.to, self.b, self.c] if self.name in _FINDS_MORE else [self.to, self.b]


class Parts:
    """What a text is put together from: (register or -1, offset, size) each."""

    def __init__(self, parts):
        self.parts = parts


class Loop:
    """Registers and ops of a loop; see shim/kernels/loops.c. Values are (from, to)."""

    def __init__(self, emitter):
        self.numbers, self.running, self.failed = emitter.reg(ROWS), emitter.reg(BOOL), emitter.reg(BOOL)
        self.again = -1
        self.entering, self.carried, self.exits = [], [], []
        self.start = self.end = 0
        self.complete = False

    def registers(self):
        found = [self.numbers, self.running, self.failed, self.again]
        for values in (self.entering, self.carried, *(exit[2] for exit in self.exits)):
            found += [register for value in values for register in value]
        for gone, outside, _ in self.exits:
            found += [gone, outside]
        return [register for register in found if register >= 0]

    def reads(self):
        """Registers that ops before or in the loop have to compute."""
        found = [self.again, *(value[0] for value in self.entering), *(value[0] for value in self.carried)]
        for gone, _, values in self.exits:
            found += [gone, *(value[0] for value in values)]
        return [register for register in found if register >= 0]


def float_bits(value):
    return struct.unpack("<q", struct.pack("<d", value))[0]


class Emitter:
    """Ops in order. The same op on the same registers is emitted once."""

    def __init__(self):
        self.code, self.types, self.memo = [], [], {}
        self.data, self.places = bytearray(), {}
        self.loop_table = []
        self.kept = set()  # registers of what may raise in Python although their kernels are pure
        self.replaceable = set()  # and of what may raise, where another op leaves all such rows to the interpreter too

    def reg(self, t):
        self.types.append(t)
        return len(self.types) - 1

    def emit(self, name, t=None, a=-1, b=-1, c=-1, mask=-1, extra=0, constant=0, memo=True):
        """The register that the op writes."""
        key = (name, a, b, c, mask, extra, constant)
        if memo and t and key in self.memo:
            return self.memo[key]
        if len(self.code) > MOST_OPS:
            raise NotLifted("the function is too long")
        to = self.reg(t) if t else -1
        self.code.append(Op(name, mask, to, a, b, c, extra, constant, self.here))
        if memo and t:
            self.memo[key] = to
        return to

    # ---- Constants ----

    def place(self, data, shared=True):
        """The offset of constant bytes in the program's data."""
        if shared and data in self.places:
            return self.places[data]
        self.data += bytes(-len(self.data) % 8)
        offset = len(self.data)
        self.data += data
        if len(self.data) > MOST_DATA:
            raise NotLifted("the function has too many constants")
        if shared:
            self.places[data] = offset
        return offset

    def text_place(self, text):
        data = text.encode()
        return self.place(data), len(data)

    def text(self, text):
        offset, size = self.text_place(text)
        return offset | size << 32

    def numbers(self, form, *numbers, shared=True):
        return self.place(struct.pack(f"<{len(numbers)}{form}", *numbers), shared)

    def as_reg(self, v):
        """A value as a register of its type."""
        if hasattr(v, "id"):
            return v.id
        t = type_of(v)
        if t == NUMBER:
            return self.emit("set_number", t, constant=v.v)
        if t == FLOAT:
            return self.emit("set_number", t, constant=float_bits(v.v))
        if t == BOOL:
            return self.emit("set_bool", t, constant=int(v.v))
        if t == TEXT:
            return self.emit("set_text", t, constant=self.text(v.v))
        known = held(v.v) if hasattr(v, "v") else None
        if known is None:
            raise Deopt("a value that no column holds")
        name = {"t": "set_text", "d": "set_decimal"}.get(slot_kind(t), "set_number")
        return self.emit(name, t, constant=self.bits(v))

    def nothing(self, t):
        """Some value of the type, for rows where it means nothing."""
        constant = {"t": 0, "d": self.place(bytes(16))}.get(slot_kind(t), 0)
        return Reg(t, self.emit("set_" + form(t), t, constant=constant))

    def bits(self, v):
        """The constant operand that a Const becomes."""
        t = type_of(v)
        if t == FLOAT:
            return float_bits(v.v)
        if t == TEXT:
            return self.text(v.v)
        if t in (NUMBER, BOOL):
            return check_number(int(v.v))
        value = held(v.v)[1]
        if t == BYTES:
            return self.place(value) | len(value) << 32
        return value if exponent_of(t) is None else self.place(value.to_bytes(16, "little", signed=True))

    # ---- The program ----

    def drop_dead(self, results):
        used = set(results) | self.kept
        for loop in self.loop_table:
            used.update(loop.reads())
        kept = [True] * len(self.code)
        for k in range(len(self.code) - 1, -1, -1):
            op = self.code[k]
            if (op.name in _PURE or op.to in self.replaceable) and not any(register in used for register in op.writes()):
                kept[k] = False
            else:
                used.update(op.reads())
        number = [0]
        for keep in kept:
            number.append(number[-1] + keep)
        self.code = [op for op, keep in zip(self.code, kept) if keep]
        for loop in self.loop_table:
            loop.start, loop.end = number[loop.start], number[loop.end]

    def slots(self, results):
        """(the slot of each register, kinds of slots): registers whose lives do not overlap share one."""
        reads, writes = [op.reads() for op in self.code], [op.writes() for op in self.code]
        own = set(results)  # those with a slot of their own
        for loop in self.loop_table:
            own.update(loop.registers(), *reads[loop.start : loop.end], *writes[loop.start : loop.end])
        last = {register: k for k, registers in enumerate(reads) for register in registers}
        slot, kinds, free = {}, [], {}

        def take(register, kind):
            if register in slot:
                return
            if register not in own and free.get(kind):
                slot[register] = free[kind].pop()
            else:
                slot[register] = len(kinds)
                kinds.append(kind)

        for k, op in enumerate(self.code):
            for register in writes[k]:
                take(register, "c" if op.name in _LOOKS else slot_kind(self.types[register]))
            for register in {*reads[k], *writes[k]}:
                if register not in own and last.get(register, k) == k and register in slot and kinds[slot[register]] != "c":
                    free.setdefault(kinds[slot[register]], []).append(slot[register])
        for register in own:
            take(register, slot_kind(self.types[register]))
        slot[-1] = -1
        return slot, "".join(kinds)

    def _computed_anew(self, loop):
        """Registers that an op of the body writes in each turn, before anything reads them, and that are carried to one place."""
        written = {register for op in self.code[loop.start : loop.end] for register in op.writes()}
        carried = [register for register, _ in loop.carried]
        return {register for register in written.difference(to for _, to in loop.entering) if carried.count(register) == 1}

    def _described(self, loop, slot):
        def values(pairs, anew=frozenset()):
            return [n for a, b in pairs for n in (slot[a], slot[b], _KINDS[slot_kind(self.types[a])] + _ANEW * (a in anew))]

        words = [slot[loop.numbers], slot[loop.running], slot[loop.again], slot[loop.failed]]
        words += [len(loop.entering), len(loop.carried), len(loop.exits), loop.start]
        words += values(loop.entering) + values(loop.carried, self._computed_anew(loop))
        for gone, outside, pairs in loop.exits:
            words += [slot[gone], slot[outside], len(pairs), *values(pairs)]
        return self.numbers("i", *words)

    def pack(self, kind, value, value_mask, null_mask, guards, fields=(), outputs=()):
        """The shim's Program. fields: of a struct: (register of the values, that of the rows that are None, or -1) each.

        outputs: (kind, value, value_mask, null_mask) of each value, when the result is a row of them.
        """
        if not all(loop.complete for loop in self.loop_table):
            raise NotLifted("a loop")
        made = [value, value_mask, null_mask, *(r for field in fields for r in field), *(r for output in outputs for r in output[1:])]
        results = [register for register in made if register >= 0]
        self.drop_dead(results)
        slot, kinds = self.slots(results)
        slot[-2] = -2
        ops = bytearray()
        for op in self.code:
            extra, constant = op.extra, op.constant
            if isinstance(constant, Parts):
                words = [word for part in constant.parts for word in (slot[part[0]], part[1], part[2])]
                constant = self.numbers("i", *words)
            elif op.name == "loop":
                loop = self.loop_table[constant]
                extra, constant = loop.end, self._described(loop, slot)
            operands = (slot[op.mask], slot[op.to], slot[op.a], slot[op.b], slot[op.c])
            ops += struct.pack("<Hhhhhhiq", CODES[op.name], *operands, extra, constant)
        rows = (slot[value], slot[value_mask], slot[null_mask])
        fields = struct.pack(f"<{2 * len(fields)}h", *(slot[register] for field in fields for register in field))
        placed = tuple((of, *(slot[register] for register in registers)) for of, *registers in outputs)
        return _vivarium.Program(bytes(ops), bytes(self.data), kinds.encode(), kind, *rows, bool(self.loop_table), guards, fields, placed)


def check_number(value):
    """An int that a register holds."""
    if not -LARGEST <= value < LARGEST:
        raise Deopt("an int of more than 64 bits")
    return value
