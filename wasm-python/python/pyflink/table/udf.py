"""Functions as PyFlink declares them."""

import abc

from vivarium._context import Counter, Distribution, FunctionContext, Meter, MetricGroup
from vivarium._declare import Declaration, decorate

__all__ = [
    "AggregateFunction",
    "AsyncScalarFunction",
    "FunctionContext",
    "ScalarFunction",
    "TableAggregateFunction",
    "TableFunction",
    "UserDefinedFunction",
    "udaf",
    "udf",
    "udtaf",
    "udtf",
]
_ = (Counter, Distribution, Meter, MetricGroup)


def _default(method):
    """Marks a method that a class has although its author did not write one."""
    method.__vivarium_default__ = True
    return method


class UserDefinedFunction(abc.ABC):
    """A function with state."""

    def open(self, function_context):
        """Called once, before the first row."""

    def close(self):
        """Called once, after the last row."""

    def is_deterministic(self):
        """Whether equal arguments give equal results."""
        return True


class ScalarFunction(UserDefinedFunction):
    """One value for a row."""

    @abc.abstractmethod
    def eval(self, *args):
        """The value."""


class AsyncScalarFunction(UserDefinedFunction):
    """One value for a row, awaited together with those of other rows."""

    @abc.abstractmethod
    async def eval(self, *args):
        """The value."""


class TableFunction(UserDefinedFunction):
    """Rows for a row."""

    @abc.abstractmethod
    def eval(self, *args):
        """The rows: yielded, or returned."""


class ImperativeAggregateFunction(UserDefinedFunction):
    """What is kept of the rows of a group."""

    @abc.abstractmethod
    def create_accumulator(self):
        """The accumulator of no rows."""

    @abc.abstractmethod
    def accumulate(self, accumulator, *args):
        """Adds a row to the accumulator."""

    @_default
    def retract(self, accumulator, *args):
        """Takes a row out of the accumulator."""
        raise RuntimeError("Method retract is not implemented")

    @_default
    def merge(self, accumulator, accumulators):
        """Adds accumulators to the accumulator."""
        raise RuntimeError("Method merge is not implemented")

    @_default
    def get_result_type(self):
        """The type of the result."""
        raise RuntimeError("Method get_result_type is not implemented")

    @_default
    def get_accumulator_type(self):
        """The type of the accumulator. It is not needed here."""
        raise RuntimeError("Method get_accumulator_type is not implemented")


class AggregateFunction(ImperativeAggregateFunction):
    """One value for a group."""

    @abc.abstractmethod
    def get_value(self, accumulator):
        """The value."""


class TableAggregateFunction(ImperativeAggregateFunction):
    """Rows for a group."""

    @abc.abstractmethod
    def emit_value(self, accumulator):
        """The rows, yielded."""


def _declare(f, kind, decorator, *, input_types, result_type, deterministic, name, func_type="general", udf_type=None):
    def made(function):
        target = function() if isinstance(function, type) and issubclass(function, UserDefinedFunction) else function
        result, certain = result_type, deterministic
        if result is None and isinstance(target, ImperativeAggregateFunction):
            if not getattr(type(target).get_result_type, "__vivarium_default__", False):
                result = target.get_result_type()
        if certain is None:
            certain = target.is_deterministic() if isinstance(target, UserDefinedFunction) else True
        said = Declaration(
            kind=kind,
            name=name,
            result_type=result,
            input_types=input_types,
            deterministic=certain,
            vectorized="pandas" if (udf_type or func_type) == "pandas" else False,
            pyflink=True,
            func_type=udf_type or func_type,
        )
        return decorate(target, said, decorator)

    return made if f is None else made(f)


def udf(f=None, input_types=None, result_type=None, deterministic=None, name=None, func_type="general", udf_type=None):
    """Declares a function of one value per row."""
    return _declare(
        f, "scalar", "udf", input_types=input_types, result_type=result_type, deterministic=deterministic, name=name,
        func_type=func_type, udf_type=udf_type,
    )  # fmt: skip


def udtf(f=None, input_types=None, result_types=None, deterministic=None, name=None):
    """Declares a table function."""
    return _declare(
        f, "table", "udtf", input_types=input_types, result_type=result_types, deterministic=deterministic, name=name
    )


def udaf(
    f=None, input_types=None, result_type=None, accumulator_type=None, deterministic=None, name=None, func_type="general",
    udf_type=None,
):  # fmt: skip
    """Declares an aggregate function."""
    return _declare(
        f, "aggregate", "udaf", input_types=input_types, result_type=result_type, deterministic=deterministic, name=name,
        func_type=func_type, udf_type=udf_type,
    )  # fmt: skip


def udtaf(
    f=None, input_types=None, result_type=None, accumulator_type=None, deterministic=None, name=None, func_type="general",
    udf_type=None,
):  # fmt: skip
    """Declares a table aggregate function."""
    return _declare(
        f, "table_aggregate", "udtaf", input_types=input_types, result_type=result_type, deterministic=deterministic, name=name,
        func_type=func_type, udf_type=udf_type,
    )  # fmt: skip
