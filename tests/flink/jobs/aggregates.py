"""Table API: functions of groups and of windows."""

from pyflink.common import Row
from pyflink.table import DataTypes, ListView, MapView
from pyflink.table.expressions import col, lit, row_interval
from pyflink.table.udf import AggregateFunction, TableAggregateFunction, udaf, udtaf
from pyflink.table.window import Session, Slide, Tumble

from . import feature, final, folder, rows, tables


class Mean(AggregateFunction):
    def create_accumulator(self):
        return Row(0, 0)

    def accumulate(self, acc, x):
        if x is not None:
            acc[0] += x
            acc[1] += 1

    def retract(self, acc, x):
        if x is not None:
            acc[0] -= x
            acc[1] -= 1

    def merge(self, acc, others):
        for other in others:
            acc[0] += other[0]
            acc[1] += other[1]

    def get_value(self, acc):
        return acc[0] / acc[1] if acc[1] else None

    def get_result_type(self):
        return DataTypes.DOUBLE()

    def get_accumulator_type(self):
        return DataTypes.ROW([DataTypes.FIELD("sum", DataTypes.BIGINT()), DataTypes.FIELD("count", DataTypes.BIGINT())])


@feature("aggregate function")
def aggregate():
    t, c = tables(), col
    source = t.from_elements([(i % 3, i) for i in range(100)], ["k", "x"])
    return final(source.group_by(c("k")).select(c("k"), udaf(Mean())(c("x"))))


@feature("aggregate function with list and map views")
def views():
    class Distinct(AggregateFunction):
        def create_accumulator(self):
            return Row(ListView(), MapView())

        def accumulate(self, acc, x):
            if x not in acc[1]:
                acc[0].add(x)
            acc[1][x] = acc[1][x] + 1 if x in acc[1] else 1

        def get_value(self, acc):
            return ",".join(sorted(acc[0])) + f" {sum(acc[1].values())}"

        def get_result_type(self):
            return DataTypes.STRING()

        def get_accumulator_type(self):
            return DataTypes.ROW(
                [
                    DataTypes.FIELD("f0", DataTypes.LIST_VIEW(DataTypes.STRING())),
                    DataTypes.FIELD("f1", DataTypes.MAP_VIEW(DataTypes.STRING(), DataTypes.BIGINT())),
                ]
            )

    t, c = tables(), col
    source = t.from_elements([(i % 2, "xyz"[i % 3]) for i in range(30)], ["k", "x"])
    return final(source.group_by(c("k")).select(c("k"), udaf(Distinct())(c("x"))))


@feature("table aggregate function")
def table_aggregate():
    class Top2(TableAggregateFunction):
        def create_accumulator(self):
            return [None, None]

        def accumulate(self, acc, x):
            best = sorted((y for y in [*acc, x] if y is not None), reverse=True)[:2]
            acc[:] = best + [None] * (2 - len(best))

        def emit_value(self, acc):
            for x in acc:
                if x is not None:
                    yield Row(x)

        def get_accumulator_type(self):
            return DataTypes.ARRAY(DataTypes.BIGINT())

        def get_result_type(self):
            return DataTypes.ROW([DataTypes.FIELD("x", DataTypes.BIGINT())])

    t, c = tables(), col
    source = t.from_elements([(i % 2, i * 7 % 11) for i in range(20)], ["k", "x"])
    top = udtaf(Top2())
    return final(source.group_by(c("k")).flat_aggregate(top(c("x")).alias("best")).select(c("k"), c("best")))


class Sum(AggregateFunction):
    """Also which numbers there were, so that windows that merge wrongly show."""

    def create_accumulator(self):
        return [[]]

    def accumulate(self, acc, x):
        acc[0].append(x)

    def merge(self, acc, others):
        for other in others:
            acc[0].extend(other[0])

    def get_value(self, acc):
        return f"{sum(acc[0])} of {sorted(acc[0])}"

    def get_result_type(self):
        return DataTypes.STRING()

    def get_accumulator_type(self):
        return DataTypes.ROW([DataTypes.FIELD("seen", DataTypes.ARRAY(DataTypes.BIGINT()))])


def visits():
    """k, x and the time that x stands for, in an order that is not that of time; with a time attribute that trails by a minute."""
    t = tables()
    seconds = [3, 1, 2, 8, 5, 14, 9, 33, 20, 31, 47, 30, 58, 41]
    text = "".join(f"{'ab'[i % 2]},{x},2026-11-20 01:00:{x:02}.000\n" for i, x in enumerate(seconds))
    file = folder() / "visits.csv"
    file.write_text(text)
    t.execute_sql(
        "CREATE TABLE visits (k STRING, x BIGINT, happened TIMESTAMP(3), come AS PROCTIME(), WATERMARK FOR happened AS happened - INTERVAL '1' MINUTE) "
        f"WITH ('connector' = 'filesystem', 'path' = '{file}', 'format' = 'csv')"
    )
    return t.from_path("visits")


def windowed(window):
    w = col("w")
    return rows(visits().window(window.alias("w")).group_by(col("k"), w).select(col("k"), w.start, w.end, w.rowtime, udaf(Sum())(col("x"))))


@feature("group windows: tumbling")
def tumbling():
    return windowed(Tumble.over(lit(10).seconds).on(col("happened")))


@feature("group windows: sliding")
def sliding():
    return windowed(Slide.over(lit(10).seconds).every(lit(5).seconds).on(col("happened")))


@feature("group windows: session")
def session():
    return windowed(Session.with_gap(lit(6).seconds).on(col("happened")))


@feature("group windows: of a number of rows")
def counted():
    table, w, sums = visits(), col("w"), udaf(Sum())(col("x"))
    tumble = Tumble.over(row_interval(3)).on(col("come")).alias("w")
    slide = Slide.over(row_interval(4)).every(row_interval(2)).on(col("come")).alias("w")
    return [rows(table.window(window).group_by(col("k"), w).select(col("k"), sums)) for window in (tumble, slide)]


@feature("row-based operations: aggregate and flat_aggregate of tables")
def row_based():
    class Smallest(TableAggregateFunction):
        def create_accumulator(self):
            return [[]]

        def accumulate(self, acc, row):
            acc[0] = sorted([*acc[0], row[1]])[:2]

        def emit_value(self, acc):
            yield from (Row(x, -x) for x in acc[0])

        def get_accumulator_type(self):
            return DataTypes.ROW([DataTypes.FIELD("least", DataTypes.ARRAY(DataTypes.BIGINT()))])

        def get_result_type(self):
            return DataTypes.ROW([DataTypes.FIELD("x", DataTypes.BIGINT()), DataTypes.FIELD("y", DataTypes.BIGINT())])

    class Both(AggregateFunction):
        def create_accumulator(self):
            return Row(0, 0)

        def accumulate(self, acc, row):
            acc[0] += 1
            acc[1] += row[1]

        def retract(self, acc, row):
            acc[0] -= 1
            acc[1] -= row[1]

        def get_value(self, acc):
            return Row(acc[0], acc[1])

        def get_accumulator_type(self):
            return self.get_result_type()

        def get_result_type(self):
            return DataTypes.ROW([DataTypes.FIELD("n", DataTypes.BIGINT()), DataTypes.FIELD("sum", DataTypes.BIGINT())])

    source = tables().from_elements([(i % 2, i * 7 % 11) for i in range(20)], ["k", "x"])
    whole = source.group_by(col("k")).aggregate(udaf(Both()).alias("n", "sum")).select(col("k"), col("n"), col("sum"))
    least = source.group_by(col("k")).flat_aggregate(udtaf(Smallest()).alias("x", "y")).select(col("k"), col("x"), col("y"))
    return final(whole), final(least)
