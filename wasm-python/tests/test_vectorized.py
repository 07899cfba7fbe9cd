"""Vectorized functions: what NumPy arrays they get, and which results stand for a column."""

import sys

import numpy as np
import pyarrow as pa
import pytest


def load(guest, body, types="double", result="double", options=""):
    guest.load(
        f"""
import numpy as np
from vivarium import udf
seen = []

@udf(vectorized=True, input_types=[{types!r}], result_type={result!r}{', ' + options if options else ''})
def f(x):
    seen.append(x)
    {body}
""",
        "vector.py",
    )
    return lambda: sys.modules["vector"].seen[-1]


ARRAYS = [
    (pa.array([True, False, True]), "bool"),
    (pa.array([1, -2, 3], pa.int8()), "int8"),
    (pa.array([1, 2], pa.uint64()), "uint64"),
    (pa.array([1.5, 2], pa.float16()), "float16"),
    (pa.array([1.5, float("nan")], pa.float32()), "float32"),
    (pa.array([0, -1, 19000], pa.int32()).cast(pa.date32()), "datetime64[D]"),
    (pa.array([0, -1, 2**40]).cast(pa.timestamp("us")), "datetime64[us]"),
    (pa.array([0, -1, 2**40]).cast(pa.timestamp("ns", "UTC")), "datetime64[ns]"),
    (pa.array([1, -1]).cast(pa.duration("ms")), "timedelta64[ms]"),
    (pa.array(["a", "é"]), "object"),
    (pa.array([b"a", b""]), "object"),
    (pa.array([[1], []], pa.list_(pa.int8())), "object"),
]


@pytest.mark.parametrize("array, dtype", ARRAYS, ids=lambda item: str(getattr(item, "type", "")))
def test_a_column_arrives_as_an_array_and_goes_back(guest, array, dtype):
    seen = load(guest, "return x", str(array.type), str(array.type))
    assert guest.call("f", array).equals(array) or array.type == pa.float32()
    assert type(seen()) is np.ndarray and seen().dtype == dtype and len(seen()) == len(array)


@pytest.mark.parametrize("array, dtype", ARRAYS, ids=lambda item: str(getattr(item, "type", "")))
def test_rows_with_null_are_not_computed(guest, array, dtype):
    seen = load(guest, "return x[::-1][::-1]", str(array.type), str(array.type))
    column = pa.array([None, *array.to_pylist(), None], array.type) if dtype != "datetime64[ns]" else array
    result = guest.call("f", column)
    assert result.is_null().to_pylist() == column.is_null().to_pylist()
    assert result.drop_null().equals(array) or array.type == pa.float32()
    assert len(seen()) == len(array)


@pytest.mark.parametrize("array, dtype", ARRAYS, ids=lambda item: str(getattr(item, "type", "")))
def test_a_nullable_column_is_always_masked(guest, array, dtype):
    seen = load(guest, "return x", str(array.type), str(array.type), "null_handling='call'")
    for column in (array, pa.array([None, *array.to_pylist()], array.type) if dtype != "datetime64[ns]" else array):
        result = guest.call("f", column)
        assert result.equals(column) or array.type == pa.float32()
        assert isinstance(seen(), np.ma.MaskedArray) and seen().dtype == dtype
        assert np.ma.getmaskarray(seen()).tolist() == column.is_null().to_pylist()


def test_nothing_is_called_for_nothing(guest):
    load(guest, "raise ValueError")
    assert guest.call("f", pa.array([], pa.float64())).to_pylist() == []
    assert guest.call("f", pa.array([None, None], pa.float64())).to_pylist() == [None, None]


def test_an_argument_is_read_only_and_may_be_kept(guest):
    seen = load(guest, "return x * 2")
    handle, _ = guest.bind("f", [pa.float64()])
    guest.invoke(handle, [pa.array([1.0, 2.0])], pa.float64())
    assert not guest.last_arena, "the arena of an array that is kept is not handed out again"
    kept = seen()
    guest.invoke(handle, [pa.array([3.0, 4.0])], pa.float64())
    assert kept.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError):
        kept[0] = 5
    with pytest.raises(ValueError):
        kept.flags.writeable = True


def test_an_arena_nobody_keeps_comes_back(guest):
    load(guest, "seen.clear(); return x * 2")
    handle, _ = guest.bind("f", [pa.float64()])
    guest.invoke(handle, [pa.array([1.0])], pa.float64())
    arena = guest.last_arena
    assert arena and guest.library.vv_batch(8) == arena


@pytest.mark.parametrize(
    "body, result, values",
    [
        ("return [1.5, None]", "double", [1.5, None]),
        ("return (1, 2.5)", "double", [1.0, 2.5]),
        ("return np.array([1, 2])", "double", [1.0, 2.0]),
        ("return np.array([1, 2])", "int8", [1, 2]),
        ("return np.array([1, 2], 'u8')", "int64", [1, 2]),
        ("return np.array([1.5, 2], 'f4')", "double", [1.5, 2.0]),
        ("return np.array([0.1, 2])", "float", [0.10000000149011612, 2.0]),
        ("return np.array([1.5, np.inf, 3])[::2]", "double", [1.5, 3.0]),
        ("return np.array([1.5, 2.5], '>f8')", "double", [1.5, 2.5]),
        ("return np.ma.array([1, 2**40], mask=[False, True])", "int32", [1, None]),
        ("return np.ma.array([1.5, 2**70], mask=[False, True])", "double", [1.5, None]),
        ("return np.array([1, None], object)", "int64", [1, None]),
        ("return np.array(['a', 'bc'])", "string", ["a", "bc"]),
        ("return np.ma.array(['a', 'bc'], mask=[True, False])", "string", [None, "bc"]),
        ("return x > 1", "bool", [False, True]),
        ("return np.array(['2020-01-01', 'NaT'], 'M8[s]')", "date32", ["2020-01-01", None]),
        ("return np.array(['2020-01-01', 'NaT'], 'M8[D]')", "timestamp[us]", ["2020-01-01 00:00:00", None]),
    ],
)
def test_results_that_stand_for_a_column(guest, body, result, values):
    load(guest, body, result=result)
    got = guest.call("f", pa.array([1.0, 2.0])).to_pylist()
    assert [str(v) if result.startswith(("date", "time")) and v is not None else v for v in got] == values


@pytest.mark.parametrize(
    "body, result, row, message",
    [
        ("return x.sum()", "double", None, "float64; a vectorized function returns an array or a list of 3 values"),
        ("return 5", "int64", None, "int; a vectorized function returns an array or a list of 3 values"),
        ("return x[:2]", "double", None, "2 values for 3 rows"),
        ("return [1.0]", "double", None, "1 values for 3 rows"),
        ("return np.zeros((3, 1))", "double", None, "an array of 2 dimensions"),
        ("return np.array(5.0)", "double", None, "an array of 0 dimensions"),
        ("return x * 1.5", "int64", None, "an array of float64 does not fit int64; round it and use .astype('int64')"),
        ("return np.array([1, 2, 300])", "int8", 3, "np.int64(300) does not fit int8: it is outside -128 to 127"),
        ("return np.array([1, -2, 3])", "uint8", 1, "np.int64(-2) does not fit uint8: it is outside 0 to 255"),
        ("return np.array([1, 2**64 - 1, 3], 'u8')", "int64", 1, "outside -9223372036854775808"),
        ("return np.array([1, 2, 2**53 + 1])", "double", 3, "no float equals it exactly"),
        ("return np.array([2**63 - 1, 2, 0])", "double", 0, "no float equals it exactly"),
        ("return np.array([1.0, 1e300, 3])", "float", 1, "it is too large"),
        ("return x > 1", "int64", None, "an array of bool does not fit int64"),
        ("return x", "bool", None, "an array of float64 does not fit bool; an array of bool is expected"),
        ("return x + 1j", "double", None, "an array of complex128 does not fit double"),
        ("return [1.0, 'x', 2.0]", "double", 1, "'x' (str) does not fit double: a float is expected"),
        ("return np.array(['2020-01-01', '2020-01-01T01:00', '2020-01-01'], 'M8[m]')", "date32", 1, "finer than the type's unit"),
        ("return x", "timestamp[us]", None, "an array of datetime64[us] is expected"),
    ],
)
def test_results_that_do_not(guest, error, body, result, row, message):
    load(guest, body, result=result)
    failed = error("f", pa.array([1.0, 2.0, None, 3.0]))
    assert failed["kind"] == "result" and failed["row"] == row, failed
    assert message in failed["message"]


def test_an_array_annotation_names_its_element(guest):
    loaded = guest.load(
        """
import numpy as np
from numpy.typing import NDArray
from vivarium import udf

@udf(vectorized=True)
def f(x: NDArray[np.float32], y: np.int8) -> NDArray[np.float64]:
    return x * y
"""
    )
    (function,) = loaded["functions"]
    assert loaded["problems"] == []
    assert [parameter["type"] for parameter in function["parameters"]] == ["float", "int8"]
    assert (function["result"]["type"], function["kind"]) == ("double", "vectorized")
    result = guest.call("f", pa.array([1.5], pa.float32()), pa.array([2], pa.int8()))
    assert result.to_pylist() == [3.0]
