"""A call within a call, as a host makes one while the guest waits for the answer to a request, is refused and changes nothing."""

import ctypes
import json

import pyarrow as pa

SOURCE = """
import sys
from vivarium import udf

@udf
def f(x: int) -> str:
    return sys.modules["reentry_hook"].again(x)
"""


def test_a_call_within_a_call_is_refused(guest):
    import sys
    import types

    answers = []

    def again(x):
        request = b'{"op": "eval", "source": ""}'
        pointer = guest.library.vv_alloc(len(request))
        ctypes.memmove(pointer, request, len(request))
        results = [guest.library.vv_control(pointer, len(request)).contents, guest.library.vv_invoke(0, 0, None).contents]
        answers.extend((one.status, json.loads(ctypes.string_at(one.reply, one.reply_len)), bool(one.array)) for one in results)
        assert guest.library.vv_batch(100) is None
        return str(x)

    hook = types.ModuleType("reentry_hook")
    hook.again = again
    sys.modules["reentry_hook"] = hook
    guest.load(SOURCE, "reentry.py")
    handle, _ = guest.bind("f", [pa.int64()])
    arena, alive = guest.fill([pa.array([1, 2])], 2)
    result = guest.library.vv_invoke(handle, 0, arena).contents
    assert (result.status, result.reply, result.reply_len) == (0, None, 0)
    assert len(answers) == 4
    for status, reply, array in answers:
        assert status == 1 and not array
        assert (reply["error"]["kind"], reply["error"]["message"]) == ("protocol", "the guest is running another call")
    array, reply = guest.invoke(handle, [pa.array([3])], pa.string())
    assert (array.to_pylist(), reply) == (["3"], {})
    guest.control(op="drop", handle=handle)
    del alive


def test_the_answer_of_a_failure_does_not_stay(guest):
    guest.load("def f(x: int) -> int:\n    return 1 // x\n", "stays.py")
    handle, _ = guest.bind("f", [pa.int64()], "null")
    assert guest.invoke(handle, [pa.array([0])], pa.int64())[1]["count"] == 1
    assert guest.invoke(handle, [pa.array([1])], pa.int64())[1] == {}
    guest.control(op="drop", handle=handle)
