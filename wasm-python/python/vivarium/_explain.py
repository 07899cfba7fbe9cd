"""Whether a declared function runs as columns, and which of its lines leave rows to the interpreter."""

import linecache

from vivarium import _bind, _lift
from vivarium._errors import DefinitionError
from vivarium._lift.advice import advice

MAX_LINES = 200
_MAX_SOURCE = 300

_KINDS = {
    "vectorized": "it is called with whole columns",
    "table": "it is a table function",
    "aggregate": "it is an aggregate function",
    "table_aggregate": "it is a table aggregate function",
    "async": "its calls are awaited",
}


def explain(signature):
    """The reply of ABI.md for a signature: what is known before a column is there."""
    if signature.kind in _KINDS:
        return _reply(False, _KINDS[signature.kind])
    if signature.options.columns is False:
        return _reply(False, "its declaration says columns=False", "leave columns=False out")
    if _lift.mode() == _lift.OFF:
        return _reply(False, f"the variable {_lift.VARIABLE} is {_lift.OFF}", "leave the variable out")
    missing = [parameter.name for parameter in signature.parameters if parameter.type is None and not parameter.variadic]
    if missing and not any(parameter.variadic for parameter in signature.parameters):
        names = ", ".join(missing)
        return _reply(None, f"it depends on the columns: the type of {names} is not declared", "annotate the parameters, or use input_types=")
    return _lifted(signature)


def _lifted(signature):
    arguments = [{"type": str(parameter.type)} for parameter in signature.parameters if not parameter.variadic]
    try:
        bound = _bind.bind(signature, {"arguments": arguments})
    except DefinitionError as error:
        return _reply(None, str(error))
    try:
        if bound.columns is None:
            return _reply(False, "it is not a plain function", "declare a `def`, or a class with a method eval")
        columns, why, places = bound.columns.explain()
    finally:
        bound.close()
    return _reply(columns, why, advice(why or ""), [_described(place, bound.columns.fn) for place in places[:MAX_LINES]])


def _described(place, function):
    return {
        "file": place.file,
        "line": place.line,
        "function": None if place.function == function.__code__.co_name else place.function,
        "source": linecache.getline(place.file, place.line).strip()[:_MAX_SOURCE],
        "why": place.why,
        "always": place.always,
        "instead": advice(place.why),
    }


def _reply(columns, why, instead=None, lines=()):
    return {"columns": columns, "why": why, "instead": instead, "lines": list(lines)}
