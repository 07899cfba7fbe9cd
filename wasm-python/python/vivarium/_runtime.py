"""Control requests: the Python half of `vv_control`. What may be asked, and what is answered, is in ABI.md."""

import gc
import json
import linecache
import os
import random
import sys
import time

import _vivarium
from vivarium import _annotations, _errors, _execute, _load
from vivarium._errors import DefinitionError, ProtocolError
from vivarium.types import TypeSpellingError, parse

# What `load` found, by attribute; later loads win.
_signatures = {}

_POLICIES = {"fail": 0, "null": 1, "skip": 2}


def control(request):
    """Answers one request of JSON bytes with (status, reply bytes)."""
    try:
        return 0, _errors.encode(_answer(request))
    except BaseException as exception:
        return 1, _errors.reply(exception, kind=_kind(exception))


def _kind(exception):
    """Outside of a call, what keeps code from being there at all is told apart from what it raises."""
    if isinstance(exception, SyntaxError):
        return "syntax"
    return "import" if isinstance(exception, ImportError) else None


def _answer(request):
    try:
        request = json.loads(request)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the request is not JSON: {error}") from None
    name = request.get("op") if isinstance(request, dict) else None
    if not isinstance(name, str) or name not in _OPERATIONS:
        raise ProtocolError("the request names no operation of this version")
    return _OPERATIONS[name](request)


def _field(request, name, kind):
    value = request.get(name)
    if not isinstance(value, kind):
        raise ProtocolError(f"the field '{name}' is missing or of another type")
    return value


# ---- start ----

# Of the standard library and the bundled packages. Starting again, from an environment's snapshot, puts nothing there twice.
_own_path = tuple(sys.path)


def _seed(seed):
    try:
        entropy = bytes.fromhex(seed)
    except ValueError:
        entropy = b""
    if len(entropy) != 32:
        raise ProtocolError("the seed is 64 hexadecimal digits")
    random.seed(int.from_bytes(entropy))
    if numpy_random := sys.modules.get("numpy.random"):
        generator = numpy_random.mtrand._rand._bit_generator
        if not _vivarium.seed_mt19937(generator.capsule, entropy):
            numpy_random.seed([int.from_bytes(entropy[at : at + 4], "little") for at in range(0, 32, 4)])


def _strings(values, what):
    if not all(isinstance(value, str) and "\0" not in value for value in values):
        raise ProtocolError(f"{what} are strings without NUL")
    return values


def start(request):
    _seed(_field(request, "seed", str))
    variables = _field(request, "variables", dict)
    _strings(list(variables) + list(variables.values()), "environment variables")
    if any(not name or "=" in name for name in variables):
        raise ProtocolError("the name of an environment variable is not empty and has no '='")
    os.environ.clear()
    os.environ.update(variables)
    if "TZ" in variables:
        time.tzset()
    sys.dont_write_bytecode = True
    sys.path[:] = [*_own_path, *_strings(_field(request, "path", list), "paths")]
    directory = request.get("directory")
    if directory is not None:
        os.chdir(_strings([directory], "directories")[0])
    return {"python": sys.version.split()[0]}


# ---- warm ----


def warm(request):
    """Imports what a source imports at its top level, so that instances which start from this one find it ready."""
    source = _field(request, "source", str)
    imported = [name for name in _load.imports(source) if _load.try_import(name)]
    linecache.clearcache()
    gc.collect()
    gc.freeze()
    return {"modules": imported}


# ---- load, bind, drop ----


def load(request):
    module, signatures, problems = _load.load(request)
    _signatures.update((signature.attribute, signature) for signature in signatures)
    return {
        "module": module.__name__,
        "functions": [signature.describe() for signature in signatures],
        "problems": problems,
    }


def _accepts(signature, count):
    required = sum(not parameter.default and not parameter.variadic for parameter in signature.parameters)
    variadic = any(parameter.variadic for parameter in signature.parameters)
    if count < required or (count > len(signature.parameters) and not variadic):
        names = ", ".join(("*" if parameter.variadic else "") + parameter.name for parameter in signature.parameters)
        raise DefinitionError(f"{signature.name}({names}) cannot be called with {count} arguments")


def _argument(signature, index, given):
    """(plan, name) of the index-th argument, given the column's type."""
    parameter = signature.parameters[min(index, len(signature.parameters) - 1)]
    try:
        type = parse(given["type"]) if isinstance(given, dict) else None
    except (KeyError, TypeSpellingError) as error:
        raise ProtocolError(f"the type of argument {index}: {error}") from None
    if type is None:
        raise ProtocolError("an argument is an object with a type")
    if parameter.type is not None:
        type = _annotations.graft(type, parameter.type)
    # Here "nullable" tells the shim whether a NULL reaches the function.
    return type, type.plan(parameter.name, parameter.nullable), f"argument '{parameter.name}'"


def bind(request):
    attribute = _field(request, "function", str)
    signature = _signatures.get(attribute)
    if signature is None:
        raise DefinitionError(f"there is no function '{attribute[:100]}'")
    policy = request.get("on_error", "fail")
    if not isinstance(policy, str) or policy not in _POLICIES:
        raise ProtocolError("on_error is fail, null or skip")
    given = _field(request, "arguments", list)
    _accepts(signature, len(given))
    if signature.result is None:
        raise DefinitionError(f"the result of {signature.name} has no type: annotate it (`-> int`) or use @udf(result_type=...)")
    try:
        arguments = [_argument(signature, index, item) for index, item in enumerate(given)]
        result = signature.result.plan("result")
    except TypeSpellingError as error:
        raise DefinitionError(str(error)) from None
    function = _vivarium.Function(
        signature.function,
        signature.name,
        tuple(plan for _, plan, _ in arguments),
        tuple(name for _, _, name in arguments),
        result,
        _POLICIES[policy],
        _dtypes([type for type, _, _ in arguments] + [signature.result]) if signature.kind == "vectorized" else None,
    )
    return {"handle": _vivarium.register(function), "result": {"type": str(signature.result), "nullable": True}}


def _dtypes(types):
    try:
        from vivarium import _vectors
    except ImportError:
        raise DefinitionError("vectorized functions need NumPy, which this image does not have") from None
    return tuple(map(_vectors.dtype, types))


def drop(request):
    try:
        _vivarium.drop(_field(request, "handle", int))
    except (LookupError, OverflowError) as error:
        raise ProtocolError(str(error)) from None
    return {}


# ---- eval ----


def evaluate(request):
    namespace = {"__name__": "__eval__", "__builtins__": __builtins__}
    source = _field(request, "source", str)
    _load.remember_source("<eval>", source)
    exec(compile(source, "<eval>", "exec", dont_inherit=True), namespace)
    return {"value": _errors.cut(repr(namespace.get("result")))}


_OPERATIONS = {
    "start": start,
    "warm": warm,
    "load": load,
    "bind": bind,
    "drop": drop,
    "exec": _execute.execute,
    "eval": evaluate,
}
