"""pandas' own tests, for `wasm-run guest test --image data --suite pandas`."""

from pathlib import Path

from builder.fetch import cached
from builder.steps import Build
from builder.test_trees import extract_tests

from . import wheel


def collect(build: Build, tree: Path) -> None:
    """Those that the wheel installs."""
    extract_tests(cached(build, wheel(build.image.python)), "pandas", tree)
