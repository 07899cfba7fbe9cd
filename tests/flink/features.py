"""PyFlink's features, a job each. Run by `flink run --python features.py FEATURE ...`; prints one JSON object a feature.

The same jobs run on stock workers and in sandboxes: what they print has to be equal. docs/flink.md's table is made of their names.
"""

import datetime
import json
import sys
import traceback
from decimal import Decimal

from pyflink.common import Row, Types, WatermarkStrategy, Time
from pyflink.common.watermark_strategy import TimestampAssigner
from pyflink.datastream import (
    KeyedProcessFunction,
    OutputTag,
    ProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
)
from pyflink.datastream.functions import AggregateFunction as StreamAggregate
from pyflink.datastream.functions import CoMapFunction, KeyedBroadcastProcessFunction, ReduceFunction
from pyflink.datastream.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)
from pyflink.table import DataTypes, EnvironmentSettings, StreamTableEnvironment
from pyflink.table.udf import AggregateFunction, ScalarFunction, TableAggregateFunction, udaf, udf, udtaf, udtf

FEATURES = {}


def feature(name):
    def register(job):
        FEATURES[name] = job
        return job

    return register


def tables():
    environment = StreamExecutionEnvironment.get_execution_environment()
    environment.set_parallelism(1)
    return StreamTableEnvironment.create(environment, EnvironmentSettings.in_streaming_mode())


def streams(parallelism=1):
    environment = StreamExecutionEnvironment.get_execution_environment()
    environment.set_parallelism(parallelism)
    return environment


def rows(table):
    with table.execute().collect() as found:
        return sorted(repr((row.get_row_kind().name, list(row))) for row in found)


def final(table):
    """What is left of a table that changes: its changes taken together."""
    left = {}
    with table.execute().collect() as found:
        for row in found:
            key = repr(list(row))
            left[key] = left.get(key, 0) + (1 if row.get_row_kind().name in ("INSERT", "UPDATE_AFTER") else -1)
    return sorted(key for key, count in left.items() for _ in range(count))


def values(stream):
    with stream.execute_and_collect() as found:
        return sorted(map(repr, found))


def pairs(environment, items=None):
    items = items or [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("b", 5), ("a", 6)]
    return environment.from_collection(items, Types.TUPLE([Types.STRING(), Types.INT()]))


# ---- Table: scalar functions ----


@udf(result_type=DataTypes.BIGINT())
def add_one(x):
    return x + 1


@feature("scalar function")
def scalar():
    t = tables()
    return rows(t.from_elements([(i,) for i in range(2500)], ["x"]).select(add_one(t_col("x"))))


def t_col(name):
    from pyflink.table.expressions import col

    return col(name)


@feature("scalar functions in a chain, several in a projection, constants")
def chained():
    @udf(result_type=DataTypes.STRING())
    def join(x, text, y):
        return f"{x}{text}{y}"

    t, c = tables(), t_col
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
    return rows(source.select(udf(Scale(), result_type=DataTypes.BIGINT())(t_col("x"))))


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
    same = [udf(lambda x: x, result_type=kind)(t_col(name)) for name, kind, _ in _TYPES]
    seen = udf(lambda *given: " ".join(type(x).__name__ for x in given), result_type=DataTypes.STRING())
    return rows(source.select(*same, seen(*(t_col(name) for name, *_ in _TYPES))))


@feature("async scalar function")
def async_scalar():
    from pyflink.table.udf import AsyncScalarFunction

    class Twice(AsyncScalarFunction):
        async def eval(self, x):
            import asyncio

            await asyncio.sleep(0.001)
            return x * 2

    t = tables()
    source = t.from_elements([(i,) for i in range(20)], ["x"])
    return rows(source.select(udf(Twice(), result_type=DataTypes.BIGINT())(t_col("x"))))


@feature("pandas scalar function")
def pandas_scalar():
    t = tables()
    twice = udf(lambda x: x * 2, result_type=DataTypes.BIGINT(), func_type="pandas")
    return rows(t.from_elements([(i,) for i in range(20)], ["x"]).select(twice(t_col("x"))))


# ---- Table: table functions ----


@feature("table function")
def table_function():
    @udtf(result_types=[DataTypes.STRING(), DataTypes.INT()])
    def split(text):
        for index, part in enumerate(text.split()):
            yield part, index

    t = tables()
    source = t.from_elements([("a b c",), ("",), ("d",)], ["text"])
    joined = source.join_lateral(split(t_col("text")).alias("part", "at"))
    outer = source.left_outer_join_lateral(split(t_col("text")).alias("part", "at"))
    return rows(joined), rows(outer)


# ---- Table: aggregates ----


class _Mean(AggregateFunction):
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
    t, c = tables(), t_col
    source = t.from_elements([(i % 3, i) for i in range(100)], ["k", "x"])
    return final(source.group_by(c("k")).select(c("k"), udaf(_Mean())(c("x"))))


@feature("aggregate function with list and map views")
def views():
    from pyflink.table import ListView, MapView

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

    t, c = tables(), t_col
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

    t, c = tables(), t_col
    source = t.from_elements([(i % 2, i * 7 % 11) for i in range(20)], ["k", "x"])
    top = udtaf(Top2())
    return final(source.group_by(c("k")).flat_aggregate(top(c("x")).alias("best")).select(c("k"), c("best")))


# ---- DataStream ----


@feature("map, flat_map, filter")
def stateless():
    stream = pairs(streams())
    stream = stream.map(lambda pair: (pair[0], pair[1] * 10), Types.TUPLE([Types.STRING(), Types.INT()]))
    stream = stream.flat_map(lambda pair: [pair[0]] * (pair[1] // 10), Types.STRING())
    return values(stream.filter(lambda text: text != "b").map(str.upper, Types.STRING()))


@feature("pickled elements")
def pickled():
    return values(streams().from_collection([1, "a", {"b": [2]}]).map(lambda item: (type(item).__name__, item)))


@feature("key_by and reduce")
def reduce():
    keyed = pairs(streams()).key_by(lambda pair: pair[0], Types.STRING())
    return values(keyed.reduce(lambda left, right: (left[0], left[1] + right[1])))


@feature("side outputs")
def side_outputs():
    odd = OutputTag("odd", Types.INT())

    class Split(ProcessFunction):
        def process_element(self, value, context):
            if value[1] % 2:
                yield odd, value[1]
            else:
                yield value[1]

    main = pairs(streams()).process(Split(), Types.INT())
    return values(main.union(main.get_side_output(odd).map(lambda x: -x, Types.INT())))


@feature("value state")
def value_state():
    class Count(KeyedProcessFunction):
        def open(self, context: RuntimeContext):
            self.count = context.get_state(ValueStateDescriptor("count", Types.LONG()))

        def process_element(self, value, context):
            count = (self.count.value() or 0) + 1
            if count > 2:
                self.count.clear()
            else:
                self.count.update(count)
            yield value[0], count

    keyed = pairs(streams(), [("abc"[i % 3], i) for i in range(3000)]).key_by(lambda pair: pair[0], Types.STRING())
    return values(keyed.process(Count(), Types.TUPLE([Types.STRING(), Types.LONG()])))


@feature("list, map, reducing and aggregating state")
def other_state():
    class Sum(ReduceFunction):
        def reduce(self, left, right):
            return left + right

    class Mean(StreamAggregate):
        def create_accumulator(self):
            return 0, 0

        def add(self, value, acc):
            return acc[0] + value, acc[1] + 1

        def get_result(self, acc):
            return acc[0] / acc[1]

        def merge(self, left, right):
            return left[0] + right[0], left[1] + right[1]

    class All(KeyedProcessFunction):
        def open(self, context: RuntimeContext):
            self.list = context.get_list_state(ListStateDescriptor("list", Types.INT()))
            self.map = context.get_map_state(MapStateDescriptor("map", Types.INT(), Types.STRING()))
            self.sum = context.get_reducing_state(ReducingStateDescriptor("sum", Sum(), Types.INT()))
            self.mean = context.get_aggregating_state(
                AggregatingStateDescriptor("mean", Mean(), Types.TUPLE([Types.INT(), Types.INT()]))
            )

        def process_element(self, value, context):
            key, number = value
            self.list.add(number)
            if number % 4 == 0 and self.map.contains(number - 2):
                self.map.remove(number - 2)
            self.map.put(number, key)
            self.sum.add(number)
            self.mean.add(number)
            yield str((key, list(self.list.get()), sorted(self.map.items()), self.map.is_empty(), self.sum.get(), self.mean.get()))

    keyed = pairs(streams(), [("ab"[i % 2], i) for i in range(40)]).key_by(lambda pair: pair[0], Types.STRING())
    return values(keyed.process(All(), Types.STRING()))


@feature("state with a time to live")
def time_to_live():
    class Count(KeyedProcessFunction):
        def open(self, context: RuntimeContext):
            descriptor = ValueStateDescriptor("count", Types.INT())
            config = StateTtlConfig.new_builder(Time.hours(1)).set_update_type(StateTtlConfig.UpdateType.OnReadAndWrite).build()
            descriptor.enable_time_to_live(config)
            self.count = context.get_state(descriptor)

        def process_element(self, value, context):
            self.count.update((self.count.value() or 0) + value[1])
            yield value[0], self.count.value()

    keyed = pairs(streams()).key_by(lambda pair: pair[0], Types.STRING())
    return values(keyed.process(Count(), Types.TUPLE([Types.STRING(), Types.INT()])))


class _Second(TimestampAssigner):
    def extract_timestamp(self, value, record_timestamp):
        return value[1] * 1000


def timed(environment, items=None):
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(_Second())
    return pairs(environment, items).assign_timestamps_and_watermarks(strategy)


@feature("event-time timers")
def event_timers():
    class Late(KeyedProcessFunction):
        def open(self, context: RuntimeContext):
            self.last = context.get_state(ValueStateDescriptor("last", Types.INT()))

        def process_element(self, value, context):
            self.last.update(value[1])
            context.timer_service().register_event_time_timer(context.timestamp() + 2000)
            context.timer_service().delete_event_time_timer(context.timestamp() + 1000)
            yield f"{value} at {context.timestamp()}"

        def on_timer(self, timestamp, context):
            yield f"{context.get_current_key()} timer at {timestamp}, last {self.last.value()}"

    keyed = timed(streams()).key_by(lambda pair: pair[0], Types.STRING())
    return values(keyed.process(Late(), Types.STRING()))


@feature("processing-time timers")
def processing_timers():
    class Soon(KeyedProcessFunction):
        def process_element(self, value, context):
            context.timer_service().register_processing_time_timer(context.timer_service().current_processing_time() + 10)

        def on_timer(self, timestamp, context):
            yield context.get_current_key()

    from pyflink.datastream.connectors.number_seq import NumberSequenceSource

    environment = streams()
    numbers = environment.from_source(
        NumberSequenceSource(1, 6), WatermarkStrategy.no_watermarks(), "numbers", Types.LONG()
    )
    keyed = numbers.key_by(lambda number: number % 2, Types.LONG())
    return sorted(set(values(keyed.process(Soon(), Types.LONG())))) in ([], ["0"], ["1"], ["0", "1"])


@feature("windows")
def windows():
    from pyflink.datastream.window import CountWindow, TumblingEventTimeWindows  # noqa: F401

    keyed = timed(streams()).key_by(lambda pair: pair[0], Types.STRING())
    windowed = keyed.window(TumblingEventTimeWindows.of(Time.seconds(3)))
    return values(windowed.reduce(lambda left, right: (left[0], left[1] + right[1])))


@feature("connected streams")
def connected():
    class Both(CoMapFunction):
        def map1(self, value):
            return f"left {value[0]}"

        def map2(self, value):
            return f"right {value}"

    environment = streams()
    other = environment.from_collection([10, 20], Types.INT())
    return values(pairs(environment).connect(other).map(Both(), Types.STRING()))


@feature("broadcast state")
def broadcast():
    descriptor = MapStateDescriptor("rules", Types.STRING(), Types.INT())

    class Apply(KeyedBroadcastProcessFunction):
        def process_element(self, value, context):
            yield str(("seen", value[0]))

        def process_broadcast_element(self, value, context):
            context.get_broadcast_state(descriptor).put(value[0], value[1])
            yield str(("rule", value[0], sorted(context.get_broadcast_state(descriptor).items())[-1][1] is not None))

    environment = streams()
    rules = pairs(environment, [("r", 1), ("s", 2)]).broadcast(descriptor)
    keyed = pairs(environment).key_by(lambda pair: pair[0], Types.STRING())
    return values(keyed.connect(rules).process(Apply(), Types.STRING()))


# ---- What a job ships ----


def _folder():
    import tempfile
    from pathlib import Path

    return Path(tempfile.mkdtemp(prefix="vivarium-flink-job-"))


@feature("python files: a module, a zip, a folder")
def python_files():
    import zipfile

    folder = _folder()
    (folder / "one_module.py").write_text("def f(x):\n    return x + 1\n")
    with zipfile.ZipFile(folder / "zipped.zip", "w") as archive:
        archive.writestr("two_module.py", "def f(x):\n    return x * 2\n")
    (folder / "package").mkdir()
    (folder / "package" / "three_module.py").write_text("def f(x):\n    return -x\n")

    @udf(result_type=DataTypes.BIGINT())
    def all_three(x):
        import one_module
        import three_module
        import two_module

        return three_module.f(two_module.f(one_module.f(x)))

    t = tables()
    for name in ("one_module.py", "zipped.zip", "package"):
        t.add_python_file(str(folder / name))
    return rows(t.from_elements([(1,), (2,)], ["x"]).select(all_three(t_col("x"))))


@feature("archives: files by relative paths")
def archives():
    import zipfile

    folder = _folder()
    with zipfile.ZipFile(folder / "data.zip", "w") as archive:
        archive.writestr("rates/today.txt", "1.5")

    @udf(result_type=DataTypes.DOUBLE())
    def rated(x):
        with open("model/rates/today.txt") as file:
            return x * float(file.read())

    t = tables()
    t.add_python_archive(str(folder / "data.zip"), "model")
    return rows(t.from_elements([(1,), (2,)], ["x"]).select(rated(t_col("x"))))


def _digest(text):
    import base64
    import hashlib

    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@feature("requirements: packages from a folder of the job's")
def requirements():
    import zipfile

    folder = _folder()
    (folder / "packages").mkdir()
    files = {
        "greeting.py": "def greet(name):\n    return f'hello {name}'\n",
        "greeting-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        "greeting-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "greeting-1.0.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    with zipfile.ZipFile(folder / "packages" / "greeting-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in [*files.items(), (record, "\n".join([*lines, f"{record},,"]) + "\n")]:
            wheel.writestr(name, text)
    (folder / "requirements.txt").write_text("greeting==1.0\n")

    @udf(result_type=DataTypes.STRING())
    def greet(x):
        import greeting

        return greeting.greet(x)

    t = tables()
    t.set_python_requirements(str(folder / "requirements.txt"), str(folder / "packages"))
    return rows(t.from_elements([(1,), (2,)], ["x"]).select(greet(t_col("x"))))


# ---- Metrics, logs, errors ----


@feature("prints and logs in the TaskManager's log")
def logs():
    def says(pair):
        import logging

        print("a function prints", pair[0])
        logging.getLogger("mine").info("a function logs %s", pair[0])
        return pair[0]

    return values(pairs(streams()).map(says, Types.STRING()))


@feature("metrics")
def metrics():
    class Measured(ScalarFunction):
        def open(self, context):
            group = context.get_metric_group().add_group("mine")
            self.counter = group.counter("seen")
            self.meter = group.meter("rate")
            self.distribution = group.distribution("values")
            self.last = 0
            group.gauge("last", lambda: self.last)

        def eval(self, x):
            self.counter.inc()
            self.meter.mark_event(1)
            self.distribution.update(x)
            self.last = x
            return self.counter.get_count() > 0

    t = tables()
    t.get_config().set("python.metric.enabled", "true")
    return rows(t.from_elements([(i,) for i in range(5)], ["x"]).select(udf(Measured(), result_type=DataTypes.BOOLEAN())(t_col("x"))))


@feature("an exception reaches the client with its traceback")
def exception():
    def fails(pair):
        raise ValueError(f"no {pair[0]}")

    try:
        values(pairs(streams()).map(fails, Types.STRING()))
    except Exception as error:  # whatever class Java's becomes
        text = str(error)
        return "ValueError: no a" in text, "fails" in text
    return "no exception"


def main(names):
    for name in names or FEATURES:
        try:
            result = {"feature": name, "result": FEATURES[name]()}
        except Exception as error:  # the others go on
            result = {"feature": name, "error": "".join(traceback.format_exception(error))}
        print("RESULT " + json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
