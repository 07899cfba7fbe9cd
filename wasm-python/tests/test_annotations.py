"""What annotations stand for, and parameters whose annotation leaves the type to the column."""

import decimal

import pyarrow as pa
import pytest

import native_guest

SOURCE = """
import enum
from typing import Annotated, Any, Final, Literal, NewType, Optional, TypeVar
import numpy as np
import pandas as pd
from vivarium import udf

Id = NewType("Id", int)
MaybeId = NewType("MaybeId", Optional[int])
type Number = int
type Pair[A, B] = tuple[A, B]
type Either[T] = T | None
T = TypeVar("T", bound=int)
U = TypeVar("U")

class Color(enum.Enum):
    RED = "r"
    BLUE = "b"

class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2

class Odd(enum.Enum):
    ONE = 1
    TWO = "two"
"""

TOLD = [
    ("Literal['a', 'b']", "string", False),
    ("Literal[1, 2]", "int64", False),
    ("Literal[True]", "bool", False),
    ("Literal['a', None]", "string", True),
    ("Optional[Literal['a']]", "string", True),
    ("Literal[Color.RED]", "string", False),
    ("Number", "int64", False),
    ("Number | None", "int64", True),
    ("Either[int]", "int64", True),
    ("list[Number]", "list<item: int64>", False),
    ("Color", "string", False),
    ("Level | None", "int64", True),
    ("Id", "int64", False),
    ("MaybeId", "int64", True),
    ("Annotated[int, 'int32']", "int32", False),
    ("Annotated[Optional[int], 'int32']", "int32", True),
    ("Annotated[str, 'a note']", "string", False),
    ("Annotated[Any, 'decimal(10, 2)']", "decimal128(10, 2)", False),
    ("Final[int]", "int64", False),
    ("T", "int64", False),
    ("tuple[int, ...]", "list<item: int64>", False),
    ("int | Number", "int64", False),
]
UNTOLD = [
    ("Any", False),
    ("Optional[Any]", True),
    ("U", False),
    ("dict", False),
    ("dict[str, Any]", False),
    ("list", False),
    ("list[Any] | None", True),
    ("tuple[int, str]", False),
    ("Pair[int, str]", False),
]


def parameter(guest, annotation, decorator="@udf(result_type='int64')"):
    loaded = guest.load(SOURCE + f"{decorator}\ndef f(x: {annotation}):\n    return None\n", "annotated.py")
    assert loaded["problems"] == []
    [found] = [one for one in loaded["functions"] if one["name"] == "f"]
    return found["parameters"][0]


@pytest.mark.parametrize("annotation, type, nullable", TOLD)
def test_annotations_that_tell_a_type(guest, annotation, type, nullable):
    found = parameter(guest, annotation)
    assert (found["type"], found["nullable"]) == (type, nullable)


@pytest.mark.parametrize("annotation, nullable", UNTOLD)
def test_annotations_that_leave_it_to_the_column(guest, annotation, nullable):
    found = parameter(guest, annotation)
    assert (found["type"], found["nullable"]) == (None, nullable)


@pytest.mark.parametrize(
    "annotation, vectorized, nullable",
    [
        ("np.ndarray", True, False),
        ("np.ndarray | None", True, True),
        ("np.ma.MaskedArray", True, True),
        ("np.ndarray[Any, np.dtype[Any]]", True, False),
        ("pd.Series", "'pandas'", False),
        ("Optional[pd.Series]", "'pandas'", True),
        ("pd.DataFrame", "'pandas'", False),
        ("Any", True, False),
    ],
)
def test_classes_of_columns_leave_it_to_the_column(guest, annotation, vectorized, nullable):
    found = parameter(guest, annotation, f"@udf(result_type='int64', vectorized={vectorized})")
    assert (found["type"], found["nullable"]) == (None, nullable)


@pytest.mark.parametrize(
    "annotation, message",
    [
        ("Literal[1, 'a']", "allows values of several types"),
        ("Odd", "is an Enum whose values are not all of one type"),
        ("int | str", "allows several types"),
    ],
)
def test_annotations_of_several_types(guest, annotation, message):
    problems = guest.load(SOURCE + f"@udf\ndef f(x: {annotation}) -> int:\n    return 1\n", "several.py")["problems"]
    assert len(problems) == 1 and message in problems[0]["message"]


@pytest.mark.parametrize("annotation", ["Any", "list", "list[Any]", "U", "dict[str, Any]"])
def test_a_result_needs_a_type(guest, annotation):
    problems = guest.load(SOURCE + f"@udf\ndef f(x) -> {annotation}:\n    return 1\n", "result.py")["problems"]
    assert [(one["line"], "does not tell its type: write one that does" in one["message"]) for one in problems] == [(28, True)]


COLUMNS = [
    (pa.array([1, None, 3], pa.int16()), "int"),
    (pa.array(["a", None]), "str"),
    (pa.array([decimal.Decimal("1.50")]), "Decimal"),
    (pa.array([[1], []], pa.list_(pa.int64())), "list"),
    (pa.array([{"a": 1}]), "dict"),
    (pa.array([0.5], pa.float32()), "float"),
]


@pytest.mark.parametrize("annotation", ["", ": Any", ": 'Any'"])
@pytest.mark.parametrize("column, name", COLUMNS, ids=lambda one: one if isinstance(one, str) else "")
def test_parameters_without_a_type_take_the_columns(guest, column, name, annotation):
    guest.load(SOURCE + f"@udf\ndef f(x{annotation}) -> str:\n    return type(x).__name__\n", "untyped.py")
    assert guest.call("f", column).to_pylist() == [None if one is None else name for one in column.to_pylist()]


def test_columns_without_a_type(guest):
    guest.load(
        SOURCE
        + """
@udf(vectorized=True)
def plain(x: np.ndarray) -> str:
    return [str(x.dtype)] * len(x)
@udf(vectorized=True)
def masked(x: np.ndarray | None) -> bool:
    return x.mask
@udf(vectorized="pandas")
def series(x: pd.Series) -> str:
    return x.map(str)
""",
        "columns.py",
    )
    assert guest.call("plain", pa.array([1, None], pa.int16())).to_pylist() == ["int16", None]
    assert guest.call("masked", pa.array([1.5, None])).to_pylist() == [False, True]
    assert guest.call("series", pa.array(["a", "b"])).to_pylist() == ["a", "b"]


def test_members_of_enums(guest, error):
    guest.load(
        SOURCE
        + """
@udf
def named(color: Color) -> str:
    return color.name
@udf
def other(color: Color) -> Color:
    return Color.BLUE if color is Color.RED else Color.RED
@udf
def raised(level: Level) -> Level:
    return Level(level + 1)
@udf
def listed(colors: list[Color]) -> list[Color]:
    return [color for color in colors if color is not Color.RED]
""",
        "enums.py",
    )
    assert guest.call("named", pa.array(["r", "b", None])).to_pylist() == ["RED", "BLUE", None]
    assert guest.call("other", pa.array(["r", "b"])).to_pylist() == ["b", "r"]
    assert guest.call("raised", pa.array([1])).to_pylist() == [2]
    assert guest.call("listed", pa.array([["r", "b"]])).to_pylist() == [["b"]]
    assert "'x' is not a valid Color" in error("named", pa.array(["r", "x"]))["message"]
    assert guest.call("named", pa.array(["r", "x"]), on_error="null").to_pylist() == ["RED", None]


def test_a_column_that_is_no_list(guest):
    guest.load("from vivarium import udf\n@udf\ndef f(x: list) -> int:\n    return len(x)\n", "lists.py")
    assert guest.call("f", pa.array([[1, 2]])).to_pylist() == [2]
    with pytest.raises(native_guest.GuestError, match="parameter 'x' of f takes list<item: any>, and its column is a int64"):
        guest.call("f", pa.array([1]))
