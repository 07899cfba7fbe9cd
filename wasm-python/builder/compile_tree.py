"""Compiles all Python files of a tree, run with the interpreter whose bytecode it is.

usage: python compile_tree.py FOLDER PREFIX

Files are compiled in the order of their paths in one process, as if they lay below PREFIX, so that the result does not depend
on the machine. The bytecode is marked as not to be checked against its source.
"""

import py_compile
import sys
from pathlib import Path


def main(folder: str, prefix: str) -> None:
    """Writes `__pycache__` next to every .py file."""
    root = Path(folder)
    for path in sorted(root.rglob("*.py")):
        py_compile.compile(
            str(path),
            dfile=f"{prefix}/{path.relative_to(root).as_posix()}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
