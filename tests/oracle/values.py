"""Values of Arrow arrays as Python objects that are equal when the values are, whatever the unit, width or encoding of their type."""

import math
import struct
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
DAY = 86_400 * NANOSECONDS["s"]


def of(array: pa.Array | pa.ChunkedArray) -> list:
    """The values of an array; NULL is None.

    Numbers are ints, floats by their bits and Decimals; times are counted in nanoseconds, with a word that says of what, so that no date equals
    a number and no moment a time without a zone."""
    if isinstance(array, pa.ChunkedArray):
        return [value for chunk in array.chunks for value in of(chunk)]
    kind = array.type
    if pt.is_dictionary(kind):
        return of(array.dictionary_decode())
    if pt.is_run_end_encoded(kind):
        return of(pc.run_end_decode(array))
    if isinstance(array, pa.ExtensionArray):
        return of(array.storage)
    if pt.is_floating(kind):
        return [None if value is None else real(value) for value in array.to_pylist()]
    if pt.is_date(kind) or pt.is_time(kind) or pt.is_timestamp(kind) or pt.is_duration(kind):
        word, unit = _counted(kind)
        integers = array.view(pa.int64() if kind.bit_width == 64 else pa.int32()).to_pylist()
        return [None if value is None else (word, value * unit) for value in integers]
    if pt.is_map(kind):
        return [None if not item.is_valid else ("map", *zip(of(item.values.field(0)), of(item.values.field(1)), strict=True)) for item in array]
    if pt.is_nested(kind) and not pt.is_struct(kind):
        return [None if not item.is_valid else ("list", *of(item.values)) for item in array]
    if pt.is_struct(kind):
        names = [kind.field(index).name for index in range(kind.num_fields)]
        columns = [of(array.field(index)) for index in range(kind.num_fields)]
        valid = array.is_valid().to_pylist()
        return [record(names, [column[row] for column in columns]) if valid[row] else None for row in range(len(array))]
    return [tuple(value) if kind == pa.month_day_nano_interval() and value is not None else value for value in array.to_pylist()]


def record(names: list[str], items: list) -> tuple:
    """A struct: its fields count by their names."""
    return ("struct", *sorted(zip(names, items, strict=True)))


def real(number: float) -> tuple:
    """A float by its bits. There is one NaN."""
    return ("float", "nan" if math.isnan(number) else struct.pack(">d", number))


def moment(days: int, nanoseconds: int, zoned: bool) -> tuple:
    """A time stamp."""
    return ("moment" if zoned else "time stamp", days * DAY + nanoseconds)


def _counted(kind: pa.DataType) -> tuple[str, int]:
    """What a type of times counts, and in how many nanoseconds."""
    if pt.is_date32(kind):
        return "date", DAY
    if pt.is_date64(kind):
        return "date", NANOSECONDS["ms"]
    if pt.is_timestamp(kind):
        return "moment" if kind.tz is not None else "time stamp", NANOSECONDS[kind.unit]
    return "time of day" if pt.is_time(kind) else "duration", NANOSECONDS[kind.unit]


def same(found: object, expected: object) -> bool:
    """Whether two values are equal; True is no 1, and a whole float no int."""
    if isinstance(found, tuple) and isinstance(expected, tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, Decimal | Fraction) and isinstance(expected, Decimal | Fraction):
        return Fraction(found) == Fraction(expected)
    return type(found) is type(expected) and found == expected


def difference(found: list, expected: list) -> str | None:
    """The first row in which two columns differ, as a sentence."""
    if len(found) != len(expected):
        return f"{len(found)} rows, not {len(expected)}"
    for row, (one, other) in enumerate(zip(found, expected, strict=True)):
        if not same(one, other):
            return f"row {row} is {shown(one)}, not {shown(other)}"
    return None


def shown(value: object) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) < 300 else text[:300] + "..."
