"""What has to be so after a run, whatever went in."""

import csv
import io
import os
import re
import struct
from pathlib import Path

import arrow_files
import thrift
from process import Outcome

DOCUMENTED = (0, 1, 2, 3, 4, 5, 130)
MEMORY = 1 << 30
STOP = 1.0
"""Seconds that a process may take to end after an interrupt, on a machine that is not busy."""

# C0 but for tab and line feed, DEL, C1; marks that change the direction of text, and separators of lines that are none to a terminal.
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe]")


def problems(outcome: Outcome, secret: str, table_on_stdout: bool) -> list[str]:
    """What is wrong with a run, a sentence each. The first words say of which kind it is."""
    found = []
    if outcome.signal:
        found.append(f"signal {outcome.signal}" + (" (killed: did not stop after an interrupt)" if outcome.killed else ""))
    elif outcome.status not in DOCUMENTED:
        found.append(f"status {outcome.status}")
    if outcome.stop is not None and not outcome.killed and outcome.stop > STOP * slack():
        found.append(f"late: ended {outcome.stop:.1f} s after an interrupt")
    if outcome.memory > MEMORY:
        found.append(f"memory: {outcome.memory >> 20} MiB")
    if outcome.left:
        found.append("process left behind")
    found += _text_problems("standard error", outcome.stderr)
    if b"panicked at" in outcome.stderr:
        found.append("panic on standard error")
    if outcome.status not in (0, 130, None) and not outcome.stderr.strip():
        found.append(f"silent failure with status {outcome.status}")
    if table_on_stdout:
        found += _text_problems("standard output", outcome.stdout)
    if secret.encode() in outcome.stdout + outcome.stderr:
        found.append("secret file shown")
    if re.search(rb"root:[^:\n]*:0:0:", outcome.stdout + outcome.stderr):
        found.append("/etc/passwd shown")
    return found


def slack() -> float:
    """How much longer things take because the machine has other work."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _text_problems(where: str, data: bytes) -> list[str]:
    # What was cut off may have cut a character.
    text = data.decode(errors="replace") if len(data) < (4 << 20) else data[: 4 << 20].decode(errors="ignore")
    if match := FORBIDDEN.search(text):
        return [f"control character U+{ord(match[0]):04X} on {where}"]
    return []


# ---- Rows ----


def rows_in(path: Path) -> int | None:
    """How many rows an output file has; None when that cannot be told."""
    data = path.read_bytes()
    match path.suffix:
        case ".json":
            return sum(1 for line in data.splitlines() if line.strip())
        case ".csv":
            csv.field_size_limit(1 << 30)
            return sum(1 for _ in csv.reader(io.StringIO(data.decode(errors="replace"), newline=""))) - 1
        case ".parquet":
            (length,) = struct.unpack("<I", data[-8:-4])
            return thrift.get(thrift.Reader(data[-8 - length : -8]).struct(), 3)
        case ".arrow":
            return sum(message.batch.number(0, "<q") for message in arrow_files.Ipc(data).batches() if message.kind == arrow_files.BATCH)
    return None
