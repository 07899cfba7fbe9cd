"""A job that counts five rows and then stays, so that its metrics can be read: `flink run --detached --python measured.py`."""

from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import ScalarFunction, udf


class Measured(ScalarFunction):
    def open(self, context):
        group = context.get_metric_group().add_group("mine")
        self.counter = group.counter("seen")
        self.meter = group.meter("rate")
        self.distribution = group.distribution("values")
        self.last = 0
        group.gauge("last", lambda: self.last)

    def eval(self, x):
        self.counter.inc(2)
        self.meter.mark_event(1)
        self.distribution.update(x)
        self.last = x
        return x


def main():
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("parallelism.default", "1")
    tables.get_config().set("python.metric.enabled", "true")
    tables.create_temporary_function("measured", udf(Measured(), result_type=DataTypes.BIGINT()))
    tables.execute_sql(
        "CREATE TABLE numbers (x BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10', "
        "'fields.x.kind' = 'sequence', 'fields.x.start' = '1', 'fields.x.end' = '1000000')"
    )
    tables.execute_sql("CREATE TABLE nowhere (x BIGINT) WITH ('connector' = 'blackhole')")
    tables.execute_sql("INSERT INTO nowhere SELECT measured(x) FROM numbers WHERE x <= 5")


if __name__ == "__main__":
    main()
