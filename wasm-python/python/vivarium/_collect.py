"""The functions a module offers, and every problem with them."""

import types

from vivarium import _declare, _signature
from vivarium._lines import Lines

MAX_FUNCTIONS = 1000
MAX_PROBLEMS = 1000


def _candidates(module, filename):
    """(attribute, function): decorated functions wherever they come from, and plain ones defined in this file."""
    seen = set()
    for attribute, value in list(vars(module).items()):
        if not isinstance(attribute, str) or id(value) in seen:
            continue
        plain = False
        if isinstance(value, types.FunctionType):
            plain = value.__module__ == module.__name__ and value.__code__.co_filename == filename and value.__name__ == attribute
        if plain or _declare.declaration(value) is not None:
            seen.add(id(value))
            yield attribute, value


def collect(module, source):
    """(signatures, problems) of a module that was just executed; `source` may be empty."""
    filename = getattr(module, "__file__", None) or ""
    lines = Lines(source, filename)
    signatures, problems, names = [], [], {}
    for attribute, function in _candidates(module, filename):
        if len(signatures) == MAX_FUNCTIONS:
            problems.append({"function": None, "line": 0, "message": f"a file declares at most {MAX_FUNCTIONS} functions"})
            break
        signature, own = _signature.read(function, attribute, lines)
        if signature.decorated:
            problems += own
            other = names.setdefault(signature.name, signature)
            if other is not signature:
                message = f"the name '{signature.name}' is taken by the function in line {other.line}: give name="
                problems.append({"function": signature.name, "line": signature.line, "message": message})
        signatures.append(signature)
    problems.sort(key=lambda problem: problem["line"])
    if len(problems) > MAX_PROBLEMS:
        more = {"function": None, "line": 0, "message": f"and {len(problems) - MAX_PROBLEMS + 1} more problems"}
        problems[MAX_PROBLEMS - 1 :] = [more]
    return signatures, problems
