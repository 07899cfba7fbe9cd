"""Whole columns at a time, with NumPy.

Over TPC-H's `lineitem`:

    wasm-run run examples/vectorized.py::days_late --input lineitem.parquet --output late.parquet
    wasm-run run examples/vectorized.py::size_class --input part.parquet
"""

import datetime

import numpy as np

from vivarium import udf


@udf(vectorized=True)
def days_late(l_commitdate: datetime.date, l_receiptdate: datetime.date) -> int:
    """Days between the promised and the actual day of receipt; 0 when it came in time."""
    late = (l_receiptdate - l_commitdate).astype("timedelta64[D]").astype(np.int64)
    return np.maximum(late, 0)


@udf(vectorized=True)
def size_class(p_size: int) -> str:
    """small, medium or large, in thirds of the sizes from 1 to 50."""
    names = np.array(["small", "medium", "large"], dtype=object)
    return names[np.digitize(p_size, [17, 34])]
