"""A keyed, timed, stateful job: says who has been quiet for ten seconds, and how often they came before.

    flink run -pyexec DIR/vvpython3.11 --python alerts.py
"""

from pyflink.common import Types, WatermarkStrategy
from pyflink.common.watermark_strategy import TimestampAssigner
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.state import ValueStateDescriptor

QUIET = 10_000  # milliseconds

VISITS = [("ada", 1_000), ("bob", 2_000), ("ada", 4_000), ("ada", 9_000), ("bob", 30_000)]


class Second(TimestampAssigner):
    def extract_timestamp(self, visit, _):
        return visit[1]


class Quiet(KeyedProcessFunction):
    def open(self, context: RuntimeContext):
        self.visits = context.get_state(ValueStateDescriptor("visits", Types.LONG()))
        self.last = context.get_state(ValueStateDescriptor("last", Types.LONG()))

    def process_element(self, visit, context):
        self.visits.update((self.visits.value() or 0) + 1)
        self.last.update(context.timestamp())
        context.timer_service().register_event_time_timer(context.timestamp() + QUIET)

    def on_timer(self, timestamp, context):
        if timestamp == self.last.value() + QUIET:
            yield f"quiet: {context.get_current_key()} after {self.visits.value()} visits"
            self.visits.clear()


def main():
    environment = StreamExecutionEnvironment.get_execution_environment()
    environment.set_parallelism(1)
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(Second())
    visits = environment.from_collection(VISITS, Types.TUPLE([Types.STRING(), Types.LONG()]))
    alerts = (
        visits.assign_timestamps_and_watermarks(strategy)
        .key_by(lambda visit: visit[0], Types.STRING())
        .process(Quiet(), Types.STRING())
    )
    with alerts.execute_and_collect("alerts") as found:
        for alert in found:
            print(alert)


if __name__ == "__main__":
    main()
