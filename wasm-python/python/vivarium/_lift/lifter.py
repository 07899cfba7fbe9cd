"""Lifts a function's bytecode to a program of column kernels: symbolic execution of the stack machine.

A path's state is its frames (calls of plain functions are followed into), each with variables and a stack of values, and a mask of rows.
States wait at the targets of jumps, in an order in which all predecessors come first, and those of one place and the same types become one.
States of different types stay apart, so that a value has one type everywhere. Whatever is not known leaves the path's rows to the interpreter.
"""

import heapq

from vivarium._lift.binary import Binary
from vivarium._lift.bytecode import KNOWN, VARIADIC, Code
from vivarium._lift.calls import Calls
from vivarium._lift.classes import Classes
from vivarium._lift.containers import Containers
from vivarium._lift.emit import Emitter
from vivarium._lift.formats import Formats
from vivarium._lift.generators import Generators
from vivarium._lift.guards import Guards, check_nothing_watches
from vivarium._lift.decimals import Decimals
from vivarium._lift.digests import Digests
from vivarium._lift.documents import Documents
from vivarium._lift.inputs import MOST_PLACES, Inputs
from vivarium._lift.loops import Loops
from vivarium._lift.machine import Machine
from vivarium._lift.masks import ALL, Masks
from vivarium._lift.merge import Merging
from vivarium._lift.numbers import Numbers
from vivarium._lift.objects import Objects
from vivarium._lift.patterns import Patterns
from vivarium._lift.results import MOST_STATES, Results
from vivarium._lift.sequences import Sequences
from vivarium._lift.structs import Structs
from vivarium._lift.texts import Texts
from vivarium._lift.times import Times
from vivarium._lift.values import Const, Deopt, Frame, NotLifted, State
from vivarium._lift.zones import Zones

_MOST_STEPS = 10_000
_MOST_VERSIONS = 8


class Lifter(
    Machine,
    Loops,
    Calls,
    Classes,
    Containers,
    Sequences,
    Generators,
    Structs,
    Objects,
    Documents,
    Texts,
    Formats,
    Patterns,
    Binary,
    Digests,
    Times,
    Zones,
    Decimals,
    Numbers,
    Inputs,
    Results,
    Merging,
    Masks,
    Emitter,
):
    """arguments: their types and whether they may be None. A type is a DataType, or the name of one without parameters."""

    def __init__(self, fn, arguments, result, bound=()):
        super().__init__()
        self.fn, self.arguments, self.result, self.bound = fn, arguments, result, bound
        self.guards = Guards()
        self.codes = {}
        self.keywords = ()
        self.patterns = {}
        self.mappings = {}
        self.whole = {}  # by register: (what digits or bytes the int is made of, how they are read)
        self.decimals = {}  # of what int(text) gave: (text, mask)
        self.zones = {}  # by type: the offsets of a zone
        self.folded = False  # whether there may be a datetime that a clock showed for the second time
        self.documents = False  # whether there may be values of JSON
        self.returns = []
        self.bottom = 1  # the number of frames that a state has whose return is one of `returns`: of a loop, that of the call it is in
        self.reasons = {}  # (Code, number of an instruction, why), in order
        self.here = (None, 0)
        self.depth = self.steps = 0
        self.queue, self.heap = {}, []

    def code_of(self, code):
        if code not in self.codes:
            self.codes[code] = Code(code)
        return self.codes[code]

    def count_step(self, state):
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise NotLifted("the function has too many paths")
        frame = state.frames[-1]
        self.here = (frame.code, frame.at)

    # ---- States that wait ----

    def push(self, state):
        frame = state.frames[-1]
        if frame.at in frame.code.doomed:
            self.here = (frame.code, frame.at)
            self.fail_rows(state.mask, "what raises")
            return
        state.prune()
        key = state.key()
        if key not in self.queue:
            self.queue[key] = []
            heapq.heappush(self.heap, key)
        self.queue[key].append(state)

    def by_types(self, states):
        groups = {}
        for state in states:
            groups.setdefault(state.types(), []).append(state)
        if len(groups) > _MOST_VERSIONS or len(states) > MOST_STATES:
            raise NotLifted("the function has too many paths")
        return groups.values()

    def _drain(self):
        while self.heap:
            for group in self.by_types(self.queue.pop(heapq.heappop(self.heap))):
                try:
                    state = self.merge(group)
                    if self.is_header(state):
                        self.loop(state)
                    else:
                        self._steps(state)
                except Deopt as deopt:
                    for state in group:
                        self.fail_rows(state.mask, str(deopt))

    def _steps(self, state):
        try:
            while state is not None:
                state = self.step(state)
                if state is None:
                    return
                frame = state.frames[-1]
                if frame.at in frame.code.leaders or frame.at in frame.code.doomed:
                    self.push(state)
                    return
        except Deopt as deopt:
            self.fail_rows(state.mask, str(deopt))

    # ---- Start and end ----

    def check(self):
        """Raises where nothing is lifted."""
        if not KNOWN:
            raise NotLifted("this version of Python is not known")
        check_nothing_watches()

    def lift(self):
        """The shim's Program; NotLifted says why there is none."""
        self.check()
        code = self.fn.__code__
        if code.co_flags & VARIADIC or code.co_kwonlyargcount:
            raise NotLifted("the function has *arguments, **keywords or keyword-only parameters, or yields or awaits")
        self.check_result()
        given = [*map(Const, self.bound), *self.loads()]
        names = code.co_varnames[: code.co_argcount]
        defaults = self.fn.__defaults__ or ()
        missing = len(names) - len(given)
        if not 0 <= missing <= len(defaults):
            raise NotLifted("the function takes another number of arguments")
        given += map(Const, defaults[len(defaults) - missing :] if missing else ())
        self.guards.code(self.fn)
        self.run(self.fn, dict(zip(names, given)))
        return self.finish()

    def run(self, fn, variables):
        """Follows all paths of a call, for all rows: `returns` is then what they end with."""
        start = Frame(self.code_of(fn.__code__), fn, 0, variables, [])
        self.here = (start.code, 0)
        self.returns = []
        self.push(State([start], ALL))
        self._drain()

    def loads(self):
        """The columns."""
        if len(self.arguments) > MOST_PLACES:
            raise NotLifted("the function has too many arguments")
        return [self.load(type, k, nullable) for k, (type, nullable) in enumerate(self.arguments)]
