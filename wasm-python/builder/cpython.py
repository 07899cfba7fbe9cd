"""CPython as a static library for the guest."""

from pathlib import Path

from . import profile
from .images import SOURCES
from .libraries import include, library
from .native import python
from .sources import CPYTHON as SOURCE
from .steps import Build, BuildError, Scope, Step
from .toolchain import CPU, cflags, tool

STEP = Step(
    "cpython",
    "cross-compile CPython",
    lambda build: _build(build),
    after=("toolchain", "libraries", "native", "cpython-source", profile.NAME),
    files=("builder/cpython.py", "support/config.site"),
    scope=Scope.PYTHON,
)

LTO = "-flto"
"""For CPython and the shim, which call each other a dozen times a row; each call that is inlined saves a check of the epoch, too.

It takes up to a tenth off a row, and linking takes a minute.
"""

_NO_MEMSET = "-mllvm -disable-loop-idiom-memset"
"""A loop that clears some places stays one: as `memory.fill` it is a call out of the guest, which a frame without further local variables makes to clear none."""


def archives(build: Build) -> list[Path]:
    """The static libraries to link, in order."""
    return [build.folder("cpython") / name for name in build.image.python.archives]


def includes(build: Build) -> list[str]:
    """Flags for programs that include Python.h: the guest's pyconfig.h comes first."""
    return [f"-I{build.folder('cpython')}", f"-I{build.folder(SOURCE) / 'Include'}"]


def _build(build: Build) -> None:
    folder = build.folder("cpython")
    # Relative, because the path is compiled into getpath.c.
    source = Path("..") / SOURCE
    config_sites = [source / "Tools" / "wasm" / "config.site-wasm32-wasi", SOURCES / "support" / "config.site"]
    flags = " ".join([*cflags(build), "-DSOCK_RAW=3"])  # missing in zig's wasip1 headers
    headers = f"-I{include(build)}"
    settings = {
        "CC": tool(build, "cc"),
        "CXX": tool(build, "c++"),
        "AR": tool(build, "ar"),
        "RANLIB": tool(build, "ranlib"),
        "CONFIG_SITE": " ".join(map(str, config_sites)),
        "CFLAGS": flags,
        "LDFLAGS": CPU,
        "HOSTRUNNER": "/bin/false",
        "PKG_CONFIG": "false",
        "ZLIB_CFLAGS": headers,
        "ZLIB_LIBS": library(build, "z"),
        "BZIP2_CFLAGS": headers,
        "BZIP2_LIBS": library(build, "bz2"),
        "LIBLZMA_CFLAGS": headers,
        "LIBLZMA_LIBS": library(build, "lzma"),
    }
    env = {name: str(value) for name, value in settings.items()}
    build.command(
        source / "configure", "--host=wasm32-unknown-wasip1", "--build=x86_64-pc-linux-gnu",
        f"--with-build-python={python(build)}", "--prefix=/python", "--disable-test-modules", "--disable-ipv6",
        "--with-ensurepip=no", "--with-pymalloc", cwd=folder, env=env,
    )  # fmt: skip
    build.command("make", f"-j{build.jobs}", f"EXTRA_CFLAGS={' '.join([LTO, _NO_MEMSET, *profile.flags(build)])}", *build.image.python.archives, cwd=folder, env=env)
    profile.note_changed(build, "cpython")
    config = (folder / "Modules" / "config.c").read_text()
    missing = [name for name in ("zlib", "_bz2", "_lzma", "_decimal") if f'"{name}"' not in config]
    if missing:
        raise BuildError(f"CPython was configured without {', '.join(missing)}")
