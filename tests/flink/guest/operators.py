"""Scalar operators as Flink describes them, run by the guest's half: rows of a message in, bytes out."""

import base64
import contextlib
import json
import os
import traceback

import _flink_rows
import cloudpickle
import column_programs
from _vivarium_flink import _bundle, frames, rows
from pyflink.fn_execution import coders, flink_fn_execution_pb2
from pyflink.fn_execution.table.operations import SCALAR_FUNCTION_URN
from pyflink.serializers import PickleSerializer
from pyflink.table.udf import DelegatingScalarFunction, ScalarFunction
from vivarium import _lift
from vivarium.types import DataType

CODERS = {
    "TINYINT": coders.TinyIntCoder,
    "SMALLINT": coders.SmallIntCoder,
    "INT": coders.IntCoder,
    "BIGINT": coders.BigIntCoder,
    "FLOAT": coders.FloatCoder,
    "DOUBLE": coders.DoubleCoder,
    "BOOLEAN": coders.BooleanCoder,
    "VARCHAR": coders.CharCoder,
    "VARBINARY": coders.BinaryCoder,
}


class Operator:
    """`calls` make its results: (function, argument, ...), where an argument is the number of a column, such a call, or Constant(value)."""

    def __init__(self, types, calls, results):
        self.types, self.results = types, results
        self.codec = _flink_rows.Codec(rows.plan(coders.FlattenRowCoder([CODERS[type]() for type in types])))
        self.proto = flink_fn_execution_pb2.UserDefinedFunctions()
        for call in calls:
            _put(self.proto.udfs.add(), call)

    def message(self, values):
        """Elements: a list of each row's values."""
        encoded = b""
        for row in values:
            row = self.codec.encode(list(row))
            length = len(row)
            while length > 127:
                encoded += bytes((length & 127 | 128,))
                length >>= 7
            encoded += bytes((length,)) + row
        return encoded

    def open(self, mode):
        """A bundle's functions, with their columns off, forced or shadowed."""
        before, _lift.asked = _lift.asked, mode if mode in _lift.MODES else "auto"
        if mode == _lift.OFF:
            os.environ[_lift.VARIABLE] = _lift.OFF
        try:
            return Opened(self)
        finally:
            _lift.asked = before
            os.environ.pop(_lift.VARIABLE, None)

    def description(self):
        transform = {"id": "t", "urn": SCALAR_FUNCTION_URN, "payload": _encoded(self.proto), "function": None, "outputs": {"": ["sink"]}}
        multiple = flink_fn_execution_pb2.CoderInfoDescriptor.MULTIPLE
        single = flink_fn_execution_pb2.CoderInfoDescriptor.SINGLE
        return json.dumps(
            {
                "version": "2.3.0",
                "state_cache": 10,
                "log_levels": {"": "INFO"},
                "source": {"coder": _coder(self.types, multiple), "to": ["t"]},
                "transforms": [transform | {"timer": None}],
                "sinks": {"sink": _coder(self.results, single)},
            }
        )


class Constant:
    def __init__(self, value):
        self.value = value


class Opened:
    """`function` is the _vivarium.Function whose program runs its rows as columns, or None."""

    def __init__(self, operator):
        self.bundle = _bundle.Bundle(operator.description())
        run = self.bundle._loop[0]
        names = run.__code__.co_freevars
        self.function = run.__closure__[names.index("function")].cell_contents

    def __call__(self, message):
        """What is sent back, or the traceback of the exception."""
        try:
            answer = self.bundle.process(b"".join(frames.write(frames.ELEMENTS, "source", message)))
        except Exception as error:
            with contextlib.suppress(AttributeError):
                self.bundle._sinks["sink"].output_stream.take()
            return "".join(traceback.format_exception(error))
        return [content for _, _, content in frames.read(answer)]


def _put(proto, call):
    function, *arguments = call
    proto.payload = function if isinstance(function, bytes) else pickled(function)
    for argument in arguments:
        given = proto.inputs.add()
        if isinstance(argument, tuple):
            _put(given.udf, argument)
        elif isinstance(argument, Constant):
            given.inputConstant = b"\0" + PickleSerializer().dumps(argument.value)
        else:
            given.inputOffset = argument


def pickled(function):
    """As a client sends a function, or an instance of ScalarFunction."""
    return cloudpickle.dumps(function if isinstance(function, ScalarFunction) else DelegatingScalarFunction(function))


def written(source, name):
    """A function of a script, pickled."""
    space = {"__name__": "__main__"}
    exec(column_programs.PRELUDE + source, space)
    return pickled(space[name])


def _encoded(proto):
    return base64.b64encode(proto.SerializeToString()).decode()


def _coder(types, mode):
    """{"urn", "payload", "components"} of rows."""
    proto = flink_fn_execution_pb2.CoderInfoDescriptor(mode=mode)
    proto.flatten_row_type.schema.SetInParent()
    for k, type in enumerate(types):
        field = proto.flatten_row_type.schema.fields.add(name=f"f{k}")
        field.type.type_name = flink_fn_execution_pb2.Schema.TypeName.Value(type)
        field.type.nullable = True
    plain = {"urn": "flink:coder:v1", "payload": _encoded(proto), "components": []}
    prefixed = {"urn": "beam:coder:length_prefix:v1", "payload": "", "components": [plain]}
    return {"urn": "beam:coder:param_windowed_value:v1", "payload": "", "components": [prefixed]}


# ---- Random ones ----

FLINK_TYPES = {
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INT",
    "int64": "BIGINT",
    "uint8": "SMALLINT",
    "uint16": "INT",
    "uint32": "BIGINT",
    "uint64": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "string": "VARCHAR",
    "large_string": "VARCHAR",
}
VALUES = {"TINYINT": "int8", "SMALLINT": "int16", "INT": "int32", "BIGINT": "int64", "FLOAT": "float", "DOUBLE": "double"}
VALUES |= {"BOOLEAN": "bool", "VARCHAR": "string"}


class ShortFunction(column_programs.Function):
    """Few statements: several of them in a chain have rows enough that none of them leaves to the interpreter."""

    def block(self, depth, count):
        return super().block(depth, 1)


def guarded(function):
    """The source of a Function of column_programs, as functions of Flink jobs are that do not end the job: None makes None, and so do most
    errors."""
    names = [f"a{k}" for k in range(len(function.types))]
    lines = [f"    if {name} is None: return None" for name, optional in zip(names, function.optional) if not optional]
    call = f"{function.name}({', '.join(names)})"
    lines += ["    try:", f"        return {call}"]
    lines += ["    except (ArithmeticError, LookupError, TypeError, ValueError):", "        return None"]
    return function.source + "\n".join([f"def guarded({', '.join(names)}):", *lines]) + "\n"


class RandomOperator(Operator):
    """Functions of column_programs, chained at random. `sources` is what they were written as."""

    def __init__(self, seed):
        self.r = column_programs.random.Random(seed)
        self.seed, self.sources, self.columns = seed * 1000, [], []
        calls, results = [], []
        for _ in range(self.r.choice((1, 1, 2, 3))):
            function = self._function()
            calls.append(self._call(function, 0))
            results.append(FLINK_TYPES[function.result])
        super().__init__(self.columns, calls, results)

    def _function(self, kind=None):
        """One that is lifted, mostly."""
        while True:
            self.seed += 1
            function = self.r.choice((ShortFunction, ShortFunction, column_programs.Function))(self.seed)
            if kind is not None and function.result_kind != kind or not {*function.types, function.result} <= FLINK_TYPES.keys():
                continue
            space = {}
            exec(column_programs.PRELUDE + guarded(function), space)
            arguments = [(DataType(type), True) for type in function.types]
            if _lift.explain(space["guarded"], arguments, DataType(function.result))[0] or self.r.random() < 0.05:
                return function

    def _call(self, function, depth):
        source = guarded(function)
        self.sources.append(source)
        payload = written("\n" + source, "guarded" if self.r.random() < 0.95 else function.name)
        return payload, *(self._argument(type, depth) for type in function.types)

    def _argument(self, type, depth):
        kind = next(kind for kind, types in column_programs.TYPES.items() if type in types)
        wanted = FLINK_TYPES[type]
        k = self.r.random()
        if k < 0.25 and depth < 2:
            return self._call(self._function(kind), depth + 1)
        if k < 0.3:
            return Constant(column_programs.value(self.r, VALUES[wanted]))
        if k < 0.6 and wanted in self.columns:
            return self.columns.index(wanted)
        self.columns.append(wanted)
        return len(self.columns) - 1

    def rows(self, count):
        found = values(self.r, self.types, count)
        return [list(map(tame, row)) for row in found] if self.r.random() < 0.5 else found


def tame(value):
    """A value like it, of those that most operations can do something with."""
    if type(value) is int:
        return value % 50
    if type(value) is float:
        return value if 0.01 < abs(value) < 1e6 else 1.5
    return value.encode("ascii", "ignore").decode() if type(value) is str else value


def values(r, types, count):
    """Rows for columns of these types, with NULLs."""
    return [[None if r.random() < 0.1 else column_programs.value(r, VALUES[type]) for type in types] for _ in range(count)]


def compare(operator, values, cuts=(None, 7, 300)):
    """What is different with columns and without, as text; None: nothing. The numbers of rows as columns and of those that were not."""
    done = [0, 0]
    for cut in cuts:
        size = cut or len(values)
        messages = [operator.message(values[start : start + size]) for start in range(0, len(values), size)]
        without = operator.open("off")
        assert without.function is None
        expected = [without(message) for message in messages]
        for mode in ("force", "shadow"):
            opened = operator.open(mode)
            for number, (message, right) in enumerate(zip(messages, expected)):
                found = opened(message)
                if found != right:
                    return f"{mode}, messages of {cut}: number {number}:\n{str(found)[-2000:]}\ninstead of\n{str(right)[-2000:]}", done
            if mode == "force" and opened.function is not None:
                done[0] += opened.function.rows_as_columns
                done[1] += opened.function.rows_interpreted
    return None, done
