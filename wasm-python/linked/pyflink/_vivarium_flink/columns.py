"""The scalar functions of an operator as columns (docs/columns.md), where its rows have only values that columns hold."""

import types

import _vivarium
from pyflink.fn_execution import coders
from vivarium import _lift
from vivarium.types import DataType

_INT, _FLOAT, _BOOL, _TEXT = map(DataType, ("int64", "double", "bool", "string"))

# Rows are decoded to these, whatever the width.
_TYPES = {
    coders.TinyIntCoder: _INT,
    coders.SmallIntCoder: _INT,
    coders.IntCoder: _INT,
    coders.BigIntCoder: _INT,
    coders.FloatCoder: _FLOAT,
    coders.DoubleCoder: _FLOAT,
    coders.BooleanCoder: _BOOL,
    coders.CharCoder: _TEXT,
    coders.BinaryCoder: DataType("binary"),
    coders.DateCoder: DataType("date32"),
    coders.TimeCoder: DataType("time32", unit="ms"),
    coders.TimestampCoder: DataType("timestamp", unit="us"),
}

_ZONED = DataType("timestamp", unit="us", timezone="UTC")

_UTC = ("UTC", "Etc/UTC")
"""Names of zones whose datetimes are those of datetime.timezone.utc in all that runs as columns."""

_NO_RESULT = DataType("null")
"""What the program makes is the loop's to write."""


def function(operation, serialized, row, result):
    """A `_vivarium.Function` for `_flink_rows.run`, whose rows run as columns when it is worth it; None when they cannot.

    `operation` is PyFlink's, made of `serialized`; `row` and `result` are the coders of its rows and results.
    """
    expressions = None if _lift.mode() == _lift.OFF else _expressions(operation.func, serialized)
    if expressions is None or len(expressions) != len(result._field_coders):
        return None
    given, made = [_column(coder) for coder in row._field_coders], [_result(coder) for coder in result._field_coders]
    if None in given or None in made:
        return None
    called = [getattr(one, "__func__", one) for one in _callables(operation.func)]
    called = [one for one in called if type(one) is types.FunctionType]
    plans = tuple(type.plan(f"value[{k}]") for k, type in enumerate(given))
    found = _vivarium.Function(
        operation.func,
        ", ".join(one.__name__ for one in called) or "a function",
        plans,
        tuple(plan[1] for plan in plans),
        _NO_RESULT.plan("result"),
        0,  # an error fails the message
        None,
    )
    candidate = _lift.RowCandidate(operation.func, expressions, [(type, True) for type in given], made)
    _lift.attach_candidate(found, candidate, called)
    return found


def _result(coder):
    """The type of a result; None when columns hold no such. Zones are not looked at where datetimes are written."""
    if type(coder) is coders.LocalZonedTimestampCoder:
        return _ZONED
    if type(coder) is coders.DecimalCoder:
        return DataType("decimal128", precision=coder.precision, scale=coder.scale)
    return _TYPES.get(type(coder))


def _column(coder):
    """The same of what rows have. Datetimes of other zones than UTC are left to pytz."""
    zoned = type(coder) is coders.LocalZonedTimestampCoder
    return None if zoned and coder.timezone.zone not in _UTC else _result(coder)


def _callables(generated):
    """The functions that PyFlink's generated one calls."""
    return [one for name, one in generated.__globals__.items() if name != "__builtins__" and callable(one)]


def _expressions(generated, serialized):
    """The results of the function that PyFlink generated, `lambda value: [f1(value[0], c1), ...]`, each as a function of its own.

    The names of functions and constants are in its globals, in the order in which it was put together. None when it was put together
    in another way than this.
    """
    names = iter([name for name in generated.__globals__ if name != "__builtins__"])

    def call(function):
        name = next(names)
        return f"{name}({','.join(map(argument, function.inputs))})"

    def argument(given):
        if given.HasField("udf"):
            return call(given.udf)
        return f"value[{given.inputOffset}]" if given.HasField("inputOffset") else next(names)

    try:
        results = [call(function) for function in serialized.udfs]
    except StopIteration:
        return None
    made = [eval("lambda value: " + result, generated.__globals__) for result in ("[" + ",".join(results) + "]", *results)]
    return made[1:] if made[0].__code__ == generated.__code__ else None
