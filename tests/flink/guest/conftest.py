"""Tests of the guest's half of the Flink plug-in on a native CPython with apache-flink: PyFlink's own coders and operations are the
oracle. `FLINK_ROWS` names the folder with `_flink_rows` built for this interpreter."""

import os
import sys
import types
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[3] / "wasm-python"
sys.path[:0] = [str(SOURCES / "linked" / "pyflink"), os.environ["FLINK_ROWS"]]

# What the runtime of the guest brings.
vivarium = types.ModuleType("vivarium")
vivarium.udf = lambda **_: lambda function: function
native = types.ModuleType("_vivarium")
native.host_request = None
sys.modules |= {"vivarium": vivarium, "_vivarium": native}

import _vivarium_flink  # noqa: E402, F401
