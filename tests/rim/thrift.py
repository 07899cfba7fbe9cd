"""Thrift's compact protocol, as far as Parquet's metadata needs it: any struct as a tree, read, changed and written again.

A struct is a list of `[field, type, value]`; a list is `List(element type, values)`; numbers are int, strings bytes, booleans bool.
"""

import struct
from dataclasses import dataclass, field

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
INTEGERS = (I16, I32, I64)


@dataclass
class List:
    element: int
    values: list = field(default_factory=list)


class Reader:
    """Reads one struct from `data`, from `place` on; `place` is behind it afterwards."""

    def __init__(self, data: bytes, place: int = 0):
        self.data, self.place = data, place

    def _byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def _value(self, kind: int):
        if kind in (TRUE, FALSE):
            return self._byte() == TRUE
        if kind == BYTE:
            return self._byte()
        if kind in INTEGERS:
            number = self._varint()
            return (number >> 1) ^ -(number & 1)
        if kind == DOUBLE:
            self.place += 8
            return struct.unpack_from("<d", self.data, self.place - 8)[0]
        if kind == BINARY:
            size = self._varint()
            self.place += size
            return self.data[self.place - size : self.place]
        if kind in (LIST, SET):
            head = self._byte()
            size = head >> 4 if head >> 4 != 15 else self._varint()
            return List(head & 15, [self._value(head & 15) for _ in range(size)])
        if kind == STRUCT:
            return self.struct()
        raise ValueError(f"type {kind} at {self.place}")

    def struct(self) -> list:
        fields, number = [], 0
        while head := self._byte():
            kind = head & 15
            if head >> 4:
                number += head >> 4
            else:
                encoded = self._varint()
                number = (encoded >> 1) ^ -(encoded & 1)
            fields.append([number, kind, kind == TRUE if kind in (TRUE, FALSE) else self._value(kind)])
        return fields


def _varint(value: int, out: bytearray) -> None:
    value &= (1 << 64) - 1
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _write(kind: int, value, out: bytearray) -> None:
    if kind in (TRUE, FALSE):
        out.append(TRUE if value else FALSE)
    elif kind == BYTE:
        out.append(value & 0xFF)
    elif kind in INTEGERS:
        _varint((value << 1) ^ (value >> 63), out)
    elif kind == DOUBLE:
        out += struct.pack("<d", value)
    elif kind == BINARY:
        _varint(len(value), out)
        out += value
    elif kind in (LIST, SET):
        size = len(value.values)
        out.append(min(size, 15) << 4 | value.element)
        if size >= 15:
            _varint(size, out)
        for each in value.values:
            _write(value.element, each, out)
    elif kind == STRUCT and isinstance(value, bytes):
        out += value  # Encoded already.
    elif kind == STRUCT:
        previous = 0
        for number, each_kind, each in value:
            if each_kind in (TRUE, FALSE):
                each_kind = TRUE if each else FALSE
            if 0 < number - previous < 16:
                out.append((number - previous) << 4 | each_kind)
            else:
                out.append(each_kind)
                _varint((number << 1) ^ (number >> 15), out)
            previous = number
            if each_kind not in (TRUE, FALSE):
                _write(each_kind, each, out)
        out.append(0)


def encode(value: list) -> bytes:
    """The bytes of a struct."""
    out = bytearray()
    _write(STRUCT, value, out)
    return bytes(out)


def get(value: list, number: int):
    """A field's value, or None."""
    return next((each for found, _, each in value if found == number), None)


def put(value: list, number: int, new) -> None:
    """Changes a field that is there."""
    for each in value:
        if each[0] == number:
            each[2] = new


def leaves(value, kind: int = STRUCT, path: tuple = ()) -> list:
    """All (path, holder, index, type) of integers and strings below: `holder[index]` is the value."""
    found = []
    children = (
        [(each, 2, each[1], (*path, each[0])) for each in value]
        if kind == STRUCT
        else [(value.values, index, value.element, path) for index in range(len(value.values))]
    )
    for holder, index, child, name in children:
        if child in (STRUCT, LIST, SET):
            found += leaves(holder[index], child, name)
        elif child in INTEGERS or child in (BINARY, BYTE):
            found.append((name, holder, index, child))
    return found
