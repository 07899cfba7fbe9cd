"""Lifts a function's bytecode to a program of column kernels: symbolic execution of the stack machine.

A path's state is its frames (calls of plain functions are followed into), each with variables and a stack of values, and a mask of rows.
States wait at the targets of jumps, in an order in which all predecessors come first, and those of one place and the same types become one.
States of different types stay apart, so that a value has one type everywhere. Whatever is not known leaves the path's rows to the interpreter.
"""

import heapq

from vivarium._lift.bytecode import KNOWN, Code
from vivarium._lift.calls import VARIADIC, Calls
from vivarium._lift.containers import Containers
from vivarium._lift.emit import Emitter
from vivarium._lift.guards import Guards, check_nothing_watches
from vivarium._lift.loops import Loops
from vivarium._lift.machine import Machine
from vivarium._lift.masks import ALL, Masks
from vivarium._lift.merge import Merging
from vivarium._lift.numbers import Numbers
from vivarium._lift.texts import Texts
from vivarium._lift.values import (
    BOOL,
    FLOAT,
    NONE,
    NUMBER,
    TEXT,
    Const,
    Deopt,
    Frame,
    NotLifted,
    Reg,
    State,
    type_of,
)

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

LOADS = {name: ("load_" + name, NUMBER) for name in _INTEGERS} | {
    "float": ("load_float32", FLOAT),
    "double": ("load_float64", FLOAT),
    "bool": ("load_bool", BOOL),
    "string": ("load_text", TEXT),
    "large_string": ("load_large_text", TEXT),
}
"""By the name of a column's type: its kernel, and what its values are."""

RESULTS = {name: t for name, (_, t) in LOADS.items()}

_MOST_STEPS = 10_000
_MOST_STATES = 64
_MOST_VERSIONS = 8


class Lifter(Machine, Loops, Calls, Containers, Texts, Numbers, Merging, Masks, Emitter):
    """arguments: the names of their types and whether they may be None."""

    def __init__(self, fn, arguments, result, bound=()):
        super().__init__()
        self.fn, self.arguments, self.result, self.bound = fn, arguments, result, bound
        self.guards = Guards()
        self.codes = {}
        self.keywords = ()
        self.returns = []
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
        if len(groups) > _MOST_VERSIONS or len(states) > _MOST_STATES:
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
        if self.result not in RESULTS:
            raise NotLifted(f"results of type {self.result}")
        given = [*map(Const, self.bound), *self.loads()]
        names = code.co_varnames[: code.co_argcount]
        defaults = self.fn.__defaults__ or ()
        missing = len(names) - len(given)
        if not 0 <= missing <= len(defaults):
            raise NotLifted("the function takes another number of arguments")
        given += map(Const, defaults[len(defaults) - missing :] if missing else ())
        self.guards.code(self.fn)
        self.run(self.fn, dict(zip(names, given)))
        return self._finish()

    def run(self, fn, variables):
        """Follows all paths of a call, for all rows: `returns` is then what they end with."""
        start = Frame(self.code_of(fn.__code__), fn, 0, variables, [])
        self.here = (start.code, 0)
        self.returns = []
        self.push(State([start], ALL))
        self._drain()

    def loads(self):
        """The columns."""
        return [self._load(k, *argument) for k, argument in enumerate(self.arguments)]

    def _load(self, k, type, nullable):
        if type not in LOADS:
            raise NotLifted(f"arguments of type {type}")
        name, t = LOADS[type]
        register = self.emit(name, t, extra=k)
        return Reg(t, register, none=self.emit("load_null", BOOL, extra=k) if nullable else None)

    def _results(self):
        """([(rows, value)], [rows that are None])"""
        values, nones = [], []
        for mask, v in self.returns:
            try:
                if type_of(v) == NONE:
                    nones.append(mask)
                    continue
                if isinstance(v, Reg) and v.none is not None:
                    nones.append(self.m_and(mask, v.none))
                    mask = self.m_and(mask, v.none, False)
                    v = Reg(v.t, v.id)
                t = type_of(v)
                if RESULTS[self.result] == FLOAT and t == NUMBER:
                    v = self.to_float_exact(v, State([], mask))
                elif t != RESULTS[self.result]:
                    raise Deopt("a result of another type than the declared one")
                values.append((mask, v))
            except Deopt as deopt:
                self.fail_rows(mask, str(deopt))
        return values, nones

    def _finish(self):
        return self.pack(*self.output(), self.guards.all())

    def output(self):
        """What is returned: (kind, register, mask of the rows that have a value, mask of None); -1: none, and of None -2: all rows."""
        values, nones = self._results()
        if not values and not nones:
            raise NotLifted("every path is the interpreter's")
        if len(values) > _MOST_STATES:
            raise NotLifted("the function has too many paths")
        value = value_mask = null_mask = -1
        kind = ""
        if values:
            merged = self.merge([State([Frame(self.code_of(self.fn.__code__), None, 0, {}, [v])], mask) for mask, v in values])
            value, value_mask = self.as_reg(merged.frames[0].stack[0]), self.m_reg(merged.mask)
            kind = RESULTS[self.result]
        if nones:
            null_mask = self.m_reg(self.m_or(nones))
            null_mask = -2 if null_mask < 0 else null_mask
        return kind, value, value_mask, null_mask
