"""bytes."""

from vivarium._lift.emit import Parts
from vivarium._lift.values import BYTES, TEXT, Const, Deopt, Reg, type_of

_UTF8 = ("utf-8", "utf8", "UTF-8", "UTF8")


def _is_utf8(arguments):
    return not arguments or (len(arguments) == 1 and isinstance(arguments[0], Const) and arguments[0].v in _UTF8)


class Binary:
    def bytes_binary(self, op, x, y, state):
        if op != "+" or type_of(x) != BYTES or type_of(y) != BYTES:
            raise Deopt(f"{op} of such values")
        parts = Parts([(self.as_reg(v), 0, 0) for v in (x, y)])
        return Reg(BYTES, self.emit("text_concat", BYTES, mask=self.m_reg(state.mask), extra=2, constant=parts, memo=False))

    def encoded(self, text, arguments):
        """text.encode(): as it lies."""
        if not _is_utf8(arguments):
            raise Deopt("encode() with such arguments")
        return Reg(BYTES, self.as_reg(text))

    def bytes_method(self, name, v, arguments, state):
        mask = self.m_reg(state.mask)
        if name == "decode" and _is_utf8(arguments):
            return Reg(TEXT, self.emit("bytes_decode", TEXT, self.as_reg(v), mask=mask))
        if name == "hex" and not arguments:
            return Reg(TEXT, self.emit("bytes_hex", TEXT, self.as_reg(v), mask=mask))
        raise Deopt(f"bytes.{name}() with such arguments")
