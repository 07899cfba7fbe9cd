"""DataStream API: keyed and broadcast state, and timers."""

from pyflink.common import Configuration, Time, Types, WatermarkStrategy
from pyflink.common.watermark_strategy import TimestampAssigner
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext
from pyflink.datastream.functions import AggregateFunction, BroadcastProcessFunction, KeyedBroadcastProcessFunction
from pyflink.datastream.functions import KeyedCoProcessFunction, ReduceFunction
from pyflink.datastream.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)

from . import feature, pairs, streams, tables, values

END_OF_TIME = (1 << 63) - 1
"""Event time reaches it when all input has come."""


def by_name(stream):
    return stream.key_by(lambda pair: pair[0], Types.STRING())


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

    class Mean(AggregateFunction):
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
    def config(duration):
        update = StateTtlConfig.UpdateType.OnCreateAndWrite
        return StateTtlConfig.new_builder(duration).set_update_type(update).never_return_expired().build()

    class Count(KeyedProcessFunction):
        def open(self, context: RuntimeContext):
            lasting = ValueStateDescriptor("lasting", Types.INT())
            lasting.enable_time_to_live(config(Time.hours(1)))
            short = ValueStateDescriptor("short", Types.INT())
            short.enable_time_to_live(config(Time.milliseconds(1)))
            self.lasting, self.short = context.get_state(lasting), context.get_state(short)

        def process_element(self, value, context):
            import time

            then = time.time()
            while time.time() < then + 0.01:  # longer than the short one lives
                pass
            yield value[0], (self.lasting.value() or 0) + value[1], self.short.value()
            self.lasting.update((self.lasting.value() or 0) + value[1])
            self.short.update(value[1])

    environment = streams()
    # Each element in a bundle of its own, and state read from Flink every time.
    settings = Configuration()
    settings.set_string("python.fn-execution.bundle.size", "1")
    settings.set_string("python.state.cache-size", "0")
    environment.configure(settings)
    return values(by_name(pairs(environment)).process(Count(), Types.PICKLED_BYTE_ARRAY()))


# ---- Timers ----


class Second(TimestampAssigner):
    """The number of a pair is its second."""

    def extract_timestamp(self, value, record_timestamp):
        return value[1] * 1000


def timed(environment, items=None):
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(Second())
    return pairs(environment, items).assign_timestamps_and_watermarks(strategy)


@feature("event-time timers")
def event_timers():
    class Late(KeyedProcessFunction):
        def open(self, context: RuntimeContext):
            self.last = context.get_state(ValueStateDescriptor("last", Types.INT()))

        def process_element(self, value, context):
            self.last.update(value[1])
            context.timer_service().register_event_time_timer(context.timestamp() + 2000)
            context.timer_service().register_event_time_timer(context.timestamp() + 1000)
            context.timer_service().delete_event_time_timer(context.timestamp() + 1000)
            yield f"{value} at {context.timestamp()}"

        def on_timer(self, timestamp, context):
            yield f"{context.get_current_key()} {context.time_domain()} at {timestamp}, last {self.last.value()}"

    return values(by_name(timed(streams())).process(Late(), Types.STRING()))


@feature("processing-time timers")
def processing_timers():
    class Soon(KeyedProcessFunction):
        def open(self, context: RuntimeContext):
            self.due = context.get_state(ValueStateDescriptor("due", Types.LONG()))

        def process_element(self, value, context):
            timers = context.timer_service()
            if self.due.value() is None:
                self.due.update(timers.current_processing_time() + 10)
                timers.register_processing_time_timer(self.due.value())

        def on_timer(self, timestamp, context):
            on_time = timestamp == self.due.value() <= context.timer_service().current_processing_time()
            yield context.get_current_key(), str(context.time_domain()), on_time

    t = tables()
    # Elements until the job is given up: timers of this kind are forgotten when there are no more.
    t.execute_sql(
        "CREATE TABLE numbers (x BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100', "
        "'fields.x.kind' = 'random', 'fields.x.min' = '0', 'fields.x.max' = '1')"
    )
    numbers = t.to_data_stream(t.from_path("numbers")).map(lambda row: row[0], Types.LONG())
    fired = numbers.key_by(lambda number: number, Types.LONG()).process(Soon(), Types.TUPLE([Types.LONG(), Types.STRING(), Types.BOOLEAN()]))
    with fired.execute_and_collect() as found:
        return sorted(repr(next(found)) for _ in range(2))


# ---- Streams that meet ----


@feature("connected streams: keyed co-process with state and timers")
def keyed_co_process():
    class Join(KeyedCoProcessFunction):
        def open(self, context: RuntimeContext):
            self.left = context.get_list_state(ListStateDescriptor("left", Types.INT()))
            self.right = context.get_state(ValueStateDescriptor("right", Types.STRING()))

        def process_element1(self, value, context):
            self.left.add(value[1])
            context.timer_service().register_event_time_timer(END_OF_TIME)
            yield f"{context.get_current_key()} left {value[1]} at {context.timestamp()}"

        def process_element2(self, value, context):
            self.right.update(value[1])

        def on_timer(self, timestamp, context):
            yield f"{context.get_current_key()}: {sorted(self.left.get())}, {self.right.value()}"

    environment = streams()
    names = environment.from_collection([("a", "ada"), ("c", "cleo")], Types.TUPLE([Types.STRING(), Types.STRING()]))
    both = timed(environment).connect(names).key_by(lambda pair: pair[0], lambda pair: pair[0], Types.STRING())
    return values(both.process(Join(), Types.STRING()))


RULES = MapStateDescriptor("rules", Types.STRING(), Types.INT())


@feature("broadcast state")
def broadcast():
    class Apply(BroadcastProcessFunction):
        def process_element(self, value, context):
            known = context.get_broadcast_state(RULES)
            yield str(("seen", value, all(length == len(name) for name, length in known.items())))

        def process_broadcast_element(self, value, context):
            state = context.get_broadcast_state(RULES)
            state.put(value, len(value))
            if value == "none":
                state.remove("one")
            yield str(("rule", value, sorted(state.items())))

    environment = streams()
    rules = environment.from_collection(["one", "three", "none"], Types.STRING()).broadcast(RULES)
    return values(pairs(environment).connect(rules).process(Apply(), Types.STRING()))


@feature("broadcast state beside keyed state, with timers and side outputs")
def keyed_broadcast():
    rule = OutputTag("rule", Types.STRING())

    class Apply(KeyedBroadcastProcessFunction):
        def open(self, context: RuntimeContext):
            self.sum = context.get_state(ValueStateDescriptor("sum", Types.INT()))

        def process_element(self, value, context):
            self.sum.update((self.sum.value() or 0) + value[1])
            context.timer_service().register_event_time_timer(END_OF_TIME)
            yield str(("seen", context.get_current_key(), value[1]))

        def process_broadcast_element(self, value, context):
            context.get_broadcast_state(RULES).put(value[0], value[1])
            yield rule, str(value)

        def on_timer(self, timestamp, context):
            factor = context.get_broadcast_state(RULES).get(context.get_current_key())
            yield str((context.get_current_key(), factor and factor * self.sum.value()))

    environment = streams()
    rules = timed(environment, [("a", 100), ("b", 200), ("a", 300)]).broadcast(RULES)
    applied = by_name(timed(environment)).connect(rules).process(Apply(), Types.STRING())
    return values(applied.union(applied.get_side_output(rule).map(lambda text: f"rule {text}", Types.STRING())))
