"""Runs Python with the shim built for gcc's sanitizers of addresses and undefined behaviour; what they find ends the process.

    wasm-run guest info --json | python3 environment.py sanitized.py column_programs.py SEED COUNT
    wasm-run guest info --json | python3 environment.py sanitized.py -m pytest -p no:cacheprovider test_columns.py
"""

import os
import subprocess
import sys
import tempfile

import native_guest

FLAGS = ["-O1", "-g", "-Wno-error", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]


def library(name):
    """Where gcc has a library of its own."""
    return subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout.strip()


def main():
    with tempfile.TemporaryDirectory(prefix="vivarium-sanitized-") as folder:
        environment = os.environ | {
            "VIVARIUM_NATIVE": str(native_guest.build(folder, *FLAGS)),
            "LD_PRELOAD": " ".join(map(library, ("libasan.so", "libubsan.so"))),
            "ASAN_OPTIONS": "detect_leaks=0",  # CPython keeps much until its end
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONMALLOC": "malloc",  # so that every allocation is watched
        }
        return subprocess.run([sys.executable, *sys.argv[1:]], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
