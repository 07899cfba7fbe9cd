"""Loops that run while any row does: the body is lifted once, on registers of the rows that are in the loop, which lie side by side."""

import heapq

from vivarium._lift.emit import Loop, form
from vivarium._lift.masks import Mask
from vivarium._lift.sequences import is_growing, kept
from vivarium._lift.values import (
    BOOL,
    NULL,
    NUMBER,
    Const,
    Deopt,
    Frame,
    Inner,
    Iter,
    Made,
    Method,
    NotLifted,
    RangeIter,
    Reg,
    Tup,
    is_columnar,
    type_of,
)

_DEEPEST = 3
_RANGE = "<range>"
"""The name among a loop's variables under which its range has the next number. No variable is called that. What is on the stack has its
place as a name."""


def _is_constant(iterator):
    def constant(item):
        return isinstance(item, Const) or (isinstance(item, Tup) and all(map(constant, item.items)))

    return all(map(constant, iterator.items))


class _Body:
    """A loop while its body is lifted."""

    def __init__(self, lifter, state):
        frame = state.frames[-1]
        self.lifter, self.code, self.head = lifter, frame.code, frame.at
        self.end = frame.code.loops[frame.at]
        self.depth = len(state.frames)
        self.outer = state.copy()
        self.loop = Loop(lifter)
        self.changed = frozenset().union(*frame.code.define[self.head : self.end + 1])
        self.inner = {}  # by register outside: that of the rows in the loop
        self.origin = {}  # the other way round, where no turn changes it
        self.slots = {}  # what turns change
        self.backs, self.exits = [], []

    def dense(self, v, carried):
        """The value for the rows in the loop."""
        if carried and is_growing(v):  # a list of texts, of which each turn may make another one
            return v.of([self.dense(v.parts[0], True)])
        if isinstance(v, Made) and not carried:
            return v.of([self.dense(part, False) for part in v.parts])
        if isinstance(v, Tup) and not carried:
            return Tup([self.dense(item, False) for item in v.items], v.kind)
        if isinstance(v, Const):
            if not carried or not is_columnar(v.v) or v.v is None:
                return v
            v = Reg(type_of(v), self.lifter.as_reg(v))
        if not isinstance(v, Reg) or v.none is not None:
            raise Deopt("such a value in a loop")
        if v.id in self.inner and not carried:
            return self.inner[v.id]
        register = Reg(v.t, self.lifter.reg(v.t))
        self.loop.entering.append((v.id, register.id))
        if not carried:
            self.inner[v.id] = register
            self.origin[register.id] = v
        return register

    def enter(self, state, ranged):
        """The state at the start of a turn."""
        body = state.copy()
        frame = body.frames[-1]
        for name in list(frame.locals):
            if name not in self.code.live[self.head] and name[:1] != "<":
                del frame.locals[name]
                continue
            changes = name in self.changed
            v = self.lifter.growing(frame.locals[name], state) if changes else kept(frame.locals[name])
            frame.locals[name] = self.dense(v, changes)
            if changes:
                self.slots[name] = frame.locals[name]
        appends = any(instruction.name == "LIST_APPEND" for instruction in self.code.ins[self.head : self.end + 1])
        frame.stack[:] = [self._on_stack(v, k, ranged and k == len(frame.stack) - 1, appends) for k, v in enumerate(frame.stack)]
        body.mask = Mask("reg", self.loop.running)
        return body

    def _on_stack(self, v, place, own, appends):
        if isinstance(v, RangeIter):
            current = self.dense(v.cur, own)
            if own:
                self.slots[_RANGE] = current
            return RangeIter(current, self.dense(v.stop, False), v.step, v.header, v.over and self.dense(v.over, False))
        if isinstance(v, Iter) and _is_constant(v):
            return v
        if v is NULL or isinstance(v, (Method, Inner)):
            return v
        if appends and (is_growing(v) or (isinstance(v, Tup) and v.kind is list)):  # the list of a comprehension
            self.slots[place] = self.dense(self.lifter.growing(v, self.outer), True)
            return self.slots[place]
        if isinstance(v, (Const, Made, Reg, Tup)):
            return self.dense(v, False)
        raise Deopt("such a value in a loop")

    def next_turn(self):
        """What the variables are in the next turn, and which rows have one."""
        lifter, good = self.lifter, []
        for state in self.backs:
            if all(self._keeps_type(slot, self._of(state, name)) for name, slot in self.slots.items()):
                good.append(state)
            else:
                lifter.fail_rows(state.mask, "a variable changes its type in a loop")
        if not good:
            return
        merged = lifter.merge(good)
        self.loop.again = lifter.m_reg(merged.mask)
        carried = []
        for name, slot in self.slots.items():
            v = self._of(merged, name)
            if is_growing(slot):
                slot, v = slot.parts[0], v.parts[0]
            if isinstance(slot, Reg):
                new = lifter.as_reg(v)
                if new != slot.id:
                    carried.append((new, slot))
        changing = {slot.id for _, slot in carried}
        for new, slot in carried:
            if new in changing:  # what another variable was: not what it becomes
                new = lifter.emit("copy_" + form(slot.t), slot.t, new, memo=False)
            self.loop.carried.append((new, slot.id))

    def _of(self, state, name):
        frame = state.frames[-1]
        if isinstance(name, int):
            return frame.stack[name]
        return frame.stack[-1].cur if name == _RANGE else frame.locals.get(name)

    def _keeps_type(self, slot, v):
        if isinstance(slot, Const):
            return isinstance(v, Const) and v.v is slot.v
        if is_growing(slot):
            return v is not None and type_of(v) == type_of(slot)
        return v is not None and type_of(v) == slot.t

    def leave(self, mask, values):
        """An exit: (register of the rows outside that take it, the values there)."""
        lifter, taken = self.lifter, []
        outside = lifter.reg(BOOL)

        def outward(v):
            if isinstance(v, Reg):
                if v.id in self.origin:
                    return self.origin[v.id]
                if v.none is not None:
                    raise Deopt("an optional value that leaves a loop")
                register = lifter.reg(v.t)
                taken.append((v.id, register))
                return Reg(v.t, register)
            if isinstance(v, RangeIter):
                return v.of(outward)
            if isinstance(v, Made):
                return v.of([outward(part) for part in v.parts])
            if isinstance(v, Tup):
                return Tup([outward(item) for item in v.items], v.kind)
            if isinstance(v, Iter) and not _is_constant(v):
                raise Deopt("an iterator that leaves a loop")
            return v

        found = [outward(v) for v in values]
        inside = lifter.m_reg(mask)
        gone = lifter.emit("copy_bool", BOOL, inside if inside >= 0 else self.loop.running, memo=False)
        self.loop.exits.append((gone, outside, taken))
        return outside, found

    def after(self):
        """The states behind the loop, by place and types."""
        groups, found = {}, []
        for state in self.exits:
            state.prune()
            groups.setdefault((state.key(), state.types()), []).append(state)
        for group in groups.values():
            state = self.lifter.merge(group)
            frame = state.frames[-1]
            names = list(frame.locals)
            outside, values = self.leave(state.mask, [*frame.locals.values(), *frame.stack])
            behind = self.outer.copy()
            variables = dict(zip(names, values))
            behind.frames[-1] = Frame(frame.code, frame.fn, frame.at, variables, values[len(names) :], frame.taker)
            found.append((behind, outside))
        return found


class Loops:
    def is_header(self, state):
        """Whether the state starts a loop that is not unrolled."""
        frame = state.frames[-1]
        if frame.code.ins[frame.at].name == "FOR_ITER":
            return isinstance(frame.stack[-1], RangeIter)
        return frame.at in frame.code.loops

    def loop(self, state):
        if self.depth > _DEEPEST:
            raise Deopt("loops within loops")
        frame = state.frames[-1]
        ranged = frame.code.ins[frame.at].name == "FOR_ITER"
        if ranged and frame.at not in frame.code.loops:
            raise Deopt("a loop without a next turn")
        body = _Body(self, state)
        inside = body.enter(state, ranged)
        mask = self.m_reg(state.mask)
        self.loop_table.append(body.loop)
        self.emit("loop", mask=mask, constant=len(self.loop_table) - 1)
        body.loop.start = len(self.code)
        try:
            behind, returned = self._lift_body(body, inside, ranged)
        except Deopt as deopt:
            raise NotLifted(str(deopt)) from None
        body.loop.end = len(self.code)
        body.loop.complete = True
        for state, outside in behind:
            state.mask = Mask("reg", outside)
            self.push(state)
        for outside, v in returned:
            if body.depth == self.bottom:
                self.returns.append((Mask("reg", outside), v))
                continue
            state = body.outer.copy()
            state.mask = Mask("reg", outside)
            self.resume(state, v)

    def _lift_body(self, body, inside, ranged):
        """(states behind the loop, [(rows, value)] that the function returned in it), as they are outside."""
        saved = self.memo, self.masks, self.returns, self.bottom, self.queue, self.heap
        self.memo, self.masks, self.returns, self.bottom, self.queue, self.heap = {}, {}, [], body.depth, {}, []
        self.depth += 1
        try:
            if ranged:
                self._next_number(body, inside)
            self._steps_in(body, inside, first=True)
            while self.heap:
                states = self.queue.pop(heapq.heappop(self.heap))
                for group in self.by_types(states):
                    self._wait_over(body, group)
            body.next_turn()
            behind = body.after()
            returned = []
            for mask, v in self.returns:
                outside, (v,) = body.leave(mask, [v])
                returned.append((outside, v))
            return behind, returned
        finally:
            self.memo, self.masks, self.returns, self.bottom, self.queue, self.heap = saved
            self.depth -= 1

    def _next_number(self, body, state):
        """The FOR_ITER of a range: rows without a number leave."""
        frame = state.frames[-1]
        iterator = frame.stack[-1]
        more = self.compare("<" if iterator.step.v > 0 else ">", iterator.cur, iterator.stop, state)
        if isinstance(more, Const):
            raise Deopt("such a range")
        leaving = state.copy()
        leaving.mask = self.m_and(state.mask, more.id, False)
        self.end_iteration(leaving.frames[-1])
        body.exits.append(leaving)
        state.mask = self.m_and(state.mask, more.id)
        following = self.binary("+", iterator.cur, iterator.step, state)
        # The slot itself is written to at the end of the turn.
        number = Reg(NUMBER, self.emit("copy_number", NUMBER, iterator.cur.id, memo=False))
        frame.stack[-1] = RangeIter(following, iterator.stop, iterator.step, iterator.header, iterator.over)
        frame.stack.append(number if iterator.over is None else self.item_of(iterator.over, number, state))
        frame.at += 1

    def _wait_over(self, body, group):
        try:
            state = self.merge(group)
            frame = state.frames[-1]
            own = len(state.frames) == body.depth and frame.code is body.code
            if not (own and (frame.at == body.head or not body.head <= frame.at <= body.end)) and self.is_header(state):
                self.loop(state)
            else:
                self._steps_in(body, state, first=False)
        except Deopt as deopt:
            for state in group:
                self.fail_rows(state.mask, str(deopt))

    def _steps_in(self, body, state, first):
        """Steps until the state goes back, leaves, or waits."""
        waited = not first
        try:
            while state is not None:
                frame = state.frames[-1]
                if len(state.frames) == body.depth and frame.code is body.code:
                    if not first and frame.at == body.head:
                        body.backs.append(state)
                        return
                    if not body.head <= frame.at <= body.end:
                        body.exits.append(state)
                        return
                if not first and not waited and frame.at in frame.code.leaders:
                    self.push(state)
                    return
                if frame.at in frame.code.doomed:
                    self.fail_rows(state.mask, "what raises")
                    return
                first = waited = False
                state = self.step(state)
        except Deopt as deopt:
            self.fail_rows(state.mask, str(deopt))
