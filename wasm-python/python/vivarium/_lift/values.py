"""What the lifter knows of a value while it goes through the bytecode."""

import datetime
import decimal

NUMBER, FLOAT, BOOL, TEXT, NONE = "i", "f", "b", "s", "none"
DATE, STAMP, ZONED, CLOCK, SPAN, BYTES = "date", "stamp", "zoned", "clock", "span", "bytes"
"""date: days since 1970; datetime without a zone and in UTC, time, timedelta: microseconds; bytes: as text."""

SCALARS = {bool: BOOL, int: NUMBER, float: FLOAT, str: TEXT, type(None): NONE}
"""Types of constants that columns can hold. Exactly these: a subclass may mean anything."""

CONTAINERS = (tuple, list, set, frozenset, dict)

LARGEST = 1 << 63

DECIMAL = "decimal"
"""In front of the exponent: of a column of Decimals it is the same in every row, so it is part of the type."""

DIGITS = 28
"""Of the default context: results of more are rounded, which is the interpreter's."""

_MICROSECOND = datetime.timedelta(microseconds=1)
_EPOCH = datetime.datetime(1970, 1, 1)


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


class View:
    """The kind of a Tup that is what keys(), values() and items() of a dict give."""


class Once:
    """The kind of a Tup that is an iterator: who takes its items takes them for good."""


class Kept(list):
    """The kind of a Tup that is a list to which nothing can be appended any more, since it may be known under several names."""


class Tup:
    """A tuple or a list of values, or an iterator over them. What is appended to a list makes another one of it."""

    __slots__ = ("items", "kind")

    def __init__(self, items, kind=tuple):
        self.items, self.kind = items, kind


class Iter:
    """An iterator over values: a loop that is unrolled."""

    __slots__ = ("items", "at", "header")

    def __init__(self, items, at=0, header=None):
        self.items, self.at, self.header = items, at, header


class RangeIter:
    """A range, or an iterator over one: a loop that runs while any row does. `over`: the sequence whose items have the numbers, or None."""

    __slots__ = ("cur", "stop", "step", "header", "over")

    def __init__(self, cur, stop, step, header=None, over=None):
        self.cur, self.stop, self.step, self.header, self.over = cur, stop, step, header, over

    def of(self, change):
        """The same of other values."""
        over = self.over and change(self.over)
        return RangeIter(change(self.cur), change(self.stop), self.step, self.header, over)


class Method:
    """A method that is about to be called."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name


class Slice:
    __slots__ = ("start", "stop")

    def __init__(self, start, stop):
        self.start, self.stop = start, stop


class Cell:
    """What an inner function or generator gets a variable of the function around it in."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name


class Inner:
    """A function or generator expression within the function: its code, and the names of the variables that it has cells of."""

    __slots__ = ("code", "names")

    def __init__(self, code, names=()):
        self.code, self.names = code, names


class Generator:
    """A generator expression that has not begun: it is on the stack until a call takes it."""

    __slots__ = ("code", "variables")

    def __init__(self, code, variables):
        self.code, self.variables = code, variables


class Made:
    """A value made of others: `kind` and `about` say of what kind, and what all rows have in common."""

    __slots__ = ("kind", "about", "parts")

    def __init__(self, kind, about, parts):
        self.kind, self.about, self.parts = kind, about, parts

    def of(self, parts):
        return Made(self.kind, self.about, parts)


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


def decimal_type(exponent):
    return f"{DECIMAL}{exponent}"


def exponent_of(t):
    """Of a type of Decimals; None for other types."""
    return int(t.removeprefix(DECIMAL)) if isinstance(t, str) and t.startswith(DECIMAL) and not t.endswith("?") else None


def _decimal_held(value):
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or abs(exponent) > DIGITS or len(digits) > DIGITS or (sign and not value):
        return None
    return decimal_type(exponent), int(value.scaleb(-exponent, decimal.Context(prec=DIGITS)))


def _stamp_held(value):
    kind = {None: STAMP, datetime.timezone.utc: ZONED}.get(value.tzinfo) if type(value.tzinfo) in (type(None), datetime.timezone) else None
    return kind and (kind, (value.replace(tzinfo=None, fold=0) - _EPOCH) // _MICROSECOND)


def _clock_held(value):
    return None if value.tzinfo is not None else (CLOCK, (datetime.datetime.combine(_EPOCH, value) - _EPOCH) // _MICROSECOND)


_HELD = {
    datetime.date: lambda value: (DATE, value.toordinal() - _EPOCH.toordinal()),
    datetime.datetime: _stamp_held,
    datetime.time: _clock_held,
    datetime.timedelta: lambda value: (SPAN, value // _MICROSECOND) if abs(value.days) < 10**8 else None,
    decimal.Decimal: _decimal_held,
    bytes: lambda value: (BYTES, value),
}


def held(value):
    """(type, what a register has) of a constant that a column can hold and that is no scalar; None for other objects."""
    of = _HELD.get(type(value))
    return of and of(value)


def is_columnar(value):
    """Whether a column can hold the constant."""
    return is_scalar(value) or held(value) is not None


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
        known = None if t else held(v.v)
        return t or (known[0] if known else ("const", id(v.v)))
    if isinstance(v, Reg):
        return v.t if v.none is None else v.t + "?"
    if isinstance(v, Tup):
        return ("tup", v.kind, tuple(type_of(item) for item in v.items))
    if isinstance(v, Iter):
        return ("iter", v.header, v.at, tuple(type_of(item) for item in v.items))
    if isinstance(v, RangeIter):
        return ("range", v.header, v.step.v, type_of(v.cur), type_of(v.stop), v.over and type_of(v.over))
    if isinstance(v, Method):
        return ("method", v.name)
    if isinstance(v, Inner):
        return ("inner", id(v.code), v.names)
    if isinstance(v, Generator):
        return ("generator", id(v.code), tuple(sorted((name, type_of(item)) for name, item in v.variables.items())))
    if isinstance(v, Cell):
        return ("cell", v.name)
    if isinstance(v, Made):
        return ("made", v.kind, v.about, tuple(type_of(part) for part in v.parts))
    if isinstance(v, Slice):
        return ("slice", type_of(v.start), type_of(v.stop))
    return "null"


class Frame:
    """A call: of the function itself, or of one that it calls. `taker`: of a generator, what takes its values (_lift/generators.py)."""

    __slots__ = ("code", "fn", "at", "locals", "stack", "taker")

    def __init__(self, code, fn, at, locals, stack, taker=None):
        self.code, self.fn, self.at, self.locals, self.stack, self.taker = code, fn, at, locals, stack, taker

    def copy(self):
        return Frame(self.code, self.fn, self.at, dict(self.locals), list(self.stack), self.taker)

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
                if name not in live and name[:1] != "<":
                    del frame.locals[name]

    def replace(self, old, new):
        for frame in self.frames:
            for name, v in frame.locals.items():
                if v is old:
                    frame.locals[name] = new
            frame.stack[:] = [new if v is old else v for v in frame.stack]
