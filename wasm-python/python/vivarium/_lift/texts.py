"""Text: operators, slices and methods."""

import struct

from vivarium._lift.emit import Parts
from vivarium._lift.formats import values_of_percent
from vivarium._lift.sequences import is_parts, split
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
    Generator,
    Reg,
    Slice,
    Tup,
    exponent_of,
    is_scalar,
    type_of,
)
from vivarium._lift.zones import is_abroad

_FOLDED = frozenset(
    "upper lower strip lstrip rstrip title capitalize casefold startswith endswith replace find rfind count isdigit isalpha isalnum isspace "
    "split rsplit partition rpartition".split()
)
"""Methods of constants that are called while lifting."""

_CLASSES = ("isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower")
_OF_ASCII = {"isdecimal": "isdigit", "isnumeric": "isdigit"}
"""Methods that are another one for ASCII."""
_PADS = {"ljust": 0, "rjust": 1, "zfill": 2, "center": 4}
_STRIPS = {"strip": 3, "lstrip": 1, "rstrip": 2}
_MOST_TEXT = 4096
_MOST_PARTS = 256
_MOST_DIVISIONS = 8
"""Of split() with a number: shim/kernels/parts.c."""

_MOST_TIMES = 16
"""Of a text that is repeated by writing it out."""


class Texts:
    def text_binary(self, op, x, y, state):
        tx, ty = type_of(x), type_of(y)
        if op == "+" and tx == ty == TEXT:
            return self.concat([x, y], state)
        if op == "*" and ty == TEXT:
            x, y, tx, ty = y, x, ty, tx
        if op == "*" and isinstance(y, Const) and type(y.v) is int and y.v <= _MOST_TIMES:
            return self.concat([x] * max(y.v, 0), state)
        if op == "*" and isinstance(x, Const) and ty == NUMBER and 0 < len(x.v) <= _MOST_TEXT:
            mask = self.m_reg(state.mask)
            return Reg(TEXT, self.emit("text_repeat", TEXT, y.id, mask=mask, constant=self.text(x.v)))
        if op == "%" and isinstance(x, Const):
            return self.percent(x.v, values_of_percent(y), state)
        raise Deopt(f"{op} of such values")

    def _joined(self, separator, v, state):
        if is_parts(v):
            return self.joined_parts(separator, v, state)
        if not isinstance(v, Generator):
            v = self.sequence(v, state)
        if not isinstance(v, Tup):
            return self.joined(separator, v, state)
        items = [self.present(item, state) for item in v.items]
        if any(type_of(item) != TEXT for item in items):
            raise Deopt("join() of such values")
        return self.concat([part for item in items for part in (separator, item)][1:], state)

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

    # ---- str() ----

    def to_str(self, v, state):
        v = self.present(v, state)
        t = type_of(v)
        if t == TEXT:
            return v
        if t in MOMENTS:
            return self.moment_to_str(v, state)
        if is_abroad(t):
            return self.abroad_iso(v, " ", state)
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
        if isinstance(result, (str, list)) and len(result) > (_MOST_TEXT if isinstance(result, str) else _MOST_PARTS):
            raise Deopt("a large constant")
        return Tup([Const(part) for part in result], type(result)) if isinstance(result, (list, tuple)) else Const(result)

    def text_method(self, name, text, arguments, state, keywords=None):
        if name == "format" and isinstance(text, Const):
            return self.braces(text.v, arguments, keywords or {}, state)
        if keywords and name in ("split", "rsplit") and set(keywords) <= {"sep", "maxsplit"} and len(arguments) + len(keywords) <= 2:
            arguments = [*arguments, *([keywords.pop("sep", Const(None))] if not arguments else []), *keywords.values()]
        elif keywords:
            raise Deopt(f"{name}() with keywords")
        if isinstance(text, Const) and all(isinstance(v, Const) for v in arguments):
            return self.folded_method(text.v, name, arguments)
        if name == "join" and len(arguments) == 1:
            return self._joined(text, arguments[0], state)
        text = Reg(TEXT, self.as_reg(text))
        arguments = [self.present(v, state) for v in arguments]
        constants = [v.v if isinstance(v, Const) and type(v.v) is str else None for v in arguments]
        count, mask = len(arguments), self.m_reg(state.mask)

        def emitted(t, kernel, **options):
            return Reg(t, self.emit(kernel, t, text.id, mask=mask, **options))

        name = _OF_ASCII.get(name, name)
        if name in ("upper", "lower", "title", "capitalize") and count == 0:
            return emitted(TEXT, "text_" + name)
        if name in _CLASSES and count == 0:
            return emitted(BOOL, "text_" + name)
        if name in ("split", "rsplit") and count <= 2:
            return self._split_text(name, text, arguments, constants, state)
        if name in ("partition", "rpartition") and count == 1 and constants[0]:
            return self._partitioned(name == "rpartition", text, constants[0], state)
        if name in _PADS and 1 <= count <= 2 - (name == "zfill") and isinstance(arguments[0], Const) and type(arguments[0].v) is int:
            filler = "0" if name == "zfill" else constants[1] if count == 2 else " "
            if 0 <= arguments[0].v <= 1000 and filler and len(filler) == 1 and filler.isascii():
                return self.padded(text, _PADS[name], arguments[0].v, filler, state)
        if name in ("ljust", "rjust") and 1 <= count <= 2 and type_of(arguments[0]) == NUMBER and isinstance(arguments[0], Reg):
            return self._justified(name, text, arguments[0], constants[1] if count == 2 else " ", state)
        if name == "casefold" and count == 0:  # of what is ASCII
            return emitted(TEXT, "text_lower")
        if name == "isascii" and count == 0:
            return emitted(BOOL, "text_isascii")
        if name == "translate" and count == 1 and isinstance(arguments[0], Const):
            return self._translated(text, arguments[0].v, state)
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
        if name in ("find", "index", "rfind", "rindex") and count == 1 and constants[0]:
            place = emitted(NUMBER, "text_find", extra=int(name[0] == "r"), constant=self.text(constants[0]))
            if name in ("index", "rindex"):
                missing = self.emit("int_lt", BOOL, place.id, constant=0)
                self.fail_rows(self.m_and(state.mask, missing), "index() does not find it")
            return place
        if name == "count" and count == 1 and constants[0]:
            return emitted(NUMBER, "text_count", constant=self.text(constants[0]))
        if name == "replace" and count == 2 and constants[0] and constants[1] is not None:
            old, new = self.text_place(constants[0]), self.text_place(constants[1])
            return emitted(TEXT, "text_replace", constant=self.numbers("I", *old, *new))
        raise Deopt(f"str.{name}() with such arguments")

    def _justified(self, name, text, width, filler, state):
        """ljust() and rjust() to a width that depends on the row."""
        if filler is None or len(filler) != 1:
            raise Deopt(f"str.{name}() with such arguments")
        length = Reg(NUMBER, self.emit("text_length", NUMBER, text.id, mask=self.m_reg(state.mask)))
        padding = self.text_binary("*", Const(filler), self.binary("-", width, length, state), state)
        return self.concat([text, padding] if name == "ljust" else [padding, text], state)

    def _split_text(self, name, text, arguments, constants, state):
        times = arguments[1].v if len(arguments) == 2 and isinstance(arguments[1], Const) else -1
        blanks = not arguments or type_of(arguments[0]) == NONE
        if type(times) is not int or (len(arguments) == 2 and not isinstance(arguments[1], Const)) or (not blanks and not constants[0]):
            raise Deopt(f"str.{name}() with such arguments")
        if times < 0:
            return self.words(text, state) if blanks else split(text, constants[0])
        if blanks or not 1 <= times <= _MOST_DIVISIONS:
            raise Deopt(f"str.{name}() with such arguments")
        return self.divided(text, constants[0], times if name == "split" else -times, state)

    def _partitioned(self, last, text, separator, state):
        mask = self.m_reg(state.mask)
        place = Reg(NUMBER, self.emit("text_find", NUMBER, text.id, mask=mask, extra=int(last), constant=self.text(separator)))
        found = self.compare(">=", place, Const(0), state).id
        before = self.slice(text, Slice(Const(None), place), state)
        behind = self.slice(text, Slice(self.binary("+", place, Const(len(separator)), state), Const(None)), state)
        between = self.select(found, Const(separator), Const(""))
        if last:
            return Tup([self.select(found, before, Const("")), between, self.select(found, behind, text)])
        return Tup([self.select(found, before, text), between, self.select(found, behind, Const(""))])

    # ---- Characters ----

    def _translated(self, text, table, state):
        """By a dict of ordinals, as str.maketrans() makes it."""
        if type(table) is not dict:
            raise Deopt("str.translate() by such a table")
        self.watch(table)
        if not all(type(key) is int and 0 <= key < 0x110000 for key in table):
            raise Deopt("str.translate() by such a table")
        by = {}
        for key, new in table.items():
            if type(new) is int and 0 <= new < 0x110000 and not 0xD800 <= new < 0xE000:
                new = chr(new)
            if new is not None and (type(new) is not str or len(new) > 100):
                raise Deopt("str.translate() by such a table")
            by[key] = self.text_place(new or "")
        words = [len([key for key in by if key > 127])]
        for key in range(128):
            words += by.get(key) or self.text_place(chr(key))
        for key, place in by.items():
            words += (key, *place) if key > 127 else ()
        mask = self.m_reg(state.mask)
        return Reg(TEXT, self.emit("text_translate", TEXT, text.id, mask=mask, constant=self.numbers("I", *words)))

    def reversed_text(self, text, state):
        """text[::-1]"""
        return Reg(TEXT, self.emit("text_reverse", TEXT, self.as_reg(text), mask=self.m_reg(state.mask)))

    def character(self, fn, v, state):
        """ord() or chr()"""
        t, kernel = (NUMBER, "text_to_ord") if fn is ord else (TEXT, "ord_to_text")
        return Reg(t, self.emit(kernel, t, self.as_reg(v), mask=self.m_reg(state.mask)))
