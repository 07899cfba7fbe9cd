#!/usr/bin/env python3
"""Gives wasm-run broken data files and hostile statements, and looks at how it ends.

    tests/rim/run.py --ci                              a fixed set of files and statements, in a minute and a half on two cores
    tests/rim/run.py --files 10000 --statements 0      10,000 files of each format
    tests/rim/run.py --files 0 --statements 10000
    tests/rim/run.py --time 10m --seed 7               as many as ten minutes allow, with another seed
    tests/rim/run.py --seed 7 --only parquet:1234      one case again
    tests/rim/run.py --case target/rim/failed/parquet-1234       one that was kept; also a data file or a file of statements

Whatever goes in: the exit status is a documented one, no process is left, no file appears unless the status is 0, and after status 0
all rows are there; memory stays under 1 GiB; Ctrl-C ends it within a second; messages have no control characters; nothing shows a file
that was not named. Cases that fail are kept with a script, cmd.sh, that runs them again. README.md says more.
"""

import argparse
import collections
import concurrent.futures
import itertools
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import cases
import process
import properties
from cases import Case
from seeds import EXTENSION, ROOT, SeedsFailed, prepare

MOST = 1_000_000_000
UNTIL = {"file": 20.0, "sql": 3.0}
"""Seconds after which a case is interrupted."""

CI = {"files": 80, "statements": 300, "seed": 1, "patience": 2.0}


class Runner:
    """Runs cases and counts what became of them."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.folder = Path(tempfile.mkdtemp(prefix="vivarium-rim-"))
        self.lock = threading.Lock()
        self.passed = 0
        self.failures: collections.Counter[str] = collections.Counter()
        self.statuses: collections.Counter[str] = collections.Counter()
        self.slowest_stop = self.late = 0.0
        self.largest = self.interrupted = 0

    def run(self, case: Case) -> None:
        folder = self.folder / case.name.replace(":", "-")
        case.write(folder)
        outcome, problems = self._run(case, folder)
        report = self._report(case, outcome, problems)
        with self.lock:
            self.statuses["signal" if outcome.status is None else str(outcome.status)] += 1
            self.largest = max(self.largest, outcome.memory)
            if outcome.stop is not None:
                self.interrupted += 1
                self.slowest_stop = max(self.slowest_stop, outcome.stop)
                self.late += outcome.stop > properties.STOP
            if problems:
                self.failures[_kind(case, outcome, problems)] += 1
            else:
                self.passed += 1
        if problems:
            to = self.arguments.keep / case.name.replace(":", "-")
            cases.keep(case, folder, to, report)
            print(f"FAILED {case.name} ({case.kind}): {'; '.join(problems)}\n    kept: sh {to}/cmd.sh; again: {self._again(case)}", flush=True)
        elif self.arguments.verbose:
            print(f"{case.name} ({case.kind}): {_ending(outcome)}, {outcome.seconds:.1f} s, {outcome.memory >> 20} MiB", flush=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _run(self, case: Case, folder: Path) -> tuple[process.Outcome, list[str]]:
        here, outside, temporary = folder / "here", folder / "outside", folder / "tmp"
        before = set(os.listdir(here))
        allowed = set(os.listdir(here / "allowed")) if case.is_query else set()
        outcome = process.run(
            [str(self.arguments.binary), *case.arguments], here, os.environ | {"TMPDIR": str(temporary), "RIM_SECRET": cases.SECRET},
            self.arguments.patience or UNTIL["sql" if case.is_query else "file"], here / case.stdin if case.stdin else None, case.group,
        )  # fmt: skip
        problems = properties.problems(outcome, cases.SECRET, case.is_table)
        left = set(os.listdir(here)) - before
        if outcome.status == 0:
            left.discard(case.output)
        if case.is_query and not case.writes and outcome.status != 0:
            left |= {f"allowed/{name}" for name in set(os.listdir(here / "allowed")) - allowed}
        left |= {f"tmp/{name}" for name in os.listdir(temporary)}
        problems += [f"file left behind: {re.sub('[0-9a-zA-Z]{6,}', '#', name)}" for name in sorted(left)]
        if os.listdir(outside) != ["secret.csv"] or cases.SECRET not in (outside / "secret.csv").read_text():
            problems.append("file of another folder changed")
        if outcome.status == 0:
            problems += self._wrong_rows(case, here, outcome)
            if case.output and case.is_query and (here / case.output).exists() and cases.SECRET.encode() in (here / case.output).read_bytes():
                problems.append("secret file shown in the output")
        return outcome, problems

    def _wrong_rows(self, case: Case, here: Path, outcome: process.Outcome) -> list[str]:
        if case.rows is None:
            return []
        if case.output:
            try:
                rows = properties.rows_in(here / case.output)
            except Exception as error:  # Whatever is wrong with the file, it is one to look at.
                return [f"output {case.output} cannot be read: {error!r}"]
        else:
            match = re.search(rb'"n":(-?\d+)', outcome.stdout)
            rows = int(match[1]) if match else None
        if rows in case.rows:
            return []
        expected = " or ".join(map(str, sorted(case.rows))) or "an error"
        return [f"rows: {'fewer' if case.rows and (rows or 0) < min(case.rows) else 'others'} with status 0: {rows}, not {expected}"]

    def _again(self, case: Case) -> str:
        return f"tests/rim/run.py --binary {self.arguments.binary} --seed {self.arguments.seed} --only {case.name}"

    def _report(self, case: Case, outcome: process.Outcome, problems: list[str]) -> str:
        stopped = f", {outcome.stop:.2f} s after an interrupt" if outcome.stop is not None else ""
        return (
            f"{case.name} ({case.kind})\n" + "".join(f"* {problem}\n" for problem in problems)
            + f"{_ending(outcome)} after {outcome.seconds:.1f} s ({outcome.processor:.1f} s of processor time){stopped}; {outcome.memory >> 20} MiB\n"
            + f"again: {self._again(case)}\n\nstandard error:\n{outcome.stderr[:20_000].decode(errors='replace')}\n"
            + f"\nstandard output:\n{outcome.stdout[:4_000].decode(errors='replace')}\n"
        )  # fmt: skip

    def summary(self) -> None:
        """What became of all cases; the last line counts them."""
        failed = self.failures.total()
        for kind, count in self.failures.most_common():
            print(f"{count:6} x {kind}")
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        print(f"statuses {statuses}; largest process {self.largest >> 20} MiB")
        if self.interrupted:
            print(
                f"{self.interrupted} were interrupted; the slowest ended {self.slowest_stop:.2f} s later, {int(self.late)} took more than "
                f"{properties.STOP:.0f} s (counted as failures unless the machine was busy)"
            )
        print(f"{self.passed} passed, {failed} failed", flush=True)


def _ending(outcome: process.Outcome) -> str:
    return f"signal {outcome.signal}" if outcome.status is None else f"status {outcome.status}"


def _kind(case: Case, outcome: process.Outcome, problems: list[str]) -> str:
    """What failures of the same cause have in common, mostly."""
    text = outcome.stderr.decode(errors="replace")
    panic = re.search(r"panicked at ([^\n]*?:\d+)", text)
    said = re.search(r"(?m)^wasm-run: ([^\n]*)|\"message\":\"([^\"]*)", text)
    detail = panic[1] if panic else (said[1] or said[2] or "") if said else ""
    if any(problem.startswith(("memory", "late", "rows", "file left")) for problem in problems):
        detail = detail if panic else ""
    what = case.kind.partition(" of ")[0] if case.is_query else re.sub(r" of [^,]*", "", case.kind)
    numbers = re.sub(r"\d+(\.\d+)?", "N", problems[0]) if not problems[0].startswith(("signal", "status")) else problems[0]
    where = detail if panic else re.sub(r"\d+", "N", detail)[:120]
    return f"[{case.name.partition(':')[0]}] {numbers} | {what} | {where}"


def all_cases(arguments: argparse.Namespace, seeds: dict) -> "itertools.chain":
    """All cases, one of each format in turn."""
    if arguments.case:
        if (arguments.case / "case.json").is_file():
            return iter([lambda: cases.kept(arguments.case)])
        if arguments.case.suffix == ".sql":
            return iter([lambda: cases.given_statements(arguments.case, seeds)])
        return iter([lambda case=case: case for case in cases.given_file(arguments.case)])
    chosen = [name.partition(":") for name in arguments.only] or None
    if chosen:
        return iter([lambda format=format, number=number: _case(format, int(number), arguments, seeds) for format, _, number in chosen])
    counts = {format: arguments.files for format in arguments.formats} | {"sql": arguments.statements}
    begin = arguments.begin
    return (
        (lambda format=format, number=number: _case(format, number, arguments, seeds))
        for number in range(begin, begin + max(counts.values()))
        for format, count in counts.items()
        if number < begin + count
    )


def _case(format: str, number: int, arguments: argparse.Namespace, seeds: dict) -> Case:
    if format == "sql":
        return cases.query_case(number, arguments.seed, seeds)
    return cases.file_case(format, number, arguments.seed, seeds[format])


def run_all(runner: Runner, work, jobs: int, seconds: float) -> None:
    """Runs cases, `jobs` at a time, until there are no more or the time is over."""
    started = told = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running: set = set()
        done = 0
        for make in work:
            if time.monotonic() - started > seconds:
                break
            running.add(pool.submit(lambda make=make: runner.run(make())))
            if len(running) >= jobs:
                finished, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                done += len(finished)
                for each in finished:
                    each.result()
            if time.monotonic() - told > 10:
                told = time.monotonic()
                print(f"{done} cases in {told - started:.0f} s, {runner.failures.total()} failed", flush=True)
        for each in running:
            each.result()


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text)
    if not match:
        raise argparse.ArgumentTypeError("write a number with s, m or h, such as 60s")
    return float(match[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[match[2]]


def _formats(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(EXTENSION):
        raise argparse.ArgumentTypeError(f"there is no format {', '.join(sorted(unknown))}; there are {', '.join(EXTENSION)}")
    return names


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    parser.add_argument("--binary", type=Path, default=target / "debug" / "wasm-run", help="the program (%(default)s)")
    parser.add_argument("--files", type=int, metavar="N", help="data files of each format [1000; without end with --time]")
    parser.add_argument("--statements", type=int, metavar="N", help="scripts of statements [1000; without end with --time]")
    parser.add_argument("--formats", type=_formats, default=list(EXTENSION), help=f"formats of files, with commas between [{','.join(EXTENSION)}]")
    parser.add_argument("--seed", type=int, help="another number gives other cases [1]")
    parser.add_argument("--begin", type=int, default=0, metavar="N", help="the number of the first case of each format [%(default)s]")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time [%(default)s]")
    parser.add_argument("--time", type=_seconds, default=float("inf"), help="begin no case after this long, such as 60s")
    parser.add_argument("--patience", type=float, metavar="SECONDS", help="interrupt a case after this long [20 for files, 3 for statements]")
    parser.add_argument("--only", action="append", default=[], metavar="FORMAT:NUMBER", help="one case; may be given several times")
    parser.add_argument("--case", type=Path, metavar="FILE", help="a folder that was kept, a data file, or a file of statements")
    parser.add_argument("--ci", action="store_true", help="a fixed, small set of cases")
    parser.add_argument("--keep", type=Path, default=target / "rim" / "failed", help="where cases that fail are kept (%(default)s)")
    parser.add_argument("--seeds", type=Path, default=target / "rim" / "seeds", help="where valid files are made (%(default)s)")
    parser.add_argument("--python", type=Path, help="a Python with pyarrow, which writes valid files [that of the guest's tests]")
    parser.add_argument("--verbose", action="store_true", help="a line for each case")
    arguments = parser.parse_args()
    fallback = CI if arguments.ci else {"files": 1000, "statements": 1000, "seed": 1, "patience": None}
    if arguments.time != float("inf") and not arguments.ci:
        fallback |= {"files": MOST, "statements": MOST}
    for name, value in fallback.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    for name in ("binary", "keep", "seeds"):
        setattr(arguments, name, getattr(arguments, name).resolve())
    return arguments


def main() -> int:
    arguments = parse()
    started = time.monotonic()
    try:
        seeds = prepare(arguments.binary, arguments.seeds, arguments.python)
    except (SeedsFailed, OSError) as error:
        print(f"error: valid files cannot be made: {error}", file=sys.stderr)
        return 1
    runner = Runner(arguments)
    try:
        run_all(runner, all_cases(arguments, seeds), arguments.jobs, arguments.time)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    finally:
        shutil.rmtree(runner.folder, ignore_errors=True)
    print(f"{time.monotonic() - started:.0f} s")
    runner.summary()
    return 1 if runner.failures else 0


if __name__ == "__main__":
    sys.exit(main())
