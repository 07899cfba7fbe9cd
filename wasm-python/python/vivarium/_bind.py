"""Binding: a signature and the types of columns become functions that the host can call."""

import _vivarium
from vivarium import _aggregates, _annotations, _lift
from vivarium._context import FunctionContext
from vivarium._errors import DefinitionError, ProtocolError
from vivarium.types import DataType, Field, TypeSpellingError, parse

POLICIES = {"fail": 0, "null": 1, "skip": 2}

# vv_mode of the shim.
_ROWS, _BATCHES, _TABLE, _VALUES, _LENIENT, _AWAITED = range(6)

# Operations of an aggregate function beside 0, accumulate. 1 continues a result.
RETRACT, VALUE, STATE, MERGE, RESTORE, FORGET = range(2, 8)

# How the columns of an aggregate function over Series come: they become Series when the value of their group is asked for.
_KEPT = "kept for pandas"

_GROUP = DataType("uint32")
_NOTHING = DataType("null")
_BYTES = DataType("large_binary")


def accepts(signature, count):
    """Raises when the function cannot be called with so many arguments."""
    required = sum(not parameter.default and not parameter.variadic for parameter in signature.parameters)
    variadic = any(parameter.variadic for parameter in signature.parameters)
    if count < required or (count > len(signature.parameters) and not variadic):
        names = ", ".join(("*" if parameter.variadic else "") + parameter.name for parameter in signature.parameters)
        raise DefinitionError(f"{signature.name}({names}) cannot be called with {count} arguments")


class _Argument:
    """A column: its type, how the shim reads it, and what messages call it."""

    def __init__(self, type, plan, name):
        self.type = type
        self.plan = plan
        self.name = name

    @property
    def nullable(self):
        """Whether a NULL reaches the function."""
        return self.plan[2]


def _argument(signature, index, given):
    parameter = signature.parameters[min(index, len(signature.parameters) - 1)]
    try:
        type = parse(given["type"]) if isinstance(given, dict) else None
    except (KeyError, TypeSpellingError) as error:
        raise ProtocolError(f"the type of argument {index}: {error}") from None
    if type is None:
        raise ProtocolError("an argument is an object with a type")
    if parameter.type is not None:
        if not parameter.told and not _annotations.accepts(parameter.type, type):
            raise DefinitionError(f"parameter '{parameter.name}' of {signature.name} takes {parameter.type}, and its column is a {type}")
        type = _annotations.graft(type, parameter.type)
    if signature.options.pyflink and not signature.options.vectorized:
        type = _with_rows(type)
    # Here "nullable" tells the shim whether a NULL reaches the function.
    return _Argument(type, type.plan(parameter.name, parameter.nullable), f"argument '{parameter.name}'")


def _with_rows(type):
    """The type with structs as PyFlink's Rows."""
    from pyflink.common.types import row_constructor

    fields = tuple(Field(field.name, _with_rows(field.type), field.nullable) for field in type.fields)
    constructor = row_constructor([field.name for field in fields]) if type.id == "struct" else type.constructor
    return DataType(type.id, type.unit, type.timezone, type.precision, type.scale, type.size, fields, constructor)


def _own(name, type):
    """An argument of the runtime's own."""
    return _Argument(type, type.plan(name, False), name)


def table_type(columns):
    """The type of a table's result: the row that a row came from, and the row."""
    return DataType("struct", fields=(Field("row", _GROUP, False), Field("row_values", columns, False)))


def _makers(arguments, result, vectorized, signature):
    """How the shim makes the arguments of a vectorized function, and the dtype of its result."""
    try:
        from vivarium import _vectors
    except ImportError:
        raise DefinitionError("vectorized functions need NumPy, which this image does not have") from None
    if vectorized in ("pandas", _KEPT):
        from vivarium import _series

        made = [
            _series.kept_argument(argument.type, not signature.framed)
            if vectorized == _KEPT
            else _series.argument(argument.type, signature.options.pyflink, argument.nullable, not signature.framed)
            for argument in arguments
        ]
    elif vectorized == "arrow":
        from vivarium import arrow

        made = [arrow.argument(argument.type) for argument in arguments]
        return (*made, (arrow.exporter(result), _vectors.dtype(result)))
    else:
        made = [_vectors.argument(argument.type, argument.nullable) for argument in arguments]
    return (*made, _vectors.dtype(result))


class Bound:
    """A bound function and the object whose methods it calls, which is open."""

    def __init__(self, signature, arguments, policy, output, context):
        self.signature = signature
        self.policy = policy
        self.output = output
        self.context = context
        self.columns = None  # how the function runs as columns: a _lift.Candidate
        self.instance = signature.target.make()
        if self.instance is not None:
            self._call_if_defined("open", context)
        try:
            if signature.kind in ("aggregate", "table_aggregate"):
                self.function = self._aggregate(arguments)
            else:
                self.function = self._plain(arguments)
        except BaseException:
            self.abandon()
            raise
        if self.instance is not None:
            self.function.registry = context._registry
            self.function.measured = context._take

    def _call_if_defined(self, name, *arguments):
        method = getattr(self.instance, name, None)
        if callable(method):
            method(*arguments)

    def close(self):
        if self.instance is not None:
            self._call_if_defined("close")

    def abandon(self):
        """Closes what was opened in vain: what went wrong before is what is told."""
        try:
            self.close()
        except Exception:
            pass

    def make(self, callable, arguments, result, mode=_ROWS, vectorized=False, hidden=0, policy=None):
        """A function of the shim. The runtime's own arguments, `hidden` ones, are arrays when it is vectorized."""
        if mode in (_TABLE, _VALUES, _LENIENT):
            result = table_type(result)
        makers = None
        if vectorized:
            own = _makers(arguments[:hidden], result, True, self.signature)[:-1]
            makers = (*own, *_makers(arguments[hidden:], result, vectorized, self.signature))
        return _vivarium.Function(
            callable,
            self.signature.name,
            tuple(argument.plan for argument in arguments),
            tuple(argument.name for argument in arguments),
            result.plan("result"),
            POLICIES[policy or self.policy],
            makers,
            mode,
            hidden,
            *self.output,
        )

    def _table_mode(self):
        if self.signature.options.pyflink:
            return _LENIENT
        return _VALUES if self.signature.plain_rows else _TABLE

    def _plain(self, arguments):
        signature, kind = self.signature, self.signature.kind
        if self.instance is None:
            callable = signature.target.declared
        else:
            callable = self.instance.eval if hasattr(self.instance, "eval") else self.instance
        mode = self._table_mode() if kind == "table" else _AWAITED if kind == "async" else _ROWS
        vectorized = signature.options.vectorized if kind in ("vectorized", "table") else False
        if vectorized == "pandas":
            from vivarium import _frames, _series

            if signature.framed:
                callable = _frames.framed(callable, [argument.plan[1] for argument in arguments], signature.iterated)
            if kind == "table":
                callable = _frames.table(callable, signature.result, signature.iterated)
            else:
                callable = _series.function(callable, signature.result, signature.options.pyflink, signature.iterated)
        function = self.make(callable, arguments, signature.result, mode, vectorized)
        if mode == _ROWS and not vectorized and signature.options.columns is not False:
            self.columns = _lift.attach(function, callable, [(argument.type, argument.nullable) for argument in arguments], signature.result)
        return function

    def _pandas_aggregate(self, arguments):
        """An aggregate function whose groups are kept whole."""
        from vivarium import _frames, _pandas_groups

        signature, columns = self.signature, self.signature.result
        call = signature.target.declared if self.instance is None else _pandas_groups.of_class(self.instance)
        if signature.framed:
            call = _frames.framed(call, [argument.plan[1] for argument in arguments])
        self.groups = groups = _pandas_groups.PandasGroups(call, arguments, signature.options.pyflink, not signature.framed)
        group, state = _own("group", _GROUP), _own("state", _BYTES)

        def own(callable, arguments, result):
            return self.make(callable, arguments, result, hidden=1, policy="fail")

        accumulate = self.make(groups.method("accumulate"), [group, *arguments], _NOTHING, vectorized=_KEPT, hidden=1)
        self._spoiling(accumulate).operations = {
            VALUE: self.make(groups.value, [group], columns, hidden=1),
            STATE: own(groups.state, [group], _BYTES),
            MERGE: own(groups.merge, [group, state], _NOTHING),
            RESTORE: own(groups.restore, [group, state], _NOTHING),
            FORGET: own(groups.forget, [], _NOTHING),
        }
        return accumulate

    def _spoiling(self, function):
        """A function of groups and rows, of which a row that fails takes the value of its group under the policy "null"."""
        if self.policy == "null":
            function.spoil = self.groups.spoil
        return function

    def _aggregate(self, arguments):
        if self.signature.options.vectorized == "pandas":
            return self._pandas_aggregate(arguments)
        vectorized, columns = bool(self.signature.options.vectorized), self.signature.result
        groups = (_aggregates.ArrayGroups if vectorized else _aggregates.RowGroups)(
            self.instance, self.signature.options, self.policy
        )
        self.groups = groups
        group, state = _own("group", _GROUP), _own("state", _BYTES)

        def rows(name):
            return self.make(groups.method(name), [group, *arguments], _NOTHING, vectorized=vectorized, hidden=1)

        def own(callable, arguments, result, vectorized=False):
            return self.make(callable, arguments, result, vectorized=vectorized, hidden=1, policy="fail")

        accumulate = self._spoiling(rows("accumulate"))
        operations = {STATE: own(groups.state, [group], _BYTES), FORGET: own(groups.forget, [], _NOTHING)}
        operations[RESTORE] = own(groups.restore, [group, state], _NOTHING, vectorized)
        if self.signature.kind == "table_aggregate":
            nulls = None if self.signature.plain_rows else (None,) * len(columns.fields)
            operations[VALUE] = self.make(groups.rows(nulls), [group], columns, self._table_mode(), hidden=1)
        else:
            operations[VALUE] = self.make(groups.value, [group], columns, vectorized=vectorized, hidden=1)
        if _aggregates.has_method(self.instance, "retract"):
            operations[RETRACT] = self._spoiling(rows("retract"))
        if _aggregates.has_method(self.instance, "merge"):
            operations[MERGE] = own(groups.merge, [group, state], _NOTHING, vectorized)
        accumulate.operations = operations
        return accumulate


def _field(request, name, kind, default):
    value = request.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ProtocolError(f"the field '{name}' is of another type")
    return value


def _context(request):
    given = _field(request, "context", dict, {})
    parameters = _field(given, "job_parameters", dict, {})
    if not all(isinstance(value, str) for value in parameters.values()):
        raise ProtocolError("job parameters are strings")
    return FunctionContext(parameters, _field(given, "task_number", int, 0), _field(given, "parallelism", int, 1))


def bind(signature, request):
    """The bound function that a bind request asks for."""
    policy = request.get("on_error", "fail")
    if not isinstance(policy, str) or policy not in POLICIES:
        raise ProtocolError("on_error is fail, null or skip")
    given = _field(request, "arguments", list, None)
    accepts(signature, len(given))
    if signature.result is None:
        raise DefinitionError(f"the result of {signature.name} has no type: annotate it (`-> int`) or use @udf(result_type=...)")
    limits = _field(request, "output", dict, {})
    output = (_field(limits, "rows", int, 1 << 16), _field(limits, "bytes", int, 1 << 24))
    try:
        arguments = [_argument(signature, index, item) for index, item in enumerate(given)]
        return Bound(signature, arguments, policy, output, _context(request))
    except TypeSpellingError as error:
        raise DefinitionError(str(error)) from None
