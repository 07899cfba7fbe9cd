"""Table functions over DataFrames, and functions of all their columns as one."""

import pyarrow as pa
import pytest

import native_guest


def load(guest, body, more="", types="'table(id int64, text string)'", result="'table(id int64, word string)'", parameter="frame"):
    loaded = guest.load(
        f"""
import numpy as np, pandas as pd
from typing import Iterator
from vivarium import udtf
seen = []

@udtf(vectorized="pandas", input_types={types}, result_type={result}{more})
def f({parameter}):
    {body}
""",
        "frames.py",
    )
    assert loaded["problems"] == [], loaded
    return loaded["functions"][0]


EXPLODE = "return frame.assign(word=frame.text.str.split()).explode('word')[['id', 'word']]"
IDS = pa.array([1, 2, 3, 4])
TEXTS = pa.array(["a b", "c", None, "d e f"])


def rows(found):
    return [(row, *values.values()) for row, values in found]


def test_a_frame_of_all_columns_in_and_a_frame_out(guest):
    function = load(guest, EXPLODE)
    assert [parameter["name"] for parameter in function["parameters"]] == ["id", "text"] and function["kind"] == "table"
    found, errors, _ = guest.table("f", IDS, TEXTS)
    assert rows(found) == [(0, 1, "a"), (0, 1, "b"), (1, 2, "c"), (3, 4, "d"), (3, 4, "e"), (3, 4, "f")] and errors == []


def test_null_is_passed_where_it_is_asked_for(guest):
    load(guest, EXPLODE, ", null_handling='call'")
    assert rows(guest.table("f", IDS, TEXTS)[0])[3] == (2, 3, None)


@pytest.mark.parametrize(
    "body, found",
    [
        ("return frame[frame.id > 2].rename(columns={'text': 'word'})", [(2, 3, "c")]),
        ("return frame.loc[frame.index.repeat(frame.id)].rename(columns={'text': 'word'}).iloc[::-1]",
         [(0, 1, "a"), (1, 2, "b"), (1, 2, "b"), (2, 3, "c"), (2, 3, "c"), (2, 3, "c")]),
        ("return pd.DataFrame({'word': 'x', 'id': 7}, index=frame.index[:1])", [(0, 7, "x")]),
        ("return None", []),
        ("return frame.iloc[:0]", []),
        ("return pd.concat([frame, frame.iloc[1:]]).set_axis(['p', 'q'], axis=1)",
         [(0, 1, "a"), (1, 2, "b"), (1, 2, "b"), (2, 3, "c"), (2, 3, "c")]),
        ("yield frame.iloc[:2].rename(columns={'text': 'word'}); yield frame.iloc[2:].rename(columns={'text': 'word'})",
         [(0, 1, "a"), (1, 2, "b"), (2, 3, "c")]),
        ("return [frame[['id', 'text']]]", [(0, 1, "a"), (1, 2, "b"), (2, 3, "c")]),
    ],
)  # fmt: skip
def test_the_index_says_which_row_a_row_was_made_for(guest, body, found):
    load(guest, body)
    assert rows(guest.table("f", pa.array([1, 2, 3]), pa.array(["a", "b", "c"]))[0]) == found


@pytest.mark.parametrize(
    "body, message",
    [
        ("return pd.DataFrame({'id': [1], 'word': ['a']})", "its index does not say which row"),
        ("return frame.merge(frame, on='id')", "its index does not say which row"),
        ("return frame.set_axis(frame.index + 2)", "its index has 3, and the rows of the batch are 0 to 2"),
        ("return frame[['id']]", "a DataFrame of 1 columns for the 2 fields"),
        ("return 7", "an object of int; a table function over Series returns a DataFrame"),
        ("yield frame.iloc[2:]; yield frame", "rows for row 0 of the batch after rows for row 2"),
    ],
)
def test_frames_that_are_no_result(guest, error, body, message):
    load(guest, body)
    with pytest.raises(native_guest.GuestError) as caught:
        guest.table("f", pa.array([1, 2, 3]), pa.array(["a", "b", "c"]))
    assert caught.value.error["kind"] == "result" and message in caught.value.error["message"]


def test_iterators_structs_and_series(guest):
    load(guest, "for frame in batches:\n        yield frame.rename(columns={'text': 'word'})", parameter="batches: Iterator[pd.DataFrame]")
    assert rows(guest.table("f", IDS, TEXTS)[0]) == [(0, 1, "a b"), (1, 2, "c"), (3, 4, "d e f")]
    load(guest, "return x[x > 1] * 2", types="['int64']", result="'int64'", parameter="x")
    assert rows(guest.table("f", pa.array([1, 2, 3]))[0]) == [(1, 4), (2, 6)]
    load(guest, "for a, b in pairs:\n        yield (a + b).to_frame()", types="['int64', 'int64']", result="'table(total int64)'",
         parameter="pairs: Iterator[tuple[pd.Series, pd.Series]]")  # fmt: skip
    assert rows(guest.table("f", pa.array([1, 2]), pa.array([5, 6]))[0]) == [(0, 6), (1, 8)]
    load(guest, "return row[row.a > 1]", types="['struct<a: int64, b: string>']", result="'table(a int64, b string)'", parameter="row")
    structs = pa.array([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])
    assert rows(guest.table("f", structs)[0]) == [(1, 2, "y")]
    load(guest, "return frame.assign(n=frame.s.str['a']).drop(columns='s')", types="'table(s struct<a: int64>)'", result="'int64'")
    assert rows(guest.table("f", pa.array([{"a": 5}]))[0]) == [(0, 5)]


@pytest.mark.parametrize("policy, expected", [("skip", []), ("null", [(4, None, None)])])
@pytest.mark.parametrize("count", [6, 50])
def test_rows_that_fail_do_not_take_others_along(guest, policy, expected, count):
    load(guest, "assert (frame.id != 4).all(), 'four'; return frame.loc[frame.index.repeat(2)]")
    ids, texts = pa.array(range(count)), pa.array([None if row == 2 else "t" for row in range(count)])
    found, errors, _ = guest.table("f", ids, texts, on_error=policy)
    wanted = [(row, row, "t") for row in range(count) if row not in (2, 4) for _ in range(2)] + expected
    assert rows(found) == sorted(wanted, key=lambda one: one[0])
    assert [(one["row"], one["message"]) for one in errors] == [(4, "four")]


def test_an_error_names_the_row_that_is_to_blame(guest):
    load(guest, "return frame.assign(x=frame.id * 0.5)[['x', 'text']]")
    with pytest.raises(native_guest.GuestError) as caught:
        guest.table("f", pa.array([2, 4, None, 5, 6]), pa.array(["a"] * 5))
    assert caught.value.error["row"] == 3 and "it is not whole" in caught.value.error["message"]
    load(guest, "return frame.assign(t=[1, 'b', 'c'])[['id', 't']]")
    with pytest.raises(native_guest.GuestError) as caught:
        guest.table("f", pa.array([None, 2, 4, 6]), pa.array(["a"] * 4))
    assert caught.value.error["row"] == 1 and "1 (int) does not fit string" in caught.value.error["message"]


def test_a_long_output_leaves_in_pieces(guest):
    load(guest, "return frame.loc[frame.index.repeat(100)]")
    limits = {"rows": 150, "bytes": 1 << 20}
    ids, texts = pa.array(range(10)), pa.array(["t"] * 10)
    found, _, results = guest.table("f", ids, texts, output=limits)
    assert rows(found) == [(row, row, "t") for row in range(10) for _ in range(100)] and results >= 6
    found, errors, results = guest.table("f", ids, texts, on_error="skip", output=limits)
    assert len(found) == 1000 and errors == [] and results >= 5
    found, errors, _ = guest.table("f", ids, texts, on_error="skip", output={"rows": 99, "bytes": 1 << 20})
    assert found == [] and [one["row"] for one in errors] == list(range(10))
    assert "more than 99 rows" in errors[0]["message"]


def test_other_functions_of_all_columns(guest):
    loaded = guest.load(
        """
import pandas as pd
from vivarium import udaf, udf

@udf(vectorized="pandas", input_types="table(a int64, b int64)", result_type="int64")
def total(frame: pd.DataFrame) -> pd.Series:
    return frame.sum(axis=1)

@udaf(vectorized="pandas", input_types="table(value double, weight double, s struct<k: string>)", result_type="double")
def weighted(frame):
    return (frame.value * frame.weight).sum() / frame.weight.sum() + frame.s.str["k"].str.len().max()
""",
        "columns.py",
    )
    assert loaded["problems"] == []
    assert [[p["name"] for p in f["parameters"]] for f in loaded["functions"]] == [["a", "b"], ["value", "weight", "s"]]
    assert guest.call("total", pa.array([1, None]), pa.array([3, 4])).to_pylist() == [4, None]
    structs = pa.array([{"k": "x"}] * 3)
    bound = guest.aggregate("weighted", [pa.float64(), pa.float64(), structs.type])
    bound.rows([0, 0, 1], pa.array([1.0, 4.0, 5.0]), pa.array([2.0, 1.0, 1.0]), structs)
    assert bound.values([0, 1]) == [3.0, 6.0]
    other = guest.aggregate("weighted", [pa.float64(), pa.float64(), structs.type])
    other.merge([0], bound.states([0]))
    assert other.values([0]) == [3.0]


def test_what_a_table_function_cannot_be(guest):
    for spelling in ("True", "'arrow'"):
        source = f"from vivarium import udtf\n@udtf(vectorized={spelling}, result_type='int64')\ndef f(x: int): yield x\n"
        problems = guest.load(source, "f.py")["problems"]
        assert "table functions cannot be vectorized=" in problems[0]["message"] and len(problems) == 1
