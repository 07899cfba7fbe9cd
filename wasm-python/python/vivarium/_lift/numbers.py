"""Arithmetic, comparison and truth."""

import operator

from vivarium._lift.emit import check_number, float_bits
from vivarium._lift.objects import is_named, is_object
from vivarium._lift.patterns import is_match
from vivarium._lift.sequences import is_iterator, is_parts
from vivarium._lift.structs import is_record
from vivarium._lift.times import MOMENTS
from vivarium._lift.values import (
    BOOL,
    BYTES,
    FLOAT,
    NONE,
    NUMBER,
    SPAN,
    TEXT,
    Const,
    Deopt,
    Kept,
    Reg,
    Tup,
    exponent_of,
    is_columnar,
    is_plain,
    is_scalar,
    type_of,
)
from vivarium._lift.zones import is_abroad

_OPERATIONS = {
    "+": ("add", operator.add),
    "-": ("sub", operator.sub),
    "*": ("mul", operator.mul),
    "/": ("div", operator.truediv),
    "//": ("floordiv", operator.floordiv),
    "%": ("mod", operator.mod),
    "**": ("pow", operator.pow),
    "&": ("and", operator.and_),
    "|": ("or", operator.or_),
    "^": ("xor", operator.xor),
    "<<": ("shl", operator.lshift),
    ">>": ("shr", operator.rshift),
}
_COMPARISONS = {
    "<": ("lt", operator.lt),
    "<=": ("le", operator.le),
    "==": ("eq", operator.eq),
    "!=": ("ne", operator.ne),
    ">": ("gt", operator.gt),
    ">=": ("ge", operator.ge),
}
_NUMBERS = (BOOL, NUMBER, FLOAT)
_TRUTHS = {NUMBER: "int_truth", SPAN: "int_truth", FLOAT: "float_truth", TEXT: "text_truth", BYTES: "text_truth"}
_FLOAT_OPERATIONS = ("+", "-", "*", "/", "//", "%", "**")
_OPPOSITES = {
    "is none": "is present",
    "is present": "is none",
    "true is present": "false is present",
    "false is present": "true is present",
}
"""What a condition says of an optional value, and what its opposite says."""

_MOST_TEXT = 4096
_MOST_BITS = 256
"""Of ints that constants may become."""


def _fold(op, x, y):
    """What constants become, when that is small."""
    if not is_scalar(x) or not is_scalar(y):
        raise Deopt("an operation on such constants")
    if any(type(v) is str and len(v) > _MOST_TEXT for v in (x, y)):
        raise Deopt("a large constant")
    whole = isinstance(x, int) and isinstance(y, int)
    sizes = [abs(v).bit_length() if isinstance(v, int) else 0 for v in (x, y)]
    grown = {"**": sizes[0] * (y if whole and y > 0 else 1), "<<": sizes[0] + (y if whole else 0)}.get(op, sum(sizes)) if whole else 0
    if grown > _MOST_BITS or max(sizes) > _MOST_BITS or (op == "*" and str in (type(x), type(y)) and not whole and max(sizes) > 10):
        raise Deopt("a large constant")
    if op == "%" and type(x) is str:
        raise Deopt("formatting with %")
    try:
        result = _OPERATIONS[op][1](x, y)
    except Exception:
        raise Deopt("an operation that raises") from None
    if not is_scalar(result):
        raise Deopt("an operation on such constants")
    return Const(result)


class Numbers:
    def present(self, v, state):
        """An optional value where it has to be one: the rows of None are the interpreter's."""
        if is_record(v):
            return self.present_record(v, state)
        if not isinstance(v, Reg) or v.none is None:
            return v
        self.fail_rows(self.m_and(state.mask, v.none), "None")
        new = Reg(v.t, v.id)
        state.replace(v, new)
        return new

    def to_int(self, v):
        if isinstance(v, Const):
            return Const(int(v.v))
        return v if v.t == NUMBER else Reg(NUMBER, self.emit("bool_to_int", NUMBER, v.id))

    def to_float(self, v):
        """As float() does: rounded."""
        if isinstance(v, Const):
            try:
                return Const(float(v.v))
            except OverflowError:
                raise Deopt("an int that is too large for a float") from None
        if v.t == FLOAT:
            return v
        return Reg(FLOAT, self.emit("int_to_float", FLOAT, self.to_int(v).id))

    def to_float_exact(self, v, state):
        """The float that equals an int; where there may be none, the rows are the interpreter's."""
        if isinstance(v, Const):
            number = self.to_float(v)
            if number.v != v.v:
                raise Deopt("an int that no float equals")
            return number
        if v.t == FLOAT:
            return v
        return Reg(FLOAT, self.emit("int_to_float_exact", FLOAT, self.to_int(v).id, mask=self.m_reg(state.mask)))

    def _operands(self, x, y, bits):
        if isinstance(x, Const):
            return -1, y.id, bits(x.v)
        if isinstance(y, Const):
            return x.id, -1, bits(y.v)
        return x.id, y.id, 0

    # ---- Arithmetic ----

    def binary(self, op, x, y, state):
        op = op.removesuffix("=")
        if op not in _OPERATIONS:
            raise Deopt(f"the operator {op}")
        x, y = self.present(x, state), self.present(y, state)
        tx, ty = type_of(x), type_of(y)
        if is_abroad(tx) or is_abroad(ty):
            return self.abroad_binary(op, x, y, state)
        if tx in MOMENTS or ty in MOMENTS:
            return self.moment_binary(op, x, y, state)
        if exponent_of(tx) is not None or exponent_of(ty) is not None:
            return self.decimal_binary(op, x, y, state)
        if BYTES in (tx, ty):
            return self.bytes_binary(op, x, y, state)
        if isinstance(x, Const) and isinstance(y, Const):
            return _fold(op, x.v, y.v)
        if TEXT in (tx, ty):
            return self.text_binary(op, x, y, state)
        lists = self.joined_lists(x, y, state) if op == "+" else None
        if lists is not None:
            return lists
        if tx not in _NUMBERS or ty not in _NUMBERS:
            raise Deopt(f"{op} of such values")
        if tx == ty == BOOL and op in "&|^":
            name = {"&": "bool_and", "|": "bool_or", "^": "bool_xor"}[op]
            return Reg(BOOL, self.emit(name, BOOL, self.as_reg(x), self.as_reg(y)))
        if FLOAT in (tx, ty):
            return self._float_binary(op, self.to_float(x), self.to_float(y), state)
        return self._int_binary(op, self.to_int(x), self.to_int(y), state)

    def _float_binary(self, op, x, y, state):
        if op not in _FLOAT_OPERATIONS:
            raise Deopt(f"{op} of floats")
        a, b, constant = self._operands(x, y, float_bits)
        never_raises = op in ("+", "-", "*") or (op == "/" and isinstance(y, Const) and y.v != 0)
        mask = -1 if never_raises else self.m_reg(state.mask)
        return Reg(FLOAT, self.emit("float_" + _OPERATIONS[op][0], FLOAT, a, b, mask=mask, constant=constant))

    def _int_binary(self, op, x, y, state):
        if op == "**":
            if isinstance(y, Const) and 0 <= y.v <= 64 and isinstance(x, Reg):
                return Reg(NUMBER, self.emit("int_pow", NUMBER, x.id, constant=y.v, mask=self.m_reg(state.mask)))
            raise Deopt("** of ints")
        rest = self.rest_of_whole(op, x, y, state)
        if rest is not None:
            return rest
        a, b, constant = self._operands(x, y, check_number)
        if op == "/":
            return Reg(FLOAT, self.emit("int_div", FLOAT, a, b, constant=constant, mask=self.m_reg(state.mask)))
        exact = op in ("&", "|", "^") or (op in ("//", "%") and isinstance(y, Const) and y.v > 0)
        mask = -1 if exact else self.m_reg(state.mask)
        return Reg(NUMBER, self.emit("int_" + _OPERATIONS[op][0], NUMBER, a, b, constant=constant, mask=mask))

    def negative(self, v, state):
        v = self.present(v, state)
        if isinstance(v, Const) and type(v.v) in (int, float):
            return Const(-v.v)
        if isinstance(v, Reg) and v.t == FLOAT:
            return Reg(FLOAT, self.emit("float_neg", FLOAT, v.id))
        if isinstance(v, Reg) and v.t == NUMBER:
            return Reg(NUMBER, self.emit("int_neg", NUMBER, v.id, mask=self.m_reg(state.mask)))
        if isinstance(v, Reg) and v.t == SPAN:
            return self.span_negative(v, state)
        if exponent_of(type_of(v)) is not None:
            return self.decimal_sign("neg", v, state)
        raise Deopt("- of such a value")

    def inverted(self, v, state):
        v = self.present(v, state)
        if isinstance(v, Const) and type(v.v) is int:
            return Const(~v.v)
        if isinstance(v, Reg) and v.t == NUMBER:
            return Reg(NUMBER, self.emit("int_xor", NUMBER, v.id, constant=-1))
        raise Deopt("~ of such a value")

    # ---- Comparison ----

    def compare(self, op, x, y, state):
        x, y = (self.plain_member(v, f"__{_COMPARISONS[op][0]}__") for v in (x, y))
        tx, ty = type_of(x), type_of(y)
        if any(isinstance(v, Const) and not is_columnar(v.v) for v in (x, y)):
            raise Deopt("a comparison of such constants")
        if op in ("==", "!=") and NONE in (tx, ty):
            result = self.is_none(y if tx == NONE else x)
            return result if op == "==" else self.negate(result)
        x, y = self.present(x, state), self.present(y, state)
        if isinstance(x, Const) and isinstance(y, Const):
            try:
                return Const(_COMPARISONS[op][1](x.v, y.v))
            except Exception:
                raise Deopt("a comparison that raises") from None
        tx, ty = type_of(x), type_of(y)
        if isinstance(x, Tup) and isinstance(y, Tup):
            return self._compare_tuples(op, x, y, state)
        if is_abroad(tx) or is_abroad(ty):
            return self.abroad_compare(op, x, y, state)
        if tx in MOMENTS or ty in MOMENTS:
            return self.moment_compare(op, x, y, state)
        if exponent_of(tx) is not None or exponent_of(ty) is not None:
            return self.decimal_compare(op, _COMPARISONS[op][0], x, y, state)
        if TEXT in (tx, ty) or BYTES in (tx, ty):
            return self.text_compare(op, _COMPARISONS[op][0], x, y, state)
        if tx not in _NUMBERS or ty not in _NUMBERS:
            raise Deopt(f"{op} of such values")
        if FLOAT in (tx, ty):
            # Exact where the int is one that a double holds.
            kind, bits, x, y = "float_", float_bits, self.to_float_exact(x, state), self.to_float_exact(y, state)
        else:
            kind, bits, x, y = "int_", check_number, self.to_int(x), self.to_int(y)
        a, b, constant = self._operands(x, y, bits)
        return Reg(BOOL, self.emit(kind + _COMPARISONS[op][0], BOOL, a, b, constant=constant))

    def _compare_tuples(self, op, x, y, state):
        """By the first items that differ. Of NaN, the same object is equal in tuples: floats are the interpreter's."""
        same_kind = (x.kind is tuple) == (y.kind is tuple) and x.kind in (tuple, list, Kept) and y.kind in (tuple, list, Kept)
        if not same_kind or len(x.items) != len(y.items) or any(type_of(v) not in (BOOL, NUMBER, TEXT) for v in x.items + y.items):
            raise Deopt(f"{op} of such values")
        order = op if op in ("==", "!=") else op[0]
        result = Const(op in ("<=", "==", ">="))
        for v, w in list(zip(x.items, y.items))[::-1]:
            same = self.compare("==", v, w, state)
            if op == "==":
                result = self.both(same, result)
            elif op == "!=":
                result = self.either(self.negate(same), result)
            else:
                result = self.either(self.compare(order, v, w, state), self.both(same, result))
        return result

    def both(self, x, y):
        if isinstance(x, Const):
            return y if x.v else Const(False)
        if isinstance(y, Const):
            return x if y.v else Const(False)
        return Reg(BOOL, self.emit("bool_and", BOOL, x.id, y.id))

    def negate(self, v):
        if isinstance(v, Const):
            return Const(not v.v)
        about = None
        if v.about is not None:
            about = (v.about[0], _OPPOSITES[v.about[1]])
        return Reg(BOOL, self.emit("bool_not", BOOL, v.id), about=about)

    def is_none(self, v):
        if isinstance(v, Const):
            return Const(v.v is None)
        if isinstance(v, Tup) or is_parts(v) or is_object(v) or is_named(v):
            return Const(False)
        if is_record(v):
            return v.parts[0]
        if is_match(v):
            return self.negate(v.parts[0])
        if not isinstance(v, Reg):
            raise Deopt("is None of such a value")
        return Const(False) if v.none is None else Reg(BOOL, v.none, about=(v, "is none"))

    def truth(self, v, state):
        if isinstance(v, Const):
            if not is_plain(v.v):
                raise Deopt("the truth of such a constant")
            self.watch(v.v)
            return Const(bool(v.v))
        if is_iterator(v):
            raise Deopt("the truth of an iterator")
        if isinstance(v, Tup):
            return Const(bool(v.items))
        if is_parts(v):
            return Const(True) if not v.about[1] else self.truth(self.length_of(v, state), state)
        if is_match(v):
            return v.parts[0]
        if is_record(v) and v.about:
            return self.negate(v.parts[0])
        if not isinstance(v, Reg):
            raise Deopt("the truth of such a value")
        if v.t == BOOL:
            if v.none is None:
                return v
            true = v.id
        elif v.t in _TRUTHS:
            true = self.emit(_TRUTHS[v.t], BOOL, v.id)
        elif exponent_of(v.t) is not None:
            true = self.decimal_truth(v)
        else:  # a date or a time is true
            true = self.emit("set_bool", BOOL, constant=1)
        if v.none is None:
            return Reg(BOOL, true)
        return Reg(BOOL, self.emit("bool_and_not", BOOL, true, v.none), about=(v, "true is present"))

    def is_same(self, x, y):
        """`is`, of the objects of which there is one."""
        if type_of(y) == NONE:
            return self.is_none(x)
        if type_of(x) == NONE:
            return self.is_none(y)
        if isinstance(x, Const) and type(x.v) is bool:
            x, y = y, x
        if not isinstance(y, Const) or type(y.v) is not bool:
            raise Deopt("is")
        if isinstance(x, Const):
            return Const(x.v is y.v)
        if not isinstance(x, Reg) or x.none is not None:
            raise Deopt("is")
        if x.t != BOOL:
            return Const(False)
        return x if y.v else self.negate(x)

    def either(self, x, y):
        if isinstance(x, Const):
            return Const(True) if x.v else y
        if isinstance(y, Const):
            return Const(True) if y.v else x
        return Reg(BOOL, self.emit("bool_or", BOOL, x.id, y.id))
