"""The modules of numpy can all be looked at, and what is in them says truly where it is from."""

import importlib
import inspect
import pickle

import numpy as np

members = dict(inspect.getmembers(np))
assert "f2py" not in members and not hasattr(np, "f2py")
for name in ("_core._multiarray_umath", "linalg._umath_linalg", "linalg.lapack_lite", "fft._pocketfft_umath"):
    module = importlib.import_module(f"numpy.{name}")
    assert module.__name__ == f"numpy.{name}", module.__name__
for value in members.values():
    if inspect.isbuiltin(value):
        assert pickle.loads(pickle.dumps(value)) is value, value
