"""What becomes of a type in each format, and which types the libraries write and read."""

import json
import math
import struct

import pyarrow as pa
import pyarrow.types as pt
import values


def parts(kind: pa.DataType) -> list[pa.DataType]:
    """The types within a type."""
    if pt.is_map(kind):
        return [kind.key_type, kind.item_type]
    if pt.is_dictionary(kind) or pt.is_run_end_encoded(kind):
        return [kind.value_type]
    return [kind.field(index).type for index in range(kind.num_fields)] if pt.is_nested(kind) else []


def has(kind: pa.DataType, predicate) -> bool:
    """Whether the type, or one within it, is such a one."""
    return predicate(kind) or any(has(part, predicate) for part in parts(kind))


def changed(kind: pa.DataType, change) -> pa.DataType:
    """The type with all types within changed, from the inside."""
    if pt.is_map(kind):
        kind = pa.map_(changed(kind.key_type, change), changed(kind.item_type, change))
    elif pt.is_struct(kind):
        kind = pa.struct([pa.field(field.name, changed(field.type, change)) for field in kind.fields])
    elif pt.is_fixed_size_list(kind):
        kind = pa.list_(changed(kind.value_type, change), kind.list_size)
    elif pt.is_large_list(kind):
        kind = pa.large_list(changed(kind.value_type, change))
    elif pt.is_list(kind):
        kind = pa.list_(changed(kind.value_type, change))
    return change(kind)


def in_arrow(kind: pa.DataType) -> pa.DataType:
    """The type in a file of Arrow: dictionaries are written as their values."""
    return changed(kind, lambda one: one.value_type if pt.is_dictionary(one) else one)


def crossing(kind: pa.DataType) -> pa.DataType:
    """The type with which a column reaches a function: encodings and views are their values."""

    def change(one: pa.DataType) -> pa.DataType:
        if pt.is_dictionary(one) or pt.is_run_end_encoded(one):
            return one.value_type
        return {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}.get(one, one)

    return changed(kind, change)


def without_width(kind: pa.DataType) -> pa.DataType:
    """The type with texts and bytes of any size as one type each."""
    return changed(kind, lambda one: {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}.get(one, one))


def in_parquet(kind: pa.DataType) -> pa.DataType:
    """The type in a file of Parquet, which has no seconds and no date64."""

    def change(one: pa.DataType) -> pa.DataType:
        if pt.is_timestamp(one) and one.unit == "s":
            return pa.timestamp("ms", one.tz)
        return {pa.time32("s"): pa.time32("ms"), pa.date64(): pa.date32()}.get(one, one)

    return changed(kind, change)


def same_type(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether types are equal but for the names of items and what may be NULL."""
    return changed(one, lambda each: each) == changed(other, lambda each: each)


def spelled(kind: pa.DataType) -> str:
    """The type as docs/types.md writes it."""
    if pt.is_struct(kind):
        return "struct<" + ", ".join(f"{json.dumps(field.name, ensure_ascii=False)}: {spelled(field.type)}" for field in kind.fields) + ">"
    if pt.is_map(kind):
        return f"map<{spelled(kind.key_type)}, {spelled(kind.item_type)}>"
    if pt.is_fixed_size_list(kind):
        return f"fixed_size_list<item: {spelled(kind.value_type)}>[{kind.list_size}]"
    if pt.is_nested(kind) and not pt.is_run_end_encoded(kind):
        return f"{'large_' if pt.is_large_list(kind) else ''}list<item: {spelled(kind.value_type)}>"
    return str(kind)


def _names_twice(kind: pa.DataType) -> bool:
    """Whether fields have one name for DuckDB, which does not look at their case."""
    return pt.is_struct(kind) and len({field.name.lower() for field in kind.fields}) < kind.num_fields


def _lacks_in_duckdb(kind: pa.DataType) -> bool:
    return (
        _names_twice(kind)
        or pt.is_null(kind)
        or pt.is_duration(kind)
        or kind == pa.month_day_nano_interval()
        or (pt.is_decimal(kind) and kind.precision > 38)
    )


def _is_wide(kind: pa.DataType) -> bool:
    return pt.is_decimal(kind) and kind.bit_width > 128


def names_of_duckdb(table: pa.Table) -> bool:
    """Whether DuckDB takes the names of the columns: all of them, in whatever case, and none empty."""
    return "" not in table.column_names and len({name.lower() for name in table.column_names}) == table.num_columns


def for_duckdb(table: pa.Table) -> pa.Table | None:
    """The columns that DuckDB writes to Parquet as they are, if `x` is one of them."""

    def differs(kind: pa.DataType) -> bool:
        # The nearest types that it has are others: nanoseconds without a zone alone, no halves of floats, no times finer than microseconds.
        return _lacks_in_duckdb(kind) or pt.is_float16(kind) or _is_wide(kind)

    lower: set[str] = set()
    kept = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not has(column.type, differs) and in_parquet_for_pyarrow(column) and name.lower() not in lower and name != "":
            kept.append(name)
            lower.add(name.lower())
    return table.select(kept) if "x" in kept else None


def for_pyarrow_parquet(table: pa.Table) -> pa.Table:
    """The columns that pyarrow writes to Parquet, and reads again; `x` is text when it is none of them."""

    def lacks(kind: pa.DataType) -> bool:
        # Of seconds, which it writes as milliseconds, the zone is left to those who read what it says about itself.
        is_lost = pt.is_timestamp(kind) and kind.unit == "s" and kind.tz not in (None, "UTC")
        return is_lost or kind == pa.month_day_nano_interval() or pt.is_run_end_encoded(kind) or (pt.is_nested(kind) and has(kind, _is_view))

    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not has(column.type, lacks) and in_parquet_for_pyarrow(column):
            columns[name] = column
        elif name == "x":
            columns[name] = pa.array([str(row) for row in range(table.num_rows)])
    return pa.table(columns)


def in_parquet_for_pyarrow(column: pa.ChunkedArray) -> bool:
    """Whether pyarrow reads the column out of Parquet: lists of a fixed size within others, and NULLs among them, it does not."""
    is_full = pt.is_fixed_size_list(column.type) and not has(column.type.value_type, pt.is_fixed_size_list) and column.null_count == 0
    return is_full or not has(column.type, pt.is_fixed_size_list)


def _is_view(kind: pa.DataType) -> bool:
    return kind in (pa.string_view(), pa.binary_view())


def in_csv_of_pyarrow(kind: pa.DataType) -> bool:
    """Whether pyarrow writes values of the type as others read them."""
    return (
        pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_string(kind) or pt.is_large_string(kind) or pt.is_floating(kind)
        or pt.is_date32(kind) or pt.is_time(kind) or (pt.is_timestamp(kind) and kind.tz in (None, "UTC"))
    )  # fmt: skip


def in_csv_of_duckdb(kind: pa.DataType) -> bool:
    """The same of DuckDB, whose times have microseconds."""
    return (
        pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_string(kind) or pt.is_large_string(kind) or pt.is_floating(kind)
        or pt.is_date32(kind) or (pt.is_timestamp(kind) and kind.unit != "ns") or (pt.is_decimal(kind) and not _is_wide(kind))
    )  # fmt: skip


def in_json_of_duckdb(kind: pa.DataType) -> bool:
    """The same of DuckDB's JSON."""
    if pt.is_struct(kind):
        return not _names_twice(kind) and all(in_json_of_duckdb(part) for part in parts(kind))
    if pt.is_nested(kind):
        return in_json_of_duckdb(kind.value_type)
    return in_csv_of_duckdb(kind) and not pt.is_decimal(kind)


def in_parquet_for_duckdb(kind: pa.DataType) -> bool:
    """Whether DuckDB has a type for what Parquet holds."""
    return not has(kind, _lacks_in_duckdb)


def without_special(table: pa.Table) -> pa.Table:
    """The table without columns that have NaN or an infinity; `x` is text when it was one of them."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not has_special(column):
            columns[name] = column
        elif name == "x":
            columns[name] = pa.array([str(row) for row in range(table.num_rows)])
    return pa.table(columns)


def has_special(column: pa.ChunkedArray) -> bool:
    """Whether there is NaN or an infinity somewhere in the column."""
    return any(map(_is_special, values.of(column)))


def _is_special(value: object) -> bool:
    if not isinstance(value, tuple):
        return False
    if value[:1] == ("float",):
        return value[1] == "nan" or math.isinf(struct.unpack(">d", value[1])[0])
    return any(map(_is_special, value))


def is_found(column: pa.ChunkedArray) -> bool:
    """Whether a type that holds all values unchanged is found by their texts in CSV: not for decimals, of which doubles are made, nor for bytes and
    texts, which may look like numbers."""
    if pt.is_string(column.type) or pt.is_large_string(column.type):
        return any("," in text or '"' in text for text in column.to_pylist() if text)
    return not (pt.is_decimal(column.type) or pt.is_binary(column.type) or pt.is_large_binary(column.type) or pt.is_fixed_size_binary(column.type))
