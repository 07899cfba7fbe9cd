"""Contender: a function of NumPy arrays called in this process, and nothing else. Speaks the protocol of README.md."""

import pyarrow as pa

from served import NotPossible, function, serve, table, timed


def measure(request):
    if request["kind"] != "vectorized":
        raise NotPossible("NumPy has whole columns, and this function takes values")
    if request["threads"] > 1:
        raise NotPossible("one interpreter has one thread of Python at a time")
    columns = table(request["data"]).slice(0, request["rows"]).columns
    arrays = [column.to_numpy() for column in columns]
    call = function(request)
    # Text is an array of objects, as it is for the sandbox's functions.
    if any(pa.types.is_string(column.type) for column in columns):
        arrays = [array.astype(object) for array in arrays]
    return timed(request["repetitions"], lambda: call(*arrays))


serve(measure)
