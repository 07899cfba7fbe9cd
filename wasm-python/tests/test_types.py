"""Type strings: what pyarrow prints is read, and printed the same."""

import pathlib

import hypothesis
import hypothesis.strategies as st
import pyarrow as pa
import pytest

import native_guest
from vivarium import types

UNITS = st.sampled_from(["s", "ms", "us", "ns"])
SIMPLE = st.one_of(
    st.sampled_from([pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16()]),
    st.sampled_from([pa.uint32(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.large_string()]),
    st.sampled_from([pa.binary(), pa.large_binary(), pa.date32(), pa.date64(), pa.month_day_nano_interval()]),
    st.sampled_from([pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.binary(7)]),
    st.builds(pa.timestamp, UNITS, st.sampled_from([None, "UTC", "+02:00", "Europe/Berlin", "America/New_York"])),
    st.builds(pa.duration, UNITS),
    st.integers(1, 38).flatmap(lambda p: st.builds(pa.decimal128, st.just(p), st.integers(-p, p))),
    st.integers(1, 76).flatmap(lambda p: st.builds(pa.decimal256, st.just(p), st.integers(-p, p))),
)
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


def field(name, type, nullable):
    return pa.field(name, type, nullable or pa.types.is_null(type))


def nested(inner):
    fields = st.builds(field, NAMES, inner, st.booleans())
    return st.one_of(
        st.builds(lambda t, n: pa.list_(field("item", t, n)), inner, st.booleans()),
        st.builds(pa.large_list, inner),
        st.builds(lambda t, n: pa.list_(t, n), inner, st.integers(0, 5)),
        st.builds(pa.struct, st.lists(fields, min_size=1, max_size=4, unique_by=lambda field: field.name)),
        st.builds(pa.map_, inner.filter(lambda type: not pa.types.is_null(type)), inner),
    )


TYPES = st.recursive(SIMPLE, nested, max_leaves=6)


@hypothesis.given(TYPES)
def test_what_pyarrow_prints_is_read_and_printed_the_same(type):
    parsed = types.parse(str(type))
    assert str(parsed) == str(type)
    assert native_guest.arrow(parsed) == type


@pytest.mark.parametrize(
    "written, means",
    [
        ("BIGINT", "int64"),
        ("int", "int32"),
        ("Integer", "int32"),
        ("double precision", "double"),
        ("float32", "float"),
        ("float64", "double"),
        ("float", "float"),
        ("varchar(20)", "string"),
        ("str", "string"),
        ("utf8", "string"),
        ("date32", "date32[day]"),
        ("date", "date32[day]"),
        ("timestamp", "timestamp[us]"),
        ("timestamp(3)", "timestamp[ms]"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp[us, tz=UTC]"),
        ("timestamp[us, tz=Europe/Berlin]", "timestamp[us, tz=Europe/Berlin]"),
        ("decimal(38,10)", "decimal128(38, 10)"),
        ("numeric(50, 3)", "decimal256(50, 3)"),
        ("array<int64>", "list<item: int64>"),
        ("list<element: int8 not null>", "list<element: int8 not null>"),
        ("row<a: int64, b: varchar>", "struct<a: int64, b: string>"),
        ('struct<"a: b": int8>', 'struct<"a: b": int8>'),
        ("map<string, list<item: double>>", "map<string, list<item: double>>"),
        ("map<string, int8, keys_sorted>", "map<string, int8>"),
        ("string_view", "string"),
    ],
)
def test_other_spellings(written, means):
    assert str(types.parse(written)) == means


@pytest.mark.parametrize(
    "written, complaint",
    [
        ("", "a type is missing"),
        ("strng", "'strng' is not known"),
        ("int64 int64", "should end at position 5"),
        ("timestamp[hours]", "a unit, s or ms or us or ns"),
        ("timestamp[us, tz=]", "the time zone is missing"),
        ("decimal", "say how many digits"),
        ("decimal128(39, 1)", "a number from 1 to 38"),
        ("decimal128(99999999999999999999, 1)", "a number from 1 to 38"),
        ("struct<a: int8, a: int8>", "the same name"),
        ("struct<a int8>", "':'"),
        (r'struct<"\q": int8>', "is not a JSON string"),
        ("list<", "a type is missing"),
        ("list<" * 32 + "int8" + ">" * 32, "more than 32 deep"),
        ("list<" * 100 + "int8" + ">" * 100, "more than 32 deep"),
        ("decimal128(5, 10)", "a number from -38 to 5"),
        ("decimal(5, 10)", "a number from -38 to 5"),
        ("fixed_size_binary[0]", "a number from 1 to"),
        ("fixed_size_binary[999999999]", "takes 999999999 bytes, also when it is NULL, and at most 32768 are possible"),
        ("fixed_size_list<item: null>[32769]", "takes 32769 bytes"),
        ("list<item: fixed_size_list<item: fixed_size_list<item: int64>[100]>[100]>", "takes 80000 bytes"),
        ("map<int8, fixed_size_binary[32768]>", "takes 32769 bytes"),
        ("timestamp[us, tz=]", "the time zone is missing"),
        (r'struct<"\ud800": int8>', "not valid Unicode"),
        ("x" * 100_000, "at most 65536 characters"),
    ],
)
def test_what_names_no_type_is_told(written, complaint):
    with pytest.raises(types.TypeSpellingError, match="(?s).*" + complaint.replace("(", r"\(")):
        types.parse(written)


GRAMMAR = pathlib.Path(__file__).with_name("type_grammar.txt")


def grammar():
    """(how it is read: `=` by host and guest, `~` by the guest alone, `!` by neither; the text; how it is written) of every line."""
    for line in GRAMMAR.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            sort, text = line[0], line[2:]
            text, _, written = text.partition(" => ")
            yield sort, text, written or text


@pytest.mark.parametrize("sort, text, written", list(grammar()))
def test_the_grammar_that_host_and_guest_share(sort, text, written):
    if sort == "!":
        with pytest.raises(types.TypeSpellingError):
            types.parse(text)
    else:
        assert str(types.parse(text)) == written
        assert str(types.parse(written)) == written


@hypothesis.given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_of_a_field_survives(name):
    type = types.DataType("struct", fields=(types.Field(name, types.DataType("int8")), types.Field(name + "2", types.DataType("bool"))))
    assert types.parse(str(type)) == type


@hypothesis.given(st.text(max_size=60) | st.from_regex(r"[a-z_<>\[\](),: 0-9]{0,40}", fullmatch=True))
def test_any_text_is_a_type_or_a_complaint(text):
    try:
        parsed = types.parse(text)
    except types.TypeSpellingError:
        return
    assert types.parse(str(parsed)) == parsed
