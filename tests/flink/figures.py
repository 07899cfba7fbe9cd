#!/usr/bin/env python3
"""What sandboxes cost a Flink job, against stock workers: both take turns on one cluster. Prints what was asked for and what is reached.

    tests/flink/figures.py                  3,000,000 rows a job, rounds for up to ten minutes; wants a machine with nothing else to do
    tests/flink/figures.py --write          also writes the tables of docs/flink.md
    tests/flink/figures.py --rows 100000 --rounds 1
                                            whether it works

Rows per second count from the moment that workers are ready to the end of the job. Processor seconds are of the Python workers, from
their start on, and steadier on a shared machine. All figures are medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster import HERE, ROOT, Cluster, Failure, install, write_document

BEGIN = "<!-- written by tests/flink/figures.py -->"

NAMES = {"add": "`x + 1`, BIGINT", "upper": "`x.upper()`, STRING", "state": "keyed process, value state"}


class Figures:
    """Medians of what was measured."""

    def __init__(self, found: list[dict]):
        self._found = found
        self.rounds = sum(each["kind"] == "first" and each["side"] == "stock" for each in found)

    def median(self, what: str, kind: str, side: str, bundle: int = 1000) -> float:
        wanted = (kind, side, bundle)
        return statistics.median(each[what] for each in self._found if (each["kind"], each["side"], each["bundle"]) == wanted)

    def ratio(self, what: str, kind: str, over: str = "stock", bundle: int = 1000) -> float:
        return self.median(what, kind, "sandbox", bundle) / self.median(what, kind, over, bundle)

    def asked(self) -> list[tuple[str, str, str, bool]]:
        """What, what was asked for, what is reached, and whether that is enough."""
        lines = []

        def faster(kind, least, over="stock", bundle=1000):
            ratio = self.ratio("rate", kind, over, bundle)
            beside = {"stock": "stock workers", "thread": "thread mode"}[over]
            size = "" if bundle == 1000 else f", bundles of {bundle:,}"
            lines.append((f"{NAMES[kind]}{size}: rows/s against {beside}", f"at least {least} times", f"{ratio:.2f} times", ratio >= least))

        for kind in ("add", "upper"):
            faster(kind, 2.5)
            share = self.ratio("cpu", kind)
            lines.append((f"{NAMES[kind]}: workers' processor time against stock's", "at most 0.20", f"{share:.2f}", share <= 0.2))
            faster(kind, 1.3, bundle=100_000)
            faster(kind, 1.0, "thread", 100_000)
        faster("state", 1.5)
        memory, stock = self.median("rss", "add", "sandbox"), self.median("rss", "add", "stock")
        lines.append(("memory of a worker, all of its pages", "under 60 MB", f"{memory:.0f} MB, stock {stock:.0f} MB", memory < 60))
        sooner = self.median("seconds", "first", "stock") - self.median("seconds", "first", "sandbox")
        lines.append(("first row of a later job", "0.5 s sooner than stock", f"{sooner:.2f} s sooner", sooner >= 0.5))
        return lines

    def text(self) -> str:
        lines = ["| | asked | reached | |", "|---|---|---|---|"]
        lines += [f"| {what} | {asked} | {reached} | {'yes' if enough else 'no'} |" for what, asked, reached, enough in self.asked()]
        lines += ["", "| job | bundle size | workers | rows/s | processor s | MB, all | MB, own |", "|---|---|---|---|---|---|---|"]
        for kind, bundle, side in dict.fromkeys((e["kind"], e["bundle"], e["side"]) for e in self._found if e["kind"] != "first"):
            cells = [f"{self.median('rate', kind, side, bundle):,.0f}"]
            if side == "thread":
                cells += ["", "", ""]
            else:
                cells += [f"{self.median('cpu', kind, side, bundle):.2f}"]
                cells += [f"{self.median(what, kind, side, bundle):.0f}" for what in ("rss", "own")]
            lines.append(f"| {NAMES[kind]} | {bundle:,} | {side} | {' | '.join(cells)} |")
        first = [f"{side} {self.median('seconds', 'first', side):.2f} s" for side in ("stock", "sandbox")]
        rows = max(each["rows"] for each in self._found if "rows" in each)
        ran = f"medians of {self.rounds} rounds" if self.rounds > 1 else "one round"
        return "\n".join([*lines, "", f"First row of a later job: {', '.join(first)}. {rows:,} rows, a tenth with state; {ran} on {os.cpu_count()} cores."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_000_000, help="of a job; a tenth of it where there is state (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="at most (%(default)s)")
    parser.add_argument("--seconds", type=float, default=600, help="after which no round begins that would end later (%(default)s)")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/flink.md")
    parser.add_argument("--wasm-run", type=Path, default=ROOT / "target" / "debug" / "wasm-run")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--flink", type=Path, default=cache / "vivarium-flink-2.3", help="where Flink is installed (%(default)s)")
    arguments = parser.parse_args()
    try:
        flink, python = install(arguments.flink), arguments.flink / "bin" / "python"
        with tempfile.TemporaryDirectory(prefix="vivarium-flink-") as name:
            folder = Path(name)
            subprocess.run([arguments.wasm_run, "flink", "install", "--quiet", folder / "launchers"], check=True)
            (folder / "cluster").mkdir()
            with Cluster(flink, python, folder / "cluster") as cluster:
                given = {"rest": cluster.rest, "sides": {"stock": str(python), "sandbox": str(folder / "launchers" / "vvpython3.11")}}
                given |= {name: getattr(arguments, name) for name in ("rows", "rounds", "seconds")}
                figures = Figures(measure(cluster, python, given))
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    print(figures.text())
    if arguments.write:
        write_document(BEGIN, figures.text())
    return 0


def measure(cluster: Cluster, python: Path, given: dict) -> list[dict]:
    """Runs the client, and shows what it says as it comes."""
    client = cluster.start(HERE / "figures_job.py", python, json.dumps(given))
    found, output = [], []
    for line in client.stdout:
        output.append(line)
        if line.startswith("RESULT "):
            found.append(json.loads(line[len("RESULT ") :]))
            print({name: round(value, 2) if isinstance(value, float) else value for name, value in found[-1].items()}, file=sys.stderr)
    if client.wait() != 0 or not found:
        raise Failure("".join(output)[-4000:])
    return found


if __name__ == "__main__":
    start = time.monotonic()
    status = main()
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    sys.exit(status)
