"""Makes a virtual environment of the interpreter that runs this, with packages from PyPI; leaves one alone that is complete.

    wasm-run guest info --json | python3 install.py WASM_PYTHON FOLDER REQUIREMENT ...

Prints the environment's interpreter. Works without the system's pip: CPython's sources have one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, os.path.join(sys.argv[1], "tests"))

from environment import EnvironmentFailed, bundled_pip, native_python, run  # noqa: E402  found through the path above


def main():
    folder, requirements = Path(sys.argv[2]), sys.argv[3:]
    python, stamp, wanted = folder / "bin" / "python", folder / "complete", "\n".join(requirements)
    if not stamp.is_file() or stamp.read_text() != wanted:
        pip = bundled_pip(native_python(sys.stdin.read()))
        shutil.rmtree(folder, ignore_errors=True)
        run(sys.executable, "-m", "venv", "--without-pip", folder)
        command = [python, f"{pip}/pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        subprocess.run(list(map(str, command)), check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        stamp.write_text(wanted)
    print(python)


try:
    main()
except (EnvironmentFailed, OSError, subprocess.CalledProcessError) as error:
    sys.exit(f"the packages {' '.join(sys.argv[3:])} cannot be installed: {error}")
