#!/usr/bin/env python3
"""What sandboxes cost a Flink job, against stock workers: both take turns on one cluster. Prints a table.

    tests/flink/figures.py [--rows N] [--rounds N]

Rows per second of the whole job, JVM included, and processor seconds of the Python workers, which are steadier on a shared machine.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import run

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")


class WorkerTime:
    """Processor seconds and largest memory of the workers that run meanwhile."""

    def __init__(self, mark: str):
        self._mark, self._seconds, self._kilobytes, self._ended = mark.encode(), {}, {}, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _watch(self):
        while not self._ended.wait(0.05):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    if self._mark in (folder / "cmdline").read_bytes():
                        fields = (folder / "stat").read_text().rpartition(")")[2].split()
                        self._seconds[folder.name] = (int(fields[11]) + int(fields[12])) / TICKS
                        private = re.findall(r"^(?:Private_Dirty|Private_Clean): +(\d+)", (folder / "smaps_rollup").read_text(), re.MULTILINE)
                        self._kilobytes[folder.name] = max(sum(map(int, private)), self._kilobytes.get(folder.name, 0))
                except OSError:
                    pass  # has ended

    @property
    def seconds(self) -> float:
        return sum(self._seconds.values())

    @property
    def megabytes(self) -> float:
        return max(self._kilobytes.values(), default=0) / 1024


def measure(cluster, launcher: Path, mark: str, kind: str, rows: int) -> tuple[float, float, float]:
    with WorkerTime(mark) as worker:
        output = cluster.run(HERE / "figures_job.py", launcher, kind, str(rows))
    found = re.search(r"RESULT ([\d.]+)", output)
    if not found:
        raise run.Failure(output[-3000:])
    return rows / float(found[1]), worker.seconds, worker.megabytes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wasm-run", type=Path, default=run.ROOT / "target" / "debug" / "wasm-run")
    parser.add_argument("--flink", type=Path, default=Path.home() / ".cache" / "vivarium-flink-2.3")
    arguments = parser.parse_args()
    flink, python = run.install(arguments.flink), arguments.flink / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="vivarium-flink-") as name:
        folder = Path(name)
        subprocess.run([arguments.wasm_run, "flink", "install", "--quiet", folder / "launchers"], check=True)
        sides = {"stock": (python, "pyflink.fn_execution.beam"), "sandbox": (folder / "launchers" / "vvpython3.11", "flink\0worker")}
        (folder / "cluster").mkdir()
        print("| job | side | rows/s | worker CPU s | private MB |\n|---|---|---|---|---|", flush=True)
        with run.Cluster(flink, python, folder / "cluster") as cluster:
            for kind in ("add", "upper", "state"):
                rows = arguments.rows if kind != "state" else arguments.rows // 10
                found = {side: [] for side in sides}
                for _ in range(arguments.rounds):
                    for side, (launcher, mark) in sides.items():
                        found[side].append(measure(cluster, launcher, mark, kind, rows))
                for side, figures in found.items():
                    speed, seconds, memory = (statistics.median(column) for column in zip(*figures, strict=True))
                    print(f"| {kind}, {rows:,} rows | {side} | {speed:,.0f} | {seconds:.2f} | {memory:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    start = time.monotonic()
    status = main()
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    sys.exit(status)
