"""Changes to CSV and JSON files that know what they are made of, and such files made from nothing."""

import random

MANY = 200_000
LONG = 50_000_000


def other_digit(data: bytearray, rng: random.Random) -> bytes:
    """Digits become other digits: the number of rows stays."""
    places = [place for place, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    for _ in range(rng.choice([1, 4, 64])):
        data[rng.choice(places)] = rng.randrange(0x30, 0x3A)
    return bytes(data)


def _at(data: bytearray, rng: random.Random, what: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    data[place:place] = what
    return bytes(data)


def nul(data: bytearray, rng: random.Random) -> bytes:
    return _at(data, rng, b"\0" * rng.choice([1, 100]))


def not_utf8(data: bytearray, rng: random.Random) -> bytes:
    return _at(data, rng, rng.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"]))


def escapes(data: bytearray, rng: random.Random) -> bytes:
    """What a terminal takes for orders, or shows otherwise than it is."""
    return _at(data, rng, rng.choice([b"\x1b[2J\x1b]0;x\x07", b"\xc2\x9b31m", "\u202e\u2066".encode(), "\u2028\u2029".encode(), b"\r", b"\x08\x7f"]))


def byte_order_mark(data: bytearray, rng: random.Random) -> bytes:
    return rng.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff\0\0"]) + bytes(data)


def utf16(data: bytearray, rng: random.Random) -> bytes:
    return bytes(data).decode().encode("utf-16")


def line_ends(data: bytearray, rng: random.Random) -> bytes:
    return bytes(data).replace(b"\n", rng.choice([b"\r", b"\r\n", b"\n\n", b"\n\r"]))


def number(data: bytearray, rng: random.Random) -> bytes:
    """A digit becomes a number that does not fit."""
    places = [place for place, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    place = rng.choice(places)
    data[place : place + 1] = rng.choice([b"9" * 30, b"9" * 100_000, b"1e999", b"-1e-999999999", b"NaN", b"0x10", b"-", b"1_0", b"+1", b"00"])
    return bytes(data)


ANY_TEXT = [other_digit, other_digit, other_digit, nul, not_utf8, escapes, byte_order_mark, utf16, line_ends, number]
SAME_ROWS = (other_digit,)
"""Changes after which a file has as many rows as before."""


# ---- CSV ----


def quote(data: bytearray, rng: random.Random) -> bytes:
    """A quotation mark that is never closed."""
    return _at(data, rng, rng.choice([b'"', b'"', b',"', b'"""', b"\\\""]))


def field_count(data: bytearray, rng: random.Random) -> bytes:
    return _at(data, rng, rng.choice([b",", b"," * 1000, b"\n,", b"\n\n\n"]))


def header(data: bytearray, rng: random.Random) -> bytes:
    """Names that are empty, the same, or very long."""
    end = data.index(b"\n")
    count = data[:end].count(b",") + 1
    name = rng.choice([b"", b"a", b"x" * 100_000, b'"a""b"', b"\x1b[31m"])
    return b",".join([b"a", *[name] * (count - 1)]) + bytes(data[end:])


CSV = [*ANY_TEXT, quote, quote, field_count, header]


def csv_wide() -> bytes:
    return b",".join(b"c%d" % index for index in range(MANY)) + b"\n" + b",".join([b"1"] * MANY) + b"\n"


def csv_wide_header() -> bytes:
    return b"a" + b"," * MANY + b"\n1\n"


def csv_long_line() -> bytes:
    return b"a,b\n1," + b"x" * LONG + b"\n2,y\n"


def csv_long_header() -> bytes:
    return b"a," + b"x" * LONG + b"\n1,2\n"


def csv_open_quote() -> bytes:
    return b'a,b\n1,"' + b"1,2\n" * (LONG // 8)


def csv_many_quotes() -> bytes:
    return b"a,b\n1," + b'"' * (LONG // 8) + b"\n"


def csv_many_fields() -> bytes:
    return b"a\n" + b"1" + b"," * 5_000_000 + b"\n"


def csv_empty_lines() -> bytes:
    return b"a\n" + b"\n" * 5_000_000 + b"1\n"


def csv_nothing() -> bytes:
    return b""


def csv_zeros() -> bytes:
    return bytes(1_000_000)


CSV_SPECIALS = [
    csv_wide, csv_wide_header, csv_long_line, csv_long_header, csv_open_quote, csv_many_quotes, csv_many_fields, csv_empty_lines, csv_nothing,
    csv_zeros,
]  # fmt: skip


# ---- JSON ----


def token(data: bytearray, rng: random.Random) -> bytes:
    return _at(data, rng, rng.choice([b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"true", b"\\", b'\\ud800"', b"\\u0000", b"//", b"'"]))


def key(data: bytearray, rng: random.Random) -> bytes:
    """A key is there twice, or is another."""
    return _at_object(data, rng, rng.choice([b'"a":1,', b'"a":{"a":1},', b'"":0,', b'"\\ud800":1,', b'"a":[[[[]]]],', b'"' + b"k" * 100_000 + b'":1,']))


def depth(data: bytearray, rng: random.Random) -> bytes:
    levels = rng.choice([100, 1_000, 5_000])
    return _at_object(data, rng, rng.choice([b'"z":' + b"[" * levels + b"]" * levels + b",", b'"z":' + b'{"z":' * levels + b"1" + b"}" * levels + b","]))


def _at_object(data: bytearray, rng: random.Random, what: bytes) -> bytes:
    place = rng.choice([place for place, byte in enumerate(data) if byte == 0x7B]) + 1
    data[place:place] = what
    return bytes(data)


JSON = [*ANY_TEXT, token, token, key, depth]


def json_deep(opening: bytes = b"[", closing: bytes = b"]", levels: int = 100_000) -> bytes:
    return b'{"a":1,"z":' + opening * levels + b"1" + closing * levels + b"}\n"


def json_deep_objects() -> bytes:
    return json_deep(b'{"z":', b"}")


def json_deep_open() -> bytes:
    return json_deep(b"[", b"", 1_000_000)


def json_deep_alternating() -> bytes:
    return json_deep(b'[{"z":', b"}]", 50_000)


def json_many_keys() -> bytes:
    return b'{"a":1' + b"".join(b',"k%d":1' % index for index in range(100_000)) + b"}\n"


def json_keys_that_grow() -> bytes:
    """Each object brings ten columns that no other has."""
    return b"".join(b'{"a":1,%s}\n' % b",".join(b'"k%d":%d' % (10 * row + i, i) for i in range(10)) for row in range(3_000))


def json_long_string() -> bytes:
    return b'{"a":1,"s":"' + b"x" * LONG + b'"}\n'


def json_open_string() -> bytes:
    return b'{"a":1,"s":"' + b"x" * LONG


def json_surrogates() -> bytes:
    return b'{"a":1,"s":"\\ud800"}\n{"a":2,"s":"\\udfff\\ud800"}\n{"a":3,"s":"\\ud83d\\ude00"}\n'


def json_one_array() -> bytes:
    return b'[{"a":1},{"a":2}]'


def json_long_array() -> bytes:
    return b'{"a":1,"l":[' + b"0," * 5_000_000 + b"0]}\n"


def json_scalars() -> bytes:
    return b"1\nnull\n\"x\"\n[]\n"


def json_huge_numbers() -> bytes:
    return b'{"a":1}\n{"a":%s}\n{"a":1e400}\n{"a":-%s.%se-5}\n' % (b"9" * 1_000_000, b"9" * 400, b"9" * 400)


JSON_SPECIALS = [
    json_deep, json_deep_objects, json_deep_open, json_deep_alternating, json_many_keys, json_keys_that_grow, json_long_string, json_open_string,
    json_surrogates, json_one_array, json_long_array, json_scalars, json_huge_numbers,
]  # fmt: skip
