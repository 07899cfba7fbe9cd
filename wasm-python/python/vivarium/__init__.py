"""Functions over tables, written in Python.

>>> from vivarium import udf
>>> @udf
... def add_one(x: int) -> int:
...     return x + 1

Types come from annotations, or from the strings described in `vivarium.types`. A decorated function stays a plain function: it
can be called and tested like any other.
"""

from vivarium._declare import udf
from vivarium.types import MonthDayNano

__all__ = ["MonthDayNano", "udf"]
