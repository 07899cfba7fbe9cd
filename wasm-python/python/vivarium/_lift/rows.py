"""Functions of a whole row that make several values, each by an expression of calls: the scalar operators of PyFlink."""

from vivarium._lift.inputs import result_of
from vivarium._lift.lifter import Lifter
from vivarium._lift.values import BOOL, FLOAT, NUMBER, TEXT, NotLifted, Tup

_KINDS = {NUMBER: "i", FLOAT: "f", BOOL: "b", TEXT: "s"}
"""vv_output of the shim (columns.h), by what the values of a result's type are."""


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
            if result_of(type) not in _KINDS:
                raise NotLifted(f"results of type {type}")
        self.guards.code(self.fn)
        row = Tup(self.loads(), list)
        outputs = []
        for expression, self.result in zip(self.expressions, self.results):
            self.run(expression, {expression.__code__.co_varnames[0]: row})
            value, value_mask, null_mask, _ = self.output()
            outputs.append(("" if value < 0 else _KINDS[result_of(self.result)], value, value_mask, null_mask))
        return self.pack("", -1, -1, -1, self.guards.all(), outputs=outputs)
