"""Functions over pandas Series."""

import datetime
import decimal

import pyarrow as pa
import pytest

import native_guest

D = decimal.Decimal


def load(guest, body, types, result, more="", decorator="udf"):
    loaded = guest.load(
        f"""
import numpy as np, pandas as pd, typing
from vivarium import udf, udaf
seen = []

@{decorator}(vectorized="pandas", input_types={types!r}, result_type={result!r}{more})
def f(*columns):
    seen.append(columns)
    {body}
""",
        "series.py",
    )
    assert loaded["problems"] == [], loaded


def seen():
    import sys

    return sys.modules["series"].seen[-1]


COLUMNS = [
    (pa.array([1, -2, 3], pa.int8()), "int8", True),
    (pa.array([1, 2**62]), "int64", True),
    (pa.array([1, 2**64 - 1], pa.uint64()), "uint64", True),
    (pa.array([1.5, -0.0]), "float64", True),
    (pa.array([1.5, 2.5], pa.float32()), "float32", True),
    (pa.array([True, False, True]), "bool", False),
    (pa.array(["a", "é", ""]), "object", False),
    (pa.array([b"a", b""]), "object", False),
    (pa.array([D("1.25"), D("-3.10")], pa.decimal128(10, 2)), "object", False),
    (pa.array([0, 19000], pa.int32()).cast(pa.date32()), "object", False),
    (pa.array([0, 10**6], pa.int64()).cast(pa.time64("us")), "object", False),
    (pa.array([0, -1, 2**40]).cast(pa.timestamp("us")), "datetime64[us]", True),
    (pa.array([0, 2**40]).cast(pa.timestamp("ms", "Europe/Berlin")), "datetime64[ms, Europe/Berlin]", True),
    (pa.array([0, 1]).cast(pa.timestamp("ns", "UTC")), "datetime64[ns, UTC]", True),
    (pa.array([1, -1]).cast(pa.duration("s")), "timedelta64[s]", True),
    (pa.array([[1, 2], []], pa.list_(pa.int64())), "object", False),
    (pa.array([[[1], [2]], [[]]], pa.list_(pa.list_(pa.int64()))), "object", False),
    (pa.array([[(1, 2, 3)], []], pa.list_(pa.month_day_nano_interval())), "object", False),
    (pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())), "object", False),
]


def name(item):
    return str(getattr(item, "type", ""))


@pytest.mark.parametrize("array, dtype, viewed", COLUMNS, ids=name)
def test_a_column_arrives_as_a_series_and_goes_back(guest, array, dtype, viewed):
    load(guest, "return columns[0]", [str(array.type)], str(array.type))
    assert guest.call("f", array).equals(array)
    (series,) = seen()
    assert str(series.dtype) == dtype and len(series) == len(array)
    if viewed:
        values = series.array._ndarray
        assert not values.flags.owndata and not values.flags.writeable, "it looks into the batch"


@pytest.mark.parametrize("array, dtype, viewed", COLUMNS, ids=name)
def test_null_does_not_reach_a_function_that_does_not_ask(guest, array, dtype, viewed):
    column = pa.array([None, *array.to_pylist(), None], array.type) if "ns" not in dtype else array
    load(guest, "return columns[0]", [str(array.type)], str(array.type))
    assert guest.call("f", column).equals(column)
    assert len(seen()[0]) == len(array) and list(seen()[0].index) == list(range(len(array)))


@pytest.mark.parametrize("array, dtype, viewed", COLUMNS, ids=name)
def test_null_comes_as_what_pandas_has_for_it_and_goes_back(guest, array, dtype, viewed):
    column = pa.array([None, *array.to_pylist()], array.type) if "ns" not in dtype else array
    load(guest, "return columns[0]", [str(array.type)], str(array.type), ", null_handling='call'")
    assert guest.call("f", column).equals(column)
    assert seen()[0].isna().tolist() == column.is_null().to_pylist()


PYFLINK = """
from pyflink.table import DataTypes
from pyflink.table.udf import udf, udaf, AggregateFunction
seen = []

@udf(result_type=DataTypes.BIGINT(), func_type="pandas")
def same(x):
    seen.append(x)
    return x

@udf(result_type=DataTypes.BOOLEAN(), func_type="pandas")
def flag(x):
    seen.append(x)
    return x

@udf(result_type=DataTypes.TIMESTAMP_LTZ(3), func_type="pandas")
def instant(x):
    seen.append(x)
    return x

@udf(result_type=DataTypes.ROW([DataTypes.FIELD("a", DataTypes.BIGINT()), DataTypes.FIELD("b", DataTypes.STRING())]), func_type="pandas")
def row(x):
    seen.append(x)
    x["b"] = x["b"].str.upper()
    return x

@udaf(result_type=DataTypes.DOUBLE(), func_type="pandas")
def mean(v):
    return v.mean()

class MaxAdd(AggregateFunction):
    def create_accumulator(self):
        return []

    def accumulate(self, accumulator, *columns):
        accumulator.append(sum(column.max() for column in columns))

    def get_value(self, accumulator):
        return accumulator[0]

max_add = udaf(MaxAdd(), result_type=DataTypes.BIGINT(), func_type="pandas")
"""


def test_pyflinks_functions(guest):
    assert guest.load(PYFLINK, "series.py")["problems"] == []
    assert guest.call("same", pa.array([1, None, 3])).to_pylist() == [1, None, 3]
    assert str(seen().dtype) == "float64", "as PyFlink: a column of ints with a NULL is one of floats"
    assert guest.call("same", pa.array([1, 2])).to_pylist() == [1, 2] and str(seen().dtype) == "int64"
    assert guest.call("flag", pa.array([True, None])).to_pylist() == [True, None] and str(seen().dtype) == "object"
    times = pa.array([0, None], pa.timestamp("ms", "UTC"))
    assert guest.call("instant", times).equals(times) and str(seen().dtype) == "datetime64[ms, UTC]"
    rows = pa.array([{"a": 1, "b": "x"}, {"a": 2, "b": None}], pa.struct([("a", pa.int64()), ("b", pa.string())]))
    assert guest.call("row", rows).to_pylist() == [{"a": 1, "b": "X"}, {"a": 2, "b": None}]
    assert type(seen()).__name__ == "DataFrame" and list(seen().columns) == ["a", "b"]


@pytest.mark.parametrize(
    "body, result, values",
    [
        ("return columns[0] * 1.0", "int64", [1, 2]),
        ("return (columns[0] / 2)", "double", [0.5, 1.0]),
        ("return pd.Series([1.0, np.nan])", "int64", [1, None]),
        ("return pd.Series([1, None], dtype='Int64')", "int32", [1, None]),
        ("return pd.Series([0.5, None], dtype='Float64')", "double", [0.5, None]),
        ("return pd.Series([True, None], dtype='boolean')", "bool", [True, None]),
        ("return pd.Series(['a', None], dtype='string')", "string", ["a", None]),
        ("return pd.Series(['a', np.nan])", "string", ["a", None]),
        ("return pd.Series(['a', 'b'], dtype='category')", "string", ["a", "b"]),
        ("return columns[0][::-1]", "int64", [2, 1]),
        ("return np.array([5, 6])", "int64", [5, 6]),
        ("return [7, None]", "int64", [7, None]),
        ("return pd.Index([5, 6])", "int64", [5, 6]),
        ("return pd.Series(pd.to_datetime(['2020-01-01', None]))", "date32", [datetime.date(2020, 1, 1), None]),
        ("return pd.Series([pd.Timestamp(2020, 1, 1), pd.NaT], dtype=object)", "timestamp[us]", [datetime.datetime(2020, 1, 1), None]),
        ("return pd.DataFrame({'b': ['x', 'y'], 'a': columns[0]})", "struct<a: int64, b: string>", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        ("return pd.DataFrame({'p': columns[0] * 1.5, 'q': [None, 'y']})", "struct<a: double, b: string>", [{"a": 1.5, "b": None}, {"a": 3.0, "b": "y"}]),
        (
            "return pd.DataFrame({'t': pd.to_datetime(['2020-01-01', None]).tz_localize('UTC'), 'd': pd.to_timedelta(['1s', '2s'])})",
            "struct<t: timestamp[us, tz=UTC], d: duration[ms]>",
            [
                {"t": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), "d": datetime.timedelta(seconds=1)},
                {"t": None, "d": datetime.timedelta(seconds=2)},
            ],
        ),
    ],
)  # fmt: skip
def test_results_that_stand_for_a_column(guest, body, result, values):
    load(guest, body, ["int64"], result)
    assert guest.call("f", pa.array([1, 2])).to_pylist() == values


@pytest.mark.parametrize(
    "body, result, row, message",
    [
        ("return columns[0].sum()", "int64", None, "int64; a vectorized function returns"),
        ("return columns[0][:1]", "int64", None, "1 values for 2 rows"),
        ("return columns[0] / 2", "int64", 0, "np.float64(0.5) does not fit int64: it is not whole"),
        ("return pd.DataFrame({'a': columns[0]})", "int64", None, "a DataFrame; it stands for a struct"),
        ("return pd.DataFrame({'a': columns[0]})", "struct<a: int64, b: int64>", None, "1 columns for the 2 fields"),
        ("return pd.to_datetime(columns[0], unit='s')", "timestamp[us, tz=UTC]", None, "its time zone is not known"),
        ("return pd.to_datetime(columns[0], unit='s', utc=True)", "timestamp[us]", None, ".dt.tz_localize(None)"),
        ("return pd.Series([pd.Timestamp(1), pd.Timestamp(0)], dtype=object)", "timestamp[us]", 0, "it has nanoseconds"),
        ("return columns[0].astype(str)", "int64", 0, "'1' (str) does not fit int64"),
        ("return columns[0] + 200", "int8", 0, "np.int64(201) does not fit int8"),
    ],
)
def test_results_that_do_not(guest, error, body, result, row, message):
    load(guest, body, ["int64"], result)
    failed = error("f", pa.array([1, 2]))
    assert failed["kind"] == "result" and failed["row"] == row, failed
    assert message in failed["message"]


def test_a_struct_is_a_frame(guest):
    load(guest, "return columns[0]['a'] + columns[0]['s'].str['n']", ["struct<a: double, s: struct<n: double>>"], "double")
    rows = pa.array([{"a": 1.0, "s": {"n": 2.0}}], pa.struct([("a", pa.float64()), ("s", pa.struct([("n", pa.float64())]))]))
    assert guest.call("f", rows).to_pylist() == [3.0]


def test_an_iterator_of_batches(guest):
    loaded = guest.load(
        """
from typing import Iterator
import pandas as pd
from vivarium import udf

@udf(vectorized="pandas", input_types=["int64"], result_type="int64")
def one(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for batch in batches:
        yield batch + 1

@udf(vectorized="pandas", input_types=["int64", "double"], result_type="double")
def two(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    for a, b in batches:
        yield a * b
""",
        "iterated.py",
    )
    assert loaded["problems"] == []
    assert [[p["name"] for p in f["parameters"]] for f in loaded["functions"]] == [["batches"], ["batches0", "batches1"]]
    assert guest.call("one", pa.array([1, 2])).to_pylist() == [2, 3]
    assert guest.call("two", pa.array([1, 2]), pa.array([0.5, 0.5])).to_pylist() == [0.5, 1.0]


def test_rows_that_fail_do_not_take_others_along(guest):
    load(guest, "assert (columns[0] != 3).all(); return pd.Series(range(len(columns[0]))) * 0 + columns[0]", ["int64"], "int64", ", on_error='null'")
    handle, _ = guest.bind("f", [pa.int64()], on_error="null")
    result = guest.invoke(handle, [pa.array([1, 2, 3, None, 5])], pa.int64())
    result = result[0] if isinstance(result, tuple) else result
    assert result.to_pylist() == [1, 2, None, None, 5]


def test_a_result_annotated_as_a_series_needs_a_type(guest):
    source = "import pandas as pd\nfrom vivarium import udf\n@udf(vectorized='pandas')\ndef f(x: pd.Series) -> pd.Series: return x\n"
    problems = guest.load(source, "series.py")["problems"]
    assert [one["message"] for one in problems] == [
        "result: the annotation `Series` does not tell its type: write one that does (`-> int`), or give result_type="
    ]


AGGREGATES = """
import numpy as np
from vivarium import udaf

@udaf(vectorized="pandas")
def spread(x: float) -> float:
    return x.max() - x.min() if len(x) else None

@udaf(vectorized="pandas", input_types=["string", "int64", "struct<a: int64>"], result_type="string", null_handling="call")
def longest(text, weight, row):
    return f"{text.str.len().max()} {weight.sum()} {row['a'].sum()}"

@udaf(vectorized="pandas", input_types=["timestamp[us, tz=Europe/Berlin]"], result_type="timestamp[us, tz=Europe/Berlin]")
def last(t):
    return t.max()
"""


def test_aggregates_see_the_whole_group(guest):
    assert guest.load(AGGREGATES, "groups.py")["problems"] == []
    bound = guest.aggregate("spread", [pa.float64()])
    bound.rows([0, 1, 0], pa.array([1.0, 5.0, 4.0]))
    bound.rows([1, 2], pa.array([7.5, None]))
    assert bound.values([0, 1, 2]) == [3.0, 2.5, None]
    assert bound.values([7]) == [None], "a group without rows"
    other = guest.aggregate("spread", [pa.float64()])
    other.rows([0], pa.array([-1.0]))
    other.merge([0, 1], bound.states([0, 1]))
    assert other.values([0, 1]) == [5.0, 2.5]
    other.merge([0], bound.states([1]), op=native_guest.RESTORE)
    assert other.values([0, 1]) == [2.5, 2.5]
    bound.forget()
    assert bound.values([0]) == [None]


def test_columns_of_every_kind_are_kept(guest):
    guest.load(AGGREGATES, "groups.py")
    rows = pa.array([{"a": 1}, None, {"a": 3}], pa.struct([("a", pa.int64())]))
    columns = [pa.array(["a", "bcd", None]), pa.array([1, None, 2**62]), rows]
    bound = guest.aggregate("longest", [column.type for column in columns])
    bound.rows([0, 0, 0], *columns)
    bound.rows([0], *(column.slice(0, 1) for column in columns))
    assert bound.values([0]) == [f"3.0 {2**62 + 2} 5"]
    other = guest.aggregate("longest", [column.type for column in columns])
    other.merge([3], bound.states([0]))
    assert other.values([3]) == [f"3.0 {2**62 + 2} 5"]
    times = pa.array([0, 10**12, None], pa.timestamp("us", "Europe/Berlin"))
    bound = guest.aggregate("last", [times.type])
    bound.rows([0, 0, 0], times)
    assert bound.values([0]) == [times[1].as_py()]


def test_pyflinks_aggregates(guest):
    assert guest.load(PYFLINK, "series.py")["problems"] == []
    bound = guest.aggregate("mean", [pa.int64()])
    bound.rows([0, 0, 0, 1], pa.array([1, None, 2, None]))
    assert bound.values([0, 1]) == [1.5, None]
    bound = guest.aggregate("max_add", [pa.int64(), pa.int64()])
    bound.rows([0, 0], pa.array([1, 5]), pa.array([7, 2]))
    assert bound.values([0]) == [12]


@pytest.mark.parametrize("data", [b"", b"\x00\x00", b"\x02", b"\x01N", b"nonsense", b"\x01t\x00\x00\x00\x00"])
def test_bytes_that_are_no_rows_are_refused(guest, data):
    guest.load(AGGREGATES, "groups.py")
    bound = guest.aggregate("spread", [pa.float64()])
    with pytest.raises(native_guest.GuestError):
        bound.merge([0], pa.array([data], pa.large_binary()))


def test_a_group_that_was_spoilt_elsewhere_has_no_value(guest):
    guest.load(AGGREGATES, "groups.py")
    bound = guest.aggregate("spread", [pa.float64()])
    bound.rows([0, 1], pa.array([1.0, 2.0]))
    bound.merge([0], pa.array([b"\x00"], pa.large_binary()))
    assert bound.values([0, 1]) == [None, 0.0]


def test_dtypes_do_not_depend_on_the_other_rows(guest):
    load(guest, "return columns[0] / columns[0]", ["double"], "double", ", null_handling='call'")
    assert str(guest.call("f", pa.array([0.0, 1.0])).to_pylist()) == "[nan, 1.0]"
    assert str(seen()[0].dtype) == "Float64"
    assert str(guest.call("f", pa.array([0.0, None])).to_pylist()) == "[nan, None]"


@pytest.mark.parametrize("type", [pa.duration("ns"), pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.timestamp("ns", "Europe/Berlin"), pa.duration("us")], ids=str)
def test_nanoseconds_of_a_frame_stay(guest, type):
    guest.load(
        "from vivarium import udtf\n"
        f"@udtf(vectorized='pandas', null_handling='call', input_types='table(value {type})', result_type='table(value {type})')\n"
        "def same(frame):\n    return frame\n"
    )
    array = pa.array([0, 1, -5, None, 2**62, 123456789123456789], type)
    handle, _ = guest.bind("same", [type])
    row = pa.struct([pa.field("value", type)])
    found, _ = guest.invoke(handle, [array], pa.struct([pa.field("row", pa.uint32(), False), pa.field("row_values", row, False)]))
    guest.control(op="drop", handle=handle)
    assert found.field(1).field(0).equals(array), found


@pytest.mark.parametrize(
    ("type", "value", "expected"),
    [
        ("duration[ns]", "np.timedelta64(5, 'ns')", 5),
        ("duration[us]", "np.timedelta64(5, 'm')", 300_000_000),
        ("timestamp[us]", "np.datetime64('2024-05')", 1_714_521_600_000_000),
        ("duration[us]", "np.timedelta64(5, 'ns')", None),
        ("duration[ns]", "np.timedelta64(2**60, 's')", None),
        ("duration[s]", "np.timedelta64(1, 'Y')", None),
        ("duration[us]", "pd.Timedelta(5, 'ns')", None),
        ("timestamp[us]", "pd.Timestamp(5, unit='ns')", None),
    ],
)
def test_a_time_of_numpy_or_pandas_is_exact_or_refused(guest, type, value, expected):
    guest.load(f"import numpy as np, pandas as pd\nfrom vivarium import udf\n@udf(result_type='{type}')\ndef f(x: int):\n    return {value}\n")
    of = {"duration": pa.duration, "timestamp": pa.timestamp}[type.partition("[")[0]](type.partition("[")[2][:-1])
    if expected is None:
        with pytest.raises(native_guest.GuestError, match="does not fit"):
            guest.call("f", pa.array([1]), type=of)
    else:
        assert guest.call("f", pa.array([1]), type=of).cast(pa.int64()).to_pylist() == [expected]
