"""The inputs that all images share, with their versions and hashes: the compiler and the C libraries.

A CPython is pinned in pythons/SERIES/python.toml, a linked package in its module in `linked`, a pure-Python package in
images/NAME/image.toml.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """One file, wherever it comes from."""

    file: str
    sha256: str
    requirement: str = ""
    """What pip is asked for to get it, for example `numpy==2.2.6`."""


def wheel(requirement: str, tags: str, sha256: str, name: str | None = None) -> Pin:
    """A wheel; `name` is the project's name in the file's name, where that is spelt differently."""
    project, _, version = requirement.partition("==")
    return Pin(f"{name or project}-{version}-{tags}.whl", sha256, requirement)


ZIGLANG = wheel(
    "ziglang==0.17.0",
    "py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64",
    "97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b",
)
NINJA = wheel(
    "ninja==1.13.2",
    "py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64",
    "65a24341b5ac09fcadcc37082660be40a94174e51a937fabf6e2cae26225fa2c",
)

CRATES = {"bzip2-sys": "bzip2", "libffi-sys": "dlmalloc", "liblzma-sys": "xz", "libz-sys": "zlib"}
"""Crates and the C library in each; their versions and hashes are pinned by sources/Cargo.lock."""
