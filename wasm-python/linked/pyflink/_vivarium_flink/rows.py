"""The loop over rows in C, for bundles whose operators follow one another, and the coders of what states hold.

PyFlink's coders say what a field is; what has no C code there keeps its PyFlink coder, which then works on the streams of C. Several
ways lead to the functions, the fastest that fits is taken: scalar functions run as columns (`columns`), apart from rows that are the
interpreter's; a function is called with the values of a row as they are (one function over all columns, in order); operators are called
one after the other with what PyFlink made of their functions; or, for everything else (side outputs, async functions, aggregates),
PyFlink's own loop in `bundle`.
"""

import _flink_rows
from pyflink.common.types import Row, RowKind
from pyflink.fn_execution import coder_impl_slow, coders, state_impl
from pyflink.fn_execution.beam import beam_coders, beam_operations, beam_operations_slow
from pyflink.fn_execution.datastream.process import input_handler
from pyflink.fn_execution.datastream.process import operations as streams
from pyflink.fn_execution.table import operations
from pyflink.table.udf import DelegatingScalarFunction

from . import columns
from .beam.coders import StreamCoderImpl

_INTS = {coders.TinyIntCoder: 1, coders.SmallIntCoder: 2, coders.IntCoder: 4, coders.BigIntCoder: 8}
_PLAIN = {
    coders.BooleanCoder: "bool",
    coders.FloatCoder: "float",
    coders.DoubleCoder: "double",
    coders.BinaryCoder: "bytes",
    coders.CharCoder: "text",
}

_ONE, _MANY, _MANY_AND_AN_END = range(3)


def plan(coder):
    """What `_flink_rows.Codec` takes, for a field coder of PyFlink's."""
    kind = type(coder)
    if kind in _INTS:
        return "int", _INTS[kind]
    if kind in _PLAIN:
        return (_PLAIN[kind],)
    if kind is coders.GenericArrayCoder:
        return "array", plan(coder._elem_coder)
    if kind is coders.PrimitiveArrayCoder:
        return "items", plan(coder._elem_coder)
    if kind is coders.MapCoder:
        return "map", plan(coder._key_coder), plan(coder._value_coder)
    if kind is coders.TupleCoder:
        return "tuple", *map(plan, coder._field_coders)
    if kind is coders.FlattenRowCoder:
        return "row", *map(plan, coder._field_coders)
    if kind is coders.RowCoder:
        return "record", list(coder._field_names), *map(plan, coder._field_coders)
    work = coder.get_impl()
    methods = work.decode_from_stream, work.encode_to_stream
    if kind is coders.DateCoder:
        return "date", *methods
    if kind is coders.TimeCoder:
        return "time", *methods
    if kind in (coders.TimestampCoder, coders.LocalZonedTimestampCoder):
        name = "timestamp" if kind is coders.TimestampCoder else "zoned"
        return name, 8 if coder.precision <= 3 else 12, *methods
    if kind is coders.DecimalCoder:
        return "decimal", coder.precision, coder.scale, *methods
    return "other", *methods


def _write_timestamp(self, value, out):
    """`TimestampCoderImpl.encode_to_stream` as it is compiled on stock workers: what a TIMESTAMP(3) has no place for is left out."""
    milliseconds, nanoseconds = self.timestamp_to_internal(value)
    out.write_int64(milliseconds)
    if not self.is_compact():
        out.write_int32(nanoseconds)


class FieldCoderImpl(StreamCoderImpl):
    """The work of a coder of single values, in C, for streams of `beam.coders`."""

    def __init__(self, coder):
        self._codec = _flink_rows.Codec(plan(coder))

    def encode_to_stream(self, value, out, nested):
        out.write(self._codec.encode(value))

    def decode_from_stream(self, stream, nested):
        value, stream.pos = self._codec.read_at(stream.data, stream.pos)
        return value


class _RowCoderImpl:
    """The work of the coder of a message's rows, in C, for PyFlink's own loop."""

    def __init__(self, coder):
        self._codec = _flink_rows.Codec(plan(coder))

    def encode_to_stream(self, value, out):
        out.write(self._codec.encode(value))

    def decode_from_stream(self, stream, length):
        return self._codec.decode(stream.read(length))


def _get_impl(coder):
    """`FlinkCoder.get_impl`: rows of messages; what states hold, and their namespaces. PyFlink asks for those again for each key."""
    if isinstance(coder._internal_coder, coders.LengthPrefixBaseCoder):
        rows = coder._create_impl()
        rows._field_coder = _RowCoderImpl(coder._internal_coder._field_coder)
        return beam_coders.FlinkLengthPrefixCoderBeamWrapper(rows)
    inner = coder._internal_coder
    if not hasattr(inner, "_in_c"):
        inner._in_c = FieldCoderImpl(inner)
    return inner._in_c


class _KeyedStateBackend(state_impl.RemoteKeyedStateBackend):
    """With keys encoded in C."""

    def __init__(self, state_handler, key_coder, *others):
        super().__init__(state_handler, key_coder, *others)
        self._key_coder_impl = _flink_rows.Codec(plan(key_coder))


def install():
    """Puts this in place of what PyFlink does in Python, and on stock workers in Cython."""
    _flink_rows.adopt(Row, tuple(map(RowKind, range(4))))
    coder_impl_slow.TimestampCoderImpl.encode_to_stream = _write_timestamp
    beam_coders.FlinkCoder.get_impl = _get_impl
    beam_operations.RemoteKeyedStateBackend = _KeyedStateBackend


def _row_coder(windowed):
    """The coder of rows within what Beam wraps around it, and how many of them a value has; None for anything else."""
    inner = windowed.wrapped_value_coder.value_coder()._internal_coder
    if isinstance(inner, coders.ValueCoder):
        return inner._field_coder, _ONE
    if not isinstance(inner, coders.IterableCoder):
        return None
    return inner._field_coder, _MANY_AND_AN_END if inner._separated_with_end_message else _MANY


def _stage(operation):
    """What `_flink_rows.run` takes, for the inner part of an operator; None for one that has to be driven by PyFlink."""
    kind = type(operation)
    if kind in (operations.ScalarFunctionOperation, operations.TableFunctionOperation):
        return (operation.func,)
    if kind not in (streams.StatelessOperation, streams.StatefulOperation):
        return None
    function = operation.process_element_func
    handler = getattr(function, "__self__", None)
    if type(handler) is not input_handler.RunnerInputHandler or handler._has_side_output:
        return (function,)
    return handler._advance_watermark, handler._process_element_func


def _stages(operator):
    """The stages of an operator and of those that follow it, and the sink; None when one of them does not fit."""
    stages = []
    while True:
        if operator._has_side_output or operator._profiler:
            return None
        stage = _stage(operator.operation)
        if stage is None:
            return None
        stages.append(stage)
        following = operator._main_output_processor
        if isinstance(following, beam_operations_slow.NetworkOutputProcessor):
            return tuple(stages), following._consumer
        operator = following._consumer


def _described(operator):
    """The functions that an operator calls and what Flink calls its task, for errors."""
    functions = getattr(operator.operation, "user_defined_funcs", ())
    functions = [one.func if isinstance(one, DelegatingScalarFunction) else type(one) for one in functions]
    names = ", ".join(getattr(one, "__name__", "a function") for one in functions) or "an operator"
    task = operator.spec.serialized_fn.runtime_context.task_name
    return f"{names} (task {task})" if task else names


def _direct(operation, serialized, columns):
    """The function itself, when it takes the columns as they are and makes the only result."""
    if type(operation) is not operations.ScalarFunctionOperation or len(serialized.udfs) != 1:
        return None
    function = serialized.udfs[0]
    inputs = [given.inputOffset if given.HasField("inputOffset") else None for given in function.inputs]
    if inputs != list(range(columns)) or function.takes_row_as_input or function.is_pandas_udf:
        return None
    target = operation.user_defined_funcs[0]
    return target.func if isinstance(target, DelegatingScalarFunction) else target.eval


def loop(operator, source):
    """A function from the elements of a message to those for the sink, and the sink; None when PyFlink's loop has to do it.

    `operator` is the one that takes the elements, `source` is Beam's coder of them.
    """
    found = _stages(operator)
    if found is None:
        return None
    stages, sink = found
    given, wanted = _row_coder(source), _row_coder(sink.windowed_coder)
    if given is None or wanted is None or given[1] == _ONE:
        return None
    (rows, _), (results, mode) = given, wanted
    scalar = type(operator.operation) is operations.ScalarFunctionOperation
    if scalar != (mode == _ONE) or (scalar and len(stages) > 1):
        return None
    decoder, encoder = _flink_rows.Codec(plan(rows), _described(operator)), _flink_rows.Codec(plan(results))
    direct = function = None
    if scalar and isinstance(rows, coders.FlattenRowCoder) and isinstance(results, coders.FlattenRowCoder):
        operation, serialized = operator.operation, operator.spec.serialized_fn
        direct = _direct(operation, serialized, len(rows._field_coders))
        function = columns.function(operation, serialized, rows, results)
    if direct is not None:
        stages = ((direct,),)
    return (lambda elements: _flink_rows.run(decoder, stages, encoder, mode, direct is not None, elements, function)), sink
