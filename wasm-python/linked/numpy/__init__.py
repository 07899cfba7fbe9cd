"""numpy's extension modules as objects for the guest.

numpy's own meson configures, runs Cython and the code generators, and compiles. It is asked for objects only: what it would
link are shared libraries, which the guest cannot load. The objects are linked into the guest directly instead, so that a
symbol that two modules define is an error and not a wrong function.
"""

import json
import shlex
import zipfile
from pathlib import Path

from builder import cython, pins as shared
from builder.cpython import includes
from builder.fetch import cached
from builder.images import Python
from builder.native import python
from builder.pins import Pin
from builder.sources import unpacking
from builder.steps import Build, BuildError, Scope, Step
from builder.toolchain import CPU, cflags, tool

VERSION = "2.2.6"
NEEDS = ()

SOURCE = Pin(
    f"numpy-{VERSION}.tar.gz", "e29554e2bef54a90aa5cc07da6ce955accb83f21ab5de01a62c8478897b264fd", f"numpy=={VERSION}"
)

_WHEELS = {"3.13": ("cp313-cp313", "1bc23a79bfabc5d056d106f9befb8d50c31ced2fbc70eedb8155aec74a45798f")}
"""By series of Python: what the Python files come from, and what the native interpreter installs."""

_PATCHES = (
    "target", "int64", "indices", "loops", "strings", "random", "signatures", "files", "cython-names", "f2py", "module-names",
)  # fmt: skip

_SOURCE_STEP = "numpy-source"
_STEP = "numpy"


def steps(python: Python) -> list[Step]:
    """Unpacks, configures, compiles."""
    return [
        unpacking(
            _SOURCE_STEP, "unpack and patch numpy", SOURCE, [f"linked/numpy/{name}.patch" for name in _PATCHES]
        ),
        cython.step(python),
        Step(
            _STEP,
            "compile numpy for the guest",
            lambda build: _build(build),
            after=("toolchain", "native", "cpython", "cython", _SOURCE_STEP),
            files=("linked/numpy/__init__.py",),
            scope=Scope.PYTHON,
        ),
    ]


def wheel(python: Python) -> Pin:
    """The wheel of the same version for this machine."""
    if python.series not in _WHEELS:
        raise BuildError(f"linked/numpy pins no wheel of numpy {VERSION} for CPython {python.series}")
    tags, sha256 = _WHEELS[python.series]
    return shared.wheel(f"numpy=={VERSION}", f"{tags}-manylinux_2_17_x86_64.manylinux2014_x86_64", sha256)


def pins(python: Python) -> list[Pin]:
    """Source, wheel, and the Cython that numpy is written in."""
    return [SOURCE, wheel(python), python.cython]

MODULES = (
    "numpy._core._multiarray_umath",
    "numpy._core._multiarray_tests",
    "numpy._core._operand_flag_tests",
    "numpy._core._rational_tests",
    "numpy._core._struct_ufunc_tests",
    "numpy._core._umath_tests",
    "numpy.fft._pocketfft_umath",
    "numpy.linalg._umath_linalg",
    "numpy.linalg.lapack_lite",
    "numpy.random._bounded_integers",
    "numpy.random._common",
    "numpy.random._generator",
    "numpy.random._mt19937",
    "numpy.random._pcg64",
    "numpy.random._philox",
    "numpy.random._sfc64",
    "numpy.random.bit_generator",
    "numpy.random.mtrand",
)
"""The builtin modules: all of numpy's but `_simd`. The `_tests` are small, and numpy's own tests need them."""

_OPTIONS = (
    "--buildtype=release",
    "-Dallow-noblas=true", "-Dblas=none", "-Dlapack=none",
    "-Dcpu-baseline=none", "-Dcpu-dispatch=none", "-Ddisable-optimization=true",
    "-Ddisable-highway=true", "-Ddisable-intel-sort=true", "-Ddisable-svml=true",
    "-Ddisable-threading=true",
    "-Db_asneeded=false", "-Db_lundef=false", "-Db_pie=false", "-Db_staticpic=true",
)  # fmt: skip

_INTERLEAVED = ("-mllvm", "-force-vector-interleave=4")
"""Four vectors in each round of a loop. For WebAssembly clang makes it one, and the round's check of the epoch costs as much as its addition."""

_CROSS_FILE = """\
[binaries]
c = {c!r}
cpp = {cpp!r}
ar = {ar!r}
ranlib = {ranlib!r}
strip = 'true'
cython = {cython!r}
python = {python!r}
pkg-config = 'false'
[properties]
needs_exe_wrapper = true
skip_sanity_check = true
longdouble_format = 'IEEE_QUAD_LE'
[host_machine]
system = 'wasi'
cpu_family = 'wasm32'
cpu = 'wasm32'
endian = 'little'
"""

# Stands between meson and the compiler. Meson takes zig's linker for one that it has no class for, so it is told the truth
# about it; zig does not understand its -mcpu together with -E; and position-independent code is for shared libraries.
_COMPILER = """\
#!/bin/sh
cpu={cpu}
for argument; do
  shift
  case $argument in
  -Wl,--version) echo "LLD 22.1.8 (compatible with GNU linkers)"; exit 0 ;;
  -E) cpu= ;;
  -fPIC) continue ;;
  -ftrapping-math) continue ;;  # there are no exceptions to keep in order, and loops become vector instructions
  esac
  set -- "$@" "$argument"
done
exec {compiler} $cpu {flags} "$@"
"""


def configured(build: Build) -> Path:
    """The folder with what numpy's build generates, among others Python files."""
    return build.folder(_STEP) / "build"


def objects(build: Build) -> list[Path]:
    """All objects of the modules."""
    names = (build.folder(_STEP) / "objects.txt").read_text().splitlines()
    return [configured(build) / name for name in names]


def flags(build: Build) -> list[str]:
    """Flags for C that uses numpy."""
    core = Path("numpy", "_core")
    return ["-DVV_NUMPY", f"-I{build.folder(_SOURCE_STEP) / core / 'include'}", f"-I{configured(build) / core}"]


# numpy.testing imports it.
_TEST_HELPERS = ("numpy/_core/tests/_natype.py",)
_WITHOUT = ("numpy/f2py/", "numpy/distutils/", "numpy/_core/include/", "numpy/random/_examples/", "numpy/_pyinstaller/", "numpy/conftest.py")


def collect(build: Build, site: Path) -> None:
    """numpy's Python files: those the wheel installs, with the content of our patched and configured source."""
    generated, patched = configured(build), build.folder(_SOURCE_STEP)
    with zipfile.ZipFile(cached(build, wheel(build.image.python))) as archive:
        for name in sorted(archive.namelist()):
            code = name.endswith(".py") and "/tests/" not in name and not name.startswith(_WITHOUT)
            metadata = ".dist-info/" in name and not name.endswith("/")
            if not (code or metadata or name in _TEST_HELPERS):
                continue
            content = next((p.read_bytes() for p in (generated / name, patched / name) if p.is_file()), archive.read(name))
            for folder in (build.python_folder, build.work):  # in numpy.show_config()
                content = content.replace(str(folder).encode(), b"/build")
            file = site / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def _build(build: Build) -> None:
    tools = build.folder(_STEP) / "tools"
    tools.mkdir()
    _write_tools(build, tools)
    source = build.folder(_SOURCE_STEP)
    env = {"PATH": f"{tools}:{build.environment()['PATH']}"}
    build.command(
        python(build), source / "vendored-meson" / "meson" / "meson.py", "setup", configured(build),
        "--cross-file", tools / "cross.ini", *_OPTIONS, cwd=source, env=env,
    )  # fmt: skip
    names = _object_names(configured(build))
    build.command(tools / "ninja", f"-j{build.jobs}", *names, cwd=configured(build), env=env)
    (build.folder(_STEP) / "objects.txt").write_text("\n".join(names) + "\n")


def _write_tools(build: Build, folder: Path) -> None:
    (folder / "ninja").symlink_to(tool(build, "ninja"))
    # Meson sets the level of optimisation itself, at the end of the command.
    flags = shlex.join([*(flag for flag in cflags(build) if flag != CPU), *_INTERLEAVED, *includes(build)])
    scripts = {
        name: _COMPILER.format(cpu=CPU, compiler=shlex.quote(str(tool(build, compiler))), flags=flags)
        for name, compiler in (("guest-cc", "cc"), ("guest-c++", "c++"))
    }
    scripts["cython"] = f'#!/bin/sh\nexec {cython.command(build)} "$@"\n'
    for name, script in scripts.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    binaries = {
        "c": folder / "guest-cc",
        "cpp": folder / "guest-c++",
        "ar": tool(build, "ar"),
        "ranlib": tool(build, "ranlib"),
        "cython": folder / "cython",
        "python": python(build),
    }
    (folder / "cross.ini").write_text(_CROSS_FILE.format(**{name: str(path) for name, path in binaries.items()}))


def _object_names(folder: Path) -> list[str]:
    """The objects to build, relative to the folder, in a fixed order."""
    commands = json.loads((folder / "compile_commands.json").read_text())
    names = sorted({command["output"] for command in commands if command["output"].endswith(".o")})
    names = [name for name in names if _is_wanted(name)]
    built = {"/".join(name.split(".cpython-")[0].split("/")) for name in names if ".cpython-" in name}
    missing = {module.replace(".", "/") for module in MODULES} - built
    if missing:
        raise BuildError(f"numpy's build has no objects for {', '.join(sorted(missing))}")
    return names


def _is_wanted(name: str) -> bool:
    if "_simd." in name:
        return False
    # Sources that several modules compile: one copy serves all. It is _umath_linalg's of LAPACK, _multiarray_umath's of others.
    if "/lapack_lite." in name:
        return name.endswith("lapack_litemodule.c.o")
    return not ("_tests." in name and "/src_common_" in name)
