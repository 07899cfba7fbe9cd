"""numpy's own tests, for `wasm-run guest test --suite numpy`."""

from pathlib import Path

from builder.fetch import cached
from builder.steps import Build
from builder.test_trees import extract_tests

from . import wheel

_NOT_RUN = ("_pyinstaller", "distutils", "f2py", "typing")
"""Packages whose tests run compilers or mypy."""


def collect(build: Build, tree: Path) -> None:
    """Those that the wheel installs."""
    extract_tests(cached(build, wheel(build.image.python)), "numpy", tree, without=_NOT_RUN)
