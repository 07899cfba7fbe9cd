"""DataStream API: windows."""

from pyflink.common import Time, Types
from pyflink.datastream.functions import AggregateFunction, ProcessAllWindowFunction, ProcessWindowFunction
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.datastream.window import (
    CountTrigger,
    EventTimeSessionWindows,
    PurgingTrigger,
    SessionWindowTimeGapExtractor,
    SlidingEventTimeWindows,
    TumblingEventTimeWindows,
)

from . import feature, streams, values
from .state import by_name, timed

PAIR = Types.TUPLE([Types.STRING(), Types.INT()])


def added(left, right):
    return left[0], left[1] + right[1]


class Mean(AggregateFunction):
    def create_accumulator(self):
        return 0, 0

    def add(self, value, acc):
        return acc[0] + value[1], acc[1] + 1

    def get_result(self, acc):
        return acc[0] / acc[1]

    def merge(self, left, right):
        return left[0] + right[0], left[1] + right[1]


class Show(ProcessWindowFunction):
    """What a window holds, and the how manieth window of its key this is."""

    def process(self, key, context, elements):
        windows = context.global_state().get_state(ValueStateDescriptor("windows", Types.INT()))
        windows.update((windows.value() or 0) + 1)
        window = context.window()
        yield f"{key} {window.start}..{window.end} {sorted(map(str, elements))} {windows.value()}"

    def clear(self, context):
        pass


@feature("windows: tumbling, reduced and aggregated")
def tumbling():
    found = [values(by_name(timed(streams())).window(TumblingEventTimeWindows.of(Time.seconds(3))).reduce(added))]
    windowed = by_name(timed(streams())).window(TumblingEventTimeWindows.of(Time.seconds(3)))
    types = {"accumulator_type": Types.TUPLE([Types.INT(), Types.INT()]), "output_type": Types.DOUBLE()}
    return [*found, values(windowed.aggregate(Mean(), **types))]


@feature("windows: sliding, with a process function and state")
def sliding():
    windowed = by_name(timed(streams())).window(SlidingEventTimeWindows.of(Time.seconds(4), Time.seconds(2)))
    return values(windowed.process(Show(), Types.STRING()))


VISITS = [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("b", 9), ("a", 8), ("a", 11), ("b", 12), ("a", 30)]


@feature("windows: sessions that merge, of a fixed and of a dynamic gap")
def sessions():
    class Gap(SessionWindowTimeGapExtractor):
        def extract(self, element):
            return 4000 if element[0] == "a" else 8000

    assigners = [EventTimeSessionWindows.with_gap(Time.seconds(4)), EventTimeSessionWindows.with_dynamic_gap(Gap())]
    return [values(by_name(timed(streams(), VISITS)).window(assigner).process(Show(), Types.STRING())) for assigner in assigners]


@feature("windows: counted, and by a trigger")
def counted():
    found = [values(by_name(timed(streams())).count_window(2).reduce(added))]
    windowed = by_name(timed(streams())).window(TumblingEventTimeWindows.of(Time.seconds(60)))
    return [*found, values(windowed.trigger(PurgingTrigger.of(CountTrigger.of(2))).process(Show(), Types.STRING()))]


@feature("windows: of a whole stream")
def of_all():
    class ShowAll(ProcessAllWindowFunction):
        def process(self, context, elements):
            yield f"{context.window().start}..{context.window().end} {sorted(elements)}"

        def clear(self, context):
            pass

    return values(timed(streams()).window_all(TumblingEventTimeWindows.of(Time.seconds(3))).process(ShowAll(), Types.STRING()))
