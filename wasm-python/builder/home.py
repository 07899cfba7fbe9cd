"""The Python files of the guest: what the snapshot loads into memory.

`lib` is the standard library without what cannot work in the guest, `site` has the image's packages and our own.
"""

import pprint
import re
import shutil
import zipfile
from pathlib import Path

from .fetch import cached
from .images import SOURCES, Image
from .native import python
from .sources import CPYTHON as CPYTHON_SOURCE
from .steps import Build, Scope, Step

PREFIX = "/python"
"""Where files say that they are, in tracebacks and as `__file__`."""

NAME = "home"


def step(image: Image) -> Step:
    """Collects and compiles."""
    linked = [step for module in image.linked for step in module.steps(image.python)]
    return Step(
        NAME,
        "collect and compile the standard library, the packages' Python files and the SDK",
        lambda build: _collect(build),
        after=("native", CPYTHON_SOURCE, "cpython", *dict.fromkeys(step.name for step in linked)),
        files=("builder/home.py", "builder/compile_tree.py", "python", "support/lib", *(f"linked/{name}" for name in image.linked_names), *image.warm_imports),
        scope=Scope.IMAGE,
        values=Step.pins(*(package.wheel for package in image.packages)),
    )


# Needs subprocesses, a display, a compiler, a writable installation or the test suite.
_WITHOUT = {"__phello__", "ensurepip", "distutils", "idlelib", "lib2to3", "test", "tkinter", "turtle.py", "turtledemo", "venv"}
# The real one needs libffi; support/lib has one that imports and refuses to call.
_REPLACED = {"ctypes"}


def _collect(build: Build) -> None:
    home, image = build.folder(NAME), build.image
    _standard_library(build.folder(CPYTHON_SOURCE) / "Lib", home / "lib")
    for module in image.linked:
        module.collect(build, home / "site")
    for package in image.packages:
        with zipfile.ZipFile(cached(build, package.wheel)) as wheel:
            wheel.extractall(home / "site")
    # Our declarations stand for PyFlink where it is not.
    for package in (SOURCES / "python").iterdir():
        if not (home / "site" / package.name).exists():
            shutil.copytree(package, home / "site" / package.name, ignore=_not_ours)
    shutil.copytree(SOURCES / "support" / "lib", home / "lib", dirs_exist_ok=True, ignore=_not_ours)
    tag = image.python.tag.replace("cp", "cpython-")
    (home / "lib" / "_sysconfigdata__wasi_wasm32-wasi.py").write_text(_sysconfig_data(build, tag))
    (home / "warm-imports.txt").write_text("".join((SOURCES / path).read_text() for path in image.warm_imports))
    for record in (home / "site").glob("*.dist-info/RECORD"):
        record.unlink()  # would list files that are not here
    build.command(python(build), "-I", SOURCES / "builder" / "compile_tree.py", home, PREFIX)


def _not_ours(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in ("__pycache__", "tests") or name.endswith(".pyc")]


def _standard_library(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*.py")):
        relative = path.relative_to(source)
        if relative.parts[0] not in _WITHOUT | _REPLACED:
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / relative)


def _sysconfig_data(build: Build, tag: str) -> str:
    """What `sysconfig` knows: the definitions of pyconfig.h, and of the Makefile only what does not name folders of the build."""
    header = (build.folder("cpython") / "pyconfig.h").read_text()
    variables = {name: _config_value(text) for name, text in re.findall(r"^#define (\w+) (.*)$", header, re.MULTILINE)}
    variables |= dict.fromkeys(re.findall(r"^/\* #undef (\w+) \*/$", header, re.MULTILINE), 0)
    variables |= {
        "EXT_SUFFIX": f".{tag}-wasm32-wasi.so",
        "HOST_GNU_TYPE": "wasm32-unknown-wasip1",
        "MULTIARCH": "wasm32-wasi",
        "SOABI": f"{tag}-wasm32-wasi",
        "TZPATH": "",
        "VERSION": build.image.python.series,
        "exec_prefix": PREFIX,
        "prefix": PREFIX,
    }
    return f"build_time_vars = {pprint.pformat(variables)}\n"


def _config_value(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text
