"""Whichever allocation of a call fails, the host gets an answer, and the next call is as good as the first.

What a function's own error looks like when memory ends while it is described is left to CPython, whose json and traceback modules do not
survive every failed allocation; that there is an answer even when nothing at all can be allocated is tested here.
"""

import ctypes
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pyarrow as pa
import pytest

import native_guest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    """The functions of nomemory.c."""
    target = tmp_path_factory.mktemp("memory") / "nomemory.so"
    include = sysconfig.get_paths()["include"]
    subprocess.run(["gcc", "-std=c11", "-O1", "-fPIC", "-shared", "-I" + include, HERE / "nomemory.c", "-o", target], check=True)
    library = ctypes.PyDLL(str(target))
    number, pointer = ctypes.c_longlong, ctypes.c_void_p
    library.nomemory_invoke.argtypes = [pointer, ctypes.c_uint, pointer, number, number, pointer]
    library.nomemory_invoke.restype = number
    return library


def address(function):
    return ctypes.cast(function, ctypes.c_void_p)


def answer(result):
    return ctypes.cast(result, ctypes.POINTER(native_guest.Result)).contents


SOURCE = """
import collections
from vivarium import udf, udtf

P = collections.namedtuple("P", "a b")

def scalar(x: int, text: str) -> str:
    return f"{text} {x * 10**20}"

@udf(result_type="struct<a: list<item: int64>, b: string>")
def nested(x: int, text: str):
    return P([x, x], text)

@udtf
def table(x: int, text: str) -> list[tuple[int, str]]:
    return [(x, text)] * x
"""

COLUMNS = [pa.array([1, 2, 3]), pa.array(["a", "bb", "c\u00e9"])]


@pytest.mark.parametrize("policy", ["fail", "null"])
@pytest.mark.parametrize("function", ["scalar", "nested", "table"])
@pytest.mark.parametrize("lasting", [True, False])
def test_every_allocation_of_a_call(guest, memory, function, policy, lasting):
    guest.load(SOURCE, "exhausted.py")
    handle, _ = guest.bind(function, [column.type for column in COLUMNS], policy)

    def called(first):
        arena, alive = guest.fill(COLUMNS, 3)
        result = ctypes.c_void_p()
        last = -1 if lasting or first < 0 else first + 1
        asked = memory.nomemory_invoke(address(guest.library.vv_invoke), handle, arena, first, last, ctypes.byref(result))
        del alive
        result = answer(result)
        reply = ctypes.string_at(result.reply, result.reply_len) if result.reply else None
        return result.status, reply, bool(result.array), asked

    for _ in range(3):
        expected = called(-1)
    refused = 0
    for first in range(expected[3] + 1):
        status, reply, array, _ = called(first)
        if status == 0:
            assert (status, reply, array) == expected[:3]
        else:
            refused += 1
            assert not array and json.loads(reply)["error"]["kind"] in ("memory", "exception"), reply
    assert refused >= (1 if expected[3] else 0)
    assert called(-1)[:3] == expected[:3]
    guest.control(op="drop", handle=handle)


@pytest.mark.parametrize("raised", ["MemoryError", "ValueError(1)"])
def test_there_is_an_answer_when_nothing_can_be_allocated(guest, memory, raised):
    source = f"def f(x: int) -> int:\n    import sys\n    sys.modules['memory_hook'].nomemory_now()\n    raise {raised}\n"
    sys.modules["memory_hook"] = memory
    memory.nomemory_now.restype = None
    guest.load(source, "nothing.py")
    handle, _ = guest.bind("f", [pa.int64()])
    for _ in range(2):
        arena, alive = guest.fill(COLUMNS[:1], 3)
        result = ctypes.c_void_p()
        memory.nomemory_invoke(address(guest.library.vv_invoke), handle, arena, -1, -1, ctypes.byref(result))
        del alive
        error = json.loads(ctypes.string_at(answer(result).reply, answer(result).reply_len))["error"]
        assert (answer(result).status, error["row"]) == (1, 0)
        assert error["kind"] in ("memory", "exception")
    guest.control(op="drop", handle=handle)


def test_the_next_call_has_its_reserve_again(guest):
    guest.load("def f(x: int) -> int:\n    raise MemoryError\n", "reserve.py")
    for _ in range(3):
        with pytest.raises(native_guest.GuestError) as caught:
            guest.call("f", COLUMNS[0])
        assert caught.value.error["kind"] == "memory" and caught.value.error["row"] == 0
