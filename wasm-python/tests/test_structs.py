"""Structs as classes: how arguments become their objects, and how objects become results."""

import pyarrow as pa
import pytest

import native_guest

SOURCE = """
import collections
import dataclasses
from typing import NamedTuple, NotRequired, TypedDict
from vivarium import udf

@dataclasses.dataclass(kw_only=True)
class Named:
    a: int
    b: str

@dataclasses.dataclass
class Mixed:
    a: int = dataclasses.field(kw_only=True)
    b: str

class Swapped(NamedTuple):
    b: str
    a: int

class Other(NamedTuple):
    x: int
    y: str

class Partial(NamedTuple):
    a: int
    c: str

class Loose(TypedDict):
    a: int
    b: NotRequired[str]

class Total(TypedDict, total=False):
    a: int
    b: str

TYPE = "struct<a: int64, b: string>"

@udf
def named(value: Named) -> str:
    return f"{value}"

@udf
def mixed(value: Mixed) -> str:
    return f"{value}"

@udf
def listed(values: list[Named]) -> str:
    return f"{values}"

@udf
def pair(value: tuple[int, str]) -> tuple[str, int]:
    assert type(value) is tuple
    return value[1], value[0]

@udf
def many(values: tuple[int, ...]) -> tuple[int, ...]:
    assert type(values) is tuple
    return values[::-1]

@udf(input_types=["int64"], result_type=TYPE)
def returned(which):
    return [Swapped("s", 1), Other(2, "o"), (3, "t"), Named(a=4, b="n"), Partial(5, "p")][which]

@udf
def loose(which: int) -> Loose:
    return [{"a": 1, "b": "x"}, {"a": 2}, {"b": "y"}, {"a": 3, "c": 1}][which]

@udf
def total(which: int) -> Total:
    return [{}, {"b": "x"}][which]
"""

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
STRUCT = pa.struct([("a", pa.int64()), ("b", pa.string())])


@pytest.fixture
def functions(guest):
    assert guest.load(SOURCE, "structs.py")["problems"] == []
    return guest


def test_dataclasses_whose_fields_are_given_by_name(functions):
    column = pa.array(ROWS, STRUCT)
    assert functions.call("named", column).to_pylist() == ["Named(a=1, b='x')", "Named(a=2, b=None)"]
    assert functions.call("mixed", column).to_pylist() == ["Mixed(a=1, b='x')", "Mixed(a=2, b=None)"]
    lists = functions.call("listed", pa.array([ROWS[:1]], pa.list_(STRUCT)))
    assert lists.to_pylist() == ["[Named(a=1, b='x')]"]


def test_tuples_of_fixed_types_are_structs_whose_names_mean_nothing(functions):
    column = pa.array([{"left": 1, "right": "x"}, {"left": None, "right": "y"}], pa.struct([("left", pa.int64()), ("right", pa.string())]))
    assert functions.call("pair", column).to_pylist() == [{"f0": "x", "f1": 1}, {"f0": "y", "f1": None}]
    # Narrower ints are ints too.
    narrow = pa.array([{"l": 1, "r": "x"}], pa.struct([("l", pa.int8()), ("r", pa.large_string())]))
    assert functions.call("pair", narrow).to_pylist() == [{"f0": "x", "f1": 1}]
    for wrong in (pa.array([{"l": "1", "r": "x"}]), pa.array([{"l": 1}]), pa.array([1])):
        with pytest.raises(native_guest.GuestError, match="takes struct<f0: int64, f1: string>, and its column is a"):
            functions.call("pair", wrong)


def test_tuples_of_any_length_are_lists(functions):
    assert functions.call("many", pa.array([[1, 2, 3], []], pa.list_(pa.int64()))).to_pylist() == [[3, 2, 1], []]


@pytest.mark.parametrize(
    "which, expected",
    [(0, {"a": 1, "b": "s"}), (1, {"a": 2, "b": "o"}), (2, {"a": 3, "b": "t"}), (3, {"a": 4, "b": "n"})],
    ids=["another order", "other names", "a plain tuple", "a dataclass"],
)
def test_names_decide_where_there_are_some(functions, which, expected):
    assert functions.call("returned", pa.array([which])).to_pylist() == [expected]


def test_a_named_tuple_with_some_of_the_names_is_refused(functions, error):
    assert "the field 'b' is missing" in error("returned", pa.array([4]))["message"]


def test_keys_that_a_dict_may_leave_out(functions, error):
    assert functions.call("loose", pa.array([0, 1])).to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert "the field 'a' is missing" in error("loose", pa.array([2]))["message"]
    assert "it has keys that are not fields" in error("loose", pa.array([3]))["message"]
    assert functions.call("total", pa.array([0, 1])).to_pylist() == [{"a": None, "b": None}, {"a": None, "b": "x"}]


@pytest.mark.parametrize(
    "body, message",
    [
        ("    a: int\n    seed: dataclasses.InitVar[int]", "a D cannot be made of its fields: missing a required argument: 'seed'"),
        ("    a: int\n    def __init__(self): pass", "a D cannot be made of its fields: too many positional arguments"),
    ],
)
def test_classes_that_are_not_made_of_their_fields(guest, body, message):
    source = f"import dataclasses\nfrom vivarium import udf\n@dataclasses.dataclass(init=True)\nclass D:\n{body}\n"
    problems = guest.load(source + "@udf\ndef f(x: D) -> int:\n    return 1\n@udf\ndef g(x: int) -> D:\n    return None\n", "made.py")["problems"]
    assert [(one["function"], message in one["message"]) for one in problems] == [("f", True)]


BELOW = ["null not null", "struct<n: null not null, m: int64 not null> not null", "list<item: int64> not null"]
BELOW += ["fixed_size_list<item: int64 not null>[3] not null", "bool not null", "string not null"]


@pytest.mark.parametrize("inner", BELOW)
def test_fields_without_nulls_below_a_null_struct(guest, inner):
    guest.load(
        f"""
from vivarium import udf
@udf(input_types=["int64"], result_type="list<item: struct<a: {inner}, b: int64 not null>>")
def f(x):
    return [None] * x
""",
        "below.py",
    )
    spelled = f"list<item: struct<a: {inner}, b: int64 not null>>".replace("null not null", "null")  # pyarrow has no other
    found = guest.call("f", pa.array([1, 0, 1000]), type=native_guest.pa_type(spelled))
    assert found.to_pylist() == [[None], [], [None] * 1000]
