"""ctypes.util for a Python without foreign functions."""


def find_library(name):
    """The file of a shared library: there are none."""
    return None


def find_msvcrt():
    """The C runtime of Windows: None elsewhere."""
    return None
