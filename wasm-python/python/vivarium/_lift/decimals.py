"""decimal.Decimal under the default context."""

import decimal

from vivarium._lift.values import (
    BOOL,
    DIGITS,
    FLOAT,
    NUMBER,
    TEXT,
    Const,
    Deopt,
    Fork,
    NotLifted,
    Reg,
    decimal_type,
    exponent_of,
    held,
    type_of,
)

_KERNELS = {"+": "decimal_add", "-": "decimal_sub", "*": "decimal_mul"}
ROUNDINGS = {
    name: number
    for number, name in enumerate(
        (
            decimal.ROUND_HALF_EVEN,
            decimal.ROUND_HALF_UP,
            decimal.ROUND_HALF_DOWN,
            decimal.ROUND_DOWN,
            decimal.ROUND_UP,
            decimal.ROUND_FLOOR,
            decimal.ROUND_CEILING,
        )
    )
}
"""By number: shim/kernels/decimals.c."""

_MOST_EXPONENT = 28
_MOST_FLOAT = 22
"""10**22 is the largest power that is a float."""

_DEFAULT = (
    ("__class__", decimal.Context),
    ("prec", DIGITS),
    ("rounding", decimal.ROUND_HALF_EVEN),
    ("Emin", -999999),
    ("Emax", 999999),
    ("clamp", 0),
)
_NATIVE = type(decimal.getcontext) is type(len)


def _is_default(context):
    return all(getattr(context, name) == value for name, value in _DEFAULT)


class Decimals:
    def _default_context(self):
        """Takes the default context for granted."""
        context = decimal.getcontext()
        if not _NATIVE or not _is_default(context) or context.traps[decimal.Inexact] or context.traps[decimal.Rounded]:
            raise Deopt("a decimal context that is not the default one")
        traps = context.traps.copy()
        self.guards.call(decimal.getcontext, (*_DEFAULT, ("traps", traps)), "context")

    def _as_decimal(self, v):
        """An int or a Decimal: (Reg or Const of Decimals, exponent)"""
        t = type_of(v)
        exponent = exponent_of(t)
        if exponent is not None:
            return v, exponent
        if t != NUMBER:
            raise Deopt("an operation on a Decimal and such a value")
        if isinstance(v, Const):
            return Const(decimal.Decimal(v.v)), 0
        return Reg(decimal_type(0), self.emit("int_to_decimal", decimal_type(0), v.id)), 0

    def _scaled(self, v, exponent, wanted, state, digits=None):
        """A register of the same number with another exponent: where there is none, or not of so few digits, rows are the interpreter's."""
        register, mask = self.as_reg(v), self.m_reg(state.mask)
        if abs(exponent - wanted) > _MOST_EXPONENT:
            raise Deopt("Decimals of such exponents")
        if exponent == wanted and digits is None:
            return register
        name = "decimal_widen" if exponent >= wanted else "decimal_narrow"
        return self.emit(name, decimal_type(wanted), register, extra=abs(exponent - wanted), constant=digits or DIGITS, mask=mask)

    def _checked_type(self, exponent):
        if abs(exponent) > _MOST_EXPONENT:
            raise Deopt("Decimals of such exponents")
        return decimal_type(exponent)

    def decimal_binary(self, op, x, y, state):
        if op not in _KERNELS:
            raise Deopt(f"{op} of Decimals")
        self._default_context()
        (x, first), (y, second) = self._as_decimal(x), self._as_decimal(y)
        mask = self.m_reg(state.mask)
        if op == "*":
            t = self._checked_type(first + second)
            return Reg(t, self.emit("decimal_mul", t, self.as_reg(x), self.as_reg(y), mask=mask))
        exponent = min(first, second)
        t = self._checked_type(exponent)
        a, b = self._scaled(x, first, exponent, state), self._scaled(y, second, exponent, state)
        return Reg(t, self.emit(_KERNELS[op], t, a, b, mask=mask))

    def decimal_compare(self, op, name, x, y, state):
        """Exact, and of any context: but Decimals with more digits than are moved by the exponent's difference."""
        if any(exponent_of(type_of(v)) is None and type_of(v) != NUMBER for v in (x, y)):
            raise Deopt(f"{op} of a Decimal and such a value")
        (x, first), (y, second) = self._as_decimal(x), self._as_decimal(y)
        exponent = min(first, second)
        a, b = (self._scaled(v, own, exponent, state) for v, own in ((x, first), (y, second)))
        return Reg(BOOL, self.emit("decimal_" + name, BOOL, a, b))

    def decimal_sign(self, name, v, state):
        """-x and abs(x)"""
        self._default_context()
        t = type_of(v)
        return Reg(t, self.emit("decimal_" + name, t, self.as_reg(v), mask=self.m_reg(state.mask)))

    def decimal_extreme(self, fn, arguments, state):
        result = arguments[0]
        for v in arguments[1:]:
            later = self.compare(">" if fn.__name__ == "max" else "<", v, result, state)
            if type_of(v) != type_of(result):
                if len(arguments) > 2:
                    raise Deopt(f"{fn.__name__}() of values of several types")
                if isinstance(later, Const):
                    return v if later.v else result
                return Fork([(self.m_and(state.mask, later.id), v), (self.m_and(state.mask, later.id, False), result)])
            result = (v if later.v else result) if isinstance(later, Const) else self.select(later.id, v, result)
        return result

    # ---- Rounding ----

    def _rounded(self, v, wanted, rounding, state):
        """To an exponent."""
        self._default_context()
        exponent = exponent_of(type_of(v))
        t = self._checked_type(wanted)
        if wanted <= exponent:
            return Reg(t, self._scaled(v, exponent, wanted, state))
        if wanted - exponent > _MOST_EXPONENT:
            raise Deopt("Decimals of such exponents")
        flags = decimal.getcontext().flags
        if not (flags[decimal.Inexact] and flags[decimal.Rounded]):  # the first rounding sets them, which can be seen
            raise NotLifted("no Decimal was rounded yet")
        self.guards.call(decimal.getcontext, (("flags", flags.copy()),), "flags")
        mask = self.m_reg(state.mask)
        return Reg(t, self.emit("decimal_round", t, self.as_reg(v), extra=wanted - exponent, constant=ROUNDINGS[rounding], mask=mask))

    def decimal_method(self, name, v, arguments, keywords, state):
        if name == "quantize" and len(arguments) in (1, 2) and set(keywords) <= ({"rounding"} if len(arguments) == 1 else set()):
            rounding = arguments[1] if len(arguments) == 2 else keywords.get("rounding", Const(decimal.ROUND_HALF_EVEN))
            to = exponent_of(type_of(arguments[0]))
            rounding = rounding.v if isinstance(rounding, Const) else None
            if to is not None and (rounding is None or type(rounding) is str):
                rounding = decimal.ROUND_HALF_EVEN if rounding is None else rounding
                if rounding in ROUNDINGS:
                    return self._rounded(v, to, rounding, state)
        raise Deopt(f"Decimal.{name}() with such arguments")

    # ---- Conversion ----

    def new_decimal(self, arguments):
        """Decimal(...) of an int or of a constant."""
        (v,) = arguments if len(arguments) == 1 else (None,)
        if isinstance(v, Const) and type(v.v) in (int, str) and len(str(v.v)) < 100:
            try:
                found = Const(decimal.Decimal(v.v))
            except ArithmeticError:
                raise Deopt("Decimal() raises") from None
            if held(found.v) is None:
                raise Deopt("Decimal() of such a value")
            return found
        if v is not None and exponent_of(type_of(v)) is not None:
            return v
        if v is None or type_of(v) != NUMBER:
            raise Deopt("Decimal() of such a value")
        return self._as_decimal(v)[0]

    def decimal_converted(self, fn, v, state):
        """int(), float() and round() of it."""
        exponent, mask = exponent_of(type_of(v)), self.m_reg(state.mask)
        if fn is float and -_MOST_FLOAT <= exponent <= 0:
            return Reg(FLOAT, self.emit("decimal_to_float", FLOAT, self.as_reg(v), extra=-exponent, mask=mask))
        if fn is int and exponent == 0:
            return Reg(NUMBER, self.emit("decimal_to_int", NUMBER, self.as_reg(v), mask=mask))
        raise Deopt(f"{fn.__name__}() of such a Decimal")

    def decimal_to_str(self, v, state):
        exponent = exponent_of(type_of(v))
        if not -6 <= exponent <= 0:  # else with an exponent, for small ones
            raise Deopt("str of such a Decimal")
        return Reg(TEXT, self.emit("decimal_to_text", TEXT, self.as_reg(v), extra=-exponent, mask=self.m_reg(state.mask)))

    def decimal_result(self, type, v, state):
        """As a decimal128 of the type: what does not fit is the interpreter's."""
        v, exponent = self._as_decimal(v)
        t = decimal_type(-type.scale)
        return Reg(t, self._scaled(v, exponent, -type.scale, state, type.precision))

    def decimal_truth(self, v):
        return self.emit("decimal_truth", BOOL, v.id)
