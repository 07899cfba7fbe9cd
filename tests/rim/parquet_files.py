"""Changes to Parquet files that know what a Parquet file is made of."""

import random
import struct

import thrift
from thrift import BINARY, BYTE, I16, I32, I64, LIST, STRUCT, List, get, put

MAGIC = b"PAR1"
EXTREMES = (0, -1, 1, 2**7, 2**15, 2**16, 2**24, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**60, 2**63 - 1, -(2**63))

# Fields by their numbers in parquet.thrift.
SCHEMA, FILE_ROWS, ROW_GROUPS = 2, 3, 4
COLUMNS, GROUP_BYTES, GROUP_ROWS = 1, 2, 3
META_DATA, OFFSET_INDEX, COLUMN_INDEX = 3, 4, 6
CODEC, VALUES, UNCOMPRESSED, COMPRESSED, DATA_PAGE, DICTIONARY_PAGE, STATISTICS = 4, 5, 6, 7, 9, 11, 12
PAGE_HEADER_V1, PAGE_HEADER_DICTIONARY, PAGE_HEADER_V2 = 5, 7, 8


class Parquet:
    """A file's bytes before the footer, and its metadata as a tree."""

    def __init__(self, data: bytes):
        self.original = data
        (length,) = struct.unpack("<I", data[-8:-4])
        self.body = data[: -8 - length]
        self.metadata = thrift.Reader(data[-8 - length : -8]).struct()

    def bytes(self, length: int | None = None) -> bytes:
        footer = thrift.encode(self.metadata)
        return self.body + footer + struct.pack("<I", len(footer) if length is None else length) + MAGIC

    def groups(self) -> list:
        return get(self.metadata, ROW_GROUPS).values

    def chunks(self) -> list:
        """The metadata of all column chunks."""
        return [get(chunk, META_DATA) for group in self.groups() for chunk in get(group, COLUMNS).values]

    def pages(self, chunk: list) -> list:
        """(place, header, bytes of the header) of a chunk's pages."""
        place = get(chunk, DICTIONARY_PAGE) or get(chunk, DATA_PAGE)
        end, found = place + get(chunk, COMPRESSED), []
        while place < end:
            reader = thrift.Reader(self.body, place)
            header = reader.struct()
            found.append((place, header, reader.place - place))
            place = reader.place + get(header, 3)
        return found

    def replace(self, place: int, size: int, new: bytes, chunk: list) -> None:
        """Puts other bytes into a chunk, and everything that is said of places into order."""
        self.body = self.body[:place] + new + self.body[place + size :]
        delta = len(new) - size
        put(chunk, COMPRESSED, get(chunk, COMPRESSED) + delta)
        for group in self.groups():
            moved = [(group, 5)]
            for each in get(group, COLUMNS).values:
                meta = get(each, META_DATA)
                moved += [(each, 2), (each, OFFSET_INDEX), (each, COLUMN_INDEX), (meta, 9), (meta, 10), (meta, 11), (meta, 14)]
            for holder, number in moved:
                value = get(holder, number)
                if value is not None and value > place:
                    put(holder, number, value + delta)


def footer_length(file: Parquet, rng: random.Random) -> bytes:
    right = len(file.original) - 8 - len(file.body)
    value = rng.choice([0, 1, right - 1, right + 1, right // 2, right * 2, len(file.original), 2**31 - 1, 2**31, 2**32 - 1])
    return file.bytes(value)


def footer_number(file: Parquet, rng: random.Random) -> bytes:
    """One number of the metadata becomes an extreme one."""
    _, holder, index, kind = rng.choice([leaf for leaf in thrift.leaves(file.metadata) if leaf[3] != BINARY])
    bits = {BYTE: 8, I16: 16, I32: 32, I64: 64}[kind]
    fitting = [value for value in EXTREMES if -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)]
    holder[index] = rng.choice([*fitting, holder[index] + 1, holder[index] - 1, rng.getrandbits(bits - 1)])
    return file.bytes()


def footer_string(file: Parquet, rng: random.Random) -> bytes:
    """A name, path, statistic or annotation becomes another string."""
    _, holder, index, _ = rng.choice([leaf for leaf in thrift.leaves(file.metadata) if leaf[3] == BINARY])
    old = holder[index]
    holder[index] = rng.choice(
        [b"", b"\x00", b"\xff\xfe", b"\x1b[31m\x07", b"a" * 70_000, "\u202e\u2028".encode(), old[: len(old) // 2], old * 2, old[::-1]]
    )
    return file.bytes()


def footer_type(file: Parquet, rng: random.Random) -> bytes:
    """A field of the metadata is left out, repeated, or has another number."""
    structs = _structs(file.metadata)
    chosen = rng.choice([each for each in structs if each])
    place = rng.randrange(len(chosen))
    match rng.randrange(3):
        case 0:
            del chosen[place]
        case 1:
            chosen.insert(place, list(chosen[place]))
        case 2:
            chosen[place][0] = rng.choice([0, chosen[place][0] + 1, 99, 32767])
    return file.bytes()


def _structs(value, kind: int = STRUCT) -> list:
    if kind == STRUCT:
        return [value, *(below for _, each, child in value if each in (STRUCT, LIST) for below in _structs(child, each))]
    if value.element in (STRUCT, LIST):
        return [below for child in value.values for below in _structs(child, value.element)]
    return []


def row_counts(file: Parquet, rng: random.Random) -> bytes:
    """The rows of the file, of a row group or of a column chunk, or several at once, are said to be others."""
    value = rng.choice([0, 1, -1, 7, 100, 2**31 - 1, 2**40, 2**63 - 1])
    group = rng.choice(file.groups())
    chunk = get(rng.choice(get(group, COLUMNS).values), META_DATA)
    which = rng.randrange(1, 16)
    if which & 1:
        put(file.metadata, FILE_ROWS, value)
    if which & 2:
        for each in file.groups() if which & 8 else [group]:
            put(each, GROUP_ROWS, value)
    if which & 4 or which == 8:
        put(chunk, VALUES, value)
    return file.bytes()


def row_group_lists(file: Parquet, rng: random.Random) -> bytes:
    """Row groups or chunks are missing, repeated, or in another order."""
    groups = file.groups()
    holder = groups if rng.randrange(2) else get(rng.choice(groups), COLUMNS).values
    match rng.randrange(4):
        case 0:
            del holder[rng.randrange(len(holder))]
        case 1:
            holder.append(rng.choice(holder))
        case 2:
            holder.clear()
        case 3:
            holder *= 2000
    return file.bytes()


def page_header(file: Parquet, rng: random.Random) -> bytes:
    """A number in a page's header is extreme; everything else agrees with the header's new size."""
    chunk = rng.choice(file.chunks())
    place, header, size = rng.choice(file.pages(chunk))
    chosen = rng.choice([leaf for leaf in thrift.leaves(header) if leaf[3] != BINARY])
    _, holder, index, _ = chosen
    holder[index] = rng.choice([value for value in EXTREMES if -(2**31) <= value < 2**31] + [holder[index] + 1, holder[index] * 1000])
    file.replace(place, size, thrift.encode(header), chunk)
    return file.bytes()


def page_body(file: Parquet, rng: random.Random) -> bytes:
    """Bytes of a page's body are others: levels, run lengths, dictionary indices, compressed blocks."""
    place, header, size = rng.choice(file.pages(rng.choice(file.chunks())))
    begin, length = place + size, get(header, 3)
    if length < 1:
        return file.bytes()
    body = bytearray(file.body)
    for _ in range(rng.choice([1, 1, 1, 4])):
        # The beginning has lengths and levels, and does the most.
        at = begin + (rng.randrange(min(length, 12)) if rng.randrange(2) else rng.randrange(length))
        body[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, body[at] ^ 1 << rng.randrange(8)])
    file.body = bytes(body)
    return file.bytes()


def page_missing(file: Parquet, rng: random.Random) -> bytes:
    """A page is taken out, or is there twice, and the chunk's sizes and all places agree."""
    chunk = rng.choice(file.chunks())
    place, header, size = rng.choice(file.pages(chunk))
    whole = size + get(header, 3)
    file.replace(place, whole, b"" if rng.randrange(2) else file.body[place : place + whole] * 2, chunk)
    return file.bytes()


MUTATORS = [
    footer_length, footer_number, footer_number, footer_number, footer_string, footer_type, row_counts, row_counts, row_group_lists,
    page_header, page_header, page_body, page_body, page_missing,
]  # fmt: skip


# ---- Files that are made from nothing ----


def _element(name: bytes, kind: int | None = None, children: int | None = None, repetition: int | None = 1) -> list:
    fields = [[1, I32, kind], [3, I32, repetition], [4, BINARY, name], [5, I32, children]]
    return [each for each in fields if each[2] is not None]


def _file(schema: list, rows: int = 0, groups: list | None = None) -> bytes:
    metadata = [[1, I32, 1], [2, LIST, List(STRUCT, schema)], [3, I64, rows], [4, LIST, List(STRUCT, groups or [])]]
    footer = thrift.encode(metadata)
    return MAGIC + footer + struct.pack("<I", len(footer)) + MAGIC


def _wide_schema(count: int) -> list:
    """Encoded once and cut where the name is: these are many."""
    before, after = thrift.encode(_element(b"c000000", kind=1)).split(b"c000000")
    columns = [before + b"c%06d" % index + after for index in range(1, count)]
    return [_element(b"schema", children=count, repetition=None), _element(b"a", kind=1), *columns]


def wide(count: int = 200_000) -> bytes:
    return _file(_wide_schema(count))


def wide_with_chunks(count: int = 50_000) -> bytes:
    """A row group that says it has a row in each of many columns, all at one place."""
    chunk = [
        [2, I64, 4],
        [3, STRUCT, [[1, I32, 1], [2, LIST, List(I32, [0])], [3, LIST, List(BINARY, [b"c"])], [4, I32, 0], [5, I64, 1], [6, I64, 8], [7, I64, 8], [9, I64, 4]]],
    ]  # fmt: skip
    return _file(_wide_schema(count), 1, [[[1, LIST, List(STRUCT, [thrift.encode(chunk)] * count)], [2, I64, 8], [3, I64, 1]]])


def deep(levels: int = 1_000, repetition: int = 1) -> bytes:
    nested = [thrift.encode(_element(b"n", children=1, repetition=repetition))] * levels
    return _file([_element(b"schema", children=1, repetition=None), *nested, _element(b"a", kind=1)])


def deep_lists(levels: int = 1_000) -> bytes:
    return deep(levels, repetition=2)


def very_deep() -> bytes:
    return deep(100_000)


def deep_structs_of_thrift() -> bytes:
    """Structs in structs where the reader skips an unknown field."""
    footer = b"\x15\x02" + b"\xec" + b"\x1c" * 200_000 + b"\x00" * 200_001
    return MAGIC + footer + struct.pack("<I", len(footer)) + MAGIC


def list_of_billions() -> bytes:
    """A list of schema elements that says it has 2^31 - 1 of them."""
    footer = b"\x15\x02\x19\xfc" + b"\xff\xff\xff\xff\x07" + b"\x00" * 64
    return MAGIC + footer + struct.pack("<I", len(footer)) + MAGIC


def string_of_billions() -> bytes:
    footer = b"\x15\x02\x19\x1c\x48" + b"\xff\xff\xff\xff\x07" + b"x" * 64
    return MAGIC + footer + struct.pack("<I", len(footer)) + MAGIC


def children_of_billions() -> bytes:
    return _file([_element(b"schema", children=2**31 - 1, repetition=None), _element(b"a", kind=1)])


def rows_without_columns() -> bytes:
    return _file([_element(b"schema", children=0, repetition=None)], 2**62, [[[1, LIST, List(STRUCT, [])], [2, I64, 0], [3, I64, 2**62]]])


def many_row_groups() -> bytes:
    group = [[1, LIST, List(STRUCT, [])], [2, I64, 0], [3, I64, 0]]
    return _file([_element(b"schema", children=1, repetition=None), _element(b"a", kind=1)], 0, [thrift.encode(group)] * 300_000)


SPECIALS = [
    wide, wide_with_chunks, deep, deep_lists, very_deep, deep_structs_of_thrift, list_of_billions, string_of_billions,
    children_of_billions, rows_without_columns, many_row_groups,
]  # fmt: skip
