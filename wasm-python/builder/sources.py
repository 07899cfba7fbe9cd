"""Unpacks source archives and applies our patches."""

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from .fetch import cached
from .images import SOURCES, Python
from .patch import apply_patch
from .pins import Pin
from .steps import Build, Scope, Step

CPYTHON = "cpython-source"
"""The name of the step."""


def cpython(python: Python) -> Step:
    """Unpacks and patches CPython."""
    patches = [f"{python.folder}/{name}" for name in python.patches]
    if python.debian_patches is None:
        return unpacking(CPYTHON, "unpack and patch CPython", python.source, patches)
    from .debian import correct

    step = unpacking(CPYTHON, "unpack, correct and patch CPython", python.source, patches, correct)
    return replace(step, values=Step.pins(python.source, python.debian_patches))


def unpacking(name: str, description: str, pin: Pin, patches: Sequence[str], first: Callable[[Build, Path], None] | None = None) -> Step:
    """A step that unpacks a pinned archive into its folder and applies patches, which are relative to `wasm-python`, after `first`."""

    def run(build: Build) -> None:
        folder = build.folder(name)
        with tarfile.open(cached(build, pin)) as tarball:
            _extract(tarball, folder)
        if first is not None:
            first(build, folder)
        for patch in patches:
            changed = apply_patch(SOURCES / patch, folder)
            build.log(f"{patch}: patched {', '.join(changed)}")

    return Step(name, description, run, files=tuple(patches), scope=Scope.PYTHON, values=Step.pins(pin))


def _extract(tarball: tarfile.TarFile, folder: Path) -> None:
    """Unpacks an archive without the one folder at its top. The archive is pinned by its hash, so its paths are known."""
    members = []
    for member in tarball:
        top, _, path = member.name.partition("/")
        if path:
            member.name = path
            if member.islnk():
                member.linkname = member.linkname.partition("/")[2]
            members.append(member)
    tarball.extractall(folder, members)
