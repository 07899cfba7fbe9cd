"""Contender: stock Apache Flink from PyPI, on a cluster inside this process (parallelism 1). Speaks the protocol of README.md.

    python pyflink_job.py process|thread

A request is a job: Flink's generator makes rows, the function's results go to a sink that drops them, and the job's wall-clock time
is the answer. `rows` times `repetitions` rows are made; the function "" is the same job without a function. Columns are made by SQL
over a sequence, like those of the other contenders. What starting a job costs is for the harness to take off: jobs of different
sizes differ by their rows alone.
"""

import os
import sys
import sysconfig
import time

MODE = sys.argv[1]
# Without it the client would run functions in its own interpreter, without the worker that a cluster has.
os.environ["_python_worker_execution_mode"] = "process"
# The interpreter in the JVM does not know that it is one of a virtual environment.
os.environ["PYTHONPATH"] = os.pathsep.join([os.environ.get("PYTHONPATH", ""), sysconfig.get_path("purelib")])

import pandas as pd  # noqa: E402  the environment is read when pyflink is
import pyarrow as pa  # noqa: E402
from pyflink.common import Row  # noqa: E402
from pyflink.table import AggregateFunction, DataTypes, EnvironmentSettings, Schema, TableDescriptor, TableEnvironment  # noqa: E402
from pyflink.table import udf as flink  # noqa: E402
from pyflink.table.types import RowType  # noqa: E402
from served import NotPossible, serve, table  # noqa: E402

NAME = "CONCAT('Customer#', LPAD(CAST(n AS STRING), 9, '0'))"
# What a contender gets from a file is made here from the number `n` of the row.
COLUMNS = {
    "add_one": ["n * 7919"],
    "gcd": ["n * 7919 + 12", "MOD(n * 104729, 1000003) * 6 + 6"],
    "substring": [NAME],
    "upper": [NAME],
    "taxed": ["CAST(n AS DECIMAL(15, 2))"],
    "json_price": ["CONCAT('{\"id\": ', CAST(n AS STRING), ', \"line\": {\"price\": ', CAST(n AS STRING), '.25, \"tags\": [\"a\", \"b\"]}}')"],
    "parse_time": ["CONCAT('2024-01-', LPAD(CAST(MOD(n, 28) + 1 AS STRING), 2, '0'), ' 12:30:05')"],
    "next_day": ["CAST(TO_TIMESTAMP_LTZ(MOD(n, 30000) * 86400, 0) AS TIMESTAMP(3))"],
    "domain": ["CONCAT('person.', CAST(n AS STRING), '@host-', CAST(MOD(n, 100) AS STRING), '.com')"],
    "order": ["CAST(ROW(n, n / CAST(3 AS DOUBLE), CAST(n AS STRING)) AS ROW<a BIGINT, b DOUBLE, c STRING>)"],
    "rule": ["MOD(n, 50) + 1", "MOD(n, 10000) / CAST(7 AS DOUBLE)", "MOD(n, 11) / CAST(100 AS DOUBLE)",
             "CASE MOD(n, 3) WHEN 0 THEN 'AIR' WHEN 1 THEN 'RAIL' ELSE 'MAIL' END", "CASE MOD(n, 3) WHEN 0 THEN 'R' WHEN 1 THEN 'A' ELSE 'N' END"],
    "vector_add": ["n / CAST(3 AS DOUBLE)", "n / CAST(3 AS DOUBLE)"],
    "vector_price": ["n / CAST(3 AS DOUBLE)", "MOD(n, 11) / CAST(100 AS DOUBLE)"],
    "vector_upper": [NAME],
    "words": ["CONCAT('furiously even ', CAST(n AS STRING), ' requests')"],
    "Total": ["n"],
}  # fmt: skip


def flink_type(kind):
    """The Table API's type of an Arrow type."""
    if pa.types.is_decimal(kind):
        return DataTypes.DECIMAL(kind.precision, kind.scale)
    if pa.types.is_struct(kind):
        return DataTypes.ROW([DataTypes.FIELD(field.name, flink_type(field.type)) for field in kind])
    if pa.types.is_timestamp(kind):
        return DataTypes.TIMESTAMP(3)
    return {"int64": DataTypes.BIGINT(), "double": DataTypes.DOUBLE(), "string": DataTypes.STRING()}[str(kind)]


def declared(request):
    """The function of the file as Flink wants it declared."""
    # In this module, so that it is pickled with its code: the workers have no such file.
    if "words" not in globals():
        with open(request["source"]) as file:
            exec(compile(file.read(), request["source"], "exec"), globals())
    call, kind = globals()[request["function"]], flink_type(table(request["result"]).schema.field(0).type)
    if request["kind"] == "scalar" and isinstance(kind, RowType):
        # Flink's structs are rows.
        return flink.udf(lambda *arguments: Row(**call(*arguments)), result_type=kind)
    if request["kind"] == "scalar":
        return flink.udf(call, result_type=kind)
    if request["kind"] == "vectorized":
        return flink.udf(lambda *series: pd.Series(call(*series)), result_type=kind, func_type="pandas")
    if request["kind"] == "table":
        return flink.udtf(call, result_types=[kind])
    if request["function"] != "Total":
        raise NotPossible("Flink's vectorized aggregates take a whole group at a time")

    class Aggregate(AggregateFunction):
        def create_accumulator(self):
            return [0]

        def accumulate(self, acc, x):
            acc[0] += x

        def retract(self, acc, x):
            acc[0] -= x

        def get_value(self, acc):
            return acc[0]

        def get_result_type(self):
            return kind

        def get_accumulator_type(self):
            return DataTypes.ARRAY(DataTypes.BIGINT())

    return flink.udaf(Aggregate())


def statement(request, function):
    """The query of a job."""
    columns = COLUMNS.get(request["work"])
    if columns is None:
        raise NotPossible("there is no such job")
    arguments = ", ".join(f"a{index}" for index in range(len(columns)))
    inner = ", ".join(f"{column} AS a{index}" for index, column in enumerate(columns))
    rows = f"(SELECT n, {inner} FROM source)"
    if not function:
        return f"SELECT {arguments} FROM {rows}"
    if request["kind"] == "table":
        return f"SELECT word FROM {rows}, LATERAL TABLE(f({arguments})) AS T(word)"
    if request["kind"] == "aggregate":
        return f"SELECT MOD(n, 10000), f({arguments}) FROM {rows} GROUP BY MOD(n, 10000)"
    return f"SELECT f({arguments}) FROM {rows}"


def measure(request):
    if request["threads"] > 1:
        raise NotPossible("jobs are measured with parallelism 1")
    rows = request["rows"] * request["repetitions"]
    environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    settings = environment.get_config()
    settings.set("parallelism.default", "1")
    settings.set("python.execution-mode", MODE)
    settings.set("python.executable", sys.executable)
    settings.set("python.client.executable", sys.executable)
    settings.set("table.local-time-zone", "UTC")
    environment.execute_sql(
        "CREATE TEMPORARY TABLE source (n BIGINT) WITH ('connector' = 'datagen', 'fields.n.kind' = 'sequence', "
        f"'fields.n.start' = '1', 'fields.n.end' = '{rows}', 'rows-per-second' = '1000000000')"
    )
    function = request["function"]
    if function:
        environment.create_temporary_function("f", declared(request))
    query = statement(request, function)
    schema = environment.sql_query(query).get_schema()
    names = [f"c{index}" for index in range(schema.get_field_count())]
    sink = Schema.new_builder().from_fields(names, schema.get_field_data_types()).build()
    environment.create_temporary_table("sink", TableDescriptor.for_connector("blackhole").schema(sink).build())
    start = time.perf_counter_ns()
    try:
        environment.execute_sql(f"INSERT INTO sink {query}").wait()
    except Exception as error:
        # Of a page of Java's stack only the cause says anything.
        causes = [line for line in str(error).splitlines() if line.startswith("Caused by:")]
        raise NotPossible(f"the job failed: {causes[-1]}" if causes else str(error)) from None
    return time.perf_counter_ns() - start


serve(measure)
