"""Where a source relies on the 64 bits of another CPython: sizes and hashes of the guest have 32, and a wrong answer would come without a word."""

import ast
import sys

MAX_NOTES = 20

_MAXSIZE = (
    f"sys.maxsize is {sys.maxsize} in the sandbox, and values may be larger: write math.inf for what is larger than all of them, "
    "or 2**63 - 1 for the largest int64"
)
_HASH = "hash() has 32 bits in the sandbox: vivarium.hash64(value) % n gives what CPython of 64 bits does"


def notes(source):
    """What to say about a source: a list of problems of ABI.md, in the order of lines. Source that is no Python has none."""
    if "maxsize" not in source and "hash(" not in source:
        return []
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and _asks_for_bits(node):
            found |= {id(part): None for part in ast.walk(node)}
    said = []
    for node in ast.walk(tree):
        message = None if id(node) in found else _message(node)
        if message is not None:
            said.append({"function": None, "line": node.lineno, "message": message})
    said.sort(key=lambda note: note["line"])
    return said[:MAX_NOTES]


def _message(node):
    if isinstance(node, ast.Attribute) and node.attr == "maxsize" and isinstance(node.value, ast.Name) and node.value.id == "sys":
        return _MAXSIZE
    if isinstance(node, ast.ImportFrom) and node.module == "sys" and any(alias.name == "maxsize" for alias in node.names):
        return _MAXSIZE
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and _is_hash(node.left):
        return _HASH
    return None


def _is_hash(node):
    """Whether it is `hash(...)`, or `abs(hash(...))`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    return node.func.id == "hash" or (node.func.id == "abs" and len(node.args) == 1 and _is_hash(node.args[0]))


def _asks_for_bits(compare):
    """Whether sys.maxsize is compared with a power of two: the question how many bits there are, which is answered rightly."""
    return any(
        isinstance(part, ast.BinOp) and isinstance(part.op, (ast.Pow, ast.LShift)) or (isinstance(part, ast.Constant) and part.value in _POWERS)
        for part in (compare.left, *compare.comparators)
    )


_POWERS = (1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) - 1, (1 << 63) - 1)
