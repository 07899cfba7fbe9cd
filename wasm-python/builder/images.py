"""Image descriptions: what `images/NAME/image.toml` and `pythons/SERIES/python.toml` say.

An image is one CPython, the packages that are linked into it, pure-Python packages, and what is imported before its snapshot.
Its recipe is this folder without the images, Pythons and linked packages that are not its own, so that changing them does not
make it another image.
"""

import importlib
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from .pins import Pin

SOURCES = Path(__file__).resolve().parent.parent


class DescriptionError(Exception):
    """A description does not say what it has to; the message names the file."""


@dataclass(frozen=True)
class Python:
    """One CPython: its source, our patches, and how it is linked."""

    version: str
    source: Pin
    debian: dict[str, str]
    """Suite, source package and file in Debian: the identical tarball."""
    patches: tuple[str, ...]
    archives: tuple[str, ...]
    native: tuple[str, ...]
    """Linked packages whose wheels the native interpreter gets too."""
    cython: Pin | None
    debian_patches: Pin | None
    """Debian's corrections of it, where it gets none upstream."""

    @property
    def series(self) -> str:
        """Major and minor version: `3.13`."""
        return self.version.rpartition(".")[0]

    @property
    def tag(self) -> str:
        """As in the names of wheels: `cp313`."""
        return "cp" + self.series.replace(".", "")

    @property
    def folder(self) -> str:
        """Where its description and patches are, relative to `wasm-python`."""
        return f"pythons/{self.series}"


@dataclass(frozen=True)
class Package:
    """A pure-Python package: one wheel."""

    name: str
    version: str
    wheel: Pin


@dataclass(frozen=True)
class Image:
    """What is in an image."""

    name: str
    python: Python
    linked_names: tuple[str, ...]
    packages: tuple[Package, ...]

    @cached_property
    def linked(self) -> tuple[ModuleType, ...]:
        """The modules that build the linked packages, each after those it needs. `linked/__init__.py` says what they have."""
        return tuple(importlib.import_module(f"linked.{name}") for name in self.linked_names)

    @property
    def folder(self) -> str:
        """Where its description is, relative to `wasm-python`."""
        return f"images/{self.name}"

    @property
    def warm_imports(self) -> tuple[str, ...]:
        """Lists of modules to import before the snapshot, in order, relative to `wasm-python`."""
        own = f"{self.folder}/warm-imports.txt"
        lists = ["support/warm-imports.txt", *(f"linked/{name}/warm-imports.txt" for name in self.linked_names)]
        return tuple(path for path in [*lists, own] if (SOURCES / path).is_file())

    def versions(self) -> dict[str, str]:
        """The versions of the packages, by distribution. A job's requirements count them as installed."""
        linked = zip(self.linked_names, self.linked, strict=True)
        versions = {getattr(module, "DISTRIBUTION", name): module.VERSION for name, module in linked if module.VERSION}
        return versions | {package.name: package.version for package in self.packages}


def names() -> list[str]:
    """The images that there are descriptions of."""
    return sorted(path.parent.name for path in (SOURCES / "images").glob("*/image.toml"))


def read(name: str) -> Image:
    """The image of this name."""
    path = SOURCES / "images" / name / "image.toml"
    if name not in names():
        raise DescriptionError(f"there is no image {name!r}; there are {', '.join(names())}")
    with _described(path) as text:
        packages = tuple(
            Package(project, entry["version"], Pin(entry["file"], entry["sha256"], f"{project}=={entry['version']}"))
            for project, entry in text.get("packages", {}).items()
        )
        image = Image(name, read_python(text["python"]), tuple(text["linked"]), packages)
    for module in image.linked:
        if missing := set(module.NEEDS) - set(image.linked_names):
            raise DescriptionError(f"{path}: {module.__name__} needs {', '.join(sorted(missing))}")
    return image


def read_python(series: str) -> Python:
    """The CPython of this series."""
    with _described(SOURCES / "pythons" / series / "python.toml") as text:
        source, cython, corrections = text["source"], text.get("cython"), text.get("debian_patches")
        return Python(
            version=text["version"],
            source=Pin(source["file"], source["sha256"]),
            debian={key: source[f"debian_{key}"] for key in ("suite", "source", "file")},
            patches=tuple(text["patches"]),
            archives=tuple(text["archives"]),
            native=tuple(text["native"]),
            cython=cython and Pin(cython["file"], cython["sha256"], cython["requirement"]),
            debian_patches=corrections and Pin(corrections["file"], corrections["sha256"]),
        )


class _described:
    """A TOML file; what is missing in it is an error with its name."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> dict:
        try:
            return tomllib.loads(self._path.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise DescriptionError(f"{self._path}: {error}") from error

    def __exit__(self, kind, error, traceback):
        if isinstance(error, KeyError):
            raise DescriptionError(f"{self._path} does not say {error}") from error
        if isinstance(error, (TypeError, AttributeError)):
            raise DescriptionError(f"{self._path}: {error}") from error
