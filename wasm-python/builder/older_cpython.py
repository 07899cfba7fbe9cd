"""CPython 3.11 as a static library for the guest: `cpython` for a configure that knows less of WebAssembly."""

from .cpython import includes  # noqa: F401  the same
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
    after=("toolchain", "libraries", "native", SOURCE),
    files=("builder/older_cpython.py", "support/config.site"),
    scope=Scope.PYTHON,
)

_ANSWERS = """
# Newer releases of CPython have these in their own file, or need no answer.
ac_cv_file__dev_ptmx=no
ac_cv_file__dev_ptc=no
ax_cv_c_float_words_bigendian=no
"""


def _build(build: Build) -> None:
    folder, source = build.folder("cpython"), f"../{SOURCE}"  # relative, because the path is compiled into getpath.c
    own = folder / source / "Tools" / "wasm" / "config.site-wasm32-wasi"
    config_site = folder / "config.site"  # its autoconf reads one file only
    config_site.write_text(own.read_text() + (SOURCES / "support" / "config.site").read_text() + _ANSWERS)
    missing_in_headers = "-DSOCK_RAW=3"
    flags = [*cflags(build), missing_in_headers, "-Wno-int-conversion", "-Wno-incompatible-function-pointer-types"]
    headers = f"-I{include(build)}"
    settings = {
        "CC": tool(build, "cc"),
        "CXX": tool(build, "c++"),
        "AR": tool(build, "ar"),
        "RANLIB": tool(build, "ranlib"),
        "READELF": "true",
        "CONFIG_SITE": config_site,
        "CFLAGS": " ".join(flags),
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
        f"{source}/configure", "--host=wasm32-unknown-wasi", "--build=x86_64-pc-linux-gnu",
        f"--with-build-python={python(build)}", "--prefix=/python", "--disable-test-modules", "--disable-ipv6",
        "--with-ensurepip=no", "--with-pymalloc", cwd=folder, env=env,
    )  # fmt: skip
    build.command("make", f"-j{build.jobs}", *build.image.python.archives, cwd=folder, env=env)
    config = (folder / "Modules" / "config.c").read_text()
    missing = [name for name in ("zlib", "_bz2", "_lzma", "_decimal") if f'"{name}"' not in config]
    if missing:
        raise BuildError(f"CPython was configured without {', '.join(missing)}")
