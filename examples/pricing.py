"""What a line of an order costs, to the cent.

Over TPC-H's `lineitem`:

    wasm-run run examples/pricing.py --input lineitem.parquet --output priced.parquet
"""

from decimal import ROUND_HALF_UP, Decimal

from vivarium import udf

CENT = Decimal("0.01")
# From this many pieces on, two percent more; but no more than ten percent off in all.
BULK_QUANTITY = 30
BULK_DISCOUNT = Decimal("0.02")
MOST_DISCOUNT = Decimal("0.10")
# Air freight costs extra, by the piece.
AIR_FREIGHT = {"AIR": Decimal("0.35"), "REG AIR": Decimal("0.20")}


@udf(result_type="decimal128(15, 2)")
def final_price(
    l_quantity: Decimal, l_extendedprice: Decimal, l_discount: Decimal, l_tax: Decimal, l_shipmode: str, l_returnflag: str
) -> Decimal:
    """The price with discounts, freight and tax; what came back costs nothing."""
    if l_returnflag == "R":
        return Decimal(0)
    discount = l_discount
    if l_quantity >= BULK_QUANTITY:
        discount = min(discount + BULK_DISCOUNT, MOST_DISCOUNT)
    freight = AIR_FREIGHT.get(l_shipmode, Decimal(0)) * l_quantity
    net = l_extendedprice * (1 - discount) + freight
    return (net * (1 + l_tax)).quantize(CENT, ROUND_HALF_UP)
