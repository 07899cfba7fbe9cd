"""The client of tests/flink/figures.py: submits jobs for both sides in turn and prints what each took, as JSON.

    flink run --python figures_job.py '{"rest": PORT, "sides": {"stock": PYTHON, "sandbox": LAUNCHER}, "rows": N, "rounds": N, "seconds": N}'
"""

import json
import statistics
import sys
import sysconfig
import time
import urllib.request

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf
from workers import Workers

MARKS = {"stock": b"pyflink.fn_execution.beam", "sandbox": b"flink\0worker", "thread": b"\0none\0"}
"""What the command lines of workers hold. In thread mode functions run in the TaskManager."""


@udf(result_type=DataTypes.BIGINT())
def add(x):
    return x + 1


@udf(result_type=DataTypes.STRING())
def upper(x):
    return x.upper()


class Count(KeyedProcessFunction):
    def open(self, context: RuntimeContext):
        self.count = context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value, context):
        count = (self.count.value() or 0) + 1
        self.count.update(count)
        yield count


class Client:
    def __init__(self, given):
        self.given = given

    def settings(self, side, bundle):
        settings = {"parallelism.default": "1", "python.fn-execution.bundle.size": str(bundle)}
        settings["python.executable"] = self.given["sides"]["sandbox" if side == "sandbox" else "stock"]
        if side == "thread":
            # The interpreter in the TaskManager does not know of the virtual environment.
            settings |= {"python.execution-mode": "thread", "python.pythonpath": sysconfig.get_path("purelib")}
        return settings

    def tables(self, side, bundle, rows):
        tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
        for name, value in self.settings(side, bundle).items():
            tables.get_config().set(name, value)
        tables.create_temporary_function("add", add)
        tables.create_temporary_function("upper_text", upper)
        tables.execute_sql(
            f"CREATE TABLE numbers (x BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', 'rows-per-second' = '1000000000', "
            f"'fields.x.kind' = 'sequence', 'fields.x.start' = '1', 'fields.x.end' = '{rows}')"
        )
        return tables

    def table_job(self, kind, side, bundle, rows):
        call = {"add": "add(x)", "upper": "upper_text(CONCAT('some text ', CAST(x AS STRING)))"}[kind]
        tables = self.tables(side, bundle, rows)
        target = {"add": "BIGINT", "upper": "STRING"}[kind]
        tables.execute_sql(f"CREATE TABLE nowhere (y {target}) WITH ('connector' = 'blackhole')")
        return tables.execute_sql(f"INSERT INTO nowhere SELECT {call} FROM numbers").get_job_client()

    def state_job(self, side, bundle, rows):
        settings = Configuration()
        for name, value in self.settings(side, bundle).items():
            settings.set_string(name, value)
        environment = StreamExecutionEnvironment.get_execution_environment(settings)
        environment.set_parallelism(1)
        source = NumberSequenceSource(1, rows)
        numbers = environment.from_source(source, WatermarkStrategy.no_watermarks(), "numbers", Types.LONG())
        counted = numbers.key_by(lambda number: number % 100, Types.LONG()).process(Count(), Types.LONG())
        counted.filter(lambda count: count < 0).print()
        return environment.execute_async("state")

    def run(self, kind, side, bundle, rows):
        """A whole job: rows per second while its Python operators run, and what its workers used."""
        with Workers(MARKS[side]) as workers:
            job = self.state_job(side, bundle, rows) if kind == "state" else self.table_job(kind, side, bundle, rows)
            job.get_job_execution_result().result()
        used = {"cpu": workers.seconds, "rss": workers.most("Rss"), "own": workers.most("Anonymous")}
        return {"rate": rows / self.seconds(job.get_job_id()), **used}

    def seconds(self, job):
        """From the moment that all operators are open, workers included, to their end."""
        vertices = self.get(f"/jobs/{job}")["vertices"]
        times = [self.get(f"/jobs/{job}/vertices/{vertex['id']}/subtasktimes")["subtasks"][0]["timestamps"] for vertex in vertices]
        return (max(each["FINISHED"] for each in times) - max(each["RUNNING"] for each in times)) / 1000

    def get(self, path):
        with urllib.request.urlopen(f"http://localhost:{self.given['rest']}{path}", timeout=60) as answer:
            return json.load(answer)

    def first_row(self, side):
        """Seconds from a job's submission to its first row, at the client."""
        tables = self.tables(side, 1000, 10)
        begin = time.monotonic()
        with tables.execute_sql("SELECT add(x) FROM numbers").collect() as found:
            next(found)
            return time.monotonic() - begin


def main(given):
    client, rows = Client(given), given["rows"]
    plan = [("add", 1000, side, rows) for side in given["sides"]] + [("upper", 1000, side, rows) for side in given["sides"]]
    plan += [(kind, 100_000, side, rows) for kind in ("add", "upper") for side in [*given["sides"], "thread"]]
    plan += [("state", 1000, side, rows // 10) for side in given["sides"]]
    for side in given["sides"]:
        client.first_row(side)  # whatever is done once in the life of a cluster
    begin = time.monotonic()
    for done in range(given["rounds"]):
        if done and (time.monotonic() - begin) * (done + 1) / done > given["seconds"]:
            break
        for kind, bundle, side, count in plan:
            found = client.run(kind, side, bundle, count)
            print("RESULT " + json.dumps({"kind": kind, "bundle": bundle, "side": side, "rows": count, **found}), flush=True)
        for side in given["sides"]:
            seconds = statistics.median(client.first_row(side) for _ in range(2))
            print("RESULT " + json.dumps({"kind": "first", "bundle": 1000, "side": side, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
