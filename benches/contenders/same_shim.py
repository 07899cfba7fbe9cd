"""Contender: the sandbox's own C shim and SDK, built for the native CPython that runs this. Speaks the protocol of README.md.

    python same_shim.py WASM_PYTHON

WASM_PYTHON is the folder with shim, SDK and tests. What is timed is the calls of vv_invoke, with the arguments in the arena
already and the results left where they are: no copy across a boundary, no limits. So the ratio to it is what isolation costs. Needs gcc.
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(sys.argv[1], "tests"))

import native_guest  # noqa: E402  found through the path above
import pyarrow as pa  # noqa: E402
from served import NotPossible, serve, table  # noqa: E402

_guest = None
_loaded = {}


def bound(request, types):
    """The handle of a function, and what the sandbox would call it by."""
    global _guest
    if _guest is None:
        _guest = native_guest.guest()
    source = request["source"]
    if source not in _loaded:
        with open(source) as file:
            reply = _guest.load(file.read(), os.path.basename(source))
        _loaded.clear()
        _loaded[source] = {one["name"]: one["attribute"] for one in reply["functions"]}
    attribute = _loaded[source].get(request["function"], request["function"])
    if request["kind"] == "table":
        return _guest.bind(attribute, types, output={"rows": 1 << 16, "bytes": 16 << 20})[0]
    return _guest.bind(attribute, types)[0]


def calls(handle, columns, rows, repetitions):
    """Nanoseconds inside vv_invoke, continuations included."""
    invoke, total = _guest.library.vv_invoke, 0
    for _ in range(repetitions):
        arena, lent = _guest.fill(columns, rows)
        operation, more = 0, True
        while more:
            start = time.perf_counter_ns()
            result = invoke(handle, operation, arena)
            total += time.perf_counter_ns() - start
            more = _guest.reply(result.contents).get("more", False)
            operation, arena = native_guest.CONTINUE, None
        lent.release()
    return total


def groups(handle, data, rows, repetitions):
    """Aggregations over all the data: the keys' numbers are found here, untimed, as the host would."""
    invoke, total = _guest.library.vv_invoke, 0
    numbers = data.column(0).combine_chunks().dictionary_encode()
    keys, count, values = numbers.indices.cast(pa.uint32()), len(numbers.dictionary), plain(data.column(1))
    batches = [(0, [keys.slice(start, rows), values.slice(start, rows).combine_chunks()]) for start in range(0, len(keys), rows)]
    everyone = pa.array(range(count), pa.uint32())
    batches += [(3, [everyone.slice(start, 8192)]) for start in range(0, count, 8192)]
    for _ in range(repetitions):
        for operation, columns in batches:
            arena, lent = _guest.fill(columns, len(columns[0]))
            start = time.perf_counter_ns()
            result = invoke(handle, operation, arena)
            total += time.perf_counter_ns() - start
            _guest.reply(result.contents)
            lent.release()
        arena, _ = _guest.fill([], 1)
        _guest.reply(invoke(handle, 7, arena).contents)
    return total


def plain(column):
    """Views and dictionaries as the host copies them into a guest."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    kind = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}.get(kind, kind)
    return column.cast(kind)


def measure(request):
    if request["threads"] > 1:
        raise NotPossible("one interpreter has one thread of Python at a time")
    data = table(request["data"])
    columns = [column.combine_chunks() for column in data.slice(0, request["rows"]).columns]
    columns = [plain(pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column) for column in columns]
    aggregate = request["kind"] == "aggregate"
    handle = bound(request, [column.type for column in columns[1:] if aggregate] if aggregate else [column.type for column in columns])
    try:
        if aggregate:
            return groups(handle, data, request["rows"], request["repetitions"])
        return calls(handle, columns, request["rows"], request["repetitions"])
    finally:
        _guest.control(op="drop", handle=handle)


serve(measure)
