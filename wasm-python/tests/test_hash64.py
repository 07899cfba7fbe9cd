"""hash64() is the hash of 64-bit CPython, which these tests run in."""

import datetime
import json
import subprocess
import sys
import uuid
import zoneinfo
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

PRIME = 2**61 - 1
EDGES = [0, 1, -1, -2, PRIME, PRIME - 1, PRIME + 1, -PRIME, -PRIME - 1, 2**63 - 1, 2**64, -(2**100)]


@pytest.fixture(scope="session")
def hash64(guest):
    import vivarium

    return vivarium.hash64


NUMBERS = (
    st.integers() | st.sampled_from(EDGES) | st.booleans() | st.none() | st.floats(allow_nan=False) | st.fractions()
    | st.decimals(allow_nan=False) | st.complex_numbers(allow_nan=False) | st.timedeltas() | st.uuids()
    | st.datetimes(timezones=st.timezones())
)  # fmt: skip


@given(value=st.recursive(NUMBERS, lambda inner: st.tuples(inner, inner) | st.lists(inner).map(tuple) | st.frozensets(inner)))
def test_of_what_has_no_secret_it_is_the_hash(hash64, value):
    assert hash64(value) == hash(value)


def test_numbers_at_the_edges(hash64):
    for number in EDGES:
        assert hash64(number) == hash(number)
        assert hash64(Fraction(number, 3)) == hash(Fraction(number, 3))
        assert hash64(Decimal(number)) == hash(Decimal(number))
    assert hash64(Fraction(1, PRIME)) == hash(Fraction(1, PRIME))
    assert hash64(Decimal("1e999999")) == hash(Decimal("1e999999"))
    assert hash64(Decimal("-Infinity")) == hash(Decimal("-Infinity"))
    assert hash64(numpy.int32(-1)) == -2 and hash64(numpy.float32(0.5)) == hash(0.5)
    assert hash64(datetime.time(1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=5)))) == hash(
        datetime.time(1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=5)))
    )


TEXTS = ["", "a", "abcdefg", "abcdefgh", "abcdefghi", "é", "ÿ" * 9, "Ā", "日本", "\ud800", "😀", "a😀" * 5, "x" * 255, "x" * 256, "\0"]
BYTES = [b"", b"a", b"\xff" * 8, bytes(range(256))]
MOMENTS = ["datetime.date(2024, 2, 29)", "datetime.datetime(1, 1, 1)", "datetime.datetime(2024, 2, 29, 1, 2, 3, 4, fold=1)", "datetime.time(23, 59)"]


@pytest.mark.parametrize("seed", [0, 1, 42, 4294967295])
def test_of_text_it_is_the_hash_of_a_process_with_the_seed(hash64, seed):
    values = f"[*{TEXTS!r}, *{BYTES!r}, {', '.join(MOMENTS)}, ('a', 1, None), frozenset(['a', 'b'])]"
    program = f"import datetime, json; print(json.dumps([hash(value) for value in {values}]))"
    environment = {"PYTHONHASHSEED": str(seed)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True)
    expected = json.loads(done.stdout)
    found = eval(values, {"datetime": datetime})
    assert [hash64(value, seed=seed) for value in found] == expected


def test_what_has_no_hash_of_its_own_is_refused(hash64):
    for value in ([], object(), len, (1, [2]), uuid):
        with pytest.raises(TypeError, match="hash64"):
            hash64(value)
    for value in (float("nan"), Decimal("NaN"), (1, float("nan"))):
        with pytest.raises(ValueError, match="NaN"):
            hash64(value)
    for seed in (-1, 2**32, "1"):
        with pytest.raises(ValueError, match="PYTHONHASHSEED"):
            hash64("a", seed=seed)


def test_a_moment_in_the_gap_of_a_zone(hash64):
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    for fold in (0, 1):
        moment = datetime.datetime(2024, 3, 31, 2, 30, fold=fold, tzinfo=berlin)
        assert hash64(moment) == hash(moment)
