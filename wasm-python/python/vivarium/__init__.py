"""Functions over tables, written in Python.

>>> from vivarium import udf
>>> @udf
... def add_one(x: int) -> int:
...     return x + 1

`udf` declares functions of one value per row, `udtf` functions that return rows, `udaf` and `udtaf` functions of groups of rows.
Types come from annotations, or from the strings described in `vivarium.types`. A decorated function stays a plain function, and a
decorated class a plain class: it can be called and tested like any other.
"""

from vivarium._context import FunctionContext
from vivarium._declare import udaf, udf, udtaf, udtf
from vivarium.types import MonthDayNano

__all__ = ["FunctionContext", "MonthDayNano", "udaf", "udf", "udtaf", "udtf"]
