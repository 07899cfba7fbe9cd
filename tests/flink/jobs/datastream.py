"""DataStream API: functions without keyed state, and streams that meet."""

import datetime
from decimal import Decimal

from pyflink.common import Row, Time, Types
from pyflink.datastream import AsyncDataStream, AsyncFunction, OutputTag, ProcessFunction, RuntimeExecutionMode
from pyflink.datastream.async_retry_strategies import FixedDelayRetryStrategy
from pyflink.datastream.functions import CoFlatMapFunction, CoMapFunction, CoProcessFunction

from . import feature, pairs, streams, values


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


@feature("sum, min, max, min_by and max_by of keys")
def accumulations():
    found = []
    for name, position in [("sum", 1), ("min", 1), ("max", 1), ("min_by", 1), ("max_by", 1)]:
        keyed = pairs(streams()).key_by(lambda pair: pair[0], Types.STRING())
        found.append(values(getattr(keyed, name)(position)))
    return found


_TYPES = [
    (Types.BOOLEAN(), True), (Types.BYTE(), -7), (Types.SHORT(), -300), (Types.INT(), 1 << 30), (Types.LONG(), -(1 << 60)),
    (Types.FLOAT(), 1.5), (Types.DOUBLE(), 0.1), (Types.STRING(), "äöü漢"),
    (Types.BIG_DEC(), Decimal("1234567890.0123456789")), (Types.PICKLED_BYTE_ARRAY(), {"a": [1]}), (Types.SQL_DATE(), datetime.date(2026, 11, 20)),
    (Types.SQL_TIME(), datetime.time(23, 59, 59)), (Types.SQL_TIMESTAMP(), datetime.datetime(2026, 11, 20, 1, 2, 3, 4000)),
    (Types.PRIMITIVE_ARRAY(Types.LONG()), [1, 2]),
    (Types.BASIC_ARRAY(Types.STRING()), ["a", "b"]), (Types.OBJECT_ARRAY(Types.TUPLE([Types.INT()])), [(1,), (2,)]),
    (Types.LIST(Types.STRING()), ["a"]), (Types.MAP(Types.STRING(), Types.LONG()), {"a": 1}),
    (Types.ROW_NAMED(["a", "b"], [Types.INT(), Types.STRING()]), Row(a=1, b="x")),
]  # fmt: skip


@feature("all element types, and None in rows")
def types():
    kinds, items = [kind for kind, _ in _TYPES], [item for _, item in _TYPES]
    made = streams().from_collection([0, 1], Types.INT()).map(lambda i: Row(*(items if i else [None] * len(items))), Types.ROW(kinds))
    return values(made.rebalance().map(lambda row: " ".join(map(repr, row)), Types.STRING()))


@feature("DataStream in batch mode")
def batch_mode():
    environment = streams()
    environment.set_runtime_mode(RuntimeExecutionMode.BATCH)
    keyed = pairs(environment).map(lambda pair: (pair[0], pair[1] + 1), Types.TUPLE([Types.STRING(), Types.INT()]))
    return values(keyed.key_by(lambda pair: pair[0], Types.STRING()).reduce(lambda left, right: (left[0], left[1] + right[1])))


# ---- Streams that meet ----


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


@feature("connected streams: flat_map")
def connected_flat():
    class Both(CoFlatMapFunction):
        def flat_map1(self, value):
            yield from value[0] * value[1]

        def flat_map2(self, value):
            if value > 10:
                yield str(value)

    environment = streams()
    other = environment.from_collection([10, 20], Types.INT())
    return values(pairs(environment).connect(other).flat_map(Both(), Types.STRING()))


@feature("connected streams: co-process, with side outputs")
def co_process():
    right = OutputTag("right", Types.STRING())

    class Both(CoProcessFunction):
        def process_element1(self, value, context):
            yield value[0], value[1]

        def process_element2(self, value, context):
            yield right, f"right {value}"
            yield "sum", value + 1

    environment = streams()
    pair = Types.TUPLE([Types.STRING(), Types.INT()])
    both = pairs(environment).connect(environment.from_collection([10, 20], Types.INT())).process(Both(), pair)
    return values(both.map(str, Types.STRING()).union(both.get_side_output(right)))


# ---- Async ----


class Slow(AsyncFunction):
    """Waits the longer, the earlier an element comes; gives none, one or two results."""

    async def async_invoke(self, value):
        import asyncio

        await asyncio.sleep((20 - value) / 1000)
        return [value * 10 + i for i in range(value % 3)]


@feature("async functions of streams, ordered and unordered")
def asynchronous():
    found = []
    for wait in (AsyncDataStream.ordered_wait, AsyncDataStream.unordered_wait):
        numbers = streams().from_collection(list(range(20)), Types.INT())
        found.append(values(wait(numbers, Slow(), Time.seconds(60), 4, Types.INT())))
    return found


@feature("async functions of streams, retried and timed out")
def retried():
    class Moody(AsyncFunction):
        def __init__(self):
            self.attempts = {}

        async def async_invoke(self, value):
            import asyncio

            attempt = self.attempts[value] = self.attempts.get(value, 0) + 1
            if value == 3:
                await asyncio.Event().wait()  # which never comes
            if attempt <= value:
                raise ValueError(f"attempt {attempt}")
            return [(value, attempt)] if value else []

        def timeout(self, value):
            return [(value, "late")]

    pair = Types.PICKLED_BYTE_ARRAY()
    strategy = FixedDelayRetryStrategy(4, 1, None, lambda error: isinstance(error, ValueError))
    numbers = streams().from_collection(list(range(4)), Types.INT())
    return values(AsyncDataStream.ordered_wait_with_retry(numbers, Moody(), Time.seconds(3), strategy, 10, pair))
