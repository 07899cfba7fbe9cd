"""Random tables: every type, NULLs at every level, and values at which readers and writers stumble."""

import random
import struct
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

UNITS = ("s", "ms", "us", "ns")
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
ZONES = ("UTC", "+00:00", "Europe/Berlin", "America/St_Johns", "-05:30", "Asia/Kathmandu")

FIRST, LAST = -62_135_596_800, 253_402_300_799
"""Seconds of the years 1 to 9999, which Python's datetime has."""

NAMES = ("b", "two words", "Ünïcode", "SELECT", "x_1", "C", "c", "😀", "1", "a.b", "tab\tname", "semi;colon", "per%cent", "-", "null")
NASTY_NAMES = ("", "a,b", 'quo"te', "it's", "line\nbreak", "a=b", " space ", "\ufeffmark", "back\\slash", "[x]")

TEXTS = (
    "", "NULL", "null", "NA", "nan", "007", "-0", "1e5", "1.50", "true", "2024-02-29", "2024-02-30", "2024-01-01T00:00:00Z", "\\N", "#x", "=1+1",
    "a,b", "a;b", "a\tb", 'say "x"', '"', '""', "'", "\n", "\r", "\r\n", "a\nb", " ", "  padded  ", "\ufeff", "\u2028", "\0", "a\0b", "é", "e\u0301",
    "😀", "\U0010ffff", "\x7f", "\x1b[0m", "\\", "\\u0041", "{}", "[1]", "long " * 80, "NaN", "inf", "0x10", "+1", "1_000", ".",
)  # fmt: skip


class Tables:
    """Makes types, arrays and tables out of one generator of random numbers."""

    def __init__(self, seed: object):
        self.random = random.Random(repr(seed))

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def scalar_type(self) -> pa.DataType:
        """A type of text files, too."""
        pick = self.random.choice
        return pick((
            lambda: pick((pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())),
            lambda: pick((pa.float32(), pa.float64(), pa.float64())),
            lambda: pick((pa.string(), pa.string(), pa.large_string())),
            lambda: pick((pa.string(), pa.bool_())),
            lambda: pick((pa.binary(), pa.large_binary(), pa.binary(3))),
            lambda: pick((pa.date32(), pa.date32(), pa.date64())),
            lambda: pick((pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))),
            lambda: pa.timestamp(pick(UNITS)),
            lambda: pa.timestamp(pick(UNITS), pick(ZONES)),
            self._decimal_type,
        ))()  # fmt: skip

    def _decimal_type(self) -> pa.DataType:
        wide = self.chance(0.2)
        precision = self.random.randint(1, 76 if wide else 38)
        return (pa.decimal256 if wide else pa.decimal128)(precision, self.random.randint(0, precision))

    def any_type(self, depth: int = 0) -> pa.DataType:
        """Any type but unions and views of lists, which cross nowhere."""
        if depth < 3 and self.chance(0.3):
            return self._nested_type(lambda: self.any_type(depth + 1))
        if self.chance(0.75):
            return self.scalar_type()
        pick = self.random.choice
        plain = (pa.float16(), pa.string_view(), pa.binary_view(), pa.null(), pa.duration(pick(UNITS)), pa.month_day_nano_interval())
        encoded = (pa.dictionary(pick((pa.int8(), pa.int32())), pa.string()), pa.run_end_encoded(pa.int32(), pa.int64()))
        return pick(plain + (encoded if depth == 0 else ()))

    def json_type(self, depth: int = 0) -> pa.DataType:
        """A type of JSON files: lists and structs, too."""
        if depth < 3 and self.chance(0.3):
            return self._nested_type(lambda: self.json_type(depth + 1), kinds=("list", "list", "struct", "large_list"))
        return self.scalar_type()

    def _nested_type(self, inner, kinds=("list", "large_list", "fixed", "struct", "struct", "map")) -> pa.DataType:
        kind = self.random.choice(kinds)
        if kind == "struct":
            names = self.random.sample(NAMES, self.random.randint(1, 3))
            return pa.struct([pa.field(name, inner()) for name in names])
        if kind == "map":
            return pa.map_(self.random.choice((pa.string(), pa.int64(), pa.date32())), inner())
        item = inner()
        if kind == "fixed":
            return pa.list_(item, self.random.randint(1, 3))
        return pa.large_list(item) if kind == "large_list" else pa.list_(item)

    def array(self, kind: pa.DataType, rows: int, python: bool, nulls: float | None = None) -> pa.Array:
        """An array. With `python` its values are those that Python's types hold."""
        nulls = self.random.choice((0.0, 0.2, 0.2, 0.6, 1.0)) if nulls is None else nulls
        valid = [not self.chance(nulls) for _ in range(rows)]
        if pt.is_null(kind):
            return pa.nulls(rows)
        if pt.is_dictionary(kind):
            return self.array(kind.value_type, rows, python, nulls).dictionary_encode().cast(kind)
        if pt.is_run_end_encoded(kind):
            values = self.array(kind.value_type, rows, python, nulls).to_pylist()
            return pc.run_end_encode(pa.array([values[row - row % 3] for row in range(rows)], kind.value_type), kind.run_end_type)
        if kind == pa.string_view():
            return self.array(pa.string(), rows, python, nulls).cast(kind)
        if kind == pa.binary_view():
            return self.array(pa.binary(), rows, python, nulls).cast(kind)
        if pt.is_fixed_size_list(kind):
            items = self.array(kind.value_type, rows * kind.list_size, python)
            return pa.FixedSizeListArray.from_arrays(items, type=kind, mask=self._mask(valid))
        if pt.is_map(kind) or pt.is_list(kind) or pt.is_large_list(kind):
            return self._listed(kind, rows, python, valid)
        if pt.is_struct(kind):
            fields = [kind.field(index) for index in range(kind.num_fields)]
            return pa.StructArray.from_arrays([self.array(field.type, rows, python) for field in fields], fields=fields, mask=self._mask(valid))
        values = [self._value(kind, python) if valid[row] else None for row in range(rows)]
        if pt.is_date(kind) or pt.is_time(kind) or pt.is_timestamp(kind) or pt.is_duration(kind):
            return pa.array(values, pa.int64() if kind.bit_width == 64 else pa.int32()).view(kind)
        return pa.array(values, kind)

    def _mask(self, valid: list[bool]) -> pa.Array:
        return pa.array([not each for each in valid], pa.bool_())

    def _listed(self, kind: pa.DataType, rows: int, python: bool, valid: list[bool]) -> pa.Array:
        lengths = [self.random.choice((0, 1, 1, 2, 3)) if each else 0 for each in valid]
        offsets = [sum(lengths[:row]) for row in range(rows + 1)]
        if pt.is_map(kind):
            keys, used = [], set()
            for length in lengths:
                used.clear()
                while len(used) < length:
                    used.add(self._value(kind.key_type, python))
                keys += used
            if pt.is_date(kind.key_type):
                key_array = pa.array(keys, pa.int32()).view(kind.key_type)
            else:
                key_array = pa.array(keys, kind.key_type)
            items = self.array(kind.item_type, offsets[-1], python)
            return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), key_array, items, type=kind, mask=self._mask(valid))
        width, make = (pa.int64(), pa.LargeListArray) if pt.is_large_list(kind) else (pa.int32(), pa.ListArray)
        items = self.array(kind.value_type, offsets[-1], python)
        return make.from_arrays(pa.array(offsets, width), items, type=kind, mask=self._mask(valid))

    def _value(self, kind: pa.DataType, python: bool) -> object:
        pick, between = self.random.choice, self.random.randint
        if pt.is_boolean(kind):
            return self.chance(0.5)
        if pt.is_integer(kind):
            low, high = (-(1 << kind.bit_width - 1), (1 << kind.bit_width - 1) - 1) if pt.is_signed_integer(kind) else (0, (1 << kind.bit_width) - 1)
            number = pick((low, high, 0, 1, between(low, high), between(-100, 100), (1 << 53) + 1, high - 1))
            return min(max(number, low), high)
        if pt.is_floating(kind):
            return self._float(kind)
        if pt.is_string(kind) or pt.is_large_string(kind):
            return pick(TEXTS) if self.chance(0.6) else "".join(pick("aZ09 ,;\"'\\\n\té😀") for _ in range(between(0, 8)))
        if pt.is_binary(kind) or pt.is_large_binary(kind):
            return self.random.randbytes(between(0, 5))
        if pt.is_fixed_size_binary(kind) and not pt.is_decimal(kind):
            return self.random.randbytes(kind.byte_width)
        if pt.is_decimal(kind):
            most = 10**kind.precision - 1
            unscaled = pick((most, -most, 0, 1, -1, between(-most, most), between(-min(most, 999), min(most, 999))))
            return Decimal((0 if unscaled >= 0 else 1, tuple(map(int, str(abs(unscaled)))), -kind.scale))
        if kind == pa.month_day_nano_interval():
            return pa.MonthDayNano([between(-1200, 1200), between(-40_000, 40_000), between(-(10**15), 10**15)])
        return self._count(kind, python)

    def _float(self, kind: pa.DataType) -> float:
        layout = {16: "<e", 32: "<f", 64: "<d"}[kind.bit_width]
        number = self.random.choice((
            0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, 1e-5, 65504.0, 2.0**24 + 2, 2.0**53 + 2, 1e16, 1e22, 1e300, 5e-324, 1.7976931348623157e308,
            float("nan"), float("inf"), float("-inf"), self.random.uniform(-1e6, 1e6), self.random.gauss(0, 1),
            struct.unpack(layout, self.random.randbytes(struct.calcsize(layout)))[0],
        ))  # fmt: skip
        try:
            return struct.unpack(layout, struct.pack(layout, number))[0]
        except OverflowError:
            return 0.5

    def _count(self, kind: pa.DataType, python: bool) -> int:
        """A value of a type of times: how many units."""
        pick, between = self.random.choice, self.random.randint
        if pt.is_date(kind):
            unit = 1 if pt.is_date32(kind) else 86_400_000
            low, high = FIRST // 86_400, LAST // 86_400
            return unit * pick((0, -1, low, high, 11_016, between(low, high), between(-20_000, 30_000)))
        per_second = PER_SECOND[kind.unit]
        # A time of Python has microseconds.
        step = 1000 if python and kind.unit == "ns" else 1
        if pt.is_time(kind):
            return between(0, 86_400 * per_second // step - 1) * step if self.chance(0.8) else pick((0, 86_400 * per_second - step))
        if pt.is_duration(kind):
            most = min(999_999_999 * 86_400 * per_second, (1 << 63) - 1) // step
            return pick((0, 1, -1, between(-most, most), between(-per_second, per_second))) * step
        low, high = max(FIRST * per_second, -(1 << 63) + 1), min((LAST + 1) * per_second - 1, (1 << 63) - 1)
        # Away from the ends of the years by a zone's offset.
        low, high = (low + 86_400 * per_second) // step, (high - 86_400 * per_second) // step
        return pick((0, -1, 1, low, high, between(low, high), between(0, 2_000_000_000) * per_second // step)) * step

    def table(self, kind_of, rows: int, names: tuple[str, ...] = NAMES + NASTY_NAMES) -> pa.Table:
        """A table with a column `x`, which is for a function, and others."""
        columns = {"x": self.array(kind_of(), rows, python=True)}
        for name in self.random.sample(names, self.random.randint(0, 3)):
            columns[name] = self.array(kind_of(), rows, python=False)
        order = self.random.sample(sorted(columns), len(columns))
        return pa.table({name: columns[name] for name in order})
