#!/usr/bin/env python3
"""The public interface of the crates that embedders use, as text that a reviewer can read: a file a crate in docs/api.

    cargo doc --workspace --no-deps && tests/crates/api.py     fails when docs/api is not what the code says
    tests/crates/api.py --write                                makes it so
    tests/crates/api.py --since v0.1.0                         says which of the changes since a version break users, and fails when
                                                               the version of the crates does not say so, too

It is read out of rustdoc's pages, which the pinned toolchain makes anyway: declarations, fields, variants, methods, implemented traits, and auto
traits that are missing. What a text cannot show (behaviour, what a trait's bounds imply) is for the reviewer.
"""

import argparse
import difflib
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTINGS = ROOT / "docs" / "api"
# The others are parts of `wasm-run`, whose interface is its command line.
CRATES = ("vivarium", "vivarium-datafusion", "vivarium-env", "vivarium-guest", "vivarium-sandbox", "vivarium-tenancy", "vivarium-text",
          "vivarium-wasi")
PAGE = re.compile(r"(?:attr|constant|derive|enum|fn|macro|static|struct|trait|traitalias|type|union)\.(\w+)\.html")
HEADING = "# {}: the public interface. `make api` writes this file, and `make crates` checks it.\n"


def main() -> int:
    """Prints what differs; 1 when something does that may not."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--docs", type=Path, default=ROOT / "target" / "doc", help="rustdoc's pages")
    parser.add_argument("--write", action="store_true", help="write docs/api instead of comparing with it")
    parser.add_argument("--since", metavar="REVISION", help="compare docs/api with that of a released version")
    arguments = parser.parse_args()
    if arguments.since:
        return since(arguments.since)
    different = [crate for crate in CRATES if not _same(crate, listing(crate, arguments.docs), arguments.write)]
    if different:
        print(f"error: the public interface of {', '.join(different)} has changed: `make api`, and a line in CHANGELOG.md", file=sys.stderr)
    return 1 if different else 0


def _same(crate: str, text: str, write: bool) -> bool:
    """Whether the file is what it should be; with `write` it is afterwards."""
    path = LISTINGS / f"{crate}.txt"
    before = path.read_text() if path.is_file() else ""
    if write:
        LISTINGS.mkdir(exist_ok=True)
        path.write_text(text)
    elif before != text:
        sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), text.splitlines(True), str(path), "the code"))
        return False
    return True


def listing(crate: str, docs: Path) -> str:
    """Everything public of a crate, by path."""
    top = docs / crate.replace("-", "_")
    if not (top / "all.html").is_file():
        sys.exit(f"error: no pages of {crate} in {docs}: cargo doc --workspace --no-deps")
    # Pages of what is no longer there may lie beside the others.
    pages = [top / name for name in re.findall(r'<li><a href="([^"]+)"', (top / "all.html").read_text())]
    items = {}
    for page in {top / "index.html"} | {page.parent / "index.html" for page in pages}:
        if reexports := Page(page.read_text()).reexports:
            items[_module(page, docs)] = sorted(reexports)
    for page in pages:
        if match := PAGE.fullmatch(page.name):
            items[f"{_module(page, docs)}::{match[1]} {page.name}"] = Page(page.read_text()).lines()
    blocks = [f"\n{key.partition(' ')[0]}\n" + "".join(f"    {line}\n" for line in items[key]) for key in sorted(items)]
    return HEADING.format(crate) + "".join(blocks)


def _module(page: Path, docs: Path) -> str:
    return "::".join(page.parent.relative_to(docs).parts)


class Page(HTMLParser):
    """What an item's page declares."""

    # Implementations that follow from others, lists of a trait's users, and methods of what a type dereferences to.
    LEFT_OUT = ("blanket-implementations", "implementors", "foreign-impls", "deref-methods")

    def __init__(self, text: str):
        super().__init__()
        self.reexports: list[str] = []
        self._declaration = ""
        self._methods: list[str] = []
        self._traits: list[str] = []
        self._part = ""
        self._of_trait = False
        self._kind: str | None = None
        self._text: list[str] = []
        self._hidden: list[str] = []
        self.feed(text)

    def lines(self) -> list[str]:
        """The declaration, then what comes with it."""
        if self._declaration.startswith(("pub trait", "pub unsafe trait")):
            return self._declaration.splitlines()
        return [*self._declaration.splitlines(), *sorted(self._methods), *sorted(set(self._traits))]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        if tag == "h2":
            self._part = given.get("id", "")
        elif tag == "section":
            self._of_trait = "trait-impl" in classes
        if self._kind is not None:
            # Attributes and bounds are blocks of their own.
            if tag == "div":
                self._text.append("\n")
            # "Show 19 fields", and marks with an explanation that pops up.
            if tag == "summary" or "tooltip" in classes:
                self._hidden.append(tag)
        elif tag == "pre" and "item-decl" in classes and not self._declaration:
            self._kind = "pre"
        elif tag in ("h3", "h4") and "code-header" in classes:
            self._kind = tag
        elif tag == "dt" and given.get("id", "").startswith("reexport."):
            self._kind = tag

    def handle_endtag(self, tag: str) -> None:
        if self._hidden and tag == self._hidden[-1]:
            self._hidden.pop()
        elif self._kind is not None and tag == "div":
            self._text.append("\n")
        elif tag == self._kind:
            self._end("".join(self._text))
            self._kind, self._text = None, []

    def handle_data(self, data: str) -> None:
        if self._kind is not None and not self._hidden:
            self._text.append(data)

    def _end(self, text: str) -> None:
        line = " ".join(text.split())
        if self._kind == "pre":
            self._declaration = "\n".join(part.rstrip() for part in text.splitlines() if part.strip())
        elif self._kind == "dt":
            self.reexports.append(line)
        elif self._part.startswith(self.LEFT_OUT):
            return
        elif self._part == "synthetic-implementations":
            # Of auto traits only what is missing tells something, and only of those by which values cross threads and are pinned.
            if re.match(r"impl(<.*>)? !(Send|Sync|Unpin) ", line):
                self._traits.append(line)
        elif self._kind == "h3":
            if " for " in line and "StructuralPartialEq" not in line:
                self._traits.append(line)
        elif not self._of_trait:
            self._methods.append(line)


def since(revision: str) -> int:
    """Whether the crates' version says what has happened to their interface since a release."""
    breaking, additions = [], []
    for crate in CRATES:
        old, new = _blocks(_at(revision, f"docs/api/{crate}.txt")), _blocks((LISTINGS / f"{crate}.txt").read_text())
        for path in sorted(old.keys() | new.keys()):
            broken, added = changes(old.get(path, []), new.get(path, []))
            breaking += [f"{path}: {line.strip()}" for line in broken]
            additions += [f"{path}: {line.strip()}" for line in added]
    released, now = _version(_at(revision, "Cargo.toml")), _version((ROOT / "Cargo.toml").read_text())
    needed = needed_version(released, bool(breaking), bool(additions))
    for kind, lines in (("breaks", breaking), ("adds", additions)):
        for line in lines:
            print(f"{kind} {line}")
    print(f"{len(breaking)} breaking, {len(additions)} other changes since {revision}: version {'.'.join(map(str, needed))} or later")
    if now < needed:
        print(f"error: Cargo.toml says {'.'.join(map(str, now))}", file=sys.stderr)
    return 1 if now < needed else 0


def changes(old: list[str], new: list[str]) -> tuple[list[str], list[str]]:
    """Lines of an item that break its users, and lines that are new to them."""
    gone, come = [line for line in old if line not in new], [line for line in new if line not in old]
    text = "\n".join(old)
    # Whoever builds or matches a type by all its parts, or implements a trait, has to know them all.
    closed = old and "non_exhaustive" not in text and re.search(r"^\s*pub (struct|enum|union|trait|unsafe trait) ", text, re.MULTILINE)
    if closed and not ("private fields" in text or "/* " in text):
        parts = [line for line in come if not re.match(r"\s*(impl\b|pub (const |async |unsafe )*fn )", line)]
        return gone + parts, [line for line in come if line not in parts]
    return gone, come


def needed_version(released: tuple[int, ...], breaking: bool, additions: bool) -> tuple[int, ...]:
    """The least version that may have such changes. Before 1.0 the second number stands for the first."""
    major, minor, patch = released
    if breaking:
        return (major + 1, 0, 0) if major else (0, minor + 1, 0)
    if additions:
        return (major, minor + 1, 0) if major else (0, minor, patch + 1)
    return released


def _blocks(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for block in text.split("\n\n")[1:] if text else []:
        path, *lines = block.splitlines()
        found.setdefault(path, []).extend(lines)
    return found


def _at(revision: str, path: str) -> str:
    shown = subprocess.run(["git", "show", f"{revision}:{path}"], cwd=ROOT, capture_output=True, text=True)
    return shown.stdout


def _version(manifest: str) -> tuple[int, ...]:
    return tuple(map(int, tomllib.loads(manifest)["workspace"]["package"]["version"].split(".")))


if __name__ == "__main__":
    sys.exit(main())
