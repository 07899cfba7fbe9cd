#!/usr/bin/env python3
"""Makes a profile of what guests have counted: merge.py FOLDER PROFILE

FOLDER has pairs of files, NAME.before and NAME.after: the raw counts of one instance before and after a function ran over rows. What lies in between is
added up over all pairs. Functions of CPython and the shim that were hardly called are left out: without an entry they are compiled as ever, while
counts near zero would make them small and slow. What it takes to write the counts is among them.
"""

import struct
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True

from builder.profile import INDIRECT_CALL, Function, Site, md5, write  # noqa: E402

_MAGIC, _VERSION = int.from_bytes(b"\xfflprofR\x81", "big"), 10
_HEADER = struct.Struct("<16Q")
_VALUE_KINDS = 3
# Hash of the name, hash of the function, counters, bitmap, function, values, number of counters, of places for values by kind, of bytes in the bitmap.
_RECORD = struct.Struct(f"<QQ4II{_VALUE_KINDS}H2xI")


HARDLY_CALLED = 10_000
"""Largest count of a function that is left out. What rows need is counted a hundred thousand times and more."""


class RawError(Exception):
    """A file is not what a guest of this build writes."""


@dataclass
class _Raw:
    """One file, read as far as its values."""

    records: list[tuple]
    counters: list[int]
    counters_delta: int
    names: dict[int, str]
    values: bytes


def read_raw(content: bytes) -> dict[tuple[str, int], Function]:
    """What one instance has counted, by function and the hash of its control flow."""
    raw = _sections(content)
    by_address = {record[4]: raw.names.get(record[0]) for record in raw.records if record[4]}
    functions, at, place = {}, 0, 0
    for number, record in enumerate(raw.records):
        name_hash, function_hash, relative, count = record[0], record[1], record[2], record[6]
        place = (relative - (raw.counters_delta - number * _RECORD.size)) % (1 << 32) // 8
        counts = raw.counters[place : place + count]
        values = {}
        if any(record[7 : 7 + _VALUE_KINDS]):
            values, at = _values(raw.values, at, by_address)
        if (name := raw.names.get(name_hash)) is None:
            raise RawError(f"a function whose name is not listed: {name_hash:x}")
        functions[name, function_hash] = Function(name, function_hash, counts, values)
    return functions


def _sections(content: bytes) -> _Raw:
    if len(content) < _HEADER.size:
        raise RawError(f"{len(content)} bytes are no profile")
    header = _HEADER.unpack_from(content)
    magic, version, ids, number, before, counters, after, bitmap, after_bitmap, names_size, counters_delta = header[:11]
    if magic != _MAGIC or version & 0xFFFFFFFF != _VERSION:
        raise RawError(f"a raw profile of version {version & 0xFFFFFFFF} ({magic:x}) instead of {_VERSION}")
    at = _HEADER.size + ids
    records = [_RECORD.unpack_from(content, at + index * _RECORD.size) for index in range(number)]
    at += number * _RECORD.size + before
    counts = list(struct.unpack_from(f"<{counters}Q", content, at))
    at += counters * 8 + after + bitmap + after_bitmap
    names = _names(content[at : at + names_size])
    at += names_size + -names_size % 8
    return _Raw(records, counts, counters_delta, names, content[at:])


def _names(section: bytes) -> dict[int, str]:
    """Names by their hashes. The section is blocks of names, each with its size and its compressed size, which is 0 when it is not compressed."""
    found, at = {}, 0
    while at < len(section) and section[at]:
        size, at = _number(section, at)
        compressed, at = _number(section, at)
        block = section[at : at + (compressed or size)]
        at += len(block)
        for name in (zlib.decompress(block) if compressed else block).split(b"\x01"):
            found[md5(name)] = name.decode()
        # Each object's names begin where its section's alignment lets them.
        while at < len(section) and not section[at]:
            at += 1
    return found


def _number(section: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte, at = section[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _values(content: bytes, at: int, functions: dict[int, str | None]) -> tuple[dict[int, list[Site]], int]:
    total, kinds = struct.unpack_from("<II", content, at)
    end, at, found = at + total, at + 8, {}
    for _ in range(kinds):
        kind, sites = struct.unpack_from("<II", content, at)
        sizes = content[at + 8 : at + 8 + sites]
        at += 8 + sites + -sites % 8
        found[kind] = []
        for size in sizes:
            pairs = struct.iter_unpack("<QQ", content[at : at + 16 * size])
            at += 16 * size
            site: Site = {}
            for value, count in pairs:
                name = functions.get(value) if kind == INDIRECT_CALL else str(value)
                if name is not None and count:
                    site[name] = site.get(name, 0) + count
            found[kind].append(site)
    if at != end:
        raise RawError("values of another form")
    return found, end


def less(after: Function, before: Function) -> Function:
    """What was counted in between."""
    counts = [max(0, count - other) for count, other in zip(after.counts, before.counts, strict=True)]
    values = {}
    for kind, sites in after.values.items():
        others = before.values.get(kind) or [{}] * len(sites)
        values[kind] = [
            {value: count - other.get(value, 0) for value, count in site.items() if count > other.get(value, 0)}
            for site, other in zip(sites, others, strict=True)
        ]
    return Function(after.name, after.hash, counts, values)


def add(total: Function, more: Function) -> None:
    """Adds counts and values up."""
    total.counts = [count + other for count, other in zip(total.counts, more.counts, strict=True)]
    for kind, sites in more.values.items():
        known = total.values.setdefault(kind, [{} for _ in sites])
        for site, other in zip(known, sites, strict=True):
            for value, count in other.items():
                site[value] = site.get(value, 0) + count


def merge(folder: Path) -> list[Function]:
    """The sum over all pairs, of functions that were called, in the order of their names."""
    total: dict[tuple[str, int], Function] = {}
    for before in sorted(folder.glob("*.before")):
        start, end = (read_raw(path.read_bytes()) for path in (before, before.with_suffix(".after")))
        for key, function in end.items():
            between = less(function, start.get(key, Function(function.name, function.hash, [0] * len(function.counts))))
            if not any(between.counts):
                continue
            if key in total:
                add(total[key], between)
            else:
                total[key] = between
    for function in total.values():
        function.values = {
            # The most frequent ones are what the compiler looks at.
            kind: [dict(sorted(site.items(), key=lambda pair: -pair[1])[:8]) for site in sites]
            for kind, sites in function.values.items()
            if any(sites)
        }
    return [total[key] for key in sorted(total) if max(total[key].counts) > HARDLY_CALLED]


def main() -> int:
    """Merges, and says how many functions there are."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    folder, target = map(Path, sys.argv[1:])
    try:
        functions = merge(folder)
    except RawError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not functions:
        print(f"error: {folder} has no counts", file=sys.stderr)
        return 1
    target.write_text(write(functions))
    print(f"{target}: {len(functions)} functions, {target.stat().st_size >> 10} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
