"""Columns as values: the kernel that loads each type, and what the values of a result's type are."""

from vivarium._lift.values import (
    BOOL,
    BYTES,
    CLOCK,
    DATE,
    FLOAT,
    NUMBER,
    SPAN,
    STAMP,
    TEXT,
    ZONED,
    Deopt,
    NotLifted,
    Reg,
    decimal_type,
)
from vivarium.types import time_zone

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

_LOADS = {name: ("load_" + name, NUMBER) for name in _INTEGERS} | {
    "float16": ("load_float16", FLOAT),
    "float": ("load_float32", FLOAT),
    "double": ("load_float64", FLOAT),
    "bool": ("load_bool", BOOL),
    "string": ("load_text", TEXT),
    "large_string": ("load_large_text", TEXT),
    "binary": ("load_text", BYTES),
    "large_binary": ("load_large_text", BYTES),
    "fixed_size_binary": ("load_fixed_bytes", BYTES),
    "date32": ("load_date32", DATE),
    "date64": ("load_date64", DATE),
    "time32": ("load_time", CLOCK),
    "time64": ("load_time", CLOCK),
    "duration": ("load_moment", SPAN),
}
"""By the name of a column's type: its kernel, and what its values are."""

_UTC = ("UTC", "Etc/UTC", "Z")
"""Names of what vivarium.types.time_zone gives datetime.timezone.utc for."""

MOST_PLACES = 255
_MOST_FIELDS = 126


def _kernel(type):
    """(kernel, what the values are) of a column; None when there is none."""
    if getattr(type, "constructor", None) is not None:  # the values that functions get are made by it
        return None
    name = getattr(type, "id", type)
    if name == "timestamp":
        return "load_moment", STAMP if type.timezone is None else ZONED
    if name == "decimal128":
        return "load_decimal", decimal_type(-type.scale)
    return _LOADS.get(name)


def is_struct(type):
    return getattr(type, "id", type) == "struct" and bool(getattr(type, "fields", ()))


def result_of(type):
    """What values of the result's type are; None when such results are the interpreter's."""
    name = getattr(type, "id", type)
    if name == "timestamp" and getattr(type, "constructor", None) is None:
        return STAMP if type.timezone is None else ZONED
    known = _kernel(type)
    return known[1] if known is not None and name != "fixed_size_binary" else None


class Inputs:
    def load(self, type, place, nullable):
        """The value of a column; place: the number of the argument, those of fields in the bytes above it (shim/columns.h)."""
        if is_struct(type):
            return self._load_struct(type, place, nullable)
        known = _kernel(type)
        if known is None:
            raise NotLifted(f"arguments of type {type}")
        kernel, t = known
        register = self.emit(kernel, t, extra=place)
        none = self.emit("load_null", BOOL, extra=place) if nullable else None
        if t == ZONED and type.timezone not in _UTC:
            return self._load_abroad(type, Reg(t, register, none=none))
        return Reg(t, register, none=none)

    def _load_abroad(self, type, v):
        """A column with a zone other than UTC."""
        try:
            return self.abroad(v, time_zone(type.timezone), -1 if v.none is None else self.emit("bool_not", BOOL, v.none))
        except Deopt as deopt:
            raise NotLifted(str(deopt)) from None

    def _load_struct(self, type, place, nullable):
        """All of its fields: the interpreter reads them too, and one of them may have no object."""
        shift = 8 * (1 + (place > 0xFF) + (place > 0xFFFF))
        names = [field.name for field in type.fields]
        if type.constructor is not None or place > 0xFFFFFF or len(names) > _MOST_FIELDS or len(set(names)) != len(names):
            raise NotLifted(f"arguments of type {type}")
        values = [self.load(field.type, place | k + 1 << shift, True) for k, field in enumerate(type.fields)]
        return self.record(names, values, Reg(BOOL, self.emit("load_null", BOOL, extra=place)) if nullable else None)
