"""numpy's extension modules as objects for the guest.

numpy's own meson configures, runs Cython and the code generators, and compiles. It is asked for objects only: what it would
link are shared libraries, which the guest cannot load. The objects are linked into the guest directly instead, so that a
symbol that two modules define is an error and not a wrong function.
"""

import json
import shlex
from pathlib import Path

from .cpython import includes
from .native import python
from .sources import NUMPY as SOURCE
from .steps import Build, BuildError, Step
from .toolchain import CPU, cflags, python_path, tool

STEP = Step(
    "numpy",
    "compile numpy for the guest",
    lambda build: _build(build),
    after=("toolchain", "native", "cpython", "numpy-source"),
    files=("builder/numpy_objects.py",),
)

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
    return build.folder("numpy") / "build"


def objects(build: Build) -> list[Path]:
    """All objects of the modules."""
    names = (build.folder("numpy") / "objects.txt").read_text().splitlines()
    return [configured(build) / name for name in names]


def numpy_includes(build: Build) -> list[str]:
    """Flags for programs that include numpy's headers."""
    core = Path("numpy", "_core")
    return [f"-I{build.folder(SOURCE.name) / core / 'include'}", f"-I{configured(build) / core}"]


def _build(build: Build) -> None:
    tools = build.folder("numpy") / "tools"
    tools.mkdir()
    _write_tools(build, tools)
    source = build.folder(SOURCE.name)
    env = {"PATH": f"{tools}:{build.environment()['PATH']}"}
    build.command(
        python(build), source / "vendored-meson" / "meson" / "meson.py", "setup", configured(build),
        "--cross-file", tools / "cross.ini", *_OPTIONS, cwd=source, env=env,
    )  # fmt: skip
    names = _object_names(configured(build))
    build.command(tools / "ninja", f"-j{build.jobs}", *names, cwd=configured(build), env=env)
    (build.folder("numpy") / "objects.txt").write_text("\n".join(names) + "\n")


def _write_tools(build: Build, folder: Path) -> None:
    (folder / "ninja").symlink_to(tool(build, "ninja"))
    # Meson sets the level of optimisation itself, at the end of the command.
    flags = shlex.join([*(flag for flag in cflags(build) if flag != CPU), *includes(build)])
    scripts = {
        name: _COMPILER.format(cpu=CPU, compiler=shlex.quote(str(tool(build, compiler))), flags=flags)
        for name, compiler in (("guest-cc", "cc"), ("guest-c++", "c++"))
    }
    scripts["cython"] = (
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(python_path(build)))} exec {shlex.quote(str(python(build)))} -m cython \"$@\"\n"
    )
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
