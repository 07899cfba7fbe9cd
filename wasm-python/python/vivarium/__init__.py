"""Functions over tables, written in Python.

>>> from vivarium import udf
>>> @udf
... def add_one(x: int) -> int:
...     return x + 1

`udf` declares functions of one value per row, `udtf` functions that return rows, `udaf` and `udtaf` functions of groups of rows.
Types come from annotations, or from the strings described in `vivarium.types`. A decorated function stays a plain function, and a
decorated class a plain class: it can be called and tested like any other.

`hash64(value)` is the hash that 64-bit CPython has of a value; the guest's own has 32 bits.
"""

from vivarium._context import FunctionContext
from vivarium._declare import udaf, udf, udtaf, udtf
from vivarium._hash64 import hash64
from vivarium.types import MonthDayNano

__all__ = ["FunctionContext", "MonthDayNano", "hash64", "udaf", "udf", "udtaf", "udtf"]
