"""Table API: functions of rows."""

import datetime
from decimal import Decimal

from pyflink.common import Row
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.expressions import col
from pyflink.table.udf import AsyncScalarFunction, ScalarFunction, TableFunction, udf, udtf

from . import feature, folder, rows, tables


@udf(result_type=DataTypes.BIGINT())
def add_one(x):
    return x + 1


@feature("scalar function")
def scalar():
    t = tables()
    return rows(t.from_elements([(i,) for i in range(2500)], ["x"]).select(add_one(col("x"))))


@feature("scalar functions in a chain, several in a projection, constants")
def chained():
    @udf(result_type=DataTypes.STRING())
    def join(x, text, y):
        return f"{x}{text}{y}"

    t, c = tables(), col
    source = t.from_elements([(1, 2), (3, 4)], ["a", "b"])
    return rows(source.select(c("a"), add_one(add_one(c("b"))), join(c("b"), "-", add_one(c("a"))), join(c("a"), "+", 2.5)))


@feature("scalar function class with open, close and job parameters")
def scalar_class():
    class Scale(ScalarFunction):
        def open(self, context):
            self.factor = int(context.get_job_parameter("factor", "3"))

        def eval(self, x):
            return None if x is None else x * self.factor

    t = tables()
    source = t.from_elements([(1,), (None,), (3,)], DataTypes.ROW([DataTypes.FIELD("x", DataTypes.BIGINT())]))
    return rows(source.select(udf(Scale(), result_type=DataTypes.BIGINT())(col("x"))))


_TYPES = [
    ("boolean", DataTypes.BOOLEAN(), True),
    ("tinyint", DataTypes.TINYINT(), -7),
    ("smallint", DataTypes.SMALLINT(), -300),
    ("int", DataTypes.INT(), 1 << 30),
    ("bigint", DataTypes.BIGINT(), -(1 << 60)),
    ("float", DataTypes.FLOAT(), 1.5),
    ("double", DataTypes.DOUBLE(), 0.1),
    ("string", DataTypes.STRING(), "äöü漢"),
    ("bytes", DataTypes.BYTES(), bytearray(b"\0\1")),
    ("decimal", DataTypes.DECIMAL(20, 10), Decimal("1234567890.0123456789")),
    ("date", DataTypes.DATE(), datetime.date(2026, 11, 20)),
    ("time", DataTypes.TIME(), datetime.time(23, 59, 59)),
    ("timestamp", DataTypes.TIMESTAMP(3), datetime.datetime(2026, 11, 20, 1, 2, 3, 4000)),
    ("array", DataTypes.ARRAY(DataTypes.STRING()), ["a", "c"]),
    ("map", DataTypes.MAP(DataTypes.STRING(), DataTypes.BIGINT()), {"a": 1, "b": 2}),
    ("row", DataTypes.ROW([DataTypes.FIELD("a", DataTypes.INT()), DataTypes.FIELD("b", DataTypes.STRING())]), Row(1, "x")),
]


@feature("all field types, and NULLs")
def types():
    t = tables()
    schema = DataTypes.ROW([DataTypes.FIELD(name, kind) for name, kind, _ in _TYPES])
    source = t.from_elements([tuple(value for *_, value in _TYPES), tuple(None for _ in _TYPES)], schema)
    same = [udf(lambda x: x, result_type=kind)(col(name)) for name, kind, _ in _TYPES]
    seen = udf(lambda *given: " ".join(type(x).__name__ for x in given), result_type=DataTypes.STRING())
    return rows(source.select(*same, seen(*(col(name) for name, *_ in _TYPES))))


@feature("async scalar function")
def async_scalar():
    class Twice(AsyncScalarFunction):
        async def eval(self, x):
            import asyncio

            await asyncio.sleep(0.001)
            return x * 2

    t = tables()
    source = t.from_elements([(i,) for i in range(20)], ["x"])
    return rows(source.select(udf(Twice(), result_type=DataTypes.BIGINT())(col("x"))))


@feature("pandas scalar function")
def pandas_scalar():
    t = tables()
    twice = udf(lambda x: x * 2, result_type=DataTypes.BIGINT(), func_type="pandas")
    return rows(t.from_elements([(i,) for i in range(20)], ["x"]).select(twice(col("x"))))


@feature("table function")
def table_function():
    @udtf(result_types=[DataTypes.STRING(), DataTypes.INT()])
    def split(text):
        for index, part in enumerate(text.split()):
            yield part, index

    t = tables()
    source = t.from_elements([("a b c",), ("",), ("d",)], ["text"])
    joined = source.join_lateral(split(col("text")).alias("part", "at"))
    outer = source.left_outer_join_lateral(split(col("text")).alias("part", "at"))
    return rows(joined), rows(outer)


class Split(TableFunction):
    def eval(self, x, text):
        for part in text.split():
            yield x, part


@feature("row-based operations: map and flat_map of tables")
def row_based():
    pair = DataTypes.ROW([DataTypes.FIELD("a", DataTypes.BIGINT()), DataTypes.FIELD("b", DataTypes.STRING())])
    grown = udf(lambda row: Row(row[0] + 1, row[1] * 2), result_type=pair)
    split = udtf(lambda row: [(row[0], part) for part in row[1].split()], result_types=[DataTypes.BIGINT(), DataTypes.STRING()])
    source = tables().from_elements([(1, "a b "), (2, "c ")], ["x", "text"])
    return rows(source.map(grown).alias("x", "text").flat_map(split).alias("x", "part"))


@feature("functions in SQL: WHERE, JOIN, LATERAL TABLE")
def in_sql():
    t = tables()
    t.create_temporary_function("is_even", udf(lambda x: x % 2 == 0, result_type=DataTypes.BOOLEAN()))
    t.create_temporary_function("half", udf(lambda x: x // 2, result_type=DataTypes.BIGINT()))
    t.create_temporary_function("parts", udtf(Split(), result_types=[DataTypes.BIGINT(), DataTypes.STRING()]))
    t.create_temporary_view("numbers", t.from_elements([(i, "a b") for i in range(6)], ["x", "text"]))
    found = [rows(t.sql_query("SELECT x FROM numbers WHERE is_even(x)"))]
    found += [rows(t.sql_query("SELECT x, part FROM numbers, LATERAL TABLE(parts(x, text)) AS T(y, part) WHERE is_even(half(x))"))]
    return found + [rows(t.sql_query("SELECT l.x, r.x FROM numbers l JOIN numbers r ON half(l.x) = r.x"))]


@feature("functions of rows in batch mode")
def batch_mode():
    t = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    split = udtf(Split(), result_types=[DataTypes.BIGINT(), DataTypes.STRING()])
    source = t.from_elements([(i, "a b") for i in range(2500)], ["x", "text"])
    return rows(source.select(add_one(col("x")), col("text")).join_lateral(split(col("_c0"), col("text")).alias("y", "part")))


@feature("bundles of more bytes than a sandbox takes at once")
def large():
    t = tables()
    t.get_config().set("python.job-options", "VIVARIUM_LIMIT_batch_bytes:64KiB")
    tail = udf(lambda text: text[1:], result_type=DataTypes.STRING())
    return rows(t.from_elements([("x" * (800 + i),) for i in range(500)], ["text"]).select(tail(col("text")).char_length))
