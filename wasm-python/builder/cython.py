"""Cython, which writes the C of linked packages. It runs in the native interpreter."""

import shlex
import zipfile
from pathlib import Path

from .fetch import cached
from .images import Python
from .native import python as native_python
from .steps import Build, BuildError, Scope, Step

NAME = "cython"


def step(python: Python) -> Step:
    """Unpacks it."""
    if python.cython is None:
        raise BuildError(f"{python.folder}/python.toml pins no Cython, which linked packages need")
    return Step(
        NAME,
        "unpack Cython",
        lambda build: _unpack(build),
        files=("builder/cython.py",),
        scope=Scope.PYTHON,
        values=Step.pins(python.cython),
    )


def python_path(build: Build) -> Path:
    """The folder with its Python packages."""
    return build.folder(NAME)


def command(build: Build) -> str:
    """A shell command that takes Cython's options."""
    return f"env PYTHONPATH={shlex.quote(str(python_path(build)))} {shlex.quote(str(native_python(build)))} -m cython"


def _unpack(build: Build) -> None:
    with zipfile.ZipFile(cached(build, build.image.python.cython)) as wheel:
        wheel.extractall(python_path(build))
