"""Widely used packages, each installed by `wasm-run` and made to do its main thing in the sandbox.

    python3 tests/packages/run.py [--wasm-run PROGRAM] [--wheels DIRECTORY] [NAME ...]

Each file beside this one is a script whose header pins a package; it must end with status 0. The packages in CANNOT must be
refused, with the reason that is said there. Packages come from the package index through pip, so this needs a network; two
that the index has no pure Python wheels of are built here first (this runs their own set-up code on this machine, which
`wasm-run` itself never does) and given with --find-links.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent

BUILT_HERE = {
    "pyyaml==6.0.3": {"PYYAML_FORCE_CYTHON": "0", "PYYAML_FORCE_LIBYAML": "0"},
    "markupsafe==3.0.4": {},
}
"""Packages with optional C code, and what keeps it out besides a compiler that fails."""

CANNOT = {
    "pyyaml": "pyyaml: only native wheels exist",
    "markupsafe": "markupsafe: only native wheels exist",
    "jinja2": "markupsafe: only native wheels exist",
    "pydantic>=2": "pydantic-core: only native wheels exist",
    "pandas": "pandas: only native wheels exist",
    "scipy": "scipy: only native wheels exist",
    "scikit-learn": "scikit-learn: only native wheels exist",
    "pyarrow": "pyarrow: only native wheels exist",
    "polars": "polars-runtime-32: only native wheels exist",
    "cryptography": "cryptography: only native wheels exist",
    "lxml": "lxml: only native wheels exist",
    "orjson": "orjson: only native wheels exist",
    "pillow": "pillow: only native wheels exist",
    "regex": "regex: only native wheels exist",
    "nltk": "regex: only native wheels exist",
    "msgpack": "msgpack: only native wheels exist",
    "duckdb": "duckdb: only native wheels exist",
    "numpy>=3": "numpy>=3: the sandbox bundles version",
}
"""Without --find-links: what a requirement is refused with."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wasm-run", default="target/debug/wasm-run")
    parser.add_argument("--wheels", type=pathlib.Path, default=pathlib.Path("target/pure-wheels"))
    parser.add_argument("names", nargs="*", help="scripts, or requirements of CANNOT [default: all]")
    arguments = parser.parse_args()
    wasm_run = str(pathlib.Path(arguments.wasm_run).resolve())
    wheels = arguments.wheels.resolve()
    build_pure_wheels(wheels)

    scripts = sorted(path for path in HERE.glob("*.py") if path.name != "run.py")
    chosen = [path for path in scripts if not arguments.names or path.stem in arguments.names]
    refused = [one for one in CANNOT if not arguments.names or one in arguments.names]
    failed = 0
    for script in chosen:
        options = ["exec", "--memory", "512MiB", "--quiet", "--find-links", str(wheels), str(script)]
        seconds, ended = run(wasm_run, options)
        failed += report(script.stem, ended.returncode == 0, seconds, ended.stdout if ended.returncode == 0 else ended.stderr)
    with tempfile.TemporaryDirectory() as folder:
        for requirement in refused:
            file = pathlib.Path(folder) / "requirements.txt"
            file.write_text(f"{requirement}\n")
            seconds, ended = run(wasm_run, ["env", "build", "--quiet", "-pyreq", str(file)])
            is_right = ended.returncode == 4 and CANNOT[requirement] in ended.stderr
            failed += report(f"not {requirement}", is_right, seconds, ended.stderr)
    print(f"{len(chosen) + len(refused) - failed} as expected, {failed} not")
    return 1 if failed else 0


def run(wasm_run, options):
    start = time.monotonic()
    ended = subprocess.run([wasm_run, *options], capture_output=True, text=True, timeout=600)
    return time.monotonic() - start, ended


def report(name, is_right, seconds, output):
    lines = output.strip().splitlines() or [""]
    print(f"{'ok    ' if is_right else 'FAILED'} {name:20} {seconds:6.1f} s  {lines[-1].strip()[:100]}", flush=True)
    if not is_right:
        print(output)
    return not is_right


def build_pure_wheels(directory):
    """Builds what is not in `directory` yet. A compiler that fails makes these packages leave their C code out."""
    directory.mkdir(parents=True, exist_ok=True)
    for requirement, variables in BUILT_HERE.items():
        name, version = requirement.split("==")
        if list(directory.glob(f"{name}-{version}-py3-none-any.whl")):
            continue
        print(f"building a pure Python wheel of {requirement}", flush=True)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-binary", name, "--wheel-dir", str(directory)]
        subprocess.run([*command, requirement], check=True, env=os.environ | variables | {"CC": "false"})
        if not list(directory.glob(f"{name}-{version}-py3-none-any.whl")):
            sys.exit(f"{requirement} was not built as pure Python; see {directory}")


if __name__ == "__main__":
    sys.exit(main())
