"""The Python files of the guest: what the snapshot loads into memory.

`lib` is the standard library without what cannot work in the guest, `site` has numpy, tzdata and our own packages.
"""

import pprint
import re
import shutil
import zipfile
from pathlib import Path

from . import pins, sources
from .fetch import cached
from .native import python
from .numpy_objects import configured
from .steps import SOURCES, Build, Step

PREFIX = "/python"
"""Where files say that they are, in tracebacks and as `__file__`."""

STEP = Step(
    "home",
    "collect and compile the standard library, numpy's Python files and the SDK",
    lambda build: _collect(build),
    after=("fetch", "native", "cpython-source", "cpython", "numpy-source", "numpy"),
    files=("builder/home.py", "builder/compile_tree.py", "python", "support/lib", "support/warm-imports.txt"),
)

# Needs subprocesses, a display, a compiler, a writable installation or the test suite.
_WITHOUT = {"__phello__", "ensurepip", "idlelib", "test", "tkinter", "turtle.py", "turtledemo", "venv"}
# The real one needs libffi; support/lib has one that imports and refuses to call.
_REPLACED = {"ctypes"}

# numpy.testing imports it.
_NUMPY_TEST_HELPERS = ("numpy/_core/tests/_natype.py",)
_NUMPY_WITHOUT = ("numpy/f2py/", "numpy/distutils/", "numpy/_core/include/", "numpy/random/_examples/", "numpy/_pyinstaller/", "numpy/conftest.py")


def _collect(build: Build) -> None:
    home = build.folder("home")
    _standard_library(build.folder(sources.CPYTHON.name) / "Lib", home / "lib")
    _numpy(build, home / "site")
    with zipfile.ZipFile(cached(build, pins.wheel("tzdata"))) as wheel:
        wheel.extractall(home / "site")
    shutil.copytree(SOURCES / "python", home / "site", dirs_exist_ok=True, ignore=_not_ours)
    shutil.copytree(SOURCES / "support" / "lib", home / "lib", dirs_exist_ok=True, ignore=_not_ours)
    (home / "lib" / "_sysconfigdata__wasi_wasm32-wasi.py").write_text(_sysconfig_data(build))
    shutil.copyfile(SOURCES / "support" / "warm-imports.txt", home / "warm-imports.txt")
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


def _sysconfig_data(build: Build) -> str:
    """What `sysconfig` knows: the definitions of pyconfig.h, and of the Makefile only what does not name folders of the build."""
    header = (build.folder("cpython") / "pyconfig.h").read_text()
    variables = {name: _config_value(text) for name, text in re.findall(r"^#define (\w+) (.*)$", header, re.MULTILINE)}
    variables |= dict.fromkeys(re.findall(r"^/\* #undef (\w+) \*/$", header, re.MULTILINE), 0)
    variables |= {
        "EXT_SUFFIX": ".cpython-313-wasm32-wasi.so",
        "HOST_GNU_TYPE": "wasm32-unknown-wasip1",
        "MULTIARCH": "wasm32-wasi",
        "SOABI": "cpython-313-wasm32-wasi",
        "TZPATH": "",
        "VERSION": pins.PYTHON_VERSION.rpartition(".")[0],
        "exec_prefix": PREFIX,
        "prefix": PREFIX,
    }
    return f"build_time_vars = {pprint.pformat(variables)}\n"


def _config_value(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _numpy(build: Build, target: Path) -> None:
    """numpy's Python files: those the wheel installs, with the content of our patched and configured source."""
    generated, patched = configured(build), build.folder(sources.NUMPY.name)
    with zipfile.ZipFile(cached(build, pins.wheel("numpy"))) as wheel:
        for name in sorted(wheel.namelist()):
            code = name.endswith(".py") and "/tests/" not in name and not name.startswith(_NUMPY_WITHOUT)
            metadata = ".dist-info/" in name and not name.endswith("/")
            if not (code or metadata or name in _NUMPY_TEST_HELPERS):
                continue
            content = next((p.read_bytes() for p in (generated / name, patched / name) if p.is_file()), wheel.read(name))
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.replace(str(build.work).encode(), b"/build"))  # numpy.show_config()
