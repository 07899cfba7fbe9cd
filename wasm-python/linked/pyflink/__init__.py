"""PyFlink for functions of a Flink job: its own operations, our stand-ins for what they need and the guest has not, and the codec of
rows in C."""

import shutil
import zipfile
from pathlib import Path

from builder.cpython import includes
from builder.fetch import cached
from builder.images import SOURCES, Python
from builder.pins import Pin
from builder.steps import Build, BuildError, Scope, Step
from builder.toolchain import compile_objects

VERSION = "2.3.0"
DISTRIBUTION = "apache-flink"
NEEDS = ()

MODULES = ("_flink_rows",)
"""The codec, and the loop over rows."""

_WHEELS = {
    "3.11": (
        "apache_flink-2.3.0-cp311-cp311-manylinux_2_5_x86_64.manylinux1_x86_64.manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "0e5f612704de1610b153e919c0564b62ad513cddfcf4960f5a021658cdf41a13",
    ),
}
"""By series of Python: what the Python files come from. Extension modules in it are left out; PyFlink does without them."""

_STEP = "flink-rows"
_FOLDER = "linked/pyflink"

# Run on the client, or by workers that talk to Java directly.
_WITHOUT = (
    "pyflink/bin/", "pyflink/conf/", "pyflink/examples/", "pyflink/fn_execution/embedded/", "pyflink/fn_execution/datastream/embedded/",
    "pyflink/fn_execution/metrics/embedded/", "pyflink/lib/", "pyflink/licenses/", "pyflink/log/", "pyflink/opt/", "pyflink/testing/",
)  # fmt: skip


def steps(python: Python) -> list[Step]:
    """Compiles the codec."""
    return [
        Step(
            _STEP,
            "compile the codec of Flink's rows",
            lambda build: _compile(build),
            after=("toolchain", "cpython"),
            files=(f"{_FOLDER}/rows", "shim"),
            scope=Scope.PYTHON,
        )
    ]


def wheel(python: Python) -> Pin:
    """The wheel of PyFlink."""
    if python.series not in _WHEELS:
        raise BuildError(f"linked/pyflink pins no wheel of apache-flink {VERSION} for CPython {python.series}")
    file, sha256 = _WHEELS[python.series]
    return Pin(file, sha256, f"apache-flink=={VERSION}")


def pins(python: Python) -> list[Pin]:
    """The wheel."""
    return [wheel(python)]


def objects(build: Build) -> list[Path]:
    """The codec."""
    return sorted(build.folder(_STEP).glob("*.o"))


def flags(build: Build) -> list[str]:
    """The shim does not use it."""
    return []


def collect(build: Build, site: Path) -> None:
    """PyFlink's Python files, and our own."""
    with zipfile.ZipFile(cached(build, wheel(build.image.python))) as archive:
        for name in sorted(archive.namelist()):
            code = name.startswith("pyflink/") and name.endswith(".py") and "/tests/" not in name and not name.startswith(_WITHOUT)
            metadata = ".dist-info/" in name and not name.endswith("/")
            if code or metadata:
                archive.extract(name, site)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCES / _FOLDER / "_vivarium_flink", site / "_vivarium_flink", ignore=ignore)


def _compile(build: Build) -> None:
    sources = sorted((SOURCES / _FOLDER / "rows").glob("*.c"))
    headers = f"-I{SOURCES / 'shim'}"  # what rows run by as columns
    compile_objects(build, sources, build.folder(_STEP), "-std=gnu17", "-Wall", "-Wextra", headers, *includes(build))
