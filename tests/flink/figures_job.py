"""Jobs of tests/flink/figures.py: `flink run --python figures_job.py KIND ROWS`. Prints the seconds that the job ran."""

import sys

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf


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


def main(kind, rows):
    if kind == "state":
        environment = StreamExecutionEnvironment.get_execution_environment(Configuration())
        environment.set_parallelism(1)
        numbers = environment.from_source(
            NumberSequenceSource(1, rows), WatermarkStrategy.no_watermarks(), "numbers", Types.LONG()
        )
        counted = numbers.key_by(lambda number: number % 1000, Types.LONG()).process(Count(), Types.LONG())
        counted.filter(lambda count: count < 0).print()
        result = environment.execute("state")
        print("RESULT", result.get_net_runtime() / 1000)
        return
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("parallelism.default", "1")
    tables.create_temporary_function("f", {"add": add, "upper": upper}[kind])
    column = "x" if kind == "add" else "CONCAT('some text ', CAST(x AS STRING))"
    target = "BIGINT" if kind == "add" else "STRING"
    tables.execute_sql(
        f"CREATE TABLE numbers (x BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', "
        f"'fields.x.kind' = 'sequence', 'fields.x.start' = '1', 'fields.x.end' = '{rows}')"
    )
    tables.execute_sql(f"CREATE TABLE nowhere (y {target}) WITH ('connector' = 'blackhole')")
    job = tables.execute_sql(f"INSERT INTO nowhere SELECT f({column}) FROM numbers").get_job_client()
    print("RESULT", job.get_job_execution_result().result().get_net_runtime() / 1000)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
