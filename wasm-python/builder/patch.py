"""Applies unified diffs without the `patch` program, which a bare Debian does not have.

Stricter than `patch`: every hunk must match exactly once, with its whole context; there is no fuzz. A patch that
does not fit the pinned source is a mistake in this project, so it stops the build.
"""

import re
from pathlib import Path

_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


class PatchError(Exception):
    """A patch is malformed or does not fit the source it is meant for."""


def apply_patch(patch: Path, root: Path) -> list[str]:
    """Applies `patch` (paths like `a/dir/file`) below `root`; returns the paths of the files it changed."""
    changed = []
    for name, hunks in _files(patch):
        target = root / name
        try:
            text = target.read_text(encoding="utf-8")
        except OSError as error:
            raise PatchError(f"{patch.name}: cannot read {target}: {error}") from error
        for number, (before, after) in enumerate(hunks, 1):
            found = text.count(before)
            if found != 1:
                raise PatchError(f"{patch.name}: hunk {number} of {name} fits in {found} places instead of one")
            text = text.replace(before, after)
        # A new file, so that a hard link to the unpatched one stays what it was.
        target.unlink()
        target.write_text(text, encoding="utf-8")
        changed.append(name)
    return changed


def _files(patch: Path):
    """Yields (path, [(text before, text after)]) for each file of the patch."""
    lines = patch.read_text(encoding="utf-8").splitlines(keepends=True)
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
                raise PatchError(f"{patch.name}: a hunk before the name of its file")
            before, after, position = _hunk(patch, lines, position, match)
            hunks.append((before, after))
    if name is None:
        raise PatchError(f"{patch.name}: no file in this patch")
    yield name, hunks


def _hunk(patch: Path, lines: list[str], position: int, match: re.Match):
    """Reads the body of a hunk: as many lines as its header says."""
    old, new = (int(count or 1) for count in match.groups())
    before, after = [], []
    while len(before) < old or len(after) < new:
        if position == len(lines):
            raise PatchError(f"{patch.name}: the last hunk is cut short")
        sign, text = lines[position][:1], lines[position][1:]
        position += 1
        if sign not in " +-":
            raise PatchError(f"{patch.name}: line {position} is no line of a hunk")
        if sign in " -":
            before.append(text)
        if sign in " +":
            after.append(text)
    return "".join(before), "".join(after), position
