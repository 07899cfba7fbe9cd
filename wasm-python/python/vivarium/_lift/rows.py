"""Functions of a whole row that make several values, each by an expression of calls: the scalar operators of PyFlink."""

from vivarium._lift.lifter import RESULTS, Lifter
from vivarium._lift.values import NotLifted, Tup


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
            if type not in RESULTS:
                raise NotLifted(f"results of type {type}")
        self.guards.code(self.fn)
        row = Tup(self.loads(), list)
        outputs = []
        for expression, self.result in zip(self.expressions, self.results):
            self.run(expression, {expression.__code__.co_varnames[0]: row})
            outputs.append(self.output())
        return self.pack("", -1, -1, -1, self.guards.all(), outputs)
