"""Functions over columns as they are: vectorized="arrow"."""

import datetime
import decimal
import sys

import numpy as np
import pyarrow as pa
import pytest

D = decimal.Decimal

COLUMNS = [
    pa.array([1, None, 3], pa.int8()),
    pa.array([1, 2**62]),
    pa.array([1.5, None, float("inf")]),
    pa.array([True, None, False, True, True, False, True, False, True]),
    pa.array(["a", None, "é", ""]),
    pa.array(["a", "bc"], pa.large_string()),
    pa.array([b"a", None, b""]),
    pa.array([b"ab", b"cd"], pa.binary(2)),
    pa.array([D("1.25"), None], pa.decimal128(10, 2)),
    pa.array([0, None, 19000], pa.int32()).cast(pa.date32()),
    pa.array([0, None], pa.time64("us")),
    pa.array([0, None, 2**40]).cast(pa.timestamp("us")),
    pa.array([0, 2**40]).cast(pa.timestamp("ms", "Europe/Berlin")),
    pa.array([1, None]).cast(pa.duration("s")),
    pa.array([[1, None], None, []], pa.list_(pa.int64())),
    pa.array([["a"], []], pa.large_list(pa.string())),
    pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
    pa.array([{"a": 1, "b": ["x"]}, None], pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])),
    pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    pa.array([None, None], pa.null()),
]


def load(guest, body, types, result):
    loaded = guest.load(
        f"""
import numpy as np
from vivarium import udf
from vivarium.arrow import Column
seen = []

@udf(vectorized="arrow", input_types={types!r}, result_type={result!r}, null_handling="call")
def f(*columns):
    seen.append(columns)
    x = columns[0]
    {body}
""",
        "columns.py",
    )
    assert loaded["problems"] == [], loaded


def seen():
    return sys.modules["columns"].seen[-1]


def name(array):
    return str(getattr(array, "type", ""))


@pytest.mark.parametrize("array", COLUMNS, ids=name)
def test_a_column_goes_through_as_it_is(guest, array):
    load(guest, "return x", [str(array.type)], str(array.type))
    assert guest.call("f", array).equals(array)
    (column,) = seen()
    assert len(column) == len(array) and column.null_count == array.null_count
    assert column.valid().tolist() == array.is_valid().to_pylist()
    assert pa.array(column.to_pylist(), array.type).equals(array), "its values are those a row-at-a-time function gets"


@pytest.mark.parametrize("array", COLUMNS, ids=name)
def test_anything_that_knows_the_capsules_can_read_it(guest, array):
    load(guest, "return x", [str(array.type)], str(array.type))
    guest.call("f", array)
    assert pa.array(seen()[0]).equals(array)
    assert pa.DataType._import_from_c_capsule(seen()[0].__arrow_c_schema__()) == array.type


@pytest.mark.parametrize("array", COLUMNS, ids=name)
def test_some_rows_are_a_column(guest, array):
    load(guest, "return x", [str(array.type)], str(array.type))
    guest.call("f", array)
    (column,) = seen()
    rows = np.arange(len(array))[::-1]
    for cut in (rows, slice(1, None), rows % 2 == 0, rows[:0]):
        picked = array.take(pa.array(np.arange(len(array))[cut]))
        assert pa.array(column[cut]).equals(picked)


def test_buffers_are_those_of_the_batch(guest):
    load(guest, "return x", ["string"], "string")
    guest.call("f", pa.array(["ab", None, "ç"]))
    (column,) = seen()
    assert column.offsets.tolist() == [0, 2, 2, 4] and bytes(column.data) == "abç".encode()
    assert memoryview(column.data).readonly and not column.offsets.flags.owndata
    assert column.lengths().tolist() == [2, 0, 2] and column.rows().tolist() == [0, 0, 2, 2]
    assert column.sum_within(column.data > 127).tolist() == [0, 0, 2]


def test_work_on_strings_without_a_loop(guest):
    words = pa.array(["a1b2", None, "", "33"])
    load(guest, 'return Column.from_numpy(x.sum_within((x.data >= 48) & (x.data <= 57)), "int64", x.valid())', ["string"], "int64")
    assert guest.call("f", words).to_pylist() == [2, None, 0, 2]
    load(guest, "return Column.from_strings(np.strings.replace(x.strings(), 'a', 'ä'))", ["string"], "string")
    assert guest.call("f", words.drop_null()).to_pylist() == ["ä1b2", "", "33"]
    load(guest, "return x.strings()", ["string"], "string")
    assert guest.call("f", words).equals(words)
    load(guest, "return Column.from_strings(np.array(['é', 'abc', '', 'x']), valid=x.valid())", ["string"], "string")
    assert guest.call("f", words).to_pylist() == ["é", None, "", "x"]
    upper = "y = x.data.copy(); y[(y >= 97) & (y <= 122)] -= 32; return Column.from_offsets(x.type, x.offsets, y, x.valid())"
    load(guest, upper, ["string"], "string")
    assert guest.call("f", words).to_pylist() == ["A1B2", None, "", "33"]


def test_work_on_lists_without_a_loop(guest):
    lists = pa.array([[1, 2], None, [], [5]])
    load(guest, 'return Column.from_numpy(x.sum_within(x.children[0].numpy()), "int64", x.valid())', ["list<item: int64>"], "int64")
    assert guest.call("f", lists).to_pylist() == [3, None, 0, 5]
    load(guest, "return Column.from_offsets(x.type, x.offsets, Column.from_numpy(x.children[0].numpy() * 2, 'int64'), x.valid())",
         ["list<item: int64>"], "list<item: int64>")  # fmt: skip
    assert guest.call("f", lists).to_pylist() == [[2, 4], None, [], [10]]


def test_structs_and_times(guest):
    load(guest, "return Column.from_children('struct<n: int64, t: timestamp[us]>', [x, Column.from_numpy(x.numpy().astype('M8[us]'), 'timestamp[us]')])",
         ["int64"], "struct<n: int64, t: timestamp[us]>")  # fmt: skip
    assert guest.call("f", pa.array([0, 10**6])).to_pylist() == [
        {"n": 0, "t": datetime.datetime(1970, 1, 1)},
        {"n": 10**6, "t": datetime.datetime(1970, 1, 1, 0, 0, 1)},
    ]


@pytest.mark.parametrize(
    "body, values",
    [
        ("return x.numpy() + 1", [2, 3]),
        ("return [None, 5]", [None, 5]),
        ("return np.ma.array([1, 2], mask=[True, False])", [None, 2]),
        ("return x.with_valid([False, True])", [None, 2]),
        ("return Column.from_numpy(np.ma.array([7, 8], mask=[True, False]), 'int64')", [None, 8]),
    ],
)
def test_results(guest, body, values):
    load(guest, body, ["int64"], "int64")
    assert guest.call("f", pa.array([1, 2])).to_pylist() == values


@pytest.mark.parametrize(
    "body, message",
    [
        ("return x[:1]", "1 values for 2 rows"),
        ("return Column.from_numpy(x.numpy(), 'timestamp[us]')", "an array of int64 is no column of timestamp[us]"),
        ("return Column.from_numpy(x.numpy() * 1.5, 'double')", "a Column of double does not fit int64"),
        ("return Column.from_offsets('string', [0, 9], b'abc')", "the last offset, 9, is behind the end of the content"),
        ("return Column.from_offsets('string', [2, 1], b'abc')", "never become smaller"),
        ("return x.strings()", "int64 holds no strings"),
    ],
)
def test_results_that_cannot_be(guest, error, body, message):
    load(guest, body, ["int64"], "int64")
    assert message in error("f", pa.array([1, 2]))["message"]


def test_rows_that_fail_do_not_take_others_along(guest):
    load(guest, "assert (x.numpy() != 3).all(); return x", ["int64"], "int64")
    handle, _ = guest.bind("f", [pa.int64()], on_error="null")
    result, _ = guest.invoke(handle, [pa.array([1, 2, 3, 4])], pa.int64())
    assert result.to_pylist() == [1, 2, None, 4]


def test_rows_with_null_are_left_out_where_they_are_not_asked_for(guest):
    guest.load('from vivarium import udf\n@udf(vectorized="arrow")\ndef f(x: str) -> str:\n  assert x.null_count == 0\n  return x[::1]\n')
    strings = pa.array(["a", None, "bc"])
    assert guest.call("f", strings).equals(strings)


def test_what_cannot_be_arrow(guest):
    source = "from vivarium import udaf\n@udaf(vectorized='arrow')\nclass f:\n  def create_accumulator(self, n): pass\n  def accumulate(self, acc, groups, x: int): pass\n  def get_value(self, acc) -> int: pass\n"
    problems = guest.load(source, "groups.py")["problems"]
    assert "aggregate functions cannot be vectorized='arrow'" in problems[0]["message"]
    assert "vectorized='numpy' is not one of" in guest.load("from vivarium import udf\n@udf(vectorized='numpy')\ndef f(x: int) -> int: return x\n", "f.py")["problems"][0]["message"]
    with pytest.raises(Exception, match="a Column is made by"):
        guest.load("from vivarium.arrow import Column\nColumn()\n", "g.py")


FOREIGN = [
    *COLUMNS,
    pa.array(["a", "b", None, "a"]).dictionary_encode(),
    pa.array([[{"a": 1}], None, [{"a": None}, {"a": 3}]]),
    pa.array([[[1], None], [[2, 3], [4]]], pa.list_(pa.list_(pa.int64()), 2)),
    pa.array([], pa.string()),
    pa.array([None, None]).cast(pa.string()),
    pa.array([D("1.5"), None], pa.decimal256(40, 3)),
    pa.array([1.5, None], pa.float16()),
]


@pytest.mark.parametrize("array", FOREIGN, ids=name)
def test_what_others_export_becomes_a_column(guest, array):
    from vivarium.arrow import Column

    values = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    for cut in (slice(None), slice(1, None), slice(0, 1), slice(1, 2), slice(0, 0)):
        column = Column.from_arrow(array[cut])
        assert len(column) == len(values[cut]) and column.null_count == values[cut].null_count
        assert column.to_pylist() == Column.from_arrow(pa.array(values[cut].to_pylist(), values.type)).to_pylist()
        assert pa.array(column).equals(values[cut])


def test_a_result_of_another_library_needs_no_column(guest):
    load(guest, "import pyarrow, pyarrow.compute as pc; return pc.utf8_upper(pyarrow.array(x))", ["string"], "string")
    assert guest.call("f", pa.array(["a", None, "ç"])).to_pylist() == ["A", None, "Ç"]
    handle, _ = guest.bind("f", [pa.string()], on_error="null")
    assert guest.invoke(handle, [pa.array(["b", None])], pa.string())[0].to_pylist() == ["B", None]
    load(guest, "import pyarrow; return pyarrow.array(x.to_pylist(), pyarrow.list_(pyarrow.field('element', pyarrow.int64(), False)))[0:]",
         ["list<item: int64>"], "list<item: int64>")  # fmt: skip
    lists = pa.array([[1, 2], None, []], pa.list_(pa.int64()))
    assert guest.call("f", lists).to_pylist() == lists.to_pylist()
    load(guest, "import pyarrow; return pyarrow.array([1, 2], pyarrow.int32())", ["int64"], "int64")
    with pytest.raises(Exception, match="a Column of int32 does not fit int64"):
        guest.call("f", pa.array([1, 2]))


def test_buffers_of_others_outlive_their_objects(guest):
    from vivarium.arrow import Column

    column = Column.from_arrow(pa.array(["x" * 1000] * 1000))
    assert column.data.base is not None and bytes(column.data[:3]) == b"xxx"
    assert column.to_pylist() == ["x" * 1000] * 1000


def test_what_cannot_be_imported_says_so(guest):
    from vivarium.arrow import Column

    for value, message in [
        ([1, 2], "list has no __arrow_c_array__"),
        (pa.array(["a"], pa.string_view()), "Arrow's format 'vu' is not supported here: cast it"),
        (pa.array([1]).view(pa.int64()).dictionary_encode().filter(pa.array([False])), None),
    ]:
        if message is None:
            assert len(Column.from_arrow(value)) == 0
            continue
        with pytest.raises(TypeError, match=message):
            Column.from_arrow(value)
