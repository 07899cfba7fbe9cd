"""Functions of a whole row that make several values, each by an expression of calls: the scalar operators of PyFlink."""

import decimal

from vivarium._lift.decimals import ROUNDINGS
from vivarium._lift.inputs import result_of
from vivarium._lift.lifter import Lifter
from vivarium._lift.values import (
    BOOL,
    BYTES,
    CLOCK,
    DATE,
    FLOAT,
    NUMBER,
    STAMP,
    TEXT,
    ZONED,
    Deopt,
    NotLifted,
    Reg,
    Tup,
    decimal_type,
    exponent_of,
    type_of,
)

_KINDS = {NUMBER: "i", FLOAT: "f", BOOL: "b", TEXT: "s", BYTES: "y", DATE: "d", CLOCK: "c", STAMP: "t"}
"""vv_output of the shim (columns.h), by what the values of a result's type are."""

_MOST_ROUNDED = 28
"""Digits that are rounded away."""


def _made_of(type):
    """What values of the result's type are. A datetime with a zone is written as one without."""
    t = result_of(type)
    return STAMP if t == ZONED else t


def _kind_of(type):
    """The kind of such a result; None when there is none."""
    t = _made_of(type)
    return "D" if exponent_of(t) is not None else _KINDS.get(t)


class RowLifter(Lifter):
    """fn: called with the list of a row's values, a list of results. expressions: for each of them a function of the same list, which makes
    only that; arguments: the types of the row's values and whether they may be None; results: those of the results.

    Each expression is lifted by itself, since their types have nothing to do with one another; what they have in common is computed once.
    """

    def __init__(self, fn, expressions, arguments, results):
        super().__init__(fn, arguments, None)
        self.expressions, self.results = expressions, results

    def lift(self):
        """The shim's Program, which makes rows; NotLifted says why there is none."""
        self.check()
        for type in self.results:
            if _kind_of(type) is None:
                raise NotLifted(f"results of type {type}")
        self.guards.code(self.fn)
        row = Tup(self.loads(), list)
        outputs = []
        for expression, self.result in zip(self.expressions, self.results):
            self.run(expression, {expression.__code__.co_varnames[0]: row})
            value, value_mask, null_mask, _ = self.output()
            outputs.append(("" if value < 0 else _kind_of(self.result), value, value_mask, null_mask))
        return self.pack("", -1, -1, -1, self.guards.all(), outputs=outputs)

    def _value(self, type, v, state):
        """As the coder of the result's type takes it."""
        if _made_of(type) == STAMP and type_of(v) in (STAMP, ZONED):
            return Reg(STAMP, self.as_reg(self.number_of(v)))
        return super()._value(type, v, state)

    def decimal_result(self, type, v, state):
        """A Decimal, which the coder rounds to the type's digits behind the point in a context of its own; ints have no quantize()."""
        exponent, wanted = exponent_of(type_of(v)), -type.scale
        if exponent is None or wanted - exponent > _MOST_ROUNDED:
            raise Deopt("a result of another type than the declared one")
        if exponent < wanted:
            mask, rounding = self.m_reg(state.mask), ROUNDINGS[decimal.ROUND_HALF_EVEN]
            register = self.emit("decimal_round", decimal_type(wanted), self.as_reg(v), extra=wanted - exponent, constant=rounding, mask=mask)
            v, exponent = Reg(decimal_type(wanted), register), wanted
        return Reg(decimal_type(wanted), self._scaled(v, exponent, wanted, state, type.precision))
