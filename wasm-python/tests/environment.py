"""A virtual environment for the native side: the CPython that the guest's build leaves, with what tests and benchmarks import.

    wasm-run guest info --json | python3 wasm-python/tests/environment.py [ARGUMENT ...]

makes target/native-python, or leaves it alone when it is up to date, and runs its interpreter with the arguments; without
arguments it prints the interpreter's path. Packages are those of requirements.txt, by hash. The native CPython has neither
TLS nor pip, so the pip in CPython's own sources installs them, run by the interpreter that runs this.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
REQUIREMENTS = TESTS / "requirements.txt"
TARGET = TESTS.parent.parent / "target"
FOLDER = TARGET / "native-python"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_24_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "any")


class EnvironmentFailed(Exception):
    """There is no environment; the message says why and what can be done."""


def main() -> int:
    """Makes the environment and hands over to its interpreter; returns the exit status if it cannot."""
    try:
        python = ensure(native_python(sys.stdin.read()))
    except (EnvironmentFailed, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not sys.argv[1:]:
        print(python)
        return 0
    # The recipe of the guest is made of the files around this one: no caches between them.
    environment = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(TARGET / "hypothesis"),
    }
    os.execve(python, [str(python), *sys.argv[1:]], environment)


def native_python(info: str) -> Path:
    """The native interpreter out of what `wasm-run guest info --json` says."""
    try:
        python = Path(json.loads(info)["native_python"])
    except (ValueError, KeyError, TypeError):
        raise EnvironmentFailed("standard input has to be what `wasm-run guest info --json` prints") from None
    if not python.is_file():
        raise EnvironmentFailed(
            f"the native CPython {python}, which the guest's build leaves, is gone: "
            "remove the image (`wasm-run guest path`) and run `wasm-run guest build`"
        )
    return python


def ensure(native: Path) -> Path:
    """The interpreter of the environment, which is made when it is missing or made for something else."""
    TARGET.mkdir(exist_ok=True)
    with (TARGET / "native-python.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, key = FOLDER / "stamp", _key(native)
        if not stamp.is_file() or stamp.read_text() != key:
            shutil.rmtree(FOLDER, ignore_errors=True)
            _make(native)
            stamp.write_text(key)
    return FOLDER / "bin" / "python"


def _key(native: Path) -> str:
    return f"{native} {native.stat().st_mtime_ns} {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}"


def _make(native: Path) -> None:
    print(f"making {FOLDER} with the packages of {REQUIREMENTS.name}", file=sys.stderr)
    # numpy is the native CPython's own.
    run(native, "-m", "venv", "--without-pip", "--system-site-packages", FOLDER)
    packages = run(FOLDER / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    run(
        sys.executable, bundled_pip(native) / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps",
        "--require-hashes", "--only-binary=:all:", "--implementation=cp", "--python-version=3.13",
        "--abi=cp313", "--abi=abi3", "--abi=none", *(f"--platform={platform}" for platform in PLATFORMS),
        "--target", packages, "--requirement", REQUIREMENTS,
    )  # fmt: skip


def bundled_pip(native: Path) -> Path:
    """The wheel of pip in the sources that the native interpreter was built from."""
    sources = run(native, "-c", "import sysconfig; print(sysconfig.get_config_var('abs_srcdir'))").strip()
    wheels = sorted(Path(sources, "Lib", "ensurepip", "_bundled").glob("pip-*.whl"))
    if not wheels:
        raise EnvironmentFailed(f"CPython's sources in {sources} have no pip: run `wasm-run guest build`")
    return wheels[-1]


def run(*command: str | Path) -> str:
    """Runs a program and returns what it prints."""
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise EnvironmentFailed(f"{Path(command[0]).name} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
