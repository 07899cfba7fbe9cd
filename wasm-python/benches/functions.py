"""The functions that the benchmarks call, in the sandbox and on the native CPython."""

import datetime
import decimal

import numpy as np

from vivarium import udaf, udf


@udf
def add_one(x: int) -> int:
    return x + 1


@udf
def upper(text: str) -> str:
    return text.upper()


@udf
def next_day(day: datetime.datetime) -> datetime.datetime:
    return day + datetime.timedelta(days=1)


@udf(result_type="decimal128(38, 2)")
def price(amount: decimal.Decimal) -> decimal.Decimal:
    return amount + 1


@udf(result_type="struct<a: int64, b: double, c: string>")
def order(line: dict) -> dict:
    return {"a": line["a"] + 1, "b": line["b"], "c": line["c"]}


@udf(vectorized=True)
def add(a: float, b: float) -> float:
    return a + b


@udaf
class Total:
    def create_accumulator(self):
        return [0]

    def accumulate(self, acc, x: int):
        acc[0] += x

    def get_value(self, acc) -> int:
        return acc[0]


@udaf(vectorized=True)
class Totals:
    def create_accumulator(self, groups):
        return np.zeros(groups, dtype="int64")

    def accumulate(self, acc, groups, x: int):
        np.add.at(acc, groups, x)

    def get_value(self, acc) -> int:
        return acc
