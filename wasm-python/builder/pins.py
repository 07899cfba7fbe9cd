"""Every input of the guest, with its version and sha256. Changing one is changing this table."""

from dataclasses import dataclass

PYTHON_VERSION = "3.13.5"
NUMPY_VERSION = "2.2.6"
TZDATA_VERSION = "2026.6"
ZIG_VERSION = "0.17.0"


@dataclass(frozen=True)
class Pin:
    """One file, wherever it comes from."""

    file: str
    sha256: str


CPYTHON = Pin(f"Python-{PYTHON_VERSION}.tar.xz", "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640")
CPYTHON_URL = f"https://www.python.org/ftp/python/{PYTHON_VERSION}/{CPYTHON.file}"
CPYTHON_DEBIAN_SUITE = "trixie"
CPYTHON_DEBIAN_SOURCE = "python3.13"
CPYTHON_DEBIAN_FILE = f"python3.13_{PYTHON_VERSION}.orig.tar.xz"

_MANYLINUX = "cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64"

WHEELS = {
    f"ziglang=={ZIG_VERSION}": Pin(
        f"ziglang-{ZIG_VERSION}-py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64.whl",
        "97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b",
    ),
    f"numpy=={NUMPY_VERSION}": Pin(
        f"numpy-{NUMPY_VERSION}-{_MANYLINUX}.whl",
        "1bc23a79bfabc5d056d106f9befb8d50c31ced2fbc70eedb8155aec74a45798f",
    ),
    # Not 3.1, whose modules all define the same global function.
    "cython==3.0.12": Pin(
        f"Cython-3.0.12-{_MANYLINUX}.whl",
        "879ae9023958d63c0675015369384642d0afb9c9d1f3473df9186c42f7a9d265",
    ),
    "ninja==1.13.2": Pin(
        "ninja-1.13.2-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        "65a24341b5ac09fcadcc37082660be40a94174e51a937fabf6e2cae26225fa2c",
    ),
    f"tzdata=={TZDATA_VERSION}": Pin(
        f"tzdata-{TZDATA_VERSION}-py2.py3-none-any.whl",
        "0a10eec6e13ef16b627fabed9a5f2ba61a62b1c67f327305f4e7e412a70b4aec",
    ),
}
"""By requirement; what `pip download` chooses for CPython 3.13 on x86_64 Linux."""

NUMPY_SOURCE = Pin(f"numpy-{NUMPY_VERSION}.tar.gz", "e29554e2bef54a90aa5cc07da6ce955accb83f21ab5de01a62c8478897b264fd")

CRATES = {"bzip2-sys": "bzip2", "libffi-sys": "dlmalloc", "liblzma-sys": "xz", "libz-sys": "zlib"}
"""Crates and the C library in each; their versions and hashes are pinned by sources/Cargo.lock."""

PACKAGES = {"numpy": NUMPY_VERSION, "tzdata": TZDATA_VERSION}
"""Python packages in the image."""


def wheel(project: str) -> Pin:
    """The wheel of a project."""
    return next(pin for requirement, pin in WHEELS.items() if requirement.split("==")[0] == project)


def all_pins() -> dict[str, str]:
    """sha256 by file name."""
    return {pin.file: pin.sha256 for pin in (CPYTHON, NUMPY_SOURCE, *WHEELS.values())}
