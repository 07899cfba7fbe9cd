"""What PyFlink's compiled coders make of numbers, as lines of `repr`: run in a process of its own, without our stand-ins.

    python stock.py
"""

import decimal
import math

NUMBERS = [1.5, -2.9, decimal.Decimal("3.7"), True, 0, 2, -1, 300, 2**40, 2**63 - 1, -(2**63), 1e39, -1e39, 3.5e38, math.nan, math.inf]
NUMBERS += [2**63, 1e20, "5", None, [], b"1"]
KINDS = ["TinyInt", "SmallInt", "Int", "BigInt", "Boolean", "Float", "Double"]


def encoded(kind, number):
    """The bytes, or None for what is refused."""
    from pyflink.fn_execution import coder_impl_fast, coders
    from pyflink.fn_execution.beam import beam_coder_impl_fast

    coder = getattr(coders, kind + "Coder")()
    stock = beam_coder_impl_fast.FlinkLengthPrefixCoderBeamWrapper(coder_impl_fast.ValueCoderImpl(coder.get_impl()))
    try:
        return stock.encode(number)[1:]  # behind a length
    except Exception:
        return None


if __name__ == "__main__":
    print(repr([[encoded(kind, number) for number in NUMBERS] for kind in KINDS]))
