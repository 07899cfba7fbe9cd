"""What `explain` says of a function, and what the host is told of rows."""

import sys

import native_guest
import pyarrow as pa
import pytest

SOURCE = '''
import time
from collections.abc import Iterator
from pyflink.table import DataTypes
from pyflink.table.udf import udf as flink_udf
from vivarium import udf, udtf

RATES = {"AIR": 1.5, "RAIL": 2.0}

def twice(x):
    return x + x if x < 9 else int(time.time())

@udf
def price(quantity: int, mode: str | None) -> float:
    if mode is None:
        return 0.0
    rate = RATES[mode.upper()]
    if quantity > 1000:
        return time.time()
    return rate * quantity / 7

@udf
def inlined(x: int) -> int:
    return twice(x) % 7 + x // 0

@udf
def nothing(x: int) -> int:
    print(x)
    return x

@udf
def total(x: list[int]) -> int:
    return sum(x)

@udf(columns=False)
def never(x: int) -> int:
    return x

@flink_udf(result_type=DataTypes.BIGINT())
def untyped(a, b):
    return a

@udf(result_type="int64", input_types=["int64"], null_handling="call")
def called(x):
    return x + 1

@udf
def all_of(*x: int) -> int:
    return 1

@udf(vectorized=True)
def arrays(x: int) -> int:
    return x

@udf
async def awaited(x: int) -> int:
    return x

@udtf
def rows(x: int) -> Iterator[int]:
    yield x

@udf
class Kept:
    def open(self, context):
        self.opened = True

    def close(self):
        assert self.opened

    def eval(self, x: int) -> int:
        return x * 3
'''


@pytest.fixture
def explain(guest):
    assert guest.load(SOURCE, "explained.py")["problems"] == []

    def explained(name):
        return guest.control(op="explain", function=name)

    return explained


def line_of(text):
    return SOURCE[: SOURCE.index(text)].count("\n") + 1


def lines(reply, always):
    return [(line["line"], line["why"]) for line in reply["lines"] if line["always"] is always]


def test_lines_of_a_function_that_runs_as_columns(explain):
    reply = explain("price")
    assert (reply["columns"], reply["why"]) == (True, None)
    key = line_of("RATES[mode")
    assert lines(reply, True) == [(key, "a key that is not there"), (key + 2, "time() of such values")]
    assert (key, "text beyond ASCII") in lines(reply, False)
    first = reply["lines"][0]
    assert (first["file"], first["function"], first["source"]) == ("explained.py", None, "rate = RATES[mode.upper()]")
    assert first["instead"] == "ask with .get() and a default"


def test_a_line_of_another_function_is_named(explain):
    reply = explain("inlined")
    there = [line for line in reply["lines"] if line["function"] == "twice"]
    line = line_of("return x + x if")
    assert [(one["line"], one["always"]) for one in there] == [(line, True), (line, False)] and "time.time" in there[0]["source"]
    assert (line_of("x // 0"), "a division by zero") in lines(reply, False)


def test_a_function_that_does_not_run_as_columns(explain):
    reply = explain("nothing")
    assert (reply["columns"], reply["why"]) == (False, "every path is the interpreter's")
    assert lines(reply, True) == [(line_of("print"), "print() of such values")] and lines(reply, False) == []
    assert reply["lines"][0]["instead"].startswith("leave it out")


@pytest.mark.parametrize(
    "name, columns, why, instead",
    [
        ("total", False, "arguments of type list", "use a type"),
        ("never", False, "columns=False", "leave columns=False out"),
        ("untyped", None, "the type of a, b is not declared", "annotate"),
        ("all_of", False, "the function has *arguments", "name every parameter"),
        ("arrays", False, "whole columns", None),
        ("awaited", False, "awaited", None),
        ("rows", False, "a table function", None),
        ("Kept", True, None, None),
    ],
)
def test_what_is_known_of_each_kind(explain, name, columns, why, instead):
    reply = explain(name)
    assert reply["columns"] is columns and lines(reply, True) == []
    assert (why or "") in (reply["why"] or "") and (instead or "") in (reply["instead"] or "")
    assert (reply["why"] is None, reply["instead"] is None) == (why is None, instead is None)


def test_null_handling_is_the_declaration_s(explain):
    assert lines(explain("called"), True) == [(line_of("x + 1"), "None")]


def test_the_variable_is_named(explain, monkeypatch):
    monkeypatch.setenv("VIVARIUM_COLUMNS", "off")
    assert "VIVARIUM_COLUMNS is off" in explain("price")["why"]
    monkeypatch.setenv("VIVARIUM_COLUMNS", "force")  # a file forces nothing
    assert explain("price")["columns"] is True


def test_what_is_asked_for_is_checked(guest):
    guest.load(SOURCE, "explained.py")
    for columns in ("on", 1, None, ["off"]):
        with pytest.raises(native_guest.GuestError, match="columns is auto"):
            guest.control(op="bind", function="price", arguments=[], columns=columns)
    with pytest.raises(native_guest.GuestError, match="no function"):
        guest.control(op="explain", function="missing")


def counts(guest, name, column, columns):
    handle, _ = guest.bind(name, [pa.int64()], columns=columns)
    try:
        guest.invoke(handle, [column], pa.int64())
        return guest.last_counts
    finally:
        guest.control(op="drop", handle=handle)


def test_rows_are_counted_by_call(guest):
    guest.load(SOURCE, "explained.py")
    some = pa.array(range(100))
    assert counts(guest, "Kept", some, "force") == (100, 0, 0)
    assert counts(guest, "Kept", some, "off") == (0, 100, 0)
    assert counts(guest, "Kept", some, "auto") == (0, 100, 0)
    assert counts(guest, "awaited", some, "auto") == (0, 100, 0)
    assert counts(guest, "arrays", some, "auto") == (0, 0, 0)


def test_rows_of_a_call_that_fails_are_counted(guest):
    guest.load("from vivarium import udf\n@udf\ndef fn(x: int) -> int:\n    return 7 // x\n")
    handle, _ = guest.bind("fn", [pa.int64()], columns="force")
    arena, lent = guest.fill([pa.array([3, 1, 0, 5])], 4)
    result = guest.library.vv_invoke(handle, 0, arena).contents
    assert (result.status, result.rows_as_columns, result.rows_interpreted) == (1, 2, 1)
    lent.release()
    guest.control(op="drop", handle=handle)


def test_a_program_that_is_given_up_is_counted(guest):
    guest.load("from vivarium import udf\nBY = 2\n@udf\ndef fn(x: int) -> int:\n    return x * BY\n")
    handle, _ = guest.bind("fn", [pa.int64()], columns="force")
    found = []
    for by in (2, 3, 3):
        sys.modules["functions"].BY = by
        guest.invoke(handle, [pa.array(range(300))], pa.int64())
        found.append(guest.last_counts)
    guest.control(op="drop", handle=handle)
    assert found == [(300, 0, 0), (0, 300, 1), (300, 0, 0)]


def test_what_is_done_with_groups_is_not_counted_as_rows(guest):
    guest.load(
        "from vivarium import udaf\n@udaf\nclass total:\n"
        "    def create_accumulator(self): return [0]\n    def accumulate(self, acc, x: int): acc[0] += x\n"
        "    def retract(self, acc, x: int): acc[0] -= x\n    def get_value(self, acc) -> int: return acc[0]\n"
    )
    aggregate = guest.aggregate("total", [pa.int64()])
    found = []
    for step in (
        lambda: aggregate.rows([0, 1, 0], pa.array([1, 2, 3])),
        lambda: aggregate.retract([0], pa.array([1])),
        lambda: aggregate.values([0, 1]),
        lambda: aggregate.states([0, 1]),
        aggregate.forget,
    ):
        step()
        found.append(guest.last_counts)
    aggregate.drop()
    assert found == [(0, 3, 0), (0, 1, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)]


@pytest.mark.parametrize(
    "type, expression",
    [
        *((type, "x == x") for type in ["bool", "int8", "uint64", "float32", "string", "binary"]),
        *((type, "x == x") for type in ["time32[s]", "time64[us]", "time64[ns]", "duration[us]", "duration[ns]"]),
        ("date32", "x.year > 2000"),
        ("date64", "x.year > 2000"),
        ("timestamp[s]", "x.year > 2000"),
        ("timestamp[ns]", "x.year > 2000"),
        ("timestamp[us, tz=UTC]", "x.hour > 2"),
        ("decimal128(10, 2)", "x * x > 2"),
        ("struct<a: date32, b: timestamp[us]>", "x['a'].year > x['b'].year"),
    ],
)
def test_columns_of_every_type_are_explained(guest, type, expression):
    """What a column's own kernel does not know is of no instruction: it is told of the function's beginning."""
    source = f"from vivarium import udf\n@udf(input_types=[{type!r}], result_type='bool')\ndef f(x):\n    return {expression}\n"
    assert guest.load(source, "typed.py")["problems"] == []
    reply = guest.control(op="explain", function="f")
    assert reply["columns"] is True, reply["why"]
    assert {line["line"] for line in reply["lines"]} <= {2, 4} and all(line["source"] for line in reply["lines"])
