"""Accumulators as bytes, and back: a format that can make values of a few types and call nothing.

A value is a tag of one character and what belongs to it; lengths and counts are 4 bytes, little-endian. Classes are only those of
the function's own module, by name: NamedTuples and dataclasses, which are made of their fields and other attributes without running
their code. What would lose a part of itself is refused.
"""

import collections
import dataclasses
import datetime
import decimal
import struct
import sys

from vivarium import types

VERSION = b"\x01"
SPOILT = b"\x00"  # the state of a group that has no value because a row of it failed
MAX_DEPTH = 100


class StateError(ValueError):
    """A value that cannot become bytes, or bytes that are no value."""


def _size(count):
    return struct.pack("<I", count)


def _text(value):
    data = value.encode("utf-8", "surrogatepass")
    return _size(len(data)) + data


class _Writer:
    def __init__(self, module):
        self.module = module
        self.parts = [VERSION]

    def items(self, tag, values, depth):
        self.parts.append(tag + _size(len(values)))
        for value in values:
            self.value(value, depth + 1)

    def text(self, tag, text):
        self.parts.append(tag + _text(text))

    def value(self, value, depth=0):
        if depth > MAX_DEPTH:
            raise StateError(f"an accumulator nested more than {MAX_DEPTH} deep cannot be taken out")
        kind = type(value)
        if value is None:
            self.parts.append(b"N")
        elif kind is bool:
            self.parts.append(b"T" if value else b"F")
        elif kind is int:
            self.text(b"i", hex(value))
        elif kind is float:
            self.parts.append(b"d" + struct.pack("<d", value))
        elif kind is str:
            self.text(b"s", value)
        elif kind in (bytes, bytearray):
            self.parts.append((b"b" if kind is bytes else b"B") + _size(len(value)) + bytes(value))
        elif kind in _SEQUENCES:
            self.items(_SEQUENCES[kind], value, depth)
        elif kind is dict:
            self.mapping(b"m", value, depth)
        elif kind in _MAPPINGS and not getattr(value, "__dict__", None):
            self.mapping(_MAPPINGS[kind], value, depth)
        elif kind is collections.defaultdict:
            self.mapping(b"f" + self.factory(value.default_factory), value, depth)
        elif kind is collections.deque:
            self.parts.append(b"q")
            self.value(value.maxlen, depth + 1)
            self.items(b"l", value, depth)
        elif kind is decimal.Decimal:
            self.text(b"D", str(value))
        elif kind in _TIMES:
            self.time(value, depth)
        elif kind.__module__ == "numpy":
            self.numpy(value)
        else:
            self.object(value, depth)

    def mapping(self, tag, value, depth):
        self.items(tag, [part for item in value.items() for part in item], depth)

    def factory(self, factory):
        """What makes the missing values of a defaultdict, by name: a function is that of the accumulator that is taken over."""
        return _text(next((name for name, known in _FACTORIES.items() if known is factory), _OTHER))

    def time(self, value, depth):
        if isinstance(value, datetime.timedelta):
            self.items(b"p", (value.days, value.seconds, value.microseconds), depth)
        else:
            tag = {datetime.date: b"e", datetime.time: b"t", datetime.datetime: b"w"}[type(value)]
            fold = getattr(value, "fold", 0)
            self.text(tag, value.replace(tzinfo=None, fold=0).isoformat() if tag != b"e" else value.isoformat())
            if tag != b"e":
                self.zone(value.tzinfo, depth)
                self.parts.append(b"T" if fold else b"F")

    def zone(self, zone, depth):
        """None, the seconds of a fixed offset, or the name of a zone of the time zone database."""
        if zone is None or zone is datetime.timezone.utc:
            self.value(None if zone is None else 0, depth + 1)
        elif type(zone) is datetime.timezone:
            offset = zone.utcoffset(None)
            named = repr(zone) != repr(datetime.timezone(offset))
            self.value((offset, zone.tzname(None)) if named else offset, depth + 1)
        elif getattr(zone, "key", None) is not None and type(zone).__module__.startswith("zoneinfo"):
            self.value(zone.key, depth + 1)
        else:
            raise StateError(f"an accumulator with the time zone {zone!r:.100} cannot be taken out: use zoneinfo or datetime.timezone")

    def numpy(self, value):
        import numpy as np

        if not (type(value) is np.ndarray or isinstance(value, np.generic)) or value.dtype.hasobject:
            raise StateError(f"an accumulator with a numpy.{type(value).__name__} that is no plain array, or one of objects, cannot be taken out")
        array = np.ascontiguousarray(value)
        if isinstance(value, np.generic):
            array = array.reshape(())
        if array.dtype.names is not None:
            raise StateError("an accumulator with a structured array cannot be taken out")
        self.parts.append(b"g" if isinstance(value, np.generic) else b"a")
        self.parts.append(_text(array.dtype.str) + _size(array.ndim) + b"".join(struct.pack("<q", n) for n in array.shape))
        self.parts.append(array.tobytes())

    def object(self, value, depth):
        kind = type(value)
        if kind.__module__.startswith("pyflink.") and hasattr(kind, "__vivarium_state__"):
            self.text(b"k", kind.__name__)
            self.value(value.__vivarium_state__(), depth + 1)
            return
        if kind is not types.MonthDayNano and (self.module is None or self.module.get(kind.__name__) is not kind):
            raise StateError(
                f"an accumulator with a {kind.__module__}.{kind.__qualname__} cannot be taken out: use None, bool, int, float, str, "
                "bytes, Decimal, datetime's types, NumPy arrays, lists, tuples, dicts (also Counter, OrderedDict and defaultdict), "
                "deques and sets of them, or NamedTuples and dataclasses at the top of the file"
            )
        attributes = _attributes(value)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            fields, plain = tuple(value), not attributes
        elif dataclasses.is_dataclass(kind) and not isinstance(value, _CONTAINERS):
            names = [field.name for field in dataclasses.fields(kind)]
            plain = attributes.keys() == set(names)
            fields = tuple(attributes[name] for name in names) if plain else ()
        else:
            raise StateError(f"an accumulator with a {kind.__name__}, which is no dataclass and no NamedTuple, cannot be taken out")
        self.text(b"o" if plain else b"O", kind.__name__)
        self.items(b"u", fields, depth)
        if not plain:
            self.mapping(b"m", attributes, depth)


def _attributes(value):
    """All attributes of an object, those in slots too."""
    slots = [slot for kind in type(value).__mro__ for slot in _slots(kind)]
    found = {slot: getattr(value, slot) for slot in slots if hasattr(value, slot)}
    return found | getattr(value, "__dict__", {})


def _slots(kind):
    own = kind.__dict__.get("__slots__", ())
    names = [own] if isinstance(own, str) else own
    # Names of two underscores are another's in the class: __x of C is _C__x.
    private = [name.startswith("__") and not name.endswith("__") for name in names]
    made = [f"_{kind.__name__.lstrip('_')}{name}" if hidden else name for name, hidden in zip(names, private)]
    return [name for name in made if name not in ("__dict__", "__weakref__")]


_CONTAINERS = (list, dict, set, frozenset, tuple, str, bytes, bytearray, int, float, complex, collections.deque, BaseException)
_MAPPINGS = {collections.OrderedDict: b"r", collections.Counter: b"c"}
_OTHER = "?"
_FACTORIES = {
    "": None,
    **{kind.__name__: kind for kind in (bool, int, float, str, bytes, bytearray, list, tuple, dict, set, frozenset)},
    "Decimal": decimal.Decimal,
    "Counter": collections.Counter,
    "OrderedDict": collections.OrderedDict,
    "deque": collections.deque,
}
_SEQUENCES = {list: b"l", tuple: b"u", set: b"S", frozenset: b"Z"}
_TIMES = (datetime.date, datetime.time, datetime.datetime, datetime.timedelta)


class _Reader:
    """`like` makes an accumulator as it is in the beginning."""

    def __init__(self, data, module, like):
        self.data = data
        self.at = 0
        self.module = module
        self.like = like

    def take(self, count):
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise StateError("the bytes of an accumulator end in the middle")
        part = self.data[self.at : end]
        self.at = end
        return part

    def size(self):
        return struct.unpack("<I", self.take(4))[0]

    def text(self):
        return self.take(self.size()).decode("utf-8", "surrogatepass")

    def items(self, depth):
        count = self.size()
        if count > len(self.data) - self.at:  # every item takes a byte at least
            raise StateError("the bytes of an accumulator promise more than they hold")
        return [self.value(depth + 1) for _ in range(count)]

    def value(self, depth=0):
        if depth > MAX_DEPTH:
            raise StateError("the bytes of an accumulator are nested too deep")
        tag = self.take(1)
        match tag:
            case b"N":
                return None
            case b"T" | b"F":
                return tag == b"T"
            case b"i":
                return int(self.text(), 16)
            case b"d":
                return struct.unpack("<d", self.take(8))[0]
            case b"s":
                return self.text()
            case b"b":
                return bytes(self.take(self.size()))
            case b"B":
                return bytearray(self.take(self.size()))
            case b"l":
                return self.items(depth)
            case b"u":
                return tuple(self.items(depth))
            case b"S":
                return set(self.items(depth))
            case b"Z":
                return frozenset(self.items(depth))
            case b"m":
                return self.mapping(depth)
            case b"r":
                return collections.OrderedDict(self.mapping(depth))
            case b"c":
                return collections.Counter(self.mapping(depth))
            case b"f":
                return collections.defaultdict(self.factory(self.text(), depth), self.mapping(depth))
            case b"q":
                most = self.value(depth + 1)
                return collections.deque(self.value(depth + 1), most)
            case b"D":
                return decimal.Decimal(self.text())
            case b"p":
                return datetime.timedelta(*self.items(depth))
            case b"e":
                return datetime.date.fromisoformat(self.text())
            case b"t" | b"w":
                kind = datetime.time if tag == b"t" else datetime.datetime
                made = kind.fromisoformat(self.text())
                zone = self.zone(depth)
                return made.replace(tzinfo=zone, fold=int(self.take(1) == b"T"))
            case b"a" | b"g":
                return self.numpy(tag)
            case b"k":
                return self.pyflink(self.text(), depth)
            case b"o" | b"O":
                return self.object(self.text(), depth, tag == b"o")
        raise StateError("the bytes are no accumulator")

    def mapping(self, depth):
        parts = self.items(depth)
        return dict(zip(parts[::2], parts[1::2], strict=True))

    def factory(self, name, depth):
        if name != _OTHER:
            return _FACTORIES[name]
        fresh = self.like() if self.like is not None and depth == 0 else None
        if isinstance(fresh, collections.defaultdict):
            return fresh.default_factory
        raise StateError(
            "a defaultdict within an accumulator, whose missing values a function of the file makes, cannot be put back: "
            "use a type (defaultdict(list)), or let the accumulator be the defaultdict"
        )

    def zone(self, depth):
        found = self.value(depth + 1)
        if found is None:
            return None
        if isinstance(found, datetime.timedelta):
            return datetime.timezone(found)
        if isinstance(found, tuple):
            return datetime.timezone(*found)
        return datetime.timezone.utc if found == 0 else types.time_zone(found)

    def pyflink(self, name, depth):
        from pyflink import table

        kind = getattr(table, name) if name in ("Row", "ListView", "MapView") else None
        if kind is None:
            raise StateError("the bytes are no accumulator")
        return kind.__vivarium_restore__(self.value(depth + 1))

    def numpy(self, tag):
        import numpy as np

        dtype = np.dtype(self.text())
        if dtype.hasobject:
            raise StateError("the bytes of an accumulator hold an array of objects")
        shape = tuple(struct.unpack("<q", self.take(8))[0] for _ in range(min(self.size(), 64)))
        count = 1
        for length in shape:
            count *= max(length, 0)
        array = np.frombuffer(self.take(count * dtype.itemsize), dtype, count if dtype.itemsize else 0).reshape(shape).copy()
        return array[()] if tag == b"g" else array

    def object(self, name, depth, plain):
        kind = (self.module or {}).get(name, types.MonthDayNano if name == "MonthDayNano" else None)
        fields = self.value(depth + 1)
        attributes = {} if plain else self.value(depth + 1)
        if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
            made = tuple.__new__(kind, fields)
        elif isinstance(kind, type) and dataclasses.is_dataclass(kind):
            made = object.__new__(kind)
            if plain:
                attributes = dict(zip((field.name for field in dataclasses.fields(kind)), fields, strict=True))
        else:
            made = None
        if made is not None and isinstance(attributes, dict):
            for attribute, value in attributes.items():
                object.__setattr__(made, attribute, value)
            return made
        raise StateError(f"the bytes of an accumulator hold a {name[:100]}, which the function's file does not have")


def _namespace(holder):
    module = sys.modules.get(getattr(holder, "__module__", None))
    return None if module is None else vars(module)


def dumps(value, holder=None):
    """The bytes of a value; `holder` is the class whose module's classes are known."""
    writer = _Writer(_namespace(holder))
    writer.value(value)
    return b"".join(writer.parts)


def loads(data, holder=None, like=None):
    """The value of bytes; StateError when they are none. `like`, a callable, makes a new accumulator of the function."""
    if data[:1] != VERSION:
        raise StateError("the bytes are no accumulator of this version")
    reader = _Reader(data, _namespace(holder), like)
    reader.at = 1
    try:
        value = reader.value()
    except StateError:
        raise
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, ArithmeticError, struct.error) as error:
        raise StateError(f"the bytes are no accumulator: {error}") from None
    if reader.at != len(data):
        raise StateError("there is more behind the bytes of an accumulator")
    return value
