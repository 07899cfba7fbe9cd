"""Control requests: start, exec, eval, and everything that is none."""

import json
import os
import sys

import hypothesis
import hypothesis.strategies as st
import pytest

import native_guest

START = {"op": "start", "seed": "07" * 32, "variables": {}, "path": [], "directory": "/tmp"}


@pytest.fixture(autouse=True)
def whole_process():
    """The guest changes its process, which here is the tests' too."""
    import random

    variables, path, directory, arguments, main = dict(os.environ), sys.path[:], os.getcwd(), sys.argv, sys.modules["__main__"]
    state = random.getstate()
    yield
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(directory)
    sys.path[:], sys.argv, sys.modules["__main__"] = path, arguments, main
    random.setstate(state)
    sys.excepthook = sys.__excepthook__


def evaluate(guest, source):
    return eval(guest.control(op="eval", source=source)["value"])


def test_start_makes_the_process_this_jobs(guest, tmp_path):
    directory = str(tmp_path.resolve())
    reply = guest.control(**START | {"variables": {"A": "b=c", "LANG": "é"}, "path": ["/env/lib"], "directory": directory})
    assert reply == {"python": sys.version.split()[0]}
    result = evaluate(guest, "import os, sys; result = (dict(os.environ), sys.path[-1], os.getcwd(), os.getenv('A'))")
    assert result == ({"A": "b=c", "LANG": "é"}, "/env/lib", directory, "b=c")


def test_the_time_zone_is_this_starts(guest):
    zone = "import time; result = (time.tzname[0], time.localtime(0).tm_hour)"
    try:
        guest.control(**START | {"variables": {"TZ": "XYZ-5"}})
        assert evaluate(guest, zone) == ("XYZ", 5)
        guest.control(**START)
        assert evaluate(guest, zone) == ("UTC", 0)
    finally:
        guest.control(**START)


def test_the_seed_decides_both_generators(guest):
    draw = "import random, numpy; result = (random.random(), float(numpy.random.random()))"
    draws = []
    for seed in ("07" * 32, "07" * 32, "08" * 32):
        guest.control(**START | {"seed": seed})
        draws.append(evaluate(guest, draw))
    assert draws[0] == draws[1] and draws[0][0] != draws[2][0] and draws[0][1] != draws[2][1]


@pytest.mark.parametrize(
    "source, arguments, status, out, err",
    [
        ("import sys; print('hi', sys.argv)", ["a", "-b"], 0, "hi ['script.py', 'a', '-b']\n", ""),
        ("print(__name__, __file__); import __main__; print(__main__.__name__)", [], 0, "__main__ script.py\n__main__\n", ""),
        ("raise SystemExit", [], 0, "", ""),
        ("raise SystemExit(3)", [], 3, "", ""),
        ("raise SystemExit(-1)", [], 255, "", ""),
        ("raise SystemExit(2**80)", [], 255, "", ""),
        ("raise SystemExit('sorry')", [], 1, "", "sorry\n"),
        ("raise SystemExit(False)", [], 0, "", ""),
        ("import atexit; atexit.register(print, 'bye'); print('hi')", [], 0, "hi\nbye\n", ""),
        ("import sys; sys.excepthook = lambda *a: print('hooked', a[0].__name__); 1/0", [], 1, "hooked ZeroDivisionError\n", ""),
        ("import sys; sys.stdout.write('no newline')", [], 0, "no newline", ""),
        (
            "def f():\n    return 1 / 0\n\nf()\n",
            [],
            1,
            "",
            'Traceback (most recent call last):\n  File "script.py", line 4, in <module>\n    f()\n    ~^^\n'
            '  File "script.py", line 2, in f\n    return 1 / 0\n           ~~^~~\nZeroDivisionError: division by zero\n',
        ),
        ("if", [], 1, "", '  File "script.py", line 1\n    if\n      ^\nSyntaxError: invalid syntax\n'),
        ("raise KeyboardInterrupt", [], 130, "", 'Traceback (most recent call last):\n  File "script.py", line 1, in <module>\n    raise KeyboardInterrupt\nKeyboardInterrupt\n'),
    ],
)
def test_exec_behaves_like_python(guest, capsys, source, arguments, status, out, err):
    reply = guest.control(op="exec", mode="file", source=source, filename="script.py", arguments=arguments, interactive=False)
    assert reply == {"exit": status}
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (out, err)


def test_exec_code_and_module(guest, capsys, tmp_path):
    reply = guest.control(op="exec", mode="code", source="import sys; print(sys.argv, sys.path[0] == '', __name__)", arguments=["x"])
    assert reply == {"exit": 0}
    (tmp_path / "runnable.py").write_text("import sys\nprint(__name__, sys.argv[1:], __spec__.name)\nsys.exit(4)\n")
    os.chdir(tmp_path)
    assert guest.control(op="exec", mode="module", module="runnable", arguments=["y"]) == {"exit": 4}
    assert guest.control(op="exec", mode="module", module="no_such_module", arguments=[]) == {"exit": 1}
    captured = capsys.readouterr()
    assert captured.out == "['-c', 'x'] True __main__\n__main__ ['y'] runnable\n"
    assert captured.err.endswith("No module named no_such_module\n")


def test_a_pickle_of_main_works(guest, capsys):
    source = "import pickle\nclass C: pass\nprint(type(pickle.loads(pickle.dumps(C()))) is C)\n"
    guest.control(op="exec", mode="file", source=source, filename="s.py", arguments=[])
    assert capsys.readouterr().out == "True\n"


def test_eval_shows_a_variable(guest):
    assert guest.control(op="eval", source="x = 2\nresult = [x] * 2") == {"value": "[2, 2]"}
    assert guest.control(op="eval", source="pass") == {"value": "None"}
    with pytest.raises(native_guest.GuestError, match="division by zero") as caught:
        guest.control(op="eval", source="1/0")
    assert caught.value.error["traceback"] == [{"file": "<eval>", "line": 1, "function": "<module>", "source": "1/0"}]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"op": 5}',
        b'{"op": ["start"]}',
        b'{"op": "nothing"}',
        b"[" * 100_000,
        b'{"op": "load"}',
        b'{"op": "load", "source": 3, "filename": "x.py"}',
        b'{"op": "load", "module": "a b"}',
        b'{"op": "bind"}',
        b'{"op": "drop", "handle": -1}',
        b'{"op": "drop", "handle": 1e3}',
        b'{"op": "exec", "mode": "file"}',
        b'{"op": "exec", "mode": "fly", "source": "", "filename": ""}',
        b'{"op": "exec", "mode": "file", "source": "", "filename": "x", "arguments": [1]}',
        b'{"op": "start", "seed": "xyz", "variables": {}, "path": []}',
        b'{"op": "start", "seed": "' + b"0" * 64 + b'", "variables": {"a=b": "c"}, "path": []}',
        b'{"op": "start", "seed": "' + b"0" * 64 + b'", "variables": {"a": "\\u0000"}, "path": []}',
        b'{"op": "start", "seed": "' + b"0" * 64 + b'", "variables": {}, "path": [3]}',
    ],
)
def test_requests_that_are_none_are_protocol_errors(guest, request_bytes):
    with pytest.raises(native_guest.GuestError) as caught:
        guest.control_bytes(request_bytes)
    assert caught.value.error["kind"] == "protocol"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
FIELDS = st.sampled_from(["seed", "variables", "path", "directory", "source", "filename", "module", "function", "arguments", "on_error", "handle"])


@hypothesis.given(st.sampled_from(["start", "load", "bind", "drop", "nothing"]), st.dictionaries(FIELDS, JSON))
@hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_any_request_gets_an_answer(guest, operation, fields):
    fields.pop("source", None)  # that would be code to run
    try:
        guest.control_bytes(json.dumps({"op": operation} | fields).encode())
    except native_guest.GuestError as caught:
        assert caught.error["kind"] in ("protocol", "definition", "import")
