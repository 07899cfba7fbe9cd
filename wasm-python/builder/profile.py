"""The profile by which CPython and the shim are optimised: how often each branch was taken when functions over rows ran in a guest.

It is text, `pythons/SERIES/profile.txt`, in the form that `llvm-profdata merge --text` writes; training/README.md says how it is made. clang reads an indexed
binary form, which is written here: version 7, of LLVM 14, which all later ones read. A function that has changed since, or was never called, is
compiled as it would be without a profile; the manifest lists those that have changed.
"""

import hashlib
import json
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .fetch import vendor
from .images import SOURCES, Python
from .steps import Build, Scope, Step
from .toolchain import compile_objects

NAME = "profile"


def has_one(python: Python) -> bool:
    """Whether there is a profile for this CPython."""
    return (SOURCES / _text(python)).is_file()


def steps(python: Python, counting: bool) -> list[Step]:
    """What makes the form that clang reads, if there is a profile; for a guest that counts, what it counts with."""
    if counting:
        files = ("builder/profile.py", "training/crates.toml", "training/Cargo.lock")
        return [Step(NAME, "compile what counts branches", _compile_runtime, after=("toolchain",), files=files, scope=Scope.PYTHON)]
    if not has_one(python):
        return []
    return [Step(NAME, "index the profile for the compiler", _index, files=("builder/profile.py", _text(python)), scope=Scope.PYTHON)]


def flags(build: Build) -> list[str]:
    """Flags of what is compiled by the profile, or counts for one; none when there is neither."""
    if build.counting:
        return ["-fprofile-generate"]
    if not has_one(build.image.python):
        return []
    (file,) = build.folder(NAME).iterdir()
    return [f"-fprofile-use={file}"]


_CHANGED = re.compile(r"hash mismatch\) (\S+) Hash")


def note_changed(build: Build, step: str) -> None:
    """Keeps the names of functions of which the compiler has said, in the log of the running step, that they are no longer those that were counted."""
    names = sorted(set(_CHANGED.findall(build.logged())))
    (build.folder(step) / "changed.json").write_text(json.dumps(names))


def changed(build: Build, steps: Iterable[str]) -> list[str]:
    """These names, of several steps."""
    return [name for step in steps for name in json.loads((build.folder(step) / "changed.json").read_text())]


def modules(build: Build) -> list[str]:
    """Names of modules that a guest has because it counts."""
    return [_MODULE] if build.counting else []


def sources(build: Build) -> list[Path]:
    """C files of these modules, which are compiled with the shim."""
    return [SOURCES / "training" / "counted.c"] if build.counting else []


def includes(build: Build) -> list[str]:
    """Flags for these files."""
    return [*_SETTINGS, f"-I{build.folder(NAME) / 'minicov' / 'c'}"] if build.counting else []


def objects(build: Build) -> list[Path]:
    """What a guest that counts is linked with besides."""
    return sorted((build.folder(NAME) / "objects").glob("*.o")) if build.counting else []


_MODULE = "_vivarium_counted"
# The runtime without files: the module writes the counts.
_SETTINGS = ("-DCOMPILER_RT_PROFILE_BAREMETAL=1", "-DCOMPILER_RT_HAS_ATOMICS=1")
_RUNTIME = ("", "Buffer", "Internal", "PlatformLinux", "Value", "VersionVar", "Writer")


def _compile_runtime(build: Build) -> None:
    folder = build.folder(NAME)
    vendor(build, SOURCES / "training", {"minicov": "LLVM's profile runtime"}, folder)
    runtime = folder / "minicov" / "c"
    compile_objects(build, [runtime / f"InstrProfiling{name}.c" for name in _RUNTIME], folder / "objects", *_SETTINGS, f"-I{runtime}")


def _text(python: Python) -> str:
    return f"{python.folder}/profile.txt"


def _index(build: Build) -> None:
    text = (SOURCES / _text(build.image.python)).read_text()
    content = index(read(text))
    # zig keeps objects by their sources and flags: another profile has another name.
    (build.folder(NAME) / f"{hashlib.sha256(content).hexdigest()[:16]}.profdata").write_bytes(content)


# ---- The text ----

INDIRECT_CALL = 0
"""Kind of values: which functions a call through a pointer has called. Others are numbers."""

Site = dict[str, int]
"""What came by at one place, and how often."""


@dataclass
class Function:
    """What was counted in one function."""

    name: str
    """With its file in front, if it is static: `FILE;NAME`."""
    hash: int
    """Of its control flow: a function that has another one now has changed."""
    counts: list[int]
    values: dict[int, list[Site]] = field(default_factory=dict)
    """By kind, the values of each place."""


def read(text: str) -> Iterator[Function]:
    """The functions of a profile's text."""
    lines = iter([line for line in text.splitlines() if line and not line.startswith(("#", ":"))] + [None])
    name = next(lines)
    while name is not None:
        function = Function(name, int(next(lines)), [int(next(lines)) for _ in range(int(next(lines)))])
        name = next(lines)
        # A number in the place of the next name: so many kinds of values follow.
        if name is not None and name.isdigit():
            for _ in range(int(name)):
                kind = int(next(lines))
                function.values[kind] = [_site(lines) for _ in range(int(next(lines)))]
            name = next(lines)
        yield function


def _site(lines: Iterator[str]) -> Site:
    pairs = (next(lines).rsplit(":", 1) for _ in range(int(next(lines))))
    return {value: int(count) for value, count in pairs}


def write(functions: Iterable[Function]) -> str:
    """The text of a profile."""
    lines = [":ir"]
    for function in functions:
        lines += [function.name, str(function.hash), str(len(function.counts)), *map(str, function.counts)]
        if function.values:
            lines.append(str(len(function.values)))
        for kind, sites in function.values.items():
            lines += [str(kind), str(len(sites))]
            for site in sites:
                lines += [str(len(site)), *(f"{value}:{count}" for value, count in site.items())]
    return "\n".join(lines) + "\n"


# ---- The indexed form ----

_MAGIC = b"\xfflprofi\x81"
_VERSION, _FROM_IR = 7, 1 << 56
_HEADER_BYTES = 40
_CUTOFFS = [10_000, *range(100_000, 1_000_000, 100_000), 950_000, 990_000, 999_000, 999_900, 999_990, 999_999]
"""Parts in a million of all counts for which the summary says how large the counts are that make them up."""


def index(functions: Iterable[Function]) -> bytes:
    """The form that clang reads: a header, a summary of all counts, and a hash table from names to functions."""
    functions = list(functions)
    table: dict[bytes, bytes] = {}
    for function in functions:
        name, counts = function.name.encode(), function.counts
        record = struct.pack(f"<QQ{len(counts)}Q", function.hash, len(counts), *counts) + _values(function.values)
        table[name] = table.get(name, b"") + record
    size = 1
    while size < len(table) * 4 // 3 + 1:
        size *= 2
    buckets: list[list[bytes]] = [[] for _ in range(size)]
    for name in table:
        buckets[md5(name) & (size - 1)].append(name)
    out = bytearray(_HEADER_BYTES) + _summary(functions)
    offsets = []
    for bucket in buckets:
        offsets.append(len(out) if bucket else 0)
        if bucket:
            out += struct.pack("<H", len(bucket))
        for name in bucket:
            out += struct.pack("<QQQ", md5(name), len(name), len(table[name])) + name + table[name]
    out += bytes(-len(out) % 8)
    start = len(out)
    out += struct.pack(f"<QQ{size}Q", size, len(table), *offsets)
    out[:_HEADER_BYTES] = _MAGIC + struct.pack("<QQQQ", _VERSION | _FROM_IR, 0, 0, start)
    return bytes(out)


def md5(name: bytes) -> int:
    """The hash by which LLVM knows a name."""
    return int.from_bytes(hashlib.md5(name, usedforsecurity=False).digest()[:8], "little")


def _values(kinds: dict[int, list[Site]]) -> bytes:
    records = b""
    for kind, sites in kinds.items():
        head = struct.pack("<II", kind, len(sites)) + bytes(len(site) for site in sites)
        records += head + bytes(-len(head) % 8)
        for site in sites:
            for value, count in site.items():
                is_name = kind == INDIRECT_CALL and not value.isdigit()
                records += struct.pack("<QQ", md5(value.encode()) if is_name else int(value), count)
    return struct.pack("<II", 8 + len(records), len(kinds)) + records


def _summary(functions: list[Function]) -> bytes:
    most_entries = max((function.counts[0] for function in functions), default=0)
    most_inside = max((count for function in functions for count in function.counts[1:]), default=0)
    times: dict[int, int] = {}
    for function in functions:
        for count in function.counts:
            times[count] = times.get(count, 0) + 1
    total = sum(count * number for count, number in times.items())
    fields = [len(functions), sum(times.values()), most_entries, max(times, default=0), most_inside, total]
    ordered = iter(sorted(times.items(), reverse=True))
    entries, reached, seen, count = [], 0, 0, 0
    for cutoff in _CUTOFFS:
        while reached < total * cutoff // 1_000_000:
            count, number = next(ordered)
            reached, seen = reached + count * number, seen + number
        entries += [cutoff, count, seen]
    return struct.pack(f"<{2 + len(fields) + len(entries)}Q", len(fields), len(_CUTOFFS), *fields, *entries)
