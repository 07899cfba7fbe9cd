"""What a function returns must fit its result type exactly; everything else is an error that shows the value."""

import pyarrow as pa
import pytest

LOAD = """
import datetime, decimal
from vivarium import udf
import numpy

class Index:
    def __index__(self):
        return 7

class Liar:
    def __repr__(self):
        raise RuntimeError("no")

@udf(result_type={type!r})
def f(x: int):
    return {value}
"""


def returning(guest, type, value):
    guest.load(LOAD.format(type=type, value=value), "results.py")


@pytest.mark.parametrize(
    "type, value, result",
    [
        ("int8", "-128", -128),
        ("uint64", "2**64 - 1", 2**64 - 1),
        ("int64", "numpy.int32(3)", 3),
        ("int64", "Index()", 7),
        ("double", "3", 3.0),
        ("double", "numpy.float32(0.5)", 0.5),
        ("double", "2**60", float(2**60)),
        ("float", "0.1", 0.10000000149011612),
        ("float", "float('inf')", float("inf")),
        ("double", "decimal.Decimal('0.5')", 0.5),
        ("bool", "numpy.bool_(True)", True),
        ("string", "numpy.str_('x')", "x"),
        ("string", "'a\\0b'", "a\0b"),
        ("binary", "bytearray(b'x')", b"x"),
        ("binary", "memoryview(b'xy')[1:]", b"y"),
        ("decimal128(5, 2)", "7", "7.00"),
        ("decimal128(5, 2)", "decimal.Decimal('1.500')", "1.50"),
        ("decimal128(5, 2)", "decimal.Decimal('1E2')", "100.00"),
        ("decimal128(5, 2)", "decimal.Decimal('-0')", "0.00"),
        ("decimal128(3, -2)", "decimal.Decimal(12300)", "1.23E+4"),
        ("list<item: int64>", "(1, None)", [1, None]),
        ("list<item: int64>", "range(3)", [0, 1, 2]),
        ("list<item: double>", "numpy.array([0.5, 1])", [0.5, 1.0]),
        ("null", "None", None),
        ("int64", "None", None),
    ],
)
def test_what_fits(guest, type, value, result):
    returning(guest, type, value)
    got = guest.call("f", pa.array([1])).to_pylist()[0]
    assert (str(got) if type.startswith("decimal") else got) == result


@pytest.mark.parametrize(
    "type, value, message",
    [
        ("int8", "128", "result: 128 (int) does not fit int8: it is outside -128 to 127"),
        ("int64", "2**63", "result: 9223372036854775808 (int) does not fit int64: it is outside -9223372036854775808 to 9223372036854775807"),
        ("uint8", "-1", "result: -1 (int) does not fit uint8: it is outside 0 to 255"),
        ("uint64", "-1", "result: -1 (int) does not fit uint64: it is outside 0 to 18446744073709551615"),
        ("uint64", "2**64", "outside 0 to 18446744073709551615"),
        ("int64", "1.0", "result: 1.0 (float) does not fit int64: an int is expected; round(...) or int(...) makes one"),
        ("int64", "True", "an int is expected, not a bool"),
        ("int64", "numpy.bool_(True)", "an int is expected, not a bool"),
        ("int64", "'1'", "result: '1' (str) does not fit int64: an int is expected"),
        ("double", "'1'", "a float is expected"),
        ("double", "True", "a float is expected, not a bool"),
        ("double", "2**53 + 1", "result: 9007199254740993 (int) does not fit double: no float equals it exactly"),
        ("double", "10**400", "it is too large for a float"),
        ("double", "decimal.Decimal('0.1')", "no float equals it exactly"),
        ("float", "1e39", "it is too large"),
        ("halffloat", "1e5", "it is too large"),
        ("bool", "1", "a bool is expected"),
        ("bool", "'yes'", "a bool is expected"),
        ("string", "b'x'", "a str is expected"),
        ("string", "3", "a str is expected"),
        ("string", r"'a\ud800'", r"result: 'a\ud800' (str) does not fit string: the lone surrogate U+D800 at index 1 has no UTF-8 form"),
        ("binary", "'x'", "bytes are expected"),
        ("fixed_size_binary[2]", "b'abc'", "it has 3 bytes"),
        ("date32", "datetime.datetime(2020, 1, 1)", "a date is expected; .date() makes one"),
        ("date32", "'2020-01-01'", "a datetime.date is expected"),
        ("timestamp[us]", "datetime.date(2020, 1, 1)", "a datetime.datetime is expected"),
        ("timestamp[us]", "datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)", "the type has no time zone"),
        ("timestamp[us, tz=UTC]", "datetime.datetime(2020, 1, 1)", "the value has none"),
        ("timestamp[s]", "datetime.datetime(2020, 1, 1, 0, 0, 0, 1)", "it is finer than the type's unit"),
        ("timestamp[ns]", "datetime.datetime(2300, 1, 1)", "outside what 64 bits of this unit can hold"),
        ("time32[s]", "datetime.time(1, 2, 3, 4)", "it is finer than the type's unit"),
        ("duration[ns]", "datetime.timedelta(days=999999999)", "outside what 64 bits of this unit can hold"),
        ("duration[us]", "datetime.timedelta(days=999999999)", "outside what 64 bits of this unit can hold"),
        ("decimal128(5, 2)", "decimal.Decimal('NaN')", "it is not a finite number"),
        ("decimal128(5, 2)", "decimal.Decimal('-Infinity')", "it is not a finite number"),
        ("decimal128(5, 2)", "decimal.Decimal('1.005')", "it has more than 2 digits after the decimal point"),
        ("decimal128(5, 2)", "decimal.Decimal('1000')", "it has more than 3 digits before the decimal point"),
        ("decimal128(5, 2)", "decimal.Decimal('1E+999999')", "it has more than 3 digits before the decimal point"),
        ("decimal128(5, 2)", "10**5000", "it has too many digits"),
        ("decimal128(5, 2)", "1.5", "a Decimal is expected; Decimal(str(...)) makes one"),
        ("list<item: int8>", "[1, 300]", "result[]: 300 (int) does not fit int8"),
        ("list<item: int8 not null>", "[None]", "result[]: None (NoneType) does not fit int8: it is declared without NULLs"),
        ("list<item: string>", "'abc'", "a list is expected"),
        ("list<item: string>", "{'a'}", "a list is expected"),
        ("fixed_size_list<item: int8>[2]", "[1]", "it has 1 elements"),
        ("struct<a: int8, b: int8>", "{'a': 1}", "the field 'b' is missing"),
        ("struct<a: int8>", "{'a': 1, 'b': 2}", "it has keys that are not fields"),
        ("struct<a: list<item: int8>>", "{'a': [None, 'x']}", "result.a[]: 'x' (str) does not fit int8"),
        ("struct<a: int8>", "(1, 2)", "it has 2 items"),
        ("struct<a: int8>", "3", "a dict, a tuple or a dataclass is expected"),
        ("map<string, int8>", "[('a', 1)]", "a dict is expected"),
        ("map<string, int8>", "{None: 1}", "it is declared without NULLs"),
        ("null", "1", "only None does"),
        ("int64", "Liar()", "result: <Liar> (Liar) does not fit int64"),
        ("int64", "'x' * 1000000", "..."),
    ],
)
def test_what_does_not_fit(guest, error, type, value, message):
    returning(guest, type, value)
    failed = error("f", pa.array([None, 1]))
    assert (failed["kind"], failed["row"], failed["function"], failed["type"]) == ("result", 1, "f", None)
    assert message in failed["message"] and len(failed["message"]) < 400


def test_rows_before_and_after_a_nested_misfit_are_whole(guest):
    guest.load(
        """
from vivarium import udf

@udf(result_type="list<item: struct<a: list<item: int8>, b: string>>")
def f(x: int):
    return [{"a": [1, 2, x], "b": "text"}, {"a": None, "b": None}]
""",
        "nested.py",
    )
    handle, _ = guest.bind("f", [pa.int64()], "null")
    type = pa.list_(pa.struct([("a", pa.list_(pa.int8())), ("b", pa.string())]))
    array, reply = guest.invoke(handle, [pa.array([1, 1000, 3, None])], type)
    whole = lambda x: [{"a": [1, 2, x], "b": "text"}, {"a": None, "b": None}]
    assert array.to_pylist() == [whole(1), None, whole(3), None]
    assert reply["rows"] == [1] and reply["count"] == 1
    assert reply["row_errors"][0]["message"].startswith("result[].a[]: 1000 (int) does not fit int8")


def test_a_huge_text_is_given_back_after_the_batch(guest):
    guest.load("from vivarium import udf\n@udf\ndef f(n: int) -> str:\n    return 'é' * n\n", "huge.py")
    for size in (50_000_000, 3):
        assert len(guest.call("f", pa.array([size])).to_pylist()[0]) == size


@pytest.mark.parametrize("missing", ["NaT", "NA"])
@pytest.mark.parametrize("type", ["timestamp[ns]", "timestamp[us, tz=UTC]", "date32[day]", "duration[us]", "time64[us]", "string", "int64", "double", "list<item: date32[day]>"])
def test_what_pandas_means_by_null_is_null(guest, error, type, missing):
    value = f"[pd.{missing}]" if type.startswith("list") else f"pd.{missing}"
    source = f"import pandas as pd\nfrom vivarium import udf\n@udf(result_type={type!r})\ndef f(x: int): return {value}\n"
    guest.load(source, "missing.py")
    assert guest.call("f", pa.array([1])).to_pylist() == [[None] if type.startswith("list") else None]


def test_what_only_looks_like_it_is_not(guest, error):
    guest.load("class NaTType: pass\ndef f(x: int) -> str: return NaTType()\n", "looks.py")
    assert error("f", pa.array([1]))["kind"] == "result"


def test_no_missing_value_where_none_may_be(guest, error):
    guest.load("import pandas as pd\nfrom vivarium import udf\n@udf(result_type='map<string, int64>')\ndef f(x: int): return {pd.NA: 1}\n", "key.py")
    assert error("f", pa.array([1]))["kind"] == "result"
