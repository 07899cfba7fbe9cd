"""Declarations: what a decorator says about a function. Whether it makes sense is found out when the file is loaded."""

import dataclasses
import functools
import types
import typing

ATTRIBUTE = "__vivarium__"


@dataclasses.dataclass(frozen=True)
class Declaration:
    """The arguments of a decorator, unchecked, so that all problems of a file can be reported at once."""

    kind: str = "scalar"
    name: typing.Any = None
    result_type: typing.Any = None
    input_types: typing.Any = None
    null_handling: typing.Any = None
    deterministic: typing.Any = True
    on_error: typing.Any = None
    vectorized: typing.Any = False
    columns: typing.Any = True
    pyflink: bool = False  # declared with PyFlink's decorators: its rules for NULL, for results and for types that are not given
    func_type: typing.Any = "general"  # PyFlink's


class Declared:
    """An object that was declared a function, such as ``udf(Price(), ...)``. It can be called like the object's `eval`."""

    def __init__(self, target, declared):
        self.target = target
        self.__name__ = type(target).__name__
        self.__doc__ = type(target).__doc__
        setattr(self, ATTRIBUTE, declared)

    def __call__(self, *arguments):
        return getattr(self.target, "eval", self.target)(*arguments)


def declaration(function):
    """The declaration of a decorated function, class or object, or None."""
    try:
        found = vars(function).get(ATTRIBUTE)
    except Exception:  # an object of the user's that has no attributes, or makes them up
        return None
    return found if isinstance(found, Declaration) else None


def _copy(original):
    function = types.FunctionType(
        original.__code__, original.__globals__, original.__name__, original.__defaults__, original.__closure__
    )
    function.__kwdefaults__ = original.__kwdefaults__
    functools.update_wrapper(function, original)
    # A copy is no wrapper; what the original itself wraps came along with its attributes.
    function.__dict__.pop("__wrapped__")
    function.__dict__.update(original.__dict__)
    return function


def declared(function, declared, decorator="udf"):
    """What carries the declaration: a copy, because one function can be declared several times."""
    if isinstance(function, types.FunctionType):
        function = _copy(function)
    elif isinstance(function, type):
        if declaration(function) is not None:
            function = type(function)(function.__name__, (function,), {"__module__": function.__module__})
    elif hasattr(function, "eval") or hasattr(function, "accumulate"):
        return Declared(function, declared)
    elif callable(function):
        original = function

        def function(*args):
            return original(*args)

        functools.update_wrapper(function, original)
    else:
        raise TypeError(f"{decorator}() decorates a function or a class, not {type(function).__name__}")
    setattr(function, ATTRIBUTE, declared)
    return function


def decorate(f, declaration, decorator):
    """The decorator, or what it makes of `f` when that was given."""
    if f is None:
        return lambda function: declared(function, declaration, decorator)
    return declared(f, declaration, decorator)


def udf(
    f=None,
    *,
    result_type=None,
    input_types=None,
    name=None,
    vectorized=False,
    null_handling=None,
    deterministic=True,
    on_error=None,
    columns=True,
):
    """Declares a function of one value per row, as ``@udf`` or ``@udf(...)``.

    It decorates a function, an ``async def`` (the calls of a batch are awaited together), or a class with a method `eval`
    (or `__call__`), of which every instance of the sandbox has one object; `open(self, context)` and `close(self)` are called
    before the first and after the last row when the class has them.

    result_type: the type of the result, when its annotation does not tell: a string of `vivarium.types`, or a Python type.
    input_types: the types of the parameters in order, likewise; a single type for a single parameter.
    name: the name the function is registered under; its own name by default.
    vectorized: the function takes whole columns as NumPy arrays and returns an array (or a list) with one value for every row. A
        parameter that accepts NULL arrives as a masked array, always; the others as plain read-only arrays.
    null_handling: "skip": a NULL in any argument gives NULL without a call; "call": the function sees None. By default each
        parameter decides by its annotation: `x: int` skips, `x: int | None` calls.
    deterministic: whether equal arguments give equal results, so that calls may be saved or repeated.
    on_error: what an exception does: "fail" ends the query, "null" makes the result NULL, "skip" drops the row into the error table.
        Left out, the caller decides.
    columns: False keeps a function that is called once a row from running as columns, which changes how fast it is and nothing else.

    Any result may be None, which is NULL.
    """
    said = Declaration("scalar", name, result_type, input_types, null_handling, deterministic, on_error, vectorized, columns)
    return decorate(f, said, "udf")


def udtf(
    f=None,
    *,
    result_type=None,
    input_types=None,
    name=None,
    vectorized=False,
    null_handling=None,
    deterministic=True,
    on_error=None,
):
    """Declares a table function: for every row it yields zero, one or many rows, each joined with the row it came from.

    result_type: the columns, when the annotation (``-> Iterator[tuple[str, int]]``, an Iterator of a NamedTuple or a dataclass, or
        ``Iterator[int]`` for one column) does not tell: ``"table(part string, pos int64)"``, or one type for one column.
    vectorized: "pandas": the function gets columns as Series, or all of them as one DataFrame with
        ``input_types="table(a int64, b string)"``, and returns (or yields) DataFrames. Their index is that of the arguments, whose
        name is "row": it says which row each of their rows was made for.
    The other arguments are those of `udf`. A row that is not computed because of a NULL, and one whose call fails under
    on_error="skip", gives no rows; one that fails under "null" gives one row of NULLs.
    """
    said = Declaration("table", name, result_type, input_types, null_handling, deterministic, on_error, vectorized)
    return decorate(f, said, "udtf")


def udaf(
    f=None,
    *,
    result_type=None,
    input_types=None,
    name=None,
    vectorized=False,
    null_handling=None,
    deterministic=True,
    on_error=None,
):
    """Declares an aggregate function, a class: one value for the rows of a group.

    Methods: `create_accumulator(self)`; `accumulate(self, acc, *values)`, whose annotations are the types of the columns;
    `get_value(self, acc)`, whose annotation is the type of the result; optional `retract(self, acc, *values)`, the reverse of
    accumulate, and `merge(self, acc, other)`. accumulate, retract and merge change the accumulator, or return the new one.

    An accumulator that is to leave the sandbox as bytes is made of None, bool, int, float, str, bytes, Decimal, the types of
    `datetime`, NumPy arrays and scalars, and of lists, tuples, dicts (also Counter, OrderedDict and defaultdict), deques, sets,
    NamedTuples and dataclasses of these. Attributes of a dataclass that are no fields go with it.

    vectorized: accumulators are NumPy arrays over all groups. `create_accumulator(self, groups)` returns an array with one
        element for each of that many new groups, or a tuple of such arrays; `accumulate(self, acc, groups, *columns)` changes
        `acc[groups]` in place, `groups` being the group of every row (int64); `merge(self, acc, groups, other)` likewise;
        `get_value(self, acc)` returns an array with the value of every accumulator it is given.

    A row with a NULL for a parameter that does not accept it is left out of its group. on_error: "null" makes the group's
    result NULL when a row of it fails, "skip" leaves the row out.
    """
    said = Declaration("aggregate", name, result_type, input_types, null_handling, deterministic, on_error, vectorized)
    return decorate(f, said, "udaf")


def udtaf(f=None, *, result_type=None, input_types=None, name=None, null_handling=None, deterministic=True, on_error=None):
    """Declares a table aggregate function: as `udaf`, with `emit_value(self, acc)`, which yields rows, instead of `get_value`."""
    said = Declaration("table_aggregate", name, result_type, input_types, null_handling, deterministic, on_error)
    return decorate(f, said, "udtaf")
