"""Rows for rows, and one row for a group.

Over TPC-H's `lineitem`:

    wasm-run run examples/kinds.py::words --input lineitem.parquet --args l_comment --limit 10
    wasm-run run examples/kinds.py::weighted_discount --input lineitem.parquet --group-by l_returnflag,l_linestatus
    wasm-run run examples/kinds.py::mean_line --input lineitem.parquet --group-by l_orderkey --output lines.parquet
"""

from decimal import Decimal
from typing import Iterator, NamedTuple

import numpy as np

from vivarium import udaf, udtf


class Word(NamedTuple):
    """A column for each field."""

    word: str
    position: int


@udtf
def words(text: str) -> Iterator[Word]:
    """The words of a text, in order."""
    for position, word in enumerate(text.split()):
        yield Word(word.strip(".,;:!?"), position)


@udaf(result_type="decimal128(38, 6)")
class weighted_discount:
    """The discount of what was sold, weighted by its price."""

    def create_accumulator(self):
        return [Decimal(0), Decimal(0)]

    def accumulate(self, acc, l_extendedprice: Decimal, l_discount: Decimal):
        acc[0] += l_extendedprice * l_discount
        acc[1] += l_extendedprice

    def merge(self, acc, other):
        acc[0] += other[0]
        acc[1] += other[1]

    def get_value(self, acc):
        return (acc[0] / acc[1]).quantize(Decimal("0.000001")) if acc[1] else None


@udaf(vectorized=True)
class mean_line:
    """The mean number of an order's lines, for many orders at a time."""

    def create_accumulator(self, groups):
        return np.zeros(groups), np.zeros(groups)

    def accumulate(self, acc, groups, l_linenumber: int):
        total, rows = acc
        np.add.at(total, groups, l_linenumber)
        np.add.at(rows, groups, 1)

    def get_value(self, acc) -> float:
        total, rows = acc
        return np.ma.masked_array(total, rows == 0) / np.maximum(rows, 1)
