"""Changes to Arrow IPC files and streams that know what they are made of. Flatbuffers are read and patched where they lie."""

import random
import struct

MAGIC = b"ARROW1"
END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
WIDE = (0, -1, 1, 7, 8, 64, 2**15, 2**31 - 1, 2**31, 2**32, 2**40, 2**60, 2**63 - 1, -(2**63))
NARROW = tuple(value for value in WIDE if -(2**31) <= value < 2**31)
SCHEMA, DICTIONARY, BATCH = 1, 2, 3


class Table:
    """A flatbuffers table in `data`, which begins at `place`."""

    def __init__(self, data: bytearray, place: int):
        self.data, self.place = data, place

    def field(self, number: int) -> int | None:
        """Where a field's value is."""
        vtable = self.place - struct.unpack_from("<i", self.data, self.place)[0]
        size = struct.unpack_from("<H", self.data, vtable)[0]
        if 4 + 2 * number >= size:
            return None
        offset = struct.unpack_from("<H", self.data, vtable + 4 + 2 * number)[0]
        return self.place + offset if offset else None

    def table(self, number: int) -> "Table | None":
        at = self.field(number)
        return None if at is None else Table(self.data, at + struct.unpack_from("<I", self.data, at)[0])

    def vector(self, number: int) -> tuple[int, int]:
        """(where the first element is, how many there are)."""
        at = self.field(number)
        if at is None:
            return 0, 0
        start = at + struct.unpack_from("<I", self.data, at)[0]
        return start + 4, struct.unpack_from("<I", self.data, start)[0]

    def number(self, number: int, form: str) -> int:
        at = self.field(number)
        return 0 if at is None else struct.unpack_from(form, self.data, at)[0]


def root(data: bytearray, place: int) -> Table:
    return Table(data, place + struct.unpack_from("<I", data, place)[0])


class Message:
    """An encapsulated message: prefix, flatbuffer, body."""

    def __init__(self, data: bytearray, start: int):
        self.start = start
        self.metadata = struct.unpack_from("<i", data, start + 4)[0]
        self.table = root(data, start + 8)
        self.body = start + 8 + self.metadata
        self.length = self.table.number(3, "<q")
        self.end = self.body + self.length
        self.kind = self.table.number(1, "<B")
        header = self.table.table(2)
        self.batch = header.table(1) if self.kind == DICTIONARY else header if self.kind == BATCH else None


class Ipc:
    """A file or stream: its bytes, which can be changed, and where its messages are."""

    def __init__(self, data: bytes):
        self.data = bytearray(data)
        self.is_file = data.startswith(MAGIC)
        # Writers of files pad what is in front of the first message differently.
        place, self.messages = max(self.data.find(b"\xff\xff\xff\xff", 6), 0) if self.is_file else 0, []
        while self.data[place : place + 4] == b"\xff\xff\xff\xff" and self.data[place : place + 8] != END:
            self.messages.append(Message(self.data, place))
            place = self.messages[-1].end
        self.end = place

    def set(self, place: int | None, form: str, value: int) -> None:
        if place is not None:
            struct.pack_into(form, self.data, place, value)

    def batches(self) -> list[Message]:
        return [message for message in self.messages if message.batch is not None]

    def footer(self) -> Table:
        (length,) = struct.unpack_from("<i", self.data, len(self.data) - 10)
        return root(self.data, len(self.data) - 10 - length)


def metadata_length(file: Ipc, rng: random.Random) -> bytes:
    message = rng.choice(file.messages)
    file.set(message.start + 4, "<i", rng.choice([*NARROW, message.metadata - 8, message.metadata + 8, message.metadata * 2]))
    return bytes(file.data)


def body_length(file: Ipc, rng: random.Random) -> bytes:
    message = rng.choice(file.messages)
    file.set(message.table.field(3), "<q", rng.choice([*WIDE, message.length - 8, message.length + 8, message.length * 2]))
    return bytes(file.data)


def batch_length(file: Ipc, rng: random.Random) -> bytes:
    batch = rng.choice(file.batches()).batch
    right = batch.number(0, "<q")
    file.set(batch.field(0), "<q", rng.choice([*WIDE, right - 1, right + 1, right // 2, right * 1000]))
    return bytes(file.data)


def batch_and_nodes(file: Ipc, rng: random.Random) -> bytes:
    """A batch and all its columns are said to have other lengths, all the same."""
    batch = rng.choice(file.batches()).batch
    right = batch.number(0, "<q")
    value = rng.choice([0, 1, right - 1, right + 1, right * 8, 2**24, 2**31 - 1, 2**62])
    file.set(batch.field(0), "<q", value)
    start, count = batch.vector(1)
    for index in range(count):
        file.set(start + 16 * index, "<q", value)
    return bytes(file.data)


def node(file: Ipc, rng: random.Random) -> bytes:
    """The length or the number of NULLs of a column."""
    start, count = rng.choice(file.batches()).batch.vector(1)
    place = start + 16 * rng.randrange(count) + 8 * rng.randrange(2)
    right = struct.unpack_from("<q", file.data, place)[0]
    file.set(place, "<q", rng.choice([*WIDE, right + 1, right - 1]))
    return bytes(file.data)


def buffer(file: Ipc, rng: random.Random) -> bytes:
    """The offset or the length of a buffer."""
    start, count = rng.choice(file.batches()).batch.vector(2)
    place = start + 16 * rng.randrange(count) + 8 * rng.randrange(2)
    right = struct.unpack_from("<q", file.data, place)[0]
    file.set(place, "<q", rng.choice([*WIDE, right + 1, right - 1, right + 8, right * 2]))
    return bytes(file.data)


def vector_length(file: Ipc, rng: random.Random) -> bytes:
    """How many nodes or buffers there are, or how many fields the schema has."""
    message = rng.choice(file.messages)
    table, numbers = (message.batch, [1, 2]) if message.batch is not None else (message.table.table(2), [1])
    start, count = table.vector(rng.choice(numbers))
    file.set(start - 4, "<I", rng.choice([0, 1, count - 1, count + 1, count * 2, 2**16, 2**28, 2**32 - 1]) % 2**32)
    return bytes(file.data)


def declared_size(file: Ipc, rng: random.Random) -> bytes:
    """What a compressed buffer says it has when it is not compressed any more."""
    message = rng.choice(file.batches())
    start, count = message.batch.vector(2)
    used = [struct.unpack_from("<qq", file.data, start + 16 * index) for index in range(count)]
    used = [offset for offset, length in used if length >= 8]
    if used:
        file.set(message.body + rng.choice(used), "<q", rng.choice([*WIDE, 2**33, 10**9]))
    return bytes(file.data)


def buffer_contents(file: Ipc, rng: random.Random) -> bytes:
    """Bytes of a body: offsets, keys of dictionaries, compressed blocks."""
    message = rng.choice([each for each in file.batches() if each.length])
    for _ in range(rng.choice([1, 1, 4])):
        file.data[message.body + rng.randrange(message.length)] = rng.choice([0, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(file.data)


def schema_byte(file: Ipc, rng: random.Random) -> bytes:
    """A byte of a message's flatbuffer."""
    message = rng.choice(file.messages)
    place = message.start + 8 + rng.randrange(message.metadata)
    file.data[place] = rng.choice([0, 1, 2, 4, 0x7F, 0x80, 0xFF, file.data[place] ^ 1 << rng.randrange(8)])
    return bytes(file.data)


def early_end(file: Ipc, rng: random.Random) -> bytes:
    """The mark of the end, in front of a batch: in place of its beginning, or pushed in."""
    place = rng.choice(file.batches()).start
    file.data[place : place + rng.choice([0, 8])] = END
    return bytes(file.data)


def missing_end(file: Ipc, rng: random.Random) -> bytes:
    """Everything from the mark of the end, or from a batch, is gone; in a file, with or without its footer."""
    place = rng.choice([file.end, *(each.start for each in file.batches()), *(each.end for each in file.batches())])
    rest = file.data[file.end + 8 :] if file.is_file and rng.randrange(2) else b""
    return bytes(file.data[:place] + rest)


def message_order(file: Ipc, rng: random.Random) -> bytes:
    """A message is taken out, or is there twice, or two have changed places."""
    parts = [bytes(file.data[each.start : each.end]) for each in file.messages]
    head, tail = bytes(file.data[: file.messages[0].start]), bytes(file.data[file.end :])
    one, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    match rng.randrange(3):
        case 0:
            del parts[one]
        case 1:
            parts.insert(other, parts[one])
        case 2:
            parts[one], parts[other] = parts[other], parts[one]
    return head + b"".join(parts) + tail


def footer_block(file: Ipc, rng: random.Random) -> bytes:
    """A number of a block in the footer: where a batch is, how long its metadata and its body are."""
    if not file.is_file:
        return early_end(file, rng)
    footer = file.footer()
    places = [(start + 24 * index) for start, count in (footer.vector(2), footer.vector(3)) for index in range(count)]
    place = rng.choice(places)
    if rng.randrange(3) == 1:
        file.set(place + 8, "<i", rng.choice(NARROW))
    else:
        place += rng.choice([0, 16])
        right = struct.unpack_from("<q", file.data, place)[0]
        file.set(place, "<q", rng.choice([*WIDE, right + 8, right - 8, len(file.data)]))
    return bytes(file.data)


def footer_blocks(file: Ipc, rng: random.Random) -> bytes:
    """The footer has fewer blocks, more, or one of them twice."""
    if not file.is_file:
        return missing_end(file, rng)
    start, count = file.footer().vector(rng.choice([3, 3, 3, 2]))
    if count and rng.randrange(3) == 0:
        one, other = (start + 24 * rng.randrange(count) for _ in range(2))
        file.data[one : one + 24] = file.data[other : other + 24]
    elif start:
        file.set(start - 4, "<I", rng.choice([0, 1, count - 1, count + 1, 2**16, 2**27, 2**32 - 1]) % 2**32)
    return bytes(file.data)


def footer_length(file: Ipc, rng: random.Random) -> bytes:
    if not file.is_file:
        return metadata_length(file, rng)
    right = struct.unpack_from("<i", file.data, len(file.data) - 10)[0]
    file.set(len(file.data) - 10, "<i", rng.choice([*NARROW, right - 8, right + 8, len(file.data)]))
    return bytes(file.data)


MUTATORS = [
    metadata_length, body_length, batch_length, batch_and_nodes, node, node, buffer, buffer, vector_length, declared_size, buffer_contents,
    schema_byte, schema_byte, early_end, missing_end, message_order, footer_block, footer_block, footer_blocks, footer_length,
]  # fmt: skip


ANY_ROWS = (batch_and_nodes,)
"""Changes that give a valid file with other rows."""

ANY_ROWS_IN_STREAM = (batch_and_nodes, message_order)


# ---- Streams that are made from nothing ----


class Builder:
    """Writes flatbuffers from the front: what a table refers to comes behind it."""

    def __init__(self):
        self.data = bytearray(4)

    def table(self, fields: dict[int, tuple[str, int]], at: int | None = None) -> dict[int, int]:
        """A table with fields of (form, value), each given eight bytes; returns where each field's value is. The reference at `at` is set."""
        self.data += bytes(-len(self.data) % 8)
        count = max(fields, default=-1) + 1
        vtable = len(self.data)
        size = 4 + 2 * count
        pad = -(vtable + size + 4) % 8
        place = vtable + size + pad
        offsets = [0] * count
        for index, number in enumerate(sorted(fields)):
            offsets[number] = 4 + 8 * index
        self.data += struct.pack(f"<HH{count}H", size, 4 + 8 * len(fields), *offsets) + bytes(pad)
        self.data += struct.pack("<i", place - vtable) + bytes(8 * len(fields))
        places = {number: place + offsets[number] for number in fields}
        for number, (form, value) in fields.items():
            struct.pack_into(form, self.data, places[number], value)
        self.refer(0 if at is None else at, place)
        return places

    def refer(self, at: int, place: int) -> None:
        struct.pack_into("<I", self.data, at, place - at)

    def string(self, at: int, text: bytes) -> None:
        self.data += bytes(-len(self.data) % 4)
        self.refer(at, len(self.data))
        self.data += struct.pack("<I", len(text)) + text + b"\0"

    def vector(self, at: int, count: int) -> int:
        """A vector of references; returns where the first is."""
        self.data += bytes(-len(self.data) % 4)
        self.refer(at, len(self.data))
        self.data += struct.pack("<I", count) + bytes(4 * count)
        return len(self.data) - 4 * count


REFERENCE = ("<I", 0)
INT, STRUCT, LIST = 2, 13, 12


def _schema_message(fields) -> bytes:
    """A message with a schema whose fields `fields(builder, place of the reference to the vector)` writes."""
    builder = Builder()
    message = builder.table({0: ("<h", 4), 1: ("<B", SCHEMA), 2: REFERENCE, 3: ("<q", 0)})
    schema = builder.table({1: REFERENCE}, at=message[2])
    fields(builder, schema[1])
    data = bytes(builder.data) + bytes(-len(builder.data) % 8)
    return struct.pack("<Ii", 2**32 - 1, len(data)) + data


def _field(builder: Builder, at: int, name: bytes, kind: int, children: bool) -> int:
    """A field; returns where the reference to its children is."""
    places = builder.table({0: REFERENCE, 1: ("<B", 1), 2: ("<B", kind), 3: REFERENCE, 5: REFERENCE}, at=at)
    builder.string(places[0], name)
    builder.table({0: ("<i", 64), 1: ("<B", 1)} if kind == INT else {}, at=places[3])
    if not children:
        builder.vector(places[5], 0)
    return places[5]


def wide(count: int = 200_000) -> bytes:
    def fields(builder: Builder, at: int) -> None:
        first = builder.vector(at, count)
        _field(builder, first, b"a", INT, children=False)
        builder.data += bytes(-len(builder.data) % 8)
        # What a field refers to is behind it, so that all are alike but for the name.
        begin = len(builder.data)
        _field(builder, first + 4, b"c000000", INT, children=False)
        builder.data += bytes(-len(builder.data) % 8)
        field = bytes(builder.data[begin:])
        table = first + 4 + struct.unpack_from("<I", builder.data, first + 4)[0]
        before, after = field.split(b"c000000")
        del builder.data[begin:]
        builder.data += b"".join(before + b"c%06d" % index + after for index in range(1, count))
        places = (table + (index - 1) * len(field) - (first + 4 * index) for index in range(1, count))
        struct.pack_into(f"<{count - 1}I", builder.data, first + 4, *places)

    return _schema_message(fields) + END


def deep(levels: int = 1_000, kind: int = STRUCT) -> bytes:
    def fields(builder: Builder, at: int) -> None:
        for _ in range(levels):
            at = _field(builder, builder.vector(at, 1), b"n", kind, children=True)
        _field(builder, builder.vector(at, 1), b"a", INT, children=False)

    return _schema_message(fields) + END


def moderately_deep() -> bytes:
    """Below the limit that verifiers of flatbuffers have by default."""
    return deep(28)


def deep_lists() -> bytes:
    return deep(1_000, LIST)


def very_deep() -> bytes:
    return deep(100_000)


def huge_metadata() -> bytes:
    return struct.pack("<Ii", 2**32 - 1, 2**31 - 1) + bytes(64)


def huge_vector() -> bytes:
    def fields(builder: Builder, at: int) -> None:
        first = builder.vector(at, 1)
        _field(builder, first, b"a", INT, children=False)
        struct.pack_into("<I", builder.data, first - 4, 2**30 - 1)

    return _schema_message(fields) + END


def endless_empty() -> bytes:
    """A schema, and schemas again."""
    one = _schema_message(lambda builder, at: builder.vector(at, 0))
    return one * 100_000


SPECIALS = [wide, deep, moderately_deep, deep_lists, very_deep, huge_metadata, huge_vector, endless_empty]
