"""Scalar functions as columns: what goes back to Flink is what it is without, byte for byte, whatever the messages are."""

import random
from datetime import datetime, timedelta
from decimal import Decimal

import _flink_rows
import _vivarium
import operators
import pytest
from operators import Constant, Operator, compare, written
from pyflink.table.udf import ScalarFunction

ALL = ["TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN", "VARCHAR", "CHAR", "VARBINARY", "BINARY", "DATE", "TIME"]
ALL += [f"{name}({digits})" for name in ("TIMESTAMP", "LOCAL_ZONED_TIMESTAMP") for digits in (0, 3, 6, 9)]
ALL += ["DECIMAL(10, 2)", "DECIMAL(38, 0)", "DECIMAL(38, 38)", "DECIMAL(38, 18)", "DECIMAL(20, 7)", "DECIMAL(1, 1)"]
MOMENTS = [type for type in ALL if type in ("DATE", "TIME") or "TIMESTAMP" in type]
DECIMALS = [type for type in ALL if type.startswith("DECIMAL")]


EPOCH = datetime(1970, 1, 1)


def values(seed, types, count=600):
    return operators.values(random.Random(seed), types, count)


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_generated_operators(first):
    rows = [0, 0]
    for seed in range(first, first + 10):
        operator = operators.RandomOperator(seed)
        found, done = compare(operator, operator.rows(400))
        assert found is None, f"seed {seed}: {found}\n" + "\n".join(operator.sources)
        rows = [a + b for a, b in zip(rows, done)]
    assert rows[0] > 0 and rows[1] > 0


@pytest.mark.parametrize("type", ALL)
def test_values_of_every_type(type):
    """A value in, the same one out; and NULLs, in a row long enough for a mask of two bytes."""
    found, done = compare(Operator([type], [(lambda x: x, 0)], [type]), values(type, [type]))
    assert found is None and done[1] * 5 < done[0] and (type in LEFT or done[1] == 0)
    some = [*ALL[:8], "DATE", "VARBINARY"]
    calls = [(lambda x: x, 10), *((lambda x: x, k) for k in range(10)), (lambda x: x is None, 0)]
    operator = Operator([*some, type], calls, [type, *some, "BOOLEAN"])
    found, done = compare(operator, values(type, operator.types))
    assert found is None and done[1] * 5 < done[0] and (type in LEFT or done[1] == 0)


LEFT = ["TIMESTAMP(6)", "TIMESTAMP(9)", "LOCAL_ZONED_TIMESTAMP(6)", "LOCAL_ZONED_TIMESTAMP(9)", *DECIMALS]
"""Types with values that are the interpreter's: the last microseconds of a second in far years, negative zeros and what has to be rounded."""


@pytest.mark.parametrize("type", [*MOMENTS, *DECIMALS])
def test_values_that_there_are_not(type):
    """They end the message, with the error of PyFlink's coder, also where nothing is done with them."""
    r = random.Random(type)
    for result in ((lambda x: x, 0), (lambda: 1,)):
        operator = Operator([type], [result], [type if len(result) > 1 else "INT"])
        for _ in range(30):
            rows = values(r.random(), [type], 40)
            rows[r.randrange(40)] = [operators.wrong(r, type)]
            assert compare(operator, rows, cuts=(None,))[0] is None


@pytest.mark.parametrize("type", MOMENTS)
def test_moments_of_another_type(type):
    """What is not of the result's type is PyFlink's coder's to take or to refuse; datetimes with and without a zone are the same to it."""
    for result in MOMENTS:
        operator = Operator([type], [(lambda x: x, 0)], [result])
        found, done = compare(operator, values(type, [type], 100), cuts=(None, 1))
        assert found is None, (type, result)
        assert done[0] > 100 or (type.split("(")[0] != result.split("(")[0] and not ("TIMESTAMP" in type and "TIMESTAMP" in result))


@pytest.mark.parametrize("type", DECIMALS)
def test_decimals_of_another_type(type):
    """They are rounded to the digits of the result, half to even, by a context of its own."""
    precision, scale = operators.parts(type)[1]
    most = min(200, 10**precision - 1)
    halves = [[str(Decimal(number).scaleb(-scale))] for number in range(-most, most + 1)]
    for result in [*DECIMALS, "DECIMAL(5, 3)", "DECIMAL(2, 2)", "DECIMAL(3, 0)", "BIGINT", "VARCHAR", "DOUBLE"]:
        operator = Operator([type], [(lambda x: x, 0)], [result])
        for rows in (values(type, [type], 100), halves):
            assert compare(operator, rows, cuts=(None, 1))[0] is None, (type, result)


@pytest.mark.parametrize("type", ["BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR"])
def test_other_values_are_no_decimals(type):
    """They have no quantize(), which is PyFlink's coder's to say."""
    assert compare(Operator([type], [(lambda x: x, 0)], ["DECIMAL(38, 2)"]), values(type, [type], 20), cuts=(None, 1))[0] is None


def test_every_fraction_of_a_second():
    """PyFlink's coder takes whole seconds from a float, cut towards zero."""
    function = (lambda x: None if x is None else EPOCH + timedelta(microseconds=x), 0)
    operator = Operator(["BIGINT"], [function, function], ["TIMESTAMP(6)", "TIMESTAMP(3)"])
    first, last, exact = -62_135_596_800, 253_402_300_799, 2**53 // 10**6
    fractions = (0, 1, 499_999, 500_000, 999_000, 999_900, 999_984, 999_985, 999_999)
    rows = [[second * 10**6 + fraction] for second in (first, -exact - 1, -exact, -2, -1, 0, 1, exact, exact + 1, last) for fraction in fractions]
    r = random.Random(5)
    rows += [[r.randrange(first * 10**6, (last + 1) * 10**6)] for _ in range(500)]
    found, done = compare(operator, rows, cuts=(None, 20))
    assert found is None and done[0] > 1000 and 0 < done[1] < 50


def test_zones_are_pytz_objects(monkeypatch):
    """Datetimes of UTC run as columns; those of another zone do not, and are written by their clocks."""
    function, types = (lambda x: None if x is None else x + timedelta(hours=7), 0), ["LOCAL_ZONED_TIMESTAMP(3)"]
    for zone, runs in [("UTC", True), ("Etc/UTC", True), ("Europe/Berlin", False), ("Asia/Kolkata", False)]:
        monkeypatch.setenv("TABLE_LOCAL_TIME_ZONE", zone)
        found, done = compare(Operator(types, [function], types), values(zone, types, 100))
        assert found is None and (done[0] > 0) == runs
        found, done = compare(Operator(["TIMESTAMP(3)"], [function], types), values(zone, ["TIMESTAMP(3)"], 100))
        assert found is None and done[0] > 0


OPERATORS = {
    "a chain": (["BIGINT"], [(lambda x: x * 3, (lambda x: None if x is None else x - 1, 0))], ["BIGINT"]),
    "constants": (["VARCHAR"], [(lambda a, b, c: f"{a}{b}" if c else a, 0, Constant("é"), Constant(True))], ["VARCHAR"]),
    "NULL as a constant": (["BIGINT"], [(lambda a, b: a if b is None else b, 0, Constant(None))], ["BIGINT"]),
    "several results": (
        ["INT", "VARCHAR"],
        [(lambda a: a + 1 if a else 0, 0), (lambda b, a: b and b[:2] * 2, 1, 0), (lambda: 5,)],
        ["INT", "VARCHAR", "INT"],
    ),
    "no column": ([], [(lambda a: a * 2, Constant(4))], ["BIGINT"]),
    "columns in another order": (
        ["DOUBLE", "BIGINT"],
        [(lambda a, b: a if b is None else b, 1, 0), (lambda a: -a if a else a, 0)],
        ["BIGINT", "DOUBLE"],
    ),
    "a result that is too large": (["BIGINT"], [(lambda x: x, 0), (lambda x: 1, 0)], ["TINYINT", "INT"]),
    "a float that is too large": (["DOUBLE"], [(lambda x: x, 0)], ["FLOAT"]),
    "ints as floats": (["BIGINT"], [(lambda x: x, 0)], ["DOUBLE"]),
    "floats as ints": (["DOUBLE"], [(lambda x: x, 0)], ["BIGINT"]),
    "bools as ints": (["BOOLEAN"], [(lambda x: x, 0)], ["INT"]),
    "ints as bools": (["BIGINT"], [(lambda x: x, 0)], ["BOOLEAN"]),
    "a text as an int": (["VARCHAR"], [(lambda x: x, 0)], ["INT"]),
    "always NULL": (["VARCHAR", "INT"], [(lambda x: None, 0), (lambda y: y, 1)], ["INT", "INT"]),
    "errors": (["VARCHAR"], [(lambda x: int(x) + 1, 0)], ["BIGINT"]),
    "errors in the second of two": (["VARCHAR", "BIGINT"], [(lambda y: y, 1), (lambda x: float(x), 0)], ["BIGINT", "DOUBLE"]),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    operator = Operator(*OPERATORS[name])
    tame = [[k & 63 if type(k) is int else k for k in row] for row in values(name, operator.types, 300)]
    for rows in (values(name, operator.types), tame):
        assert compare(operator, rows, cuts=(None, 1, 16, 255, 256, 257))[0] is None


class Scaled(ScalarFunction):
    def __init__(self, factor):
        self.factor = factor

    def eval(self, x):
        return x + 2 if x % 2 else x * self.factor


def test_a_class_with_a_method():
    operator = Operator(["BIGINT"], [(Scaled(10), (Scaled(100), 0))], ["BIGINT"])
    found, done = compare(operator, [[k] for k in range(500)])
    assert found is None and done[0] > 100


def test_a_method_is_called_with_its_own_object():
    """Of two objects of a class, each with what it does not share."""
    operator = Operator(["BIGINT"], [(Scaled(10), 0), (Scaled(100), 0)], ["BIGINT", "BIGINT"])
    assert compare(operator, [[k] for k in range(50)])[0] is None


# What rows do besides: functions of one script, which share its globals.
EFFECTS = """
LOG, K = [], 1
def first(x):
    global K
    if x is None:
        return len(LOG)
    if x % 40 == 7:
        LOG.append(("first", x))
    if x % 100 == 50:
        K += 1
    if x == 333:
        raise ValueError(f"{x} after {LOG}")
    return x + K
def second(x, y):
    if y and y % 60 == 3:
        LOG.append(("second", y))
        return len(LOG)
    return x
"""


@pytest.mark.parametrize("cut", [None, 1, 50, 300])
def test_side_effects_and_errors_are_in_order(cut):
    """What a row does counts for the next one; a message with an error ends there, with the same traceback."""
    payloads = [written(EFFECTS, name) for name in ("first", "second")]
    one = Operator(["BIGINT"], [(payloads[0], 0)], ["BIGINT"])
    two = Operator(["BIGINT"], [(payloads[0], 0), (payloads[1], (payloads[0], 0), 0)], ["BIGINT", "BIGINT"])
    for operator in (one, two):
        found, done = compare(operator, [[None if k % 70 == 69 else k] for k in range(700)], cuts=(cut,))
        assert found is None
        assert cut == 1 or done[0] > 0


def test_what_a_row_changes_counts_for_the_next():
    source = "\nD = {1: 2}\ndef fn(x):\n    if x % 20 == 19:\n        D[x] = x\n    return D.get(x % 40, -1)\n"
    operator = Operator(["BIGINT"], [(written(source, "fn"), 0)], ["BIGINT"])
    found, done = compare(operator, [[k] for k in range(300)])
    assert found is None and done[0] > 0


def test_pyflinks_own_loop_writes_the_same():
    """The one that side outputs, async functions and aggregates go through."""
    operator = Operator(ALL, [(lambda x: x, k) for k in range(len(ALL))], ALL)
    message = operator.message(values("loop", ALL, 100))
    opened = operator.open("off")
    right = opened(message)
    opened.bundle._loop = None
    assert opened(message) == right
    floats = Operator(["DOUBLE"], [(lambda x: x, 0)], ["BIGINT"])
    opened = floats.open("off")
    opened.bundle._loop = None
    assert opened(floats.message([[1.9], [-1.9]])) == floats.open("off")(floats.message([[1.9], [-1.9]]))
    assert "in field 1 of 1" in opened(floats.message([[1.0], [float("nan")]]))


def test_errors_say_which_row_and_function():
    """And the same with columns, where most rows are counted without the interpreter."""
    operator = Operator(["BIGINT"], [(lambda x: x, 0), (lambda x: "text" if x == 39 else 1, 0)], ["BIGINT", "INT"])
    for mode in ("off", "force"):
        said = operator.open(mode)(operator.message([[k] for k in range(50)]))
        assert said.splitlines()[-3:] == [
            "TypeError: an integer is required, got str",
            "in field 2 of 2",
            "in the result for row 40 of a message, of <lambda>, <lambda>",
        ]
    message = operator.message([[k] for k in range(30)])[:-1]
    assert "in the values of row 30 of a message, of <lambda>" in operator.open("force")(message)


def test_lifting_waits_for_rows():
    operator = Operator(["BIGINT"], [(lambda x: x + 1, 0)], ["BIGINT"])
    opened = operator.open("")
    wait = opened.function.rows_to_wait
    assert wait > 3000
    opened(operator.message([[k] for k in range(wait - 100)]))
    assert (opened.function.rows_as_columns, opened.function.rows_interpreted) == (0, wait - 100)
    opened(operator.message([[k] for k in range(1000)]))
    assert (opened.function.rows_as_columns, opened.function.rows_interpreted) == (900, wait)
    opened(operator.message([[k] for k in range(15)]))
    assert (opened.function.rows_as_columns, opened.function.rows_interpreted) == (900, wait + 15)
    opened(operator.message([[k] for k in range(16)]))
    assert (opened.function.rows_as_columns, opened.function.rows_interpreted) == (916, wait + 15)


def test_a_program_that_fails_is_switched_off():
    operator = Operator(["VARCHAR"], [(lambda x: x.upper(), 0)], ["VARCHAR"])
    opened, message = operator.open(""), operator.message([["é"]] * 5000)
    for _ in range(3):
        assert opened(message) == operator.open("off")(message)
    assert opened.function.rows_as_columns == 0 and not hasattr(opened.function, "lifter")


def test_what_is_not_lifted():
    """Functions without a program cost nothing and are tried once."""
    operator = Operator(["BIGINT"], [(written("\ndef fn(*x): return print(x)\n", "fn"), 0)], ["BIGINT"])
    opened = operator.open("force")
    opened(operator.message([[1]] * 30))
    assert not hasattr(opened.function, "lifter")


@pytest.mark.parametrize(
    "types, results",
    [
        (["BASIC_ARRAY"], ["BIGINT"]),
        (["BIGINT", "BASIC_ARRAY"], ["BIGINT"]),
        (["BIGINT"], ["BASIC_ARRAY"]),
    ],
)
def test_other_types_are_not_columns(types, results):
    assert Operator(types, [(lambda x: x, 0)], results).open("force").function is None


def test_long_texts():
    """A block has as many rows as their texts allow; one that is too long is the interpreter's."""
    operator = Operator(["VARCHAR", "VARCHAR"], [(lambda a, b: a.upper() + b, 0, 1)], ["VARCHAR"])
    rows = [["a" * (k * 997 % 30_000), "b" * (200_000 if k == 30 else k)] for k in range(60)]
    found, done = compare(operator, rows)
    assert found is None and done[0] > 100


def test_any_bytes_give_the_same_rows_and_the_same_error():
    operator = Operator(["VARCHAR", "INT"], [(lambda a, b: None if a is None else f"{a}{b}", 0, 1)], ["VARCHAR"])
    r = random.Random(7)
    message = operator.message(values("any", operator.types, 40))
    opened = [operator.open(mode) for mode in ("off", "force", "shadow")]
    texts = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xe0\x80\x80", b"\xf4\x90\x80\x80", b"\xf0\x8f\x80\x80", b"a\xc3", b"\xe2\x82"]
    texts += [text.encode() for text in ("é€😀", "\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff", "a" * 9 + "é")]
    texts = [b"\x0c\x00" + len(text).to_bytes(4, "big") + text + b"\0\0\0\1" for text in texts]
    cases = [message[:length] for length in range(0, len(message), 7)]
    for _ in range(300):
        changed = bytearray(message)
        for _ in range(r.randint(1, 3)):
            changed[r.randrange(len(changed))] = r.randrange(256)
        cases.append(bytes(changed))
    cases += [operator.message([["x", 1]] * k) + text + message for text in texts for k in (0, 3)]
    for case in cases:
        right, *found = (one(case) for one in opened)
        assert found == [right, right], case


NESTED = []


def runs_others(x):
    if x % 50 == 3 and NESTED:
        opened, message, seen = NESTED
        seen.append(opened(message))
    return x * 3


def test_a_row_may_run_others():
    """A function that goes through rows itself while a block is being written."""
    operator = Operator(["BIGINT"], [(lambda x: x * 2, 0)], ["BIGINT"])
    message = operator.message([[k] for k in range(600)])
    right = operator.open("off")(message)
    outer = Operator(["BIGINT"], [(runs_others, 0)], ["BIGINT"])
    NESTED[:] = operator.open("force"), message, []
    try:
        assert outer.open("force")(message) == outer.open("off")(message)
        assert len(NESTED[2]) == 24 and all(each == right for each in NESTED[2])
    finally:
        NESTED.clear()


def test_run_takes_only_functions_of_its_rows():
    operator = Operator(["BIGINT"], [(lambda x: x, 0)], ["BIGINT"])
    other = Operator(["VARCHAR"], [(lambda x: x, 0)], ["VARCHAR"]).open("force").function
    codec, stages = operator.codec, ((lambda x: x,),)
    for function in (other, 5, _vivarium.Function(print, "f", (), (), ("n", "r", True, "null", None, ()), 0, None)):
        with pytest.raises(TypeError, match="columns of the rows"):
            _flink_rows.run(codec, stages, codec, 0, True, b"", function)
    with pytest.raises(TypeError, match="columns of the rows"):
        _flink_rows.run(codec, stages * 2, codec, 0, False, b"", operator.open("force").function)
