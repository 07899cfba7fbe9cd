"""The guest on native CPython: the shim built as an extension module and driven through its exports, as the host drives them.

Arrays cross through the Arrow C Data Interface, with pyarrow on the host's side.
"""

import atexit
import ctypes
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile

import numpy
import pyarrow as pa

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
SNAPSHOT_ONLY = {"interpreter.c", "settle.c"}  # they start a CPython of their own
SOURCES = sorted(path for path in (ROOT / "shim").rglob("*.c") if path.name not in SNAPSHOT_ONLY)
from vivarium import types  # noqa: E402  found through the path above

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-Wno-unused-parameter"]


def build(directory, *flags):
    """Builds the extension module; its path."""
    target = pathlib.Path(directory) / "_vivarium.so"
    includes = ["-DVV_NUMPY", "-I" + sysconfig.get_paths()["include"], "-I" + numpy.get_include()]
    command = ["gcc", "-std=c11", "-O3", "-fPIC", "-shared", *WARNINGS, *includes, *flags, *map(str, SOURCES), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


class Array(ctypes.Structure):
    """struct ArrowArray."""


Array._fields_ = [(name, ctypes.c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")] + [
    ("buffers", ctypes.c_void_p),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


class Schema(ctypes.Structure):
    """struct ArrowSchema, as far as its release."""

    _fields_ = [("before", ctypes.c_int64 * 7), ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p)]


_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Lent:
    """Columns as C structures. They own their buffers until they are released, also when this has ended: functions keep arrays that look into them."""

    def __init__(self, columns):
        self.arrays = (ctypes.POINTER(Array) * max(len(columns), 1))()
        self.structs = []
        for index, column in enumerate(columns):
            array, schema = Array(), Schema()
            column._export_to_c(ctypes.addressof(array), ctypes.addressof(schema))
            self.structs += array, schema
            self.arrays[index] = ctypes.pointer(array)

    def release(self):
        for struct in self.structs:
            _RELEASE(struct.release)(ctypes.addressof(struct))


class Result(ctypes.Structure):
    """struct vv_result."""

    _fields_ = [
        ("status", ctypes.c_uint32),
        ("reply", ctypes.c_void_p),
        ("reply_len", ctypes.c_uint32),
        ("array", ctypes.POINTER(Array)),
        ("arena", ctypes.c_void_p),
        ("arena_size", ctypes.c_uint32),
        ("rows_as_columns", ctypes.c_uint32),
        ("rows_interpreted", ctypes.c_uint32),
        ("programs_dropped", ctypes.c_uint32),
    ]


class GuestError(Exception):
    """The guest's error, as the dict of ABI.md in `error`."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.error = error


def normalised(array):
    """A copy with offset 0, as the host makes them."""
    if pa.types.is_temporal(array.type) and array.offset != 0:  # not all of them are objects of Python's
        return normalised(array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())).view(array.type)
    return pa.concat_arrays([array, array.slice(0, 0)]) if array.offset == 0 else pa.array(array.to_pylist(), array.type)


class Guest:
    """One native guest: the process has only one."""

    def __init__(self, library):
        spec = importlib.util.spec_from_file_location("_vivarium", library)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules["_vivarium"] = module
        self.library = ctypes.PyDLL(str(library))
        self.library.vv_alloc.restype = ctypes.c_void_p
        self.library.vv_alloc.argtypes = [ctypes.c_size_t]
        self.library.vv_batch.restype = ctypes.c_void_p
        self.library.vv_batch.argtypes = [ctypes.c_size_t]
        self.library.vv_control.restype = ctypes.POINTER(Result)
        self.library.vv_control.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self.library.vv_invoke.restype = ctypes.POINTER(Result)
        self.library.vv_invoke.argtypes = [ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p]

    def reply(self, result):
        text = ctypes.string_at(result.reply, result.reply_len).decode() if result.reply else "{}"
        reply = json.loads(text)
        if result.status != 0:
            raise GuestError(reply["error"])
        return reply

    def control(self, **request):
        return self.control_bytes(json.dumps(request).encode())

    def control_bytes(self, data):
        pointer = self.library.vv_alloc(len(data))
        ctypes.memmove(pointer, data, len(data))
        return self.reply(self.library.vv_control(pointer, len(data)).contents)

    def load(self, source, filename="functions.py"):
        return self.control(op="load", source=source, filename=filename)

    def bind(self, function, types, on_error="fail", **options):
        """(handle, result type) of a function over columns of these pyarrow types (or spelled types)."""
        arguments = [{"type": str(type).replace("child 0, ", ""), "nullable": True} for type in types]
        # The suite runs with columns forced, and compared, as well.
        options.setdefault("columns", os.environ.get("VIVARIUM_COLUMNS") or "auto")
        reply = self.control(op="bind", function=function, arguments=arguments, on_error=on_error, **options)
        return reply["handle"], reply["result"]["type"]

    def fill(self, columns, rows):
        """Puts a batch into an arena: its address, and what must live until the call."""
        lent = Lent([normalised(column) for column in columns])
        arena = self.library.vv_batch(ctypes.sizeof(Array))
        children = ctypes.cast(lent.arrays, ctypes.POINTER(ctypes.POINTER(Array)))
        batch = Array(length=rows, n_buffers=1, n_children=len(columns), children=children)
        ctypes.memmove(arena, ctypes.byref(batch), ctypes.sizeof(Array))
        return arena, lent

    def invoke(self, handle, columns, type, rows=None, op=0):
        """(result as a pyarrow array of `type`, reply)."""
        arena, alive = (None, None) if op == CONTINUE else self.fill(columns, len(columns[0]) if rows is None else rows)
        result = self.library.vv_invoke(handle, op, arena).contents
        reply = self.reply(result)
        self.last_arena = result.arena
        self.last_counts = (result.rows_as_columns, result.rows_interpreted, result.programs_dropped)
        array = import_array(result.array.contents, type)
        array.validate(full=True)
        del alive
        return array, reply

    def table(self, function, *columns, on_error="fail", rows=None, **options):
        """([(row, output row)], row errors, number of results) of a table function."""
        handle, spelled = self.bind(function, [column.type for column in columns], on_error, **options)
        found, errors, results = [], [], 0
        try:
            more, op, alive = True, 0, None
            while more:
                if op == 0:
                    arena, alive = self.fill(columns, len(columns[0]) if rows is None else rows)
                else:
                    arena = None
                result = self.library.vv_invoke(handle, op, arena).contents
                reply = self.reply(result)
                array = import_array(result.array.contents, table_type(spelled))
                array.validate(full=True)
                found += zip(array.field(0).to_pylist(), array.field(1).to_pylist())
                errors += reply.get("row_errors", [])
                more, op, results = reply.get("more", False), CONTINUE, results + 1
        finally:
            self.control(op="drop", handle=handle)
        return found, errors, results

    def aggregate(self, function, types, on_error="fail", **options):
        """A bound aggregate function."""
        handle, spelled = self.bind(function, types, on_error, **options)
        return Aggregate(self, handle, spelled)

    def call(self, function, *columns, on_error="fail", type=None, rows=None):
        """Binds and invokes: the result column."""
        handle, spelled = self.bind(function, [column.type for column in columns], on_error)
        try:
            return self.invoke(handle, columns, type or pa_type(spelled), rows)[0]
        finally:
            self.control(op="drop", handle=handle)


def table_type(spelled):
    return pa.struct([pa.field("row", pa.uint32(), False), pa.field("row_values", pa_type(spelled), False)])


CONTINUE, RETRACT, VALUE, STATE, MERGE, RESTORE, FORGET = range(1, 8)


class Aggregate:
    """An aggregate function bound in the guest, driven as the host drives it."""

    def __init__(self, guest, handle, spelled):
        self.guest, self.handle, self.spelled = guest, handle, spelled
        self.errors = []

    def rows(self, groups, *columns, op=0):
        groups = pa.array(groups, pa.uint32())
        _, reply = self.guest.invoke(self.handle, [groups, *columns], pa.null(), len(groups), op)
        self.errors += reply.get("row_errors", [])
        return reply.get("rows", [])

    def retract(self, groups, *columns):
        return self.rows(groups, *columns, op=RETRACT)

    def values(self, groups):
        array, reply = self.guest.invoke(self.handle, [pa.array(groups, pa.uint32())], pa_type(self.spelled), op=VALUE)
        self.errors += reply.get("row_errors", [])
        return array.to_pylist()

    def emitted(self, groups):
        array, reply = self.guest.invoke(self.handle, [pa.array(groups, pa.uint32())], table_type(self.spelled), op=VALUE)
        found = list(zip(array.field(0).to_pylist(), array.field(1).to_pylist()))
        while reply.get("more"):
            array, reply = self.guest.invoke(self.handle, [], table_type(self.spelled), op=CONTINUE)
            found += zip(array.field(0).to_pylist(), array.field(1).to_pylist())
        return found

    def states(self, groups):
        return self.guest.invoke(self.handle, [pa.array(groups, pa.uint32())], pa.large_binary(), op=STATE)[0]

    def merge(self, groups, states, op=MERGE):
        self.guest.invoke(self.handle, [pa.array(groups, pa.uint32()), states], pa.null(), op=op)

    def forget(self):
        self.guest.invoke(self.handle, [], pa.null(), 1, op=FORGET)

    def drop(self):
        return self.guest.control(op="drop", handle=self.handle)


def import_array(struct, type):
    """Copies a guest's array; the guest keeps its memory."""
    count = struct.n_buffers
    pointers = ctypes.cast(struct.buffers, ctypes.POINTER(ctypes.c_void_p))
    assert struct.offset == 0 and struct.n_children == type.num_fields, (struct.n_children, type)
    sizes = buffer_sizes(struct, type, pointers)
    buffers = [pa.py_buffer(ctypes.string_at(pointers[i], sizes[i])) if pointers[i] else None for i in range(count)]
    children = [import_array(struct.children[i].contents, type.field(i).type) for i in range(struct.n_children)]
    return pa.Array.from_buffers(type, struct.length, buffers or [None], struct.null_count, children=children or None)


def buffer_sizes(struct, type, pointers):
    length = struct.length
    bits = (length + 7) // 8
    wide = pa.types.is_large_string(type) or pa.types.is_large_binary(type) or pa.types.is_large_list(type)
    if pa.types.is_boolean(type):
        return [bits, bits]
    if pa.types.is_null(type) or pa.types.is_struct(type) or pa.types.is_fixed_size_list(type):
        return [bits]
    variable = pa.types.is_string(type) or pa.types.is_binary(type) or wide
    if variable or pa.types.is_list(type) or pa.types.is_map(type):
        size = (length + 1) * (8 if wide else 4)
        last = int.from_bytes(ctypes.string_at(pointers[1], size)[-(8 if wide else 4) :], "little", signed=True)
        return [bits, size, last]
    return [bits, length * (type.bit_width // 8)]


def pa_type(spelled):
    """The pyarrow type of a spelling."""
    return arrow(types.parse(spelled))


def arrow(type):
    units = {"timestamp": lambda: pa.timestamp(type.unit, type.timezone), "duration": lambda: pa.duration(type.unit)}
    fields = [pa.field(field.name, arrow(field.type), field.nullable) for field in type.fields]
    match type.id:
        case "timestamp" | "duration":
            return units[type.id]()
        case "time32" | "time64":
            return getattr(pa, type.id)(type.unit)
        case "decimal128" | "decimal256":
            return getattr(pa, type.id)(type.precision, type.scale)
        case "fixed_size_binary":
            return pa.binary(type.size)
        case "list":
            return pa.list_(fields[0])
        case "large_list":
            return pa.large_list(fields[0])
        case "fixed_size_list":
            return pa.list_(fields[0], type.size)
        case "struct":
            return pa.struct(fields)
        case "map":
            return pa.map_(fields[0], fields[1])
        case "month_day_nano_interval":
            return pa.month_day_nano_interval()
        case _:
            return pa.type_for_alias(type.id) if type.id != "bool" else pa.bool_()


_guest = None


def guest():
    """The process's guest, built on first use; VIVARIUM_NATIVE names one built already."""
    global _guest
    if _guest is None:
        built = os.environ.get("VIVARIUM_NATIVE")
        if not built:
            folder = tempfile.mkdtemp(prefix="vivarium-native-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            built = build(folder)
        _guest = Guest(built)
    return _guest
