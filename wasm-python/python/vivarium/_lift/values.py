"""What the lifter knows of a value while it goes through the bytecode."""

NUMBER, FLOAT, BOOL, TEXT, NONE = "i", "f", "b", "s", "none"

SCALARS = {bool: BOOL, int: NUMBER, float: FLOAT, str: TEXT, type(None): NONE}
"""Types of constants that columns can hold. Exactly these: a subclass may mean anything."""

CONTAINERS = (tuple, list, set, frozenset, dict)

LARGEST = 1 << 63


class Deopt(Exception):
    """The rows of this path are the interpreter's: why."""


class NotLifted(Exception):
    """The function is: why."""


class Const:
    """The same object in every row."""

    __slots__ = ("v",)

    def __init__(self, v):
        self.v = v


class Reg:
    """A column of one type. `none`: the register of the rows that are None instead, or None. `about`: (value, what a true row says of
    it) where that is known of a bool."""

    __slots__ = ("t", "id", "none", "about")

    def __init__(self, t, id, none=None, about=None):
        self.t, self.id, self.none, self.about = t, id, none, about


class Tup:
    """A tuple, or a list that nothing changes, of values."""

    __slots__ = ("items", "kind")

    def __init__(self, items, kind=tuple):
        self.items, self.kind = items, kind


class Iter:
    """An iterator over values: a loop that is unrolled."""

    __slots__ = ("items", "at", "header")

    def __init__(self, items, at=0, header=None):
        self.items, self.at, self.header = items, at, header


class RangeIter:
    """A range, or an iterator over one: a loop that runs while any row does."""

    __slots__ = ("cur", "stop", "step", "header")

    def __init__(self, cur, stop, step, header=None):
        self.cur, self.stop, self.step, self.header = cur, stop, step, header


class Method:
    """A method that is about to be called."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name


class Slice:
    __slots__ = ("start", "stop")

    def __init__(self, start, stop):
        self.start, self.stop = start, stop


class Split:
    """text.split(separator): the parts are made when they are asked for."""

    __slots__ = ("text", "separator")

    def __init__(self, text, separator):
        self.text, self.separator = text, separator


class Fork:
    """What an instruction gives where its type depends on the row: [(mask, value)], for all rows of the state that have not failed."""

    __slots__ = ("values",)

    def __init__(self, values):
        self.values = values


class _Null:
    """The interpreter's empty place on the stack."""


NULL = _Null()


def is_scalar(value):
    """Whether a Python object is one of the types that columns hold."""
    return type(value) in SCALARS


def is_plain(value):
    """Whether nothing that is done with the object runs code of the user's."""
    if type(value) is dict:
        return all(is_scalar(key) and is_scalar(item) for key, item in value.items())
    return is_scalar(value) or (type(value) in CONTAINERS and all(map(is_scalar, value)))


def type_of(v):
    """What has to agree for two states to become one."""
    if isinstance(v, Const):
        t = SCALARS.get(type(v.v))
        if t == NUMBER and not -LARGEST <= v.v < LARGEST:
            return ("const", v.v)
        return t if t else ("const", id(v.v))
    if isinstance(v, Reg):
        return v.t if v.none is None else v.t + "?"
    if isinstance(v, Tup):
        return ("tup", v.kind, tuple(type_of(item) for item in v.items))
    if isinstance(v, Iter):
        return ("iter", v.header, v.at, tuple(type_of(item) for item in v.items))
    if isinstance(v, RangeIter):
        return ("range", v.header, v.step.v, type_of(v.cur), type_of(v.stop))
    if isinstance(v, Method):
        return ("method", v.name)
    if isinstance(v, Split):
        return ("split", v.separator, type_of(v.text))
    if isinstance(v, Slice):
        return ("slice", type_of(v.start), type_of(v.stop))
    return "null"


class Frame:
    """A call: of the function itself, or of one that it calls."""

    __slots__ = ("code", "fn", "at", "locals", "stack")

    def __init__(self, code, fn, at, locals, stack):
        self.code, self.fn, self.at, self.locals, self.stack = code, fn, at, locals, stack

    def copy(self):
        return Frame(self.code, self.fn, self.at, dict(self.locals), list(self.stack))

    def key(self):
        """Its place: unrolled turns of a loop are places of their own, in order."""
        key = []
        for v in self.stack:
            if isinstance(v, Iter):
                key += [v.header, v.at]
        return [*key, self.at]


class State:
    """A path: its frames, and the rows that take it."""

    __slots__ = ("frames", "mask")

    def __init__(self, frames, mask):
        self.frames, self.mask = frames, mask

    def copy(self):
        return State([frame.copy() for frame in self.frames], self.mask)

    def key(self):
        return tuple(part for frame in self.frames for part in frame.key())

    def types(self):
        return tuple(
            (
                id(frame.code),
                id(frame.fn),
                tuple(sorted((name, type_of(v)) for name, v in frame.locals.items())),
                tuple(type_of(v) for v in frame.stack),
            )
            for frame in self.frames
        )

    def prune(self):
        """Forgets variables that nothing reads any more."""
        for frame in self.frames:
            live = frame.code.live[frame.at]
            for name in list(frame.locals):
                if name not in live:
                    del frame.locals[name]

    def replace(self, old, new):
        for frame in self.frames:
            for name, v in frame.locals.items():
                if v is old:
                    frame.locals[name] = new
            frame.stack[:] = [new if v is old else v for v in frame.stack]
