"""Finds and loads the modules of a Tree."""

import marshal
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec

from .tree import PREFIX, Tree


class MemoryImporter(InspectLoader):
    """Meta path finder and loader of all modules of a tree. One object serves them all, as a zipimporter does."""

    def __init__(self, tree: Tree):
        self.tree = tree

    def __repr__(self):
        return f"<MemoryImporter {PREFIX}>"

    # ---- finding ----

    def find_spec(self, fullname, path=None, target=None):
        """The spec of a module of the tree, else None."""
        module = self.tree.modules.get(fullname)
        if module is None:
            return self._namespace_spec(fullname)
        spec = ModuleSpec(fullname, self, origin=module.path, is_package=module.is_package)
        spec.has_location = True
        if module.is_package:
            spec.submodule_search_locations = [module.path.rpartition("/")[0]]
        return spec

    def _namespace_spec(self, fullname):
        folder = self.tree.namespaces.get(fullname)
        if folder is None:
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [folder]
        return spec

    def path_hook(self, path):
        """Entry of `sys.path_hooks`: the finder of a folder below the prefix."""
        if path != PREFIX and not path.startswith(PREFIX + "/"):
            raise ImportError(f"not below {PREFIX}: {path}")
        return _FolderFinder(self, path)

    def find_distributions(self, context=None):
        """The packages of the tree, for `importlib.metadata`."""
        from .resources import distributions

        return distributions(self.tree, context)

    def invalidate_caches(self):
        """Nothing to do: the tree does not change."""

    # ---- loading ----

    def _module(self, fullname):
        try:
            return self.tree.modules[fullname]
        except KeyError:
            raise ImportError(f"no module {fullname!r} below {PREFIX}", name=fullname) from None

    def create_module(self, spec):
        """The default module object."""
        return None

    def get_code(self, fullname):
        """The module's code."""
        module = self._module(fullname)
        code = self.tree.code(fullname)
        if code is None:
            return compile(module.source, module.path, "exec", dont_inherit=True)
        return marshal.loads(code)

    def get_source(self, fullname):
        """The module's source text."""
        from importlib.util import decode_source

        return decode_source(self._module(fullname).source)

    def is_package(self, fullname):
        """Whether the module is a package."""
        return self._module(fullname).is_package

    def get_filename(self, fullname):
        """What the module has as `__file__`."""
        return self._module(fullname).path

    def get_data(self, path):
        """The content of a file below the prefix."""
        return self.tree.content(path)

    def get_resource_reader(self, fullname):
        """The reader of a package's files, for `importlib.resources`."""
        from .resources import PackageReader

        module = self._module(fullname)
        return PackageReader(self.tree, module.path.rpartition("/")[0]) if module.is_package else None


class _FolderFinder:
    """Path entry finder of one folder: what `pkgutil.iter_modules` and `PathFinder` ask for an entry of a path."""

    def __init__(self, importer: MemoryImporter, path: str):
        self._importer = importer
        self._path = path

    def find_spec(self, fullname, target=None):
        spec = self._importer.find_spec(fullname)
        if spec is None or spec.origin is None:
            return None
        folder = spec.origin.rpartition("/")[0]
        return spec if self._path == (folder.rpartition("/")[0] if spec.submodule_search_locations else folder) else None

    def iter_modules(self, prefix=""):
        folders = self._importer.tree.folders
        for name in folders.get(self._path, ()):
            if name.endswith(".py") and name != "__init__.py":
                yield prefix + name[:-3], False
            elif "__init__.py" in folders.get(f"{self._path}/{name}", ()):
                yield prefix + name, True

    def invalidate_caches(self):
        pass
