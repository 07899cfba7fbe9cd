"""What PyFlink's compiled coders make of values: run in a process of its own, without our stand-ins. Its output is the `repr` of a list of
(bytes that the value becomes or None where it is refused, `repr` of what they are read as or None), in the order of the cases.

    python stock.py numbers
    python stock.py SEED COUNT
"""

import decimal
import math
import sys

NUMBERS = [1.5, -2.9, decimal.Decimal("3.7"), True, 0, 2, -1, 300, 2**40, 2**63 - 1, -(2**63), 1e39, -1e39, 3.5e38, math.nan, math.inf]
NUMBERS += [2**63, 1e20, "5", None, [], b"1"]
KINDS = ["TinyInt", "SmallInt", "Int", "BigInt", "Boolean", "Float", "Double"]


def outcome(encode, decode, value):
    """What it is encoded as, and decoded from that."""
    decimal.setcontext(decimal.Context())
    try:
        data = encode(value)
    except Exception:
        return None, None
    try:
        return data, repr(decode(data))
    except Exception:
        return data, None


def main():
    from pyflink.fn_execution import coder_impl_fast, coders  # noqa: F401  that there are compiled ones

    if sys.argv[1] == "numbers":
        pairs = [(getattr(coders, kind + "Coder")(), number) for kind in KINDS for number in NUMBERS]
    else:
        import random_values

        pairs = random_values.cases(int(sys.argv[1]), int(sys.argv[2]))
    found = []
    for coder, value in pairs:
        work = coder.get_impl()
        assert type(work).__module__ == coder_impl_fast.__name__
        found.append(outcome(work.encode, work.decode, value))
    print(repr(found))


if __name__ == "__main__":
    main()
