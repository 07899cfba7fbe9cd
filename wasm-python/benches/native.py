"""The native side of the benchmarks: the same shim, built for the CPython that runs this, over the same batches.

    wasm-run guest info --json |
        python3 wasm-python/tests/environment.py wasm-python/benches/native.py [--rows 8192] [--batches 200] [--serve]

needs gcc; environment.py finds the CPython and gives it numpy and pyarrow. Prints one JSON object: for each function the median and the fastest
nanoseconds per row of one vv_invoke, the arguments already in the arena; `numpy_add` is numpy alone, and `grouped` a loop in Python, without the shim.
With --serve it measures one function for each name it reads from standard input, so that another program can take turns
with it (benches/figures.rs).
"""

import argparse
import ctypes
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
import pyarrow as pa

import native_guest

SOURCE = (pathlib.Path(__file__).parent / "functions.py").read_text()
KEYS = 10_000


ORDER = pa.struct([("a", pa.int64()), ("b", pa.float64()), ("c", pa.string())])


def columns(rows):
    """The arguments of each function; the wasm side uses the same."""
    floats = pa.array(np.arange(rows) / 3)
    order = pa.array([{"a": row, "b": row / 3, "c": f"{row:05d}"} for row in range(rows)])
    return {
        "add_one": [pa.array(np.arange(rows, dtype="i8") * 7919)],
        "upper": [pa.array([f"Customer#{row:09d}" for row in range(rows)])],
        "next_day": [pa.array(np.arange(rows) * 86_400_000_123, pa.timestamp("us"))],
        "price": [pa.array(np.arange(rows)).cast(pa.decimal128(38, 2))],
        "order": [order.cast(ORDER)],
        "add": [floats, floats],
    }


def summary(times):
    return {"median": round(statistics.median(times), 3), "fastest": round(min(times), 3)}


def measure(guest, name, arrays, rows, batches):
    handle, _ = guest.bind(name, [array.type for array in arrays])
    times = []
    for _ in range(batches):
        arena, alive = guest.fill(arrays, rows)
        start = time.perf_counter_ns()
        result = guest.library.vv_invoke(handle, 0, arena)
        times.append((time.perf_counter_ns() - start) / rows)
        guest.reply(result.contents)
        del alive
    return summary(times)


def measure_numpy(arrays, rows, batches):
    left, right = (array.to_numpy() for array in arrays)
    times = []
    for _ in range(batches):
        start = time.perf_counter_ns()
        left + right
        times.append((time.perf_counter_ns() - start) / rows)
    return summary(times)


def measure_grouped(rows, batches):
    """The aggregate function's own methods, called by a loop in Python: what a worker without this shim does."""
    namespace = {}
    exec(compile(SOURCE, "functions.py", "exec"), namespace)
    total = namespace["Total"]()
    keys, values = [row * 7919 % KEYS for row in range(rows)], list(range(rows))
    times = []
    for _ in range(batches):
        groups = {}
        start = time.perf_counter_ns()
        for key, value in zip(keys, values):
            accumulator = groups.get(key)
            if accumulator is None:
                accumulator = groups[key] = total.create_accumulator()
            total.accumulate(accumulator, value)
        times.append((time.perf_counter_ns() - start) / rows)
    return summary(times)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=8192)
    arguments.add_argument("--batches", type=int, default=200)
    arguments.add_argument("--serve", action="store_true", help="measure the functions named on standard input")
    options = arguments.parse_args()
    rows, batches = options.rows, options.batches
    guest = native_guest.guest()
    guest.load(SOURCE)
    inputs = columns(rows)

    def figure(name):
        if name == "numpy_add":
            return measure_numpy(inputs["add"], rows, batches)
        if name == "grouped":
            return measure_grouped(rows, batches)
        return measure(guest, name, inputs[name], rows, batches)

    if options.serve:
        for line in sys.stdin:
            print(json.dumps(figure(line.strip())), flush=True)
        return
    figures = {name: figure(name) for name in [*inputs, "numpy_add", "grouped"]}
    print(json.dumps({"python": sys.version.split()[0], "rows": rows, "ns_per_row": figures}))


if __name__ == "__main__":
    main()
