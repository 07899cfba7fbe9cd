"""PyFlink's Row does what it does without the methods that are put in C."""

import copy
import importlib.util
import itertools
import pickle

import pytest
from pyflink.common import types as patched

PLAIN = importlib.util.module_from_spec(importlib.util.find_spec("pyflink.common.types"))
PLAIN.__spec__.loader.exec_module(PLAIN)


def rows(types):
    """The same rows of either class."""
    row = types.Row
    named = row(1, 2)
    named.set_field_names(["b", "a"])
    short = row(1, 2, 3)
    short._values = (1, 2, 3)
    return [
        row(), row(1, 2), row(1, 2.0), row(2, 1), row("a", None), row(a=1, b=2), row(b=2, a=1), named, row("x", "y")(1, 2), short,
        row(row(1), row(2)), row.of_kind(types.RowKind.DELETE, 1, 2), row(1, 2, 3), type("Other", (row,), {})(1, 2), row([1, 2]), (1, 2),
    ]  # fmt: skip


def outcome(function, *arguments):
    try:
        return "value", repr(function(*arguments)).replace("<RowKind.", "RowKind.")
    except Exception as error:
        return type(error).__name__, str(error)


ITEMS = [0, 1, -1, -2, 2, -3, True, slice(1), slice(None, None, -1), "a", "b", "x", "nothing", None, 2**70, 1.0]


@pytest.mark.parametrize("at", range(len(rows(PLAIN)) - 1))
def test_a_row_alone(at):
    mine, plain = rows(patched)[at], rows(PLAIN)[at]
    for item in ITEMS:
        assert outcome(lambda: mine[item]) == outcome(lambda: plain[item]), item
    for look in [repr, list, len, hash, vars, lambda row: row.get_row_kind().value, lambda row: row.a, lambda row: row.as_dict()]:
        assert outcome(look, mine) == outcome(look, plain)
    assert list(vars(mine)) == list(vars(plain))


def test_comparisons():
    pairs = zip(itertools.product(rows(patched), repeat=2), itertools.product(rows(PLAIN), repeat=2))
    for (mine, other), (plain, plain_other) in pairs:
        assert outcome(lambda: mine == other) == outcome(lambda: plain == plain_other), (mine, other)
        assert outcome(lambda: mine != other) == outcome(lambda: plain != plain_other), (mine, other)


@pytest.mark.parametrize("arguments, named", [((1,), {"a": 1}), ((), {"_values": 1}), (([],), {}), ((1,) * 100, {})])
def test_rows_that_are_made(arguments, named):
    assert outcome(lambda: patched.Row(*arguments, **named)) == outcome(lambda: PLAIN.Row(*arguments, **named))


def test_copies_are_equal():
    for row in rows(patched)[:6]:
        assert pickle.loads(pickle.dumps(row)) == copy.copy(row) == copy.deepcopy(row) == row


def test_comparing_does_not_keep_what_python_raises():
    class Odd:
        def __eq__(self, other):
            raise KeyError("odd")

    with pytest.raises(KeyError, match="odd"):
        assert patched.Row(Odd()) == patched.Row(1)
    with pytest.raises(AttributeError):
        patched.Row(1).nothing = 1
