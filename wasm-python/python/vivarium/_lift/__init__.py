"""Plain functions of a row as columns: their bytecode becomes a program that the shim runs over blocks of rows.

The interpreter computes every row whose exact answer the program does not know, so what a function returns, raises and does is the same
with and without. What is lifted is in ../../../../docs/columns.md.
"""

import gc
import os
import types

from vivarium._lift.lifter import Lifter
from vivarium._lift.rows import RowLifter
from vivarium._lift.values import NotLifted

VARIABLE = "VIVARIUM_COLUMNS"
"""A variable of the guest that switches all of it off when it is "off"; it forces nothing, because a file can set it."""

OFF = "off"

MODES = {"auto": 0, "force": 1, "shadow": 2}  # columns.c of the shim
"""What a task can ask for besides "off". force: from the first row on; shadow: likewise, and every row is compared with the interpreter's."""

asked = "auto"
"""What the task asked for that bound a function last. An instance works for one task."""

_ROWS, _ROWS_OF_A_BYTE = 3000, 5
"""How many rows are interpreted before a function is lifted, by the bytes of its code: about twice the time that lifting takes."""


def mode():
    """That of functions that are bound now."""
    return OFF if os.environ.get(VARIABLE) == OFF else asked


class Candidate:
    """A function that may be lifted, for the shim to call when it is worth it; why it was not, and for what rows are the interpreter's."""

    def __init__(self, fn, bound, arguments, result):
        self.fn, self.bound, self.arguments, self.result = fn, bound, arguments, result
        self.why = None
        self.reasons = []

    def lifter(self):
        return Lifter(self.fn, self.arguments, self.result, self.bound)

    def __call__(self):
        """The shim's Program, or None."""
        return self._lifted(self.lifter())

    def explain(self):
        """(whether the function runs as columns, why not or None, [Place])"""
        from vivarium._lift import places

        lifter = self.lifter()
        lifted = self._lifted(lifter) is not None
        return lifted, self.why, places.of(lifter, lifted)

    def _lifted(self, lifter):
        collecting = gc.isenabled()
        gc.disable()  # a collection might run code of the user's
        try:
            return lifter.lift()
        except NotLifted as error:
            self.why = str(error)
        except Exception as error:  # whatever it is, the interpreter can do without a program
            self.why = f"the lifter failed: {type(error).__name__}: {error}"
        finally:
            self.reasons = [(code.line(number), why) for code, number, why in lifter.reasons]
            if collecting:
                gc.enable()
        return None


class RowCandidate(Candidate):
    """The same for a function of a row that makes a row: see RowLifter."""

    def __init__(self, fn, expressions, arguments, results):
        super().__init__(fn, (), arguments, None)
        self.expressions, self.results = expressions, results

    def lifter(self):
        return RowLifter(self.fn, self.expressions, self.arguments, self.results)


def candidate(callable, arguments, result):
    """A Candidate, or None. arguments: (type, whether a NULL reaches the function) each; result: a type."""
    bound = ()
    if type(callable) is types.MethodType:
        bound, callable = (callable.__self__,), callable.__func__
    if type(callable) is not types.FunctionType:
        return None
    return Candidate(callable, bound, list(arguments), result)


def attach(function, callable, arguments, result):
    """Lets a Function of the shim, which is called once a row, run as columns. The Candidate, or None."""
    found = None if mode() == OFF else candidate(callable, arguments, result)
    if found is not None:
        attach_candidate(function, found, [found.fn])
    return found


def attach_candidate(function, found, called):
    """The same with a Candidate, which lifts the plain functions `called`."""
    function.lifter = found
    function.rows_to_wait = function.rows_before_lifting = _ROWS + _ROWS_OF_A_BYTE * sum(len(fn.__code__.co_code) for fn in called)
    function.columns_mode = MODES[mode()]


def explain(callable, arguments, result):
    """(whether the function runs as columns, why not or None, [(line, why rows that come there are the interpreter's)])"""
    found = candidate(callable, arguments, result)
    if found is None:
        return False, "it is not a plain function", []
    lifted = found() is not None
    return lifted, found.why, found.reasons
