"""The last step before the snapshot: everything is imported and used once, so that instances find it ready."""

import gc
import json
import sys

from vivarium import _environment, _runtime, _vectors  # noqa: F401  imported for the snapshot

_SAMPLE = """
from vivarium import udf

@udf
def scalar(x: int, y: str | None) -> str:
    return f"{x}{y}"

@udf(vectorized=True)
def vectorized(x: float) -> float:
    return x
"""


def _ask(**request):
    status, reply = _runtime.control(json.dumps(request).encode())
    reply = json.loads(reply)
    if status != 0:
        raise RuntimeError(reply["error"]["message"])
    return reply


def _rehearse():
    """A load, two binds and an error: what they import lazily, compile and cache is then part of the snapshot."""
    _ask(op="load", source=_SAMPLE, filename="_rehearsal.py")
    arguments = [{"type": "int64", "nullable": True}, {"type": "string", "nullable": True}]
    handles = [_ask(op="bind", function="scalar", arguments=arguments)["handle"]]
    handles.append(_ask(op="bind", function="vectorized", arguments=[{"type": "double", "nullable": False}])["handle"])
    for handle in handles:
        _ask(op="drop", handle=handle)
    _ask(op="eval", source="result = 1")
    _runtime.control(b'{"op": "eval", "source": "raise ValueError(1)"}')
    _runtime._signatures.clear()
    _runtime._load.forget("_rehearsal")


def prepare():
    """Called by vv_init."""
    _environment.install()
    _rehearse()
    sys.path_importer_cache.clear()
    gc.collect()
    gc.freeze()
    sys.stdout.flush()
    sys.stderr.flush()
