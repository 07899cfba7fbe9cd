"""Contender: a loop in Python over the same columns, on whatever Python runs this. Speaks the protocol of README.md.

It stands for a user's own interpreter, of any version and with their packages; conversions from and to Arrow are pyarrow's.
"""

import pyarrow as pa

from loops import LOOPS
from served import NotPossible, function, result_type, serve, table, timed


def measure(request):
    if request["threads"] > 1:
        raise NotPossible("one interpreter has one thread of Python at a time")
    if request["kind"] not in LOOPS:
        raise NotPossible("a plain loop has no groups; leave --python out")
    data = table(request["data"]).slice(0, request["rows"])
    batch = data.combine_chunks().to_batches()[0] if len(data) else pa.RecordBatch.from_pylist([], data.schema)
    # PyFlink's declarations wrap the function.
    call = function(request)
    call = getattr(call, "_func", call)
    kind, compute = result_type(request["result"]), LOOPS[request["kind"]]
    return timed(request["repetitions"], lambda: compute(call, batch, kind))


serve(measure)
