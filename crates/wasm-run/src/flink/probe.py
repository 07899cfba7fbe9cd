"""Asks a Flink cluster where it runs the Python functions of a job, however the job chooses an interpreter.

    flink run --python probe.py [EXECUTABLE ...]

Written by `wasm-run flink doctor --print`, to be submitted as a tenant's job is. The last line is `SANDBOXED` or `OPEN`.
"""

import os
import stat
import sys
import tempfile
import zipfile

from pyflink.common import Configuration
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf

MARK = "a program of the job's archive was started"
NOT_STARTED = "Cannot run program"
"""Java says so when the system starts no program. A program that was started may say anything else, missing files included."""


def where(_):
    import sys

    return f"{sys.platform} {sys.version_info[0]}.{sys.version_info[1]}"


def archive(folder):
    """An archive of a job with a program for an interpreter, which says that it was started and fails."""
    path = os.path.join(folder, "own.zip")
    entry = zipfile.ZipInfo("bin/python")
    entry.external_attr = (stat.S_IFREG | 0o755) << 16
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(entry, f"#!/bin/sh\necho {MARK!r}\nexit 1\n")
    return path


def found(executable, archives=None):
    """Whether functions run in a sandbox, or not at all; and what is to be said about it."""
    configuration = Configuration()
    if executable is not None:
        configuration.set_string("python.executable", executable)
    if archives is not None:
        configuration.set_string("python.archives", archives)
    configuration.set_string("parallelism.default", "1")
    configuration.set_string("restart-strategy.type", "none")
    settings = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration)
    table = TableEnvironment.create(settings.build())
    asked = udf(where, result_type=DataTypes.STRING())
    try:
        source = table.from_elements([(1,)], ["x"])
        with source.select(asked(source.x)).execute().collect() as rows:
            [platform] = [row[0] for row in rows]
    except Exception as error:
        text = str(error)
        if NOT_STARTED in text:
            return True, "cannot be started on the TaskManagers"
        lines = [line.strip() for line in text.splitlines() if "Caused by" in line or MARK in line]
        return False, f"was started, and failed: {(lines or [text.strip() or type(error).__name__])[-1][:200]}"
    if platform.startswith("wasi "):
        return True, f"in a sandbox ({platform})"
    return False, f"NOT in a sandbox ({platform})"


def main(executables):
    with tempfile.TemporaryDirectory() as folder:
        cases = [("a job that chooses no interpreter", None, None)]
        cases += [(f"a job that chooses {path}", path, None) for path in executables]
        cases.append(("a job that brings its own in an archive", "own.zip/bin/python", archive(folder)))
        held = []
        for name, executable, archives in cases:
            sandboxed, said = found(executable, archives)
            held.append(sandboxed)
            print(f"{name}: {said}", flush=True)
    if all(held):
        print("SANDBOXED")
        return 0
    if held[0]:
        print("Jobs that choose an interpreter themselves leave the sandbox: what submits them has to set python.executable.")
    print("OPEN")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["python3", "python3.11", "/usr/bin/python3", "/usr/local/bin/python3", "/bin/sh"]))
