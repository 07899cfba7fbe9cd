"""The image: guest.wasm, the Python files it loads at start-up, and the manifest."""

import json
import shutil
from pathlib import Path

from . import cpython, cython, fetch, home, libraries, native, older_cpython, pins, profile, sources, toolchain
from .cpython import LTO
from .fetch import crate
from .images import SOURCES, Image
from .libraries import library
from .pins import Pin
from .steps import Build, BuildError, Scope, Step, hash_file, hash_tree
from .toolchain import CPU, compile_objects, tool

LINK = "link"


def steps(image: Image, counting: bool = False) -> list[Step]:
    """Everything that makes the image, in order; with `counting`, one that counts its branches."""
    linked = {step.name: step for module in image.linked for step in module.steps(image.python)}
    link = Step(
        LINK,
        "compile the shim and link guest.wasm",
        lambda build: _link(build),
        after=("toolchain", "libraries", "cpython", *linked),
        files=("builder/image.py", "shim", "support", *(["training/counted.c"] if counting else [])),
        scope=Scope.IMAGE,
        values={"optimisation": LTO},
    )
    return [
        fetch.downloads(all_pins(image)),
        fetch.CRATES,
        toolchain.STEP,
        sources.cpython(image.python),
        native.step(image.python),
        libraries.STEP,
        *profile.steps(image.python, counting),
        older_cpython.STEP if image.python.debian_patches else cpython.STEP,
        *linked.values(),
        home.step(image),
        link,
    ]


def all_pins(image: Image) -> list[Pin]:
    """Every file that it is made of, but the crates."""
    linked = [pin for module in image.linked for pin in module.pins(image.python)]
    packages = [package.wheel for package in image.packages]
    corrections = [image.python.debian_patches] if image.python.debian_patches else []
    return list(dict.fromkeys([image.python.source, *corrections, pins.ZIGLANG, pins.NINJA, *native.wheels(image.python), *linked, *packages]))


STACK_BYTES = 8 << 20
"""The C stack in linear memory, at its bottom: an overflow is a trap. CPython stops its own recursion long before."""

INITIAL_BYTES = 32 << 20
"""Initial linear memory: what the interpreter has after start-up fits without growing it step by step."""

_NAMES = ("-mllvm", "-static-func-full-module-prefix=false")
"""In the profile the file of a static function of the shim is without its folder, which is another one in every work folder."""

# Before libc in the link: they define what libc defines, and then libc's objects are not taken.
_SUPPORT = ("malloc", "thread_keys", "netdb", "exceptions")


def _link(build: Build) -> None:
    folder, linked = build.folder(LINK), build.image.linked
    modules = folder / "image_modules.c"
    modules.write_text(_image_modules((*profile.modules(build), *(name for module in linked for name in module.MODULES))))
    shim = sorted((SOURCES / "shim").rglob("*.c"))
    if not shim:
        raise BuildError(f"there are no sources of the shim in {SOURCES / 'shim'}")
    support = [SOURCES / "support" / f"{name}.c" for name in _SUPPORT]
    dlmalloc = next(crate(build, "libffi-sys").rglob("dlmalloc.c"))
    ours = compile_objects(build, support, folder / "support", f'-DDLMALLOC_C="{dlmalloc}"')
    ours += compile_objects(
        build, [modules, *shim, *profile.sources(build)], folder / "shim", LTO, *profile.flags(build), *_NAMES, "-std=gnu17", "-Wall", "-Wextra", f"-I{SOURCES / 'shim'}",
        *profile.includes(build), *cpython.includes(build), *(flag for module in linked for flag in module.flags(build)),
    )  # fmt: skip
    profile.note_changed(build, LINK)
    build.command(
        tool(build, "cc"), "-O3", "-g0", LTO, CPU, "-mexec-model=reactor", *ours,
        *profile.objects(build), *(path for module in linked for path in module.objects(build)), "-lc++", *cpython.archives(build),
        *(library(build, name) for name in ("z", "bz2", "lzma")),
        "-lwasi-emulated-signal", "-lwasi-emulated-getpid", "-lwasi-emulated-process-clocks", "-lm",
        "-z", f"stack-size={STACK_BYTES}", f"-Wl,--initial-memory={INITIAL_BYTES}", "-Wl,--strip-debug",
        "-o", folder / "guest.wasm",
    )  # fmt: skip


def _image_modules(names: tuple[str, ...]) -> str:
    """C code of the table of builtin modules that the shim hands to PyImport_ExtendInittab."""
    functions = {name: f"PyInit_{name.rpartition('.')[2]}" for name in names}
    declarations = "".join(f"extern PyObject *{function}(void);\n" for function in functions.values())
    entries = "".join(f'    {{"{name}", {function}}},\n' for name, function in functions.items())
    return f"#include <Python.h>\n{declarations}struct _inittab vv_image_modules[] = {{\n{entries}    {{NULL, NULL}},\n}};\n"


def publish(build: Build, output: Path) -> None:
    """Puts the finished image at `output`; readers see the old one or the new one, never a mixture."""
    partial, old = (output.with_name(f".{output.name}.{suffix}") for suffix in ("new", "old"))
    for folder in (partial, old):
        if folder.exists():
            shutil.rmtree(folder)
    partial.mkdir(parents=True)
    shutil.copyfile(build.folder(LINK) / "guest.wasm", partial / "guest.wasm")
    shutil.copytree(build.folder(home.NAME), partial / "home")
    (partial / "manifest.json").write_text(json.dumps(_manifest(build, partial), indent=2) + "\n")
    if output.exists():
        output.rename(old)
    partial.rename(output)
    if old.exists():
        shutil.rmtree(old)


def _manifest(build: Build, folder: Path) -> dict:
    image = build.image
    return {
        "format": 1,
        "name": image.name,
        "python": image.python.version,
        "packages": image.versions(),
        "modules": _top_level_modules(folder / "home" / "site"),
        "inputs": {pin.file: pin.sha256 for pin in all_pins(image)}
        | {"sources/Cargo.lock": hash_file(SOURCES / "sources" / "Cargo.lock")},
        "guest_sha256": hash_file(folder / "guest.wasm"),
        "home_sha256": hash_tree(folder / "home"),
        "profile_changed": profile.changed(build, ("cpython", LINK)) if profile.has_one(image.python) else [],
        "native_python": str(native.python(build)),
        "seconds": build.seconds,
    }


def _top_level_modules(site: Path) -> list[str]:
    """What can be imported besides the standard library. A job's modules of these names are never found."""
    return sorted(path.stem for path in site.iterdir() if path.suffix in ("", ".py") and path.stem.isidentifier())
