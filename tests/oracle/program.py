"""What both oracles have in common: the environment they run in, the program that is asked, the cases, and what is kept of one that fails."""

import argparse
import collections
import concurrent.futures
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
ENVIRONMENT = ROOT / "wasm-python" / "tests" / "environment.py"

PATIENCE = 120
"""Seconds that one run of the program may take, on however busy a machine."""


class Different(Exception):
    """What the program made of a case is not what it has to be; the message says where."""

    output = ""
    """What a run that failed had written to standard output."""


class Refused(Exception):
    """The program has refused the case, as the documentation says."""


def parser(description: str) -> argparse.ArgumentParser:
    """The options of both oracles."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", type=Path, default=TARGET / "debug" / "wasm-run", help="the program (%(default)s)")
    options.add_argument("--cases", type=int, help="how many [1000; without end with --time]")
    options.add_argument("--seed", type=int, default=1, help="another number gives other cases [%(default)s]")
    options.add_argument("--begin", type=int, default=0, metavar="N", help="the number of the first case [%(default)s]")
    options.add_argument("--only", type=int, action="append", metavar="N", help="one case again, by its number; may be given several times")
    options.add_argument("--jobs", type=int, default=2, help="processes at a time [%(default)s]")
    options.add_argument("--time", type=seconds, default=float("inf"), help="begin no case after this long, such as 60s or 2h")
    options.add_argument("--together", type=int, default=20, metavar="N", help="cases that may share a process [%(default)s]")
    options.add_argument("--ci", action="store_true", help="a fixed, small set of cases")
    options.add_argument("--python", action="store_true", help="run in this Python, which has pyarrow and duckdb, and not in the tests' own")
    return options


def seconds(text: str) -> float:
    """A time as an option gives it."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text)
    if not match:
        raise argparse.ArgumentTypeError("write a number with s, m or h, such as 60s")
    return float(match[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[match[2]]


def in_environment(arguments: argparse.Namespace) -> None:
    """Goes on in the environment of the guest's tests, which has pyarrow and DuckDB, pinned by hash; it is made below target/ when it is missing."""
    if importlib.util.find_spec("_ssl") is None:
        # The guest's native CPython has no TLS, and pyarrow asks where certificates are.
        paths = types.SimpleNamespace(cafile=None, capath=None)
        sys.modules["ssl"] = types.SimpleNamespace(get_default_verify_paths=lambda: paths)
    if arguments.python or os.environ.get("VIVARIUM_ORACLE") == "1":
        return
    info = subprocess.run([arguments.binary, "guest", "info", "--json"], stdout=subprocess.PIPE, check=True).stdout
    command = [sys.executable, "-B", ENVIRONMENT, *sys.argv]
    sys.exit(subprocess.run(command, input=info, env=os.environ | {"VIVARIUM_ORACLE": "1"}, check=False).returncode)


class Program:
    """Runs the program in a folder of a case."""

    def __init__(self, binary: Path, folder: Path):
        self.binary, self.folder = binary, folder
        self.commands: list[list[str]] = []

    def run(self, *arguments: str, stdin: Path | None = None, accepted: dict[str, str] | None = None) -> str:
        """Runs it, and returns its standard output. `accepted` are the refusals that the documentation has for the case, as patterns of what is
        said; with their reasons."""
        self.commands.append([*arguments, *(["<", stdin.name] if stdin else [])])
        with open(stdin or os.devnull, "rb") as source:
            command = [self.binary, *arguments]
            done = subprocess.run(command, cwd=self.folder, stdin=source, capture_output=True, timeout=PATIENCE, check=False)
        if done.returncode == 0:
            return done.stdout.decode()
        said = done.stderr.decode(errors="replace")
        for pattern, reason in (accepted or {}).items():
            if re.search(pattern, said):
                raise Refused(reason)
        problem = Different(f"status {done.returncode}: {said[-1500:]}")
        problem.output = done.stdout.decode(errors="replace")
        raise problem

    def script(self) -> str:
        """The commands again, for a shell."""
        quoted = [" ".join(part if part == "<" else "'" + part.replace("'", "'\\''") + "'" for part in command) for command in self.commands]
        lines = "".join(f'"${{WR:-wasm-run}}" {line}\n' for line in quoted)
        return f'#!/bin/sh\n# WR=target/debug/wasm-run sh cmd.sh\ncd "$(dirname "$0")"\n{lines}'


Together = Callable[[list[int], Program], dict[int, str]]


def run_all(name: str, arguments: argparse.Namespace, case: Callable[[int, Program], str], together: Together | None = None) -> int:
    """Runs the cases; `case` makes one out of its number, raises what is wrong with it, and returns what kind it was. `together` runs several in one
    process, and gives the kinds of those that are as they have to be; the others run alone after that."""
    keep = TARGET / "oracle" / "failed"
    counts: collections.Counter[str] = collections.Counter()
    refused: collections.Counter[str] = collections.Counter()
    kinds: collections.Counter[str] = collections.Counter()
    failed, lock, started = [], threading.Lock(), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"vivarium-oracle-{name}-"))

    def several(numbers: list[int]) -> None:
        if time.monotonic() - started > arguments.time:
            return
        done: dict[int, str] = {}
        if together is not None and len(numbers) > 1:
            program = Program(arguments.binary.resolve(), folder / f"{numbers[0]}-{numbers[-1]}")
            program.folder.mkdir()
            try:
                done = together(numbers, program)
            except Exception as error:  # Which of them it is about is found by running them alone.
                print(f"{numbers[0]} to {numbers[-1]}: {str(error)[:200]}; each is run again", file=sys.stderr, flush=True)
            shutil.rmtree(program.folder, ignore_errors=True)
            with lock:
                counts["equal"] += len(done)
                kinds.update(done.values())
        for number in numbers:
            if number not in done:
                one(number)

    def one(number: int) -> None:
        program = Program(arguments.binary.resolve(), folder / str(number))
        program.folder.mkdir()
        problem = None
        try:
            kind = case(number, program)
        except Refused as reason:
            kind, counts["refused"] = None, counts["refused"] + 1
            refused[str(reason)] += 1
        except Exception as error:  # Whatever it is, it is one to look at.
            kind, problem = None, str(error) if isinstance(error, Different) else f"{type(error).__name__}: {error}"
        with lock:
            if problem is not None:
                failed.append(number)
                to = keep / f"{name}-{arguments.seed}-{number}"
                shutil.rmtree(to, ignore_errors=True)
                shutil.copytree(program.folder, to)
                (to / "cmd.sh").write_text(program.script())
                (to / "problem.txt").write_text(problem + "\n")
                again = f"tests/oracle/{name}.py --seed {arguments.seed} --only {number}"
                print(f"DIFFERENT {number}: {problem[:600]}\n    kept: {to}; again: {again}", flush=True)
            elif kind is not None:
                counts["equal"] += 1
                kinds[kind] += 1
        shutil.rmtree(program.folder, ignore_errors=True)

    endless = arguments.cases is None and arguments.time != float("inf")
    numbers = arguments.only or range(arguments.begin, arguments.begin + (10**9 if endless else arguments.cases or 1000))
    try:
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            running: set = set()
            for group in itertools.batched(numbers, arguments.together if together and not arguments.only else 1):
                if time.monotonic() - started > arguments.time:
                    break
                running.add(pool.submit(several, list(group)))
                if len(running) > 4 * arguments.jobs:
                    finished, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                    for each in finished:
                        each.result()
            for each in running:
                each.result()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for kind, count in sorted(kinds.items()):
        print(f"{count:7} {kind}")
    for reason, count in sorted(refused.items()):
        print(f"{count:7} refused: {reason}")
    print(f"{time.monotonic() - started:.0f} s: {counts['equal']} equal, {counts['refused']} refused, {len(failed)} different")
    return 1 if failed else 0
