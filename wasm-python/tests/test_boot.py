"""Tests of the memory importer, run on this machine's Python: python3 -m unittest discover wasm-python/tests"""

import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent

# What load() is given: a package with data, a namespace, metadata, a module that is imported early, one that is warm.
TREE = {
    "warm-imports.txt": "# a comment\nwarm  # and why\n\n",
    "lib/early.py": "def where():\n    return 'early'\n",
    "lib/warm.py": "STATE = 'warm'\n",
    "site/box/__init__.py": "'''A box.'''\n",
    "site/box/fail.py": "def fail():\n    raise ValueError('inside')  # this line\n",
    "site/box/__main__.py": "print('run as', __name__)\n",
    "site/box/data/table.csv": "1,2\n",
    "site/space/inner.py": "DEEP = True\n",
    "site/box-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: box\nVersion: 1.5\n",
}


class Boot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for name, content in TREE.items():
            (cls.root / name).parent.mkdir(parents=True, exist_ok=True)
            (cls.root / name).write_text(content)
        boot = cls.root / "site" / "_vivarium_boot"
        boot.mkdir()
        for path in (SOURCES / "python" / "_vivarium_boot").glob("*.py"):
            (boot / path.name).write_bytes(path.read_bytes())
        compile_tree = SOURCES / "builder" / "compile_tree.py"
        subprocess.run([sys.executable, compile_tree, cls.root, "/python"], check=True)

    def run_after_load(self, code: str) -> str:
        """Loads the tree in a fresh interpreter, runs code there, and returns what it prints."""
        start = f"""
            import sys
            sys.path[:0] = [{str(self.root / "lib")!r}, {str(self.root / "site")!r}]
            import early, _vivarium_boot
            _vivarium_boot.load({str(self.root)!r})
        """
        program = textwrap.dedent(start) + textwrap.dedent(code)
        done = subprocess.run([sys.executable, "-I", "-B", "-c", program], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def check(self, code: str, expected: str):
        self.assertEqual(self.run_after_load(code).strip(), expected)

    def test_modules_say_that_they_are_below_the_prefix(self):
        self.check("import box; print(box.__file__, *box.__path__)", "/python/site/box/__init__.py /python/site/box")

    def test_modules_imported_before_move_too(self):
        self.check(
            "print(early.__file__, early.where.__code__.co_filename, early.__spec__.loader)",
            "/python/lib/early.py /python/lib/early.py <MemoryImporter /python>",
        )

    def test_nothing_refers_to_the_folder(self):
        code = f"""
            import gc
            root = {str(self.root)!r}
            bad = [name for name, m in sys.modules.items() if root in repr(m) + str(getattr(m, '__path__', ''))]
            bad += [f for f in gc.get_objects() if type(f).__name__ == 'function' and root in f.__code__.co_filename]
            print(bad, [p for p in sys.path if root in p], [p for p in sys.path_importer_cache if root in p])
        """
        self.check(code, "[] [] []")

    def test_warm_modules_are_imported(self):
        self.check("print(sys.modules['warm'].STATE)", "warm")

    def test_a_warm_module_can_be_reloaded_from_its_source(self):
        self.check("import importlib, warm; warm.STATE = 0; print(importlib.reload(warm).STATE)", "warm")

    def test_files_cannot_shadow_modules(self):
        code = """
            import os, tempfile
            with tempfile.TemporaryDirectory() as folder:
                open(os.path.join(folder, 'box.py'), 'w').close()
                sys.path.insert(0, folder)
                import box
            print(box.__file__)
        """
        self.check(code, "/python/site/box/__init__.py")

    def test_tracebacks_show_the_source(self):
        code = """
            import traceback, box.fail
            try:
                box.fail.fail()
            except ValueError:
                print(traceback.format_exc())
        """
        self.assertIn("raise ValueError('inside')  # this line", self.run_after_load(code))

    def test_import_errors_show_no_frames_of_the_importer(self):
        code = """
            import traceback
            try:
                import box.missing
            except ImportError:
                print('importer.py' in traceback.format_exc())
        """
        self.check(code, "False")

    def test_pkgutil_lists_packages(self):
        self.check(
            "import pkgutil, box; print(*sorted(m.name for m in pkgutil.walk_packages(box.__path__, 'box.')))",
            "box.__main__ box.fail",
        )

    def test_runpy_runs_packages(self):
        self.check("import runpy; runpy.run_module('box', run_name='__main__')", "run as __main__")

    def test_resources_are_read(self):
        self.check(
            "from importlib.resources import files; print((files('box') / 'data' / 'table.csv').read_text())", "1,2"
        )

    def test_resources_become_files_on_request(self):
        code = """
            from importlib.resources import as_file, files
            with as_file(files('box') / 'data' / 'table.csv') as path:
                print(path.read_text())
        """
        self.check(code, "1,2")

    def test_a_missing_resource_is_not_found(self):
        code = """
            import pkgutil
            try:
                pkgutil.get_data('box', 'nothing')
            except FileNotFoundError as error:
                print(error.filename)
        """
        self.check(code, "/python/site/box/nothing")

    def test_metadata_knows_the_version(self):
        self.check("from importlib.metadata import version; print(version('Box'))", "1.5")

    def test_packages_without_init_are_namespaces(self):
        self.check("import space.inner; print(space.inner.DEEP, space.__file__)", "True None")

    def test_inspect_finds_the_source(self):
        self.check("import inspect; print(inspect.getsource(early.where))", "def where():\n    return 'early'")


if __name__ == "__main__":
    unittest.main()
