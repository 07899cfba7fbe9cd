"""Rows with an argument that cannot be read: each policy, in each kind of function, does with them what it does with a row whose call fails."""

import datetime

import pyarrow as pa
import pytest

import native_guest

# Year 10000, which datetime has not; a map with a key that occurs twice; and rows that can be read around them.
BAD_TIME = pa.array([0, 253402300800, 86400, None, 253402300800], pa.timestamp("s"))
PAIRS = pa.map_(pa.string(), pa.int64())
BAD_MAP = pa.MapArray.from_arrays([0, 1, 3, 4, 4, 6], ["a", "b", "b", "c", "d", "d"], [1, 2, 3, 4, 5, 6]).cast(PAIRS)
# Keys that cannot be hashed.
LISTS = pa.map_(pa.list_(pa.int64()), pa.int64())
UNHASHABLE = pa.array([[], [([1], 2)], [], None, [([3], 4)]], LISTS)
POINTS = pa.array([{"x": 1}, {"x": -1}, {"x": 2}, None, {"x": -1}], pa.struct([("x", pa.int64())]))

SOURCE = """
import dataclasses
from typing import Iterator
from vivarium import udaf, udf, udtf

@dataclasses.dataclass
class Point:
    x: int
    def __post_init__(self):
        if self.x < 0:
            raise ValueError("negative")

TYPE = {type!r}
GIVEN = dict(input_types=[TYPE])

@udf(**GIVEN, result_type="int64")
def scalar(value: {annotation}):
    return 1

@udf(**GIVEN, result_type="int64")
async def awaited(value: {annotation}):
    return 1

@udf(**GIVEN, result_type="int64", vectorized=True)
def vectorized(values):
    return [1 for value in values]

@udf(**GIVEN, result_type="int64", vectorized=True, null_handling="call")
def masked(values):
    return [None if missing else 1 for missing in values.mask]

@udtf(**GIVEN, result_type="int64")
def table(value: {annotation}):
    yield 1

@udtf(**GIVEN, result_type="int64", vectorized="pandas")
def frames(values):
    return values.map(lambda value: 1).to_frame()

class Counting:
    def create_accumulator(self):
        return [0]
    def get_value(self, acc):
        return acc[0]
    def merge(self, acc, other):
        acc[0] += other[0]

@udaf(**GIVEN, result_type="int64")
class rows(Counting):
    def accumulate(self, acc, value: {annotation}):
        acc[0] += 1

@udaf(**GIVEN, result_type="int64", vectorized=True)
class arrays:
    def create_accumulator(self, groups):
        import numpy as np
        return np.zeros(groups, "i8")
    def accumulate(self, acc, groups, values):
        import numpy as np
        np.add.at(acc, groups, 1)
    def get_value(self, acc):
        return acc
    def merge(self, acc, groups, other):
        acc[groups] += other

@udaf(**GIVEN, result_type="int64", vectorized="pandas")
def whole(values):
    return len(values)
"""

COLUMNS = {
    "a year beyond 9999": (BAD_TIME, "object"),
    "a key that occurs twice": (BAD_MAP, "object"),
    "a key that cannot be hashed": (UNHASHABLE, "object"),
    "a constructor that raises": (POINTS, "Point"),
}


@pytest.fixture(params=COLUMNS)
def column(request, guest):
    array, annotation = COLUMNS[request.param]
    source = SOURCE.format(type=str(native_type(array.type)), annotation=annotation)
    if annotation == "Point":
        source = source.replace("GIVEN = dict(input_types=[TYPE])", "GIVEN = dict(input_types=[Point])")
    else:
        source = source.replace(": object", "")
    assert guest.load(source, "unreadable.py")["problems"] == []
    return array


def native_type(type):
    text = str(type)
    return text.replace("list<element", "list<item") if "map" in text else text


def fails(column, function):
    """Whether the function reads the column as objects: timestamps are arrays, and structs DataFrames."""
    if pa.types.is_struct(column.type):
        return function not in ("frames", "whole")
    return not (pa.types.is_timestamp(column.type) and function in ("vectorized", "masked", "frames", "arrays", "whole"))


@pytest.mark.parametrize("function", ["scalar", "awaited", "vectorized", "masked"])
@pytest.mark.parametrize("policy", ["null", "skip"])
def test_functions_of_one_value_go_on(guest, column, function, policy):
    if not fails(column, function):
        return
    handle, _ = guest.bind(function, [column.type], policy)
    array, reply = guest.invoke(handle, [column], pa.int64())
    guest.control(op="drop", handle=handle)
    readable = [1, None, 1, 1 if column[3].as_py() is not None else None, None]
    assert array.to_pylist() == readable
    assert (reply["rows"], reply["count"]) == ([1, 4], 2)
    assert [error["row"] for error in reply["row_errors"]] == [1, 4]
    assert [error["arguments"] for error in reply["row_errors"]] == [["?"]] * 2


@pytest.mark.parametrize("function", ["scalar", "awaited", "vectorized", "masked", "frames", "table"])
def test_the_policy_fail_names_the_row(guest, column, function):
    if not fails(column, function):
        return
    with pytest.raises(native_guest.GuestError) as caught:
        guest.table(function, column) if function in ("frames", "table") else guest.call(function, column)
    assert caught.value.error["row"] == 1


@pytest.mark.parametrize("function", ["table", "frames"])
@pytest.mark.parametrize("policy", ["null", "skip"])
def test_table_functions_go_on(guest, column, function, policy):
    if not fails(column, function):
        return
    found, errors, _ = guest.table(function, column, on_error=policy)
    fourth = [(3, 1)] if column[3].as_py() is not None else []
    failed = {"null": [(1, None), (4, None)], "skip": []}[policy]
    assert [(row, *values.values()) for row, values in found] == sorted([(0, 1), (2, 1), *fourth, *failed])
    assert [error["row"] for error in errors] == [1, 4]


@pytest.mark.parametrize("function", ["rows", "arrays", "whole"])
@pytest.mark.parametrize("policy", ["null", "skip"])
def test_a_group_with_such_a_row_has_no_value_or_goes_without_it(guest, column, function, policy):
    if not fails(column, function):
        return
    bound = guest.aggregate(function, [column.type], policy)
    other = guest.aggregate(function, [column.type], policy)
    assert bound.rows([0, 1, 1, 2, 0], column) == [1, 4]
    third = 1 if column[3].as_py() is not None else 0
    expected = [None, None] if policy == "null" else [1, 1]
    assert bound.values([0, 1]) == expected
    if third:
        assert bound.values([2]) == [1]
    # It stays so when it moves, and a group that is put back is whole again.
    other.merge([5, 6], bound.states([0, 1]))
    assert other.values([5, 6]) == expected
    bound.drop()
    other.drop()


def test_errors_of_reading_and_of_calls_come_in_the_order_of_rows(guest):
    guest.load(
        """
from vivarium import udf
@udf(input_types=["map<string, int64>", "int64"], result_type="int64", vectorized=True)
def f(maps, numbers):
    if (numbers == 7).any():
        raise ValueError("seven")
    return numbers
""",
        "ordered.py",
    )
    handle, _ = guest.bind("f", [PAIRS, pa.int64()], "null")
    array, reply = guest.invoke(handle, [BAD_MAP, pa.array([7, 1, 2, 7, 3])], pa.int64())
    assert array.to_pylist() == [None, None, 2, None, None]
    assert reply["rows"] == [0, 1, 3, 4]
    assert [(error["row"], error["kind"]) for error in reply["row_errors"]] == [
        (0, "exception"), (1, "argument"), (3, "exception"), (4, "argument")
    ]  # fmt: skip


def test_only_a_hundred_are_described(guest):
    guest.load(
        "from vivarium import udf\n@udf(input_types=['time64[ns]'], result_type='int64', vectorized=True)\ndef f(x): return [1] * len(x)\n",
        "many.py",
    )
    handle, _ = guest.bind("f", [pa.time64("ns")], "null")
    array, reply = guest.invoke(handle, [pa.array([1, 1000] * 150, pa.time64("ns"))], pa.int64())
    assert array.to_pylist() == [None, 1] * 150
    assert (reply["count"], len(reply["row_errors"]), len(reply["rows"])) == (150, 100, 150)


@pytest.mark.parametrize("nulls", ["a row that is left out", "below a NULL"])
def test_what_is_not_computed_is_not_read(guest, nulls):
    """Neither another column's NULL nor a NULL above leaves a value that anyone looks at."""
    guest.load(
        """
from vivarium import udf
@udf(vectorized=True, input_types=["time64[ns]", "int64"], result_type="int64")
def f(times, numbers):
    return numbers
@udf(vectorized="pandas", input_types=["struct<t: time64[ns]>"], result_type="int64", null_handling="call")
def g(frame):
    return frame["t"].isna().astype("int64")
""",
        "unread.py",
    )
    bad = pa.array([1000, 1], pa.time64("ns"))
    if nulls == "below a NULL":
        frame = pa.StructArray.from_arrays([bad], fields=[pa.field("t", bad.type)], mask=pa.array([False, True]))
        assert guest.call("g", frame).to_pylist() == [0, 1]
    else:
        assert guest.call("f", bad, pa.array([5, None])).to_pylist() == [5, None]


@pytest.mark.parametrize("what, kind", [("SystemExit(3)", "exit"), ("MemoryError()", "memory")])
def test_what_ends_the_call_ends_it_also_while_reading_and_describing(guest, error, what, kind):
    guest.load(
        f"""
import dataclasses
@dataclasses.dataclass
class Reading:
    x: int
    def __post_init__(self):
        if self.x < 0:
            raise {what}

@dataclasses.dataclass
class Shown:
    x: int
    def __repr__(self):
        raise {what}

def reading(point: Reading) -> int:
    return 1
def shown(point: Shown) -> int:
    return 1 // point.x
""",
        "ends.py",
    )
    points = pa.array([{"x": 0}, {"x": -1}], pa.struct([("x", pa.int64())]))
    for function in ("reading", "shown"):
        assert error(function, points, on_error="null")["kind"] == kind


def test_a_row_is_given_to_the_function_as_it_is_described(guest):
    guest.load("def f(day: str, when) -> int:\n    raise ValueError(day)\n", "described.py")
    handle, _ = guest.bind("f", [pa.string(), pa.date32()], "null")
    _, reply = guest.invoke(handle, [pa.array(["a"]), pa.array([datetime.date(2026, 1, 2)])], pa.int64())
    assert reply["row_errors"][0]["arguments"] == ["'a'", "datetime.date(2026, 1, 2)"]
