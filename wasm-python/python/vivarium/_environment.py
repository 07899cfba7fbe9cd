"""What a job's environment cannot do in the sandbox, said where it shows: extension modules."""

import os
import sys
from importlib.machinery import ModuleSpec

ROOT = "/env"
"""Where the job's environment is mounted."""

_SUFFIXES = (".so", ".pyd", ".dylib")


class NativeModules:
    """Meta path finder behind all others: a module that they do not find, but that lies in the environment as machine code.

    Without it the interpreter would say that there is no such module, where the user sees it lie there. Only directories of
    the environment are looked at, and only when an import fails.
    """

    def find_spec(self, fullname, path=None, target=None):
        """A spec whose loading fails and says why; None when there is no such file."""
        name = fullname.rpartition(".")[2]
        for folder in sys.path if path is None else path:
            file = _native_file(folder, name)
            if file is not None:
                return ModuleSpec(fullname, _Refusal(file), origin=file)
        return None


class _Refusal:
    """Loader of a module that cannot be loaded."""

    def __init__(self, file):
        self.file = file

    def create_module(self, spec):
        """Raises ImportError."""
        package = spec.name.partition(".")[0]
        raise ImportError(
            f"package '{package}' needs the extension module {self.file}, which is machine code; the sandbox runs pure Python. "
            f"It brings {_bundled()}. Ship a version of '{package}' that is pure Python (a py3-none-any wheel).",
            name=spec.name,
            path=self.file,
        )

    def exec_module(self, module):
        """Never called."""


def _native_file(folder, name):
    """The path of the file that Python would load as the extension module `name` of a folder."""
    if not isinstance(folder, str):
        return None
    folder = os.path.join(os.getcwd(), folder) if not folder.startswith("/") else folder
    if folder != ROOT and not folder.startswith(ROOT + "/"):
        return None
    try:
        files = os.listdir(folder)
    except OSError:
        return None
    for file in sorted(files):
        # `name.cpython-313-x86_64-linux-gnu.so`, `name.abi3.so`, `name.pyd`
        if file.startswith(name + ".") and file.endswith(_SUFFIXES):
            return f"{folder}/{file}"
    return None


def _bundled():
    """The packages of the image, by name and version."""
    from importlib.metadata import distributions

    importer = next((finder for finder in sys.meta_path if type(finder).__name__ == "MemoryImporter"), None)
    paths = list(importer.tree.roots) if importer else []
    found = sorted({f"{one.metadata['Name']} {one.version}" for one in distributions(path=paths)}) if paths else []
    return f"{', '.join(found)} and the standard library" if found else "the standard library"


# A traceback ends at the user's import: the interpreter leaves the frames of its import system out, by this name.
_Refusal.create_module.__code__ = _Refusal.create_module.__code__.replace(co_filename="<frozen importlib._bootstrap>")


def install():
    """Puts the finder behind all others."""
    if not any(isinstance(finder, NativeModules) for finder in sys.meta_path):
        sys.meta_path.append(NativeModules())
