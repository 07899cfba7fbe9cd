"""What the contenders in Python share: the line protocol of README.md, the function and its data."""

import importlib.util
import json
import sys
import time

import pyarrow as pa


class NotPossible(Exception):
    """The contender cannot do this work; the message says why."""


def serve(measure):
    """Answers every request on standard input with the nanoseconds that `measure(request)` took, or why there are none.

    What functions print goes to standard error: standard output is for answers."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            answer = {"nanoseconds": round(measure(json.loads(line)))}
        except Exception as error:
            answer = {"error": str(error) if isinstance(error, NotPossible) else f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def table(path):
    """The table of an Arrow file, in one piece."""
    with pa.memory_map(path) as file:
        return pa.ipc.open_file(file).read_all().combine_chunks()


def result_type(path):
    """The type of the only column of an Arrow file."""
    return table(path).schema.field(0).type


_modules = {}


def function(request):
    """The function of a request, out of its file."""
    path = request["source"]
    if path not in _modules:
        spec = importlib.util.spec_from_file_location("functions", path)
        _modules[path] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(_modules[path])
    return getattr(_modules[path], request["function"])


def timed(repetitions, call):
    """Nanoseconds that so many calls take."""
    start = time.perf_counter_ns()
    for _ in range(repetitions):
        call()
    return time.perf_counter_ns() - start
