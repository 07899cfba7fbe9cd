"""Control requests: the Python half of `vv_control`. What may be asked, and what is answered, is in ABI.md."""

import gc
import json
import linecache
import os
import random
import sys
import time

import _vivarium
from vivarium import _bind, _errors, _execute, _lift, _load
from vivarium._errors import DefinitionError, ProtocolError

# What `load` found, by attribute; later loads win.
_signatures = {}

# What `bind` made, by handle.
_bound = {}


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
    if hasattr(time, "tzset"):  # not in the guest, whose local time is UTC
        time.tzset()  # also without TZ: the snapshot that this is a copy of may have had another one
    sys.dont_write_bytecode = True
    sys.path[:] = [*_own_path, *_strings(_field(request, "path", list), "paths")]
    directory = request.get("directory")
    if directory is not None:
        os.chdir(_strings([directory], "directories")[0])
    return {"python": sys.version.split()[0]}


# ---- warm ----


class _Watched(type(os.environ)):
    """`os.environ` while modules are imported ahead: notes the names that are asked for, and `*` for all of them."""

    names = set()

    def __getitem__(self, name):
        self.names.add(os.fsdecode(name) if isinstance(name, (str, bytes)) else "*")
        return super().__getitem__(name)

    def __iter__(self):
        self.names.add("*")
        return super().__iter__()


def warm(request):
    """Imports what a source imports at its top level, so that instances which start from this one find it ready.

    Variables come with the instances. So the names that modules asked for meanwhile are part of the answer: for a task that
    has one of them, the modules have to be imported again.
    """
    source = _field(request, "source", str)
    plain = type(os.environ)
    try:
        os.environ.__class__ = os.environb.__class__ = _Watched
        imported = [name for name in _load.imports(source) if _load.try_import(name)]
    finally:
        os.environ.__class__ = os.environb.__class__ = plain
    names = sorted(_Watched.names)
    _Watched.names.clear()
    linecache.clearcache()
    gc.collect()
    gc.freeze()
    return {"modules": imported, "variables": names if len(names) <= 1000 else ["*"]}


# ---- load, bind, drop ----


def load(request):
    module, signatures, problems, notes = _load.load(request)
    _signatures.update((signature.attribute, signature) for signature in signatures)
    return {
        "module": module.__name__,
        "functions": [signature.describe() for signature in signatures],
        "problems": problems,
        "notes": notes,
    }


def _signature(request):
    attribute = _field(request, "function", str)
    signature = _signatures.get(attribute)
    if signature is None:
        raise DefinitionError(f"there is no function '{attribute[:100]}'")
    return signature


def bind(request):
    signature = _signature(request)
    columns = request.get("columns", "auto")
    if not isinstance(columns, str) or (columns != _lift.OFF and columns not in _lift.MODES):
        raise ProtocolError("columns is auto, off, force or shadow")
    _lift.asked = columns
    bound = _bind.bind(signature, request)
    try:
        reply = {"result": {"type": str(signature.result), "nullable": True}}
        if bound.function.operations is not None:
            reply["operations"] = sorted(bound.function.operations)
        metrics = bound.context._take()
        if metrics is not None:
            reply["metrics"] = metrics
        reply["handle"] = _vivarium.register(bound.function)
    except BaseException:
        bound.abandon()
        raise
    _bound[reply["handle"]] = bound
    return reply


def drop(request):
    handle = _field(request, "handle", int)
    try:
        _vivarium.drop(handle)
    except (LookupError, OverflowError) as error:
        raise ProtocolError(str(error)) from None
    bound = _bound.pop(handle)
    bound.close()
    metrics = bound.context._take()
    return {} if metrics is None else {"metrics": metrics}


# ---- explain ----


def explain(request):
    from vivarium import _explain

    _lift.asked = "auto"
    return _explain.explain(_signature(request))


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
    "explain": explain,
    "exec": _execute.execute,
    "eval": evaluate,
}
