"""The hashes of 64-bit CPython 3.13, for jobs that divide rows by them as a job outside did: sizes and hashes of the guest have 32 bits."""

import datetime
import decimal
import fractions
import functools
import uuid

_BITS = (1 << 64) - 1
_PRIME = (1 << 61) - 1
_INFINITY = 314159
_NONE = 0xFCA86420

_XX1, _XX2, _XX5 = 11400714785074694791, 14029467366897019727, 2870177450012600261


def hash64(value, seed=0):
    """`hash(value)` of 64-bit CPython 3.13 that was started with PYTHONHASHSEED=`seed`, an int of 64 bits with a sign.

    Of bool, int, float, complex, Decimal, Fraction, str, bytes, None, date, time, datetime, timedelta, UUID, and of tuples and frozensets of these;
    scalars of NumPy count as the Python values they are equal to. The seed counts for text, bytes, dates and times without a zone only.

    Raises TypeError for other types, whose hash is another one in every process, and ValueError for NaN, for the same reason.
    """
    return _signed(_hash(value, _key(seed)))


@functools.lru_cache(maxsize=16)
def _key(seed):
    """The secret that CPython makes of PYTHONHASHSEED (Python/bootstrap_hash.c): none of 0, else bytes of a linear congruential generator."""
    if not isinstance(seed, int) or not 0 <= seed < 1 << 32:
        raise ValueError("a seed is an int from 0 to 4294967295, as PYTHONHASHSEED is")
    if seed == 0:
        return bytes(16)
    key = bytearray()
    for _ in range(16):
        seed = (seed * 214013 + 2531011) & 0xFFFFFFFF
        key.append(seed >> 16 & 0xFF)
    return bytes(key)


def _hash(value, key):
    """As many bits as it takes, of which the last 64 count."""
    kind = type(value)
    if kind is str or kind is bytes:
        return _of_bytes(value, key)
    if kind is int or kind is bool:
        return _of_int(value)
    if value is None:
        return _NONE
    if kind is float:
        return _of_float(value)
    of_kind = _KINDS.get(kind)
    if of_kind is not None:
        return of_kind(value, key)
    if kind.__module__ == "numpy" and hasattr(value, "item"):
        plain = value.item()
        if type(plain) is not kind:
            return _hash(plain, key)
    raise TypeError(f"hash64() has no hash of {kind.__name__!r} that is the same in every process")


def _signed(number):
    number &= _BITS
    return number - (1 << 64) if number >> 63 else number


def _not_minus_one(number):
    """-1 means an error to CPython."""
    return -2 if number & _BITS == _BITS else number


def _of_bytes(value, key):
    import _vivarium  # the types of this package are used where there is no C half, too

    return _not_minus_one(_vivarium.siphash13(value, key)) if value else 0


def _of_int(value):
    return _not_minus_one(value % _PRIME if value >= 0 else -(-value % _PRIME))


def _of_ratio(numerator, denominator):
    """Numbers that are equal have one hash, whatever their types: that of the fraction, modulo a prime."""
    if denominator % _PRIME == 0:
        number = _INFINITY
    else:
        number = abs(numerator) % _PRIME * pow(denominator, -1, _PRIME) % _PRIME
    return _not_minus_one(number if numerator >= 0 else -number)


def _of_float(value):
    if value != value:
        raise ValueError("NaN has another hash in every process")
    if value in (float("inf"), float("-inf")):
        return _INFINITY if value > 0 else -_INFINITY
    return _of_ratio(*value.as_integer_ratio())


def _of_complex(value, key):
    return _not_minus_one(_of_float(value.real) + 1000003 * _of_float(value.imag))


def _of_decimal(value, key):
    if value.is_nan():
        raise ValueError("NaN has another hash in every process")
    sign, digits, exponent = value.as_tuple()
    if value.is_infinite():
        return -_INFINITY if sign else _INFINITY
    number = int("".join(map(str, digits))) % _PRIME * pow(10, exponent, _PRIME) % _PRIME
    return _not_minus_one(-number if sign else number)


def _of_fraction(value, key):
    return _of_ratio(value.numerator, value.denominator)


def _of_tuple(value, key):
    total = _XX5
    for item in value:
        total = total + _hash(item, key) * _XX2 & _BITS
        total = (total << 31 | total >> 33) & _BITS
        total = total * _XX1 & _BITS
    total = total + (len(value) ^ (_XX5 ^ 3527539)) & _BITS
    return 1546275796 if total == _BITS else total


def _of_frozenset(value, key):
    total = 0
    for item in value:
        number = _hash(item, key) & _BITS
        total ^= ((number ^ 89869747) ^ (number << 16)) * 3644798167 & _BITS
    total ^= (len(value) + 1) * 1927868237
    total ^= (total >> 11) ^ (total >> 25)
    total = total * 69069 + 907133923 & _BITS
    return 590923713 if total == _BITS else total


def _of_timedelta(value, key):
    return _of_tuple((value.days, value.seconds, value.microseconds), key)


def _of_state(value, key):
    """A date or time: its bytes, as they are pickled."""
    return _of_bytes(value.__reduce__()[1][0], key)


_FIRST = datetime.datetime(1, 1, 1)


def _of_time(value, key):
    value = value.replace(fold=0)
    offset = value.utcoffset()
    if offset is None:
        return _of_state(value, key)
    since = datetime.timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    return _of_timedelta(since - offset, key)


def _of_datetime(value, key):
    value = value.replace(fold=0)
    offset = value.utcoffset()
    if offset is None:
        return _of_state(value, key)
    # Days are counted from 1, the first of January of the year 1.
    return _of_timedelta(value.replace(tzinfo=None) - _FIRST + datetime.timedelta(days=1) - offset, key)


_KINDS = {
    complex: _of_complex,
    decimal.Decimal: _of_decimal,
    fractions.Fraction: _of_fraction,
    tuple: _of_tuple,
    frozenset: _of_frozenset,
    datetime.date: _of_state,
    datetime.datetime: _of_datetime,
    datetime.time: _of_time,
    datetime.timedelta: _of_timedelta,
    uuid.UUID: lambda value, key: _of_int(value.int),
}
