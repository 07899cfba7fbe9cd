"""The steps of the build: what to run, whether it has been run already, how long it took, where its output is.

A step owns a folder: `WORK/<name>` when all images share what it makes, `WORK/<series of Python>/<name>` when those of one
Python do, `WORK/<image>/<name>` when it is one image's. It starts from an empty folder and leaves a stamp when it is done,
which holds the key of its inputs: the pins, files and code it reads, and the keys of the steps it builds on. A step whose stamp
has the same key is skipped; any other state of the folder (an older key, a step that was interrupted) starts it again.
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

from .images import SOURCES, Image
from .pins import Pin

SOURCE_DATE_EPOCH = "1749600000"
"""The time of everything that asks for one, so that two builds give the same bytes (11 June 2025, CPython 3.13.5)."""


class BuildError(Exception):
    """The build cannot go on; the message says why and what can be done."""


class CommandFailed(BuildError):
    """A program of a step failed; the step's log has its output."""


class Scope(Enum):
    """Who shares what a step makes."""

    ALL = "all"
    """Every image."""
    PYTHON = "python"
    """The images with the same CPython."""
    IMAGE = "image"
    """One image has it for itself."""


@dataclass(frozen=True)
class Step:
    """One step of the build."""

    name: str
    description: str
    run: Callable[["Build"], None]
    after: tuple[str, ...] = ()
    """Steps whose results this one reads."""
    files: tuple[str, ...] = ()
    """Our files and folders it reads, relative to `wasm-python`."""
    scope: Scope = Scope.ALL
    values: dict[str, str] = field(default_factory=dict)
    """Pins and settings it depends on."""

    @staticmethod
    def pins(*pins: Pin) -> dict[str, str]:
        """Values of a step that depends on these files."""
        return {"pins": repr([asdict(pin) for pin in pins])}


class Reporter:
    """Tells what happens: sentences for people, or one JSON object a line for a program."""

    def __init__(self, as_json: bool):
        self.as_json = as_json

    def event(self, event: str, text: str | None = None, **fields) -> None:
        """Reports an event; `text` is what a person reads, and nothing is printed for people without it."""
        if self.as_json:
            print(json.dumps({"event": event, **fields}), flush=True)
        elif text is not None:
            print(text, flush=True)


class Build:
    """The build of one image in one work folder. The caller holds the folder's lock, whose file descriptor is `lock`.

    One that is `counting` makes a guest that counts how often its branches are taken, for profiles."""

    def __init__(self, image: Image, work: Path, cache: Path, jobs: int, reporter: Reporter, lock: int, counting: bool = False):
        self.image = image
        self.counting = counting
        self.work = work
        self.cache = cache
        self.jobs = jobs
        self.reporter = reporter
        self.lock = lock
        self.logs = work / "logs" / image.name
        self.seconds: dict[str, float] = {}
        self.keys: dict[str, str] = {}
        self._scopes: dict[str, Scope] = {}
        self._log: Path | None = None

    def run_steps(self, steps: Iterable[Step]) -> None:
        """Runs the steps that are not done yet, in order."""
        steps = list(steps)
        self._scopes |= {step.name: step.scope for step in steps}
        self.logs.mkdir(parents=True, exist_ok=True)
        plan = []
        for step in steps:
            self.keys[step.name] = self._key(step)
            plan.append({"step": step.name, "description": step.description, "done": self._seconds_when_done(step) is not None})
        self.reporter.event("plan", steps=plan)
        for index, step in enumerate(steps, 1):
            self._run_step(step, index, len(steps))

    def _run_step(self, step: Step, index: int, total: int) -> None:
        key, stamp = self.keys[step.name], self._stamp(step)
        place = {"step": step.name, "index": index, "total": total}
        head = f"[{index}/{total}] {step.name}: {step.description}"
        if (seconds := self._seconds_when_done(step)) is not None:
            self.seconds[step.name] = seconds
            self.reporter.event("finished", f"{head}: already done", **place, seconds=0.0, cached=True)
            return
        self._log = self.logs / f"{index:02}-{step.name}.log"
        self._log.write_text("")
        self.reporter.event(
            "started", f"{head} ...", **place, description=step.description, log=str(self._log)
        )
        stamp.unlink(missing_ok=True)
        folder = self.folder(step.name)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        start = time.monotonic()
        try:
            step.run(self)
        except Exception as error:
            tail = self._log.read_text(errors="replace").splitlines()[-20:]
            self.reporter.event("failed", None, **place, error=str(error), log=str(self._log), tail=tail)
            raise BuildError(
                "\n".join([f"step {step.name} failed: {error}", *tail, f"The whole output is in {self._log}"])
            ) from error
        seconds = round(time.monotonic() - start, 1)
        self.seconds[step.name] = seconds
        stamp.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(stamp, json.dumps({"key": key, "seconds": seconds}))
        self.reporter.event("finished", f"[{index}/{total}] {step.name}: {seconds:.0f} s", **place, seconds=seconds, cached=False)

    def _stamp(self, step: Step) -> Path:
        return self.work / "stamps" / self.folder(step.name).relative_to(self.work).with_suffix(".json")

    def _seconds_when_done(self, step: Step) -> float | None:
        """How long it took, when it has been run with the inputs it has now."""
        return _read_stamp(self._stamp(step), self.keys[step.name]) if self.folder(step.name).is_dir() else None

    def _key(self, step: Step) -> str:
        parts = {
            "name": step.name,
            "values": step.values,
            "after": {name: self.keys[name] for name in step.after},
            "files": {name: hash_tree(SOURCES / name, without="__pycache__") for name in step.files},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def folder(self, step: str) -> Path:
        """The folder that the step of this name owns."""
        match self._scopes.get(step, Scope.ALL):
            case Scope.ALL:
                return self.work / step
            case Scope.PYTHON:
                return self.python_folder / step
            case Scope.IMAGE:
                return self.work / self.image.name / step

    @property
    def python_folder(self) -> Path:
        """Where the folders of the steps are that images with the same CPython share."""
        return self.work / self.image.python.series

    def log(self, text: str) -> None:
        """Writes a line to the log of the running step."""
        with self._log.open("a") as log:
            log.write(text.rstrip("\n") + "\n")

    def logged(self) -> str:
        """What the running step has logged so far."""
        return self._log.read_text(errors="replace")

    def command(self, *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
        """Runs a program with its output in the step's log; fails the step when it fails."""
        arguments = [str(part) for part in command]
        self.log("$ " + " ".join(arguments))
        with self._log.open("a") as log:
            try:
                status = subprocess.run(
                    arguments, cwd=cwd or self.work, env=self.environment(env), stdin=subprocess.DEVNULL,
                    stdout=log, stderr=subprocess.STDOUT, pass_fds=[self.lock],
                ).returncode
            except OSError as error:
                raise CommandFailed(f"cannot run {arguments[0]}: {error}") from error
        if status != 0:
            raise CommandFailed(f"{Path(arguments[0]).name} ended with status {status}")

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        """The environment of programs: the user's, without what would change the result."""
        env = {name: value for name, value in os.environ.items() if not _changes_results(name)}
        env |= {
            "LC_ALL": "C",
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH,
            "PYTHONHASHSEED": "0",
            "ZIG_GLOBAL_CACHE_DIR": str(self.work / "zig-cache"),
            "ZIG_LOCAL_CACHE_DIR": str(self.work / "zig-cache"),
        }
        return env | (extra or {})


def _changes_results(name: str) -> bool:
    compiler = {
        "AR", "ARFLAGS", "BASECFLAGS", "CC", "CFLAGS", "CONFIG_SITE", "CPATH", "CPP", "CPPFLAGS", "CXX", "CXXFLAGS",
        "C_INCLUDE_PATH", "LD", "LDFLAGS", "LDSHARED", "LD_RUN_PATH", "LIBRARY_PATH", "LIBS", "MAKEFILES", "MAKEFLAGS",
        "MAKELEVEL", "MFLAGS", "NM", "OPT", "PKG_CONFIG_PATH", "PROFILE_TASK", "RANLIB", "STRIP",
    }  # fmt: skip
    return name in compiler or name.startswith(("PYTHON", "ZIG_", "MESON", "NINJA", "LC_", "CARGO_BUILD_"))


def _read_stamp(stamp: Path, key: str) -> float | None:
    """The seconds that the step took when it ran with this key; None when it has to run."""
    try:
        content = json.loads(stamp.read_text())
        return float(content["seconds"]) if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file so that no reader ever sees a part of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.replace(path)


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_tree(root: Path, without: str | None = None) -> str:
    """The sha256 of a file, or of a folder: of its files' paths and contents, in the order of their paths.

    Folders with the name `without` are left out.
    """
    if root.is_file():
        return hash_file(root)
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        relative = path.relative_to(root)
        if without not in relative.parts:
            digest.update(f"{relative.as_posix()}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()
