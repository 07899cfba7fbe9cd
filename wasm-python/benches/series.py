"""Operations of pandas, timed: the same file in the sandbox and on native CPython with the same pandas (benches/series.rs).

Run as a program it reads names of operations from standard input and answers each with the seconds it takes.
"""

import statistics
import sys
import time

import numpy as np
import pandas as pd

ROWS = 8192

integers = pd.Series(np.arange(ROWS) * 7919)
floats = pd.Series(np.arange(ROWS) / 3)
texts = pd.Series([f"Customer#{row:09d} x" for row in range(ROWS)])
times = pd.Series([f"2024-{row % 12 + 1:02d}-{row % 28 + 1:02d} 10:{row % 60:02d}:00" for row in range(10_000)])
groups = pd.DataFrame({"key": np.arange(100_000) * 7919 % 1000, "value": np.arange(100_000)})

OPERATIONS = {
    "add": (lambda: integers + integers, 200),
    "arithmetic": (lambda: floats * 2 - floats / 3, 200),
    "upper": (lambda: texts.str.upper(), 20),
    "groupby": (lambda: groups.groupby("key").value.sum(), 20),
    "to_datetime": (lambda: pd.to_datetime(times), 20),
}


def measure(name):
    """The median of the seconds that an operation takes."""
    operation, calls = OPERATIONS[name]
    operation()
    taken = []
    for _ in range(calls):
        start = time.perf_counter()
        operation()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    for line in sys.stdin:
        print(measure(line.strip()), flush=True)
