"""Arrow types: how they are written, and how their values look in Python.

A type is written as pyarrow prints it (``int64``, ``timestamp[us, tz=UTC]``, ``list<item: int32>``, ``struct<a: int64, b:
string not null>``), by its SQL name (``bigint``, ``varchar``, ``decimal(38, 10)``), or by a short form (``float64``, ``str``).
SQL's names mean what they mean in Apache Flink: ``int`` is 32 bits wide, ``float`` too.

=======================================  ==========================  =====================================================
Arrow type                               Python, row at a time       NumPy, vectorized
=======================================  ==========================  =====================================================
bool                                     bool                        bool
int8 ... int64, uint8 ... uint64         int                         the same type
halffloat, float, double                 float                       float16, float32, float64
string, large_string                     str                         object array of str
binary, large_binary, fixed_size_binary  bytes                       object array of bytes
date32[day], date64[ms]                  datetime.date               datetime64[D]; date64 as an object array of dates
timestamp[unit]                          datetime.datetime, naive    datetime64[unit]
timestamp[unit, tz=ZONE]                 datetime.datetime, aware    datetime64[unit], the instant in UTC
time32, time64                           datetime.time               object array
duration[unit]                           datetime.timedelta          timedelta64[unit]
month_day_nano_interval                  MonthDayNano                object array
decimal128(p, s), decimal256(p, s)       decimal.Decimal             object array
list, large_list, fixed_size_list        list                        object array of lists
struct                                   dict, or the annotated      object array
                                         NamedTuple or dataclass
map                                      dict                        object array of dicts
=======================================  ==========================  =====================================================

NULL is None, and in an array a masked element (`numpy.ma`).

Results must fit exactly: nothing is rounded, cut or reinterpreted behind the function's back. An int must be in range, and a
bool is not an int. A float type takes an int that a float can equal (`float` and `halffloat` round to their precision, which
is what declaring them asks for). Text must be valid Unicode without lone surrogates. A timestamp type without a time zone takes
naive datetimes, one with a time zone aware ones. A Decimal may have no more digits than the type. NumPy scalars count as the
Python values they equal. Anything else is an error that shows the value.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import typing

__all__ = ["DataType", "Field", "MonthDayNano", "TypeSpellingError", "check", "parse"]

# The host has the same bounds (`vivarium::types`) and reads what is written here; `tests/type_grammar.txt` is for both.
MAX_DEPTH = 32  # `int64` has depth 1, `list<item: int64>` depth 2
MAX_LENGTH = 65536  # characters of a spelling, and bytes of what `str()` writes
MAX_VALUE_BYTES = 32 * 1024  # of one value by its type alone, whatever it holds; values without bytes count as one


class TypeSpellingError(ValueError):
    """A string that is not the name of a type."""


class MonthDayNano(typing.NamedTuple):
    """A calendar interval: parts that do not convert into one another."""

    months: int
    days: int
    nanoseconds: int


@dataclasses.dataclass(frozen=True)
class Field:
    """A named part of a nested type."""

    name: str
    type: DataType
    nullable: bool = True

    def __str__(self):
        name = self.name if _is_plain(self.name) else json.dumps(self.name, ensure_ascii=False)
        return f"{name}: {self.type}{'' if self.nullable else ' not null'}"


@dataclasses.dataclass(frozen=True)
class DataType:
    """An Arrow type. `str()` writes it as pyarrow does; `parse` reads that back."""

    id: str
    unit: str | None = None  # s, ms, us, ns
    timezone: str | None = None
    precision: int = 0
    scale: int = 0
    size: int = 0  # bytes of fixed_size_binary, elements of fixed_size_list
    fields: tuple[Field, ...] = ()  # one "item" of lists, a key and a value of maps
    constructor: typing.Any = dataclasses.field(default=None, compare=False)  # of a struct: NamedTuple or dataclass

    def __str__(self):
        return _PRINTERS.get(self.id, _print_simple)(self)

    @property
    def format(self):
        """The format string of the Arrow C Data Interface."""
        if self.id in _FORMATS:
            return _FORMATS[self.id]
        letter = {"s": "s", "ms": "m", "us": "u", "ns": "n", None: ""}[self.unit]
        match self.id:
            case "time32" | "time64":
                return "tt" + letter
            case "duration":
                return "tD" + letter
            case "timestamp":
                return f"ts{letter}:{self.timezone or ''}"
            case "decimal128":
                return f"d:{self.precision},{self.scale}"
            case "decimal256":
                return f"d:{self.precision},{self.scale},256"
            case "fixed_size_binary":
                return f"w:{self.size}"
            case "fixed_size_list":
                return f"+w:{self.size}"
        raise TypeSpellingError(f"{self} cannot cross into Python")

    def plan(self, name="item", nullable=True):
        """What `_vivarium` compiles: (format, name, nullable, spelling, extra, children)."""
        fields, extra = self.fields, self.constructor
        if self.id == "map":
            fields = (Field("entries", DataType("struct", fields=self.fields), False),)
        if self.id == "timestamp" and self.timezone is not None:
            extra = time_zone(self.timezone)
        if self.id == "month_day_nano_interval":
            extra = MonthDayNano
        children = tuple(field.type.plan(field.name, field.nullable) for field in fields)
        return self.format, name, nullable, str(self), extra, children


# ---- Time zones ----

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")


def time_zone(name):
    """The tzinfo of an Arrow time zone: "UTC", an offset such as "+02:00", or a name of the time zone database."""
    if name in ("UTC", "Etc/UTC", "Z"):
        return datetime.timezone.utc
    if match := _OFFSET.fullmatch(name):
        offset = datetime.timedelta(hours=int(match[2]), minutes=int(match[3]))
        if offset < datetime.timedelta(days=1):
            return datetime.timezone(-offset if match[1] == "-" else offset)
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise TypeSpellingError(f"there is no time zone '{name}'") from None


# ---- Printing ----

_FORMATS = {
    "null": "n",
    "bool": "b",
    "int8": "c",
    "uint8": "C",
    "int16": "s",
    "uint16": "S",
    "int32": "i",
    "uint32": "I",
    "int64": "l",
    "uint64": "L",
    "halffloat": "e",
    "float": "f",
    "double": "g",
    "string": "u",
    "large_string": "U",
    "binary": "z",
    "large_binary": "Z",
    "date32": "tdD",
    "date64": "tdm",
    "month_day_nano_interval": "tin",
    "list": "+l",
    "large_list": "+L",
    "struct": "+s",
    "map": "+m",
}


def _is_plain(name):
    """Whether a field's name can stand in a type as it is; otherwise it is written as a JSON string."""
    return name != "" and name.strip() == name and not re.search(r"[<>()\[\],:\"\\\x00-\x1f\x7f-\x9f]", name)


def _print_simple(type):
    return type.id


def _print_unit(type):
    return f"{type.id}[{type.unit}]"


def _print_timestamp(type):
    return f"timestamp[{type.unit}]" if type.timezone is None else f"timestamp[{type.unit}, tz={type.timezone}]"


def _print_decimal(type):
    return f"{type.id}({type.precision}, {type.scale})"


def _print_nested(type):
    return f"{type.id}<{', '.join(map(str, type.fields))}>"


def _print_map(type):
    key, value = type.fields
    return f"map<{key.type}, {value.type}{'' if value.nullable else ' not null'}>"


_PRINTERS = {
    "date32": lambda type: "date32[day]",
    "date64": lambda type: "date64[ms]",
    "time32": _print_unit,
    "time64": _print_unit,
    "duration": _print_unit,
    "timestamp": _print_timestamp,
    "decimal128": _print_decimal,
    "decimal256": _print_decimal,
    "fixed_size_binary": lambda type: f"fixed_size_binary[{type.size}]",
    "fixed_size_list": lambda type: f"{_print_nested(type)}[{type.size}]",
    "list": _print_nested,
    "large_list": _print_nested,
    "struct": _print_nested,
    "map": _print_map,
}


# ---- Bounds ----

_WIDTHS = {
    "int16": 2,
    "uint16": 2,
    "halffloat": 2,
    "int32": 4,
    "uint32": 4,
    "float": 4,
    "date32": 4,
    "time32": 4,
    "string": 4,
    "binary": 4,
    "list": 4,
    "map": 4,
    "int64": 8,
    "uint64": 8,
    "double": 8,
    "date64": 8,
    "time64": 8,
    "timestamp": 8,
    "duration": 8,
    "large_string": 8,
    "large_binary": 8,
    "large_list": 8,
    "month_day_nano_interval": 16,
    "decimal128": 16,
    "decimal256": 32,
}


def _value_bytes(type, depth=1):
    """Bytes that one value takes by its type alone. The items of lists are values of their own."""
    if depth > MAX_DEPTH:
        raise TypeSpellingError(f"a type nests deeper than the {MAX_DEPTH} levels allowed")
    parts = [_value_bytes(field.type, depth + 1) for field in type.fields]
    if type.id == "struct" and len({field.name for field in type.fields}) != len(parts):
        raise TypeSpellingError("two fields of a struct have the same name")
    if type.id == "fixed_size_binary":
        size = type.size
    elif type.id == "fixed_size_list":
        size = type.size * sum(parts)
    elif type.id == "struct":
        size = sum(parts)
    else:
        if type.id == "map":
            _within(DataType("struct", fields=type.fields), sum(parts))
        size = _WIDTHS.get(type.id, 1)
    return _within(type, max(size, 1))


def _within(type, size):
    if size > MAX_VALUE_BYTES:
        shown = str(type)
        shown = shown if len(shown) <= 120 else shown[:120] + "..."
        # A name may hold lone surrogates, which no message can.
        shown = shown.encode(errors="backslashreplace").decode()
        raise TypeSpellingError(
            f"a value of type {shown} takes {size} bytes, also when it is NULL, and at most {MAX_VALUE_BYTES} are possible; "
            "use binary or a list without a fixed size"
        )
    return size


def check(type):
    """Raises TypeSpellingError for a type beyond the bounds: one that is put together of parts may be too large or too deep."""
    _value_bytes(type)
    try:
        length = len(str(type).encode())
    except UnicodeEncodeError:
        raise TypeSpellingError("the name of a field is not valid Unicode") from None
    if length > MAX_LENGTH:
        raise TypeSpellingError(f"the name of a type has at most {MAX_LENGTH} bytes, and this one has {length}")


# ---- Parsing ----

_SIMPLE = {name: DataType(name) for name in _FORMATS if name not in ("list", "large_list", "struct", "map")}
_SIMPLE |= {
    "boolean": DataType("bool"),
    "tinyint": DataType("int8"),
    "smallint": DataType("int16"),
    "int": DataType("int32"),
    "integer": DataType("int32"),
    "bigint": DataType("int64"),
    "float16": DataType("halffloat"),
    "float32": DataType("float"),
    "float64": DataType("double"),
    "real": DataType("float"),
    "double precision": DataType("double"),
    "str": DataType("string"),
    "utf8": DataType("string"),
    "text": DataType("string"),
    "varchar": DataType("string"),
    "char": DataType("string"),
    "string_view": DataType("string"),
    "large_utf8": DataType("large_string"),
    "binary_view": DataType("binary"),
    "bytes": DataType("binary"),
    "varbinary": DataType("binary"),
    "bytea": DataType("binary"),
    "blob": DataType("binary"),
    "date": DataType("date32"),
    "time": DataType("time64", unit="us"),
    "timestamp": DataType("timestamp", unit="us"),
    "datetime": DataType("timestamp", unit="us"),
    "timestamptz": DataType("timestamp", unit="us", timezone="UTC"),
    "timestamp with time zone": DataType("timestamp", unit="us", timezone="UTC"),
    "timestamp without time zone": DataType("timestamp", unit="us"),
}

_UNITS = {
    "date32": ("day",),
    "date64": ("ms",),
    "time32": ("s", "ms"),
    "time64": ("us", "ns"),
    "duration": ("s", "ms", "us", "ns"),
    "timestamp": ("s", "ms", "us", "ns"),
}

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?: +(?:precision|with(?:out)? +time +zone))?", re.IGNORECASE)
_FIELD_NAME = re.compile(r"(\"(?:[^\"\\]|\\.)*\")\s*:|([^\s<>()\[\],:\"\\][^<>()\[\],:\"\\]*?)\s*:")
_ZONE = re.compile(r"[^\]\s\x00-\x1f\x7f-\x9f]+")
_TOKEN = re.compile(r"\s*([<>(),\[\]:=]|-?\d+|[^\s<>(),\[\]:=]+)")


class _Parser:
    """Recursive descent over one spelling."""

    def __init__(self, text):
        self.text = text
        self.at = 0

    def error(self, problem):
        shown = self.text if len(self.text) <= 100 else self.text[:100] + "..."
        raise TypeSpellingError(f"'{shown}' is not the name of a type: {problem}")

    def match(self, pattern):
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def accept(self, token):
        before = self.at
        found = self.match(_TOKEN)
        if found and found[1].lower() == token:
            return True
        self.at = before
        return False

    def expect(self, token):
        if not self.accept(token):
            self.error(f"'{token}' is missing at position {self.at}")

    def number(self, low, high):
        found = self.match(_TOKEN)
        if not found or not re.fullmatch(r"-?[0-9]{1,9}", found[1]) or not low <= int(found[1]) <= high:
            self.error(f"a number from {low} to {high} is missing at position {self.at}")
        return int(found[1])

    def type(self, depth=0):
        if depth >= MAX_DEPTH:
            self.error(f"types are nested more than {MAX_DEPTH} deep")
        word = self.match(_WORD)
        if not word:
            self.error(f"a type is missing at position {self.at}")
        name = " ".join(word[0].lower().split())
        special = getattr(self, "type_" + name, None)
        if special is not None and not name.startswith("_"):
            return special(depth)
        if name in _UNITS and self.accept("["):
            return self.unit(name)
        if name not in _SIMPLE:
            self.error(f"'{name}' is not known")
        if name in ("varchar", "char", "varbinary") and self.accept("("):
            self.number(1, 2**30 - 1)
            self.expect(")")
        if name in ("timestamp", "time") and self.accept("("):
            return self.digits(name)
        return _SIMPLE[name]

    def unit(self, name):
        unit = self.match(_TOKEN)
        if not unit or unit[1] not in _UNITS[name]:
            self.error(f"{name} has a unit, {' or '.join(_UNITS[name])}, in brackets")
        zone = None
        if name == "timestamp" and self.accept(","):
            self.expect("tz")
            self.expect("=")
            found = self.match(_ZONE)
            if not found:
                self.error("the time zone is missing")
            zone = found[0]
        self.expect("]")
        return DataType(name, unit=None if name.startswith("date") else unit[1], timezone=zone)

    def digits(self, name):
        """SQL's fractional digits of seconds: timestamp(3)."""
        unit = {0: "s", 3: "ms", 6: "us", 9: "ns"}.get(self.number(0, 9))
        self.expect(")")
        if unit is None:
            self.error("0, 3, 6 or 9 digits of a second can be told apart")
        if name == "timestamp":
            return DataType("timestamp", unit=unit)
        return DataType("time32" if unit in ("s", "ms") else "time64", unit=unit)

    def decimal(self, id=None):
        """Digits, and how many of them stand behind the point: no more than there are. Without an id the smallest type that has them."""
        self.expect("(")
        precision = self.number(1, 38 if id == "decimal128" else 76)
        id = id or ("decimal128" if precision <= 38 else "decimal256")
        scale = self.number(-38 if id == "decimal128" else -76, precision) if self.accept(",") else 0
        self.expect(")")
        return DataType(id, precision=precision, scale=scale)

    def type_decimal(self, depth):
        if not self.accept("("):
            self.error("say how many digits, as in decimal(38, 10)")
        self.at -= 1
        return self.decimal()

    type_numeric = type_decimal

    def type_decimal128(self, depth):
        return self.decimal("decimal128")

    def type_decimal256(self, depth):
        return self.decimal("decimal256")

    def type_fixed_size_binary(self, depth):
        self.expect("[")
        size = self.number(1, 10**9 - 1)
        self.expect("]")
        return DataType("fixed_size_binary", size=size)

    def field_name(self):
        """The name in front of a colon, or None when there is none."""
        before = self.at
        found = self.match(_FIELD_NAME)
        if not found:
            self.at = before
            return None
        if found[1] is None:
            return found[2]
        try:
            return json.loads(found[1])
        except ValueError:
            self.error(f"the field name at position {before} is not a JSON string")

    def item(self, depth):
        """The element of a list, with or without its name: list<item: int64>, array<int64>."""
        name = self.field_name()
        field = self.field("item" if name is None else name, depth)
        self.expect(">")
        return field

    def field(self, name, depth):
        type = self.type(depth + 1)
        required = self.accept("not")
        if required:
            self.expect("null")
        return Field(name, type, not required)

    def type_list(self, depth):
        self.expect("<")
        return DataType("list", fields=(self.item(depth),))

    type_array = type_list

    def type_large_list(self, depth):
        self.expect("<")
        return DataType("large_list", fields=(self.item(depth),))

    def type_fixed_size_list(self, depth):
        self.expect("<")
        item = self.item(depth)
        self.expect("[")
        size = self.number(0, 10**9 - 1)
        self.expect("]")
        return DataType("fixed_size_list", size=size, fields=(item,))

    def type_struct(self, depth):
        self.expect("<")
        return self.fields(">", depth)

    def fields(self, end, depth):
        fields = []
        while not self.accept(end):
            if fields:
                self.expect(",")
            name = self.field_name()
            if name is None:
                self.error(f"a field name and ':' are missing at position {self.at}")
            fields.append(self.field(name, depth))
        return self.struct(fields)

    def struct(self, fields):
        names = [field.name for field in fields]
        if len(set(names)) != len(names):
            self.error("two fields have the same name")
        return DataType("struct", fields=tuple(fields))

    def sql_fields(self, end, depth):
        """Fields as SQL writes them: name and type, without a colon (which is accepted)."""
        fields = []
        while not self.accept(end):
            if fields:
                self.expect(",")
            name = self.field_name()
            if name is None:
                word = self.match(re.compile(r"`([^`]+)`|([A-Za-z_]\w*)"))
                if not word:
                    self.error(f"a column's name is missing at position {self.at}")
                name = word[1] or word[2]
            fields.append(self.field(name, depth))
        return self.struct(fields)

    def type_row(self, depth):
        if self.accept("("):
            return self.sql_fields(")", depth)
        self.expect("<")
        return self.sql_fields(">", depth)

    type_table = type_row

    def type_map(self, depth):
        self.expect("<")
        key = self.field("key", depth)
        self.expect(",")
        value = self.field("value", depth)
        if self.accept(","):
            self.expect("keys_sorted")
        self.expect(">")
        return DataType("map", fields=(Field("key", key.type, False), Field("value", value.type, value.nullable)))


def parse(text):
    """The type that this string names; TypeSpellingError when it names none."""
    if not isinstance(text, str):
        raise TypeSpellingError(f"a type is written as a string, not as {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise TypeSpellingError(f"the name of a type has at most {MAX_LENGTH} characters")
    parser = _Parser(text)
    parsed = parser.type()
    if parser.text[parser.at :].strip():
        parser.error(f"it should end at position {parser.at}")
    check(parsed)
    return parsed
