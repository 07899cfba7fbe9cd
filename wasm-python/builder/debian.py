"""Debian's corrections of a CPython that gets none upstream any more: those for security, and of crashes."""

import tarfile
from pathlib import Path

from .fetch import cached
from .patch import apply_text
from .steps import Build, BuildError

_SERIES = "debian/patches/series"

# What the guest does not have, and Debian's patches touch all the same.
_LEFT_OUT = ("Doc/", "Misc/", "Lib/test/", "Lib/idlelib/", "Lib/distutils/", "Lib/ctypes/test/", "Lib/unittest/test/")

_CRASHES = ("shutdown-deadlock.diff", "frame_dealloc-crash.diff", "relfile-nullptr-dereference.patch")


def _is_correction(name: str) -> bool:
    """Debian's series first changes where things are installed; corrections are named after what they correct."""
    return name.startswith(("CVE-", "0001-3.11-", "0002-3.11-", "0003-3.11-", "0004-3.11-", "0005-3.11-")) or name in _CRASHES


def correct(build: Build, folder: Path) -> None:
    """Applies them to the source in `folder`, in Debian's order."""
    with tarfile.open(cached(build, build.image.python.debian_patches)) as tarball:
        series = tarball.extractfile(_SERIES).read().decode().split()
        names = [name for name in series if _is_correction(name)]
        if not names:
            raise BuildError(f"{build.image.python.debian_patches.file} has no corrections in {_SERIES}")
        for name in names:
            text = tarball.extractfile(f"debian/patches/{name}").read().decode(errors="replace")
            changed = apply_text(name, text, folder, _LEFT_OUT)
            build.log(f"{name}: patched {', '.join(changed) or 'nothing that is used'}")
