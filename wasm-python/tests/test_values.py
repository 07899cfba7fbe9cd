"""Values of every type, in and out of Python: pyarrow is the oracle in both directions."""

import datetime
import decimal
import sys

import hypothesis
import hypothesis.strategies as st
import pyarrow as pa
import pytest

import native_guest
from test_types import TYPES

SOURCE = """
from vivarium import udf

{function}
"""


def echo(guest, type):
    """Loads `echo`, which returns its argument, and `seen`, which keeps what it gets in `values`."""
    spelled = str(type)
    guest.load(
        SOURCE.format(
            function=f"""
values = []

@udf(input_types=[{spelled!r}], result_type={spelled!r}, null_handling="call")
def echo(value):
    values.append(value)
    return value
"""
        ),
        "echo.py",
    )


def seen():
    import sys

    return sys.modules["echo"].values


def temporal(unit):
    return {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]


def values_of(type):
    """Values of a pyarrow type that Python can hold, as pyarrow scalars understand them."""
    is_ = pa.types
    if is_.is_null(type):
        return st.none()
    if is_.is_boolean(type):
        return st.booleans()
    if is_.is_integer(type):
        bits = type.bit_width
        return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_.is_signed_integer(type) else st.integers(0, 2**bits - 1)
    if is_.is_floating(type):
        return st.floats(width=type.bit_width, allow_nan=False)
    if is_.is_string(type) or is_.is_large_string(type):
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    if is_.is_fixed_size_binary(type):
        return st.binary(min_size=type.byte_width, max_size=type.byte_width)
    if is_.is_binary(type) or is_.is_large_binary(type):
        return st.binary(max_size=12)
    if is_.is_date(type):
        return st.dates()
    if is_.is_time(type):
        step = max(10**6 // temporal(type.unit), 1)
        return st.times().map(lambda t: t.replace(microsecond=t.microsecond // step * step))
    if is_.is_timestamp(type):
        step = max(10**6 // temporal(type.unit), 1)
        low, high = datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29)
        if type.unit == "ns":
            low, high = datetime.datetime(1678, 1, 1), datetime.datetime(2262, 1, 1)
        stamps = st.datetimes(low, high).map(lambda t: t.replace(microsecond=t.microsecond // step * step))
        return stamps if type.tz is None else stamps.map(lambda t: t.replace(tzinfo=datetime.timezone.utc))
    if is_.is_duration(type):
        step = max(10**6 // temporal(type.unit), 1)
        limit = datetime.timedelta(days=100_000)
        return st.timedeltas(-limit, limit).map(lambda d: d - datetime.timedelta(microseconds=d.microseconds % step))
    if is_.is_interval(type):
        small = st.integers(-(2**31), 2**31 - 1)
        return st.builds(pa.MonthDayNano, st.tuples(small, small, st.integers(-(2**63), 2**63 - 1)))
    if is_.is_decimal(type):
        digits = st.integers(-(10**type.precision) + 1, 10**type.precision - 1)
        return digits.map(lambda n: decimal.Decimal((n < 0, tuple(map(int, str(abs(n)))), -type.scale)))
    if is_.is_list(type) or is_.is_large_list(type):
        return st.lists(maybe(type.value_field), max_size=4)
    if is_.is_fixed_size_list(type):
        return st.lists(maybe(type.value_field), min_size=type.list_size, max_size=type.list_size)
    if is_.is_struct(type):
        return st.fixed_dictionaries({field.name: maybe(field) for field in type})
    if is_.is_map(type):
        # By what Python takes for the same key: 0.0 and -0.0 are one, and no NaN is another.
        return st.lists(st.tuples(values_of(type.key_type), maybe(type.item_field)), max_size=3, unique_by=lambda pair: repr(pair[0] or 0))
    raise AssertionError(type)


def maybe(field):
    return st.none() | values_of(field.type) if field.nullable else values_of(field.type)


def hashable(type):
    return not pa.types.is_nested(type) and all(hashable(type.field(i).type) for i in range(type.num_fields))


def convertible(type):
    """Whether pyarrow itself can make arrays of the type from Python, and a Python dict can have its keys."""
    if pa.types.is_map(type) and (not hashable(type.key_type) or pa.types.is_null(type.key_type)):
        return False
    if pa.types.is_decimal(type) and type.scale < 0:
        return False
    if pa.types.is_fixed_size_list(type) and type.list_size == 0:
        return False
    return all(convertible(type.field(i).type) for i in range(type.num_fields))


@hypothesis.given(TYPES.filter(convertible).flatmap(lambda t: st.tuples(st.just(t), st.lists(st.none() | values_of(t), max_size=9))))
@hypothesis.settings(max_examples=300, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_a_value_comes_back_as_it_went_in(guest, typed):
    type, values = typed
    decimal.getcontext().prec = 100  # pyarrow's conversions use the context; the guest's do not
    array = pa.array(values, type)
    echo(guest, type)
    assert guest.call("echo", array, type=type).equals(array)


SEEN = [
    (pa.bool_(), [True, False]),
    (pa.int64(), [-(2**63), 0, 2**63 - 1]),
    (pa.uint64(), [2**64 - 1]),
    (pa.float16(), [1.5, float("inf")]),
    (pa.string(), ["", "a", "ascii", "ünïcödé", "漢字", "🐍"]),
    (pa.large_string(), ["é"]),
    (pa.binary(), [b"", b"\x00\xff"]),
    (pa.binary(3), [b"abc"]),
    (pa.date32(), [datetime.date(1, 1, 1), datetime.date(1969, 12, 31), datetime.date(2000, 2, 29), datetime.date(9999, 12, 31)]),
    (pa.date64(), [datetime.date(1960, 2, 29)]),
    (pa.time32("ms"), [datetime.time(23, 59, 59, 999000)]),
    (pa.time64("us"), [datetime.time(0, 0, 0, 1)]),
    (pa.timestamp("us"), [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), datetime.datetime(2038, 1, 19, 3, 14, 8)]),
    (pa.timestamp("s"), [datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59)]),
    (pa.timestamp("ns"), [datetime.datetime(1899, 12, 31, 0, 0, 0, 1)]),
    (pa.duration("us"), [datetime.timedelta(days=-1, microseconds=1)]),
    (pa.decimal128(38, 2), [decimal.Decimal("-1.50"), decimal.Decimal("0.00"), decimal.Decimal("9" * 36 + ".99")]),
    (pa.decimal256(76, 0), [decimal.Decimal(10**75), decimal.Decimal(-(10**75))]),
    (pa.list_(pa.int8()), [[], [1, None, 3]]),
    (pa.struct([("a", pa.int8()), ("b", pa.string())]), [{"a": 1, "b": None}]),
    (pa.map_(pa.string(), pa.int8()), [{"a": 1, "b": None}, {}]),
]


@pytest.mark.parametrize("type, values", SEEN, ids=lambda item: str(item) if isinstance(item, pa.DataType) else "")
def test_what_python_sees(guest, type, values):
    echo(guest, type)
    items = [list(value.items()) if pa.types.is_map(type) else value for value in values]
    guest.call("echo", pa.array([None, *items], type), type=type)
    assert seen() == [None, *values]
    assert [str(value) for value in seen()] == [str(value) for value in [None, *values]]


@pytest.mark.parametrize("zone", ["UTC", "+05:30", "-00:15", "Europe/Berlin", "America/New_York"])
def test_a_time_zone_gives_aware_datetimes_of_the_same_instant(guest, zone):
    type = pa.timestamp("us", zone)
    micros = [0, -1, 1_700_000_000_123_456, 1_729_989_000_000_000, 1_729_992_600_000_000]
    echo(guest, type)
    array = pa.array(micros, pa.int64()).cast(type)
    assert guest.call("echo", array, type=type).equals(array)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    assert [(value - epoch) // datetime.timedelta(microseconds=1) for value in seen()] == micros
    assert all(value.utcoffset() is not None for value in seen())
    if "/" in zone:
        assert str(seen()[0].tzinfo) == zone


@pytest.mark.parametrize(
    "type, stored, complaint",
    [
        (pa.date32(), 2_932_897, "its year is outside 1 to 9999"),
        (pa.date32(), -719_163, "its year is outside 1 to 9999"),
        (pa.timestamp("s"), 2**62, "its year is outside 1 to 9999"),
        (pa.timestamp("us", "Europe/Berlin"), 253_402_300_799_000_000, "its year is outside 1 to 9999"),
        (pa.timestamp("ns"), 1, "datetime has no nanoseconds"),
        (pa.time64("ns"), 1001, "datetime.time has no nanoseconds"),
        (pa.duration("ns"), -1, "timedelta has no nanoseconds"),
        (pa.duration("s"), 2**62, "longer than timedelta's"),
    ],
    ids=str,
)
def test_a_value_python_cannot_hold_is_an_error_that_names_row_and_value(guest, error, type, stored, complaint):
    echo(guest, type)
    integers = pa.int32() if type.bit_width == 32 else pa.int64()
    failed = error("echo", pa.array([None, stored], integers).cast(type) if type != pa.date32() else pa.array([None, stored], integers).view(type))
    assert (failed["kind"], failed["row"], failed["type"]) == ("argument", 1, None)
    assert str(stored) in failed["message"] and complaint in failed["message"] and "argument 'value'" in failed["message"]


def test_a_batch_may_be_empty_all_null_or_sliced(guest):
    echo(guest, pa.string())
    assert guest.call("echo", pa.array([], pa.string())).to_pylist() == []
    assert guest.call("echo", pa.array([None, None], pa.string())).to_pylist() == [None, None]
    assert guest.call("echo", pa.array(["a", "b", "c", "d"])[1:3]).to_pylist() == ["b", "c"]


def test_a_struct_is_what_its_annotation_says(guest):
    guest.load(
        """
import dataclasses
import typing
from vivarium import udf

@dataclasses.dataclass
class Point:
    x: int
    y: typing.Optional[float]

class Pair(typing.NamedTuple):
    left: Point
    right: list[Point]

@udf
def swap(pair: Pair) -> Pair:
    assert isinstance(pair, Pair) and isinstance(pair.left, Point) and all(isinstance(p, Point) for p in pair.right)
    return Pair(pair.right[0], [pair.left])

@udf
def as_dict(point: Point) -> Point:
    return {"x": point.x + 1, "y": point.y}

@udf
def as_tuple(point: Point) -> Point:
    return point.x, 2.0
""",
        "structs.py",
    )
    point = pa.struct([("x", pa.int64()), ("y", pa.float64())])
    pairs = pa.struct([("left", point), ("right", pa.list_(point))])
    column = pa.array([{"left": {"x": 1, "y": None}, "right": [{"x": 2, "y": 0.5}]}, None], pairs)
    assert guest.call("swap", column).to_pylist() == [{"left": {"x": 2, "y": 0.5}, "right": [{"x": 1, "y": None}]}, None]
    points = pa.array([{"x": 1, "y": 2.5}], point)
    assert guest.call("as_dict", points).to_pylist() == [{"x": 2, "y": 2.5}]
    assert guest.call("as_tuple", points).to_pylist() == [{"x": 1, "y": 2.0}]


def test_a_map_with_a_key_twice_has_no_dict(guest, error):
    type = pa.map_(pa.string(), pa.int8())
    echo(guest, type)
    failed = error("echo", pa.array([[("a", 1), ("a", 2)]], type))
    assert failed["kind"] == "argument" and "occurs twice" in failed["message"]
    assert native_guest.pa_type("map<string, int8>") == type


NUMBERS = st.one_of(st.none(), st.integers(-300, 300), st.integers(-(2**31), 2**31), st.integers(-(2**63), 2**63 - 2))
AMOUNTS = st.one_of(st.none(), st.floats(allow_nan=False))


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(st.tuples(NUMBERS, AMOUNTS, st.integers(0, 3)), min_size=1, max_size=40))
def test_what_a_function_keeps_stays_as_it_was(guest, rows):
    """The objects of numbers that nobody kept are used again for the next row; those that somebody kept are not touched."""
    guest.load(
        SOURCE.format(
            function="""
import sys
from typing import Optional

kept = sys.kept = []

def once(value):
    yield value

@udf
def keeps(number: Optional[int], amount: Optional[float], how: int) -> Optional[int]:
    if how == 1:
        kept.append((number, amount))
    elif how == 2:
        kept.append((lambda: number, once(amount)))
    elif how == 3 and number is not None:
        return number + 1
    return number
"""
        ),
        "keeps.py",
    )
    types = [pa.int64(), pa.float64(), pa.int64()]
    columns = [pa.array(list(values), type) for values, type in zip(zip(*rows), types, strict=True)]
    result = guest.call("keeps", *columns)
    assert result.to_pylist() == [number + 1 if how == 3 and number is not None else number for number, _, how in rows]
    found = [(number() if callable(number) else number, next(amount) if hasattr(amount, "send") else amount) for number, amount in sys.kept]
    assert found == [(number, amount) for number, amount, how in rows if how in (1, 2)]
