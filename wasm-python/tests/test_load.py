"""Loading a file: what it offers, and every problem at once."""

import pickle
import sys

import pyarrow as pa
import pytest

import native_guest


def test_signatures_and_lines(guest):
    loaded = guest.load(
        '''"""A module."""
from __future__ import annotations
import datetime
from typing import Annotated, Optional
from vivarium import udf

@udf(name="price", deterministic=False, on_error="skip")
def net_price(
    amount: float,
    rate: Optional[float] = None,
    *others: Annotated[int, "int32"],
) -> float:
    """The price without tax.

    More about it."""
    return amount

def plain(day: datetime.date, unknown) -> "timestamp[ms]":
    return day

class NotAFunction:
    def method(self):
        pass

constant = 5
alias = plain
''',
        "/home/me/my-prices.py",
    )
    assert loaded["problems"] == []
    assert loaded["functions"] == [
        {
            "name": "price",
            "attribute": "net_price",
            "kind": "scalar",
            "parameters": [
                {"name": "amount", "type": "double", "nullable": False, "default": False, "variadic": False},
                {"name": "rate", "type": "double", "nullable": True, "default": True, "variadic": False},
                {"name": "others", "type": "int32", "nullable": False, "default": False, "variadic": True},
            ],
            "result": {"type": "double", "nullable": True},
            "null_handling": "skip",
            "deterministic": False,
            "on_error": "skip",
            "doc": "The price without tax.",
            "line": 8,
            "decorated": True,
        },
        {
            "name": "plain",
            "attribute": "plain",
            "kind": "scalar",
            "parameters": [
                {"name": "day", "type": "date32[day]", "nullable": False, "default": False, "variadic": False},
                {"name": "unknown", "type": None, "nullable": False, "default": False, "variadic": False},
            ],
            "result": {"type": "timestamp[ms]", "nullable": True},
            "null_handling": "skip",
            "deterministic": True,
            "on_error": None,
            "doc": "",
            "line": 18,
            "decorated": False,
        },
    ]


def test_every_problem_is_reported_with_its_line(guest):
    loaded = guest.load(
        """import numpy as np
from vivarium import udf

@udf
def first(
    a: complex,
    b,
    c: int | str,
    d: frozenset,
):
    return a

@udf(result_type="strng", input_types=["int64"], null_handling="maybe", on_error="retry", name="")
def second(x, y):
    return x

@udf
def third(x: 'Missing', *, key: int) -> object:
    yield x

@udf(name="third")
async def fourth(x: int) -> int:
    return x

@udf(vectorized=True)
def fifth() -> int:
    return []

def plain(x: complex):
    return x
""",
        "problems.py",
    )
    assert [(p["function"], p["line"], p["message"]) for p in loaded["problems"]] == [
        ("first", 5, "the result has no type: annotate it (`-> int`) or give result_type="),
        (
            "first",
            6,
            "parameter 'a': the annotation `complex` stands for no Arrow type; write one of int, float, str, bytes, bool, "
            "datetime.date, datetime.datetime, or give the type as a string in input_types=",
        ),
        ("first", 8, "parameter 'c': the annotation `int | str` allows several types; a column has one (and NULL: `int | None`)"),
        (
            "first",
            9,
            "parameter 'd': the annotation `frozenset` stands for no Arrow type; write one of int, float, str, bytes, bool, "
            "datetime.date, datetime.datetime, or give the type as a string in input_types=",
        ),
        ("second", 14, "name= must be a printable string of 1 to 255 bytes"),
        ("second", 14, "null_handling='maybe' is not one of 'skip', 'call'"),
        ("second", 14, "on_error='retry' is not one of 'fail', 'null', 'skip'"),
        ("second", 14, "input_types= lists 1 types for 2 parameters"),
        ("second", 14, "result_type=: 'strng' is not the name of a type: 'strng' is not known"),
        ("third", 18, "a function of one value per row cannot yield: use return, or declare a table function (@udtf)"),
        ("third", 18, "parameter 'key' can only be given by name, and arguments are given in order"),
        ("third", 18, "parameter 'x': the annotation `Missing` cannot be evaluated: NameError: name 'Missing' is not defined"),
        (
            "third",
            18,
            "result: the annotation `object` stands for no Arrow type; write one of int, float, str, bytes, bool, "
            "datetime.date, datetime.datetime, or give the type as a string in result_type=",
        ),
        ("third", 22, "the name 'third' is taken by the function in line 18: give name="),
        ("fifth", 26, "a vectorized function has at least one parameter: the number of rows is that of its arguments"),
    ]


@pytest.mark.parametrize(
    "source, kind, type, message, frame",
    [
        ("x = 1\nif x\n", "syntax", "SyntaxError", "expected ':'", ("broken.py", 2, "<module>", "if x")),
        ("def f():\nreturn 1\n", "syntax", "IndentationError", "expected an indented block after function definition on line 1", ("broken.py", 2, "<module>", "return 1")),
        ("x = 1\nimport nothing_here\n", "import", "ModuleNotFoundError", "No module named 'nothing_here'", ("broken.py", 2, "<module>", "import nothing_here")),
        ("1 / 0\n", "exception", "ZeroDivisionError", "division by zero", ("broken.py", 1, "<module>", "1 / 0")),
        ("import sys\nsys.exit(3)\n", "exit", "SystemExit", "the code called exit", ("broken.py", 2, "<module>", "sys.exit(3)")),
        ("x = '\0'\n", "syntax", "SyntaxError", "source code string cannot contain null bytes", None),
    ],
)
def test_a_file_that_does_not_run(guest, source, kind, type, message, frame):
    with pytest.raises(native_guest.GuestError) as caught:
        guest.load(source, "broken.py")
    error = caught.value.error
    assert (error["kind"], error["type"], error["message"]) == (kind, type, message)
    if frame:
        assert [tuple(step.values()) for step in error["traceback"]] == [frame]
    assert "broken" not in sys.modules


def test_the_module_is_a_real_one(guest):
    guest.load(
        """
import dataclasses, pickle, typing, sys

@dataclasses.dataclass
class Point:
    x: "int"

def f(x: int) -> int:
    assert __name__ == "real" and sys.modules["real"].f is f
    assert typing.get_type_hints(Point) == {"x": int}
    return pickle.loads(pickle.dumps(Point(x))).x
""",
        "real.py",
    )
    assert guest.call("f", pa.array([3])).to_pylist() == [3]
    assert pickle.loads(pickle.dumps(sys.modules["real"].Point(1))).x == 1


def test_a_file_named_like_a_library_hides_nothing(guest):
    import json

    assert guest.load("import json\ndef f(x: str) -> str:\n    return json.dumps(x)\n", "json.py")["module"] == "json_"
    assert guest.call("f", pa.array(["a"])).to_pylist() == ['"a"']
    assert sys.modules["json"] is json
    assert guest.load("", "2-times.py")["module"] == "_2_times"


def test_a_module_on_the_path_is_loaded_by_name(guest, tmp_path):
    (tmp_path / "package_of_functions").mkdir()
    (tmp_path / "package_of_functions" / "__init__.py").write_text("")
    (tmp_path / "package_of_functions" / "inner.py").write_text("from vivarium import udf\n\n@udf\ndef f(x: int) -> int:\n    return -x\n")
    guest.control(op="start", seed="00" * 32, variables={}, path=[str(tmp_path)], directory="/tmp")
    loaded = guest.control(op="load", module="package_of_functions.inner")
    assert [(function["name"], function["line"]) for function in loaded["functions"]] == [("f", 4)]
    assert guest.call("f", pa.array([3])).to_pylist() == [-3]
    with pytest.raises(native_guest.GuestError, match="No module named 'package_of_functions.other'") as caught:
        guest.control(op="load", module="package_of_functions.other")
    assert caught.value.error["kind"] == "import"


def test_one_function_can_be_declared_twice(guest):
    loaded = guest.load(
        "from vivarium import udf\ndef f(x):\n    return x\na = udf(f, input_types='int64', result_type='int64')\nb = udf(f, input_types='string', result_type='string')\n"
    )
    found = {function["name"]: function["result"]["type"] for function in loaded["functions"] if function["decorated"]}
    assert found == {"a": "int64", "b": "string"} and loaded["problems"] == []


def test_a_decorated_function_stays_callable():
    from vivarium import udf

    @udf
    def f(x: int) -> int:
        return x + 1

    @udf(vectorized=True)
    def g(x: float) -> float:
        return x * 2

    assert f(1) == 2 and g(2.0) == 4.0 and f.__name__ == "f"
    with pytest.raises(TypeError, match="udf\\(\\) decorates a function or a class, not int"):
        udf(3)


@pytest.mark.parametrize(
    "function, types, message",
    [
        ("missing", [], "there is no function 'missing'"),
        ("f", [], r"f\(x, y\) cannot be called with 0 arguments"),
        ("f", ["int64"] * 3, r"f\(x, y\) cannot be called with 3 arguments"),
        ("untyped", [], "the result of untyped has no type: annotate it"),
    ],
)
def test_what_cannot_be_bound(guest, function, types, message):
    guest.load("def f(x: int, y: int = 1) -> int:\n    return x\ndef untyped():\n    return 1\n", "bound.py")
    with pytest.raises(native_guest.GuestError, match=message) as caught:
        guest.bind(function, types)
    assert caught.value.error["kind"] == "definition"
    assert guest.call("f", pa.array([1])).to_pylist() == [1]


def test_what_a_file_declares_is_bounded(guest):
    name, parameters = "n" * 300, ", ".join(f"p{index}: int" for index in range(300))
    source = f"""
from vivarium import udf
@udf
def {name}({name}: int) -> int:
    return 1
@udf
def wide({parameters}) -> int:
    return 1
@udf
def f(x: int) -> int:
    {"d" * 5000!r}
for _ in range(1100):
    globals()["f%d" % _] = udf(lambda x: 1)
"""
    loaded = guest.load(source, "bounded.py")
    assert len(loaded["functions"]) == len(loaded["problems"]) == 1000
    assert max(len(function["name"]) for function in loaded["functions"]) == 255
    assert max(len(function["parameters"]) for function in loaded["functions"]) == 255
    assert max(len(function["doc"]) for function in loaded["functions"]) == 1000
    messages = [problem["message"] for problem in loaded["problems"]]
    for said in ("its name has more than 255 bytes", "it has 300 parameters; at most 255 are possible", "a file declares at most 1000 functions"):
        assert said in messages
    assert messages[-1].endswith(" more problems")


def test_types_that_are_too_large_or_too_deep_together(guest):
    """Parts that are fine by themselves; undecorated functions are merely not usable."""
    loaded = guest.load(
        """from typing import Annotated, NamedTuple
from vivarium import udf

class Large(NamedTuple):
    a: Annotated[bytes, "fixed_size_binary[20000]"]
    b: Annotated[bytes, "fixed_size_binary[20000]"]

Deep = int
for _ in range(32):
    Deep = list[Deep]

Shallow = int
for _ in range(31):
    Shallow = list[Shallow | None]

@udf
def large(x: int) -> Large: return None

@udf
def deep(x: Deep) -> int: return 1

@udf
def shallow(x: Shallow) -> int: return 1

def plain(x: int) -> Large: return None
"""
    )
    problems = [(problem["function"], problem["line"], problem["message"]) for problem in loaded["problems"]]
    assert [(function, line) for function, line, _ in problems] == [("large", 17), ("deep", 20)]
    assert "the result: a value of type struct<a: fixed_size_binary[20000]" in problems[0][2]
    assert "takes 40000 bytes, also when it is NULL, and at most 32768 are possible" in problems[0][2]
    assert problems[1][2] == "parameter 'x': a type nests deeper than the 32 levels allowed"
    types = {function["name"]: function["result"]["type"] for function in loaded["functions"]}
    assert types == {"large": None, "deep": "int64", "shallow": "int64", "plain": None}


def test_what_counts_on_the_sizes_of_another_cpython_is_noted(guest):
    loaded = guest.load(
        """
import sys
from sys import maxsize
from vivarium import udf

IS_64 = sys.maxsize > 2**32

@udf
def smallest(values: list[int]) -> int:
    least = sys.maxsize
    for value in values:
        least = min(least, value)
    return least

@udf
def bucket(name: str) -> int:
    return hash(name) % 16 + abs(hash(name)) % 4

@udf
def same(name: str) -> int:
    return hash(name)
""",
        "sizes.py",
    )
    assert [(note["line"], note["message"].split()[0]) for note in loaded["notes"]] == [
        (3, "sys.maxsize"), (10, "sys.maxsize"), (17, "hash()"), (17, "hash()")
    ]  # fmt: skip
    assert guest.load("x = 5\n", "none.py")["notes"] == []


def test_a_size_that_is_too_large_says_what_to_write_instead(error, guest):
    guest.load("def f(x: int) -> int:\n    return len(range(x * 10**30))\n", "large.py")
    message = error("f", pa.array([1]))["message"]
    assert message.startswith("Python int too large") and "What 32 bits change" in message
    guest.load("def f(x: int) -> float:\n    return 10.0**x\n", "power.py")
    assert "bits" not in error("f", pa.array([1000]))["message"]
