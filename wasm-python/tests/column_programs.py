"""Random functions and nasty values, for the tests of functions as columns (test_columns.py).

    python column_programs.py FIRST_SEED COUNT [ROWS]

runs so many functions with columns and without, for as long as it takes, and prints those whose results, errors or row numbers differ.
"""

import decimal
import random
import struct
import sys

INTS = [0, 1, -1, 2, 3, 4, 5, 7, 9, 10, 11, 20, 21, 40, 41, 100, 255, 256, 2**31 - 1, 2**31, -(2**31), 2**32, 2**53, 2**53 + 1]
INTS += [-(2**53) - 1, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1, 10**18]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, 0.05, 0.1, 0.25, 0.26, 2.675, 1.005, 0.125, 0.375, 1e15, 1e16, 4503599627370495.5]
FLOATS += [9007199254740993.0, 2**52 + 0.5, 1e300, -1e300, 5e-324, 1e-310, float("inf"), -float("inf"), float("nan"), 249.99, 250.0, 99.99]
FLOATS += [1 / 3, 9.2e18, 9.3e18, -9.3e18, 9.223372036854775e18, -0.4, -0.004]
WORDS = ["", "A", "N", "O", "R", "AIR", "MAIL", " air ", "rail\n", "\tShip", "\x1ctruck\x1f", "TRUCK", "x", "ab", "abc", "hello world"]
WORDS += ["0", "42", " -7 ", "+5", "1_000", "3.14", "1e5", "-0", "-0.0", ".5", "5.", ".", "nan", "inf", "é", "Straße", "ＡＩＲ", "ﬀ", "İ"]
WORDS += ["\u00a0air\u00a0", "日本語テキストです", "😀😀", "a" * 8, "a" * 9, "b" * 17, "A.B,C;D", "1" * 21, "٣", "0x10", "aXbXc", "MAILMAIL"]
WORDS += ["2024-02-29", "2023-02-29", "1999-12-31 23:59:59", "2024-01-02T03:04:05", "2024-01-02 03:04:05.678", "0001-01-01", "9999-12-31"]
WORDS += ["QUJD", "YQ==", "QR==", "YQ=", "====", "-_8=", "Y Q=", "deadBEEF", "f", "FFFFFFFFFFFFFFFF", "7fffffffffffffff", "1_0", "0b11"]
WORDS += ["2024-1-2", "2024-01-02 3:04:05", "20240102", "2024-W01-1", "2024-01-02 03:04", "2024-01-02T03:04:05Z", "2024-01-02  03:04:05", "2024-13-01"]
WORDS += ["\x85", "\0", "a\0b", "AIR\0", "00000000", "12345678", "123456789", "u=a://x", "555-1234", "aé", "éa", "aaaaaaé", "x\u3000", "￿", "\U00010000"]

TYPES = {
    "i": ("int8", "int16", "int32", "int64", "int64", "int64", "int64", "uint8", "uint16", "uint32", "uint64"),
    "f": ("double", "double", "double", "float"),
    "b": ("bool",),
    "s": ("string", "string", "large_string"),
    "d": ("date32[day]", "date32[day]", "date64[ms]"),
    "t": ("timestamp[us]", "timestamp[us]", "timestamp[s]", "timestamp[ms]", "timestamp[ns]"),
    "z": ("timestamp[us, tz=UTC]", "timestamp[ms, tz=UTC]"),
    "Z": ("timestamp[us, tz=Europe/Berlin]", "timestamp[ms, tz=America/New_York]", "timestamp[us, tz=+05:30]"),
    "w": ("duration[us]", "duration[us]", "duration[s]", "duration[ns]"),
    "c": ("time64[us]", "time32[s]", "time32[ms]", "time64[ns]"),
    "y": ("binary", "large_binary"),
    "D": ("decimal128(15, 2)", "decimal128(15, 2)", "decimal128(38, 2)", "decimal128(9, 4)", "decimal128(28, 0)"),
    "r": ("struct<a: int64, b: double, c: string, d: decimal128(15, 2)>",),
}
PYTHON = {"i": "int", "f": "float", "b": "bool", "s": "str", "d": "datetime.date", "t": "datetime.datetime", "z": "datetime.datetime"}
PYTHON |= {"w": "datetime.timedelta", "c": "datetime.time", "y": "bytes", "D": "decimal.Decimal", "r": "dict"}

PRELUDE = """
import base64
import binascii
import datetime
import decimal
import hashlib
import json
import math
import re
import zlib
from decimal import Decimal
from datetime import timedelta
from math import sqrt as root
from zoneinfo import ZoneInfo
from vivarium import udf

D1 = {"AIR": 4.5, "MAIL": 2.25, "a": -1.0, "": 0.0}
D2 = {"A": "alpha", "N": "beta", "abc": "", "R": "x", "é": "ß"}
D3 = {1: 10, 2: -20, 5: 0}
D4 = {"A": True, "x": False}
L1 = ((1000.0, 0.08), (500.0, 0.05), (0.0, -1.5))
L2 = [1, 5, -3]
D5 = {"A": 1, "AIR": 2.5, "x": None, "R": -3, "é": 1e300}
D6 = {1: "one", 2: 2, 5: None}
T1, T2, T3 = ("a", "é", "", "long text"), [1, -2, 3], (0.5, -0.0)
S1 = {"A", "AIR", "é", "x", "12"}
TABLE = str.maketrans({"A": "a", "é": "e", "I": None, "x": "xyz", "日": 66, " ": "_"})
LETTERS = str.maketrans("abc", "ABé", "R,")
K = 7
DAY, HOURS = timedelta(days=1), timedelta(hours=-5, microseconds=3)
START, STAMP, NOON = datetime.date(2020, 2, 29), datetime.datetime(2000, 1, 1, 12, 30), datetime.time(12)
CENT = Decimal("0.01")
ROUNDED = Decimal("0.005").quantize(CENT)  # its flags can be seen: columns do not set them
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")

def helper(a, b=2):
    if a > b:
        return a - b
    return b

def maybe(s):
    if len(s) > 3:
        return None
    return s.strip()

def steps(n):
    k = 0
    while True:
        k += 1
        if k * k > n or k > 20:
            return k

def place(s, n):
    for k in range(len(s)):
        for j in range(n % 3):
            if s[k] == "A" and j == 1:
                return k + j
    return -n

def make(n):
    return lambda x: x * n + n

twice, thrice = make(2), make(3)
"""


DAYS = [-719162, 2932896, 0, -1, 59, 60, 11016, 18321, 19782, -25509, -719163, 2932897, 2**31 - 1]


def moment(r, type, unit):
    """Days, or units of a time; some that Python's objects cannot be."""
    k, units = r.random(), {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}.get(unit.rstrip("]"), 1)
    if type.startswith("date"):
        day = r.choice(DAYS) if k < 0.3 else r.randint(-719162, 2932896) if k < 0.5 else r.randint(-3000, 25000)
        return day if unit == "day" else day * 86400000 + (r.random() < 0.02)
    of_day = r.choice([0, 1, 86399, 43200, r.randrange(86400)])
    fraction = r.choice([0, 0, units - 1, r.randrange(units), r.randrange(units) // 1000 * 1000])
    if type.startswith("time") and type != "timestamp":
        return of_day * units + fraction
    days = r.choice(DAYS[:-3] if k < 0.2 else [0, 1, -1, 30, 106751991]) if k < 0.3 else r.randint(-30000, 30000)
    if k > 0.97:
        return r.choice([2**63 - 1, -(2**63) + 1, 2**62, -(10**17)])
    return max(-(2**63) + 1, min(2**63 - 1, (days * 86400 + of_day) * units + fraction))


def value(r, type):
    """A value of an Arrow type, often a nasty one; of times, what the column has in its unit."""
    k = r.random()
    if type.startswith("struct"):
        fields = {"a": "int64", "b": "double", "c": "string", "d": "decimal128(15, 2)"}
        return {name: None if r.random() < 0.1 else value(r, field) for name, field in fields.items()}
    if type.startswith("decimal"):
        precision, scale = map(int, type[11:-1].split(", "))
        number = r.choice([0, 1, -1, 5, 50, 119, -250, 10**28, 10**27 - 1, 10**precision - 1]) if k < 0.3 else r.randint(-(10**6), 10**6)
        number = number if k < 0.9 else r.randint(-(10**precision), 10**precision)
        return decimal.Decimal((number < 0, tuple(map(int, str(abs(number) % 10**precision))), -scale))
    if "[" in type:
        return moment(r, *type.removesuffix("]").split(",")[0].split("["))
    if "binary" in type:
        return value(r, "string").encode()
    if type == "bool":
        return k < 0.5
    if type in ("double", "float"):
        if k < 0.4:
            number = r.choice(FLOATS)
        elif k < 0.8:
            number = round(r.uniform(-50, 2000), r.randint(0, 4))
        else:
            number = struct.unpack("<d", r.randbytes(8))[0] if k < 0.9 else r.uniform(-1, 1)
        if type == "float":
            try:
                number = struct.unpack("<f", struct.pack("<f", number))[0]
            except OverflowError:
                number = 3.4028234663852886e38
        return number
    if "int" in type:
        bits = int(type.removeprefix("u").removeprefix("int"))
        low, high = (0, 2**bits - 1) if type[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        number = r.choice(INTS) + r.choice((0, 0, 0, 1, -1)) if k < 0.4 else r.randint(-50, 60) if k < 0.8 else r.randint(low, high)
        return max(low, min(high, number))
    word = r.choice(WORDS)
    if k < 0.5:
        return word
    return word + r.choice(WORDS) if k < 0.7 else "".join(r.choice("abcXYZ019 .,-_AIRMLNé") for _ in range(r.randint(0, 24)))


MOMENTS = {
    "d": ["START", "datetime.date(1999, 12, 31)", "datetime.date.fromisoformat('2024-02-29')"],
    "t": ["STAMP", "datetime.datetime(2024, 2, 29, 23, 59, 59, 999999)"],
    "z": ["EPOCH", "datetime.datetime(2024, 1, 1, tzinfo=UTC)"],
    "w": ["DAY", "HOURS", "timedelta(0)", "timedelta(days=3, seconds=4)", "datetime.timedelta(minutes=90)"],
    "c": ["NOON", "datetime.time(0, 0, 1)"],
    "D": ["CENT", "Decimal('1.19')", "Decimal(3)", "Decimal('-0.005')"],
    "r": ["{'a': 1, 'b': -0.0, 'c': 'x', 'd': None}", "(None, 1.5, 'é', CENT)"],
    "y": ["b''", "b'A'", "b'\\xff\\0'"],
}
"""Constants by kind."""


CAPTURED = ("([A-Z])([a-z]?)", "(?P<x>[0-9]+)(b)?", "(A)(?=I)")
TEMPLATES = (r"_\1", r"\g<1>\g<1>", r"é\1-\g<0>", r"<\2>")
"""Patterns with groups, and what matches become."""


HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


def pattern(r, depth=0, bounded=False):
    """A random regular expression, and how many groups it has. Nothing unbounded is repeated: the interpreter would never end."""
    pieces, groups = [], 0
    atoms = ["a", "b", "A", "I", "1", "X", "é", r"\.", r"\d", r"\w", r"\s", r"\D", ".", "[a-z]", "[A-Z0-9]", "[^aI ]", "[-a]", r"[\w.]", "air", "0"]
    for _ in range(r.randint(1, 4)):
        k = r.random()
        if depth < 2 and k < 0.3:
            times = r.choice(["", "", "", "?", "??", "*", "+", "{1,2}", "+?"] if not bounded else ["", "?"])
            inside = bounded or len(times) > 0
            inner, count = pattern(r, depth + 1, inside)
            if r.random() < 0.3:
                other, more = pattern(r, depth + 1, inside)
                inner, count = f"{inner}|{other}", count + more
            captured = r.random() < 0.6
            piece, groups = f"({'' if captured else '?:'}{inner})", groups + count + captured
            piece += times
        elif k < 0.38:
            piece = r.choice(["^", "$", r"\b", r"\Z", r"\B"])
        elif k < 0.42:
            piece = r.choice(["(?=a)", "(?!A)", "(?<=I)", "(?<!1)", r"(?=\d+[aA])", "(?<=ab|aI)", "(?![^b]{2}$)"])
        else:
            piece = r.choice(atoms) + r.choice(["", "", "", "?", "{2}", "{0,2}?"] if bounded else ["", "", "", "?", "*", "+", "{2}", "{1,3}", "*?", "+?", "{0,2}?"])
        pieces.append(piece)
    return "".join(pieces), groups


class Function:
    """The source of a random function, the types of its columns and of its result."""

    def __init__(self, seed):
        self.r = r = random.Random(seed)
        self.loops = self.fresh = 0
        self.fixed = set()
        kinds = [r.choice("iffssb" if r.random() < 0.7 else "dtzwcyDDrr") for _ in range(r.randint(1, 4))]
        self.result_kind = r.choice("ifsb" if r.random() < 0.75 else "dtzwcyDDrr")
        self.types = [r.choice(TYPES[kind]) for kind in kinds]
        self.result = r.choice(TYPES[self.result_kind])
        self.optional = [r.random() < 0.25 for _ in kinds]
        self.vars = {f"a{k}": kind for k, kind in enumerate(kinds)}
        self.name = f"fn{seed}"
        parameters = ", ".join(f"a{k}: {PYTHON[kind]}" + " | None" * self.optional[k] for k, kind in enumerate(kinds))
        body = []
        for k, kind in enumerate(kinds):
            if self.optional[k]:
                body += self.unwrapped(k, kind)
        body += self.block(1, r.randint(2, 6))
        body.append(f"    return {self.expr(self.result_kind)}" if r.random() < 0.85 else f"    return {self.maybe_none()}")
        head = f"@udf(input_types={self.types!r}, result_type={self.result!r})\ndef {self.name}({parameters}):\n"
        self.source = head + "\n".join(body) + "\n"

    def maybe_none(self):
        return f"{self.expr(self.result_kind)} if {self.expr('b')} else None"

    def unwrapped(self, k, kind):
        """What functions do with an argument that may be None."""
        name = f"a{k}"
        return self.r.choice(
            [
                [f"    if {name} is None:", f"        return {self.r.choice(['None', self.const(self.result_kind)])}"],
                [f"    if {name} is None:", f"        {name} = {self.const(kind)}"],
                [f"    {name} = {name} or {self.const(kind)}"],
                [f"    {name} = {name} if {name} is not None else {self.const(kind)}"],
                [f"    if not {name}:", "        return None"],
                [f"    if {name} == None or {self.expr('b')}:", "        return None"],
                [],
            ]
        )

    def const(self, kind):
        r = self.r
        if kind == "i":
            return str(r.choice([0, 1, 2, 3, 5, 7, 10, -1, -4, 100, 2**31, 2**53 + 1, 2**62]))
        if kind == "f":
            return r.choice(["0.0", "-0.0", "0.5", "1.5", "2.0", "0.1", "-3.25", "100.0", "1e16", "1e-5"])
        if kind == "b":
            return r.choice(["True", "False"])
        if kind in MOMENTS:
            return r.choice(MOMENTS[kind])
        return repr(r.choice(["", "a", "A", "AIR", "abc", ", ", "12", "x9", "Z", "é"]))

    def var(self, kind):
        names = [name for name, other in self.vars.items() if other == kind]
        return self.r.choice(names) if names else self.const(kind)

    def expr(self, kind, depth=0):
        if kind in "ifsD" and self.r.random() < 0.05:
            return self.field({"i": "a", "f": "b", "s": "c", "D": "d"}[kind])
        if depth > 3 or self.r.random() < 0.22:
            return self.var(kind) if self.r.random() < 0.75 else self.const(kind)

        def e(kind):
            return self.expr(kind, depth + 1)

        makers = {"b": self.bool_expr, "i": self.int_expr, "f": self.float_expr, "s": self.text_expr}
        return makers[kind](e) if kind in makers else self.moment_expr(kind, e)

    def moment_expr(self, kind, e):
        r = self.r
        picked = r.choice(["min", "max"])
        choices = [lambda: f"({e(kind)} if {e('b')} else {e(kind)})"]
        if kind in "dtz":
            choices += [lambda: f"({e(kind)} {r.choice('+-')} {e('w')})", lambda: f"({e('w')} + {e(kind)})", lambda: f"({e(kind)} + DAY)"]
            choices += [lambda: f"{picked}({e(kind)}, {e(kind)})", lambda: f"{e(kind)}.replace(day={r.choice(['1', e('i')])})"]
        if kind == "d":
            choices += [lambda: f"{e(r.choice('tz'))}.date()", lambda: f"datetime.date({e('i')}, {e('i')} % 13, 1)"]
            choices += [lambda: f"datetime.date.fromisoformat({e('s')})", lambda: f"datetime.date.fromordinal({e('i')})"]
        if kind == "t":
            choices += [lambda: f"datetime.datetime.fromisoformat({e('s')})", lambda: f"datetime.datetime.strptime({e('s')}, '%Y-%m-%d %H:%M:%S')"]
            choices += [lambda: f"{e('t')}.replace(hour={r.choice(['0', e('i')])}, microsecond=0)", lambda: f"{e('z')}.replace(tzinfo=None)"]
            choices += [lambda: f"datetime.datetime.combine({e('d')}, {e('c')})", lambda: f"datetime.datetime(2024, {e('i')}, 1, {e('i')})"]
        if kind == "z":
            choices += [lambda: f"{e('t')}.replace(tzinfo=UTC)", lambda: f"{self.abroad(e)}.astimezone(UTC)"]
            choices += [lambda: f"datetime.datetime.fromtimestamp({e(r.choice('if'))}, {r.choice(['', 'tz='])}UTC)"]
        if kind == "w":
            choices += [lambda: f"({e('w')} {r.choice('+-')} {e('w')})", lambda: f"({e('w')} * {e('i')})", lambda: f"({r.choice(['-', 'abs'])}({e('w')}))"]
            choices += [lambda: f"({e(same)} - {e(same)})" for same in "dtz"] + [lambda: f"timedelta(hours={e('i')})", lambda: f"({e('w')} // {e('i')})"]
        if kind == "c":
            choices += [lambda: f"{e(r.choice('tz'))}.time()", lambda: f"datetime.time({e('i')} % 24)"]
        if kind == "D":
            choices += [lambda: f"({e('D')} {r.choice('+-*')} {e(r.choice('DDDi'))})", lambda: f"({e('i')} * {e('D')})", lambda: f"(-{e('D')})"]
            choices += [lambda: f"({e('D')} {r.choice('+-*')} {e('D')})", lambda: f"abs({e('D')})", lambda: f"{picked}({e('D')}, {e('D')})"]
            rounding = r.choice(["", ", rounding=decimal.ROUND_HALF_UP", ", decimal.ROUND_DOWN"])
            choices += [lambda: f"{e('D')}.quantize({r.choice(['CENT', 'Decimal(1)', e('D')])}{rounding})", lambda: f"Decimal({e('i')})"]
        if kind == "r":
            record = f"{{'c': {self.var('s')}, 'a': {self.var('i')}, 'd': {self.var('D')}, 'b': {self.var('f')}}}"
            choices += [lambda: record, lambda: f"({e('i')}, {e('f')}, None, {e('D')})", lambda: record]
        if kind == "y":
            choices += [lambda: f"{e('s')}.encode()", lambda: f"({e('y')} + {e('y')})", lambda: f"hashlib.{r.choice(HASHES)}({e('y')}).digest()"]
            choices += [lambda: f"base64.{r.choice(['b64encode', 'urlsafe_b64encode', 'b64decode', 'urlsafe_b64decode'])}({e('y')})"]
            choices += [lambda: f"{e('y')}[{r.choice(['', '1', '-3'])}:{r.choice(['', '4', '-1', self.var('i')])}]", lambda: f"binascii.hexlify({e('y')})"]
            choices += [lambda: f"bytes.fromhex({e('s')})", lambda: f"{e('s')}.encode('ascii')"]
        return r.choice(choices)()

    def bool_expr(self, e):
        r = self.r
        s = r.choice("iifffs")
        tests = ["isdigit()", "isalpha()", f"startswith({r.choice(['a', 'A', 'AI', 'é'])!r})", f"endswith({r.choice(['L', 'x', 'bc'])!r})"]
        return r.choice(
            [
                lambda: f"({e(s)} {r.choice(['<', '<=', '==', '!=', '>', '>='])} {e(s)})",
                lambda: f"({e(s)} {r.choice(['<', '<=', '==', '!=', '>', '>='])} {e(s)})",
                lambda: f"({e('i')} {r.choice(['<', '==', '>=', '!='])} {e('f')})",
                lambda: f"({e('b')} {r.choice(['and', 'or', '&', '|', '^'])} {e('b')})",
                lambda: f"(not {e(r.choice('bifs'))})",
                lambda: f"({e('f')} <= {e('f')} < {e('f')})",
                lambda: f"({e('s')} {r.choice(['in', 'not in'])} {r.choice(['D1', 'D2', 'S1', repr(('A', 'N', 'R')), repr(['AIR', 'a', 'abc', 'x', 'MAIL'])])})",
                lambda: f"({self.const('s')} in {e('s')})",
                lambda: f"{e('s')}.{r.choice(tests)}",
                lambda: f"({e('i')} in {r.choice(['(1, 2, 5)', 'D3', 'L2', '{0, 3}', '(1.0, 2, True)'])})",
                lambda: f"({e('s')} in {e('s')}.{r.choice(['split()', 'split(chr(65))', 'rsplit(chr(65), 1)'])})",
                lambda: f"{r.choice(['any', 'all'])}({self.character()} for c in {self.var('s')})",
                lambda: f"any({e('i')} > k for k in (1, {self.var('i')}, 5))",
                lambda: f"({self.pair(e)} {r.choice(['<', '<=', '==', '!=', '>', '>='])} {self.pair(e)})",
                lambda: f"D4.get({e('s')}, {self.const('b')})",
                lambda: f"(maybe({e('s')}) is {r.choice(['', 'not '])}None)",
                lambda: f"isinstance({e(r.choice('ifsb'))}, {r.choice(['int', 'str', '(int, float)', 'bool'])})",
                lambda: f"bool({e(r.choice('ifsb'))})",
                lambda: f"({e('s')} in {e('s')})",
                lambda: f"{e('s')}.{r.choice(['isalnum', 'isspace', 'isupper', 'islower'])}()",
                lambda: f"{e('s')}.{r.choice(['startswith', 'endswith'])}(('A', 'é', 'x'))",
                lambda: f"math.{r.choice(['isnan', 'isinf', 'isfinite'])}({e(r.choice('fi'))})",
                lambda: f"(D6.get({e('i')}) == {self.const(r.choice('is'))})",
                lambda: f"({e('b')} is {r.choice(['True', 'False', 'not True'])})",
                lambda: self.moments_compared(e),
                lambda: self.moments_compared(e),
            ]
        )()

    def matched(self, e):
        source, groups = pattern(self.r)
        name, self.fresh = f"m{self.fresh}", self.fresh + 1
        way = self.r.choice(["search", "match", "fullmatch"])
        return f"({name}[{self.r.randint(0, groups)}] if ({name} := re.{way}({source!r}, {e('s')})) else {self.const('s')})"

    def document(self, e):
        """A text that often is JSON."""
        text = "'{{\"a\": \"{}\", \"b\": {}, \"c\": {}}}'"
        return self.r.choice([f"{text}.format({e('s')}, {e('i')}, {e('f')})", f"str({e(self.r.choice('if'))})", e("s")])

    def field(self, name):
        """A field of a struct that is an argument."""
        records = [name for name, kind in self.vars.items() if kind == "r"]
        return f"{self.r.choice(records)}[{name!r}]" if records else self.const({"a": "i", "b": "f", "c": "s", "d": "D"}[name])

    def abroad(self, e):
        """A datetime in another zone."""
        r = self.r
        zone = r.choice(["BERLIN", "ZoneInfo('America/New_York')", "ZoneInfo('Asia/Tokyo')", "datetime.timezone(timedelta(hours=-3, minutes=-30))"])
        ways = [lambda: f"{e('z')}.astimezone({zone})", lambda: f"{e('t')}.replace(tzinfo={zone})", lambda: f"datetime.datetime.fromtimestamp({e(r.choice('if'))}, {zone})"]
        return r.choice(ways)()

    def moments_compared(self, e):
        r = self.r
        kind = r.choice("dtzwcyDD")
        other = kind if r.random() < 0.9 else r.choice("dtzwsi")
        return f"({e(kind)} {r.choice(['<', '<=', '==', '!=', '>', '>='])} {e(other)})"

    def int_expr(self, e):
        r = self.r
        if r.random() < 0.15:
            kind = r.choice("dtzcw")
            names = {"c": ["hour", "minute", "second", "microsecond"], "w": ["days", "seconds", "microseconds"]}.get(kind, ["year", "month", "day"])
            names = names + ["weekday()", "isoweekday()", "toordinal()"] if kind in "dtz" else names
            return f"{e(kind)}.{r.choice(names + ['hour', 'minute', 'second'] if kind in 'tz' else names)}"
        return r.choice(
            [
                lambda: f"({e('i')} {r.choice(['+', '-', '*', '//', '%', '&', '|', '^'])} {e('i')})",
                lambda: f"({e('i')} {r.choice(['+', '-', '*', '//', '%'])} {e('i')})",
                lambda: f"({e('i')} {r.choice(['<<', '>>'])} {self.small(e)})",
                lambda: f"({e('i')} ** {r.choice(['0', '1', '2', '3'])})",
                lambda: f"len({e('s')})",
                lambda: f"int({e(r.choice('fifsb'))})",
                lambda: f"abs({e('i')})",
                lambda: f"{r.choice(['max', 'min'])}({e('i')}, {e('i')}{r.choice(['', ', 4'])})",
                lambda: f"round({e('f')})",
                lambda: f"({e('i')} if {e('b')} else {e('i')})",
                lambda: f"({r.choice('-~')}{e('i')})",
                lambda: f"D3.get({e('i')}, {self.const('i')})",
                lambda: f"D3[{e('i')}]",
                lambda: f"helper({e('i')}, {e('i')})",
                lambda: f"{r.choice(['twice', 'thrice'])}({e('i')})",
                lambda: f"({r.choice(['twice', 'thrice'])} if {e('b')} else {r.choice(['twice', 'helper'])})({e('i')})",
                lambda: f"math.{r.choice(['floor', 'ceil'])}({e('f')})",
                lambda: f"sum({r.choice(['1', 'ord(c)', 'k'])} for k, c in enumerate({self.iterable()}) if {self.character()})",
                lambda: f"sum(int(c) for c in {self.var('s')} if c.isdigit())",
                lambda: f"sum({e('i')} * k for k in (1, -2, {self.var('i')}))",
                lambda: f"next(({r.choice(['k', 'ord(c)'])} for k, c in enumerate({self.var('s')}) if {self.character()}), {self.const('i')})",
                lambda: f"len({e('s')}.{r.choice(['split()', 'split(None)', 'split(chr(65), 1)', 'rsplit(chr(65), 2)'])})",
                lambda: f"len([c for c in {self.iterable()} if {self.character()}])",
                lambda: f"ord({e('s')})",
                lambda: f"{r.choice(['max', 'min'])}({r.choice(['ord(c[0])', 'len(c)'])} for c in {self.iterable()} if {self.character()})",
                lambda: f"{e(r.choice('dtz'))}.isocalendar()[{r.randrange(3)}]",
                lambda: f"{e('s')}.rfind({r.choice(['a', 'A', 'é'])!r})",
                lambda: f"math.gcd({e('i')}, {e('i')})",
                lambda: f"(steps({e('i')}) + {self.var('i')})",
                lambda: f"(place({e('s')}, {e('i')}) + {self.var('i')})",
                lambda: f"{e('s')}.{r.choice(['find', 'count', 'index'])}({r.choice(['a', 'A', 'IR', 'é', 'aa'])!r})",
                lambda: f"({e('b')} + {e('b')} * K)",
                lambda: f"divmod({e('i')}, {e('i')})[{r.choice('01')}]",
                lambda: f"T2[{e('i')}]",
                lambda: f"len({e('s')}.split({r.choice([' ', ',', 'A', 'é'])!r}))",
                lambda: f"int({r.choice(['max', 'min'])}({e('i')}, {e('f')}))",
                lambda: f"zlib.{r.choice(['crc32', 'adler32'])}({e('y')})",
                lambda: f"int(hashlib.{r.choice(HASHES)}({e('y')}).hexdigest(){r.choice(['', '[:8]', '[:16]'])}, 16) {self.divided()}",
                lambda: f"int({e('s')}, {r.choice(['2', '8', '16', '36'])})",
                lambda: f"int({e('s')}) {self.divided()}",
                lambda: f"({self.var('i')}).{r.choice(['bit_length', 'bit_count'])}()",
                lambda: f"math.{r.choice(['isqrt(%s)', 'isqrt(abs(%s))', 'lcm(%s, ' + self.var('i') + ')'])}" % e("i"),
                lambda: f"sum({r.choice(['x', 'x * k'])} for k, x in enumerate({e('y')}))",
                lambda: f"len(re.findall({r.choice(['[0-9]+', '[A-Z]', '(a)|b', 'A(?!I)'])!r}, {e('s')}))",
                lambda: f"len(set({e('s')}.split({r.choice(['', repr(',')])})))",
                lambda: f"sorted(({e('i')}, {e('i')}, {self.var('i')}))[{r.randrange(3)}]",
                lambda: f"{self.abroad(e)}.{r.choice(['hour', 'day', 'minute', 'weekday()'])}",
                lambda: f"int.from_bytes({e('y')}{r.choice(['', '[:8]', '[-3:]'])}, {r.choice(['big', 'little'])!r}) {self.divided()}",
                lambda: f"{e('y')}[{r.choice(['0', '-1', self.var('i')])}]",
            ]
        )()

    def small(self, e):
        """A number of bits to shift by: not so many that the interpreter runs out of memory."""
        return self.r.choice(["0", "1", "3", "40", "min(" + e("i") + ", 70)"])

    def character(self):
        """A condition of a character or a word, c."""
        return self.r.choice(["c.isdigit()", "c in 'AIR'", "c != 'A'", "c.isalpha()", "c > 'B'", "c == c.upper()", "len(c) == 1"])

    def iterable(self):
        """Of texts."""
        ways = ["{}", "{}", "{}.split()", "{}.split(',')", "reversed({})", "map(str.upper, {})", "list({})"]
        return self.r.choice(ways).format(self.var("s"))

    def pair(self, e):
        return f"({e('i')}, {e('s')})"

    def spec(self, kind):
        """A format of values of that kind."""
        r = self.r
        align = r.choice(["", "<", ">", "^", "*^", "->"])
        width = r.choice(["", "3", "12"]) if not align else r.choice(["3", "12"])
        if kind == "s":
            return align + width + r.choice(["", "", ".3", "s"])
        if not align and r.random() < 0.3:
            return r.choice(["", "+", " "]) + r.choice(["05", "012"]) + r.choice({"i": ["", "d", "x"], "f": [".2f", ".1%"]}[kind])
        return align + r.choice(["", "+", " "]) + width + r.choice({"i": ["", "d", ",", "_d", "x", "X", "b", "o", ".1f"], "f": [",.2f", ".0f", ".3%", "_.1f", "f"]}[kind])

    def joiner(self):
        return repr(self.r.choice(["", "-", ", ", "é"]))

    def divided(self):
        """What becomes of an int that may be large."""
        return self.r.choice(["", "% 100", "% 1000003", "& 1023", "% 2 ** 40", "// 3", "% " + self.var("i")])

    def rest(self):
        return "(" + self.var("i") + " % 5)"

    def float_expr(self, e):
        r = self.r
        return r.choice(
            [
                lambda: f"({e('f')} {r.choice(['+', '-', '*', '/', '//', '%'])} {e(r.choice('ffi'))})",
                lambda: f"({e('f')} {r.choice(['+', '-', '*', '/'])} {e(r.choice('ffi'))})",
                lambda: f"({e('i')} / {e('i')})",
                lambda: f"({e('f')} ** {r.choice(['2', '0.5', '-1', e('f')])})",
                lambda: f"float({e(r.choice('ifs'))})",
                lambda: f"abs({e('f')})",
                lambda: f"{r.choice(['max', 'min'])}({e('f')}, {e('f')})",
                lambda: f"round({e('f')}, {r.randrange(6)})",
                lambda: f"({e('f')} if {e('b')} else {e('f')})",
                lambda: f"D1.get({e('s')}, {self.const('f')})",
                lambda: f"D1[{e('s')}]",
                lambda: f"(-{e('f')})",
                lambda: f"{r.choice(['root', 'math.exp', 'math.log', 'math.sin', 'math.atan', 'math.radians', 'math.log10'])}({e(r.choice('fi'))})",
                lambda: f"math.atan2({e('f')}, {e('f')})",
                lambda: f"({e('f')} * {e('b')})",
                lambda: f"max(D1.values()) - {e('f')}",
                lambda: f"({r.choice(['max', 'min'])}({self.const('i')}, {e('f')}) + {e('f')})",
                lambda: f"{r.choice(['max', 'min'])}({e('f')}, {e('i')})",
                lambda: f"(D5.get({e('s')}, {r.choice(['0', '1.5', 'True', 'None'])}) or {self.const('f')})",
                lambda: f"(D5[{e('s')}] * {e('f')})",
                lambda: f"T3[{e('i')} % 3]",
                lambda: f"divmod({e('f')}, {e(r.choice('if'))})[{r.choice('01')}]",
                lambda: f"{e('w')}.total_seconds()",
                lambda: f"({e('w')} / {e('w')})",
                lambda: f"{e('z')}.timestamp()",
                lambda: f"float({e('D')})",
                lambda: f"math.hypot({e('f')}, {e('f')}{r.choice(['', ', ' + self.var('f')])})",
                lambda: f"math.dist(({e('f')}, {e('f')}), ({self.var('f')}, {self.const('f')}))",
                lambda: f"sorted([{e('f')}, {e('f')}, {self.var('f')}]{r.choice(['', ', reverse=True'])})[{r.randrange(3)}]",
            ]
        )()

    def text_expr(self, e):
        r = self.r
        separators = [" ", ",", "A", "é", "aa"]
        strips = ["title()", "capitalize()", "zfill(7)", "rjust(6)", "ljust(8, '.')", "zfill(3)", "removeprefix('A')", "removesuffix('é')"]
        strips += ["upper()", "lower()", "strip()", "lstrip()", "rstrip()", "strip('A ')", "lstrip('0')"]
        return r.choice(
            [
                lambda: f"({e('s')} + {e('s')})",
                lambda: f"{e('s')}.{r.choice(strips)}",
                lambda: f"{e('s')}[{r.choice(['', '0', '1', '2', '-3'])}:{r.choice(['', '3', '5', '-1', '0'])}]",
                lambda: f"{e('s')}[{r.choice(['0', '1', '-1', self.var('i')])}]",
                lambda: f"str({e(r.choice('iifsb'))})",
                lambda: f'f"{{{self.var("s")}}}-{{{self.var("i")}}}{r.choice(["", ":{" + self.var("f") + ":.2f}", "é{" + self.var("f") + "}", "{" + self.var("b") + "!s}"])}"',
                lambda: f"{e('s')}.replace({r.choice(['A', 'IR', 'a', 'é'])!r}, {r.choice(['', 'zz', '-', 'ß'])!r})",
                lambda: f"({e('s')} if {e('b')} else {e('s')})",
                lambda: f"D2.get({e('s')}, {self.const('s')})",
                lambda: f"({e('s')} or {self.const('s')})",
                lambda: f"(maybe({e('s')}) or {self.const('s')})",
                lambda: f"{e('s')}[{self.var('i')}:]",
                lambda: f"{e('s')}.split({r.choice(separators)!r})[{r.choice(['0', '1', '-1', '-2', '2'])}]",
                lambda: f"{r.choice(separators)!r}.join(({e('s')}, {e('s')}, {self.const('s')}))",
                lambda: f"('{r.choice(['%s-%d', '%s%%%s', 'é%s %s'])}' % ({e(r.choice('sif'))}, {e('i')}))",
                lambda: f"('%.3f' % {e('f')})",
                lambda: f"'{r.choice(['{}{}', '{} é {}.', '<{}|{}>'])}'.format({e(r.choice('sifb'))}, {e(r.choice('si'))})",
                lambda: f"T1[{e('i')}]",
                lambda: f"{self.joiner()}.join(sorted({r.choice(['set({})', '{}', '[*{}]'][:2]).format(e('s') + '.split()')}{r.choice(['', ', reverse=True'])}))",
                lambda: f"{self.joiner()}.join(filter({r.choice(['str.isdigit', 'str.isalpha', 'None', 'str.strip'])}, {self.iterable()}))",
                lambda: f"{self.joiner()}.join(re.findall({r.choice(['[a-z]+', '([A-Z])[a-z]?', '(?<=A).', '1(2)?'])!r}, {e('s')}))",
                lambda: f"re.sub({r.choice(CAPTURED)!r}, {r.choice(TEMPLATES)!r}, {e('s')})",
                lambda: f"{self.joiner()}.join({e('s')}.split(',') + [{e('s')}, 'x'])",
                lambda: f"min({e('s')}, {self.const('s')})",
                lambda: f"{self.abroad(e)}.{r.choice(['isoformat()', 'strftime(chr(37) + chr(72))', '__str__()'])}",
                lambda: f"str(D5.get({e('s')}, {r.choice(['0', repr('no')])}))",
                lambda: f"{e('s')}[{self.var('i')}:{self.var('i')}]",
                lambda: f"({self.const('s')} * {r.choice(['2', '0', self.rest()])})",
                lambda: f"{e(r.choice('dtzc'))}.isoformat()",
                lambda: f"str({e('D')})",
                lambda: f"hashlib.{r.choice(HASHES)}({e('y')}).hexdigest()",
                lambda: f"{self.joiner()}.join(c for c in {self.iterable()} if {self.character()})",
                lambda: f"{self.joiner()}.join([c.lower() for c in {self.iterable()}])",
                lambda: f"{self.joiner()}.join(c + d for c, d in zip({self.iterable()}, {self.var('s')}))",
                lambda: f"{self.joiner()}.join({self.iterable()})",
                lambda: f"{self.joiner()}.join({e('s')}.{r.choice(['split()', 'split(chr(65))', 'split(chr(32), 2)'])}[{r.choice(['1:', ':-1', '-2:', ':1', '1:-1'])}])",
                lambda: f"{{'A': 'x', 'AIR': '', 'é': 'ß'}}.get({e('s')}, {self.const('s')})",
                lambda: f"{e('s')}.{r.choice(['partition', 'rpartition'])}({r.choice(['A', 'é', ' ', 'aa'])!r})[{r.randrange(3)}]",
                lambda: f"{e('s')}.{r.choice(['split()', 'split(chr(65), 1)', 'rsplit(chr(65), 1)', 'split(chr(32), 2)'])}[{r.choice(['0', '1', '-1', self.var('i')])}]",
                lambda: f"{e('s')}.{r.choice(['casefold()', 'center(9)', 'center(6, chr(42))', 'translate(TABLE)', 'translate(LETTERS)'])}",
                lambda: f"{e('s')}[::-1]",
                lambda: f"chr({r.choice([e('i'), e('i') + ' % 70000'])})",
                lambda: f"{r.choice(['hex', 'bin', 'oct'])}({e('i')})",
                lambda: f"format({e('i')}, {self.spec('i')!r})",
                lambda: f"format({e('f')}, {self.spec('f')!r})",
                lambda: f"format({e('s')}, {self.spec('s')!r})",
                lambda: f"('%{r.choice(['', '-', '0', '+', ' '])}{r.choice(['', '7'])}{r.choice(['d', 'x'])}|%{r.choice(['', '-'])}9s' % ({e('i')}, {self.var('s')}))",
                lambda: f"'{{1:>8}}{{0}}{{x:.1f}}'.format({e('i')}, {e('s')}, x={e('f')})",
                lambda: f"re.split({r.choice(['A', '[,;]', r'[^a-z]+'])!r}, {e('s')})[{r.choice(['0', '1', '-1'])}]",
                lambda: f"{e('y')}.{r.choice(['hex()', 'decode()', 'decode(errors=chr(97))', 'decode(%r)' % 'latin-1'])}",
                lambda: f"re.sub({pattern(r)[0]!r}, {r.choice(['', '-', 'xyz'])!r}, {e('s')})",
                lambda: self.matched(e),
                lambda: self.matched(e),
                lambda: f"json.loads({self.document(e)}){r.choice(['[chr(97)]', '.get(chr(98))', ''])}",
                lambda: f"json.loads({self.document(e)}){r.choice(['[%r]', '.get(%r)', '.get(%r, 0)']) % r.choice('abcx')}",
                lambda: f"str(json.loads({self.document(e)}){r.choice(['[%r]', '.get(%r)', '.get(%r, True)']) % r.choice('abcx')})",
                lambda: f"str({e(r.choice('dtzc'))})",
                lambda: f"{e(r.choice('dtz'))}.strftime({r.choice(['%Y-%m-%d', '%d.%m.%Y %H:%M', 'y%Y%S', '%A %b', '%j.%y', '%I %p'])!r})",
                lambda: f'f"{{{self.var(r.choice("dtz"))}:%Y/%m/%d}}"',
            ]
        )()

    def block(self, depth, count):
        return [line for _ in range(count) for line in self.statement(depth)]

    def assign(self, depth):
        r = self.r
        kind = r.choice("iffsb" if r.random() < 0.85 else "dtzwcyDD")
        names = [name for name, other in self.vars.items() if other == kind and name not in self.fixed]
        if names and r.random() < 0.6:
            name = r.choice(names)
        else:
            name = f"v{self.fresh}"
            self.fresh += 1
        text = f"{name} = {self.expr(kind)}"
        if name in self.vars and kind in "if" and r.random() < 0.3:
            text = f"{name} {r.choice(['+=', '-=', '*='])} {self.expr(kind, 1)}"
        self.vars[name] = kind
        return ["    " * depth + text]

    def scoped(self, make):
        known = set(self.vars)
        lines = make()
        self.vars = {name: kind for name, kind in self.vars.items() if name in known}
        return lines

    def statement(self, depth):
        r, p = self.r, "    " * depth
        k = r.random()
        if depth > 3 or k < 0.45:
            return self.assign(depth)
        if k < 0.48:
            a, b = self.var("i"), self.var("i")
            if a in self.vars and b in self.vars and not {a, b} & self.fixed:
                return [p + f"{a}, {b} = {b}, {a}"]
            return self.assign(depth)
        if k < 0.50:
            a, b = f"v{self.fresh}", f"v{self.fresh + 1}"
            self.fresh += 2
            line = p + f"{a}, {b} = {r.choice([self.expr('s') + '.split(' + repr(r.choice([' ', 'A', 'é'])) + ')', '(' + self.expr('s') + ', ' + self.expr('s') + ')'])}"
            self.vars[a] = self.vars[b] = "s"
            return [line]
        if k < 0.53:
            return self.listing(depth)
        if k < 0.72:
            lines = [p + f"if {self.expr('b')}:"] + self.scoped(lambda: self.block(depth + 1, r.randint(1, 2)))
            if r.random() < 0.3:
                lines += [p + f"elif {self.expr('b')}:"] + self.scoped(lambda: self.block(depth + 1, 1))
            if r.random() < 0.5:
                lines += [p + "else:"] + self.scoped(lambda: self.block(depth + 1, r.randint(1, 2)))
            return lines
        if k < 0.80:
            return [p + f"if {self.expr('b')}:", p + f"    return {self.expr(self.result_kind)}"]
        if k < 0.83:
            return [p + f"if {self.expr('b')}:", p + f"    raise ValueError({self.expr('s')})"]
        if k < 0.88:
            return self.constant_loop(depth)
        if k < 0.96 and self.loops < 2:
            return self.loop(depth)
        lines = [p + "try:"] + self.scoped(lambda: self.block(depth + 1, 2))
        return lines + [p + f"except {r.choice(['Exception', 'ValueError', '(KeyError, ZeroDivisionError)'])}:"] + self.scoped(lambda: self.block(depth + 1, 1))

    def listing(self, depth):
        """A list that grows, and the text that is made of it."""
        r, p = self.r, "    " * depth
        a, b = f"v{self.fresh}", f"v{self.fresh + 1}"
        self.fresh += 2
        made = r.choice(["[]", "[]", f"[{self.expr('s', 2)}]", f"[c for c in {self.iterable()}]"])
        item = r.choice(["c", "c.lower()", self.expr("s", 3), "str(len(c))"])
        lines = [p + f"{a} = {made}"]
        if r.random() < 0.7:
            lines += [p + f"for c in {self.iterable()}:", p + f"    if {self.character()}:", p + f"        {a}.append({item})"]
            lines += [p + "    else:", p + f"        {r.choice(['break', a + '.append(c)', 'continue'])}"] if r.random() < 0.4 else []
        else:
            lines += [p + f"if {self.expr('b', 2)}:", p + f"    {a}.append({self.expr('s', 2)})"]
        lines += [p + f"{a}2 = {a}"] if r.random() < 0.1 else []
        lines += [p + f"{a}.append({self.expr('s', 2)})"] if r.random() < 0.3 else []
        result = r.choice([f"{self.joiner()}.join({a})", f"str(len({a}))", f"{a}[-1]", f"'y' if 'A' in {a} else 'n'", f"'y' if {a} else 'n'"])
        self.vars[b] = "s"
        return [*lines, p + f"{b} = {result}"]

    def constant_loop(self, depth):
        r, p = self.r, "    " * depth
        a, b = f"v{self.fresh}", f"v{self.fresh + 1}"
        self.fresh += 2

        def body():
            self.vars[a] = self.vars[b] = "f"
            lines = self.block(depth + 1, 1)
            if r.random() < 0.6:
                lines += [p + f"    if {self.expr('b')}:", p + f"        {r.choice(['break', 'continue'])}"] + self.block(depth + 1, 1)
            return lines

        return [p + f"for {a}, {b} in L1:"] + self.scoped(body)

    def loop(self, depth):
        r, p = self.r, "    " * depth
        name = f"v{self.fresh}"
        self.fresh += 1
        self.loops += 1
        ranged = r.random() < 0.5

        def body():
            if ranged:
                self.vars[name] = "i"
            lines = self.block(depth + 1, r.randint(1, 2))
            if r.random() < 0.5:
                out = r.choice(["break", "continue", "return " + self.expr(self.result_kind)])
                lines += [p + f"    if {self.expr('b')}:", p + f"        {out}"] + self.block(depth + 1, 1)
            return lines

        if ranged:
            stop = r.choice(["4", "9", f"min({self.expr('i', 2)}, 12)", f"min({self.expr('i', 2)}, 40), -3"])
            start = r.choice(["", "1, ", "3, "]) if not stop.endswith("-3") else "12, "
            stop = stop if not stop.endswith("-3") else stop.replace("min(", "max(").replace(", 40)", ", -9)")
            lines = [p + f"for {name} in range({start}{stop}):"] + self.scoped(body)
        else:
            self.fixed.add(name)
            start = f"{name} = {r.choice(['0', '1'])}"
            lines = [p + start, p + f"while {name} < {r.choice(['3', '6', '11'])} and {self.expr('b')}:", p + f"    {name} += {r.choice(['1', '2'])}"]
            lines += self.scoped(body)
            if r.random() < 0.2:
                lines += [p + "else:"] + self.scoped(lambda: self.block(depth + 1, 1))
        self.loops -= 1
        return lines

    def columns(self, rows):
        """Lists of values."""
        r = self.r
        return [[None if r.random() < 0.12 else value(r, type) for _ in range(rows)] for type in self.types]


def main():
    from column_runs import compare, summary

    first, count = int(sys.argv[1]), int(sys.argv[2])
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else 700
    wrong = 0
    for seed in range(first, first + count):
        function = Function(seed)
        differences = compare(function, function.columns(rows))
        if differences:
            wrong += 1
            print(f"seed {seed}: {differences}\n{function.source}", flush=True)
    print(summary(), f"{wrong} functions wrong")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
