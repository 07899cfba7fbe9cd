"""Lays out the tests that CPython and the linked packages ship, for `wasm-run guest test`.

The image does not depend on them: `build.py --tests` runs this step and what it needs. Each tree is mounted read-only as a
sandbox's /env, so a tree holds what is not in the image: the package `test` for CPython; for numpy and pandas their packages'
`tests` folders and pytest with what it needs, compiled to bytecode, because every sandbox imports it again.
"""

import importlib
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from types import ModuleType

from . import fetch, native, sources
from .images import SOURCES, Image
from .pins import Pin
from .steps import Build, Scope, Step

WHEELS = (
    Pin("pytest-8.3.5-py3-none-any.whl", "c69214aa47deac29fad6c2a4f590b9c4a9fdb16a403176fe154b79c0b4d4d820", "pytest==8.3.5"),
    Pin("hypothesis-6.131.15-py3-none-any.whl", "e02e67e9f3cfd4cd4a67ccc03bf7431beccc1a084c5e90029799ddd36ce006d7", "hypothesis==6.131.15"),
    Pin("pluggy-1.6.0-py3-none-any.whl", "e920276dd6813095e9377c0bc5566d94c932c33b27a3e3945d8389c374dd4746", "pluggy==1.6.0"),
    Pin("iniconfig-2.1.0-py3-none-any.whl", "9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760", "iniconfig==2.1.0"),
    Pin("packaging-25.0-py3-none-any.whl", "29572ef2b1f17581046b3a2227d5c611fb25ec70ca1ba8554b24b0e69331a484", "packaging==25.0"),
    Pin("attrs-25.3.0-py3-none-any.whl", "427318ce031701fea540783410126f03899a97ffc6f61596ad581ac2e40e3bc3", "attrs==25.3.0"),
    Pin("sortedcontainers-2.4.0-py2.py3-none-any.whl", "a163dcaede0f1c021485e957a39245190e74249897e2ae4b2aa38595db237ee0", "sortedcontainers==2.4.0"),
)
"""pytest and hypothesis of the time of numpy 2.2.6, without compiled parts. Only tests ever see them."""

_CPYTHON = "cpython-tests"


def steps(image: Image) -> list[Step]:
    """What has to run, in order: a step for each tree, and steps of the image before them."""
    python = image.python
    cpython = Step(
        _CPYTHON,
        "lay out the tests that CPython ships",
        lambda build: _cpython_tests(build),
        files=("builder/test_trees.py",),
        scope=Scope.PYTHON,
        values=Step.pins(python.source),
    )
    trees = [_tree(image, module) for module in _tested(image)]
    wanted = [python.source, *native.wheels(python), *WHEELS] if trees else [python.source]
    compiling = [sources.cpython(python), native.step(python)] if trees else []
    return [fetch.downloads(wanted), *compiling, cpython, *trees]


def publish(build: Build, output: Path) -> None:
    """Puts the trees at OUTPUT/tests, each under its suite's name."""
    target, partial = output / "tests", output / "tests.partial"
    for folder in (partial, target):
        if folder.exists():
            shutil.rmtree(folder)
    shutil.copytree(build.folder(_CPYTHON), partial / "cpython")
    for module in _tested(build.image):
        shutil.copytree(build.folder(_name(module)), partial / _suite(module))
    partial.rename(target)


def _tested(image: Image) -> list[ModuleType]:
    return [module for module in image.linked if (SOURCES / "linked" / _suite(module) / "tests.py").is_file()]


def _suite(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _name(module: ModuleType) -> str:
    return f"{_suite(module)}-tests"


def _tree(image: Image, module: ModuleType) -> Step:
    """pytest and a package's tests."""

    def lay_out(build: Build) -> None:
        folder = build.folder(_name(module))
        for pin in WHEELS:
            with zipfile.ZipFile(fetch.cached(build, pin)) as wheel:
                wheel.extractall(folder)
        importlib.import_module(f"{module.__name__}.tests").collect(build, folder)
        build.command(native.python(build), "-I", SOURCES / "builder" / "compile_tree.py", folder, "/env")

    return Step(
        _name(module),
        f"lay out the tests that {_suite(module)} ships",
        lay_out,
        after=("native",),
        files=("builder/test_trees.py", "builder/compile_tree.py", f"linked/{_suite(module)}/tests.py"),
        scope=Scope.PYTHON,
        values=Step.pins(*WHEELS, *module.pins(image.python)),
    )


def _cpython_tests(build: Build) -> None:
    """The package `test` with its data files."""
    folder, python = build.folder(_CPYTHON), build.image.python
    prefix = PurePosixPath(f"Python-{python.version}", "Lib")
    with tarfile.open(fetch.cached(build, python.source)) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if member.isfile() and path.is_relative_to(prefix / "test"):
                target = folder / path.relative_to(prefix)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.extractfile(member).read())


def extract_tests(wheel: Path, package: str, folder: Path, without: tuple[str, ...] = ()) -> None:
    """A package's folders `tests` out of its wheel, and conftest.py.

    The packages above them are empty here. The real ones are in the image and are found first; pytest only looks for
    their __init__.py files to tell that `tests/test_core.py` is the module `numpy.ma.tests.test_core`.
    """
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = PurePosixPath(name)
            tests = "tests" in path.parts and path.parts[1] not in without
            if path.parts[0] == package and (tests or path.name == "conftest.py"):
                archive.extract(name, folder)
    for tests in (folder / package).rglob("tests"):
        for parent in tests.parents:
            if parent == folder:
                break
            (parent / "__init__.py").touch()
