"""Arrays of any size go to a file and come back."""

import os

import numpy as np

array = np.arange(4 * 1024**2, dtype=float)  # 32 MiB: more than one call writes
array.tofile("/tmp/raw")
assert os.path.getsize("/tmp/raw") == array.nbytes
assert (np.fromfile("/tmp/raw") == array).all()
np.save("/tmp/saved.npy", array)
assert (np.load("/tmp/saved.npy") == array).all()

try:
    np.ones(8 * 1024**2).tofile("/tmp/too-large")
except OSError:
    pass
else:
    raise AssertionError("64 MiB fit into what is left of 96 MiB")
