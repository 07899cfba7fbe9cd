"""Expressions of TPC-H's queries as Python functions.

    vivarium-examples --scale 0.05 --tables lineitem,orders,part
    wasm-run sql --file examples/sql/shipping.sql --udf examples/sql/tpch.py \
        --table lineitem=lineitem.parquet --table orders=orders.parquet

`crates/wasm-run/tests/sql/tpch.slt` shows that each gives what the expression gives.
"""

import datetime
import re
from decimal import Decimal

from vivarium import udaf, udf


@udf(result_type="decimal128(38, 4)")
def discounted(price: Decimal, discount: Decimal) -> Decimal:
    """What is paid for a line of an order, without tax."""
    return price * (1 - discount)


@udf(result_type="decimal128(38, 6)")
def charge(price: Decimal, discount: Decimal, tax: Decimal) -> Decimal:
    """What is paid for it, with tax."""
    return price * (1 - discount) * (1 + tax)


@udf(result_type="decimal128(38, 4)")
def profit(price: Decimal, discount: Decimal, cost: Decimal, quantity: Decimal) -> Decimal:
    """What is left when the supplier has been paid."""
    return price * (1 - discount) - cost * quantity


@udf
def year_of(day: datetime.date) -> int:
    return day.year


@udf
def is_forecast(day: datetime.date, discount: Decimal, quantity: Decimal) -> bool:
    """Whether a line would have brought more without its discount (query 6)."""
    return day.year == 1994 and Decimal("0.05") <= discount <= Decimal("0.07") and quantity < 24


@udf
def is_urgent(priority: str) -> bool:
    return priority in ("1-URGENT", "2-HIGH")


@udf
def is_promotion(part_type: str) -> bool:
    return part_type.startswith("PROMO")


SPECIAL = re.compile("special.*requests")


@udf
def is_special(comment: str) -> bool:
    """Whether a comment asks for something special."""
    return SPECIAL.search(comment) is not None


# What a customer in query 19 wants of a brand: containers, and bounds of quantity and size.
WANTED = {
    "Brand#12": ({"SM CASE", "SM BOX", "SM PACK", "SM PKG"}, 1, 11, 5),
    "Brand#23": ({"MED BAG", "MED BOX", "MED PKG", "MED PACK"}, 10, 20, 10),
    "Brand#34": ({"LG CASE", "LG BOX", "LG PACK", "LG PKG"}, 20, 30, 15),
}


@udf
def is_wanted(brand: str, container: str, quantity: Decimal, size: int, mode: str, instruction: str) -> bool:
    """The rule of query 19: delivered in person, by air, of one of three brands in its containers and sizes."""
    if mode not in ("AIR", "AIR REG") or instruction != "DELIVER IN PERSON" or brand not in WANTED:
        return False
    containers, least, most, largest = WANTED[brand]
    return container in containers and least <= quantity <= most and 1 <= size <= largest


@udf
def country_code(phone: str) -> str:
    return phone[:2]


@udaf(result_type="decimal128(38, 2)")
class total:
    """sum(), by hand."""

    def create_accumulator(self):
        return [None]

    def accumulate(self, acc, amount: Decimal):
        acc[0] = amount if acc[0] is None else acc[0] + amount

    def merge(self, acc, other):
        if other[0] is not None:
            self.accumulate(acc, other[0])

    def get_value(self, acc):
        return acc[0]
