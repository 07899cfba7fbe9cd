"""bytes."""

from vivarium._lift.emit import Parts
from vivarium._lift.values import BYTES, NUMBER, TEXT, Const, Deopt, Reg, Slice, type_of

_UTF8 = ("utf-8", "utf8")
_OF_ASCII = ("ascii", "us-ascii", "latin-1", "latin1", "iso-8859-1", "iso8859-1")
"""What is ASCII is the same in them."""

_ORDERS = {"big": 256, "little": -256}
"""By the argument of int.from_bytes(): shim/kernels/digits.c."""


def _encoding(arguments, keywords):
    """Of the arguments of encode() and decode(); None when it is the interpreter's. What errors shall become does not matter: where there
    are any, the row fails."""
    given = dict(zip(("encoding", "errors"), arguments))
    values = {name: v.v if isinstance(v, Const) and type(v.v) is str else None for name, v in (given | keywords).items()}
    if len(values) != len(arguments) + len(keywords) or not set(values) <= {"encoding", "errors"} or None in values.values():
        return None
    name = values.get("encoding", "utf-8").lower().replace("_", "-")
    return "utf-8" if name in _UTF8 else "ascii" if name in _OF_ASCII else None


class Binary:
    def bytes_binary(self, op, x, y, state):
        if op != "+" or type_of(x) != BYTES or type_of(y) != BYTES:
            raise Deopt(f"{op} of such values")
        parts = Parts([(self.as_reg(v), 0, 0) for v in (x, y)])
        return Reg(BYTES, self.emit("text_concat", BYTES, mask=self.m_reg(state.mask), extra=2, constant=parts, memo=False))

    def encoded(self, text, arguments, keywords, state):
        """text.encode(): as it lies."""
        encoding = _encoding(arguments, keywords)
        if encoding is None:
            raise Deopt("encode() with such arguments")
        if encoding == "ascii":
            return Reg(BYTES, self.emit("bytes_ascii", BYTES, self.as_reg(text), mask=self.m_reg(state.mask)))
        return Reg(BYTES, self.as_reg(text))

    def bytes_item(self, data, place, state):
        mask = self.m_reg(state.mask)
        if isinstance(place, Slice):
            place = Slice(self.present(place.start, state), self.present(place.stop, state))
            return self.slice(data, place, state)
        if type_of(place) != NUMBER:
            raise Deopt("such an index of bytes")
        a, b, constant = self.as_reg(data), -1, 0
        if isinstance(place, Const):
            constant = place.v
        else:
            b = place.id
        return Reg(NUMBER, self.emit("bytes_item", NUMBER, a, b, mask=mask, constant=constant))

    def bytes_method(self, name, v, arguments, keywords, state):
        mask = self.m_reg(state.mask)
        encoding = _encoding(arguments, keywords) if name == "decode" else None
        if encoding is not None:
            return Reg(TEXT, self.emit("bytes_decode" if encoding == "utf-8" else "bytes_ascii", TEXT, self.as_reg(v), mask=mask))
        if keywords:
            raise Deopt(f"bytes.{name}() with keywords")
        if name == "hex" and not arguments:
            return Reg(TEXT, self.emit("bytes_hex", TEXT, self.as_reg(v), mask=mask))
        if name == "translate" and len(arguments) == 1 and isinstance(arguments[0], Const) and type(arguments[0].v) is bytes:
            if len(arguments[0].v) == 256:
                return Reg(BYTES, self.emit("bytes_translate", BYTES, self.as_reg(v), mask=mask, constant=self.bits(arguments[0])))
        raise Deopt(f"bytes.{name}() with such arguments")

    # ---- Methods of the classes ----

    def binary_class_method(self, cls, name, arguments, keywords, state):
        """int.from_bytes(), bytes.fromhex() and bytes.maketrans()"""
        mask = self.m_reg(state.mask)
        if cls is bytes and name == "maketrans" and not keywords and all(isinstance(v, Const) and type(v.v) is bytes for v in arguments):
            try:
                return Const(bytes.maketrans(*(v.v for v in arguments)))
            except Exception:
                raise Deopt("maketrans() raises") from None
        if cls is bytes and name == "fromhex" and len(arguments) == 1 and type_of(arguments[0]) == TEXT and not keywords:
            return Reg(BYTES, self.emit("bytes_from_hex", BYTES, self.as_reg(arguments[0]), mask=mask))
        keywords = dict(keywords)
        order = keywords.pop("byteorder", arguments[1] if len(arguments) == 2 else Const("big") if len(arguments) == 1 else None)
        signed = keywords.pop("signed", Const(False))
        known = isinstance(order, Const) and order.v in ("big", "little") and isinstance(signed, Const) and signed.v is False
        if cls is int and name == "from_bytes" and known and not keywords and arguments and type_of(arguments[0]) == BYTES:
            return self._whole(self.as_reg(arguments[0]), _ORDERS[order.v], state)
        raise Deopt(f"{cls.__name__}.{name}() with such arguments")

    # ---- Ints of any size ----

    def based_int(self, text, base, state):
        """int(text, base)"""
        base = base.v if isinstance(base, Const) else None
        if type(base) is not int or not 2 <= base <= 36:
            raise Deopt("int() of such a base")
        source = self.as_reg(text)
        self.emit("digits_check", mask=self.m_reg(state.mask), a=source, extra=base)
        return self._whole(source, base, state)

    def _whole(self, source, base, state):
        """Where it is only divided, it may have any size: the value is not computed when nothing reads it."""
        register = self.emit("digits_value", NUMBER, source, mask=self.m_reg(state.mask), extra=base)
        self.whole[register] = source, base
        return Reg(NUMBER, register)

    def rest_of_whole(self, op, x, y, state):
        """x % y and x & y of an int that was made of digits or bytes and of a constant; None for others."""
        if not isinstance(x, Reg) or not isinstance(y, Const) or type(y.v) is not int:
            return None
        modulus = y.v if op == "%" else y.v + 1 if op == "&" and y.v & (y.v + 1) == 0 else 0
        if not 0 < modulus <= 1 << 55 or (x.id not in self.whole and not self._is_divided_alone(x.id, state)):
            return None
        source, base = self.whole[x.id]
        return Reg(NUMBER, self.emit("digits_mod", NUMBER, source, mask=self.m_reg(state.mask), extra=base, constant=modulus))

    def _is_divided_alone(self, register, state):
        """Whether it is int(text), divided where it was made: then its digits are enough, however many there are, and what is more than
        digits is left to the interpreter here, so that the int itself need not be made where nothing else reads it."""
        text, mask = self.decimals.get(register, (None, None))
        if text is None or mask != self.m_reg(state.mask):
            return False
        self.emit("digits_check", mask=mask, a=text, extra=10)
        self.whole[register] = text, 10
        self.replaceable.add(register)
        return True
