"""Signatures: the functions a module offers, and every problem with them."""

import ast
import dataclasses
import functools
import inspect
import re
import types as python_types
import typing

from vivarium import _annotations, _declare
from vivarium.types import DataType, TypeSpellingError, parse

MAX_FUNCTIONS = 1000
MAX_NAME = 255
MAX_DOC = 1000

_DEF = re.compile(r"\s*(async\s+)?def\b")
_LINE_END = re.compile(r"\r\n?|\n")


@dataclasses.dataclass
class Parameter:
    """One parameter. `nullable`: a NULL reaches the function, as None; otherwise it makes the result NULL."""

    name: str
    type: DataType | None
    nullable: bool
    default: bool
    variadic: bool

    def describe(self):
        return {
            "name": self.name,
            "type": None if self.type is None else str(self.type),
            "nullable": self.nullable,
            "default": self.default,
            "variadic": self.variadic,
        }


@dataclasses.dataclass
class Signature:
    """A function as it can be bound. `result` is None when its type cannot be told."""

    function: typing.Any
    attribute: str
    name: str
    kind: str
    parameters: list[Parameter]
    result: DataType | None
    deterministic: bool
    on_error: str | None
    line: int
    decorated: bool

    def describe(self):
        skips = any(not parameter.nullable for parameter in self.parameters)
        return {
            "name": self.name,
            "attribute": self.attribute,
            "kind": self.kind,
            "parameters": [parameter.describe() for parameter in self.parameters],
            "result": {"type": None if self.result is None else str(self.result), "nullable": True},
            "null_handling": "skip" if skips or not self.parameters else "call",
            "deterministic": self.deterministic,
            "on_error": self.on_error,
            "doc": _first_line(self.function),
            "line": self.line,
            "decorated": self.decorated,
        }


def _first_line(function):
    doc = getattr(function, "__doc__", None)
    lines = doc.strip().splitlines() if isinstance(doc, str) else []
    return lines[0][:MAX_DOC] if lines else ""


class _Lines:
    """Where things stand in the source: the def of a function by its first line, an annotation by its parameter.

    The source is parsed when a problem is reported; without one, nobody waits for it.
    """

    def __init__(self, source, filename):
        self.source = source
        self.filename = filename

    @functools.cached_property
    def nodes(self):
        nodes = {}
        for node in ast.walk(ast.parse(self.source)) if self.source else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                # A function's code begins at its first decorator.
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                nodes[first] = node
        return nodes

    @functools.cached_property
    def text(self):
        return _LINE_END.split(self.source)

    def code(self, function):
        return getattr(inspect.unwrap(function), "__code__", None)

    def node(self, function):
        code = self.code(function)
        return self.nodes.get(code.co_firstlineno) if code is not None and code.co_filename == self.filename else None

    def definition(self, function):
        code = self.code(function)
        if code is None:
            return 0
        first = code.co_firstlineno
        text = self.text[first - 1 :] if code.co_filename == self.filename else []
        if text and text[0].lstrip().startswith("@"):
            return first + next((after for after, line in enumerate(text) if _DEF.match(line)), 0)
        return first

    def parameter(self, function, name):
        node = self.node(function)
        for arg in ast.walk(node.args) if node is not None else ():
            if isinstance(arg, ast.arg) and arg.arg == name:
                return arg.lineno
        return self.definition(function)

    def result(self, function):
        node = self.node(function)
        return node.returns.lineno if node is not None and node.returns is not None else self.definition(function)


class _Reader:
    """Reads one function's declaration, collecting problems instead of stopping at the first."""

    def __init__(self, function, attribute, lines):
        self.function = function
        self.attribute = attribute
        self.lines = lines
        self.declared = _declare.declaration(function)
        self.options = self.declared or _declare.Declaration()
        self.namespace = getattr(inspect.unwrap(function), "__globals__", {})
        self.problems = []
        self.name = self.registered_name()
        try:
            self.signature = inspect.signature(function)
        except (TypeError, ValueError):
            self.signature = None

    def problem(self, message, line=None):
        """Notes a problem. `line` finds where it is; without it, it is the function's."""
        found = line() if line is not None else self.lines.definition(self.function)
        self.problems.append({"function": self.name, "line": found, "message": message})

    def registered_name(self):
        self.name = self.attribute
        name = self.options.name
        if name is None:
            return self.attribute
        if isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable():
            return name
        self.problem(f"name= must be a printable string of 1 to {MAX_NAME} characters")
        return self.attribute

    def choice(self, option, choices):
        value = getattr(self.options, option)
        if value is None or value in choices:
            return value
        self.problem(f"{option}={value!r:.100} is not one of {', '.join(map(repr, choices))}")
        return None

    def given_type(self, given, option):
        """A type handed to the decorator: a string, a Python type, or a declaration object with a `type_string`."""
        spelled = getattr(given, "type_string", given)
        try:
            if isinstance(spelled, str):
                return parse(spelled), False
            return _annotations.type_of(spelled, self.namespace, option)
        except (TypeSpellingError, _annotations.AnnotationError) as error:
            shown = "" if isinstance(error, TypeSpellingError) else f"`{_annotations.show(given)}` "
            self.problem(f"{option}{shown}{error}" if shown else f"{option}: {error}")
            return None, False

    def annotated_type(self, annotation, option, what, line):
        vectorized = self.options.kind == "vectorized"
        try:
            return _annotations.type_of(annotation, self.namespace, option, vectorized)
        except _annotations.AnnotationError as error:
            if self.declared is not None:
                self.problem(f"{what}: the annotation `{_annotations.show(annotation)}` {error}", line)
            return None, False

    def input_types(self, parameters):
        """The explicit types of the parameters, or None for each."""
        given = self.options.input_types
        if given is None:
            return [None] * len(parameters)
        types = list(given) if isinstance(given, (list, tuple)) else [given]
        variadic = bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_POSITIONAL
        if len(types) != len(parameters) and not (variadic and len(types) > len(parameters)):
            self.problem(f"input_types= lists {len(types)} types for {len(parameters)} parameters")
        return (types + [None] * len(parameters))[: len(parameters)]

    def parameters(self, handling):
        if self.signature is None:
            self.problem("its parameters cannot be told: wrap it in a def")
            return []
        positional = []
        for parameter in self.signature.parameters.values():
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.default is inspect.Parameter.empty:
                self.problem(f"parameter '{parameter.name}' can only be given by name, and arguments are given in order")
            elif parameter.kind not in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
                positional.append(parameter)
        types = self.input_types(positional)
        return [self.parameter(parameter, given, handling) for parameter, given in zip(positional, types)]

    def parameter(self, parameter, given, handling):
        type, nullable = None, False
        option = "input_types="
        line = functools.partial(self.lines.parameter, self.function, parameter.name)
        if given is not None:
            type, _ = self.given_type(given, option)
        if parameter.annotation is not inspect.Parameter.empty and parameter.annotation is not typing.Any:
            what = f"parameter '{parameter.name}'"
            if given is None:
                type, nullable = self.annotated_type(parameter.annotation, option, what, line)
            else:
                nullable = _allows_none(parameter.annotation, self.namespace)
        elif given is None and self.declared is not None:
            self.problem(f"parameter '{parameter.name}' has no type: annotate it (`{parameter.name}: int`) or give input_types=", line)
        if handling is not None:
            nullable = handling == "call"
        default = parameter.default is not inspect.Parameter.empty
        return Parameter(parameter.name, type, nullable, default, parameter.kind is inspect.Parameter.VAR_POSITIONAL)

    def result(self):
        if self.options.result_type is not None:
            return self.given_type(self.options.result_type, "result_type=")[0]
        if self.signature is None:
            return None
        annotation = self.signature.return_annotation
        line = functools.partial(self.lines.result, self.function)
        if annotation is inspect.Signature.empty:
            if self.declared is not None:
                self.problem("the result has no type: annotate it (`-> int`) or give result_type=", line)
            return None
        return self.annotated_type(annotation, "result_type=", "result", line)[0]

    def read(self):
        handling = self.choice("null_handling", ("skip", "call"))
        on_error = self.choice("on_error", ("fail", "null", "skip"))
        if inspect.iscoroutinefunction(self.function) or inspect.isasyncgenfunction(self.function):
            self.problem("async functions are not supported: write def instead of async def")
        elif inspect.isgeneratorfunction(self.function):
            self.problem("a function of one value per row cannot yield: use return")
        parameters = self.parameters(handling)
        if self.options.kind == "vectorized" and not parameters:
            self.problem("a vectorized function has at least one parameter: the number of rows is that of its arguments")
        return Signature(
            function=self.function,
            attribute=self.attribute,
            name=self.name,
            kind=self.options.kind,
            parameters=parameters,
            result=self.result(),
            deterministic=bool(self.options.deterministic),
            on_error=on_error,
            line=self.lines.definition(self.function),
            decorated=self.declared is not None,
        )


def _allows_none(annotation, namespace):
    try:
        return _annotations.type_of(annotation, namespace)[1]
    except _annotations.AnnotationError:
        return False


def _candidates(module, filename):
    """(attribute, function): decorated functions wherever they come from, and plain ones defined in this file."""
    seen = set()
    for attribute, value in list(vars(module).items()):
        if not isinstance(attribute, str) or id(value) in seen or not isinstance(value, python_types.FunctionType):
            continue
        plain = value.__module__ == module.__name__ and value.__code__.co_filename == filename
        if _declare.declaration(value) is not None or (plain and value.__name__ == attribute):
            seen.add(id(value))
            yield attribute, value


def collect(module, source):
    """(signatures, problems) of a module that was just executed; `source` may be empty."""
    filename = getattr(module, "__file__", None) or ""
    lines = _Lines(source, filename)
    signatures, problems, names = [], [], {}
    for attribute, function in _candidates(module, filename):
        if len(signatures) == MAX_FUNCTIONS:
            problems.append({"function": None, "line": 0, "message": f"a file declares at most {MAX_FUNCTIONS} functions"})
            break
        reader = _Reader(function, attribute, lines)
        signature = reader.read()
        if signature.decorated:
            problems += reader.problems
            other = names.setdefault(signature.name, signature)
            if other is not signature:
                message = f"the name '{signature.name}' is taken by the function in line {other.line}: give name="
                problems.append({"function": signature.name, "line": signature.line, "message": message})
        signatures.append(signature)
    problems.sort(key=lambda problem: problem["line"])
    return signatures, problems
