"""Masks: which rows a path has. A tree over conditions, made a register only when an op needs one."""

from vivarium._lift.values import BOOL

_MOST_WALKS = 20_000
"""Steps that looking for a cheap condition may take in a function."""


class Mask:
    """`kind`: all; reg: the rows of register a; and, andnot: those of mask a where the register b is true, or false; or: of two masks."""

    __slots__ = ("kind", "a", "b", "reg")

    def __init__(self, kind, a=None, b=None):
        self.kind, self.a, self.b, self.reg = kind, a, b, None


ALL = Mask("all")


class Masks:
    def __init__(self):
        super().__init__()
        self.masks = {}
        self.walks = 0

    def _mask(self, kind, a, b):
        key = (kind, id(a), id(b) if isinstance(b, Mask) else b)
        if key not in self.masks:
            self.masks[key] = Mask(kind, a, b)
        return self.masks[key]

    def m_and(self, mask, condition, yes=True):
        return self._mask("and" if yes else "andnot", mask, condition)

    def m_or(self, masks):
        masks = {id(mask): mask for mask in masks}
        again = True
        while again:  # the two sides of a condition are the rows that came to it
            again, sides = False, {}
            for mask in list(masks.values()):
                if mask.kind not in ("and", "andnot"):
                    continue
                other = sides.setdefault((id(mask.a), mask.b), mask)
                if other is not mask and other.kind != mask.kind:
                    del masks[id(mask)], masks[id(other)]
                    masks[id(mask.a)] = mask.a
                    again = True
                    break
        first, *others = masks.values()
        for mask in others:
            first = self._mask("or", first, mask)
        return first

    def m_reg(self, mask):
        """The register; -1 for all rows."""
        if mask.kind == "all":
            return -1
        if mask.reg is None:
            mask.reg = self._spelled(mask)
        return mask.reg

    def _spelled(self, mask):
        if mask.kind == "reg":
            return mask.a
        if mask.kind == "or":
            a, b = self.m_reg(mask.a), self.m_reg(mask.b)
            return -1 if a < 0 or b < 0 else self.emit("bool_or", BOOL, a, b)
        parent = self.m_reg(mask.a)
        if parent < 0:
            return mask.b if mask.kind == "and" else self.emit("bool_not", BOOL, mask.b)
        return self.emit("bool_and" if mask.kind == "and" else "bool_and_not", BOOL, parent, mask.b)

    def within(self, mask, parent, condition, yes):
        """Whether all rows of the mask are known to be rows of `parent` where the condition is `yes`."""
        wanted = "and" if yes else "andnot"
        todo, walked = [mask], 0
        while todo:
            mask = todo.pop()
            while mask.kind in ("and", "andnot"):
                walked += 1
                if mask.kind == wanted and mask.a is parent and mask.b == condition:
                    break
                mask = mask.a
            else:
                if mask.kind != "or" or walked > 60 or self.walks > _MOST_WALKS:
                    self.walks += walked
                    return False
                walked += 1
                todo += (mask.a, mask.b)
        self.walks += walked
        return True

    def fail_rows(self, mask, why):
        """Leaves the rows to the interpreter."""
        self.reasons.setdefault((*self.here, why), None)
        self.emit("fail", mask=self.m_reg(mask))
