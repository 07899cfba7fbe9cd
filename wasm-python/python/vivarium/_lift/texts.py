"""Text: operators, slices, methods and f-strings."""

import re
import struct

from vivarium._lift.emit import Parts
from vivarium._lift.times import MOMENTS
from vivarium._lift.values import (
    BOOL,
    BYTES,
    FLOAT,
    NONE,
    NUMBER,
    TEXT,
    Const,
    Deopt,
    Reg,
    Slice,
    Split,
    Tup,
    exponent_of,
    is_scalar,
    type_of,
)

_FOLDED = frozenset("upper lower strip lstrip rstrip title capitalize startswith endswith replace find count isdigit isalpha".split())
"""Methods of constants that are called while lifting."""

_CLASSES = ("isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower")
_PADS = ("ljust", "rjust", "zfill")
_STRIPS = {"strip": 3, "lstrip": 1, "rstrip": 2}
_MOST_TEXT = 4096


class Texts:
    def text_binary(self, op, x, y, state):
        tx, ty = type_of(x), type_of(y)
        if op == "+" and tx == ty == TEXT:
            return self.concat([x, y], state)
        if op == "*" and ty == TEXT:
            x, y, tx, ty = y, x, ty, tx
        if op == "*" and isinstance(x, Const) and ty == NUMBER and 0 < len(x.v) <= _MOST_TEXT:
            mask = self.m_reg(state.mask)
            return Reg(TEXT, self.emit("text_repeat", TEXT, y.id, mask=mask, constant=self.text(x.v)))
        if op == "%" and isinstance(x, Const):
            return self._percent(x.v, y.items if isinstance(y, Tup) and y.kind is tuple else [y], state)
        raise Deopt(f"{op} of such values")

    def _percent(self, form, values, state):
        """form % values, for %s, %d and %.2f."""
        values, parts = list(values), []
        for k, piece in enumerate(re.split(r"(%%|%s|%d|%\.[0-9]f|%)", form)):
            if k % 2 == 0 or piece == "%%":
                parts.append(Const("%" if k % 2 else piece))
                continue
            if piece == "%" or not values:
                raise Deopt("formatting with % in such a way")
            v = self.present(values.pop(0), state)
            t = type_of(v)
            if piece == "%s" or (piece == "%d" and t == NUMBER):
                parts.append(self.to_str(v, state))
            elif t == FLOAT and piece != "%d":
                parts.append(self.format(v, Const(piece[1:]), state))
            else:
                raise Deopt("formatting with % in such a way")
        if values:
            raise Deopt("formatting with % in such a way")
        return self.concat(parts, state)

    def _braces(self, form, values, state):
        """form.format(*values), for {} alone."""
        pieces = form.split("{}")
        if any("{" in piece or "}" in piece for piece in pieces) or len(pieces) != len(values) + 1:
            raise Deopt("format() in such a way")
        parts = [Const(pieces[0])]
        for v, piece in zip(values, pieces[1:]):
            parts += [self.to_str(v, state), Const(piece)]
        return self.concat(parts, state)

    def _joined(self, separator, v, state):
        if not isinstance(v, Tup) or v.kind not in (tuple, list):
            raise Deopt("join() of such a value")
        items = [self.present(item, state) for item in v.items]
        if any(type_of(item) != TEXT for item in items):
            raise Deopt("join() of such values")
        return self.concat([part for item in items for part in (separator, item)][1:], state)

    # ---- split() ----

    def part(self, split, place, state):
        if not isinstance(place, Const) or type(place.v) is not int or abs(place.v) > 1000:
            raise Deopt("a part by such an index")
        constant = self.text(split.separator)
        mask = self.m_reg(state.mask)
        return Reg(TEXT, self.emit("text_part", TEXT, self.as_reg(split.text), mask=mask, extra=place.v, constant=constant))

    def part_count(self, split, state):
        mask = self.m_reg(state.mask)
        found = self.emit("text_count", NUMBER, self.as_reg(split.text), mask=mask, constant=self.text(split.separator))
        return Reg(NUMBER, self.emit("int_add", NUMBER, found, constant=1, mask=mask))

    def text_compare(self, op, name, x, y, state):
        tx, ty = type_of(x), type_of(y)
        if tx != ty:
            if op in ("==", "!=") and all(t in (TEXT, BYTES, NUMBER, FLOAT, BOOL) for t in (tx, ty)):
                return Const(op == "!=")
            raise Deopt(f"{op} of such values")
        mask = self.m_reg(state.mask)
        if op in ("==", "!=") and (isinstance(x, Const) or isinstance(y, Const)):
            constant, column = (x, y) if isinstance(x, Const) else (y, x)
            text = self.bits(constant)
            same = Reg(BOOL, self.emit("text_is", BOOL, column.id, mask=-1 if text >> 32 <= 8 else mask, constant=text))
            return same if op == "==" else self.negate(same)
        return Reg(BOOL, self.emit("text_" + name, BOOL, self.as_reg(x), self.as_reg(y), mask=mask))

    def concat(self, values, state):
        parts = []
        for v in values:
            if isinstance(v, Const) and v.v == "":
                continue
            if isinstance(v, Const) and parts and isinstance(parts[-1], Const):
                parts[-1] = Const(parts[-1].v + v.v)
            else:
                parts.append(v)
        if not parts:
            return Const("")
        if len(parts) == 1:
            return parts[0]
        described = [(-1, *self.text_place(v.v)) if isinstance(v, Const) else (v.id, 0, 0) for v in parts]
        mask = self.m_reg(state.mask)
        return Reg(TEXT, self.emit("text_concat", TEXT, mask=mask, extra=len(described), constant=Parts(described), memo=False))

    def slice(self, text, slice, state):
        bounds, registers = [], []
        for v, absent in ((slice.start, 0), (slice.stop, 2**31 - 1)):
            if type_of(v) == NONE:
                bound = absent
            elif isinstance(v, Const) and type(v.v) is int:
                bound = max(-(2**31) + 1, min(2**31 - 1, v.v))
            elif type_of(v) == NUMBER:
                bound = None
            else:
                raise Deopt("a slice by such a value")
            bounds.append(bound or 0)
            registers.append(v.id if bound is None else -1)
        constant = struct.unpack("<q", struct.pack("<ii", *bounds))[0]
        constants = (registers[0] < 0) | (registers[1] < 0) << 1
        mask = self.m_reg(state.mask)
        t = type_of(text)
        constants |= (t == BYTES) << 2
        return Reg(t, self.emit("text_slice", t, self.as_reg(text), *registers, mask=mask, extra=constants, constant=constant))

    def index(self, text, place, state):
        mask = self.m_reg(state.mask)
        if isinstance(place, Const):
            if type(place.v) is not int or not -(2**31) < place.v < 2**31:
                raise Deopt("such an index of a text")
            return Reg(TEXT, self.emit("text_index", TEXT, self.as_reg(text), mask=mask, constant=place.v))
        if type_of(place) != NUMBER:
            raise Deopt("such an index of a text")
        return Reg(TEXT, self.emit("text_index", TEXT, self.as_reg(text), place.id, mask=mask))

    # ---- str() and f-strings ----

    def to_str(self, v, state):
        v = self.present(v, state)
        t = type_of(v)
        if t == TEXT:
            return v
        if t in MOMENTS:
            return self.moment_to_str(v, state)
        if exponent_of(t) is not None:
            return self.decimal_to_str(v, state)
        if isinstance(v, Const):
            if not is_scalar(v.v):
                raise Deopt("str of such a constant")
            return Const(str(v.v))
        if t == BOOL:
            return self.select(v.id, Const("True"), Const("False"))
        if t not in (NUMBER, FLOAT):
            raise Deopt("str of such a value")
        name = "int_to_text" if t == NUMBER else "float_to_text"
        return Reg(TEXT, self.emit(name, TEXT, v.id, mask=self.m_reg(state.mask)))

    def format(self, v, spec, state):
        v = self.present(v, state)
        if not isinstance(spec, Const) or type(spec.v) is not str:
            raise Deopt("a format that is not constant")
        if isinstance(v, Const):
            if not is_scalar(v.v) or len(spec.v) > 5:
                raise Deopt("a format of such a constant")
            try:
                text = format(v.v, spec.v)
            except Exception:
                raise Deopt("a format that raises") from None
            if len(text) > _MOST_TEXT:
                raise Deopt("a large constant")
            return Const(text)
        t = type_of(v)
        if t in MOMENTS and spec.v:
            return self.moment_formatted(v, spec, state)
        if spec.v == "" or (spec.v == "d" and t == NUMBER) or (spec.v == "s" and t == TEXT):
            return self.to_str(v, state)
        fixed = len(spec.v) == 3 and spec.v[0] == "." and spec.v[1] in "0123456789" and spec.v[2] == "f"
        if t == FLOAT and fixed:
            return Reg(TEXT, self.emit("float_fixed", TEXT, v.id, mask=self.m_reg(state.mask), extra=int(spec.v[1])))
        raise Deopt(f"the format {spec.v[:20]}")

    # ---- Methods ----

    def _any_end(self, name, text, ends, state):
        """startswith() and endswith() of a tuple."""
        if isinstance(ends, Const) and type(ends.v) is tuple:
            ends = Tup([Const(end) for end in ends.v])
        if not isinstance(ends, Tup) or ends.kind is not tuple or any(not isinstance(end, Const) or type(end.v) is not str for end in ends.items):
            raise Deopt(f"str.{name}() with such arguments")
        result = Const(False)
        for end in ends.items:
            result = self.either(result, self.text_method(name, text, [end], state))
        return result

    def folded_method(self, text, name, arguments):
        values = [v.v for v in arguments]
        if name not in _FOLDED or len(text) > _MOST_TEXT or not all(is_scalar(value) for value in values):
            raise Deopt(f"{name}() of a constant")
        try:
            result = getattr(text, name)(*values)
        except Exception:
            raise Deopt(f"{name}() raises") from None
        if isinstance(result, str) and len(result) > _MOST_TEXT:
            raise Deopt("a large constant")
        return Const(result)

    def text_method(self, name, text, arguments, state):
        if isinstance(text, Const) and all(isinstance(v, Const) for v in arguments):
            return self.folded_method(text.v, name, arguments)
        if name == "join" and len(arguments) == 1:
            return self._joined(text, arguments[0], state)
        if name == "format" and isinstance(text, Const):
            return self._braces(text.v, arguments, state)
        text = Reg(TEXT, self.as_reg(text))
        arguments = [self.present(v, state) for v in arguments]
        constants = [v.v if isinstance(v, Const) and type(v.v) is str else None for v in arguments]
        count, mask = len(arguments), self.m_reg(state.mask)

        def emitted(t, kernel, **options):
            return Reg(t, self.emit(kernel, t, text.id, mask=mask, **options))

        if name in ("upper", "lower", "title", "capitalize") and count == 0:
            return emitted(TEXT, "text_" + name)
        if name in _CLASSES and count == 0:
            return emitted(BOOL, "text_" + name)
        if name == "split" and count == 1 and constants[0]:
            return Split(text, constants[0])
        if name in _PADS and 1 <= count <= 2 - (name == "zfill") and isinstance(arguments[0], Const) and type(arguments[0].v) is int:
            filler = "0" if name == "zfill" else constants[1] if count == 2 else " "
            if 0 <= arguments[0].v <= 1000 and filler and len(filler) == 1 and filler.isascii():
                return emitted(TEXT, "text_pad", extra=_PADS.index(name), constant=arguments[0].v | ord(filler) << 32)
        if name in ("removeprefix", "removesuffix") and count == 1 and constants[0]:
            size, front = len(constants[0]), name == "removeprefix"
            there = emitted(BOOL, "text_starts" if front else "text_ends", constant=self.text(constants[0]))
            rest = self.slice(text, Slice(Const(size), Const(None)) if front else Slice(Const(0), Const(-size)), state)
            return self.select(there.id, rest, text)
        if name in ("startswith", "endswith") and count == 1 and isinstance(arguments[0], (Tup, Const)) and constants[0] is None:
            return self._any_end(name, text, arguments[0], state)
        if name in _STRIPS and count <= 1:
            if count == 0 or type_of(arguments[0]) == NONE:
                return emitted(TEXT, "text_strip", extra=_STRIPS[name])
            if constants[0] and constants[0].isascii():
                return emitted(TEXT, "text_strip", extra=_STRIPS[name] | 4, constant=self.text(constants[0]))
        if name in ("startswith", "endswith") and count == 1 and constants[0] is not None:
            return emitted(BOOL, "text_starts" if name == "startswith" else "text_ends", constant=self.text(constants[0]))
        if name in ("find", "index") and count == 1 and constants[0]:
            place = emitted(NUMBER, "text_find", constant=self.text(constants[0]))
            if name == "index":
                missing = self.emit("int_lt", BOOL, place.id, constant=0)
                self.fail_rows(self.m_and(state.mask, missing), "index() does not find it")
            return place
        if name == "count" and count == 1 and constants[0]:
            return emitted(NUMBER, "text_count", constant=self.text(constants[0]))
        if name == "replace" and count == 2 and constants[0] and constants[1] is not None:
            old, new = self.text_place(constants[0]), self.text_place(constants[1])
            return emitted(TEXT, "text_replace", constant=self.numbers("I", *old, *new))
        raise Deopt(f"str.{name}() with such arguments")
