#!/usr/bin/env python3
"""Runs the programs of wasi-testsuite on our WASI, or on wasmtime-wasi.

    git clone --depth 1 https://github.com/WebAssembly/wasi-testsuite
    cargo build --manifest-path tests/wasi/Cargo.toml
    tests/wasi/testsuite.py wasi-testsuite                  its C programs, compiled by the guest's compiler
    tests/wasi/testsuite.py wasi-testsuite --theirs         the same on wasmtime-wasi
    tests/wasi/testsuite.py wasi-testsuite --write-docs     and writes the table of docs/wasi.md

In a checkout of its branch prod/testsuite-base there are its programs in Rust and AssemblyScript, too, compiled: they are run as they are.
Programs of later versions of WASI are not. A failure that is not listed below fails, and so does a listed one that passes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "docs" / "wasi.md"
BEGIN, END = "<!-- written by tests/wasi/testsuite.py -->", "<!-- end -->"

EXPECTED = {
    "Rust: symlink_create": "a link may say an absolute path: Python programs link to absolute names of their temporary files",
}
"""Programs that fail on ours, and why they may."""

LANGUAGES = {"c": "C", "rust": "Rust", "assemblyscript": "AssemblyScript"}


def main() -> int:
    """Prints what fails; 1 when that is not what is listed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path, help="a checkout of github.com/WebAssembly/wasi-testsuite")
    parser.add_argument("--runner", type=Path, default=HERE / "target/debug/wasi-run", help="(%(default)s)")
    parser.add_argument("--compiler", type=Path, default=guest_compiler(), help="for C (%(default)s)")
    parser.add_argument("--theirs", action="store_true", help="run on wasmtime-wasi")
    parser.add_argument("--write-docs", action="store_true", help="write the table of docs/wasi.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vivarium-testsuite-") as folder:
        programs = [*compiled(arguments.suite), *compile_c(arguments.suite, arguments.compiler, Path(folder))]
        problems = {program: run(arguments, program, specification) for program, specification in programs}
    if not problems:
        print(f"{arguments.suite} has no programs", file=sys.stderr)
        return 2
    results = Counter((language(program), problem is None) for program, problem in problems.items())
    unexpected = 0
    for program, problem in sorted(problems.items()):
        name = f"{language(program)}: {program.stem}"
        expected = None if arguments.theirs else EXPECTED.get(name)
        if problem is None and expected is None:
            continue
        unexpected += (problem is None) != (expected is None)
        print(f"{name}: {problem or 'passes, and is listed as one that does not'}{f' (expected: {expected})' if expected else ''}")
    table = [f"| {name} | {results[name, True]} | {results[name, False]} |" for name in sorted({name for name, _ in results})]
    print("\n".join(table))
    if arguments.write_docs:
        write_document(["| programs in | pass | fail |", "|---|---|---|", *table])
    return 1 if unexpected else 0


def guest_compiler() -> Path:
    """The compiler that `wasm-run guest build` unpacks."""
    cache = os.environ.get("VIVARIUM_CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vivarium"
    return Path(cache) / "work/toolchain/bin/cc"


def compiled(suite: Path) -> list[tuple[Path, Path]]:
    """Programs that come compiled, but for those in C, and their specifications."""
    found = sorted(suite.glob("tests/*/testsuite/wasm32-wasip1/*.wasm"))
    return [(program, program.with_suffix(".json")) for program in found if program.parts[-4] != "c"]


def compile_c(suite: Path, compiler: Path, folder: Path) -> list[tuple[Path, Path]]:
    """Programs in C, and their specifications."""
    target = folder / "c" / "testsuite" / "wasm32-wasip1"
    target.mkdir(parents=True)
    programs = []
    for source in sorted(suite.glob("tests/c/src/*.c")):
        program = target / f"{source.stem}.wasm"
        cache = {name: str(folder / "cache") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
        command = [str(compiler), "-O1", "-g0", "-fno-sanitize=all", str(source), "-o", str(program)]
        subprocess.run(command, check=True, env=os.environ | cache)
        programs.append((program, source.with_suffix(".json")))
    return programs


def language(program: Path) -> str:
    """What a program is written in."""
    return LANGUAGES.get(program.parts[-4], program.parts[-4])


def run(arguments: argparse.Namespace, program: Path, specification: Path) -> str | None:
    """What is wrong with how a program ends, if anything is."""
    wanted = json.loads(specification.read_text()) if specification.exists() else {}
    with tempfile.TemporaryDirectory(prefix="vivarium-testsuite-") as folder:
        command = [str(arguments.runner), *(["--theirs"] if arguments.theirs else [])]
        if wanted.get("root"):
            # A copy: programs write.
            root = Path(folder) / "root"
            shutil.copytree(specification.parent / wanted["root"], root)
            command += ["--dir", str(root)]
        for name, value in wanted.get("env", {}).items():
            command += ["--env", f"{name}={value}"]
        command += [str(program), *wanted.get("args", [])]
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            return "does not end"
    status = wanted.get("exit_code", 0)
    if ended.returncode != status:
        last = next((line for line in ended.stderr.splitlines() if "panicked" not in line and line.strip()), "")
        return f"ends with {ended.returncode}: {last.strip()}"
    for stream in ("stdout", "stderr"):
        if stream in wanted and getattr(ended, stream) != wanted[stream]:
            return f"{stream} is {getattr(ended, stream)!r}"
    return None


def write_document(table: list[str]) -> None:
    """Puts the table into docs/wasi.md."""
    before, found, rest = DOCUMENT.read_text().partition(BEGIN)
    if not found:
        raise SystemExit(f"{DOCUMENT} has no place for the table")
    lines = "\n".join(table)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{lines}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    sys.exit(main())
