"""Coders of PyFlink's at random, and values for them, many of which they were not made for. The same for the same seed in every process."""

import datetime
import decimal
import fractions
import random
import string

import pytz
from pyflink.common import Row, RowKind
from pyflink.common.time import Instant
from pyflink.fn_execution import coders

BERLIN = pytz.timezone("Europe/Berlin")
ZONES = [datetime.timezone.utc, pytz.utc, datetime.timezone(datetime.timedelta(hours=-9, minutes=-30)), BERLIN]

INTS = {coders.TinyIntCoder: 8, coders.SmallIntCoder: 16, coders.IntCoder: 32, coders.BigIntCoder: 64}
SIMPLE = [*INTS, *INTS, coders.BooleanCoder, coders.FloatCoder, coders.DoubleCoder, coders.CharCoder, coders.BinaryCoder, coders.DateCoder]
SIMPLE += [coders.TimeCoder, coders.BigDecimalCoder, coders.InstantCoder, coders.LocalDateCoder, coders.LocalTimeCoder, coders.LocalDateTimeCoder]


NESTED = [coders.GenericArrayCoder, coders.PrimitiveArrayCoder, coders.MapCoder, coders.TupleCoder, coders.FlattenRowCoder, coders.RowCoder]


class Text(str):
    """A str that is none of the exact type."""


class Moment(datetime.datetime):
    """The same of a datetime."""


class Whole:
    def __int__(self):
        return 7


class Index:
    def __index__(self):
        return 7


def coder(r, depth=0):
    """A coder, of coders where there is depth left."""
    k = r.random()
    if k < 0.2:
        return r.choice([coders.TimestampCoder(r.choice([0, 3, 6, 9])), coders.LocalZonedTimestampCoder(r.choice([3, 6]), r.choice([pytz.utc, BERLIN]))])
    if k < 0.3:
        precision = r.choice([1, 5, 18, 38])
        return coders.DecimalCoder(precision, r.choice([0, precision, precision // 2, min(2, precision)]))
    if k < 0.75 or depth == 2:
        return r.choice(SIMPLE)()
    if k < 0.8:
        return coders.GenericArrayCoder(coder(r, depth + 1))
    if k < 0.84:
        return coders.PrimitiveArrayCoder(r.choice(SIMPLE[:11])())
    if k < 0.88:
        return coders.MapCoder(coders.CharCoder() if r.random() < 0.5 else coders.IntCoder(), coder(r, depth + 1))
    fields = [coder(r, depth + 1) for _ in range(r.choice([1, 2, 3, 7]))]
    if k < 0.91:
        return coders.TupleCoder(fields)
    return coders.FlattenRowCoder(fields) if k < 0.95 and depth == 0 else coders.RowCoder(fields, list(string.ascii_lowercase[: len(fields)]))


def number(r):
    """Of another type, too."""
    whole = r.choice([0, 1, -1, 127, 128, -129, 2**31, -(2**31), 2**63 - 1, -(2**63), 2**63, r.randint(-300, 300), r.randint(-(2**40), 2**40)])
    k = r.random()
    if k < 0.4:
        return whole
    if k < 0.7:
        return r.choice([whole / 3, whole / 2, float(whole), -0.0, 1.9999, float("nan"), float("inf"), -1e300, 3.5e38])
    return r.choice([decimal.Decimal(f"{whole}.75"), fractions.Fraction(whole, 7), whole > 0, Whole(), Index(), decimal.Decimal("NaN")])


def moment(r):
    """A datetime, some before 1970, some with a zone."""
    k = r.random()
    seconds = r.randint(0, 2**31 - 1) if k < 0.6 else r.randint(-62_135_596_800, 253_402_300_799)
    micros = r.choice([0, 1, 999, 1000, 123_000, 999_999, r.randrange(10**6)])
    found = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds, microseconds=micros)
    if r.random() < 0.3:
        return found.replace(tzinfo=r.choice(ZONES))
    return Moment(*found.timetuple()[:6], micros) if r.random() < 0.1 else found


def value(r, of):
    """A value for a coder."""
    kind = type(of)
    if r.random() < 0.06:
        others = [number(r), "text", b"bytes", moment(r), moment(r).date(), decimal.Decimal("1.25"), {"a": 1}]
        # Of collections, the compiled coders read items that are not there.
        return r.choice(others + [[1], (1, 2), Row(1)] * (kind not in NESTED))
    if kind in INTS:
        return r.randint(-(2 ** (INTS[kind] - 1)), 2 ** (INTS[kind] - 1) - 1) if r.random() < 0.5 else number(r)
    if kind in (coders.FloatCoder, coders.DoubleCoder):
        return number(r)
    if kind is coders.BooleanCoder:
        return r.choice([True, False, True, False, 0, 1, 2, 1.5, -1, 256])
    if kind is coders.CharCoder:
        return r.choice(["", "a", "äöü", "😀" * 40, "\0", Text("own"), "\ud800", "x" * 2000])
    if kind is coders.BinaryCoder:
        return r.choice([b"", b"\0\1", bytes(2000), bytearray(b"array")])
    if kind in (coders.DateCoder, coders.LocalDateCoder):
        return moment(r) if kind is coders.DateCoder and r.random() < 0.2 else moment(r).date()
    if kind in (coders.TimeCoder, coders.LocalTimeCoder):
        return moment(r) if kind is coders.TimeCoder and r.random() < 0.2 else moment(r).timetz()
    if kind in (coders.TimestampCoder, coders.LocalZonedTimestampCoder, coders.LocalDateTimeCoder):
        return moment(r)
    if kind is coders.DecimalCoder:
        digits = tuple(map(int, str(r.randint(0, 10 ** r.randint(0, of.precision)))))
        return decimal.Decimal((r.randrange(2), digits, -r.choice([of.scale, of.scale, of.scale + 1, 0, 40])))
    if kind is coders.BigDecimalCoder:
        return r.choice([decimal.Decimal("1E+10"), decimal.Decimal("-0.00"), decimal.Decimal("NaN"), decimal.Decimal(r.randint(0, 10**40)), 5, "1"])
    if kind is coders.InstantCoder:
        return Instant(r.randint(-(2**40), 2**40), r.randrange(10**9))
    return _nested(r, of)


def _nested(r, of):
    kind = type(of)
    if kind in (coders.GenericArrayCoder, coders.PrimitiveArrayCoder):
        nulls = kind is coders.GenericArrayCoder
        return [None if nulls and r.random() < 0.2 else value(r, of._elem_coder) for _ in range(r.randrange(4))]
    if kind is coders.MapCoder:
        keys = [r.choice(["a", "b", "é"]) if type(of._key_coder) is coders.CharCoder else r.randrange(9) for _ in range(r.randrange(3))]
        return {key: None if r.random() < 0.2 else value(r, of._value_coder) for key in keys}
    if kind is coders.TupleCoder:
        return tuple(value(r, field) for field in of._field_coders)
    fields = [None if r.random() < 0.2 else value(r, field) for field in of._field_coders]
    if kind is coders.FlattenRowCoder:
        return fields
    return _row(r, of._field_names, fields)


def _row(r, names, fields):
    """By place or by name, in any order, sometimes by a name that there is not."""
    k = r.random()
    if k < 0.5:
        return Row.of_kind(r.choice(list(RowKind)), *fields)
    named = list(zip(names, fields))
    r.shuffle(named)
    if k > 0.95:
        named[0] = ("nothing", named[0][1])
    row = Row(**dict(named))
    row.set_row_kind(r.choice(list(RowKind)))
    return row


def cases(seed, count):
    """(coder, value) each."""
    r = random.Random(seed)
    for _ in range(count):
        of = coder(r)
        for _ in range(6):
            yield of, value(r, of)
