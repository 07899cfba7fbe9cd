"""A Table job: a scalar function, a table function and an aggregate function.

    flink run -pyexec DIR/vvpython3.11 --python table.py
"""

from pyflink.common import Row
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import AggregateFunction, udaf, udf, udtf


@udf(result_type=DataTypes.STRING())
def shout(name):
    return name.upper()


@udtf(result_types=[DataTypes.DOUBLE()])
def amounts(text):
    for part in text.split(";"):
        yield float(part)


class Mean(AggregateFunction):
    def create_accumulator(self):
        return Row(0.0, 0)

    def accumulate(self, accumulator, value):
        accumulator[0] += value
        accumulator[1] += 1

    def get_value(self, accumulator):
        return accumulator[0] / accumulator[1] if accumulator[1] else None

    def get_result_type(self):
        return DataTypes.DOUBLE()

    def get_accumulator_type(self):
        return DataTypes.ROW([DataTypes.FIELD("sum", DataTypes.DOUBLE()), DataTypes.FIELD("count", DataTypes.BIGINT())])


def main():
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("parallelism.default", "1")
    tables.create_temporary_function("shout", shout)
    tables.create_temporary_function("amounts", amounts)
    tables.create_temporary_function("mean", udaf(Mean()))
    tables.execute_sql(
        """
        SELECT shout(name) AS who, mean(amount) AS average
        FROM (VALUES ('ada', '1;2;6'), ('bob', '5')) AS orders (name, text), LATERAL TABLE(amounts(text)) AS a (amount)
        GROUP BY shout(name)
        """
    ).print()


if __name__ == "__main__":
    main()
