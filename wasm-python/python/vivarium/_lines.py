"""Where declarations stand in a source."""

import ast
import inspect
import sys

from vivarium import _declare


class Lines:
    """Where things stand in the source: the def of a function by its first line, an annotation by its parameter."""

    def __init__(self, source, filename):
        self.filename = filename
        self.nodes = {}
        for node in ast.walk(ast.parse(source)) if source else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                # A function's code begins at its first decorator, and so does a class.
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                self.nodes[first] = node

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
        node = self.node(function)
        if node is not None:
            return node.lineno
        code = getattr(inspect.unwrap(function), "__code__", None)
        return code.co_firstlineno if code is not None else getattr(function, "__firstlineno__", 0)

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
