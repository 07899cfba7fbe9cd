"""Python annotations as Arrow types."""

import collections.abc
import dataclasses
import datetime
import decimal
import types as python_types
import typing

from vivarium.types import MAX_DEPTH, DataType, Field, MonthDayNano, TypeSpellingError, parse


class AnnotationError(ValueError):
    """An annotation that stands for no type. The message says what to write instead."""


# Decimal without digits is read as Flink's default; a column's own precision replaces it for parameters.
_PLAIN = {
    int: DataType("int64"),
    float: DataType("double"),
    str: DataType("string"),
    bytes: DataType("binary"),
    bool: DataType("bool"),
    datetime.date: DataType("date32"),
    datetime.datetime: DataType("timestamp", unit="us"),
    datetime.time: DataType("time64", unit="us"),
    datetime.timedelta: DataType("duration", unit="us"),
    decimal.Decimal: DataType("decimal128", precision=38, scale=18),
    MonthDayNano: DataType("month_day_nano_interval"),
    type(None): DataType("null"),
}

_NUMPY = {
    "bool": "bool",
    "bool_": "bool",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "float16": "halffloat",
    "float32": "float",
    "float64": "double",
    "str_": "string",
    "bytes_": "binary",
}

_ADVICE = "write one of int, float, str, bytes, bool, datetime.date, datetime.datetime, or give the type as a string in {option}"


def show(annotation):
    """An annotation as it was written."""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, type) and not isinstance(annotation, python_types.GenericAlias):
        return annotation.__qualname__
    try:
        return repr(annotation)[:200].replace("typing.", "")
    except Exception:
        return type(annotation).__name__


def resolve(annotation, namespace):
    """The object behind an annotation that is a string, as with `from __future__ import annotations`."""
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str):
        return annotation
    problem = ""
    try:
        evaluated = eval(annotation, dict(namespace))
        if not isinstance(evaluated, str):
            return evaluated
        annotation = evaluated  # quoted twice: a string under `from __future__ import annotations`
    except Exception as error:
        problem = f"cannot be evaluated: {type(error).__name__}: {error}"
    try:
        return parse(annotation)
    except TypeSpellingError as error:
        raise AnnotationError(problem or f"names no type: {error}") from None


def type_of(annotation, namespace, option="result_type=", vectorized=False, depth=0):
    """(type, whether None is allowed) for an annotation or for a type given to a decorator."""
    # `int | None` is a level here and none of the type, whose depth is checked when it is known.
    if depth > 2 * MAX_DEPTH:
        raise AnnotationError(f"is nested more than {MAX_DEPTH} deep")
    annotation = resolve(annotation, namespace)
    if isinstance(annotation, DataType):
        return annotation, False

    def inner(part):
        return type_of(part, namespace, option, vectorized, depth + 1)

    if isinstance(annotation, collections.abc.Hashable) and annotation in _PLAIN:
        return _PLAIN[annotation], annotation is type(None)
    if annotation is None:
        return DataType("null"), True
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _annotated(arguments, inner)
    if origin in (typing.Union, python_types.UnionType):
        return _optional(arguments, inner)
    if vectorized and origin is not None and getattr(origin, "__module__", "") == "numpy":
        return inner(typing.get_args(arguments[-1])[0] if typing.get_args(arguments[-1]) else arguments[-1])
    if origin in (list, collections.abc.Sequence) and len(arguments) == 1:
        return DataType("list", fields=(_field("item", arguments[0], inner),)), False
    if origin in (dict, collections.abc.Mapping) and len(arguments) == 2:
        key, value = _field("key", arguments[0], inner), _field("value", arguments[1], inner)
        return DataType("map", fields=(Field("key", key.type, False), value)), False
    if isinstance(annotation, type):
        return _class(annotation, inner, option), False
    if isinstance(annotation, typing.NewType):
        return inner(annotation.__supertype__)
    raise AnnotationError("stands for no Arrow type; " + _ADVICE.format(option=option))


_ITERATORS = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.Sequence,
    collections.abc.Collection,
    list,
)


def rows_of(annotation, namespace, name, option="result_type="):
    """(columns as fields, whether they are one column of plain values) for what a table function returns."""
    annotation = resolve(annotation, namespace)
    if isinstance(annotation, DataType):
        return columns_of(annotation, name)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, python_types.UnionType):
        parts = [part for part in arguments if part is not type(None)]
        if len(parts) == 1:
            return rows_of(parts[0], namespace, name, option)
    if origin not in _ITERATORS or not arguments:
        raise AnnotationError("says nothing of rows; write Iterator[tuple[str, int]], Iterator[int], or an Iterator of a NamedTuple")
    row = resolve(arguments[0], namespace)
    parts = typing.get_args(row)
    if typing.get_origin(row) is tuple and parts and parts[-1] is not Ellipsis:
        types = [type_of(part, namespace, option)[0] for part in parts]
        return tuple(Field(f"f{index}", type) for index, type in enumerate(types)), False
    type, _ = type_of(row, namespace, option)
    return columns_of(type, name)


def columns_of(type, name):
    """The columns that a type stands for: a struct's fields, or one column."""
    if type.id == "struct":
        return tuple(Field(field.name, field.type) for field in type.fields), False
    return (Field(name, type),), True


def _annotated(arguments, inner):
    """Annotated[int, "int32"]: the first string or type among the metadata that names a type; else the type itself."""
    base, *metadata = arguments
    optional = False
    if typing.get_origin(base) in (typing.Union, python_types.UnionType):
        optional = type(None) in typing.get_args(base)
    for item in metadata:
        if isinstance(item, DataType):
            return item, optional
        if isinstance(item, str):
            try:
                return parse(item), optional
            except TypeSpellingError:
                continue
    return inner(base)


def _optional(arguments, inner):
    parts = [part for part in arguments if part is not type(None)]
    if len(parts) == 1:
        return inner(parts[0])[0], len(parts) != len(arguments)
    raise AnnotationError("allows several types; a column has one (and NULL: `int | None`)")


def _field(name, annotation, inner):
    type, _ = inner(annotation)
    return Field(name, type)


def _class(annotation, inner, option):
    if annotation.__module__ == "numpy" and annotation.__name__ in _NUMPY:
        return DataType(_NUMPY[annotation.__name__])
    if dataclasses.is_dataclass(annotation):
        hints = _hints(annotation)
        names = [field.name for field in dataclasses.fields(annotation) if field.init]
    elif issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = _hints(annotation)
        names = list(annotation._fields)
    elif typing.is_typeddict(annotation):
        hints = _hints(annotation)
        names = list(hints)
    else:
        for parent, meaning in _PLAIN.items():
            if annotation is not bool and parent is not type(None) and issubclass(annotation, parent):
                return meaning
        raise AnnotationError("stands for no Arrow type; " + _ADVICE.format(option=option))
    missing = [name for name in names if name not in hints]
    if missing or not names:
        raise AnnotationError("is a struct whose fields are not annotated")
    constructor = None if typing.is_typeddict(annotation) else annotation
    return DataType("struct", fields=tuple(_field(name, hints[name], inner) for name in names), constructor=constructor)


def _hints(annotation):
    try:
        return typing.get_type_hints(annotation, include_extras=True)
    except Exception as error:
        raise AnnotationError(f"has fields that cannot be evaluated: {type(error).__name__}: {error}") from None


def graft(bound, declared):
    """The type a column has, with the struct constructors of the type that was declared, wherever the two have one shape."""
    if bound.id != declared.id or len(bound.fields) != len(declared.fields):
        return bound
    fields = tuple(
        dataclasses.replace(mine, type=graft(mine.type, theirs.type)) for mine, theirs in zip(bound.fields, declared.fields)
    )
    return dataclasses.replace(bound, fields=fields, constructor=declared.constructor)
