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


def declaration(function):
    """The declaration of a decorated function, or None."""
    found = getattr(function, "__dict__", {}).get(ATTRIBUTE)
    return found if isinstance(found, Declaration) else None


def _declared(function, declared):
    """A copy of the function that carries the declaration: one function can be declared several times."""
    if not callable(function):
        raise TypeError(f"udf() decorates a function, not {type(function).__name__}")
    original = function
    if isinstance(original, types.FunctionType):
        function = types.FunctionType(
            original.__code__, original.__globals__, original.__name__, original.__defaults__, original.__closure__
        )
        function.__kwdefaults__ = original.__kwdefaults__
    else:

        def function(*args):
            return original(*args)

    functools.update_wrapper(function, original)
    if isinstance(original, types.FunctionType):
        # A copy is no wrapper; what the original itself wraps came along with its attributes.
        function.__dict__.pop("__wrapped__")
        function.__dict__.update(original.__dict__)
    setattr(function, ATTRIBUTE, declared)
    return function


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
):
    """Declares a function of one value per row, as ``@udf`` or ``@udf(...)``.

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

    Any result may be None, which is NULL.
    """
    declared = Declaration(
        kind="vectorized" if vectorized else "scalar",
        name=name,
        result_type=result_type,
        input_types=input_types,
        null_handling=null_handling,
        deterministic=deterministic,
        on_error=on_error,
    )
    if f is None:
        return lambda function: _declared(function, declared)
    return _declared(f, declared)
