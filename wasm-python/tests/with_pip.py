"""Runs a command in which `python3` has pip, on a machine whose python3 has none (Debian's, without the package python3-pip).

    wasm-run guest info --json | python3 wasm-python/tests/with_pip.py COMMAND [ARGUMENT ...]

Tests of Python environments need one, as `vivarium-env` runs it. The machine's own is used when it is there; else
target/pip-python is made, a virtual environment with the pip out of CPython's sources.
"""

import os
import shutil
import subprocess
import sys

from environment import TARGET, EnvironmentFailed, bundled_pip, native_python, run

FOLDER = TARGET / "pip-python"


def main() -> int:
    """Hands over to the command; returns the exit status if it cannot."""
    info, environment = sys.stdin.read(), dict(os.environ)
    try:
        if not _has_pip("python3"):
            _make_folder(info)
            environment["PATH"] = f"{FOLDER / 'bin'}{os.pathsep}{environment['PATH']}"
        os.execvpe(sys.argv[1], sys.argv[1:], environment)
    except (EnvironmentFailed, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _has_pip(python: str) -> bool:
    command = [python, "-I", "-c", "import pip"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _make_folder(info: str) -> None:
    python = FOLDER / "bin" / "python3"
    if python.exists() and _has_pip(str(python)):
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    run(sys.executable, "-m", "venv", "--without-pip", FOLDER)
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    wheel = bundled_pip(native_python(info))
    run(sys.executable, wheel / "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", packages, wheel)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
