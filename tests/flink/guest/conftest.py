"""Tests of the guest's half of the Flink plug-in on a native CPython with apache-flink: PyFlink's own coders and operations are the
oracle. `FLINK_ROWS` names the folder with `_flink_rows.so`, which has the runtime's shim in it, built for this interpreter."""

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[3] / "wasm-python"
LIBRARY = Path(os.environ["FLINK_ROWS"]) / "_flink_rows.so"
os.environ.setdefault("TABLE_LOCAL_TIME_ZONE", "UTC")  # as workers have it
sys.path[:0] = [str(SOURCES / "linked" / "pyflink"), str(SOURCES / "tests"), os.environ["FLINK_ROWS"]]


def _load(name, loader, folder=None):
    """A module from where no import looks for it: beside the runtime there is a pyflink of its own."""
    spec = importlib.util.spec_from_file_location(name, loader.path, loader=loader, submodule_search_locations=folder)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    loader.exec_module(sys.modules[name])


_RUNTIME = SOURCES / "python" / "vivarium"
_load("_vivarium", importlib.machinery.ExtensionFileLoader("_vivarium", str(LIBRARY)))
_load("vivarium", importlib.machinery.SourceFileLoader("vivarium", str(_RUNTIME / "__init__.py")), [str(_RUNTIME)])

import _vivarium_flink  # noqa: E402, F401
