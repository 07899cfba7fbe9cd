"""The files of the standard library and the packages, in memory."""

import os
import sys
import zlib

PREFIX = "/python"
"""Where the files say that they are."""

_CACHE_SUFFIX = f".{sys.implementation.cache_tag}.pyc"
_CODE_AT = 16
"""Where the code starts in a .pyc: behind magic number, flags and hash."""


class Module:
    """A module's source and code."""

    __slots__ = ("path", "is_package", "code", "_compressed_source")

    def __init__(self, path: str, is_package: bool, source: bytes):
        self.path = path
        self.is_package = is_package
        self.code = None
        """The marshalled code, of modules that are not imported yet when the snapshot is made."""
        self._compressed_source = zlib.compress(source)

    @property
    def source(self) -> bytes:
        """The source, as in the file. Compressed in memory: it is only read for tracebacks and by `inspect`."""
        return zlib.decompress(self._compressed_source)


class Tree:
    """All files below the prefix.

    `modules` has the importable ones by their dotted names, `namespaces` the folders of packages without `__init__.py` by
    theirs, `files` the content of all other files by their paths, `folders` the names in each folder by its path. Bytecode
    is in `modules` and not listed in its folder.
    """

    def __init__(self, root: str):
        """Reads the tree at `root`, which gets the prefix as its name. Code stays there until `keep_code`."""
        self.roots = [f"{PREFIX}/lib", f"{PREFIX}/site"]
        self.modules = {}
        self.namespaces = {}
        self.files = {}
        self.folders = {}
        self._real_root = root
        self._read_folder(root, PREFIX, None)

    def _read_folder(self, real: str, path: str, package: str | None) -> None:
        """Reads a folder. `package` is what its modules' names start with; None when it is no place for modules."""
        names = self.folders[path] = []
        for entry in sorted(os.scandir(real), key=lambda entry: entry.name):
            name, place = entry.name, f"{path}/{entry.name}"
            if name == "__pycache__":
                continue
            names.append(name)
            if not entry.is_dir():
                self._read_file(entry.path, place, package)
            elif place in self.roots:
                self._read_folder(entry.path, place, "")
            elif package is None or not name.isidentifier():
                self._read_folder(entry.path, place, None)
            else:
                self._read_folder(entry.path, place, f"{package}{name}.")
                if package + name not in self.modules:
                    self.namespaces[package + name] = place

    def _read_file(self, real: str, path: str, package: str | None) -> None:
        with open(real, "rb") as file:
            content = file.read()
        if package is None or not path.endswith(".py"):
            self.files[path] = content
            return
        stem = path.rpartition("/")[2].removesuffix(".py")
        is_package = stem == "__init__" and package != ""
        self.modules[package[:-1] if is_package else package + stem] = Module(path, is_package, content)

    def code(self, name: str) -> bytes | None:
        """The marshalled code of a module; None when it was not kept."""
        module = self.modules[name]
        if module.code is None and self._real_root is not None:
            folder, _, file = module.path.rpartition("/")
            real = f"{self._real_root}{folder[len(PREFIX) :]}/__pycache__/{file.removesuffix('.py')}{_CACHE_SUFFIX}"
            with open(real, "rb") as cached:
                return cached.read()[_CODE_AT:]
        return module.code

    def keep_code(self) -> None:
        """Reads the code of the modules that are not imported yet. The real files are not needed from here on.

        The code of the others lives in their functions. Should one be executed again, its source is compiled.
        """
        for name, module in self.modules.items():
            if name not in sys.modules:
                module.code = self.code(name)
        self._real_root = None

    def take_file(self, name: str) -> bytes:
        """Removes a file at the top and returns what was in it."""
        self.folders[PREFIX].remove(name)
        return self.files.pop(f"{PREFIX}/{name}")

    def content(self, path: str) -> bytes:
        """What is in a file. Raises FileNotFoundError like `open`."""
        if path in self.files:
            return self.files[path]
        for root in self.roots:
            if path.startswith(root + "/"):
                name = path[len(root) + 1 :].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                if name in self.modules and self.modules[name].path == path:
                    return self.modules[name].source
        raise FileNotFoundError(2, "No such file or directory", path)

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder of this path."""
        folder, _, name = path.rpartition("/")
        return path in self.folders or name in self.folders.get(folder, ())
