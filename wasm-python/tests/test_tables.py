"""Table functions: rows for a row, in results that are cut, and what policies do to the rows of a row that fails."""

import hypothesis
import hypothesis.strategies as st
import pyarrow as pa
import pytest

import native_guest

SPLIT = """
from typing import Iterator, NamedTuple
from vivarium import udtf

class Part(NamedTuple):
    part: str
    position: int

@udtf
def split(text: str) -> Iterator[tuple[str, int]]:
    for index, part in enumerate(text.split()):
        yield part, index

@udtf
def named(text: str | None) -> Iterator[Part]:
    if text is not None:
        for index, part in enumerate(text.split()):
            yield Part(part, index)

@udtf(result_type="table(part string, pos int64)")
def spelled(text: str):
    return [{"part": part, "pos": index} for index, part in enumerate(text.split())]

@udtf
def numbers(count: int) -> Iterator[int]:
    yield from range(count)

@udtf(result_type="bigint", input_types=["int64"])
def lists(count):
    return None if count == 0 else [count] * count

class Repeat:
    def open(self, context):
        self.times = int(context.job_parameters.get("times", "2"))

    def eval(self, x: int) -> list[int]:
        return [x] * self.times

repeat = udtf(Repeat())
"""


@pytest.fixture
def loaded(guest):
    reply = guest.load(SPLIT, "tables.py")
    assert reply["problems"] == []
    return reply


def test_what_they_say_of_themselves(loaded):
    described = {function["name"]: (function["kind"], function["result"]["type"]) for function in loaded["functions"]}
    assert described == {
        "split": ("table", "struct<f0: string, f1: int64>"),
        "named": ("table", "struct<part: string, position: int64>"),
        "spelled": ("table", "struct<part: string, pos: int64>"),
        "numbers": ("table", "struct<numbers: int64>"),
        "lists": ("table", "struct<lists: int64>"),
        "repeat": ("table", "struct<repeat: int64>"),
    }


@pytest.mark.parametrize("function, fields", [("split", ("f0", "f1")), ("named", ("part", "position")), ("spelled", ("part", "pos"))])
def test_zero_one_and_many_rows(guest, loaded, function, fields):
    found, errors, _ = guest.table(function, pa.array(["a b", "", None, "c"]))
    assert found == [(row, dict(zip(fields, value))) for row, value in [(0, ("a", 0)), (0, ("b", 1)), (3, ("c", 0))]]
    assert errors == []


def test_lists_and_nothing(guest, loaded):
    assert guest.table("lists", pa.array([0, 1, 2]))[0] == [(1, {"lists": 1}), (2, {"lists": 2}), (2, {"lists": 2})]
    assert guest.table("repeat", pa.array([7]))[0] == [(0, {"repeat": 7})] * 2
    assert guest.table("repeat", pa.array([7]), context={"job_parameters": {"times": "3"}})[0] == [(0, {"repeat": 7})] * 3
    assert guest.table("numbers", pa.array([], pa.int64()))[0] == []


@hypothesis.given(st.lists(st.integers(0, 9) | st.none(), max_size=30), st.integers(1, 7), st.sampled_from(["fail", "null", "skip"]))
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None)
def test_results_do_not_depend_on_where_they_are_cut(guest, loaded, counts, rows, policy):
    column = pa.array(counts, pa.int64())
    limits = {"rows": rows if policy == "fail" else rows + 10, "bytes": 1 << 20}
    found, _, results = guest.table("numbers", column, output=limits, on_error=policy)
    expected = [(row, {"numbers": n}) for row, count in enumerate(counts) for n in range(count or 0)]
    assert found == expected
    if policy == "fail":
        assert results >= len(expected) / rows


def test_an_endless_generator_is_asked_for_one_result_at_a_time(guest):
    guest.load(
        "import itertools\nfrom typing import Iterator\nfrom vivarium import udtf\n@udtf\ndef endless(x: int) -> Iterator[int]:\n"
        "    try:\n        yield from itertools.count(x)\n    finally:\n        closed.append(x)\nclosed = []\n",
        "endless.py",
    )
    import sys

    handle, spelled = guest.bind("endless", [pa.int64()], output={"rows": 3, "bytes": 1 << 20})
    array, reply = guest.invoke(handle, [pa.array([5])], native_guest.table_type(spelled))
    assert reply == {"more": True} and array.field(0).to_pylist() == [0, 0, 0]
    array, reply = guest.invoke(handle, [], native_guest.table_type(spelled), op=native_guest.CONTINUE)
    assert reply == {"more": True} and [row["endless"] for row in array.field(1).to_pylist()] == [8, 9, 10]
    # A new batch leaves the old one alone.
    array, reply = guest.invoke(handle, [pa.array([50])], native_guest.table_type(spelled))
    assert [row["endless"] for row in array.field(1).to_pylist()] == [50, 51, 52] and sys.modules["endless"].closed == [5]
    guest.control(op="drop", handle=handle)


def test_there_is_nothing_to_continue_without_a_batch(guest, loaded):
    handle, spelled = guest.bind("numbers", [pa.int64()])
    with pytest.raises(native_guest.GuestError, match="no result that could be continued"):
        guest.invoke(handle, [], native_guest.table_type(spelled), op=native_guest.CONTINUE)
    guest.invoke(handle, [pa.array([1])], native_guest.table_type(spelled))
    with pytest.raises(native_guest.GuestError, match="no result that could be continued"):
        guest.invoke(handle, [], native_guest.table_type(spelled), op=native_guest.CONTINUE)
    with pytest.raises(native_guest.GuestError, match="numbers has no operation 9"):
        guest.invoke(handle, [pa.array([1])], native_guest.table_type(spelled), op=9)
    guest.control(op="drop", handle=handle)


FAILING = """
from typing import Iterator
from vivarium import udtf

@udtf
def half(count: int) -> Iterator[tuple[int, str]]:
    for number in range(count):
        if number == 3:
            raise ValueError("three is too many")
        yield number, str(number)

@udtf
def wrong(x: int) -> Iterator[tuple[int, str]]:
    yield 1, "a"
    yield x, x

@udtf
def nothing_iterable(x: int) -> Iterator[int]:
    return x
"""


def test_a_failing_row_ends_the_call(guest, error):
    guest.load(FAILING, "failing_tables.py")
    with pytest.raises(native_guest.GuestError) as caught:
        guest.table("half", pa.array([1, 5, 5]))
    failed = caught.value.error
    assert (failed["row"], failed["type"], failed["message"]) == (1, "ValueError", "three is too many")
    assert [(frame["line"], frame["source"]) for frame in failed["traceback"]] == [(9, 'raise ValueError("three is too many")')]


@pytest.mark.parametrize("policy", ["null", "skip"])
@pytest.mark.parametrize("rows", [4, 100])
def test_the_rows_of_a_row_that_fails_are_taken_back(guest, policy, rows):
    guest.load(FAILING, "failing_tables.py")
    found, errors, _ = guest.table("half", pa.array([1, 5, 2, 4]), on_error=policy, output={"rows": rows, "bytes": 1 << 20})
    nulls = {"f0": None, "f1": None}
    kept = [(0, {"f0": 0, "f1": "0"}), (1, nulls), (2, {"f0": 0, "f1": "0"}), (2, {"f0": 1, "f1": "1"}), (3, nulls)]
    assert found == [pair for pair in kept if policy == "null" or pair[1] != nulls]
    assert [(error["row"], error["arguments"]) for error in errors] == [(1, ["5"]), (3, ["4"])]


@pytest.mark.parametrize("policy", ["null", "skip"])
def test_too_many_rows_for_a_row_are_that_rows_error(guest, loaded, policy):
    found, errors, _ = guest.table("numbers", pa.array([2, 7, 1]), on_error=policy, output={"rows": 5, "bytes": 1 << 20})
    assert [row for row, _ in found] == ([0, 0, 1, 2] if policy == "null" else [0, 0, 2])
    assert [(error["row"], error["kind"]) for error in errors] == [(1, "result")]


def test_values_that_do_not_fit(guest, error):
    guest.load(FAILING, "failing_tables.py")
    for function, message in [
        ("wrong", "result.row_values.f1: 5 (int) does not fit string: a str is expected"),
        ("nothing_iterable", "result: a table function returns an iterable of rows (or yields them), not int"),
    ]:
        with pytest.raises(native_guest.GuestError) as caught:
            guest.table(function, pa.array([5]))
        assert (caught.value.error["row"], caught.value.error["message"]) == (0, message)
