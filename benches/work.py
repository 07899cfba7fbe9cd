"""The work of the benchmark: the same functions in the sandbox and on every contender.

Contenders without our SDK import `contenders/stand-in/vivarium.py`, whose decorators return the function as it is.
"""

import datetime
import decimal
import json
import re
from collections.abc import Iterator

import numpy as np

from vivarium import udaf, udf, udtf


@udf
def add_one(x: int) -> int:
    return x + 1


@udf
def gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


@udf
def substring(text: str) -> str:
    return text[9:15]


@udf
def upper(text: str) -> str:
    return text.upper()


TAX = decimal.Decimal("1.19")


@udf(input_types=["decimal128(15, 2)"], result_type="decimal128(38, 4)")
def taxed(amount: decimal.Decimal) -> decimal.Decimal:
    return amount * TAX


@udf
def json_price(text: str) -> float:
    return json.loads(text)["line"]["price"]


@udf
def parse_time(text: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")


@udf
def next_day(day: datetime.datetime) -> datetime.datetime:
    return day + datetime.timedelta(days=1)


DOMAIN = re.compile(r"@([a-z0-9-]+)\.(?:com|org)")


@udf
def domain(text: str) -> str:
    found = DOMAIN.search(text)
    return found.group(1) if found else ""


@udf(input_types=["struct<a: int64, b: double, c: string>"], result_type="struct<a: int64, b: double, c: string>")
def order(line: dict) -> dict:
    return {"a": line["a"] + 1, "b": line["b"], "c": line["c"]}


FREIGHT = {"AIR": 4.5, "MAIL": 2.25, "RAIL": 1.75, "SHIP": 1.25, "TRUCK": 2.0}
LEVELS = ((1000.0, 0.08), (500.0, 0.05), (100.0, 0.02))


@udf
def rule(quantity: int, price: float, discount: float, mode: str, flag: str) -> float:
    """What an order line costs its customer, as such rules grow over the years: fifty lines."""
    if quantity <= 0:
        return 0.0
    gross = quantity * price
    # The customer's own discount, within what sales may grant.
    if discount < 0.0:
        discount = 0.0
    elif discount > 0.25:
        discount = 0.25
    # Large orders have theirs, but not on top of a good one.
    volume = 0.0
    for level, rate in LEVELS:
        if gross >= level:
            volume = rate
            break
    if discount > 0.1:
        volume /= 2
    net = gross * (1.0 - discount) * (1.0 - volume)
    # Freight by the way it travels; what is small travels free with a good order.
    way = mode.strip().upper()
    freight = FREIGHT.get(way)
    if freight is None:
        freight = max(FREIGHT.values())
    if way in ("AIR", "MAIL") and quantity < 5:
        freight = freight / 2 if net < 250.0 else 0.0
    else:
        freight *= 1 + quantity // 10
    # Returns cost nothing but the way back.
    if flag == "R":
        return round(freight, 2)
    if flag == "A":
        net *= 0.98
    elif flag not in ("N", "O"):
        raise ValueError(f"the flag is {flag!r}")
    # Handling, by weight classes.
    if quantity > 40:
        handling = 7.5
    elif quantity > 20:
        handling = 4.0
    elif quantity > 10:
        handling = 2.5
    else:
        handling = 0.0
    total = net + freight + handling
    # Prices end in full five cents.
    cents = int(total * 100 + 0.5)
    rest = cents % 5
    if rest >= 3:
        cents += 5 - rest
    else:
        cents -= rest
    return cents / 100


@udf(vectorized=True)
def vector_add(a: float, b: float) -> float:
    return a + b


@udf(vectorized=True)
def vector_price(price: float, discount: float) -> float:
    return price * (1.0 - discount) + np.where(discount > 0.05, 1.0, 0.0)


@udf(vectorized=True)
def vector_upper(text: str) -> str:
    return np.array([value.upper() for value in text], dtype=object)


@udtf
def words(text: str) -> Iterator[str]:
    yield from text.split()


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
