"""Lays out the tests that CPython and numpy ship, for `wasm-run guest test`.

The image does not depend on them: `build.py --tests` runs this step and what it needs. Each tree is mounted read-only as a
sandbox's /env, so a tree holds what is not in the image: the package `test` for CPython; for numpy its packages' `tests`
folders and pytest with what it needs, compiled to bytecode, because every sandbox imports it again.
"""

import shutil
import tarfile
import zipfile
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from . import fetch, native, pins, sources
from .pins import Pin
from .steps import SOURCES, Build, Step

WHEELS = {
    "pytest==8.3.5": Pin(
        "pytest-8.3.5-py3-none-any.whl",
        "c69214aa47deac29fad6c2a4f590b9c4a9fdb16a403176fe154b79c0b4d4d820",
    ),
    "hypothesis==6.131.15": Pin(
        "hypothesis-6.131.15-py3-none-any.whl",
        "e02e67e9f3cfd4cd4a67ccc03bf7431beccc1a084c5e90029799ddd36ce006d7",
    ),
    "pluggy==1.6.0": Pin(
        "pluggy-1.6.0-py3-none-any.whl",
        "e920276dd6813095e9377c0bc5566d94c932c33b27a3e3945d8389c374dd4746",
    ),
    "iniconfig==2.1.0": Pin(
        "iniconfig-2.1.0-py3-none-any.whl",
        "9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760",
    ),
    "packaging==25.0": Pin(
        "packaging-25.0-py3-none-any.whl",
        "29572ef2b1f17581046b3a2227d5c611fb25ec70ca1ba8554b24b0e69331a484",
    ),
    "attrs==25.3.0": Pin(
        "attrs-25.3.0-py3-none-any.whl",
        "427318ce031701fea540783410126f03899a97ffc6f61596ad581ac2e40e3bc3",
    ),
    "sortedcontainers==2.4.0": Pin(
        "sortedcontainers-2.4.0-py2.py3-none-any.whl",
        "a163dcaede0f1c021485e957a39245190e74249897e2ae4b2aa38595db237ee0",
    ),
}
"""pytest and hypothesis of the time of numpy 2.2.6, without compiled parts. Only tests ever see them."""

_NOT_RUN = ("_pyinstaller", "distutils", "f2py", "typing")
"""Packages of numpy whose tests run compilers or mypy."""

STEP = Step(
    "test-trees",
    "lay out the tests that CPython and numpy ship",
    lambda build: _lay_out(build),
    after=(native.STEP.name,),
    files=("builder/test_trees.py", "builder/compile_tree.py"),
    values={"pins": repr([asdict(pin) for pin in (pins.CPYTHON, pins.wheel("numpy"), *WHEELS.values())])},
)

STEPS = [fetch.STEP, sources.CPYTHON, native.STEP, STEP]
"""What has to run, in order; all but the last are steps of the image too."""


def publish(build: Build, output: Path) -> None:
    """Puts the trees at OUTPUT/tests/cpython and OUTPUT/tests/numpy."""
    target, partial = output / "tests", output / "tests.partial"
    for folder in (partial, target):
        if folder.exists():
            shutil.rmtree(folder)
    output.mkdir(parents=True, exist_ok=True)
    shutil.copytree(build.folder(STEP.name), partial)
    partial.rename(target)


def _lay_out(build: Build) -> None:
    fetch.ensure_wheels(build, WHEELS)
    folder = build.folder(STEP.name)
    _cpython_tests(fetch.cached(build, pins.CPYTHON), folder / "cpython")
    for pin in WHEELS.values():
        with zipfile.ZipFile(fetch.cached(build, pin)) as wheel:
            wheel.extractall(folder / "numpy")
    _numpy_tests(fetch.cached(build, pins.wheel("numpy")), folder / "numpy")
    build.command(native.python(build), "-I", SOURCES / "builder" / "compile_tree.py", folder / "numpy", "/env")


def _cpython_tests(tarball: Path, folder: Path) -> None:
    """The package `test` with its data files."""
    prefix = PurePosixPath(f"Python-{pins.PYTHON_VERSION}", "Lib")
    with tarfile.open(tarball) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if member.isfile() and path.is_relative_to(prefix / "test"):
                target = folder / path.relative_to(prefix)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.extractfile(member).read())


def _numpy_tests(wheel: Path, folder: Path) -> None:
    """The folders `tests` of all packages, and conftest.py.

    The packages above them are empty here. The real ones are in the image and are found first; pytest only looks for
    their __init__.py files to tell that `tests/test_core.py` is the module `numpy.ma.tests.test_core`.
    """
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = PurePosixPath(name)
            tests = "tests" in path.parts and path.parts[1] not in _NOT_RUN
            if path.parts[0] == "numpy" and (tests or path.name == "conftest.py"):
                archive.extract(name, folder)
    for tests in (folder / "numpy").rglob("tests"):
        for package in tests.parents:
            if package == folder:
                break
            (package / "__init__.py").touch()
