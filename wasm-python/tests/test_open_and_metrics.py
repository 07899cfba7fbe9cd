"""Functions with state: what open() is told, when close() is called, and the metrics in between."""

import pyarrow as pa
import pytest

import native_guest

SOURCE = """
from vivarium import udf, FunctionContext

log = []

@udf
class Priced:
    "With the rate of the job."
    def open(self, context: FunctionContext):
        self.rate = int(context.job_parameters.get("rate", "1"))
        assert context.get_job_parameter("missing", "else") == "else"
        self.calls = context.metrics.counter("calls")
        group = context.get_metric_group().add_group("prices", "eu")
        self.values, self.events = group.distribution("values"), group.meter("events")
        group.gauge("rate", lambda: self.rate)
        group.gauge("broken", lambda: 1 / 0)
        log.append(("open", context.task_number, context.parallelism))
    def eval(self, x: int) -> int:
        self.calls.inc()
        self.values.update(x)
        self.events.mark_event(2)
        return x * self.rate
    def close(self):
        self.calls.inc(100)
        log.append("close")

@udf
class Callable:
    def __call__(self, x: int = 7) -> int:
        return x

@udf
class Refuses:
    def open(self, context):
        raise ValueError("not today")
    def eval(self, x: int) -> int:
        return x
"""


def test_open_close_and_metrics(guest):
    import sys

    loaded = guest.load(SOURCE, "stateful.py")
    assert loaded["problems"] == []
    assert [(one["name"], one["doc"], one["line"]) for one in loaded["functions"]][0] == ("Priced", "With the rate of the job.", 7)
    log = sys.modules["stateful"].log
    assert log == [], "nothing is opened before it is bound"
    argument = {"type": "int64", "nullable": True}
    context = {"job_parameters": {"rate": "3"}, "task_number": 2, "parallelism": 4}
    bound = guest.control(op="bind", function="Priced", arguments=[argument], context=context)
    assert bound["metrics"] == {
        "calls": {"counter": 0},
        "prices.eu.values": {"distribution": {"count": 0, "sum": 0, "min": 0, "max": 0}},
        "prices.eu.events": {"meter": 0},
        "prices.eu.rate": {"gauge": 3},
    }
    array, reply = guest.invoke(bound["handle"], [pa.array([5, None, 2])], pa.int64())
    assert array.to_pylist() == [15, None, 6]
    assert reply == {
        "metrics": {
            "calls": {"counter": 2},
            "prices.eu.values": {"distribution": {"count": 2, "sum": 7, "min": 2, "max": 5}},
            "prices.eu.events": {"meter": 4},
        }
    }
    assert guest.invoke(bound["handle"], [pa.array([None], pa.int64())], pa.int64())[1] == {}
    assert guest.control(op="drop", handle=bound["handle"]) == {"metrics": {"calls": {"counter": 102}}}
    assert log == [("open", 2, 4), "close"]


def test_each_binding_has_an_object_of_its_own(guest):
    import sys

    guest.load(SOURCE, "stateful.py")
    assert guest.call("Priced", pa.array([1])).to_pylist() == [1]
    assert guest.call("Priced", pa.array([1])).to_pylist() == [1]
    assert sys.modules["stateful"].log == [("open", 0, 1), "close"] * 2
    assert guest.call("Callable", pa.array([1])).to_pylist() == [1]
    assert guest.call("Callable", rows=2).to_pylist() == [7, 7]


def test_what_open_raises_is_reported(guest, error):
    guest.load(SOURCE, "stateful.py")
    failed = error("Refuses", pa.array([1]))
    assert (failed["type"], failed["message"], failed["row"]) == ("ValueError", "not today", None)
    assert failed["traceback"][-1]["source"] == 'raise ValueError("not today")'


@pytest.mark.parametrize(
    "use, message",
    [
        ("metrics.counter('x' * 300)", "a metric's name is printable and has 1 to 255 bytes"),
        ("metrics.counter('a\\n')", "a metric's name is printable"),
        ("metrics.meter(metrics.counter('a') and 'a')", "registered already, as another kind"),
        ("[metrics.counter(str(n)) for n in range(1001)]", "a function has at most 1000 metrics"),
    ],
)
def test_metrics_are_bounded(guest, error, use, message):
    guest.load(
        f"from vivarium import udf\n@udf\nclass F:\n  def open(self, context):\n    metrics = context.metrics\n    {use}\n"
        "  def eval(self, x: int) -> int:\n    return x\n",
        "bounded.py",
    )
    assert message in error("F", pa.array([1]))["message"]


def test_numbers_beyond_64_bits_stay_at_the_end(guest):
    guest.load(
        "from vivarium import udf\n@udf\nclass F:\n  def open(self, context):\n    context.metrics.counter('c').inc(2**70)\n"
        "    context.metrics.gauge('g', lambda: float('nan'))\n  def eval(self, x: int) -> int:\n    return x\n",
        "large.py",
    )
    bound = guest.control(op="bind", function="F", arguments=[{"type": "int64", "nullable": True}])
    assert bound["metrics"] == {"c": {"counter": 2**63 - 1}, "g": {"gauge": None}}
    with pytest.raises(native_guest.GuestError, match="'context' is of another type"):
        guest.control(op="bind", function="F", arguments=[{"type": "int64", "nullable": True}], context=5)


@pytest.mark.parametrize(
    "method, arguments, message",
    [
        ("def eval(self, x: int) -> int: return x\n    def __getattribute__(self, name):\n        if name == 'eval' and opened: raise OSError('gone')\n        return object.__getattribute__(self, name)", ["int64"], "gone"),
        ("def eval(self, x: int) -> int: return x", ["timestamp[us, tz=Nowhere/None]"], "there is no time zone"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("closing", ["pass", "raise ValueError('close')"])
def test_what_was_opened_is_closed_when_it_cannot_be_bound(guest, method, arguments, message, closing):
    import sys

    source = f"""
from vivarium import udf
opened, closed = [], []

@udf{"(input_types=[None])" if "tz" in arguments[0] else ""}
class f:
    def open(self, context):
        opened.append(1)
    {method}
    def close(self):
        closed.append(1)
        {closing}
"""
    guest.load(source, "closing.py")
    with pytest.raises(native_guest.GuestError, match=message):
        guest.control(op="bind", function="f", arguments=[{"type": arguments[0], "nullable": True}])
    module = sys.modules["closing"]
    assert module.closed == module.opened


def test_a_gauge_that_ends_the_bind_closes_what_was_opened(guest):
    import sys

    source = """
from vivarium import udf
closed = []

def leave():
    raise SystemExit(3)

@udf
class f:
    def open(self, context):
        context.metrics.gauge("g", leave)
    def eval(self, x: int) -> int:
        return x
    def close(self):
        closed.append(1)
"""
    guest.load(source, "gauge.py")
    with pytest.raises(native_guest.GuestError) as caught:
        guest.bind("f", ["int64"])
    assert caught.value.error["kind"] == "exit" and sys.modules["gauge"].closed == [1]


def test_a_metric_that_comes_late_is_reported(guest):
    guest.load(
        """
from vivarium import udf
@udf
class f:
    def open(self, context):
        self.context = context
    def eval(self, x: int) -> int:
        if x > 1:
            self.context.metrics.counter("late").inc(x)
        return x
""",
        "late.py",
    )
    handle, _ = guest.bind("f", [pa.int64()])
    assert guest.invoke(handle, [pa.array([1])], pa.int64())[1] == {}
    assert guest.invoke(handle, [pa.array([5])], pa.int64())[1] == {"metrics": {"late": {"counter": 5}}}
    guest.control(op="drop", handle=handle)
