"""Unpacks source archives and applies our patches."""

import tarfile
from pathlib import Path

from . import pins
from .fetch import cached
from .patch import apply_patch
from .pins import Pin
from .steps import SOURCES, Build, Step

_CPYTHON_PATCHES = (
    "cpython-asyncio.patch",
    "cpython-branches.patch",
    "cpython-ints.patch",
    "cpython-parser.patch",
    "cpython-socket.patch",
)
_NUMPY_PATCHES = (
    "numpy-target.patch",
    "numpy-int64.patch",
    "numpy-indices.patch",
    "numpy-loops.patch",
    "numpy-strings.patch",
    "numpy-random.patch",
    "numpy-signatures.patch",
    "numpy-files.patch",
    "numpy-cython-names.patch",
    "numpy-f2py.patch",
    "numpy-module-names.patch",
)

CPYTHON = Step(
    "cpython-source",
    "unpack and patch CPython",
    lambda build: _unpack(build, CPYTHON.name, pins.CPYTHON, _CPYTHON_PATCHES),
    after=("fetch",),
    files=tuple(f"patches/{name}" for name in _CPYTHON_PATCHES),
)

NUMPY = Step(
    "numpy-source",
    "unpack and patch numpy",
    lambda build: _unpack(build, NUMPY.name, pins.NUMPY_SOURCE, _NUMPY_PATCHES),
    after=("fetch",),
    files=tuple(f"patches/{name}" for name in _NUMPY_PATCHES),
)


def _unpack(build: Build, step: str, pin: Pin, patches: tuple[str, ...]) -> None:
    folder = build.folder(step)
    with tarfile.open(cached(build, pin)) as tarball:
        _extract(tarball, folder)
    for name in patches:
        changed = apply_patch(SOURCES / "patches" / name, folder)
        build.log(f"{name}: patched {', '.join(changed)}")


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
