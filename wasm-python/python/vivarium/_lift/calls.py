"""Calls: of built-in functions, of methods, and of plain functions, which become part of the program."""

import decimal
import json
import math
import re
import types

from vivarium._lift.bytecode import DEEPEST, OLDER, VARIADIC
from vivarium._lift.digests import is_digest
from vivarium._lift.documents import is_document
from vivarium._lift.emit import Parts, check_number, float_bits
from vivarium._lift.generators import takes
from vivarium._lift.patterns import FUNCTIONS, is_match
from vivarium._lift.sequences import is_iterator, is_list, is_parts, is_set
from vivarium._lift.structs import is_record
from vivarium._lift.times import CLASSES, MOMENTS
from vivarium._lift.values import (
    BOOL,
    BYTES,
    CONTAINERS,
    FLOAT,
    NUMBER,
    SPAN,
    TEXT,
    Const,
    Deopt,
    Fork,
    Frame,
    Generator,
    Inner,
    Iter,
    Kept,
    Made,
    Method,
    Once,
    RangeIter,
    Reg,
    Tup,
    exponent_of,
    is_plain,
    type_of,
)
from vivarium._lift.zones import is_abroad

FLOAT_FUNCTIONS = {
    function: number
    for number, function in enumerate(
        (
            math.sqrt,
            math.exp,
            math.log,
            math.sin,
            math.cos,
            math.tan,
            math.asin,
            math.acos,
            math.atan,
            math.log10,
            math.log2,
            math.radians,
            math.degrees,
            math.fabs,
        )
    )
}
"""By number: shim/kernels/floats.c."""

_OF_SCALARS = (abs, min, max, round, int, float, str, bool, len, ord, chr, hex, oct, bin, *FLOAT_FUNCTIONS, math.floor, math.ceil, math.trunc)
_OF_SCALARS += (math.isnan, math.isinf, math.isfinite)
_OF_CONTAINERS = (len, min, max, sum, any, all, sorted, tuple, list, set, frozenset)
_CLASSES = {NUMBER: int, FLOAT: float, TEXT: str, BOOL: bool, BYTES: bytes}
_BUILTIN_CLASSES = (int, float, str, bool, complex, bytes, bytearray, tuple, list, dict, set, frozenset, object, type(None))

_BASES = {hex: 16, oct: 8, bin: 2}
_OF_BITS = ("bit_length", "bit_count")

_BINARY_CLASSES = (int, bytes)
"""Whose methods may be called by the class."""

_UNROLLED = 32
_MOST_DIMENSIONS = 8
"""Of a vector: shim/kernels/floats.c."""


def _builtin(fn):
    """Whether comparing and hashing the object runs no code of the user's."""
    return type(fn) in (types.BuiltinFunctionType, type)


class Calls:
    def call(self, f, arguments, keywords, state):
        """The value; or the Frame to run."""
        if not all(isinstance(v, (Const, Made, Reg, Tup, RangeIter, Generator, Iter)) for v in arguments):
            raise Deopt("a call with such arguments")
        if isinstance(f, Inner):
            return self.inner_call(f, arguments, keywords, state)
        if any(isinstance(v, Iter) for v in arguments):
            raise Deopt("a call with an iterator")
        if isinstance(f, Method):
            return self._method(f.name, arguments[0], arguments[1:], keywords, state)
        if not isinstance(f, Const):
            raise Deopt("a call of such a value")
        fn = f.v
        found = self.digest_function(fn, arguments, keywords, state)
        if found is not None:
            return found
        if fn is json.loads and not keywords:
            return self.document(fn, [self.present(v, state) for v in arguments], state)
        if type(fn) is types.FunctionType and fn in FUNCTIONS and not keywords:
            return self.pattern_function(FUNCTIONS[fn], fn, [self.present(v, state) for v in arguments], state)
        if type(fn) is types.FunctionType:
            return self.inlined(fn, arguments, keywords, state)
        if type(fn) is types.MethodType and type(fn.__func__) is types.FunctionType:
            return self.inlined(fn.__func__, [Const(fn.__self__), *arguments], keywords, state)
        if fn is object.__setattr__ and len(arguments) == 3 and isinstance(arguments[1], Const) and not keywords:
            self.store_attribute(state, arguments[0], arguments[1].v, arguments[2])
            return Const(None)
        if type(fn) is types.BuiltinFunctionType and fn == tuple.__new__ and len(arguments) == 2 and isinstance(arguments[0], Const):
            return self.named_tuple(arguments[0].v, arguments[1])
        made = self.new_object(fn, arguments, keywords, state)
        if made is not None:
            return made
        if type(fn) is type and fn in CLASSES:
            return self.moment_class(fn, arguments, keywords, state)
        zone = self.zone_made(fn, arguments, keywords)
        if zone is not None:
            return zone
        if fn is decimal.Decimal and not keywords:
            return self.new_decimal([self.present(v, state) for v in arguments])
        if type(fn) is types.MethodDescriptorType and fn.__objclass__ is str and arguments and type_of(self.present(arguments[0], state)) == TEXT:
            return self._method(fn.__name__, arguments[0], arguments[1:], keywords, state)
        if len(arguments) == 1 and ((fn is int and set(keywords) == {"base"}) or (fn is enumerate and set(keywords) == {"start"})):
            arguments, keywords = [*arguments, *keywords.values()], {}
        if fn is sorted and len(arguments) == 1 and set(keywords) == {"reverse"} and isinstance(keywords["reverse"], Const):
            return self.sorted_items(arguments[0], self.truth(keywords["reverse"], state).v, state)
        if keywords or not _builtin(fn):
            raise Deopt(f"a call of {fn.__name__}() with keywords" if _builtin(fn) else f"a call of a {type(fn).__name__}")
        if fn in (min, max) and len(arguments) == 1 and isinstance(arguments[0], Tup) and len(arguments[0].items) > 1:
            arguments = arguments[0].items
        folded = self._folded(fn, arguments)
        if folded is not None:
            return folded
        if fn is range:
            return self._range(arguments)
        if takes(fn) and arguments and (len(arguments) == 1 or fn not in (min, max)):
            return self.take_all(fn, arguments, state)
        if fn is filter and len(arguments) == 2:
            return self.chosen(*arguments, state)
        if fn is sorted and len(arguments) == 1:
            return self.sorted_items(arguments[0], False, state)
        if fn is set and len(arguments) == 1:
            return self.set_of(arguments[0], state)
        if fn in (enumerate, reversed, zip, map):
            return self._iterator_call(fn, arguments, state)
        return self._builtin_call(fn, [self.present(v, state) for v in arguments], state)

    def _folded(self, fn, arguments):
        """The call of constants, or None."""
        values = []
        for v in arguments:
            if isinstance(v, Const):
                values.append(v.v)
            elif isinstance(v, Tup) and v.kind is not Once and all(isinstance(item, Const) for item in v.items):
                values.append((list if v.kind in (list, Kept) else tuple)(item.v for item in v.items))
            else:
                return None
        containers = [value for value in values if type(value) in CONTAINERS]
        known = _OF_CONTAINERS if containers else _OF_SCALARS
        if fn not in known or not all(map(is_plain, values)) or (containers and len(values) > 1):
            return None
        for value in containers:
            self.watch(value)
        if any(type(value) in (int, str) and (value.bit_length() if type(value) is int else len(value)) > 4096 for value in values):
            raise Deopt("a large constant")
        try:
            result = fn(*values)
        except Exception:
            raise Deopt(f"{fn.__name__}() raises") from None
        return Const(result)

    def inlined(self, fn, arguments, keywords, state):
        code = fn.__code__
        count = code.co_argcount
        if any(isinstance(v, Generator) or is_iterator(v) for v in (*arguments, *keywords.values())):
            raise Deopt("a call with an iterator")
        if code.co_flags & VARIADIC or code.co_kwonlyargcount or len(state.frames) > DEEPEST:
            raise Deopt(f"a call of {fn.__name__}()")
        if any(frame.code.code is code for frame in state.frames):
            raise Deopt("recursion")
        names = code.co_varnames[:count]
        given = dict(zip(names, arguments))
        if len(arguments) > count or any(name not in names[code.co_posonlyargcount :] or name in given for name in keywords):
            raise Deopt("a call that raises")
        self.guards.code(fn)
        given.update(keywords)
        given = {name: self.keep(v, state) for name, v in given.items()}
        defaults = fn.__defaults__ or ()
        for name, value in zip(names[max(count - len(defaults), 0) :], defaults[max(len(defaults) - count, 0) :]):
            given.setdefault(name, Const(value))
        if len(given) != count:
            raise Deopt("a call that raises")
        return Frame(self.code_of(code), fn, 0, given, [])

    def _iterator_call(self, fn, arguments, state):
        count = len(arguments)
        if fn is enumerate and count == 2:
            return self.enumerated(*arguments, state)
        if fn is enumerate and count == 1:
            return self.enumerated(arguments[0], Const(0), state)
        if fn is reversed and count == 1:
            return self.turned(arguments[0], state)
        if fn is zip and count:
            return self.zipped(arguments, state)
        if fn is map and count == 2 and isinstance(arguments[0], Const):
            return self.mapped(arguments[0].v, arguments[1], state)
        raise Deopt(f"{fn.__name__}() of such values")

    def smallest(self, numbers):
        """Of ints, as min() has it."""
        return self._extreme(min, numbers, [NUMBER] * len(numbers), None) if len(numbers) > 1 else numbers[0]

    def _range(self, arguments):
        if not 1 <= len(arguments) <= 3 or any(type_of(v) != NUMBER for v in arguments):
            raise Deopt("range() of such values")
        start, stop, step = {
            1: lambda: (Const(0), *arguments, Const(1)),
            2: lambda: (*arguments, Const(1)),
            3: lambda: arguments,
        }[len(arguments)]()
        if not isinstance(step, Const) or step.v == 0:
            raise Deopt("range() with such a step")
        if isinstance(start, Const) and isinstance(stop, Const) and abs(stop.v - start.v) <= _UNROLLED * abs(step.v):
            return Tup([Const(number) for number in range(start.v, stop.v, step.v)], range)
        return RangeIter(start, stop, step)

    def _builtin_call(self, fn, arguments, state):
        ts = [type_of(v) for v in arguments]
        count, x = len(arguments), arguments[0] if arguments else None
        mask = self.m_reg(state.mask)
        if fn is len and count == 1:
            if ts[0] == TEXT:
                return Reg(NUMBER, self.emit("text_length", NUMBER, self.as_reg(x), mask=mask))
            if ts[0] == BYTES and isinstance(x, Const):
                return Const(len(x.v))
            if ts[0] == BYTES:
                return Reg(NUMBER, self.emit("bytes_length", NUMBER, self.as_reg(x)))
            if is_iterator(x):
                raise Deopt("len() of an iterator")
            if isinstance(x, Tup):
                return Const(len(x.items))
            if is_parts(x):
                return self.length_of(x, state)
            if is_set(x):
                return self.length_of(x.parts[0], state)
        if (fn is ord and ts == [TEXT]) or (fn is chr and ts == [NUMBER]):
            return self.character(fn, x, state)
        if fn in _BASES and ts == [NUMBER]:
            return self.in_base(x, _BASES[fn], 1, state)
        if fn is format:
            return self.formatted(arguments, state)
        if fn is pow and count == 2:
            return self.binary("**", *arguments, state)
        if fn is math.pow and count == 2 and all(t in (NUMBER, FLOAT, BOOL) for t in ts):
            return self.binary("**", *map(self.to_float, arguments), state)
        if fn is math.gcd and ts == [NUMBER, NUMBER]:
            return Reg(NUMBER, self.emit("int_gcd", NUMBER, *map(self.as_reg, arguments), mask=mask))
        if fn is math.lcm and ts == [NUMBER, NUMBER]:
            return self._common_multiple(*arguments, state)
        if fn is math.isqrt and ts == [NUMBER]:
            return Reg(NUMBER, self.emit("int_sqrt", NUMBER, self.as_reg(x), mask=mask))
        if fn is math.hypot and count > 1:
            return self._length(arguments, ts, state)
        if fn is math.dist and count == 2:
            return self._distance(*(self.sequence(v, state) for v in arguments), state)
        if fn is divmod and count == 2:
            return Tup([self.binary("//", *arguments, state), self.binary("%", *arguments, state)])
        if fn is abs and ts == [NUMBER]:
            return Reg(NUMBER, self.emit("int_abs", NUMBER, x.id, mask=mask))
        if exponent_of(ts[0] if ts else None) is not None and (fn is abs or fn in (int, float, str, bool, max, min)):
            return self._of_decimals(fn, arguments, state)
        if fn is abs and ts == [SPAN]:
            return self.span_absolute(x, state)
        if (fn is abs or fn is math.fabs) and ts == [FLOAT]:
            return Reg(FLOAT, self.emit("float_abs", FLOAT, x.id))
        if fn in (max, min) and count >= 2:
            return self._extreme(fn, arguments, ts, state)
        if fn is round:
            return self._round(arguments, ts, mask)
        if fn is int and count == 2 and ts[0] == TEXT:
            return self.based_int(x, arguments[1], state)
        if count == 1 and fn in (int, float, str, bool):
            return self._converted(fn, x, ts[0], mask, state)
        if fn is isinstance and count == 2 and ts[0] in _CLASSES:
            return self._isinstance(_CLASSES[ts[0]], arguments[1])
        if count == 1 and ts[0] in (NUMBER, FLOAT, BOOL):
            if fn in FLOAT_FUNCTIONS:
                return Reg(FLOAT, self.emit("float_function", FLOAT, self.to_float(x).id, constant=FLOAT_FUNCTIONS[fn], mask=mask))
            if fn in (math.floor, math.ceil, math.trunc) and ts[0] == NUMBER:
                return x
            if fn is math.trunc and ts[0] == FLOAT:
                return Reg(NUMBER, self.emit("float_to_int", NUMBER, x.id, mask=mask))
            if fn in (math.isnan, math.isinf, math.isfinite):
                return self._classified(fn, self.to_float(x))
            if fn in (math.floor, math.ceil) and ts[0] == FLOAT:
                return Reg(NUMBER, self.emit("float_" + fn.__name__, NUMBER, x.id, mask=mask))
        if fn is math.atan2 and count == 2 and all(t in (NUMBER, FLOAT, BOOL) for t in ts):
            y, x = (self.as_reg(self.to_float(v)) for v in arguments)
            return Reg(FLOAT, self.emit("float_atan2", FLOAT, y, x, mask=mask))
        raise Deopt(f"{fn.__name__}() of such values")

    def _common_multiple(self, x, y, state):
        """math.lcm(); of two zeros there is nothing to divide by: those rows are the interpreter's."""
        common = Reg(NUMBER, self.emit("int_gcd", NUMBER, self.as_reg(x), self.as_reg(y), mask=self.m_reg(state.mask)))
        product = self.binary("*", self.binary("//", x, common, state), y, state)
        return Reg(NUMBER, self.emit("int_abs", NUMBER, self.as_reg(product), mask=self.m_reg(state.mask)))

    def _length(self, values, ts, state):
        """math.hypot(). Until 3.11 the last bit came about in another way."""
        if OLDER or len(values) > _MOST_DIMENSIONS or not all(t in (NUMBER, FLOAT, BOOL) for t in ts):
            raise Deopt("hypot() of such values")
        parts = Parts([(self.as_reg(self.to_float(v)), 0, 0) for v in values])
        register = self.emit("float_length", FLOAT, mask=self.m_reg(state.mask), extra=len(values), constant=parts, memo=False)
        return Reg(FLOAT, register)

    def _distance(self, p, q, state):
        if not all(isinstance(v, Tup) and v.kind in (tuple, list, Kept) for v in (p, q)) or len(p.items) != len(q.items):
            raise Deopt("dist() of such values")
        pairs = list(zip(p.items, q.items))
        if len(pairs) < 2 or not all(type_of(v) in (NUMBER, FLOAT, BOOL) for pair in pairs for v in pair):
            raise Deopt("dist() of such values")
        differences = [self.binary("-", self.to_float(v), self.to_float(w), state) for v, w in pairs]
        return self._length(differences, [FLOAT] * len(pairs), state)

    def _of_decimals(self, fn, arguments, state):
        if fn in (max, min):
            return self.decimal_extreme(fn, arguments, state)
        if len(arguments) != 1:
            raise Deopt(f"{fn.__name__}() of such values")
        if fn is abs:
            return self.decimal_sign("abs", arguments[0], state)
        if fn is bool:
            return self.truth(arguments[0], state)
        return self.to_str(arguments[0], state) if fn is str else self.decimal_converted(fn, arguments[0], state)

    def _isinstance(self, found, classes):
        if isinstance(classes, Const) and type(classes.v) is tuple:
            classes = Tup([Const(c) for c in classes.v])
        classes = [c.v if isinstance(c, Const) else None for c in (classes.items if isinstance(classes, Tup) else [classes])]
        if not all(type(c) is type and c in _BUILTIN_CLASSES for c in classes):
            raise Deopt("isinstance() of such classes")
        return Const(issubclass(found, tuple(classes)))

    def _extreme(self, fn, arguments, ts, state):
        if len(ts) == 2 and set(ts) == {NUMBER, FLOAT}:  # which type it is depends on the row
            first, second = arguments
            later = self.compare(">" if fn is max else "<", second, first, state)
            if isinstance(later, Const):
                return second if later.v else first
            return Fork([(self.m_and(state.mask, later.id), second), (self.m_and(state.mask, later.id, False), first)])
        if len(set(ts)) == 1 and ts[0] in MOMENTS:
            found = self._extreme(fn, [self.number_of(v) for v in arguments], [NUMBER] * len(ts), state)
            return Reg(ts[0], self.as_reg(found))
        if len(set(ts)) != 1 or ts[0] not in (NUMBER, FLOAT):
            raise Deopt(f"{fn.__name__}() of values of several types")
        kind = "int_" if ts[0] == NUMBER else "float_"
        result = arguments[0]
        for v in arguments[1:]:
            if isinstance(result, Const) and isinstance(v, Const):
                result = Const(fn(result.v, v.v))
                continue
            a, b, constant = self._operands(result, v, check_number if ts[0] == NUMBER else float_bits)
            result = Reg(ts[0], self.emit(kind + fn.__name__, ts[0], a, b, constant=constant))
        return result

    def _classified(self, fn, x):
        if fn is math.isnan:
            return Reg(BOOL, self.emit("float_ne", BOOL, x.id, x.id))
        if fn is math.isinf:
            return Reg(BOOL, self.emit("float_eq", BOOL, self.emit("float_abs", FLOAT, x.id), constant=float_bits(math.inf)))
        return Reg(BOOL, self.emit("float_eq", BOOL, self.emit("float_sub", FLOAT, x.id, x.id), constant=0))

    def _round(self, arguments, ts, mask):
        digits = arguments[1].v if len(arguments) == 2 and isinstance(arguments[1], Const) else None
        whole = type(digits) is int and digits >= 0
        if ts == [FLOAT]:
            return Reg(NUMBER, self.emit("float_round", NUMBER, arguments[0].id, mask=mask))
        if ts == [FLOAT, NUMBER] and whole and digits <= 15 and isinstance(arguments[0], Reg):
            return Reg(FLOAT, self.emit("float_round_digits", FLOAT, arguments[0].id, constant=digits, mask=mask))
        if ts == [NUMBER] or (ts == [NUMBER, NUMBER] and whole):
            return arguments[0]
        raise Deopt("round() of such values")

    def _converted(self, fn, x, t, mask, state):
        if fn is str:
            return self.to_str(x, state)
        if fn is bool:
            return self.truth(x, state)
        if t == TEXT:
            to, name = (NUMBER, "text_to_int") if fn is int else (FLOAT, "text_to_float")
            register = self.emit(name, to, x.id, mask=mask)
            if fn is int:
                self.decimals[register] = x.id, mask
            return Reg(to, register)
        if t not in (NUMBER, FLOAT, BOOL):
            raise Deopt(f"{fn.__name__}() of such a value")
        if fn is float:
            return self.to_float(x)
        return Reg(NUMBER, self.emit("float_to_int", NUMBER, x.id, mask=mask)) if t == FLOAT else self.to_int(x)

    def has_methods(self, v):
        """Whether methods of the constant may be called."""
        if type(v.v) in (str, dict, re.Pattern) or (type(v.v) is type and (v.v in CLASSES or v.v in _BINARY_CLASSES)):
            return True
        return type_of(v) in (BYTES, *MOMENTS) or exponent_of(type_of(v)) is not None

    def _method(self, name, v, arguments, keywords, state):
        v = self.present(v, state)
        if is_record(v) and not keywords:
            return self.record_method(name, v, arguments, state)
        if isinstance(v, Const) and type(v.v) is re.Pattern and not keywords:
            return self.pattern_method(name, v.v, [self.present(argument, state) for argument in arguments], state)
        if is_document(v) and not keywords:
            return self.document_method(name, v, arguments, state)
        if is_match(v) and not keywords:
            return self.match_method(name, v, arguments, state)
        if name == "append" and is_list(v) and not keywords:
            return self.append(v, arguments, state)
        if is_digest(v) and not keywords:
            return self.digest_method(name, v, arguments, state)
        if isinstance(v, Const) and type(v.v) is type and v.v in _BINARY_CLASSES:
            return self.binary_class_method(v.v, name, [self.present(argument, state) for argument in arguments], keywords, state)
        if isinstance(v, Const) and type(v.v) is type:
            return self.moment_class_method(name, v.v, arguments, keywords, state)
        if exponent_of(type_of(v)) is not None:
            return self.decimal_method(name, v, [self.present(argument, state) for argument in arguments], keywords, state)
        if is_abroad(type_of(v)):
            return self.abroad_method(name, v, [self.present(argument, state) for argument in arguments], keywords, state)
        if type_of(v) in MOMENTS:
            return self.moment_method(name, v, [self.present(argument, state) for argument in arguments], keywords, state)
        if type_of(v) == BYTES:
            return self.bytes_method(name, v, [self.present(argument, state) for argument in arguments], keywords, state)
        if type_of(v) == TEXT and name == "encode":
            return self.encoded(v, arguments, keywords, state)
        if type_of(v) == TEXT:
            return self.text_method(name, v, arguments, state, keywords)
        if keywords:
            raise Deopt(f"{name}() with keywords")
        if isinstance(v, Reg) and v.t == NUMBER and name in _OF_BITS and not arguments:
            return Reg(NUMBER, self.emit("int_bits", NUMBER, v.id, extra=_OF_BITS.index(name)))
        if isinstance(v, Const) and type(v.v) is dict:
            return self.dict_method(name, v.v, arguments, state)
        raise Deopt(f"{name}() of such a value")
