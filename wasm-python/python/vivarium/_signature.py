"""Signatures: what the host is told of a function, and every problem with it."""

import collections.abc
import dataclasses
import functools
import importlib.util
import inspect
import typing

from vivarium import _annotations, _declare, _targets
from vivarium.types import DataType, Field, TypeSpellingError, check, parse

MAX_PARAMETERS = 255
MAX_NAME = 255
MAX_DOC = 1000


@dataclasses.dataclass
class Parameter:
    """One parameter. `nullable`: a NULL reaches the function, as None; otherwise it makes the result NULL."""

    name: str
    type: DataType | None
    nullable: bool
    default: bool
    variadic: bool

    @property
    def told(self):
        """Whether there is a type for the host, which otherwise takes the column's."""
        return self.type is not None and _annotations.is_told(self.type)

    def describe(self):
        return {
            "name": self.name,
            "type": str(self.type) if self.told else None,
            "nullable": self.nullable,
            "default": self.default,
            "variadic": self.variadic,
        }


@dataclasses.dataclass
class Signature:
    """A function as it can be bound. `result` is None when its type cannot be told; rows of a table are a struct."""

    target: _targets.Target
    options: _declare.Declaration
    attribute: str
    name: str
    kind: str
    parameters: list[Parameter]
    result: DataType | None
    deterministic: bool
    on_error: str | None
    line: int
    decorated: bool
    plain_rows: bool = False  # of a table function with one column: its values are not wrapped in rows
    iterated: bool = False  # it takes an iterator over batches of Series
    framed: bool = False  # its columns come as one DataFrame

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
            "doc": _first_line(self.target.declared),
            "line": self.line,
            "decorated": self.decorated,
        }


def _first_line(function):
    doc = getattr(function, "__doc__", None)
    lines = doc.strip().splitlines() if isinstance(doc, str) else []
    return lines[0][:MAX_DOC] if lines else ""


class _Reader:
    """Reads one function's declaration, collecting problems instead of stopping at the first."""

    def __init__(self, function, attribute, lines):
        self.function = function
        self.attribute = attribute
        self.lines = lines
        self.declared = _declare.declaration(function)
        self.options = self.declared or _declare.Declaration()
        self.problems = []
        self.name = self.registered_name()
        self.target = self.find_target()
        self.kind = self.find_kind()
        self.namespace = getattr(inspect.unwrap(self.target.rows), "__globals__", {})
        self.iterated = self.framed = False

    def problem(self, message, line=None):
        """Notes a problem. `line` finds where it is; without it, it is the function's."""
        found = line() if line is not None else self.lines.definition(self.function)
        self.problems.append({"function": self.name, "line": found, "message": message})

    def registered_name(self):
        self.name = _cut(self.attribute)
        if self.name != self.attribute:
            self.problem(f"its name has more than {MAX_NAME} bytes")
        name = self.options.name
        if name is None:
            return self.name
        if isinstance(name, str) and name and name.isprintable() and _cut(name) == name:
            return name
        self.problem(f"name= must be a printable string of 1 to {MAX_NAME} bytes")
        return self.name

    def find_target(self):
        try:
            return _targets.target_of(self.function, self.options.kind, self.options.vectorized)
        except _targets.TargetError as error:
            self.problem(str(error))
            # Something without parameters to go on with, so that other problems are found too.
            return _targets.Target(self.function, None, _nothing, 0, _nothing)

    def find_kind(self):
        kind, rows = self.options.kind, self.target.rows
        asynchronous = inspect.iscoroutinefunction(rows) or inspect.isasyncgenfunction(rows)
        if kind != "scalar":
            if asynchronous:
                self.problem("only functions of one value per row can be async: write def instead of async def")
            return kind
        iterating = self.options.vectorized == "pandas" and inspect.isgeneratorfunction(rows)
        if inspect.isgeneratorfunction(rows) and not iterating or inspect.isasyncgenfunction(rows):
            self.problem("a function of one value per row cannot yield: use return, or declare a table function (@udtf)")
        if self.options.vectorized:
            if asynchronous:
                self.problem("a vectorized function cannot be async: write def instead of async def")
            return "vectorized"
        return "async" if asynchronous else "scalar"

    def choice(self, option, choices):
        value = getattr(self.options, option)
        if value is None or value in choices:
            return value
        self.problem(f"{option}={value!r:.100} is not one of {', '.join(map(repr, choices))}")
        return None

    def given_type(self, given, option):
        """A type handed to the decorator: a string, a Python type, or a declaration object with a `type_string`."""
        try:
            spelled = getattr(given, "type_string", given)
            if isinstance(spelled, str):
                return parse(spelled), False
            return _annotations.type_of(spelled, self.namespace, option)
        except (TypeSpellingError, _annotations.AnnotationError) as error:
            shown = "" if isinstance(error, TypeSpellingError) else f"`{_annotations.show(given)}` "
            self.problem(f"{option}{shown}{error}" if shown else f"{option}: {error}")
            return None, False

    def annotated_type(self, annotation, option, what, line):
        try:
            return _annotations.type_of(annotation, self.namespace, option, bool(self.options.vectorized))
        except _annotations.AnnotationError as error:
            if self.declared is not None:
                self.problem(f"{what}: the annotation `{_annotations.show(annotation)}` {error}", line)
            return None, False

    def checked(self, what, type):
        """The type, or None when the host would not take it: annotations put types together that are fine by themselves."""
        if type is None or not _annotations.is_told(type):
            return type
        try:
            check(type)
            parse(str(type))
            return type
        except TypeSpellingError as error:
            if self.declared is not None:
                self.problem(f"{what}: {error}")
            return None

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
        try:
            signature = inspect.signature(self.target.rows)
        except (TypeError, ValueError):
            self.problem("its parameters cannot be told: wrap it in a def")
            return []
        positional, skip = [], self.target.skip
        for parameter in signature.parameters.values():
            if skip and parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
                skip -= 1
            elif parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.default is inspect.Parameter.empty:
                self.problem(f"parameter '{parameter.name}' can only be given by name, and arguments are given in order")
            elif parameter.kind not in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
                positional.append(parameter)
        if skip and not (positional and positional[0].kind is inspect.Parameter.VAR_POSITIONAL):
            self.problem(f"{self.target.rows.__name__}() takes too few parameters: {self.target.skip} come before the columns")
        if self.options.vectorized == "pandas" and len(positional) == 1:
            self.iterated = self.is_iterator(positional[0].annotation)
            columns = self.given_table()
            if columns is not None:
                self.framed = True
                return [Parameter(_cut(field.name), field.type, handling == "call", False, False) for field in columns]
            if self.iterated:
                return self.iterated_parameters(positional[0], handling)
        types = self.input_types(positional)
        return [self.parameter(parameter, given, handling) for parameter, given in zip(positional, types)]

    def is_iterator(self, annotation):
        try:
            return typing.get_origin(_annotations.resolve(annotation, self.namespace)) is collections.abc.Iterator
        except _annotations.AnnotationError:
            return False

    def given_table(self):
        """The columns of `input_types="table(a int64, b string)"`, which come as one DataFrame; None when that is not what is given."""
        given = self.options.input_types
        if not isinstance(given, str) or not given.lstrip().lower().startswith("table"):
            return None
        type, _ = self.given_type(given, "input_types=")
        return () if type is None else type.fields

    def iterated_parameters(self, batches, handling):
        """The columns of `batches: Iterator[pd.Series]`, or of an iterator of tuples of Series: as many as there are types."""
        given = self.options.input_types
        if given is None:
            self.problem(f"parameter '{batches.name}' is an iterator over batches: give the types of its columns with input_types=")
            return []
        types = list(given) if isinstance(given, (list, tuple)) else [given]
        names = [batches.name] if len(types) == 1 else [f"{batches.name}{index}" for index in range(len(types))]
        types = [self.given_type(type, "input_types=")[0] for type in types]
        return [Parameter(_cut(name), type, handling == "call", False, False) for name, type in zip(names, types)]

    def parameter(self, parameter, given, handling):
        type, nullable = None, False
        option = "input_types="
        line = functools.partial(self.lines.parameter, self.target.rows, parameter.name)
        if given is not None:
            type, _ = self.given_type(given, option)
        # A PyFlink file's annotations are for its readers; types that are not given are those of the columns.
        annotated = parameter.annotation not in (inspect.Parameter.empty, typing.Any) and not self.options.pyflink
        if annotated:
            what = f"parameter '{parameter.name}'"
            if given is None:
                type, nullable = self.annotated_type(parameter.annotation, option, what, line)
                problem = None if type is None else _annotations.unmakeable(type)
                if problem:
                    self.problem(f"{what}: {problem}", line)
            else:
                nullable = _annotations.allows_none(parameter.annotation, self.namespace)
        if self.options.pyflink:
            nullable = True
        elif handling is not None:
            nullable = handling == "call"
        default = parameter.default is not inspect.Parameter.empty
        name = _cut(parameter.name)
        if name != parameter.name:
            self.problem(f"the name of parameter '{name[:20]}...' has more than {MAX_NAME} bytes")
        return Parameter(name, type, nullable, default, parameter.kind is inspect.Parameter.VAR_POSITIONAL)

    def result(self):
        """(type, whether a table's rows are plain values); the type is None when it cannot be told."""
        tables = self.kind in ("table", "table_aggregate")
        if self.options.result_type is not None:
            if tables:
                return self.given_columns(self.options.result_type)
            return self.given_type(self.options.result_type, "result_type=")[0], False
        if self.target.result is _nothing:
            return None, False
        try:
            annotation = inspect.signature(self.target.result).return_annotation
        except (TypeError, ValueError):
            return None, False
        line = functools.partial(self.lines.result, self.target.result)
        if annotation is inspect.Signature.empty or self.options.pyflink:
            if self.declared is not None:
                example = "`-> Iterator[int]`" if tables else "`-> int`"
                fix = "give result_type=" if self.options.pyflink else f"annotate it ({example}) or give result_type="
                self.problem(f"the result has no type: {fix}", line)
            return None, False
        if not tables:
            type = self.annotated_type(annotation, "result_type=", "result", line)[0]
            return self.known(type, annotation, line), False
        try:
            columns, plain = _annotations.rows_of(annotation, self.namespace, self.name)
        except _annotations.AnnotationError as error:
            self.problem(f"result: the annotation `{_annotations.show(annotation)}` {error}", line)
            return None, False
        return self.table(columns, line), plain

    def known(self, type, annotation, line):
        """A result's type; None when its annotation says nothing of it, or of a part."""
        if type is None or not _annotations.says_nothing(type):
            return type
        if self.declared is not None:
            self.problem(
                f"result: the annotation `{_annotations.show(annotation)}` does not tell its type: write one that does (`-> int`), "
                "or give result_type=",
                line,
            )
        return None

    def given_columns(self, given):
        """The columns of a table that were handed to the decorator: one type, or a list of them as in PyFlink."""
        if isinstance(given, (list, tuple)):
            types = [self.given_type(part, "result_type=")[0] for part in given]
            if None in types:
                return None, False
            return self.table([Field(f"f{index}", type) for index, type in enumerate(types)]), False
        try:
            if typing.get_origin(given) is not None:
                columns, plain = _annotations.rows_of(given, self.namespace, self.name)
                return self.table(columns), plain
        except _annotations.AnnotationError as error:
            self.problem(f"result_type=`{_annotations.show(given)}` {error}")
            return None, False
        type, _ = self.given_type(given, "result_type=")
        if type is None:
            return None, False
        columns, plain = _annotations.columns_of(type, self.name)
        return self.table(columns), plain

    def table(self, columns, line=None):
        if not columns:
            self.problem("a table function returns at least one column", line)
            return None
        return DataType("struct", fields=tuple(columns))

    def read(self):
        handling = self.choice("null_handling", ("skip", "call"))
        on_error = self.choice("on_error", ("fail", "null", "skip"))
        for problem in _vectorized_problems(self.options):
            self.problem(problem)
        if not isinstance(self.options.columns, bool):
            self.problem(f"columns={self.options.columns!r:.100} is not True or False")
        parameters = self.parameters(handling)
        if self.options.vectorized and not parameters:
            self.problem("a vectorized function has at least one parameter: the number of rows is that of its arguments")
        if len(parameters) > MAX_PARAMETERS:
            self.problem(f"it has {len(parameters)} parameters; at most {MAX_PARAMETERS} are possible")
        result, plain = self.result()
        parameters = [dataclasses.replace(each, type=self.checked(f"parameter '{each.name}'", each.type)) for each in parameters]
        result = self.checked("the result", result)
        return Signature(
            target=self.target,
            options=self.options,
            attribute=_cut(self.attribute),
            name=self.name,
            kind=self.kind,
            parameters=parameters[:MAX_PARAMETERS],
            result=result,
            deterministic=bool(self.options.deterministic),
            on_error=on_error,
            line=self.lines.definition(self.function),
            decorated=self.declared is not None,
            plain_rows=plain,
            iterated=self.iterated,
            framed=self.framed,
        )


def _cut(name):
    """A name as long as the host takes one, in bytes of UTF-8."""
    return name.encode("utf-8", "replace")[:MAX_NAME].decode("utf-8", "ignore")


def _nothing():
    """Stands for a function that is missing."""


def _vectorized_problems(options):
    """Why functions cannot be vectorized as they say."""
    if options.func_type not in ("general", "pandas"):
        yield f"func_type={options.func_type!r:.100} is not one of 'general', 'pandas'"
    if options.vectorized not in (False, True, "pandas", "arrow"):
        yield f"vectorized={options.vectorized!r:.100} is not one of False, True, 'pandas', 'arrow'"
    if (options.kind, options.vectorized) in (("aggregate", "arrow"), ("table_aggregate", "pandas"), ("table_aggregate", "arrow")):
        what = options.kind.replace("_", " ")
        yield f"{what} functions cannot be vectorized={options.vectorized!r}" + (
            ": use True (arrays over all groups) or 'pandas'" if options.kind == "aggregate" else ""
        )
    if options.kind == "table" and options.vectorized in (True, "arrow"):
        yield f"table functions cannot be vectorized={options.vectorized!r}: use 'pandas', which gets Series and returns DataFrames"
    if options.vectorized == "pandas" and importlib.util.find_spec("pandas") is None:
        spelling = 'func_type="pandas"' if options.pyflink else 'vectorized="pandas"'
        yield (
            f"{spelling} needs an image with pandas, which this one has not: run the file with --image data, or declare the function "
            "with @udf(vectorized=True) of `vivarium`, which gets NumPy arrays"
        )


def read(function, attribute, lines):
    """(signature, problems) of what stands under a name of a module."""
    reader = _Reader(function, attribute, lines)
    return reader.read(), reader.problems
