"""Columns of what other libraries export by the Arrow PyCapsule interface: `vivarium.arrow.Column.from_arrow`."""

import re

import numpy as np

import _vivarium
from vivarium import arrow
from vivarium.types import _FORMATS, DataType, Field

_TYPES = {format: id for id, format in _FORMATS.items()}
_UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}
_PARAMETERS = re.compile(r"(?:d:(?P<precision>\d+),(?P<scale>-?\d+)(?:,(?P<bits>\d+))?|w:(?P<bytes>\d+)|\+w:(?P<items>\d+))")

# imports.c: what stands in an array's buffers behind the validity.
_NOTHING, _BITS, _FIXED, _OFFSETS32, _OFFSETS64, _TEXT32, _TEXT64 = range(7)


def column(exported):
    """The Column of an object with `__arrow_c_array__`."""
    method = getattr(exported, "__arrow_c_array__", None)
    if method is None:
        raise TypeError(f"{type(exported).__name__} has no __arrow_c_array__: a Column is made of what exports one Arrow array")
    schema, array = method()
    shape = _Shape(_vivarium.import_schema(schema))
    return shape.column(*_vivarium.import_array(shape.layout, array))


class _Shape:
    """A type as a producer lays it out. Of a dictionary-encoded column `type` is that of its values."""

    def __init__(self, description):
        format, self.name, self.nullable, children, dictionary = description
        self.children = [_Shape(child) for child in children]
        self.stored = _type(format, self.children)
        self.dictionary = None if dictionary is None else _Shape(dictionary)
        self.type = self.stored if self.dictionary is None else self.dictionary.type
        self.layout = (
            *_layout(self.stored),
            tuple(child.layout for child in self.children),
            None if self.dictionary is None else self.dictionary.layout,
        )

    def column(self, offset, rows, validity, values, data, children, dictionary):
        """The Column of an array's buffers, of which the first `offset` rows are not part."""
        made = arrow._column(self.stored, rows, validity, values, data, ())
        children = [shape.column(*child) for shape, child in zip(self.children, children)]
        made = _with_children(made, children)
        if offset:
            made = made[offset:]
        return made if dictionary is None else _decoded(made, self.dictionary.column(*dictionary))


def _with_children(column, children):
    """The column with its children, and offsets that begin at 0, as everything in `vivarium.arrow` expects."""
    offsets, data = column.offsets, column.data
    if offsets is not None:
        begin, end = int(offsets[0]), int(offsets[-1])
        offsets = offsets - offsets[0] if begin else offsets
        data = None if data is None else data[begin:end]
    elif column.type.id == "fixed_size_list":
        begin, end = 0, column.length * column.type.size
    else:
        begin, end = 0, column.length
    children = tuple(child if (begin, end) == (0, len(child)) else child[begin:end] for child in children)
    return arrow.Column._made(column.type, column.length, column.validity, column.values, offsets, data, children)


def _decoded(indices, values):
    """The values that indices into a dictionary stand for."""
    valid = indices.valid()
    if not valid.any():
        if len(values) == 0:
            raise ValueError(f"a dictionary without values cannot stand for a column of {values.type}")
        return values[np.zeros(len(indices), "i8")].with_valid(valid)
    positions = np.where(valid, indices.numpy().astype("i8"), 0)
    if (positions < 0).any() or (positions >= len(values)).any():
        raise ValueError("an index is outside of its dictionary")
    taken = values[positions]
    return taken if valid.all() else taken.with_valid(valid)


def _type(format, children):
    """The type that a format string of the Arrow C Data Interface stands for."""
    fields = tuple(Field(child.name, child.type, child.nullable) for child in children)
    if format == "+m":
        return DataType("map", fields=fields[0].type.fields if fields else ())
    if format in _TYPES:
        return DataType(_TYPES[format], fields=fields)
    if format[:2] in ("tt", "tD") and format[2:] in _UNITS:
        unit = _UNITS[format[2:]]
        return DataType("duration" if format[1] == "D" else "time32" if unit in ("s", "ms") else "time64", unit=unit)
    if format[:2] == "ts" and format[2:3] in _UNITS and format[3:4] == ":":
        return DataType("timestamp", unit=_UNITS[format[2]], timezone=format[4:] or None)
    found = _PARAMETERS.fullmatch(format)
    if found is None or found["bits"] not in (None, "128", "256"):
        raise TypeError(f"a column of Arrow's format {format!r} is not supported here: cast it to another type before")
    if found["bytes"] is not None:
        return DataType("fixed_size_binary", size=int(found["bytes"]))
    if found["items"] is not None:
        return DataType("fixed_size_list", size=int(found["items"]), fields=fields)
    return DataType(f"decimal{found['bits'] or 128}", precision=int(found["precision"]), scale=int(found["scale"]))


_WIDTHS = {
    "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "halffloat": 2, "int32": 4, "uint32": 4, "float": 4, "date32": 4, "time32": 4,
    "int64": 8, "uint64": 8, "double": 8, "date64": 8, "time64": 8, "timestamp": 8, "duration": 8,
    "decimal128": 16, "month_day_nano_interval": 16, "decimal256": 32,
}  # fmt: skip


def _layout(type):
    match type.id:
        case "null" | "struct" | "fixed_size_list":
            return _NOTHING, 0
        case "bool":
            return _BITS, 0
        case "string" | "binary":
            return _TEXT32, 0
        case "large_string" | "large_binary":
            return _TEXT64, 0
        case "list" | "map":
            return _OFFSETS32, 0
        case "large_list":
            return _OFFSETS64, 0
        case "fixed_size_binary":
            return _FIXED, type.size
    return _FIXED, _WIDTHS[type.id]
