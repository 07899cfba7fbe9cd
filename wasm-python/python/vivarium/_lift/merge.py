"""States of one place and of the same types become one: masks by or, values by select."""

from vivarium._lift.emit import form, slot_kind
from vivarium._lift.values import BOOL, NONE, Const, Deopt, Generator, Iter, Made, RangeIter, Reg, Slice, Tup, is_columnar, is_scalar, type_of


class Merging:
    def select(self, condition, x, y):
        """x where the condition is true, else y: of one type."""
        if x is y:
            return x
        if isinstance(x, Const) and isinstance(y, Const) and is_scalar(x.v) and type(x.v) is type(y.v) and repr(x.v) == repr(y.v):
            return x
        if isinstance(x, Const) and isinstance(y, Const) and x.v is y.v:
            return x
        if isinstance(x, Reg) and isinstance(y, Reg) and x.id == y.id and x.none == y.none:
            return x
        if isinstance(x, Tup) and isinstance(y, Tup) and len(x.items) == len(y.items):
            return Tup([self.select(condition, p, q) for p, q in zip(x.items, y.items)], x.kind)
        t = next((v.t for v in (x, y) if isinstance(v, Reg)), None) or type_of(x)
        if not isinstance(t, str) or t == NONE or not isinstance(x, (Const, Reg)) or not isinstance(y, (Const, Reg)):
            raise Deopt("a choice between such values")
        if slot_kind(t) in "bd" or (isinstance(x, Const) and isinstance(y, Const)):
            x, y = (v if isinstance(v, Reg) else Reg(t, self.as_reg(v)) for v in (x, y))
        constant, operands = 0, [-1, -1]
        for k, v in enumerate((x, y)):
            if isinstance(v, Const):
                constant = self.bits(v)
            else:
                operands[k] = v.id
        nones = [v.none if isinstance(v, Reg) else None for v in (x, y)]
        none = None
        if nones != [None, None]:
            if None in nones:
                raise Deopt("a choice between such values")
            none = self.emit("select_bool", BOOL, *nones, condition)
        return Reg(t, self.emit("select_" + form(t), t, *operands, condition, constant=constant), none=none)

    def _telling(self, states):
        """For each state a condition that tells its rows from those of all later ones, as cheap as there is: (register, yes), or None."""
        found = []
        for k, state in enumerate(states):
            others, mask, telling = states[k + 1 :], state.mask, None
            while telling is None and mask.kind in ("and", "andnot"):
                yes = mask.kind == "and"
                if all(self.within(other.mask, mask.a, mask.b, not yes) for other in others):
                    telling = (mask.b, yes)
                mask = mask.a
            found.append(telling)
        return found

    def merge(self, states):
        if len(states) == 1:
            return states[0]
        telling = self._telling(states)
        merged = states[-1].copy()
        for k in range(len(states) - 2, -1, -1):
            self._merge_into(merged, states[k], telling[k])
        merged.mask = self.m_or([state.mask for state in states])
        return merged

    def _merge_into(self, merged, state, telling):
        pick = telling

        def choose(x, y):
            nonlocal pick
            if x is y:
                return x
            if isinstance(x, RangeIter):
                over = x.over and choose(x.over, y.over)
                return RangeIter(choose(x.cur, y.cur), choose(x.stop, y.stop), x.step, x.header, over)
            if isinstance(x, Iter):
                return Iter([choose(p, q) for p, q in zip(x.items, y.items)], x.at, x.header)
            if isinstance(x, Slice):
                return Slice(choose(x.start, y.start), choose(x.stop, y.stop))
            if isinstance(x, Made):
                return x.of([choose(p, q) for p, q in zip(x.parts, y.parts)])
            if isinstance(x, Generator):
                return Generator(x.code, {name: choose(v, y.variables[name]) for name, v in x.variables.items()})
            if not isinstance(x, (Const, Reg, Tup)):
                return x
            if isinstance(x, Const) and not is_columnar(x.v):
                return x
            if pick is None:
                pick = (self.m_reg(state.mask), True)
            if pick[0] < 0:
                raise Deopt("paths that are not apart")
            return self.select(pick[0], x, y) if pick[1] else self.select(pick[0], y, x)

        for into, frame in zip(merged.frames, state.frames):
            for name in into.locals:
                into.locals[name] = choose(frame.locals[name], into.locals[name])
            into.stack[:] = [choose(x, y) for x, y in zip(frame.stack, into.stack)]
