"""The C libraries that CPython's modules need: zlib, bzip2 and liblzma."""

import shutil
from pathlib import Path

from .fetch import crate
from .steps import Build, Step
from .toolchain import archive, compile_objects

STEP = Step(
    "libraries",
    "compile zlib, bzip2 and liblzma for the guest",
    lambda build: _compile_all(build),
    after=("crates", "toolchain"),
    files=("builder/libraries.py",),
)


def include(build: Build) -> Path:
    """The folder of the libraries' headers."""
    return build.folder("libraries") / "include"


def library(build: Build, name: str) -> Path:
    """A static library: `z`, `bz2` or `lzma`."""
    return build.folder("libraries") / f"lib{name}.a"


def _compile_all(build: Build) -> None:
    include(build).mkdir()
    _zlib(build, crate(build, "libz-sys") / "src" / "zlib")
    _bzip2(build, next(crate(build, "bzip2-sys").glob("bzip2-*")))
    _lzma(build, crate(build, "liblzma-sys"))


def _compile(build: Build, name: str, sources: list[Path], *flags: str) -> None:
    objects = compile_objects(build, sources, build.folder("libraries") / name, *flags)
    archive(build, objects, library(build, name))


def _zlib(build: Build, source: Path) -> None:
    names = "adler32 compress crc32 deflate infback inffast inflate inftrees trees uncompr zutil"  # all but gzip files
    _compile(build, "z", [source / f"{name}.c" for name in names.split()], "-DNDEBUG", "-DHAVE_UNISTD_H=1", f"-I{source}")
    for header in ("zlib.h", "zconf.h"):
        shutil.copyfile(source / header, include(build) / header)


def _bzip2(build: Build, source: Path) -> None:
    names = "blocksort bzlib compress crctable decompress huffman randtable"
    _compile(build, "bz2", [source / f"{name}.c" for name in names.split()], f"-I{source}")
    shutil.copyfile(source / "bzlib.h", include(build) / "bzlib.h")


def _lzma(build: Build, source: Path) -> None:
    """liblzma without threads, configured by the crate's config.h."""
    library_source, common = source / "xz" / "src" / "liblzma", source / "xz" / "src" / "common"
    parts = ("check", "common", "delta", "lz", "lzma", "rangecoder", "simple")
    sources = [path for part in parts for path in sorted((library_source / part).glob("*.c"))]
    sources = [path for path in sources if not _is_no_part_of_lzma(path.stem)]
    sources += [common / "tuklib_cpucores.c", common / "tuklib_physmem.c"]
    includes = [f"-I{library_source / part}" for part in ("api", *parts)]
    _compile(build, "lzma", sources, "-DNDEBUG", "-DHAVE_CONFIG_H=1", "-std=c99", f"-I{source}", f"-I{common}", *includes)
    shutil.copytree(library_source / "api", include(build), dirs_exist_ok=True)


def _is_no_part_of_lzma(stem: str) -> bool:
    """Programs that write tables, variants for small code, and what needs threads."""
    return stem.endswith(("tablegen", "_small", "mt")) or stem == "crc_clmul_consts_gen"
