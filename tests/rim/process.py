"""Runs the program once, as a user with a clock and a Ctrl-C key would."""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

KEPT = 4 << 20
"""Bytes of each output that are kept; the rest is read and thrown away."""

UNTIL_KILLED = 30.0
"""Seconds after an interrupt; then the process is killed and the case has failed anyway."""


@dataclass
class Outcome:
    status: int | None = None
    """The exit status, or None when a signal ended the process."""
    signal: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    """Seconds of processor time of the process and its children."""
    memory: int = 0
    """The largest resident set of the process or one of its children, in bytes."""
    stdout: bytes = b""
    stderr: bytes = b""
    stop: float | None = None
    """Seconds from the interrupt to the end, when there was one."""
    killed: bool = False
    left: bool = False
    """Another process of its group was still there afterwards."""


class _Drain(threading.Thread):
    """Reads a pipe to its end and keeps the beginning."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.kept = pipe, bytearray()
        self.start()

    def run(self) -> None:
        with self.pipe:
            while part := os.read(self.pipe.fileno(), 1 << 16):
                if len(self.kept) < KEPT:
                    self.kept += part


def run(command: list[str], folder: Path, environment: dict, patience: float, stdin: Path | None = None, group: bool = True) -> Outcome:
    """Runs a command; after `patience` seconds it is interrupted, as Ctrl-C does it (the whole `group`), or the process alone."""
    started = time.monotonic()
    with stdin.open("rb") if stdin else contextlib.nullcontext(subprocess.DEVNULL) as source:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    outputs = [_Drain(process.stdout), _Drain(process.stderr)]
    outcome = Outcome()
    descriptor = os.pidfd_open(process.pid)
    try:
        if _wait(descriptor, patience) is None:
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
            outcome.stop = _wait(descriptor, UNTIL_KILLED)
            if outcome.stop is None:
                outcome.killed, outcome.stop = True, UNTIL_KILLED
                _kill(process.pid)
                _wait(descriptor, float("inf"))
    finally:
        os.close(descriptor)
    outcome.seconds = time.monotonic() - started
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    outcome.status, outcome.signal = (None, -code) if code < 0 else (code, 0)
    outcome.processor = usage.ru_utime + usage.ru_stime
    outcome.memory = usage.ru_maxrss * 1024
    outcome.left = not outcome.killed and _left(process.pid)
    _kill(process.pid)
    for output in outputs:
        output.join(5)
    outcome.stdout, outcome.stderr = (bytes(output.kept) for output in outputs)
    return outcome


def _wait(descriptor: int, seconds: float) -> float | None:
    """Waits for the end of a process; returns how long that took, or None when it goes on after `seconds`. Time in which this program was
    itself stopped, or not given a processor, does not count."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    waited = 0.0
    while waited < seconds:
        before = time.monotonic()
        ended = poll.poll(100)
        waited += min(time.monotonic() - before, 0.3)
        if ended:
            return waited
    return None


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _left(group: int) -> bool:
    """Whether processes of the group go on without their first one. Those that are killed take a moment."""
    for _ in range(20):
        if not _alive(group):
            return False
        time.sleep(0.05)
    return True


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, _, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(its_group) == group and state not in "ZX":
                    return True
    return False
