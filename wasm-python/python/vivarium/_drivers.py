"""The Python half of rows.c: the loop that calls a scalar function once a row."""

import types

# Marks the loop's frames as the runtime's own: tracebacks leave them out.
FILENAME = "<vivarium>"


def _compile(arity):
    names = [f"a{index}" for index in range(arity)]
    target = ", ".join(names) + ("," if arity > 1 else "") if names else "_"
    source = f"def drive(function, rows):\n    for {target} in rows:\n        rows.result = function({', '.join(names)})\n"
    namespace = {"__name__": __name__}
    exec(compile(source, FILENAME, "exec"), namespace)
    return namespace["drive"]


_drivers = {arity: _compile(arity) for arity in range(6)}


def driver(arity):
    """A loop over rows of this many arguments, for one function only.

    Its code object is its own: the interpreter specialises the call inside it for the function it has seen.
    """
    template = _drivers.get(arity) or _compile(arity)
    return types.FunctionType(template.__code__.replace(), template.__globals__, "drive")
