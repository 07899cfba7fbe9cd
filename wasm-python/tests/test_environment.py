"""What an environment cannot do, said where it shows."""

import sys

import pytest

from vivarium import _environment


@pytest.fixture
def finder(tmp_path, monkeypatch):
    monkeypatch.setattr(_environment, "ROOT", str(tmp_path / "env"))
    package = tmp_path / "env" / "site" / "fast"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    # Names that no Python loads on the machine that runs these tests.
    for name in ("_sp.cpython-399-x86_64-linux-gnu.so", "_win.pyd", "_mac.dylib", "_data.so.txt", "_speedier.txt"):
        (package / name).touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "_sp.pyd").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "env" / "site"), str(elsewhere)])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    _environment.install()
    yield package
    sys.modules.pop("fast", None)


@pytest.mark.parametrize("name", ["_sp", "_win", "_mac"])
def test_an_extension_module_is_named(finder, name):
    with pytest.raises(ImportError) as caught:
        __import__(f"fast.{name}")
    error = caught.value
    assert type(error) is ImportError and error.name == f"fast.{name}" and error.path.startswith(f"{finder}/{name}.")
    assert f"package 'fast' needs the extension module {error.path}" in str(error)


@pytest.mark.parametrize("name", ["fast._data", "fast._speed", "fast.missing", "_sp", "missing"])
def test_everything_else_is_simply_not_there(finder, name):
    with pytest.raises(ModuleNotFoundError):
        __import__(name)


def test_installing_twice_is_installing_once(finder):
    _environment.install()
    assert sum(isinstance(one, _environment.NativeModules) for one in sys.meta_path) == 1
