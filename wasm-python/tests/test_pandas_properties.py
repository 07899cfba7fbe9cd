"""Values of every type through functions of Series and of Columns: pyarrow is the oracle in both directions."""

import decimal
import math

import hypothesis
import hypothesis.strategies as st
import pyarrow as pa

from test_kinds_and_types import SETTINGS, TYPED

SOURCE = """
from pyflink.table import DataTypes
from pyflink.table.udf import udf as flink_udf
from vivarium import udaf, udf, udtf

TYPE = {type!r}
BOTH = dict(input_types=[TYPE], null_handling="call", vectorized="pandas")

@udf(**BOTH, result_type=TYPE)
def series(values):
    return values

@udf(input_types=[TYPE], result_type=TYPE, vectorized="pandas")
def present(values):
    return values

@flink_udf(result_type=TYPE, func_type="pandas")
def flink(values):
    return values

@udtf(vectorized="pandas", null_handling="call", input_types="table(value " + TYPE + ")", result_type="table(value " + TYPE + ")")
def twice(frame):
    return frame.loc[frame.index.repeat(2)]

@udaf(**BOTH, result_type="int64")
def count(values):
    return len(values)
"""


def array_of(guest, typed):
    type, values = typed
    decimal.getcontext().prec = 100  # pyarrow's conversions use the context; the guest's do not
    loaded = guest.load(SOURCE.format(type=str(type)), "echoes_of_series.py")
    assert loaded["problems"] == [], loaded
    return pa.array(values, type)


def is_missing(value):
    """What pandas takes for NULL."""
    return value is None or isinstance(value, float) and math.isnan(value)


def same(found, array):
    """Equality, except that NaN may have become NULL."""
    if found.equals(array):
        return True
    pairs = list(zip(found.to_pylist(), array.to_pylist(), strict=True))
    return all(mine == its or is_missing(mine) and is_missing(its) or _same_value(mine, its) for mine, its in pairs)


def _same_value(mine, its):
    if isinstance(mine, dict) and isinstance(its, dict):
        return mine.keys() == its.keys() and all(_same_value(mine[key], its[key]) for key in mine)
    if isinstance(mine, (list, tuple)) and isinstance(its, (list, tuple)):
        return len(mine) == len(its) and all(map(_same_value, mine, its))
    if isinstance(mine, dict) or isinstance(its, dict):
        # A struct that is NULL is a row of NULLs in a DataFrame.
        fields = mine if its is None else its
        return (mine is None or its is None) and all(_same_value(value, None) for value in fields.values())
    return mine == its or is_missing(mine) and is_missing(its)


@hypothesis.given(TYPED)
@SETTINGS
def test_series_and_frames_hold_every_value(guest, typed):
    array = array_of(guest, typed)
    # A struct that is NULL is a row of NULLs in a DataFrame, which fields without NULL cannot have.
    hypothesis.assume(not array.null_count or not pa.types.is_struct(array.type) or all(field.nullable for field in array.type))
    assert same(guest.call("series", array, type=array.type), array)
    assert same(guest.call("present", array, type=array.type), array)
    handle, _ = guest.bind("twice", [array.type])
    row = pa.struct([pa.field("value", array.type)])
    type = pa.struct([pa.field("row", pa.uint32(), False), pa.field("row_values", row, False)])
    found, _ = guest.invoke(handle, [array], type)
    guest.control(op="drop", handle=handle)
    assert found.field(0).to_pylist() == [number for number in range(len(array)) for _ in range(2)]
    for start in (0, 1):
        assert same(found.field(1).field(0).take(pa.array(range(start, 2 * len(array), 2))), array)


@hypothesis.given(TYPED)
@SETTINGS
def test_pyflinks_series_hold_every_value_but_large_ints_beside_null(guest, typed):
    array = array_of(guest, typed)
    large = any(isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 for value in array.to_pylist())
    hypothesis.assume(not (large and array.null_count))
    hypothesis.assume(not pa.types.is_struct(array.type))  # its fields are columns of their own, with NULLs of their own
    assert same(guest.call("flink", array, type=array.type), array)


@hypothesis.given(TYPED, st.integers(0, 6), st.integers(0, 6))
@SETTINGS
def test_columns_of_others_hold_every_value(guest, typed, start, length):
    from vivarium.arrow import Column

    array = array_of(guest, typed).slice(start, length)
    assert pa.array(Column.from_arrow(array)).equals(array)


@hypothesis.given(TYPED)
@SETTINGS
def test_groups_keep_every_row(guest, typed):
    array = array_of(guest, typed)
    one, other = guest.aggregate("count", [array.type]), guest.aggregate("count", [array.type])
    groups = [row % 2 for row in range(len(array))]
    one.rows(groups, array)
    other.merge([0, 1], one.states([0, 1]))
    for bound in (one, other):
        assert bound.values([0, 1]) == [groups.count(0), groups.count(1)]
        bound.drop()
