"""The profile of the guest: what was counted, as text, and as the compiler reads it."""

import importlib.util
import struct
import sys
import zlib
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[1]
if str(SOURCES) not in sys.path:
    sys.path.insert(0, str(SOURCES))

from builder import profile  # noqa: E402
from builder.profile import Function  # noqa: E402

_SPEC = importlib.util.spec_from_file_location("merge", SOURCES / "training" / "merge.py")
merge = importlib.util.module_from_spec(_SPEC)
sys.modules["merge"] = merge
_SPEC.loader.exec_module(merge)

TEXT = (SOURCES / "pythons" / "3.13" / "profile.txt").read_text()


def test_the_text_is_read_and_written_without_a_change():
    functions = list(profile.read(TEXT))
    assert len(functions) > 500
    assert profile.write(functions) == TEXT


def test_every_function_is_found_by_its_name_in_the_indexed_form():
    functions = list(profile.read(TEXT))
    content = profile.index(functions)
    assert content[:8] == b"\xfflprofi\x81"
    (start,) = struct.unpack_from("<Q", content, 32)
    buckets, entries = struct.unpack_from("<QQ", content, start)
    assert entries == len({function.name for function in functions})
    for function in functions:
        name = function.name.encode()
        (at,) = struct.unpack_from("<Q", content, start + 16 + 8 * (profile.md5(name) & (buckets - 1)))
        (count,) = struct.unpack_from("<H", content, at)
        at, found = at + 2, None
        for _ in range(count):
            _, name_bytes, data_bytes = struct.unpack_from("<QQQ", content, at)
            at += 24
            if content[at : at + name_bytes] == name:
                found = content[at + name_bytes : at + name_bytes + data_bytes]
            at += name_bytes + data_bytes
        counters = len(function.counts)
        assert struct.pack(f"<QQ{counters}Q", function.hash, counters, *function.counts) in found


def raw(counts: dict[str, list[int]], called: dict[str, int] | None = None, compressed: bool = False) -> bytes:
    """A raw profile of functions whose hash is 7; the first of them has a place that calls others through a pointer, with these counts."""
    data, counters, names = b"", [], "\x01".join(counts).encode()
    addresses = {name: 100 + index for index, name in enumerate(counts)}
    values, first = b"", called is not None
    delta = 48 * len(counts)
    for index, (name, numbers) in enumerate(counts.items()):
        relative = delta - 48 * index + 8 * len(counters)
        counters += numbers
        data += struct.pack("<QQ4II3H2xI", profile.md5(name.encode()), 7, relative, 0, addresses[name], 0, len(numbers), int(first), 0, 0, 0)
        if first:
            pairs = b"".join(struct.pack("<QQ", addresses[target], count) for target, count in called.items())
            site = struct.pack("<IIB7x", profile.INDIRECT_CALL, 1, len(called)) + pairs
            values = struct.pack("<II", 8 + len(site), 1) + site
        first = False
    packed = zlib.compress(names)
    section = bytes([len(names), len(packed)]) + packed if compressed else bytes([len(names), 0]) + names
    magic = int.from_bytes(b"\xfflprofR\x81", "big")
    header = struct.pack("<16Q", magic, 10 | 1 << 56, 0, len(counts), 0, len(counters), 0, 0, 0, len(section), delta, 0, 0, 0, 0, 2)
    return header + data + struct.pack(f"<{len(counters)}Q", *counters) + section + bytes(-len(section) % 8) + values


@pytest.mark.parametrize("compressed", [False, True])
def test_a_raw_profile_is_read_with_the_names_of_what_was_called(compressed):
    found = merge.read_raw(raw({"caller": [3, 2], "file.c;callee": [5]}, called={"file.c;callee": 2}, compressed=compressed))
    assert found == {
        ("caller", 7): Function("caller", 7, [3, 2], {profile.INDIRECT_CALL: [{"file.c;callee": 2}]}),
        ("file.c;callee", 7): Function("file.c;callee", 7, [5]),
    }


def test_what_lies_between_is_added_up_and_what_was_hardly_called_is_left_out(tmp_path):
    (tmp_path / "a.before").write_bytes(raw({"f": [1, 0], "g": [4]}, called={"g": 1}))
    (tmp_path / "a.after").write_bytes(raw({"f": [20_001, 5], "g": [4]}, called={"g": 6}))
    (tmp_path / "b.before").write_bytes(raw({"f": [0, 0], "g": [0]}, called={}))
    (tmp_path / "b.after").write_bytes(raw({"f": [1, 1], "g": [50]}, called={"g": 1}))
    assert merge.merge(tmp_path) == [Function("f", 7, [20_001, 6], {profile.INDIRECT_CALL: [{"g": 6}]})]


@pytest.mark.parametrize("content", [b"", bytes(128), raw({"f": [1]}).replace(bytes([10, 0, 0, 0]), bytes([11, 0, 0, 0]), 1)])
def test_another_form_is_an_error(content):
    with pytest.raises(merge.RawError):
        merge.read_raw(content)
