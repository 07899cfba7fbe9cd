"""Modules of functions: from source that the host sends, or by import."""

import ast
import importlib
import importlib.util
import linecache
import os
import re
import sys
import types

from vivarium import _collect, _sizes
from vivarium._errors import ProtocolError

# Modules made from source, by name: a later load of the same file replaces them.
_made = {}


def module_name(filename):
    """A file's name as a module name that hides no module: pickle and dataclasses look modules up by name."""
    stem = os.path.basename(filename).partition(".")[0]
    name = re.sub(r"\W", "_", stem) or "udf"
    if name[0].isdigit():
        name = "_" + name
    while name not in _made and (name in sys.modules or name in sys.stdlib_module_names or _importable(name)):
        name += "_"
    return name


def _importable(name):
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def remember_source(filename, source):
    """Lets tracebacks show lines of a file that is on the host only."""
    # Without a modification time the entry is never checked against a file.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)


def from_source(source, filename):
    """Executes source as a module; raises what it raises."""
    remember_source(filename, source)
    code = compile(source, filename, "exec", dont_inherit=True)
    name = module_name(filename)
    module = types.ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = _made[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        _made.pop(name, None)
        raise
    return module


def forget(name):
    """Undoes from_source."""
    module = _made.pop(name)
    sys.modules.pop(name, None)
    linecache.cache.pop(module.__file__, None)


def by_name(name):
    """(module, source) of a dotted module name."""
    if not all(part.isidentifier() for part in name.split(".")):
        raise ProtocolError(f"'{name[:100]}' is not the name of a module")
    module = importlib.import_module(name)
    try:
        source = "".join(linecache.getlines(module.__file__ or ""))
    except (AttributeError, TypeError):
        source = ""
    return module, source


def imports(source):
    """Names of the modules that source imports at its top level, in order. Source that is no Python imports nothing."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    names = []
    for statement in body:
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.level == 0:
            names.append(statement.module)
            names += [f"{statement.module}.{alias.name}" for alias in statement.names]
    return list(dict.fromkeys(names))


def try_import(name):
    """Imports a module; False when it is none, or fails. Whatever is wrong with it shows when its importer is loaded."""
    before = set(sys.modules)
    try:
        importlib.import_module(name)
        return True
    except BaseException:
        for half_made in set(sys.modules) - before:
            del sys.modules[half_made]
        return False


def load(request):
    """(module, signatures, problems, notes) of a load request."""
    if isinstance(request.get("module"), str):
        module, source = by_name(request["module"])
    elif isinstance(request.get("source"), str) and isinstance(request.get("filename"), str):
        source = request["source"]
        module = from_source(source, request["filename"])
    else:
        raise ProtocolError("load needs source and filename, or module")
    signatures, problems = _collect.collect(module, source)
    return module, signatures, problems, _sizes.notes(source)
