"""The C and C++ compiler for the guest (zig's clang, linker and wasip1 libc), and the tools that build with it."""

import shlex
import stat
import zipfile
from pathlib import Path

from . import pins
from .fetch import cached
from .images import SOURCES
from .patch import apply_patch
from .steps import Build, Step

STEP = Step(
    "toolchain",
    "unpack the compiler and correct its math library",
    lambda build: _unpack(build),
    files=("builder/toolchain.py", "patches/zig-math.patch"),
    values=Step.pins(pins.ZIGLANG, pins.NINJA),
)

CPU = "-mcpu=lime1+simd128+bulk_memory"
"""WebAssembly features of the guest: what every engine has, and fixed-width SIMD."""

# Sanitizers are on by default in zig. Debug sections are not read by anyone: no -g.
_FLAGS = ("-O3", "-g0", "-fno-sanitize=all", "-Wno-date-time", "-Wno-deprecated")


def cflags(build: Build) -> list[str]:
    """Flags of everything that is compiled for the guest. Paths of the work folder do not get into the objects."""
    folders = {build.work: "/build", build.python_folder: "/build", SOURCES: "/wasm-python"}  # the last that fits counts
    return [*_FLAGS, CPU, *(f"-ffile-prefix-map={folder}={name}" for folder, name in folders.items())]


def tool(build: Build, name: str) -> Path:
    """The path of `cc`, `c++`, `ar`, `ranlib` (for the guest), or `ninja`."""
    return build.folder("toolchain") / "bin" / name


def compile_objects(build: Build, sources: list[Path], folder: Path, *flags: str) -> list[Path]:
    """Compiles C files in parallel to objects in `folder`, which are named after them."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = [folder / f"{source.stem}.o" for source in sources]
    common = [str(tool(build, "cc")), *cflags(build), *flags]
    lines = [f"OBJECTS = {' '.join(map(str, objects))}", "all: $(OBJECTS)"]
    for source, target in zip(sources, objects, strict=True):
        command = shlex.join([*common, "-c", str(source), "-o", str(target)])
        lines += [f"{target}: {source}", "\t" + command.replace("$", "$$")]
    makefile = folder / "objects.mk"
    makefile.write_text("\n".join(lines) + "\n")
    build.command("make", f"-j{build.jobs}", "-f", makefile, "all")
    return objects


def archive(build: Build, objects: list[Path], target: Path) -> None:
    """Makes a static library. The order of objects and the absence of dates make it reproducible."""
    build.command(tool(build, "ar"), "rcsD", target, *sorted(objects))


def _unpack(build: Build) -> None:
    folder = build.folder("toolchain")
    with zipfile.ZipFile(cached(build, pins.ZIGLANG)) as wheel:
        wheel.extractall(folder)
    zig = folder / "ziglang" / "zig"
    zig.chmod(zig.stat().st_mode | stat.S_IXUSR)
    changed = apply_patch(SOURCES / "patches" / "zig-math.patch", folder / "ziglang" / "lib")
    build.log(f"patched {', '.join(changed)}")
    (folder / "bin").mkdir()
    with zipfile.ZipFile(cached(build, pins.NINJA)) as wheel:
        program = next(name for name in wheel.namelist() if name.endswith("/scripts/ninja"))
        _write_program(tool(build, "ninja"), wheel.read(program))
    for name, command in {
        "cc": "cc -target wasm32-wasi",
        "c++": "c++ -target wasm32-wasi",
        "ar": "ar",
        "ranlib": "ranlib",
    }.items():
        _write_program(tool(build, name), f'#!/bin/sh\nexec {shlex.quote(str(zig))} {command} "$@"\n'.encode())


def _write_program(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)
