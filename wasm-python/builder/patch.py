"""Applies unified diffs without the `patch` program, which a bare Debian does not have.

Stricter than `patch`: every hunk must match exactly once, with its whole context; there is no fuzz. A patch that
does not fit the pinned source is a mistake in this project, so it stops the build.
"""

import re
from pathlib import Path

_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class PatchError(Exception):
    """A patch is malformed or does not fit the source it is meant for."""


def apply_patch(patch: Path, root: Path) -> list[str]:
    """Applies `patch` (paths like `a/dir/file`) below `root`; returns the paths of the files it changed."""
    return _apply(patch.name, patch.read_text(encoding="utf-8"), root, (), exactly_once)


def apply_text(name: str, text: str, root: Path, without: tuple[str, ...]) -> list[str]:
    """Applies a patch of somebody else's, but for files whose paths start with one of `without`. A hunk that fits in several places
    goes to the one nearest to its line number."""
    return _apply(name, text, root, without, nearest)


def exactly_once(text: str, before: str, line: int) -> int:
    """Where a hunk goes that must fit in one place."""
    found = text.count(before)
    if found != 1:
        raise PatchError(f"fits in {found} places instead of one")
    return text.index(before)


def nearest(text: str, before: str, line: int) -> int:
    """Where a hunk goes whose line number was right before the hunks in front of it."""
    places = [match.start() for match in re.finditer(f"^{re.escape(before)}", text, re.MULTILINE)]
    if not places:
        raise PatchError("fits nowhere")
    return min(places, key=lambda place: abs(text.count("\n", 0, place) + 1 - line))


def _apply(patch: str, content: str, root: Path, without: tuple[str, ...], place) -> list[str]:
    changed = []
    for name, hunks in _files(patch, content):
        if name.startswith(without):
            continue
        target = root / name
        try:
            text = target.read_text(encoding="utf-8")
        except OSError as error:
            raise PatchError(f"{patch}: cannot read {target}: {error}") from error
        for number, (before, after, line) in enumerate(hunks, 1):
            try:
                at = place(text, before, line)
            except PatchError as error:
                raise PatchError(f"{patch}: hunk {number} of {name} {error}") from None
            text = text[:at] + after + text[at + len(before) :]
        # A new file, so that a hard link to the unpatched one stays what it was.
        target.unlink()
        target.write_text(text, encoding="utf-8")
        changed.append(name)
    return changed


def _files(patch: str, content: str):
    """Yields (path, [(text before, text after, line)]) for each file of the patch; the line is in the text after."""
    lines = content.splitlines(keepends=True)
    position = 0
    name, hunks = None, []
    while position < len(lines):
        line = lines[position]
        position += 1
        if line.startswith("+++ "):
            if name:
                yield name, hunks
            name, hunks = line[4:].split("\t")[0].strip().split("/", 1)[1], []
        elif match := _HUNK.match(line):
            if name is None:
                raise PatchError(f"{patch}: a hunk before the name of its file")
            before, after, position = _hunk(patch, lines, position, match)
            hunks.append((before, after, int(match[2])))
    if name is None:
        raise PatchError(f"{patch}: no file in this patch")
    yield name, hunks


def _hunk(patch: str, lines: list[str], position: int, match: re.Match):
    """Reads the body of a hunk: as many lines as its header says."""
    old, new = (int(count or 1) for count in (match[1], match[3]))
    before, after = [], []
    while len(before) < old or len(after) < new:
        if position == len(lines):
            raise PatchError(f"{patch}: the last hunk is cut short")
        sign, text = lines[position][:1], lines[position][1:]
        position += 1
        if sign not in " +-":
            raise PatchError(f"{patch}: line {position} is no line of a hunk")
        if sign in " -":
            before.append(text)
        if sign in " +":
            after.append(text)
    return "".join(before), "".join(after), position
