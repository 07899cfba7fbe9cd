"""Tables as text, written and read here and by nobody's library: spellings that other programs have, and what a text means."""

import json
import random
import re
import struct
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.types as pt
import values

EPOCH = date(1970, 1, 1).toordinal()
SECOND = values.NANOSECONDS["s"]


class NoText(Exception):
    """A value that the format has no text for."""


class Spelling:
    """How one file spells its values: by chance, in ways that mean the same."""

    def __init__(self, generator: random.Random):
        self.random = generator
        self.separator = generator.choice("T ")
        self.booleans = generator.choice((("false", "true"), ("False", "True"), ("FALSE", "TRUE")))

    def text(self, value: object, kind: pa.DataType) -> str:
        """A value of `values.of` that has no parts."""
        if pt.is_boolean(kind):
            return self.booleans[value]
        if pt.is_floating(kind):
            return self._float(value, kind)
        if pt.is_decimal(kind):
            return format(value, "f")
        if isinstance(value, bytes):
            return value.hex() if self.random.random() < 0.5 else value.hex().upper()
        if isinstance(value, tuple):
            return self._time(value[0], value[1], kind)
        return str(value)

    def _float(self, value: tuple, kind: pa.DataType) -> str:
        if value[1] == "nan":
            return "NaN"
        number = struct.unpack(">d", value[1])[0]
        if number in (float("inf"), float("-inf")):
            return "inf" if number > 0 else "-inf"
        return repr(number) if self.random.random() < 0.7 else f"{number:.17e}"

    def _time(self, word: str, count: int, kind: pa.DataType) -> str:
        if word == "date":
            return date.fromordinal(count // values.DAY + EPOCH).isoformat()
        if word == "time of day":
            return _clock(count, self._digits(count, kind))
        offset = None
        if word == "moment":
            minutes = self.random.choice((0, 0, 60, -300, 345, 330, -570))
            count += minutes * 60 * SECOND
            sign, hours = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
            offset = self.random.choice(("Z", "+00:00")) if minutes == 0 else f"{sign}{hours[0]:02}{self.random.choice((':', ''))}{hours[1]:02}"
        days, rest = divmod(count, values.DAY)
        day = date.fromordinal(days + EPOCH).isoformat()
        return f"{day}{self.separator}{_clock(rest, self._digits(rest, kind))}{offset or ''}"

    def _digits(self, count: int, kind: pa.DataType) -> int:
        """How many digits of a second's fraction are written: as many as it needs, or all that the unit has."""
        most = {"s": 0, "ms": 3, "us": 6, "ns": 9}[kind.unit]
        needed = len(f"{count % SECOND:09}".rstrip("0"))
        return self.random.choice((needed, most))


def _clock(nanoseconds: int, digits: int) -> str:
    seconds, fraction = divmod(nanoseconds, SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{f'{fraction:09}'[:digits]}" if digits else text


def write_csv(table: pa.Table, spelling: Spelling, delimiter: str, quote: str | None, header: bool, null: str, end: str) -> str:
    """A CSV file. NULL is an empty field or `null`, both without quotes; the empty string is in quotes."""

    def field(text: str, may_be_null: bool) -> str:
        special = any(each in text for each in (delimiter, "\n", "\r", quote or "\n"))
        needs = special or text.startswith("\ufeff") or (may_be_null and text in ("", null))
        if quote is None:
            if special or text in ("", null):
                raise NoText
            return text
        return quote + text.replace(quote, quote * 2) + quote if needs or spelling.random.random() < 0.1 else text

    lines = [delimiter.join(field(name, name == "") for name in table.column_names)] if header else []
    columns = [(values.of(column), column.type) for column in table.columns]
    for row in range(table.num_rows):
        fields = []
        for column, kind in columns:
            is_text = pt.is_string(kind) or pt.is_large_string(kind) or pt.is_binary(kind) or pt.is_large_binary(kind)
            text = null if column[row] is None else spelling.text(column[row], kind)
            # What is no text is NULL also in quotes when it is empty, so it is not put into them here.
            fields.append(text if column[row] is None else field(text, is_text))
        lines.append(delimiter.join(fields))
    return end.join(lines) + (end if spelling.random.random() < 0.8 or not lines or lines[-1] == "" else "")


def write_json(table: pa.Table, spelling: Spelling) -> str:
    """Objects, one a line: members in any order, NULLs left out or written."""
    ascii_only, separators = spelling.random.random() < 0.5, spelling.random.choice(((",", ":"), (", ", ": "), (" ,\t", " : ")))
    columns = [(values.of(column), column.type) for column in table.columns]

    def plain(value: object, kind: pa.DataType) -> str:
        if value is None:
            return "null"
        if pt.is_struct(kind):
            by_name = dict(value[1:])
            return members({name: (by_name[name], kind.field(name).type) for name in by_name})
        if pt.is_nested(kind):
            return "[" + separators[0].join(plain(item, kind.value_type) for item in value[1:]) + "]"
        if pt.is_boolean(kind):
            return "true" if value else "false"
        if pt.is_floating(kind):
            text = spelling.text(value, kind)
            if text in ("NaN", "inf", "-inf"):
                raise NoText
            return text
        if pt.is_integer(kind):
            return str(value)
        text = spelling.text(value, kind)
        is_number = pt.is_decimal(kind) and spelling.random.random() < 0.5
        return text if is_number else json.dumps(text, ensure_ascii=ascii_only)

    def members(all_of_them: dict) -> str:
        names = list(all_of_them)
        spelling.random.shuffle(names)
        kept = [name for name in names if all_of_them[name][0] is not None or spelling.random.random() < 0.5]
        member = lambda name: f"{json.dumps(name, ensure_ascii=ascii_only)}{separators[1]}{plain(*all_of_them[name])}"  # noqa: E731
        return "{" + separators[0].join(map(member, kept)) + "}"

    rows = range(table.num_rows)
    lines = [members({name: (column[row], kind) for name, (column, kind) in zip(table.column_names, columns, strict=True)}) for row in rows]
    return "".join(line + spelling.random.choice(("\n", "\n", "\r\n")) for line in lines)


def meant(text: str, kind: pa.DataType) -> object:
    """What a text means in a column of a type; a sentence when it means nothing there."""
    if pt.is_boolean(kind):
        return {"true": True, "false": False}.get(text, f"{text!r} is no boolean")
    if pt.is_integer(kind):
        return int(text) if re.fullmatch("-?[0-9]+", text) else f"{text!r} is no whole number"
    if pt.is_floating(kind):
        return values.real(_width(float(text), kind))
    if pt.is_decimal(kind):
        return Decimal(text)
    if pt.is_string(kind) or pt.is_large_string(kind) or kind == pa.string_view():
        return text
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind) or kind == pa.binary_view():
        return bytes.fromhex(text)
    if pt.is_date(kind):
        return "date", (date.fromisoformat(text).toordinal() - EPOCH) * values.DAY
    if pt.is_time(kind):
        return "time of day", _count(text)
    if pt.is_timestamp(kind):
        found = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ]([\d:.]+)(Z|[+-]\d\d(?::?\d\d)?)?", text)
        if not found or (found[3] is not None) != (kind.tz is not None):
            return f"{text!r} is no {kind}"
        days, offset = date.fromisoformat(found[1]).toordinal() - EPOCH, found[3] or "Z"
        minutes = 0 if offset == "Z" else int(offset[0] + "1") * (int(offset[1:3]) * 60 + int(offset[3:].strip(":") or 0))
        return values.moment(days, _count(found[2]) - minutes * 60 * SECOND, kind.tz is not None)
    raise NoText(str(kind))


def _width(number: float, kind: pa.DataType) -> float:
    return pa.scalar(number, pa.float64()).cast(kind, safe=False).as_py()


def _count(clock: str) -> int:
    """The nanoseconds of a time of day."""
    hours, minutes, seconds = clock.split(":")
    whole, _, fraction = seconds.partition(".")
    return (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * SECOND + int(fraction.ljust(9, "0") or 0)


def read_csv(text: str) -> tuple[list[str], list[list[str | None]]]:
    """The names and columns of a CSV file as wasm-run writes it: an empty field is NULL, and `""` the empty string."""
    rows, row, field, quoted, at = [], [], [], None, 0
    while at < len(text):
        character = text[at]
        if quoted:
            if character != '"':
                field.append(character)
            elif text[at + 1 : at + 2] == '"':
                field.append('"')
                at += 1
            else:
                quoted = False
        elif character == '"' and quoted is None and not field:
            quoted = True
        elif character in ",\n":
            row.append(None if quoted is None and not field else "".join(field))
            field, quoted = [], None
            if character == "\n":
                rows.append(row)
                row = []
        else:
            field.append(character)
        at += 1
    assert not row and not field, "the file does not end with a line's end"
    return ["" if name is None else name for name in rows[0]], [list(column) for column in zip(*rows[1:], strict=True)] or [[] for _ in rows[0]]


def from_json(found: object, kind: pa.DataType) -> object:
    """A value of a JSON file that was read with `parse_number` for its numbers."""
    if found is None:
        return None
    if pt.is_struct(kind):
        names = [kind.field(index).name for index in range(kind.num_fields)]
        if unknown := set(found) - set(names):
            return f"there are members {unknown}"
        return values.record(names, [from_json(found.get(name), kind.field(name).type) for name in names])
    if pt.is_map(kind):
        keys = [meant(key, kind.key_type) for key in found]
        return ("map", *zip(keys, [from_json(item, kind.item_type) for item in found.values()], strict=True))
    if pt.is_nested(kind):
        return ("list", *(from_json(item, kind.value_type) for item in found))
    if isinstance(found, bool):
        return found if pt.is_boolean(kind) else f"a boolean stands for {kind}"
    if isinstance(found, Number):
        return meant(found.text, kind) if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind) else f"a number stands for {kind}"
    return meant(found, kind)


class Number:
    """A number of a JSON file, as it is written."""

    def __init__(self, text: str):
        self.text = text


def read_json(text: str) -> list[dict]:
    """The objects of a file."""
    refuse = lambda word: f"{word} is no JSON"  # noqa: E731
    return [json.loads(line, parse_int=Number, parse_float=Number, parse_constant=refuse) for line in text.split("\n") if line]
