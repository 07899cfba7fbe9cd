"""Moves the standard library and the packages from a folder into linear memory, while the snapshot is made.

Afterwards nothing of that folder is needed or referred to: instances have Python without a preopened directory of ours,
and the place where the folder was is free for the job's environment. Modules say that they live below `/python`, which
no file system has; the importer answers for it (import, `__file__`, sources in tracebacks, `pkgutil`, `runpy`,
`importlib.resources`, `importlib.metadata`).
"""

import sys

from .importer import MemoryImporter
from .tree import PREFIX, Tree


def load(root: str) -> None:
    """Reads `root` (its folders `lib` and `site`), takes over importing, and imports what `warm-imports.txt` lists."""
    tree = Tree(root)
    warm = tree.take_file("warm-imports.txt").decode().splitlines()
    importer = MemoryImporter(tree)
    _take_over(importer, root)
    _rehome_modules(importer, root)
    for line in warm:
        name = line.partition("#")[0].strip()
        if name:
            __import__(name)
    tree.keep_code()
    sys.path_importer_cache.clear()


def _take_over(importer: MemoryImporter, root: str) -> None:
    """Puts the importer before everything that looks at file systems, so that no file can shadow a module of ours, and
    before the frozen modules, which have no sources."""
    from importlib.machinery import FrozenImporter

    sys.meta_path.insert(sys.meta_path.index(FrozenImporter), importer)
    sys.path_hooks.insert(0, importer.path_hook)
    outside = [entry for entry in sys.path if entry != root and not entry.startswith(root + "/")]
    sys.path[:] = [*importer.tree.roots, *outside]
    sys.path_importer_cache.clear()
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix"):
        setattr(sys, name, PREFIX)
    sys._stdlib_dir = importer.tree.roots[0]


def _rehome_modules(importer: MemoryImporter, root: str) -> None:
    """Makes the modules that were imported from `root`, or are frozen, look as if the importer had loaded them."""
    import _imp
    import gc
    import types

    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        if spec is not None and (spec.origin == "frozen" or (spec.origin or "").startswith(root + "/")):
            if own := importer.find_spec(spec.name):
                if spec.loader_state is not None:
                    # Frozen. A second copy of importlib, which tests make, checks that the module still looks it.
                    own.has_location = False
                    own.loader_state = types.SimpleNamespace(filename=own.origin, origname=spec.loader_state.origname)
                _rehome(module, own)
            elif "__file__" in vars(module):  # `_frozen_importlib`, which `importlib` has told where its source is
                module.__file__ = module.__file__.replace(root, PREFIX, 1)
    # The path-based loaders wrote the place they found a module at into its code.
    for function in gc.get_objects():
        if type(function) is types.FunctionType and function.__code__.co_filename.startswith(root + "/"):
            _imp._fix_co_filename(function.__code__, PREFIX + function.__code__.co_filename[len(root) :])


def _rehome(module, spec) -> None:
    """Gives a module another spec."""
    module.__spec__ = spec
    module.__loader__ = spec.loader
    module.__file__ = spec.origin
    module.__cached__ = spec.cached
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
