"""Contender: a worker process. Record batches come as an Arrow stream on standard input, results leave as one on standard output.

    python pipe_worker.py FILE FUNCTION KIND RESULT

RESULT is an Arrow file with a column of the result's type. The other end of the pipe, which takes the time, is the harness.
"""

import os
import sys

import pyarrow as pa

from loops import LOOPS
from served import function, result_type


def main():
    source, name, kind_of_function, result = sys.argv[1:]
    call = function({"source": source, "function": name})
    compute = LOOPS[kind_of_function]
    kind = result_type(result)
    if kind_of_function == "table":
        schema = pa.schema([("result", pa.struct([("row", pa.uint32()), ("value", kind)]))])
    else:
        schema = pa.schema([("result", kind)])
    # Standard output is for results.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with pa.ipc.open_stream(sys.stdin.buffer) as batches, pa.ipc.new_stream(output, schema) as results:
        output.flush()
        for batch in batches:
            results.write_batch(pa.record_batch([compute(call, batch, kind)], schema=schema))
            output.flush()


main()
