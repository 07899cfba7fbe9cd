#!/usr/bin/env python3
"""Feeds the targets of vivarium-fuzz, guided by coverage: libFuzzer, on the stable compiler.

    fuzz/guided.py --runs 20000                 every target, 20,000 inputs each, from its corpus on
    fuzz/guided.py --time 600 zip tar           two of them, ten minutes each
    fuzz/guided.py --time 600 --keep            adds what was found to the corpora, as few and as small as reach the same
    fuzz/guided.py --time 600 --keep --record   and adds the executions to the table of fuzz/README.md

Our crates are compiled with counters (instrument.sh); all others are those of every build. Needs a C++ compiler, for libFuzzer itself.
An input over which a target fails is kept below target/fuzz; vivarium-fuzz TARGET FILE shows the failure again.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
PROGRAM = TARGET / "debug" / "vivarium-fuzz-guided"
CORPUS = HERE / "corpus"
README = HERE / "README.md"

MOST_BYTES = {"zip": 16384, "tar": 16384}
"""Longest inputs, where they are not 2,048 bytes."""

PER_TARGET = 150
"""Most inputs of a corpus, the shortest first: it is committed."""


def main() -> int:
    """Returns 1 when a target failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", help="names of targets [default: all]")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target")
    parser.add_argument("--time", type=int, default=0, help="seconds for each target, when they come before the inputs")
    parser.add_argument("--jobs", type=int, default=1, help="targets at the same time (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the same one makes the same inputs [default: another one each time]")
    parser.add_argument("--keep", action="store_true", help="add to the corpora")
    parser.add_argument("--record", action="store_true", help="add to the table of fuzz/README.md")
    parser.add_argument("--built", action="store_true", help="run the program as it is")
    arguments = parser.parse_args()
    if not arguments.runs and not arguments.time:
        parser.error("one of --runs and --time is needed")
    if not arguments.built:
        build()
    names = targets()
    unknown = set(arguments.targets) - set(names)
    if unknown:
        parser.error(f"no target: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = arguments.targets or names
    with tempfile.TemporaryDirectory(prefix="vivarium-fuzz-") as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        seeds(Path(folder))
        done = list(pool.map(lambda name: feed(name, arguments, Path(folder)), chosen))
    for name, (executions, _) in zip(chosen, done, strict=True):
        if arguments.record:
            record(name, executions)
    return 0 if all(survived for _, survived in done) else 1


def build() -> None:
    """Compiles the program."""
    environment = os.environ | {"RUSTC_WORKSPACE_WRAPPER": str(HERE / "instrument.sh")}
    cargo = os.environ.get("CARGO", "cargo")
    # With `unified-features`, so that dependencies are those of a build of the whole workspace.
    packages = ["--package", "vivarium-fuzz", "--package", "unified-features", "--lib", "--bin", PROGRAM.name]
    subprocess.run([cargo, "build", *packages, "--features", "vivarium-fuzz/guided"], cwd=ROOT, env=environment, check=True)


def targets() -> list[str]:
    """Names of the targets, in their order."""
    table = (HERE / "src/targets/mod.rs").read_text().partition("pub const TARGETS")[2]
    return re.findall(r'Target \{ name: "([^"]+)"', table)


def seeds(folder: Path) -> None:
    """Writes the seeds of every target to a folder of its name."""
    subprocess.run([PROGRAM], env=os.environ | {"VIVARIUM_FUZZ_SEEDS": str(folder)}, check=True)


def feed(name: str, arguments: argparse.Namespace, folder: Path) -> tuple[int, bool]:
    """Feeds one target; returns the executions, and whether it survived."""
    found = folder / f"{name}-found"
    found.mkdir()
    failed = TARGET / "fuzz" / name
    failed.mkdir(parents=True, exist_ok=True)
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_len={MOST_BYTES.get(name, 2048)}", f"-seed={arguments.seed}", "-print_final_stats=1", "-timeout=60", "-rss_limit_mb=4096",
        "-reload=0", f"-artifact_prefix={failed}/",
    ]  # fmt: skip
    options += [f"-runs={arguments.runs}"] if arguments.runs else []
    options += [f"-max_total_time={arguments.time}"] if arguments.time else []
    ended = run(name, *options, str(found), str(folder / name), str(corpus))
    executions = int((re.findall(r"number_of_executed_units:\s*(\d+)", ended.stderr) or ["0"])[0])
    edges = (re.findall(r"cov: (\d+)", ended.stderr) or ["0"])[-1]
    print(f"{name}: {executions:,} inputs, {edges} edges: {'none failed' if ended.returncode == 0 else 'one failed'}", flush=True)
    if ended.returncode != 0:
        print("\n".join(ended.stderr.splitlines()[-40:]), flush=True)
        return executions, False
    if arguments.keep:
        keep(name, [found, folder / name, corpus], folder)
    return executions, True


def keep(name: str, sources: list[Path], folder: Path) -> None:
    """Replaces a corpus by the shortest inputs that reach what all of these reach, as many as are kept."""
    least = folder / f"{name}-least"
    least.mkdir()
    run(name, "-set_cover_merge=1", f"-max_len={MOST_BYTES.get(name, 2048)}", str(least), *map(str, sources))
    shutil.rmtree(CORPUS / name)
    (CORPUS / name).mkdir()
    for file in sorted(least.iterdir(), key=lambda file: (file.stat().st_size, file.name))[:PER_TARGET]:
        shutil.copy(file, CORPUS / name / file.name)


def run(name: str, *options: str) -> subprocess.CompletedProcess:
    """Runs libFuzzer on a target."""
    environment = os.environ | {"VIVARIUM_FUZZ_TARGET": name}
    return subprocess.run([PROGRAM, *options], env=environment, capture_output=True, text=True, errors="replace")


def record(name: str, executions: int) -> None:
    """Adds to a target's line in the table of README.md."""
    line = re.compile(rf"^(\| `{name}` \|.*\| )([\d,]+)( \|)$", re.MULTILINE)
    text, count = line.subn(lambda match: f"{match[1]}{int(match[2].replace(',', '')) + executions:,}{match[3]}", README.read_text())
    if count != 1:
        raise SystemExit(f"{README} has no line for {name}")
    README.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
