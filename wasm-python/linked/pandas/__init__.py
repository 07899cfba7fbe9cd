"""pandas' extension modules as objects for the guest.

pandas' build is a list of modules, each a Cython file and some C; the list here is taken from what its folders hold. They are
compiled without meson, because all that meson would add are shared libraries, which the guest cannot load.
"""

import shlex
import zipfile
from pathlib import Path

from builder import cython, pins as shared
from builder.cpython import includes
from builder.fetch import cached
from builder.images import Python
from builder.native import python as native_python
from builder.pins import Pin
from builder.sources import unpacking
from builder.steps import Build, BuildError, Scope, Step
from builder.toolchain import cflags, tool

from .. import numpy

VERSION = "2.3.3"
NEEDS = ("numpy",)

SOURCE = Pin(
    f"pandas-{VERSION}.tar.gz", "e05e1af93b977f7eafa636d043f9f94c7ee3ac81af99c13508215942e64c993b", f"pandas=={VERSION}"
)

_WHEELS = {"3.13": ("cp313-cp313", "318d77e0e42a628c04dc56bcef4b40de67918f7041c2b061af1da41dcff670ac")}
"""By series of Python: what the Python files come from, and what the native side of tests and benchmarks installs."""

_PATCHES = ("symbols", "positions", "indices", "dates", "files")

_SOURCE_STEP = "pandas-source"
_STEP = "pandas"

_CYTHON = (
    "algos", "arrays", "byteswap", "groupby", "hashing", "hashtable", "index", "indexing", "internals", "interval", "join", "lib",
    "missing", "ops", "ops_dispatch", "parsers", "properties", "reshape", "sas", "sparse", "testing", "tslib", "writers",
    "tslibs.base", "tslibs.ccalendar", "tslibs.conversion", "tslibs.dtypes", "tslibs.fields", "tslibs.nattype",
    "tslibs.np_datetime", "tslibs.offsets", "tslibs.parsing", "tslibs.period", "tslibs.strptime", "tslibs.timedeltas",
    "tslibs.timestamps", "tslibs.timezones", "tslibs.tzconversion", "tslibs.vectorized",
    "window.aggregations", "window.indexers",
)  # fmt: skip
_IN_CPP = ("window.aggregations",)
_IN_C = ("json", "pandas_datetime", "pandas_parser")

MODULES = tuple(f"pandas._libs.{name}" for name in (*_CYTHON, *_IN_C))
"""The builtin modules: all of pandas'."""

_C_FOLDERS = ("datetime", "parser", "vendored/numpy/datetime", "vendored/ujson/lib", "vendored/ujson/python")
"""The hand-written C, below `pandas/_libs/src`. Several modules compile the parser: one copy serves all."""

_SAME_AS_NUMPYS = (
    "add_minutes_to_datetimestruct", "get_datetime_metadata_from_dtype", "get_datetimestruct_days", "is_leapyear",
)  # fmt: skip
"""pandas has copies of numpy's datetime code, whose global names are then defined twice."""

_FLAGS = (
    "-O2", "-DNDEBUG", "-w", "-fno-strict-aliasing", "-DNPY_NO_DEPRECATED_API=0", "-DNPY_TARGET_VERSION=NPY_1_21_API_VERSION",
    "-Ipandas/_libs/include", "-Ipandas/_libs",
)  # fmt: skip
"""As pandas' own build has them; and the strict rules about aliasing, which Cython's casts break, are off."""

_WITHOUT = ("pandas/tests/", "pandas/_libs/include/", "pandas/conftest.py")


def steps(python: Python) -> list[Step]:
    """Unpacks; writes the C with Cython and compiles it."""
    patches = [f"linked/pandas/{name}.patch" for name in _PATCHES]
    return [
        unpacking(_SOURCE_STEP, "unpack and patch pandas", SOURCE, patches),
        Step(
            _STEP,
            "compile pandas for the guest",
            lambda build: _build(build),
            after=("toolchain", "native", "cpython", "cython", "numpy-source", "numpy", _SOURCE_STEP),
            files=("linked/pandas/__init__.py",),
            scope=Scope.PYTHON,
        ),
    ]


def wheel(python: Python) -> Pin:
    """The wheel of the same version for this machine."""
    if python.series not in _WHEELS:
        raise BuildError(f"linked/pandas pins no wheel of pandas {VERSION} for CPython {python.series}")
    tags, sha256 = _WHEELS[python.series]
    return shared.wheel(f"pandas=={VERSION}", f"{tags}-manylinux_2_24_x86_64.manylinux_2_28_x86_64", sha256)


def pins(python: Python) -> list[Pin]:
    """Source and wheel."""
    return [SOURCE, wheel(python)]


def objects(build: Build) -> list[Path]:
    """All objects of the modules."""
    return sorted(build.folder(_STEP).glob("*.o"))


def flags(build: Build) -> list[str]:
    """The shim does not use it."""
    return []


def collect(build: Build, site: Path) -> None:
    """pandas' Python files: those the wheel installs, with the content of our patched source."""
    patched = build.folder(_SOURCE_STEP)
    with zipfile.ZipFile(cached(build, wheel(build.image.python))) as archive:
        for name in sorted(archive.namelist()):
            code = name.endswith((".py", ".tpl")) and not name.startswith(_WITHOUT)
            metadata = ".dist-info/" in name and not name.endswith("/")
            if code or metadata:
                source = patched / name
                file = site / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(source.read_bytes() if source.is_file() else archive.read(name))


def _build(build: Build) -> None:
    """One makefile, so that Cython and the compiler keep all cores busy; what takes longest comes first."""
    source, target = build.folder(_SOURCE_STEP), build.folder(_STEP)
    generated = target / "generated"
    generated.mkdir()
    templates = sorted(path.relative_to(source) for path in source.rglob("*.pxi.in"))
    texts = [generated / path.stem for path in templates]
    rules, names = [], []
    for template, text in zip(templates, texts, strict=True):
        rules.append((text, [template], f"{_generate(build)} {template} -o {generated}"))
    modules = sorted(_CYTHON, key=lambda name: -(source / _pyx(name)).stat().st_size)
    for name in modules:
        pyx, cpp = _pyx(name), name in _IN_CPP
        code, result = generated / f"{name}.{'cpp' if cpp else 'c'}", target / f"{name}.o"
        options = f"-3 --fast-fail {'--cplus ' if cpp else ''}--include-dir {generated} -X always_allow_keywords=true"
        rules.append((code, [pyx, *texts], f"{cython.command(build)} {options} {pyx} -o {code}"))
        rules.append((result, [code], _compile(build, code, result)))
        names.append(result)
    for folder in _C_FOLDERS:
        for path in sorted((source / "pandas/_libs/src" / folder).glob("*.c")):
            code, result = path.relative_to(source), target / f"src.{path.stem}.o"
            renamed = [f"-D{name}=pandas_{name}" for name in _SAME_AS_NUMPYS] if folder.endswith("datetime") else []
            rules.append((result, [code], _compile(build, code, result, *renamed)))
            names.append(result)
    lines = [f"all: {' '.join(map(str, names))}"]
    for result, inputs, command in rules:
        lines += [f"{result}: {' '.join(map(str, inputs))}", "\t" + command.replace("$", "$$")]
    makefile = target / "objects.mk"
    makefile.write_text("\n".join(lines) + "\n")
    build.command("make", f"-j{build.jobs}", "-f", makefile, "all", cwd=source)


def _pyx(name: str) -> Path:
    return Path("pandas/_libs", *name.split(".")).with_suffix(".pyx")


def _generate(build: Build) -> str:
    """pandas' program that writes Cython from templates."""
    path = shlex.quote(str(cython.python_path(build)))
    return f"env PYTHONPATH={path} {shlex.quote(str(native_python(build)))} generate_pxi.py"


def _compile(build: Build, code: Path, target: Path, *more: str) -> str:
    compiler, standard = ("c++", "-std=c++17") if code.suffix == ".cpp" else ("cc", "-std=c11")
    common = [*cflags(build), standard, *_FLAGS, *includes(build), *numpy.flags(build)]
    return shlex.join([str(tool(build, compiler)), *common, *more, "-c", str(code), "-o", str(target)])
