"""Whether the job's client had this Python: a function travels as bytecode, which every minor version has its own of.

Bytecode of another version often loads and then does something else than was written, or crashes the interpreter. So it is looked at
before it becomes code. Code that is the same in both versions passes, as it may.
"""

import opcode
import sys
import types

from cloudpickle import cloudpickle, cloudpickle_fast

_HERE = f"{sys.version_info.major}.{sys.version_info.minor}"

_ARGUMENTS = 18
"""Of `types.CodeType`, from 3.11 on. Clients before it pass 16."""

_CACHES = opcode._inline_cache_entries
_KNOWN = [not name.startswith("<") for name in opcode.opname]
_CACHE, _RESUME = opcode.opmap["CACHE"], opcode.opmap["RESUME"]


class ClientVersionError(Exception):
    """The job's client runs another Python than the sandbox."""

    def __init__(self, client):
        super().__init__(
            f"the job's client runs Python {client}, and this worker Python {_HERE}, whose bytecode differs: run the client with "
            f"Python {_HERE} (-pyclientexec python{_HERE}), or the job with the launcher of the client's version, vvpython{client.split()[0]}, "
            "if `wasm-run flink install` has one"
        )


def is_own_bytecode(code):
    """Whether each instruction exists here and has as much room behind it as it has here, and one of them begins the function."""
    at, begins = 0, False
    while at < len(code):
        instruction = code[at]
        room = _CACHES[instruction]
        if not _KNOWN[instruction] or instruction == _CACHE:
            return False
        begins |= instruction == _RESUME
        at += 2 + 2 * room
        if at > len(code) or any(code[at - 2 * room : at : 2]):
            return False
    return begins


def _code(*arguments):
    """In place of `types.CodeType`, when a pickle makes code."""
    if len(arguments) < _ARGUMENTS:
        raise ClientVersionError("3.10 or older")
    if len(arguments) > _ARGUMENTS or not is_own_bytecode(arguments[6]):
        raise ClientVersionError("3.12 or newer")
    return types.CodeType(*arguments)


def check_code():
    """Has cloudpickle look at code before it makes it."""
    builtin_type = cloudpickle._builtin_type

    def checked(name):
        return _code if name == "CodeType" else builtin_type(name)

    # Pickled by name, as the function it stands for.
    checked.__module__, checked.__name__, checked.__qualname__ = cloudpickle.__name__, "_builtin_type", "_builtin_type"
    cloudpickle._builtin_type = cloudpickle_fast._builtin_type = checked
