"""The codec in C reads and writes what PyFlink's coders do."""

import ast
import datetime
import decimal
import math
import pickle
import random
import subprocess
import sys

import _flink_rows
import pytest
import random_values
import stock
from _vivarium_flink import rows
from pyflink.common import Row, RowKind
from pyflink.fn_execution import coders, stream_slow

TEXT = ["", "a", "\0", "äöü", "漢字", "😀" * 100]
VALUES = [
    (coders.TinyIntCoder(), [-128, -1, 0, 1, 127]),
    (coders.SmallIntCoder(), [-(2**15), 0, 2**15 - 1]),
    (coders.IntCoder(), [-(2**31), -1, 0, 2**31 - 1]),
    (coders.BigIntCoder(), [-(2**63), -1, 0, 1, 2**40, 2**63 - 1]),
    (coders.BooleanCoder(), [True, False]),
    (coders.FloatCoder(), [0.0, -1.5, math.inf]),
    (coders.DoubleCoder(), [0.1, -1e300, math.inf, 3]),
    (coders.BinaryCoder(), [b"", b"\0\1", bytes(1000)]),
    (coders.CharCoder(), TEXT),
    (coders.DateCoder(), [datetime.date(1, 1, 1), datetime.date(2026, 11, 20)]),
    (coders.TimeCoder(), [datetime.time(23, 59, 59, 999000)]),
    (coders.TimestampCoder(3), [datetime.datetime(2026, 11, 20, 1, 2, 3, 4000)]),
    (coders.TimestampCoder(6), [datetime.datetime(2026, 11, 20, 1, 2, 3, 456789)]),
    (coders.DecimalCoder(38, 18), [decimal.Decimal("1.000000000000000001")]),
    (coders.GenericArrayCoder(coders.CharCoder()), [[], ["a", None, ""]]),
    (coders.PrimitiveArrayCoder(coders.BigIntCoder()), [[], [1, -2]]),
    (coders.MapCoder(coders.CharCoder(), coders.BigIntCoder()), [{}, {"a": 1, "b": None}]),
    (coders.TupleCoder([coders.IntCoder(), coders.CharCoder()]), [(1, "aaa"), (2, "bbb")]),
    (coders.FlattenRowCoder([coders.BigIntCoder(), coders.CharCoder()]), [[1, "a"], [None, "b"], [None, None]]),
    (coders.FlattenRowCoder([coders.TinyIntCoder()] * 30), [[i if i % 3 else None for i in range(30)], [None] * 30]),
    (
        coders.RowCoder([coders.BigIntCoder(), coders.RowCoder([coders.CharCoder()] * 8, list("abcdefgh"))], ["x", "y"]),
        [Row(1, Row(*"12345678")), Row(None, None), Row(x=3, y=None), Row(y=Row(*[None] * 8), x=4), Row.of_kind(RowKind.DELETE, 5, None)],
    ),
    (coders.RowCoder([coders.IntCoder()], ["x"]), [Row.of_kind(kind, 1) for kind in RowKind]),
    (coders.PickleCoder(), [(1, "a"), None, Row(1, 2)]),
    (coders.GenericArrayCoder(coders.MapCoder(coders.IntCoder(), coders.PrimitiveArrayCoder(coders.DoubleCoder()))), [[{1: [0.5]}, None, {}]]),
]
CASES = [(coder, value) for coder, values in VALUES for value in values]


def encoded(coder, value):
    out = stream_slow.OutputStream()
    coder.get_impl().encode_to_stream(value, out)
    return out.get()


@pytest.mark.parametrize("coder, value", CASES, ids=lambda item: repr(item)[:40])
def test_bytes_and_values_are_pyflinks(coder, value):
    expected = encoded(coder, value)
    codec, out = _flink_rows.Codec(rows.plan(coder)), _flink_rows.OutputStream()
    codec.encode_to_stream(value, out)
    assert out.get() == expected
    stream = _flink_rows.InputStream(expected)
    decoded = codec.decode_from_stream(stream)
    assert decoded == coder.get_impl().decode_from_stream(stream_slow.InputStream(expected))
    assert type(decoded) is type(coder.get_impl().decode_from_stream(stream_slow.InputStream(expected)))
    assert stream.size() == 0
    assert codec.encode(value) == expected
    assert codec.decode(expected) == decoded
    assert codec.read_at(b"before" + expected + b"behind", 6) == (decoded, 6 + len(expected))
    assert encoded(coder, decoded) == expected


def test_avro_records_are_pyflinks():
    coder = coders.AvroCoder(
        """{"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": "string"},
            {"name": "score", "type": ["null", "double"]}]}"""
    )
    codec = _flink_rows.Codec(rows.plan(coder))
    for value in [{"id": 1, "name": "", "score": None}, {"id": -(2**40), "name": "äöü", "score": 0.5}]:
        assert codec.encode(value) == encoded(coder, value)
        assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize("coder, value", CASES, ids=lambda item: repr(item)[:40])
def test_what_ends_too_early_is_an_error(coder, value):
    expected, codec = encoded(coder, value), _flink_rows.Codec(rows.plan(coder))
    for length in range(0, len(expected), max(1, len(expected) // 20)):
        with pytest.raises((ValueError, EOFError, decimal.InvalidOperation, pickle.UnpicklingError)):
            codec.decode_from_stream(_flink_rows.InputStream(expected[:length]))


def test_any_bytes_are_read_or_refused():
    source = random.Random(1)
    for coder, _ in VALUES:
        codec = _flink_rows.Codec(rows.plan(coder))
        for _ in range(200):
            stream = _flink_rows.InputStream(source.randbytes(source.randrange(40)))
            try:
                codec.decode_from_stream(stream)
            except (ValueError, OverflowError, TypeError, EOFError, decimal.InvalidOperation, pickle.UnpicklingError):
                pass


@pytest.mark.parametrize(
    "coder, value",
    [
        (coders.TinyIntCoder(), 128),
        (coders.BigIntCoder(), 2**63),
        (coders.BigIntCoder(), "1"),
        (coders.BigIntCoder(), math.nan),
        (coders.BigIntCoder(), None),
        (coders.BooleanCoder(), -1),
        (coders.CharCoder(), 1),
        (coders.BinaryCoder(), "text"),
        (coders.FlattenRowCoder([coders.IntCoder()]), (1,)),
        (coders.FlattenRowCoder([coders.IntCoder()] * 2), [1]),
    ],
    ids=repr,
)
def test_values_of_other_types_are_refused(coder, value):
    with pytest.raises((TypeError, OverflowError, ValueError)):
        _flink_rows.Codec(rows.plan(coder)).encode_to_stream(value, _flink_rows.OutputStream())


NO_PLANS = [(), ("record",), ("record", "x", ("bool",)), ("int",), ("int", 9), ("int", -1), ("map", ("bool",)), ("nothing",), ("other", 1), (1,), "bool"]
NO_PLANS += [("other",), ("date",), ("date", 1), ("timestamp", 8), ("timestamp", 5, 1, 1), ("zoned", 9, 1, 1), ("decimal", 1, 1), ("decimal", "1", "1", 1, 1)]


@pytest.mark.parametrize("plan", NO_PLANS)
def test_what_is_no_plan_is_refused(plan):
    with pytest.raises((ValueError, TypeError)):
        _flink_rows.Codec(plan)


def test_a_row_that_changes_while_it_is_written():
    row = [1, 2]

    def shrink(value, out):
        row.clear()

    codec = _flink_rows.Codec(("row", ("other", None, shrink), ("int", 8)))
    with pytest.raises(ValueError, match="changed"):
        codec.encode_to_stream(row, _flink_rows.OutputStream())


def compiled(*arguments):
    """What the compiled coders make of the cases of stock.py: (bytes, what they are read as) each."""
    command = [sys.executable, "-B", stock.__file__, *map(str, arguments)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return ast.literal_eval(found.splitlines()[-1])


def test_numbers_become_what_the_compiled_coders_make_of_them():
    expected = iter(compiled("numbers"))
    for kind in stock.KINDS:
        codec = _flink_rows.Codec(rows.plan(getattr(coders, kind + "Coder")()))
        for number in stock.NUMBERS:
            assert stock.outcome(codec.encode, codec.decode, number) == next(expected), (kind, number)


def has_timestamps(coder):
    parts = [getattr(coder, name) for name in ("_elem_coder", "_key_coder", "_value_coder") if hasattr(coder, name)]
    return isinstance(coder, coders.TimestampCoder | coders.LocalZonedTimestampCoder) or any(
        map(has_timestamps, parts + list(getattr(coder, "_field_coders", ())))
    )


@pytest.mark.parametrize("seed", range(6))
def test_values_become_what_the_compiled_coders_make_of_them(seed):
    """Also values of other types. What they refuse and PyFlink's coders in Python take, tuples for lists, may be taken; and only those read
    datetimes before 1970 and after 2038."""
    expected, codecs = compiled(seed, 400), {}
    for (coder, value), (data, read) in zip(random_values.cases(seed, 400), expected, strict=True):
        codec = codecs.setdefault(id(coder), (_flink_rows.Codec(rows.plan(coder)), coder))[0]
        plain = coder.get_impl()
        found = stock.outcome(codec.encode, codec.decode, value)
        assert found[0] == data or (data is None and found == stock.outcome(plain.encode, plain.decode, value)), (coder, value)
        if data is not None and found[1] != read:
            assert has_timestamps(coder) and found[1] == repr(plain.decode(data)), (coder, value, read)


def test_rows_by_name():
    coder = coders.RowCoder([coders.IntCoder(), coders.CharCoder()], ["a", "b"])
    codec = _flink_rows.Codec(rows.plan(coder))
    assert codec.encode(Row(b="x", a=1)) == codec.encode(Row("a", "b")(1, "x")) == codec.encode(Row(1, "x"))
    for wrong in (Row(a=1, c="x"), Row(a=1), Row(1)):
        with pytest.raises(Exception, match="nothing|not exist|not in list|a row is a list of 2 values"):
            codec.encode(wrong)


def test_errors_say_where():
    inner = coders.RowCoder([coders.GenericArrayCoder(coders.IntCoder()), coders.MapCoder(coders.CharCoder(), coders.IntCoder())], ["a", "b"])
    codec = _flink_rows.Codec(rows.plan(coders.FlattenRowCoder([coders.IntCoder(), inner, coders.DateCoder()])))
    cases = [
        (["x", None, None], ["in field 1 of 3"]),
        ([1, Row([1, "x"], None), None], ["in item 1", "in the field 'a'", "in field 2 of 3"]),
        ([1, Row(None, {"k": 1, "l": "x"}), None], ["in item 1 of a map", "in the field 'b'", "in field 2 of 3"]),
        ([1, None, "x"], ["in field 3 of 3"]),
    ]
    for row, notes in cases:
        with pytest.raises((TypeError, AttributeError)) as raised:
            codec.encode(row)
        assert raised.value.__notes__ == notes
    data = codec.encode([1, Row([1, 2], None), None])
    with pytest.raises(ValueError, match="too early") as raised:
        codec.decode(data[:-1])
    assert raised.value.__notes__ == ["in item 1", "in the field 'a'", "in field 2 of 3"]


@pytest.mark.parametrize("first, then, complains", [(None, 5, False), (2, None, True)])
def test_a_row_whose_values_become_others_while_it_is_written(first, then, complains):
    row = ["x", first]

    def change(value, out):
        out.write(b"?" * 5000)  # the buffer moves
        row[1] = then

    codec = _flink_rows.Codec(("row", ("other", None, change), ("int", 8)))
    if complains:
        with pytest.raises(ValueError, match="changed"):
            codec.encode(row)
    else:
        assert codec.encode(row) == b"\x10" + b"?" * 5000


@pytest.mark.parametrize("size", [-1, -(2**31), 4, 2**31])
def test_lengths_that_are_none_are_refused(size):
    out = _flink_rows.OutputStream()
    with pytest.raises((ValueError, OverflowError)):
        out.write_bytes(b"abc", size)
    out.write_bytes(b"abc", 2)
    assert out.get() == b"\0\0\0\2ab"
