#!/usr/bin/env python3
"""Compiles the program and builds the base image of the guest at the same time, with one line that says how far both are.

    tools/first.py [--whole] PROGRAM -- CARGO build ARGUMENTS

The guest's build is Python and needs nothing of ours, and each of the two has long phases on one core: together they take little more
than two cores' share of both. It gets the folders that `PROGRAM guest build` uses afterwards, which then finds its steps done.
Everything goes on where it stopped: cargo behind the last crate, the guest behind the last step.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Processor seconds, for an estimate of what is left. Those of crates follow from the shares in docs/building.md.
CRATE_SECONDS = {False: 1200, True: 2100}
"""Of all crates: of the demo's, of the whole workspace's."""
STEP_SECONDS = {"fetch": 20, "native": 240, "cpython": 180, "numpy": 230, "link": 60}
OTHER_STEP_SECONDS = 6

LEFT_OUT = "left out of this build"
"""What `PROGRAM sql --help` says when it was built without SQL."""


def main() -> int:
    """Runs both; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--whole", action="store_true", help="cargo builds the whole workspace")
    parser.add_argument("cargo", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    cargo = arguments.cargo[arguments.cargo[:1] == ["--"] :]
    whole = arguments.whole
    help_of_sql = _says(arguments.program, "sql", "--help")
    if not whole and help_of_sql and LEFT_OUT not in help_of_sql:
        # Somebody has built all of it: it stays whole.
        whole, cargo = True, [*cargo[: cargo.index("build") + 1], "--workspace"]
    jobs = [Crates(cargo, CRATE_SECONDS[whole])]
    if not _image_is_built(arguments.program):
        jobs.append(Guest())
    signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    try:
        return _follow(jobs)
    except KeyboardInterrupt:
        for job in jobs:
            job.stop()
        print("\nStopped. Nothing is lost: the same command continues from here.", file=sys.stderr)
        return 130


def _interrupt():
    raise KeyboardInterrupt


def _says(program: Path, *arguments: str) -> str | None:
    """What the program prints; nothing when there is none, or when it fails."""
    try:
        ended = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout if ended.returncode == 0 else None


def _image_is_built(program: Path) -> bool:
    try:
        images = json.loads(_says(program, "guest", "list", "--json") or "[]")
    except ValueError:
        return False
    return any(image["name"] == "base" and image["directory"] for image in images)


def _follow(jobs: list["Job"]) -> int:
    for job in jobs:
        job.start()
    screen, start, announced = Screen(), time.monotonic(), False
    while any(job.running for job in jobs):
        time.sleep(0.2)
        if failed := next((job for job in jobs if job.failed), None):
            screen.clear()
            for job in jobs:
                job.stop()
            print(f"{failed.what} failed:\n{failed.report()}", file=sys.stderr)
            return 1
        left = sum(job.left() for job in jobs) / min(2 * len(jobs), os.cpu_count() or 1)
        elapsed = time.monotonic() - start
        if not announced and left > 60 and elapsed > 5 and all(job.known for job in jobs):
            announced = True
            screen.clear()
            print(
                f"Building {' and '.join(job.what for job in jobs)}, once: about {_minutes(left)} when the machine is idle. "
                "Ctrl-C is safe, the next call goes on from there.",
                flush=True,
            )
        if announced:
            screen.show(f"{int(elapsed // 60)}:{int(elapsed % 60):02}, about {_minutes(left)} left | " + " | ".join(map(str, jobs)))
    screen.clear()
    for job in jobs:
        job.wait()
        if job.failed:
            print(f"{job.what} failed:\n{job.report()}", file=sys.stderr)
            return 1
        print(job.warnings(), end="", file=sys.stderr)
    return 0


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return "a minute" if minutes <= 1 else f"{minutes} minutes"


class Screen:
    """One line that changes on a terminal; a line a minute elsewhere."""

    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.last = 0.0

    def show(self, line: str) -> None:
        if self.terminal:
            width = os.get_terminal_size().columns - 1
            print(f"\r\x1b[K{line[:width]}", end="", flush=True)
        elif time.monotonic() - self.last > 60:
            self.last = time.monotonic()
            print(line, flush=True)

    def clear(self) -> None:
        if self.terminal:
            print("\r\x1b[K", end="", flush=True)


class Job:
    """A program whose progress is followed in a thread."""

    what = ""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None):
        self.command = command
        self.environment = environment
        self.process: subprocess.Popen | None = None
        self.known = False
        """Whether it is known how much there is to do."""

    def start(self) -> None:
        # A group of its own, so that compilers end with it.
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, env=os.environ | (self.environment or {}), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.threads = [
            threading.Thread(target=self.read, args=(stream, name), daemon=True)
            for name, stream in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for thread in self.threads:
            thread.start()

    def read(self, stream, name: str) -> None:
        """Takes lines apart; a carriage return ends one, too."""
        text = b""
        while part := os.read(stream.fileno(), 65536):
            *lines, text = re.split(rb"[\r\n]", text + part)
            for line in lines:
                self.line(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line.decode(errors="replace")), name)
        if text:
            self.line(text.decode(errors="replace"), name)

    def line(self, line: str, name: str) -> None:
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def failed(self) -> bool:
        return self.process.poll() not in (None, 0)

    def wait(self) -> None:
        self.process.wait()
        for thread in self.threads:
            thread.join(5)

    def stop(self) -> None:
        if self.process is None or not self.running:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()

    def left(self) -> float:
        """Processor seconds, roughly."""
        raise NotImplementedError

    def report(self) -> str:
        """Why it failed."""
        raise NotImplementedError

    def warnings(self) -> str:
        """What somebody should read although it went well."""
        return ""


class Crates(Job):
    """cargo."""

    what = "the program"
    _ROUTINE = re.compile(r"\s+(Compiling|Building|Downloading|Downloaded|Updating|Locking|Blocking|Adding|Fresh|Finished|Dirty) ")

    def __init__(self, command: list[str], seconds: float):
        super().__init__(command, {"CARGO_TERM_PROGRESS_WHEN": "always", "CARGO_TERM_PROGRESS_WIDTH": "120", "CARGO_TERM_COLOR": "never"})
        self.seconds = seconds
        self.done, self.total, self.now = 0, 0, "looking at crates"
        self.first: int | None = None
        self.text: list[str] = []

    def line(self, line: str, name: str) -> None:
        if progress := re.match(r"\s*Building \[.*?\] (\d+)/(\d+)(?:: (.*))?", line):
            self.done, self.total, self.now = int(progress[1]), int(progress[2]), progress[3] or ""
            self.known = True
        elif "Downloading" in line or "Blocking" in line:
            self.now = line.strip()
        elif line.strip() and not self._ROUTINE.match(line):
            self.text.append(line)

    def left(self) -> float:
        if not self.running:
            return 0
        return self.seconds * (1 - self.done / self.total if self.total else 1)

    def report(self) -> str:
        self.wait()
        return "\n".join(self.text)

    def warnings(self) -> str:
        return "".join(f"{line}\n" for line in self.text)

    def __str__(self) -> str:
        if not self.running:
            return "program done"
        now = self.now.split(", ")
        return f"crate {self.done} of {self.total} ({', '.join(now[:2])})" if self.total else self.now


class Guest(Job):
    """The guest's build, as `wasm-run guest build` would start it."""

    what = "the guest (CPython and NumPy as WebAssembly)"

    def __init__(self):
        cache = _cache_directory()
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__([
            sys.executable, str(ROOT / "wasm-python" / "build.py"), "--json-progress", "--image", "base",
            "--work", str(cache / "work"), "--output", str(cache / "work" / "out-first"), "--cache", str(cache / "downloads"),
        ])  # fmt: skip
        self.steps: list[dict] = []
        self.step, self.index = "", 0
        self.text: list[str] = []

    def line(self, line: str, name: str) -> None:
        try:
            event = json.loads(line) if name == "out" else {}
        except ValueError:
            event = {}
        match event.get("event"):
            case "plan":
                self.steps = [step for step in event["steps"]]
                self.known = True
            case "started":
                self.step, self.index = event["description"], event["index"]
            case "finished":
                self.steps[event["index"] - 1]["done"] = True
            case "waiting":
                self.step = "waiting for another build"
            case "failed":
                self.text.append("\n".join([event["error"], *event["tail"], f"The whole output is in {event['log']}"]))
            case None if name == "err":
                self.text.append(line)

    def left(self) -> float:
        if not self.running:
            return 0
        if not self.steps:
            return sum(STEP_SECONDS.values())
        return sum(STEP_SECONDS.get(step["step"], OTHER_STEP_SECONDS) for step in self.steps if not step["done"])

    def report(self) -> str:
        self.wait()
        return "\n".join(self.text[:1] or ["it ended without saying why"])

    def __str__(self) -> str:
        if not self.running:
            return "guest done"
        return f"guest {self.index} of {len(self.steps)}: {self.step}" if self.steps else "guest: beginning"


def _cache_directory() -> Path:
    """As `vivarium_guest::ImageStore::open` has it."""
    for variable, below in (("VIVARIUM_CACHE_DIR", ""), ("XDG_CACHE_HOME", "vivarium"), ("HOME", ".cache/vivarium")):
        if value := os.environ.get(variable):
            return Path(value).absolute() / below
    sys.exit("error: no directory for the guest image: set VIVARIUM_CACHE_DIR, XDG_CACHE_HOME or HOME")


if __name__ == "__main__":
    sys.exit(main())
