"""Scalar operators as Flink describes them, run by the guest's half: rows of a message in, bytes out."""

import base64
import contextlib
import decimal
import json
import os
import re
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
from vivarium.types import parse

PLAIN = {
    "TINYINT": ("int", 1),
    "SMALLINT": ("int", 2),
    "INT": ("int", 4),
    "BIGINT": ("int", 8),
    "FLOAT": ("float",),
    "DOUBLE": ("double",),
    "BOOLEAN": ("bool",),
    "VARCHAR": ("text",),
    "CHAR": ("text",),
    "VARBINARY": ("bytes",),
    "BINARY": ("bytes",),
    "DATE": ("int", 4),
    "TIME": ("int", 4),
    "DECIMAL": ("text",),
    "BASIC_ARRAY": ("array", ("int", 8)),
}
"""How values of a type are sent: those that functions get are numbers or texts there."""


def parts(type):
    """The name of a type, and its parameters."""
    name, *rest = re.findall(r"\w+", type)
    return name, list(map(int, rest))


def sent(type):
    """The plan of a column as it is sent: of datetimes, milliseconds, with nanoseconds where there are more than three digits."""
    name, numbers = parts(type)
    if name not in ("TIMESTAMP", "LOCAL_ZONED_TIMESTAMP"):
        return PLAIN[name]
    return ("int", 8) if numbers[0] <= 3 else ("tuple", ("int", 8), ("int", 4))


class Operator:
    """`calls` make its results: (function, argument, ...), where an argument is the number of a column, such a call, or Constant(value).
    Types are written as TIMESTAMP(3), DECIMAL(10, 2)."""

    def __init__(self, types, calls, results):
        self.types, self.results = types, results
        self.codec = _flink_rows.Codec(("row", *map(sent, types)))
        self.proto = flink_fn_execution_pb2.UserDefinedFunctions()
        for call in calls:
            _put(self.proto.udfs.add(), call)

    def message(self, values):
        """Elements: a list of each row's values, as they are sent."""
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
        decimal.setcontext(CONTEXT.copy())  # a coder that fails leaves another one behind, as on stock workers
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


CONTEXT = decimal.Context(flags=[decimal.Inexact, decimal.Rounded])
"""That of functions which have rounded a Decimal before."""


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
        name, numbers = parts(type)
        field.type.type_name = flink_fn_execution_pb2.Schema.TypeName.Value(name)
        field.type.nullable = True
        if name == "BASIC_ARRAY":
            field.type.collection_element_type.type_name = flink_fn_execution_pb2.Schema.BIGINT
        if name == "DECIMAL":
            field.type.decimal_info.precision, field.type.decimal_info.scale = numbers
        elif numbers:
            getattr(field.type, f"{name.lower()}_info").precision = numbers[0]
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
    "binary": "VARBINARY",
    "large_binary": "BINARY",
    "date32[day]": "DATE",
    "date64[ms]": "DATE",
    "time32[s]": "TIME",
    "time32[ms]": "TIME",
    "time64[us]": "TIME",
    "time64[ns]": "TIME",
    "timestamp[s]": "TIMESTAMP(0)",
    "timestamp[ms]": "TIMESTAMP(3)",
    "timestamp[us]": "TIMESTAMP(6)",
    "timestamp[ns]": "TIMESTAMP(9)",
    "timestamp[ms, tz=UTC]": "LOCAL_ZONED_TIMESTAMP(3)",
    "timestamp[us, tz=UTC]": "LOCAL_ZONED_TIMESTAMP(6)",
    "decimal128(15, 2)": "DECIMAL(15, 2)",
    "decimal128(38, 2)": "DECIMAL(38, 2)",
    "decimal128(9, 4)": "DECIMAL(9, 4)",
    "decimal128(28, 0)": "DECIMAL(28, 0)",
}
VALUES = {"TINYINT": "int8", "SMALLINT": "int16", "INT": "int32", "BIGINT": "int64", "FLOAT": "float", "DOUBLE": "double"}
VALUES |= {"BOOLEAN": "bool", "VARCHAR": "string", "CHAR": "string", "VARBINARY": "binary", "BINARY": "binary"}


FIRST_DAY, LAST_DAY = -719_162, 2_932_896
MILLIS = 86_400_000


def value(r, type):
    """What is sent of a value of the type, often a nasty one, and Decimals not always as Java writes them."""
    name, numbers = parts(type)
    if name == "DATE":
        return max(FIRST_DAY, min(LAST_DAY, column_programs.moment(r, "date32", "day")))
    if name == "TIME":
        return column_programs.moment(r, "time32", "ms")
    if name in ("TIMESTAMP", "LOCAL_ZONED_TIMESTAMP"):
        millis = column_programs.moment(r, "timestamp", "ms")
        millis = max(FIRST_DAY * MILLIS, min(LAST_DAY * MILLIS + MILLIS - 1, millis))
        return millis if numbers[0] <= 3 else (millis, r.choice([0, 999_999, 1000, 999, r.randrange(10**6), r.randrange(1000) * 1000]))
    if name == "DECIMAL":
        precision, scale = numbers
        number = column_programs.value(r, f"decimal128({precision}, {scale})")
        other = r.choice(["0", "1", "-0", "-0.00", "0E-9", "1.5", "12.", ".5", "+3", "0.005", "-0.001", "00012", "1e1"])
        return other if r.random() < 0.1 and has_place(other, *numbers) else str(number)
    return column_programs.value(r, VALUES[name])


def has_place(text, precision, scale):
    """Whether a Decimal can be of the type, rounded if it has to be."""
    try:
        decimal.Decimal(text).quantize(decimal.Decimal((0, (1,), -scale)), context=decimal.Context(prec=precision))
    except decimal.InvalidOperation:
        return False
    return True


def wrong(r, type):
    """What is sent of a value that there is not."""
    name, numbers = parts(type)
    if name == "DATE":
        return r.choice([FIRST_DAY - 1, LAST_DAY + 1, 2**31 - 1, -(2**31)])
    if name == "TIME":
        return r.choice([-1, MILLIS, 2**31 - 1, -(2**31)])
    if name == "DECIMAL":
        return r.choice(["", "NaN", "Infinity", "1_0", " 1", "١", "--1", "1.2.3", "9" * (numbers[0] + 1), "0" * 60 + "7", "1E+400", "1E-40", "1E", "E1", "."])
    millis = r.choice([FIRST_DAY * MILLIS - 1, (LAST_DAY + 1) * MILLIS, 2**63 - 1, -(2**63)])
    return millis if numbers[0] <= 3 else (r.choice([millis, 0]), r.choice([-1, 10**6, 2**31 - 1, 5]))


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
            arguments = [(parse(type), True) for type in function.types]
            if _lift.explain(space["guarded"], arguments, parse(function.result))[0] or self.r.random() < 0.05:
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
        if k < 0.3 and wanted in VALUES:
            return Constant(column_programs.value(self.r, VALUES[wanted]))
        if k < 0.6 and wanted in self.columns:
            return self.columns.index(wanted)
        self.columns.append(wanted)
        return len(self.columns) - 1

    def rows(self, count):
        found = values(self.r, self.types, count)
        return [[tame(*pair) for pair in zip(row, self.types)] for row in found] if self.r.random() < 0.5 else found


def tame(value, of):
    """A value like it, of those that most operations can do something with. of: its type."""
    name, numbers = parts(of)
    if value is None or name in ("BINARY", "VARBINARY", "BOOLEAN"):
        return value
    if name == "DECIMAL":
        return str(decimal.Decimal(len(value) * 7 - 40).scaleb(-numbers[1]))
    if name in ("DATE", "TIME"):
        return value % 20_000
    if name in ("TIMESTAMP", "LOCAL_ZONED_TIMESTAMP"):
        return value % 10**12 if numbers[0] <= 3 else (value[0] % 10**12, value[1])
    if type(value) is int:
        return value % 50
    if type(value) is float:
        return value if 0.01 < abs(value) < 1e6 else 1.5
    return value.encode("ascii", "ignore").decode()


def values(r, types, count):
    """Rows for columns of these types, with NULLs."""
    return [[None if r.random() < 0.1 else value(r, type) for type in types] for _ in range(count)]


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
