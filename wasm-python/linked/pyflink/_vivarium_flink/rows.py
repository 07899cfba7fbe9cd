"""The loop over rows in C, for bundles of one function over rows.

PyFlink's coders say what a field is; what has no C code there keeps its PyFlink coder, which then works on the streams of C. Three
ways lead to the function, the fastest that fits is taken: it is called with the values of a row as they are (one function over all
columns, in order); through the lambda that PyFlink generated; or, for everything else, PyFlink's own loop in `bundle`.
"""

import _flink_rows
from pyflink.fn_execution import coders
from pyflink.fn_execution.table import operations
from pyflink.table.udf import DelegatingScalarFunction

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
    work = coder.get_impl()
    return "other", work.decode_from_stream, work.encode_to_stream


def _row_coder(windowed):
    """The coder of rows within what Beam wraps around it, and how many of them a value has; None for anything else."""
    inner = windowed.wrapped_value_coder.value_coder()._internal_coder
    rows = inner._field_coder if isinstance(inner, (coders.ValueCoder, coders.IterableCoder)) else None
    if type(rows) is not coders.FlattenRowCoder:
        return None
    if isinstance(inner, coders.ValueCoder):
        return rows, _ONE
    return rows, _MANY_AND_AN_END if inner._separated_with_end_message else _MANY


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


def loop(operation, source, sink):
    """A function from the elements of a message to those for the sink; None when PyFlink's loop has to do it.

    `operation` is the only one of its bundle, `source` and `sink` are Beam's coders.
    """
    inner = operation.operation
    if type(inner) not in (operations.ScalarFunctionOperation, operations.TableFunctionOperation) or operation._profiler:
        return None
    given, wanted = _row_coder(source), _row_coder(sink)
    if given is None or wanted is None or given[1] == _ONE:
        return None
    (rows, _), (results, mode) = given, wanted
    decoder, encoder = _flink_rows.Codec(plan(rows)), _flink_rows.Codec(plan(results))
    direct = _direct(inner, operation.spec.serialized_fn, len(rows._field_coders)) if mode == _ONE else None
    function = direct or inner.func
    return lambda elements: _flink_rows.run(decoder, function, encoder, mode, direct is not None, elements)
