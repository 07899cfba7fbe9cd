"""NULLs, exceptions and the policies about them."""

import pyarrow as pa
import pytest

import native_guest


@pytest.mark.parametrize(
    "signature, options, calls",
    [
        ("x: int, y: int", "", [(1, 1)]),
        ("x: int, y: int | None", "", [(1, 1), (2, None)]),
        ("x: 'Optional[int]', y: Optional[int]", "", [(1, 1), (2, None), (None, 3), (None, None)]),
        ("x: int, y: int", "null_handling='call'", [(1, 1), (2, None), (None, 3), (None, None)]),
        ("x: int | None, y: int | None", "null_handling='skip'", [(1, 1)]),
        ("x, y", "input_types=['int64', 'int64']", [(1, 1)]),
    ],
)
def test_which_calls_happen_follows_the_annotations(guest, signature, options, calls):
    import sys

    guest.load(
        f"""
from typing import Optional
from vivarium import udf
calls = []

@udf({options})
def f({signature}) -> int:
    calls.append((x, y))
    return 5
""",
        "nulls.py",
    )
    result = guest.call("f", pa.array([1, 2, None, None]), pa.array([1, None, 3, None]))
    assert sys.modules["nulls"].calls == calls
    assert result.to_pylist() == [5 if (x, y) in calls else None for x, y in [(1, 1), (2, None), (None, 3), (None, None)]]


FAILING = """
from vivarium import udf

def helper(x):
    if x == 3:
        raise ValueError("three is not allowed")
    return x

@udf
def f(x: int) -> int:
    try:
        return helper(x)
    except ValueError as error:
        raise RuntimeError("helper failed") from error
"""


def test_an_exception_ends_the_call_and_tells_where(error, guest):
    guest.load(FAILING, "/data/failing.py")
    failed = error("f", pa.array([1, None, 3, 3]))
    assert failed == {
        "kind": "exception",
        "type": "RuntimeError",
        "message": "helper failed",
        "function": "f",
        "row": 2,
        "traceback": [
            {"file": "/data/failing.py", "line": 14, "function": "f", "source": 'raise RuntimeError("helper failed") from error'}
        ],
        "cause": {
            "kind": "exception",
            "type": "ValueError",
            "message": "three is not allowed",
            "function": None,
            "row": None,
            "traceback": [
                {"file": "/data/failing.py", "line": 12, "function": "f", "source": "return helper(x)"},
                {
                    "file": "/data/failing.py",
                    "line": 6,
                    "function": "helper",
                    "source": 'raise ValueError("three is not allowed")',
                },
            ],
            "cause": None,
        },
    }


@pytest.mark.parametrize("policy", ["null", "skip"])
@pytest.mark.parametrize("decorator", ["@udf", "@udf(vectorized=True)"])
def test_policies_that_go_on_make_null_and_report_the_rows(guest, policy, decorator):
    source = f"from vivarium import udf\n{decorator}\ndef f(x: int) -> int:\n    if 3 in ([x] if isinstance(x, int) else x):\n        raise ValueError(3)\n    return x\n"
    guest.load(source, "policies.py")
    handle, _ = guest.bind("f", [pa.int64()], policy)
    array, reply = guest.invoke(handle, [pa.array([1, 3, None, 4, 3, 5])], pa.int64())
    assert array.to_pylist() == [1, None, None, 4, None, 5]
    assert (reply["rows"], reply["count"]) == ([1, 4], 2)
    assert [error["row"] for error in reply["row_errors"]] == [1, 4]
    assert guest.invoke(handle, [pa.array([1])], pa.int64())[1] == {}


def test_only_the_first_hundred_errors_are_described(guest):
    guest.load("def f(x: int) -> int:\n    return 1 // x\n", "hundred.py")
    handle, _ = guest.bind("f", [pa.int64()], "null")
    array, reply = guest.invoke(handle, [pa.array([0] * 250)], pa.int64())
    assert array.null_count == 250 and reply["count"] == 250
    assert len(reply["rows"]) == 250 and len(reply["row_errors"]) == 100


@pytest.mark.parametrize("decorator", ["@udf", "@udf(vectorized=True)"])
@pytest.mark.parametrize(
    "statement, kind, fields",
    [
        ("import sys; sys.exit(7)", "exit", {"exit": 7, "type": "SystemExit"}),
        ("raise SystemExit('bye')", "exit", {"exit": 1}),
        ("raise MemoryError", "memory", {"type": "MemoryError"}),
        ("raise KeyboardInterrupt", "exception", {"type": "KeyboardInterrupt"}),
    ],
)
def test_what_ends_the_call_whatever_the_policy(guest, error, decorator, statement, kind, fields):
    guest.load(f"from vivarium import udf\n{decorator}\ndef f(x: int) -> int:\n    {statement}\n", "ending.py")
    for policy in ("fail", "null", "skip"):
        failed = error("f", pa.array([1]), on_error=policy)
        assert failed["kind"] == kind and fields.items() <= failed.items()


@pytest.mark.parametrize(
    "statement, type, message",
    [
        ("raise Hostile()", "Hostile", "<Hostile that cannot be shown>"),
        ("raise ValueError('x' * 10_000_000)", "ValueError", "xxx"),
        (r"raise ValueError('\ud800')", "ValueError", "\\ud800"),
        ("raise KeyError('k')", "KeyError", "key not found: 'k'"),
        ("f(x)", "RecursionError", "maximum recursion depth exceeded"),
        ("raise ExceptionGroup('g', [ValueError(1)])", "ExceptionGroup", "g (1 sub-exception)"),
        ("raise type('A' * 100_000, (Exception,), {})", "A" * 65536, ""),
        ("raise circle()", "ValueError", "1"),
    ],
)
def test_hostile_exceptions_are_described(guest, error, statement, type, message):
    guest.load(
        f"""
class Hostile(Exception):
    def __str__(self):
        raise SystemError("gotcha")

def circle():
    a, b = ValueError(1), ValueError(2)
    a.__cause__, b.__cause__ = b, a
    return a

def f(x: int) -> int:
    {statement}
    return 1
""",
        "hostile.py",
    )
    failed = error("f", pa.array([1]))
    assert failed["type"] == type and message in failed["message"] and len(failed["message"]) <= 65536
    assert len(failed["traceback"]) <= 50
    depth, cause = 0, failed["cause"]
    while cause is not None:
        depth, cause = depth + 1, cause["cause"]
    assert depth <= 5
    if type == "RecursionError":
        assert failed["omitted"] > 100 and failed["traceback"][-1]["function"] == "f"


NOTED = """
import asyncio

async def part(x):
    raise KeyError("price")

async def tasks(x: int) -> int:
    async with asyncio.TaskGroup() as group:
        group.create_task(part(x))
    return x

def noted(x: int) -> int:
    error = ValueError("three")
    error.add_note("while pricing item 3")
    error.add_note("of order 7")
    raise error

class Strange(ExceptionGroup):
    exceptions = property(lambda self: 1 / 0)
    __notes__ = property(lambda self: 1 / 0)

def strange(x: int) -> int:
    raise Strange("strange", [ValueError("a"), ExceptionGroup("inner", [TypeError("b")] * 9)])

def deep(x: int) -> int:
    error = ValueError(1)
    for _ in range(1000):
        error = ExceptionGroup("g", [error] * 3)
    raise error
"""


def test_notes_and_the_parts_of_groups_are_told(guest, error):
    guest.load(NOTED, "noted.py")
    assert error("noted", pa.array([1]))["message"] == "three\nwhile pricing item 3\nof order 7"
    assert error("tasks", pa.array([1]))["message"].split("\n") == [
        "unhandled errors in a TaskGroup (1 sub-exception)",
        "+- part 1 of 1",
        '|  File "noted.py", line 5, in part',
        '|    raise KeyError("price")',
        "|  KeyError: key not found: 'price'",
    ]
    strange = error("strange", pa.array([1]))["message"].split("\n")
    assert strange[:4] == ["strange (2 sub-exceptions)", "+- part 1 of 2", "|  ValueError: a", "+- part 2 of 2"]
    assert strange[-1] == "|  [4 parts are left out]"
    assert len(error("deep", pa.array([1]))["message"]) <= 65536


def test_a_library_between_is_left_out_of_the_traceback(guest, error):
    guest.load("import json\ndef f(x: str) -> str:\n    return json.loads(x)\n", "between.py")
    failed = error("f", pa.array(["{"]))
    assert failed["type"] == "JSONDecodeError"
    assert [(frame["file"], frame["line"]) for frame in failed["traceback"]] == [("between.py", 3)]


def test_a_method_and_other_callables_are_functions_too(guest):
    guest.load(
        """
import functools
from vivarium import udf

class Adder:
    def __init__(self, n):
        self.n = n
    def add(self, x: int) -> int:
        return x + self.n

add_two = udf(Adder(2).add)
add_three = udf(functools.partial(lambda a, b: a + b, 3), input_types=["int64"], result_type="int64", name="three")
length = udf(len, input_types=["string"], result_type="int64")
"""
    )
    assert guest.call("add_two", pa.array([1])).to_pylist() == [3]
    assert guest.call("add_three", pa.array([1])).to_pylist() == [4]
    assert guest.call("length", pa.array(["abc"])).to_pylist() == [3]


def test_a_function_without_arguments_is_called_once_a_row(guest):
    guest.load("n = 0\ndef f() -> int:\n    global n\n    n += 1\n    return n\n", "counter.py")
    assert guest.call("f", rows=3).to_pylist() == [1, 2, 3]


def test_handles_are_reused_and_unknown_ones_refused(guest):
    guest.load("def f(x: int) -> int:\n    return x\n")
    first, _ = guest.bind("f", [pa.int64()])
    guest.control(op="drop", handle=first)
    assert guest.bind("f", [pa.int64()])[0] == first
    guest.control(op="drop", handle=first)
    with pytest.raises(native_guest.GuestError, match="there is no function with handle"):
        guest.invoke(first, [pa.array([1])], pa.int64())
    with pytest.raises(native_guest.GuestError, match="there is no function with handle"):
        guest.control(op="drop", handle=2**40)
