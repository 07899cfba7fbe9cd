"""Async functions: awaited together, reported in the order of the rows."""

import pyarrow as pa
import pytest

SOURCE = """
import asyncio
from vivarium import udf

order, running, most = [], 0, 0
lock = asyncio.Lock()

@udf
async def later(x: int) -> int:
    global running, most
    running += 1
    most = max(most, running)
    await asyncio.sleep(0.001 * (5 - x))
    running -= 1
    async with lock:
        order.append(x)
    return x * 10

@udf
async def fails(x: int | None) -> int:
    await asyncio.sleep(0)
    if x == 1:
        await asyncio.sleep(0.01)
    return 6 // x

@udf
async def ends(x: int) -> int:
    raise SystemExit(4)

class Price:
    async def eval(self, x: int) -> int:
        return x + 1

price = udf(Price())
"""


def test_the_calls_of_a_batch_wait_together(guest):
    import sys

    loaded = guest.load(SOURCE, "waits.py")
    assert {function["kind"] for function in loaded["functions"]} == {"async"} and loaded["problems"] == []
    assert guest.call("later", pa.array([1, None, 4, 3])).to_pylist() == [10, None, 40, 30]
    module = sys.modules["waits"]
    assert (module.order, module.most) == ([4, 3, 1], 3)
    assert guest.call("later", pa.array([2])).to_pylist() == [20], "the loop goes on with the next batch"
    assert guest.call("price", pa.array([2, None])).to_pylist() == [3, None]


def test_the_first_failing_row_is_reported(guest, error):
    guest.load(SOURCE, "waits.py")
    # Row 1 fails last.
    failed = error("fails", pa.array([6, 1, 0, None, 2]))
    assert (failed["row"], failed["type"]) == (2, "ZeroDivisionError")
    assert [(frame["function"], frame["line"]) for frame in failed["traceback"]] == [("fails", 24)]
    assert guest.call("fails", pa.array([6, 1, 0, None, 2]), on_error="null").to_pylist() == [1, 6, None, None, 3]


def test_an_exit_ends_the_call_whatever_the_policy(guest, error):
    guest.load(SOURCE, "waits.py")
    assert error("ends", pa.array([1, 2]), on_error="skip")["exit"] == 4
    assert guest.call("later", pa.array([1, 2])).to_pylist() == [10, 20], "a new loop was made"


@pytest.mark.parametrize("body", ["return x", "return None"])
def test_what_is_not_awaitable_is_an_error(guest, error, body):
    guest.load(
        f"import inspect\nfrom vivarium import udf\n@udf\n@inspect.markcoroutinefunction\ndef f(x: int) -> int:\n    {body}\n", "plain.py"
    )
    assert "an async function returns an awaitable" in error("f", pa.array([1]))["message"]
