#!/usr/bin/env python3
"""Feeds the guest's reader of types, guided by the lines it reaches, and compares it with the host's.

    cargo build --workspace
    target/debug/wasm-run guest info --json | python3 wasm-python/tests/environment.py fuzz/guest_types.py --runs 1000000

Whatever the text: it is a type, or a TypeSpellingError. What the guest writes of a type both sides read, and write the same; what the
host reads the guest reads, and writes the same. (`wasm-python/tests/type_grammar.txt` has the same promise, line by line.) Inputs begin
with that file and with corpus/types. Inputs that reach a new line, or are read as a type of a new shape, are kept and changed again.
Needs Python 3.12 for `sys.monitoring`: the guest's own, built for the host, is 3.13.
"""

import argparse
import importlib.util
import json
import random
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
GRAMMAR = ROOT / "wasm-python/tests/type_grammar.txt"
SOURCE = ROOT / "wasm-python/python/vivarium/types.py"

PARTS = [
    "int64", "int", "bool", "string", "float", "null", "list<", "struct<", "map<", "row<", "array<", "fixed_size_list<", "item: ", "a: ", '"b": ',
    ">", "<", "(", ")", "[", "]", ", ", ": ", " not null", " NOT NULL", "decimal(", "decimal128(38, 10)", "timestamp[us, tz=", "UTC", "+02:00",
    "time32[s]", "duration[", "fixed_size_binary[", "varchar(", "(3)", "[5]", "0", "-1", "32768", "99999999999999999999", " ", "\t", "\n", '"',
    "\\", "\\u00e9", "\u00e9", "\u0130", "\x00", "'", "`", "/*", "_", "multiset<", "interval ", "with local time zone", "keys_sorted", "\ud800",
]  # fmt: skip

BATCH = 2000
"""Texts that the host is asked about at once."""

LONGEST = 400


def main() -> int:
    """Returns 1 at the first text over which the sides differ, or the guest's reader fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000, help="texts (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="the same one makes the same texts [default: another one each time]")
    parser.add_argument("--host", type=Path, default=ROOT / "target/debug/vivarium-fuzz", help="(%(default)s)")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    guest = Guest()
    pool = seeds()
    chance = random.Random(seed)
    done = 0
    batch = list(pool)
    while batch:
        told = [guest.read(text) for text in batch]
        pool += [text for text, (_, is_new) in zip(batch, told, strict=True) if is_new]
        problem = compare(guest, arguments.host, batch, [written for written, _ in told])
        if problem:
            print(f"{problem}\nseed {seed}", file=sys.stderr)
            return 1
        done += len(batch)
        batch = [change(chance, pool) for _ in range(min(BATCH, arguments.runs - done))]
    print(f"guest types: {done:,} texts, {len(pool):,} kept, {guest.lines} lines reached: none failed")
    return 0


class Guest:
    """The guest's reader, with the lines it reaches."""

    def __init__(self):
        specification = importlib.util.spec_from_file_location("guest_types", SOURCE)
        self.types = sys.modules["guest_types"] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(self.types)
        self.lines = 0
        self.shapes: set[str] = set()
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.COVERAGE_ID, "guest_types")
        monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.LINE, self._reached)
        monitoring.set_events(monitoring.COVERAGE_ID, monitoring.events.LINE)

    def _reached(self, code, line):
        # Each line is told of once.
        self.lines += code.co_filename == str(SOURCE)
        return sys.monitoring.DISABLE

    def read(self, text: str) -> tuple[str | None, bool]:
        """What is written of a text that is a type, and whether it reached something new."""
        before = self.lines
        try:
            parsed = self.types.parse(text)
        except self.types.TypeSpellingError:
            return None, self.lines > before
        written = str(parsed)
        assert str(self.types.parse(written)) == written, f"{text!r} is written as {written!r}, and that as another"
        shape = re.sub(r"[a-z0-9_ ]+", "x", written)
        is_new = self.lines > before or shape not in self.shapes
        if len(self.shapes) < 20_000:
            self.shapes.add(shape)
        return written, is_new


def compare(guest: Guest, host: Path, texts: list[str], written: list[str | None]) -> str | None:
    """What is wrong between the sides, if anything is."""
    asked = [*texts, *(text for text in written if text is not None)]
    # JSON has no lone surrogates, and neither has the host.
    asked = [text for text in asked if not any("\ud800" <= character <= "\udfff" for character in text)]
    lines = "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in asked)
    answer = subprocess.run([host, "--spell"], input=lines, capture_output=True, text=True, check=True)
    of_host = dict(zip(asked, map(json.loads, answer.stdout.removesuffix("\n").split("\n")), strict=True))
    for text, of_guest in zip(texts, written, strict=True):
        if of_guest is not None and of_host.get(of_guest) != of_guest:
            return f"the guest writes {text!r} as {of_guest!r}, of which the host makes {of_host.get(of_guest)!r}"
        if of_host.get(text) is not None and of_host[text] != of_guest:
            return f"of {text!r} the host makes {of_host[text]!r}, the guest {of_guest!r}"
    return None


def seeds() -> list[str]:
    """The lines of the grammar, and the host's corpus."""
    lines = [re.match(r"[=~!] (.*?)(?: => (.*))?$", line) for line in GRAMMAR.read_text().splitlines()]
    texts = [text for line in lines if line for text in line.groups() if text is not None]
    for file in sorted((HERE / "corpus/types").glob("*")):
        texts.append(file.read_bytes().decode(errors="replace"))
    return list(dict.fromkeys(text[:LONGEST] for text in texts))


def change(chance: random.Random, pool: list[str]) -> str:
    """A text made of one of the pool, or of two."""
    text = chance.choice(pool)
    for _ in range(1 + chance.randrange(4)):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + 1 + chance.randrange(8))
        match chance.randrange(6):
            case 0:
                text = text[:at] + chance.choice(PARTS) + text[at:]
            case 1:
                text = text[:at] + chance.choice(PARTS) + text[end:]
            case 2:
                text = text[:at] + text[end:]
            case 3:
                text = text[:at] + chance.choice(pool) + text[end:]
            case 4:
                text = text[:at] + text[at:end] * 2 + text[end:]
            case _:
                text = text[:at] + chr(chance.randrange(0x20, 0x7F)) + text[at + 1 :]
    return text[:LONGEST]


if __name__ == "__main__":
    sys.exit(main())
