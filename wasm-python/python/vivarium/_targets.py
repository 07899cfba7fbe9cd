"""What of a declared object is called: a function itself, or methods of an object that a class or the user made."""

import dataclasses
import inspect
import types
import typing

from vivarium import _declare


class TargetError(ValueError):
    """A declared object lacks what its kind needs. The message says what."""


@dataclasses.dataclass
class Target:
    """`rows`: the function whose parameters are columns, behind `skip` others; `result`: the one whose annotation is the result."""

    declared: typing.Any
    holder: typing.Any  # the class behind methods, or None
    rows: typing.Any
    skip: int
    result: typing.Any

    def make(self):
        """The object whose methods are called, or None for a function."""
        if self.holder is None:
            return None
        return self.declared.target if isinstance(self.declared, _declare.Declared) else self.declared()


# The methods a class must have: the one of rows, the one of the result, and others.
_METHODS = {
    "aggregate": ("accumulate", "get_value", ("create_accumulator",)),
    "table_aggregate": ("accumulate", "emit_value", ("create_accumulator",)),
}


def _method(holder, name):
    """(the function behind a method, whether it takes self)"""
    static = inspect.getattr_static(holder, name, None)
    if isinstance(static, (staticmethod, classmethod)):
        return static.__func__, isinstance(static, classmethod)
    return static, True


def row_method(kind, holder):
    """The name of the method that is called for rows."""
    if kind in _METHODS:
        return _METHODS[kind][0]
    return "eval" if hasattr(holder, "eval") else "__call__"


def target_of(value, kind, vectorized):
    """The target of a declared value; TargetError when it cannot be one."""
    if isinstance(value, types.FunctionType):
        if kind == "aggregate" and vectorized == "pandas":
            return Target(value, None, value, 0, value)
        if kind in _METHODS:
            wanted = "a class with create_accumulator(self), accumulate(self, acc, ...) and " + _METHODS[kind][1] + "(self, acc)"
            raise TargetError(f"an aggregate function is {wanted}")
        return Target(value, None, value, 0, value)
    holder = type(value.target) if isinstance(value, _declare.Declared) else value
    rows = row_method(kind, holder)
    result, others = (_METHODS[kind][1:]) if kind in _METHODS else (rows, ())
    missing = [name for name in dict.fromkeys((*others, rows, result)) if not any(name in vars(base) for base in holder.__mro__)]
    if missing == ["__call__"] or (missing and kind not in _METHODS):
        raise TargetError(f"the class {holder.__name__} has no method eval(self, ...)")
    if missing:
        raise TargetError(f"the class {holder.__name__} has no method {' and no method '.join(missing)}")
    function, bound = _method(holder, rows)
    groups = bool(vectorized) and vectorized != "pandas"
    skip = int(bound) + (1 + groups if kind in _METHODS else 0)
    return Target(value, holder, function, skip, _method(holder, result)[0])
