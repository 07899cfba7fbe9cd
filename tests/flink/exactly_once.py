"""A stateful job whose counts are right only if every row counted once, whatever happened in between."""

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.state import ValueStateDescriptor

ROWS, KEYS = 40_000, 7
END_OF_TIME = (1 << 63) - 1


class Count(KeyedProcessFunction):
    def open(self, context: RuntimeContext):
        self.count = context.get_state(ValueStateDescriptor("count", Types.LONG()))
        self.sum = context.get_state(ValueStateDescriptor("sum", Types.LONG()))

    def process_element(self, value, context):
        self.count.update((self.count.value() or 0) + 1)
        self.sum.update((self.sum.value() or 0) + value)
        context.timer_service().register_event_time_timer(END_OF_TIME)

    def on_timer(self, timestamp, context):
        yield context.get_current_key(), self.count.value(), self.sum.value()


def slowly(number):
    import time

    time.sleep(0.0005)
    return number


def main():
    settings = Configuration()
    settings.set_string("execution.checkpointing.interval", "1 s")
    settings.set_string("restart-strategy.type", "fixed-delay")
    settings.set_string("restart-strategy.fixed-delay.attempts", "5")
    settings.set_string("restart-strategy.fixed-delay.delay", "500 ms")
    environment = StreamExecutionEnvironment.get_execution_environment(settings)
    environment.set_parallelism(1)
    numbers = environment.from_source(
        NumberSequenceSource(1, ROWS), WatermarkStrategy.no_watermarks(), "numbers", Types.LONG()
    )
    counted = (
        numbers.map(slowly, Types.LONG())
        .key_by(lambda number: number % KEYS, Types.LONG())
        .process(Count(), Types.TUPLE([Types.LONG(), Types.LONG(), Types.LONG()]))
    )
    with counted.execute_and_collect() as found:
        found = sorted(found)
    right = [(key, len(range(key or KEYS, ROWS + 1, KEYS)), sum(range(key or KEYS, ROWS + 1, KEYS))) for key in range(KEYS)]
    print("RESULT", "exactly once" if found == right else f"{found} instead of {right}", flush=True)


if __name__ == "__main__":
    main()
