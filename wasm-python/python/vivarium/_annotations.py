"""Python annotations as Arrow types."""

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import types as python_types
import typing

from vivarium.types import MAX_DEPTH, DataType, Field, MonthDayNano, TypeSpellingError, parse


class AnnotationError(ValueError):
    """An annotation that stands for no type. The message says what to write instead."""


ANY = DataType("any")
"""Stands for a type, or for a part of one, that an annotation says nothing of: that of the column."""

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

_LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection, collections.abc.Iterable)
_MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)

# What stands around a type and changes nothing about it.
_QUALIFIERS = tuple(
    getattr(typing, name) for name in ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar") if hasattr(typing, name)
)

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
    """(type, whether None is allowed) for an annotation or for a type given to a decorator. What it says nothing of is ANY."""
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
    if annotation is typing.Any or annotation in (dict, tuple):
        return ANY, False
    if annotation is list:
        return DataType("list", fields=(Field("item", ANY),)), False
    if annotation is getattr(typing, "LiteralString", None):
        return _PLAIN[str], False
    if isinstance(annotation, typing.TypeVar):
        return inner(annotation.__bound__) if annotation.__bound__ is not None else (ANY, False)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if _is_alias(annotation) or _is_alias(origin):
        return inner(_aliased(annotation, origin, arguments))
    if origin in _QUALIFIERS:
        return inner(arguments[0])
    if origin is typing.Literal:
        return _literal(arguments)
    if origin is typing.Annotated:
        return _annotated(arguments, inner)
    if origin in (typing.Union, python_types.UnionType):
        return _optional(arguments, inner)
    if vectorized and origin is not None and getattr(origin, "__module__", "") == "numpy":
        return inner(typing.get_args(arguments[-1])[0] if typing.get_args(arguments[-1]) else arguments[-1])
    if vectorized and _is_column(origin if origin is not None else annotation):
        return ANY, getattr(annotation, "__name__", "") == "MaskedArray"
    if origin in _LISTS and len(arguments) == 1:
        return DataType("list", fields=(_field("item", arguments[0], inner),)), False
    if origin is tuple:
        return _tuple(arguments, inner), False
    if origin in _MAPS and len(arguments) == 2:
        key, value = _field("key", arguments[0], inner), _field("value", arguments[1], inner)
        if ANY in (key.type, value.type):
            return ANY, False  # a map's values have one type, which a struct's fields need not have
        return DataType("map", fields=(Field("key", key.type, False), value)), False
    if isinstance(annotation, type):
        return _class(annotation, inner, option), False
    if isinstance(annotation, typing.NewType):
        return inner(annotation.__supertype__)
    raise AnnotationError("stands for no Arrow type; " + _ADVICE.format(option=option))


def _is_alias(annotation):
    """Whether it was declared by `type X = ...`, or by what stands for that before Python 3.12."""
    return type(annotation).__name__ == "TypeAliasType"


def _aliased(annotation, origin, arguments):
    """What an alias stands for."""
    if origin is None:
        return annotation.__value__
    value, given = origin.__value__, dict(zip(origin.__type_params__, arguments))
    if value in given:
        return given[value]
    parameters = getattr(value, "__parameters__", ())
    return value[tuple(given.get(parameter, typing.Any) for parameter in parameters)] if parameters else value


def _literal(values):
    """The type that all values of a Literal have."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) == 1:
        kind = kinds.pop()
        return _enum(kind) if issubclass(kind, enum.Enum) else _PLAIN[kind], None in values
    raise AnnotationError("allows values of several types; a column has one (and NULL: `Literal['a', None]`)")


def _enum(annotation):
    """The type of an Enum's values. A column's values become its members, and members are written as their values."""
    kinds = {type(member.value) for member in annotation}
    for kind in (bool, int, str, float, bytes):
        if kinds == {kind}:
            return dataclasses.replace(_PLAIN[kind], constructor=annotation)
    raise AnnotationError("is an Enum whose values are not all of one type (int, str, float, bool or bytes)")


def _tuple(arguments, inner):
    """`tuple[int, ...]` is a list, and `tuple[int, str]` a struct whose fields count by their places."""
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return DataType("list", fields=(_field("item", arguments[0], inner),), constructor=tuple)
    if not arguments or Ellipsis in arguments:
        raise AnnotationError("is a struct without fields")
    return DataType(
        "struct", fields=tuple(_field(f"f{index}", part, inner) for index, part in enumerate(arguments)), constructor=tuple
    )


def _is_column(annotation):
    """Whether it is a class of whole columns, which has no type for their values."""
    module, name = getattr(annotation, "__module__", "") or "", getattr(annotation, "__name__", "")
    return (module.split(".")[0], name) in (
        ("numpy", "ndarray"),
        ("numpy", "MaskedArray"),
        ("pandas", "Series"),
        ("pandas", "DataFrame"),
        ("vivarium", "Column"),
    )


def allows_none(annotation, namespace):
    """Whether an annotation, whatever type it stands for, allows None."""
    try:
        annotation = resolve(annotation, namespace)
    except AnnotationError:
        return False
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if _is_alias(annotation) or _is_alias(origin):
        return allows_none(_aliased(annotation, origin, arguments), namespace)
    if origin is typing.Annotated or origin in _QUALIFIERS:
        return allows_none(arguments[0], namespace)
    if isinstance(annotation, typing.NewType):
        return allows_none(annotation.__supertype__, namespace)
    if origin in (typing.Union, python_types.UnionType):
        return any(allows_none(part, namespace) for part in arguments)
    return annotation is None or annotation is type(None) or (origin is typing.Literal and None in arguments)


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
    optional = allows_none(base, {})
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
    found = [inner(part) for part in parts]
    if found and all(type == found[0][0] and type.constructor is found[0][0].constructor for type, _ in found):
        return found[0][0], len(parts) != len(arguments) or any(nullable for _, nullable in found)
    raise AnnotationError("allows several types; a column has one (and NULL: `int | None`)")


def _field(name, annotation, inner):
    type, _ = inner(annotation)
    return Field(name, type)


def _class(annotation, inner, option):
    if annotation.__module__ == "numpy" and annotation.__name__ in _NUMPY:
        return DataType(_NUMPY[annotation.__name__])
    if issubclass(annotation, enum.Enum):
        return _enum(annotation)
    constructor = annotation
    if dataclasses.is_dataclass(annotation):
        hints = _hints(annotation)
        fields = [field for field in dataclasses.fields(annotation) if field.init]
        names = [field.name for field in fields]
        if any(field.kw_only for field in fields):
            constructor = _by_name(annotation, names, [field.name for field in fields if not field.kw_only])
    elif issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = _hints(annotation)
        names = list(annotation._fields)
    elif typing.is_typeddict(annotation):
        hints = _hints(annotation)
        names = list(hints)
        constructor = _optional_keys(annotation, hints) or None
    else:
        for parent, meaning in _PLAIN.items():
            if annotation is not bool and parent is not type(None) and issubclass(annotation, parent):
                return meaning
        raise AnnotationError("stands for no Arrow type; " + _ADVICE.format(option=option))
    missing = [name for name in names if name not in hints]
    if missing or not names:
        raise AnnotationError("is a struct whose fields are not annotated")
    return DataType("struct", fields=tuple(_field(name, hints[name], inner) for name in names), constructor=constructor)


def _by_name(annotation, names, by_place):
    """A dataclass whose fields are not all given by their places, as something that is called with all of them in order."""

    def make(*values):
        given = dict(zip(names, values))
        return annotation(*[given.pop(name) for name in by_place], **given)

    make.__vivarium_class__ = annotation
    return make


def _optional_keys(annotation, hints):
    """The keys that a dict of this TypedDict may leave out. Those it knows are wrong where annotations are strings."""
    origins = {name: typing.get_origin(hint) for name, hint in hints.items()}
    left_out = {name for name in annotation.__optional_keys__ if origins[name] is not typing.Required}
    return frozenset(left_out | {name for name, origin in origins.items() if origin is typing.NotRequired})


def unmakeable(type):
    """Why arguments of a type cannot be made, or None: a class that is not called with its fields."""
    for field in type.fields:
        problem = unmakeable(field.type)
        if problem:
            return problem
    if type.id != "struct" or not callable(type.constructor) or type.constructor is tuple:
        return None
    made = getattr(type.constructor, "__vivarium_class__", type.constructor)
    by_name = made is not type.constructor
    keywords = {field.name for field in dataclasses.fields(made) if field.init and field.kw_only} if by_name else set()
    places = [field.name for field in type.fields if field.name not in keywords]
    try:
        inspect.signature(made).bind(*places, **dict.fromkeys(keywords))
    except TypeError as error:
        return f"a {made.__qualname__} cannot be made of its fields: {error}"
    except ValueError:
        pass  # its parameters cannot be told
    return None


def _hints(annotation):
    try:
        return typing.get_type_hints(annotation, include_extras=True)
    except Exception as error:
        raise AnnotationError(f"has fields that cannot be evaluated: {type(error).__name__}: {error}") from None


_FAMILIES = {
    **{f"{sign}int{bits}": "int" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **dict.fromkeys(("halffloat", "float", "double"), "float"),
    **dict.fromkeys(("string", "large_string"), "string"),
    **dict.fromkeys(("binary", "large_binary", "fixed_size_binary"), "binary"),
    **dict.fromkeys(("decimal128", "decimal256"), "decimal"),
    **dict.fromkeys(("date32", "date64"), "date"),
    **dict.fromkeys(("time32", "time64"), "time"),
    **dict.fromkeys(("list", "large_list", "fixed_size_list"), "list"),
}
"""Types whose values are of one Python type."""


def _family(type):
    return _FAMILIES.get(type.id, type.id)


def is_told(type):
    """Whether the host can be told a parameter's type: its parts are known, and the names of its fields mean something."""
    by_place = type.id == "struct" and type.constructor is tuple
    return type != ANY and not by_place and all(is_told(field.type) for field in type.fields)


def says_nothing(type):
    """Whether a type, or a part of it, is not known."""
    return type == ANY or any(says_nothing(field.type) for field in type.fields)


def accepts(declared, bound):
    """Whether values of a column's type are what an annotation stands for, as far as it says."""
    if declared == ANY or bound.id == "null":
        return True
    if _family(declared) != _family(bound):
        return (_family(declared), _family(bound)) == ("float", "int")
    if len(declared.fields) != len(bound.fields):
        return False
    named = declared.id == "struct" and declared.constructor is not tuple
    return all(
        accepts(mine.type, theirs.type) and (not named or mine.name == theirs.name)
        for mine, theirs in zip(declared.fields, bound.fields)
    )


def graft(bound, declared):
    """The type a column has, with the constructors of the type that was declared, wherever the two have one shape."""
    if _family(bound) != _family(declared) or len(bound.fields) != len(declared.fields):
        return bound
    fields = tuple(
        dataclasses.replace(mine, type=graft(mine.type, theirs.type)) for mine, theirs in zip(bound.fields, declared.fields)
    )
    return dataclasses.replace(bound, fields=fields, constructor=declared.constructor)
