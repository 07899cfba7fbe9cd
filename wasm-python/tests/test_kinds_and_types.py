"""Values of every type through every kind of function: pyarrow is the oracle in both directions."""

import decimal

import hypothesis
import hypothesis.strategies as st
import pyarrow as pa

from test_types import TYPES
from test_values import convertible, values_of

SOURCE = """
from vivarium import udaf, udf, udtf

TYPE = {type!r}
BOTH = dict(input_types=[TYPE], null_handling="call")

@udf(**BOTH, result_type=TYPE)
async def awaited(value):
    return value

@udf(**BOTH, result_type=TYPE, vectorized=True)
def vectorized(values):
    return values

@udtf(**BOTH, result_type="table(one " + TYPE + ", two " + TYPE + ")")
def table(value):
    yield value, None
    yield None, value

@udaf(**BOTH, result_type=TYPE)
class last:
    def create_accumulator(self):
        return [None]
    def accumulate(self, acc, value):
        acc[0] = value
    def get_value(self, acc):
        return acc[0]
    def merge(self, acc, other):
        acc[0] = other[0]
"""

TYPED = TYPES.filter(convertible).flatmap(lambda t: st.tuples(st.just(t), st.lists(st.none() | values_of(t), min_size=1, max_size=6)))
SETTINGS = hypothesis.settings(max_examples=120, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))


def array_of(guest, typed):
    type, values = typed
    decimal.getcontext().prec = 100  # pyarrow's conversions use the context; the guest's do not
    assert guest.load(SOURCE.format(type=str(type)), "echoes.py")["problems"] == []
    return pa.array(values, type)


@hypothesis.given(TYPED)
@SETTINGS
def test_awaited_and_vectorized(guest, typed):
    array = array_of(guest, typed)
    assert guest.call("awaited", array, type=array.type).equals(array)
    assert guest.call("vectorized", array, type=array.type).equals(array)


@hypothesis.given(TYPED)
@SETTINGS
def test_columns_of_a_table(guest, typed):
    array = array_of(guest, typed)
    handle, _ = guest.bind("table", [array.type])
    row = pa.struct([pa.field("one", array.type), pa.field("two", array.type)])
    type = pa.struct([pa.field("row", pa.uint32(), False), pa.field("row_values", row, False)])
    found, _ = guest.invoke(handle, [array], type)
    guest.control(op="drop", handle=handle)
    assert found.field(0).to_pylist() == [number for number in range(len(array)) for _ in range(2)]
    rows = found.field(1)
    assert rows.field(0).take(pa.array(range(0, len(rows), 2))).equals(array)
    assert rows.field(1).take(pa.array(range(1, len(rows), 2))).equals(array)


@hypothesis.given(TYPED)
@SETTINGS
def test_accumulators_keep_values_as_they_are(guest, typed):
    import native_guest

    array = array_of(guest, typed)
    one, other = guest.aggregate("last", [array.type]), guest.aggregate("last", [array.type])
    groups = list(range(len(array)))
    one.rows(groups, array)
    other.merge(groups, one.states(groups))
    for bound in (one, other):
        values, _ = guest.invoke(bound.handle, [pa.array(groups, pa.uint32())], array.type, op=native_guest.VALUE)
        assert values.equals(array)
        bound.drop()
