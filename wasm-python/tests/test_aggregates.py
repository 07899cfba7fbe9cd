"""Aggregate functions: many groups, results that do not depend on how rows were cut, accumulators as bytes."""

import datetime
import decimal

import hypothesis
import hypothesis.strategies as st
import pyarrow as pa
import pytest

import native_guest

FUNCTIONS = """
import dataclasses, datetime, decimal
from typing import Iterator, NamedTuple
import numpy as np
from vivarium import udaf, udtaf

@udaf
class Total:
    "The sum; NULL of nothing."
    def create_accumulator(self):
        return [0, 0]
    def accumulate(self, acc, x: int):
        if x == 13:
            acc[0] += 1000
            raise ValueError("unlucky")
        acc[0] += x
        acc[1] += 1
    def retract(self, acc, x: int):
        acc[0] -= x
        acc[1] -= 1
    def merge(self, acc, other):
        acc[0] += other[0]
        acc[1] += other[1]
    def get_value(self, acc) -> int | None:
        if acc[0] == 99:
            raise ArithmeticError("ninety-nine")
        return acc[0] if acc[1] else None

@udaf
class Largest:
    def create_accumulator(self):
        return None
    def accumulate(self, acc, x: int, *more: int):
        return max(x, *more, acc if acc is not None else x)
    def get_value(self, acc) -> int:
        return acc

@udaf(vectorized=True)
class Mean:
    def create_accumulator(self, groups):
        return np.zeros(groups), np.zeros(groups, "i8")
    def accumulate(self, acc, groups, x: float):
        if (x == 13).any():
            acc[0][:] = -1
            raise ValueError("unlucky")
        np.add.at(acc[0], groups, x)
        np.add.at(acc[1], groups, 1)
    def retract(self, acc, groups, x: float):
        np.subtract.at(acc[0], groups, x)
        np.subtract.at(acc[1], groups, 1)
    def merge(self, acc, groups, other):
        np.add.at(acc[0], groups, other[0])
        np.add.at(acc[1], groups, other[1])
    def get_value(self, acc) -> float:
        with np.errstate(all="ignore"):
            return np.ma.MaskedArray(acc[0] / acc[1], acc[1] == 0)

@udtaf
class Top:
    def create_accumulator(self):
        return []
    def accumulate(self, acc, x: int):
        acc.append(x)
        acc.sort(reverse=True)
        del acc[2:]
    def merge(self, acc, other):
        for x in other:
            self.accumulate(acc, x)
    def emit_value(self, acc) -> Iterator[tuple[int, int]]:
        for rank, x in enumerate(acc):
            yield x, rank

class Point(NamedTuple):
    x: int
    y: float

@dataclasses.dataclass
class Box:
    corner: Point
    name: str
    seen: set

@udaf
class Kept:
    def create_accumulator(self):
        return Box(Point(1, 2.5), "é\\ud800", {1, (2, "b")}), everything()
    def accumulate(self, acc, x: int):
        pass
    def get_value(self, acc) -> bool:
        return acc == self.create_accumulator()

def everything():
    return [
        None, True, False, 0, -1, 2**100, 1.5, float("inf"), "", "text", b"bytes", bytearray(b"more"), (), frozenset([1]),
        {"a": [1, {}]}, decimal.Decimal("1.50"), decimal.Decimal("Infinity"), datetime.date(1, 2, 3), datetime.timedelta(-1, 5, 7),
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
        datetime.time(1, 2, 3, 4, fold=1), np.float32(1.5), np.datetime64("2020-01-01"),
    ]

@udaf
class Object:
    def create_accumulator(self):
        return object()
    def accumulate(self, acc, x: int):
        pass
    def get_value(self, acc) -> int:
        return 1
"""


@pytest.fixture
def load(guest):
    reply = guest.load(FUNCTIONS, "aggregates.py")
    assert reply["problems"] == []
    return reply


@pytest.fixture
def aggregate(guest, load):
    bound = []

    def bind(*arguments, **options):
        bound.append(guest.aggregate(*arguments, **options))
        return bound[-1]

    yield bind
    for one in bound:
        one.drop()


def test_what_they_say_of_themselves(load):
    described = {function["name"]: function for function in load["functions"]}
    assert [(name, one["kind"], one["result"]["type"]) for name, one in described.items() if one["decorated"]] == [
        ("Total", "aggregate", "int64"),
        ("Largest", "aggregate", "int64"),
        ("Mean", "aggregate", "double"),
        ("Top", "table_aggregate", "struct<f0: int64, f1: int64>"),
        ("Kept", "aggregate", "bool"),
        ("Object", "aggregate", "int64"),
    ]
    assert [(one["name"], one["type"], one["variadic"]) for one in described["Largest"]["parameters"]] == [
        ("x", "int64", False),
        ("more", "int64", True),
    ]
    assert (described["Total"]["line"], described["Total"]["doc"]) == (8, "The sum; NULL of nothing.")


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(-100, 100).filter(lambda x: x != 13) | st.none()), max_size=40)


@hypothesis.given(ROWS, st.lists(st.integers(0, 40), max_size=3), st.sampled_from(["Total", "Mean"]))
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_groups_do_not_depend_on_batches(guest, load, rows, cuts, name):
    type = pa.int64() if name == "Total" else pa.float64()
    bound = guest.aggregate(name, [type])
    ends = sorted({min(cut, len(rows)) for cut in cuts} | {0, len(rows)})
    for start, end in zip(ends, ends[1:]):
        bound.rows([group for group, _ in rows[start:end]], pa.array([x for _, x in rows[start:end]], type))
    sums = [sum(x for number, x in rows if number == group and x is not None) for group in range(6)]
    hypothesis.assume(99 not in sums)
    found = bound.values(range(6))
    bound.drop()
    for group in range(6):
        values = [x for number, x in rows if number == group and x is not None]
        expected = (sum(values) if name == "Total" else sum(values) / len(values)) if values else None
        assert found[group] == expected


def test_returning_an_accumulator_replaces_it(aggregate):
    largest = aggregate("Largest", [pa.int64()] * 3)
    largest.rows([1, 0, 1], pa.array([5, 7, 3]), pa.array([1, 1, 9]), pa.array([0, 0, 0]))
    assert largest.values([0, 1, 2]) == [7, 9, None]


@pytest.mark.parametrize("name, type", [("Total", pa.int64()), ("Mean", pa.float64())])
def test_retract_merge_state_and_forget(aggregate, name, type):
    one, other = aggregate(name, [type]), aggregate(name, [type])
    one.rows([0, 0, 1], pa.array([10, 5, 4], type))
    one.retract([0], pa.array([5], type))
    assert one.values([0, 1, 2]) == [10, 4, None]
    other.rows([3, 3, 0], pa.array([20, 6, 1], type))
    other.merge([3, 4], one.states([0, 1]))
    assert other.values([3, 4, 0]) == ([36, 4, 1] if name == "Total" else [12, 4, 1])
    other.merge([0, 7], one.states([0, 1]), op=native_guest.RESTORE)
    assert other.values([0, 7]) == [10, 4]
    other.forget()
    assert other.values([0, 3]) == [None, None]


def test_rows_for_a_group(aggregate):
    top = aggregate("Top", [pa.int64()], output={"rows": 2, "bytes": 1 << 20})
    top.rows([1, 0, 1, 1], pa.array([5, 7, 9, 6]))
    expected = [(0, {"f0": 7, "f1": 0}), (1, {"f0": 9, "f1": 0}), (1, {"f0": 6, "f1": 1})]
    assert top.emitted([0, 1]) == expected
    top.merge([0], top.states([1]))
    assert top.emitted([0]) == [(0, {"f0": 9, "f1": 0}), (0, {"f0": 7, "f1": 1})]


@pytest.mark.parametrize("name, type", [("Total", pa.int64()), ("Mean", pa.float64())])
def test_what_policies_make_of_a_failing_row(aggregate, name, type):
    groups, column = [0, 1, 1, 1, 0], pa.array([1, 2, 13, 4, 5], type)
    values = {"Total": [6, 6], "Mean": [3, 3]}[name]
    with pytest.raises(native_guest.GuestError, match="unlucky") as caught:
        aggregate(name, [type]).rows(groups, column)
    assert caught.value.error["row"] == (2 if name == "Total" else None)
    skip = aggregate(name, [type], "skip")
    assert skip.rows(groups, column) == [2] and skip.errors[0]["arguments"] == [repr(13 if name == "Total" else 13.0)]
    assert skip.values([0, 1]) == values
    null = aggregate(name, [type], "null")
    assert null.rows(groups, column) == [2] and null.values([0, 1]) == [values[0], None]
    # A spoilt group stays so when it moves.
    assert null.rows([1], pa.array([3], type)) == [] and null.values([1]) == [None]
    other = aggregate(name, [type])
    other.rows([0, 1], pa.array([1, 1], type))
    other.merge([0, 1], null.states([1, 0]))
    assert other.values([0, 1]) == [None, {"Total": 7, "Mean": 7 / 3}[name]]
    # Put back, it is whole again.
    null.merge([1], null.states([0]), op=native_guest.RESTORE)
    assert null.values([0, 1]) == [values[0], values[0]]


def test_a_value_that_fails(aggregate):
    total = aggregate("Total", [pa.int64()], "null")
    total.rows([0, 1], pa.array([99, 1]))
    assert total.values([0, 1]) == [None, 1]
    assert [(error["row"], error["type"], error["arguments"]) for error in total.errors] == [(0, "ArithmeticError", [])]


def test_accumulators_are_the_same_after_bytes(aggregate):
    one, other = aggregate("Kept", [pa.int64()]), aggregate("Kept", [pa.int64()])
    one.rows([0], pa.array([1]))
    other.merge([0], one.states([0]), op=native_guest.RESTORE)
    assert other.values([0]) == [True]


def test_accumulators_that_cannot_be_bytes(aggregate):
    one = aggregate("Object", [pa.int64()])
    one.rows([0], pa.array([1]))
    with pytest.raises(native_guest.GuestError, match="an accumulator with a builtins.object cannot be taken out: use None, bool"):
        one.states([0])


STATES = """
import collections
import dataclasses
from typing import NamedTuple
from vivarium import udaf

@dataclasses.dataclass
class Running:
    total: int = 0
    derived: int = dataclasses.field(default=0, init=False)
    def __post_init__(self):
        self.seen = []
        self.derived = 7

class Base:
    __slots__ = ("hidden", "__mangled")
    def mark(self):
        self.hidden, self.__mangled = 5, 6
    def marks(self):
        return self.hidden, self.__mangled

@dataclasses.dataclass(slots=True)
class Slotted(Base):
    total: int = 0

@dataclasses.dataclass
class Listed(list):
    total: int = 0

class Pair(NamedTuple):
    a: int
    b: int

class Marked(Pair):
    pass

def new(): return [0]

MAKE = {
    "post_init": Running,
    "slots": Slotted,
    "counter": collections.Counter,
    "ordered": lambda: collections.OrderedDict(b=1, a=2),
    "defaultdict": lambda: collections.defaultdict(list),
    "function": lambda: collections.defaultdict(new),
    "lambda": lambda: collections.defaultdict(lambda: 3),
    "deque": lambda: collections.deque(maxlen=2),
    "named tuple": lambda: Marked(1, 2),
    "a dataclass that is a list": Listed,
    "within": lambda: [collections.defaultdict(new)],
}

def change(acc, x):
    if isinstance(acc, Running):
        acc.seen.append(x)
        acc.late = x
    elif isinstance(acc, Slotted):
        acc.mark()
    elif isinstance(acc, collections.Counter):
        acc[x] += 1
    elif isinstance(acc, collections.deque):
        acc.extend([x, x + 1, x + 2])
    elif isinstance(acc, collections.defaultdict):
        acc[x]
    elif isinstance(acc, Marked):
        acc.extra = x

@udaf
class F:
    def create_accumulator(self): return MAKE[which]()
    def accumulate(self, acc, x: int): change(acc, x)
    def get_value(self, acc) -> str:
        if isinstance(acc, Running): return repr((acc, acc.seen, acc.late))
        if isinstance(acc, Slotted): return repr((acc, acc.marks()))
        if isinstance(acc, Marked): return repr((type(acc).__name__, acc, acc.extra))
        if isinstance(acc, collections.Counter): return repr((acc, acc["none"]))
        if isinstance(acc, collections.defaultdict): return repr((type(acc).__name__, dict(acc), acc.copy()["new"]))
        return repr(acc)
    def merge(self, acc, other): raise NotImplementedError
"""


@pytest.mark.parametrize(
    "which", ["post_init", "slots", "counter", "ordered", "defaultdict", "function", "lambda", "deque", "named tuple"]
)
def test_accumulators_lose_nothing_as_bytes(guest, which):
    guest.load(STATES + f"which = {which!r}\n", "states.py")
    one, other = guest.aggregate("F", [pa.int64()]), guest.aggregate("F", [pa.int64()])
    one.rows([0], pa.array([4]))
    expected = one.values([0])
    one.merge([0], one.states([0]), op=native_guest.RESTORE)
    other.merge([0], one.states([0]), op=native_guest.RESTORE)
    assert other.values([0]) == expected and one.values([0]) == expected
    one.drop()
    other.drop()


@pytest.mark.parametrize(
    "which, message",
    [("a dataclass that is a list", "a Listed, which is no dataclass"), ("within", "a defaultdict within an accumulator")],
)
def test_accumulators_that_would_lose_something_are_refused(guest, which, message):
    guest.load(STATES + f"which = {which!r}\n", "states.py")
    bound = guest.aggregate("F", [pa.int64()])
    bound.rows([0], pa.array([4]))
    with pytest.raises(native_guest.GuestError, match=message):
        bound.merge([0], bound.states([0]), op=native_guest.RESTORE)
    bound.drop()


def test_values_that_are_almost_plain_keep_what_they_have(guest):
    import datetime

    import numpy as np

    from vivarium import _state

    zone = datetime.timezone(datetime.timedelta(hours=2), "EET")
    assert repr(_state.loads(_state.dumps(datetime.datetime(2026, 1, 2, tzinfo=zone)))) == repr(datetime.datetime(2026, 1, 2, tzinfo=zone))
    with pytest.raises(_state.StateError):
        _state.dumps(np.matrix([[1]]))


@hypothesis.given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_refused(guest, data):
    from vivarium import _state

    try:
        value = _state.loads(b"\x01" + data)
    except _state.StateError:
        return
    assert _state.dumps(value) is not None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.decimals(allow_nan=False)
    | st.datetimes() | st.dates() | st.timedeltas() | st.times(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@hypothesis.given(ANYTHING)
def test_values_are_the_same_after_bytes(guest, value):
    from vivarium import _state

    again = _state.loads(_state.dumps(value))
    assert again == value and repr(again) == repr(value)


@pytest.mark.parametrize(
    "source, message",
    [
        ("@udaf\ndef f(x: int) -> int: return x", "an aggregate function is a class with create_accumulator(self)"),
        ("@udaf\nclass F: pass", "the class F has no method create_accumulator and no method accumulate and no method get_value"),
        ("@udf\nclass F: pass", "the class F has no method eval(self, ...)"),
        (
            "@udaf\nclass F:\n  def create_accumulator(self): pass\n  def accumulate(self): pass\n  def get_value(self, acc) -> int: pass",
            "accumulate() takes too few parameters: 2 come before the columns",
        ),
        ("@udtf\ndef f(x: int) -> int: yield 1", "the annotation `int` says nothing of rows; write Iterator[tuple[str, int]]"),
        ("@udtf\ndef f(x: int): yield 1", "the result has no type: annotate it (`-> Iterator[int]`) or give result_type="),
        ("@udtf\nasync def f(x: int) -> list[int]: pass", "only functions of one value per row can be async"),
        ("@udf(vectorized=True)\nasync def f(x: int) -> int: pass", "a vectorized function cannot be async"),
    ],
)
def test_declarations_that_cannot_be(guest, source, message):
    problems = guest.load(f"from vivarium import *\n{source}\n", "wrong.py")["problems"]
    assert any(message in problem["message"] for problem in problems), problems
    assert all(problem["line"] in (2, 3, 5) for problem in problems), problems
