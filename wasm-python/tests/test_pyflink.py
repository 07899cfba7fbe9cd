"""Files written for PyFlink."""

import datetime
import decimal
import importlib.util

import pyarrow as pa
import pytest

import native_guest

SCALARS = """
import functools
from pyflink.common import Row
from pyflink.table import DataTypes, Row as TableRow
from pyflink.table.udf import udf, ScalarFunction, AsyncScalarFunction, FunctionContext

assert Row is TableRow

@udf(result_type=DataTypes.BIGINT())
def add_one(x):
    return None if x is None else x + 1

@udf(input_types=[DataTypes.BIGINT(), DataTypes.STRING()], result_type=DataTypes.STRING(), deterministic=False, name="joined")
def join(n, text):
    return f"{n}:{text}"

class Hash(ScalarFunction):
    def open(self, function_context: FunctionContext):
        self.factor = int(function_context.get_job_parameter("factor", "12"))
        self.counter = function_context.get_metric_group().counter("hashed")

    def eval(self, s):
        self.counter.inc()
        return len(s) * self.factor

    def is_deterministic(self):
        return False

hash_code = udf(Hash(), result_type=DataTypes.INT())
hash_code_of_class = udf(Hash, result_type="INT")
lambda_added = udf(lambda i, j: i + j, [DataTypes.BIGINT(), DataTypes.BIGINT()], DataTypes.BIGINT())

class Callable(object):
    def __call__(self, i):
        return i + 1

call_added = udf(Callable(), result_type=DataTypes.BIGINT())
partial_added = udf(functools.partial(lambda j, i: i + j, 1), result_type=DataTypes.BIGINT())

@udf(result_type=DataTypes.ROW([DataTypes.FIELD("id", DataTypes.INT()), DataTypes.FIELD("tags", DataTypes.ARRAY(DataTypes.STRING()))]))
def tagged(row):
    assert isinstance(row, Row) and row.id == row[0] == row["id"]
    return Row(row.id + 1, row.tags + ["new"])

@udf(result_type=DataTypes.BIGINT())
def count_all(*args):
    return sum(1 for arg in args if arg is not None)

class Slow(AsyncScalarFunction):
    async def eval(self, x):
        return x * 2

slow = udf(Slow(), result_type=DataTypes.BIGINT())
"""


def test_scalar_functions(guest):
    loaded = guest.load(SCALARS, "scalars.py")
    assert loaded["problems"] == []
    described = {function["name"]: function for function in loaded["functions"]}
    assert list(described) == [
        "add_one", "joined", "hash_code", "hash_code_of_class", "lambda_added", "call_added", "partial_added", "tagged", "count_all",
        "slow",
    ]  # fmt: skip
    assert {name: one["deterministic"] for name, one in described.items() if not one["deterministic"]} == {
        "joined": False,
        "hash_code": False,
        "hash_code_of_class": False,
    }
    assert described["slow"]["kind"] == "async" and described["hash_code"]["result"]["type"] == "int32"
    assert all(one["null_handling"] == "call" for one in described.values())

    numbers = pa.array([1, None, 3])
    assert guest.call("add_one", numbers).to_pylist() == [2, None, 4]
    assert guest.call("join", numbers, pa.array(["a", "b", None])).to_pylist() == ["1:a", "None:b", "3:None"]
    for name in ("hash_code", "hash_code_of_class"):
        assert guest.call(name, pa.array(["a", "bcd"])).to_pylist() == [12, 36]
    assert guest.call("lambda_added", pa.array([1]), pa.array([2])).to_pylist() == [3]
    assert guest.call("call_added", pa.array([1])).to_pylist() == guest.call("partial_added", pa.array([1])).to_pylist() == [2]
    rows = pa.array([{"id": 1, "tags": ["a"]}], pa.struct([("id", pa.int32()), ("tags", pa.list_(pa.string()))]))
    assert guest.call("tagged", rows).to_pylist() == [{"id": 2, "tags": ["a", "new"]}]
    assert guest.call("count_all", numbers, numbers, pa.array(["a", "b", "c"])).to_pylist() == [3, 1, 3]
    assert guest.call("slow", pa.array([1, 2])).to_pylist() == [2, 4]


TABLES = """
from pyflink.table import DataTypes, Row
from pyflink.table.udf import udtf, TableFunction

class Split(TableFunction):
    def eval(self, string):
        for s in string.split(" "):
            yield s, len(s)

split = udtf(Split(), result_types=[DataTypes.STRING(), DataTypes.BIGINT()])

@udtf(result_types=[DataTypes.INT()])
def range_emit(s, e):
    for i in range(e):
        yield i

@udtf(result_types=DataTypes.INT())
def emit_list(x):
    return range(x)

@udtf(result_types=["STRING", "BIGINT"])
def one_row(x):
    return Row("a", x)

@udtf(result_types=[DataTypes.STRING()])
def one_value(x):
    return "whole"

@udtf(result_types=[DataTypes.STRING()])
def as_rows(x):
    yield Row("r")
    yield ("t",)
    yield "v"

@udtf(result_types=DataTypes.ROW([DataTypes.FIELD("word", DataTypes.STRING()), DataTypes.FIELD("n", DataTypes.INT())]))
def nothing(x):
    pass
"""


def test_table_functions(guest):
    loaded = guest.load(TABLES, "tables.py")
    assert loaded["problems"] == []

    def rows(function, *columns):
        return [(row, tuple(values.values())) for row, values in guest.table(function, *columns)[0]]

    one = pa.array([2])
    assert rows("split", pa.array(["a bc", "d"])) == [(0, ("a", 1)), (0, ("bc", 2)), (1, ("d", 1))]
    assert rows("range_emit", one, one) == rows("emit_list", one) == [(0, (0,)), (0, (1,))]
    assert rows("one_row", one) == [(0, ("a", 2))]
    assert rows("one_value", one) == [(0, ("whole",))]
    assert rows("as_rows", one) == [(0, ("r",)), (0, ("t",)), (0, ("v",))]
    assert rows("nothing", one) == []
    assert loaded["functions"][-1]["result"]["type"] == "struct<word: string, n: int32>"


AGGREGATES = """
from pyflink.common import Row
from pyflink.table import AggregateFunction, DataTypes, TableAggregateFunction, ListView, MapView
from pyflink.table.udf import udaf, udtaf

class WeightedAvg(AggregateFunction):
    def create_accumulator(self):
        return Row(0, 0)

    def get_value(self, accumulator):
        if accumulator[1] == 0:
            return None
        return accumulator[0] / accumulator[1]

    def accumulate(self, accumulator, value, weight):
        accumulator[0] += value * weight
        accumulator[1] += weight

    def retract(self, accumulator, value, weight):
        accumulator[0] -= value * weight
        accumulator[1] -= weight

    def merge(self, accumulator, accumulators):
        for other in accumulators:
            accumulator[0] += other[0]
            accumulator[1] += other[1]

    def get_result_type(self):
        return DataTypes.DOUBLE()

    def get_accumulator_type(self):
        return DataTypes.ROW([DataTypes.FIELD("f0", DataTypes.BIGINT()), DataTypes.FIELD("f1", DataTypes.BIGINT())])

weighted_avg = udaf(WeightedAvg())

class Top2(TableAggregateFunction):
    def emit_value(self, accumulator):
        yield Row(accumulator[0])
        yield Row(accumulator[1])

    def create_accumulator(self):
        return [None, None]

    def accumulate(self, accumulator, row):
        if row is None:
            return
        if accumulator[0] is None or row > accumulator[0]:
            accumulator[1] = accumulator[0]
            accumulator[0] = row
        elif accumulator[1] is None or row > accumulator[1]:
            accumulator[1] = row

top2 = udtaf(Top2(), result_type=DataTypes.ROW([DataTypes.FIELD("a", DataTypes.BIGINT())]))

class Views(AggregateFunction):
    def create_accumulator(self):
        return Row(ListView(), MapView())
    def accumulate(self, accumulator, x):
        accumulator[0].add(x)
        accumulator[1].put(x, len(accumulator[1]))
        return "ignored, as in PyFlink"
    def get_value(self, accumulator):
        return ",".join(map(str, accumulator[0].get())) + ";" + ",".join(map(str, accumulator[1].keys()))

views = udaf(Views(), result_type=DataTypes.STRING())
"""


def test_aggregate_functions(guest):
    assert guest.load(AGGREGATES, "aggregates.py")["problems"] == []
    bound = guest.aggregate("weighted_avg", [pa.int64(), pa.int64()])
    bound.rows([0, 1, 0], pa.array([1, 2, 4]), pa.array([1, 1, 2]))
    bound.rows([0], pa.array([100]), pa.array([7]))
    bound.retract([0], pa.array([100]), pa.array([7]))
    assert bound.values([0, 1, 2]) == [3.0, 2.0, None]
    bound.merge([2, 2], bound.states([0, 1]))
    assert bound.values([2]) == [2.75]
    bound.drop()

    top = guest.aggregate("top2", [pa.int64()])
    top.rows([0, 0, 1, 0], pa.array([5, 9, None, 7]))
    assert top.emitted([0, 1]) == [(0, {"a": 9}), (0, {"a": 7}), (1, {"a": None}), (1, {"a": None})]
    with pytest.raises(native_guest.GuestError, match="has no operation"):
        top.retract([0], pa.array([5]))
    top.drop()

    views = guest.aggregate("views", [pa.int64()])
    views.rows([0, 0, 0], pa.array([1, 2, 1]))
    views.merge([1], views.states([0]), op=native_guest.RESTORE)
    assert views.values([0, 1]) == ["1,2,1;1,2"] * 2
    views.drop()


@pytest.mark.parametrize(
    "spelled, arrow, value",
    [
        ("BOOLEAN()", pa.bool_(), True),
        ("TINYINT()", pa.int8(), 1),
        ("SMALLINT()", pa.int16(), 1),
        ("INT()", pa.int32(), 1),
        ("BIGINT()", pa.int64(), 1),
        ("FLOAT()", pa.float32(), 1.5),
        ("DOUBLE()", pa.float64(), 1.5),
        ("CHAR(3)", pa.string(), "abc"),
        ("VARCHAR(3)", pa.string(), "abc"),
        ("STRING()", pa.string(), "abc"),
        ("BINARY(2)", pa.binary(), b"ab"),
        ("VARBINARY(2)", pa.binary(), b"ab"),
        ("BYTES()", pa.binary(), b"ab"),
        ("DECIMAL(10, 2)", pa.decimal128(10, 2), decimal.Decimal("1.50")),
        ("DATE()", pa.date32(), datetime.date(1960, 1, 1)),
        ("TIME()", pa.time32("s"), datetime.time(1, 2, 3)),
        ("TIME(3)", pa.time32("ms"), datetime.time(1, 2, 3)),
        ("TIME(6)", pa.time64("us"), datetime.time(1, 2, 3)),
        ("TIMESTAMP(3)", pa.timestamp("ms"), datetime.datetime(1960, 1, 1)),
        ("TIMESTAMP()", pa.timestamp("us"), datetime.datetime(1960, 1, 1)),
        ("TIMESTAMP_LTZ(9)", pa.timestamp("ns", "UTC"), datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)),
        ("INTERVAL(DataTypes.DAY(), DataTypes.SECOND(3))", pa.duration("us"), datetime.timedelta(1)),
        ("ARRAY(DataTypes.INT().not_null())", pa.list_(pa.field("item", pa.int32(), False)), [1]),
        ("MAP(DataTypes.STRING(), DataTypes.INT())", pa.map_(pa.string(), pa.int32()), [("a", 1)]),
    ],
)
def test_types(guest, spelled, arrow, value):
    source = f"from pyflink.table import DataTypes\nfrom pyflink.table.udf import udf\n@udf(result_type=DataTypes.{spelled})\ndef f(x): return x\n"
    assert guest.load(source, "types.py")["problems"] == []
    array = pa.array([value, None], arrow)
    assert guest.call("f", array).equals(array)


def test_pandas_is_refused_where_there_is_none(guest, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    source = (
        "from pyflink.table import DataTypes\nfrom pyflink.table.udf import udf, udaf\n"
        '@udf(result_type=DataTypes.BIGINT(), func_type="pandas")\ndef add(i, j):\n  return i + j\n'
        '@udaf(result_type=DataTypes.DOUBLE(), func_type="pandas")\ndef mean(v):\n  return v.mean()\n'
    )
    problems = guest.load(source, "series.py")["problems"]
    message = 'func_type="pandas" needs an image with pandas, which this one has not: run the file with --image data'
    assert {(one["function"], one["line"]) for one in problems if message in one["message"]} == {("add", 4), ("mean", 7)}


def test_what_builds_jobs_is_not_there(guest):
    with pytest.raises(native_guest.GuestError, match="TableEnvironment builds jobs.*: keep functions in a file of their own") as caught:
        guest.load("from pyflink.table import DataTypes, TableEnvironment\n", "job.py")
    assert caught.value.error["kind"] == "import"


def test_what_a_declaration_lacks(guest):
    source = "from pyflink.table.udf import udf\n@udf\ndef f(x: int) -> int: return x\n"
    problems = guest.load(source, "lacks.py")["problems"]
    assert [(one["line"], one["message"]) for one in problems] == [(3, "the result has no type: give result_type=")]


def test_rows():
    from pyflink.table import Row, RowKind

    row = Row(id=1, name="a")
    row.name = "b"
    row["id"] = 2
    assert (row.id, row[1], row["name"], len(row), list(row), "id" in row, row.as_dict()) == (
        2, "b", "b", 2, [2, "b"], True, {"id": 2, "name": "b"},
    )  # fmt: skip
    assert repr(row) == "Row(id=2, name='b')" and repr(Row(1, "a")) == "<Row(1, 'a')>"
    assert Row("id", "name")(2, "b") == row and row != Row(2, "b") and hash(row) == hash(Row(2, "b"))
    assert row.get_row_kind() is RowKind.INSERT and 1 in Row(1, "a")
    with pytest.raises(AttributeError):
        _ = row.missing
