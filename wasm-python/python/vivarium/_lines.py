"""Where declarations stand in a source."""

import ast
import functools
import inspect
import re
import sys

from vivarium import _declare

_DEFINITION = re.compile(r"\s*((async\s+)?def|class)\b")
_LINE_END = re.compile(r"\r\n?|\n")


class Lines:
    """Where things stand in the source: the def of a function by its first line, an annotation by its parameter.

    The source is parsed when a problem is reported; without one, nobody waits for it.
    """

    def __init__(self, source, filename):
        self.source = source
        self.filename = filename

    @functools.cached_property
    def nodes(self):
        """Definitions by their first lines."""
        nodes = {}
        for node in ast.walk(ast.parse(self.source)) if self.source else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                # A function's code begins at its first decorator, and so does a class.
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                nodes[first] = node
        return nodes

    @functools.cached_property
    def text(self):
        """The lines of the source."""
        return _LINE_END.split(self.source)

    def node(self, function):
        if isinstance(function, type):
            module = sys.modules.get(function.__module__)
            found = self.nodes.get(getattr(function, "__firstlineno__", 0))
            return found if getattr(module, "__file__", None) == self.filename and isinstance(found, ast.ClassDef) else None
        code = getattr(inspect.unwrap(function), "__code__", None)
        return self.nodes.get(code.co_firstlineno) if code is not None and code.co_filename == self.filename else None

    def definition(self, function):
        if isinstance(function, _declare.Declared):
            function = type(function.target)
        code = getattr(inspect.unwrap(function), "__code__", None)
        first = getattr(function, "__firstlineno__", 0) if code is None else code.co_firstlineno
        text = self.text[first - 1 :] if first > 0 and self.holds(function, code) else []
        if text and text[0].lstrip().startswith("@"):
            return first + next((after for after, line in enumerate(text) if _DEFINITION.match(line)), 0)
        return first

    def holds(self, function, code):
        """Whether the function or class stands in this file."""
        if code is None:
            return getattr(sys.modules.get(getattr(function, "__module__", None)), "__file__", None) == self.filename
        return code.co_filename == self.filename

    def parameter(self, function, name):
        node = self.node(function)
        for arg in ast.walk(node.args) if node is not None and hasattr(node, "args") else ():
            if isinstance(arg, ast.arg) and arg.arg == name:
                return arg.lineno
        return self.definition(function)

    def result(self, function):
        node = self.node(function)
        returns = getattr(node, "returns", None)
        return returns.lineno if returns is not None else self.definition(function)
