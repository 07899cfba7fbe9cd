"""Package data and package metadata of a Tree, for `importlib.resources` and `importlib.metadata`."""

import io
from importlib.metadata import Distribution, DistributionFinder, Prepared
from importlib.resources.abc import Traversable, TraversableResources

from .tree import Tree


class PackageReader(TraversableResources):
    """Resource reader of one package."""

    def __init__(self, tree: Tree, folder: str):
        self._tree = tree
        self._folder = folder

    def files(self):
        """The package's folder."""
        return MemoryPath(self._tree, self._folder)


class MemoryPath(Traversable):
    """A file or folder of a tree, with the part of pathlib's interface that `importlib.resources` asks for."""

    def __init__(self, tree: Tree, path: str):
        self._tree = tree
        self._path = path

    def __str__(self):
        return self._path

    def __repr__(self):
        return f"MemoryPath({self._path!r})"

    @property
    def name(self):
        """The last part of the path."""
        return self._path.rpartition("/")[2]

    def iterdir(self):
        """The folder's files and folders."""
        if self.is_file():
            raise NotADirectoryError(20, "Not a directory", self._path)
        if not self.is_dir():
            raise FileNotFoundError(2, "No such file or directory", self._path)
        return (self / name for name in self._tree.folders[self._path])

    def is_dir(self):
        """Whether it is a folder."""
        return self._path in self._tree.folders

    def is_file(self):
        """Whether it is a file."""
        return self._tree.exists(self._path) and not self.is_dir()

    def joinpath(self, *descendants):
        """A path below this one; `..` is not followed."""
        parts = [part for path in descendants for part in str(path).split("/") if part not in ("", ".")]
        return MemoryPath(self._tree, "/".join([self._path, *parts]))

    def open(self, mode="r", *args, **kwargs):
        """Opens the file for reading."""
        if self.is_dir():
            raise IsADirectoryError(21, "Is a directory", self._path)
        stream = io.BytesIO(self._tree.content(self._path))
        if "b" in mode:
            return stream
        return io.TextIOWrapper(stream, *args, **kwargs)


class MemoryDistribution(Distribution):
    """An installed package: its `.dist-info` folder."""

    def __init__(self, info: MemoryPath, root: MemoryPath):
        self._info = info
        self._root = root

    def read_text(self, filename):
        """A file of the package's metadata, or None."""
        file = self._info / filename
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def locate_file(self, path):
        """A file of the package."""
        return self._root / str(path)


def distributions(tree: Tree, context: DistributionFinder.Context | None):
    """The distributions that a context asks for: all of them, or those of one name."""
    context = context or DistributionFinder.Context()
    wanted = Prepared(context.name).normalized
    for root in tree.roots:
        if root not in context.path:
            continue
        for name in tree.folders[root]:
            project = name.removesuffix(".dist-info").partition("-")[0]
            if name.endswith(".dist-info") and wanted in (None, Prepared.normalize(project)):
                folder = MemoryPath(tree, root)
                yield MemoryDistribution(folder / name, folder)
