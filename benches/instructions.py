"""The regression check: instructions of the row loop, functions as columns, calls, the exchange and the checkout, against a stored baseline.

    python3 benches/instructions.py [--binary target/debug/vivarium-counted] [--update]

Callgrind (Debian's package valgrind) counts a run with N repetitions and one with 2 N; the difference over N is what a repetition takes, and
starting up is not in it. A part that takes more than its tolerance above the baseline fails the check; one that takes less says so, and
--update writes what was counted into instructions.json, to be committed with the change that made the difference.

The guest is compiled for any x86-64 processor and the epoch does not tick, so counts depend neither on the machine nor on its speed. What
is left (addresses, hash tables of the host) moves them by less than the tolerances.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

BASELINE = Path(__file__).with_name("instructions.json")
# How often each run is counted.
COUNTS = 3
# Repetitions of the shorter run.
PARTS = {"row-loop": 8, "columns": 40, "vectorized": 100, "one-row": 500, "exchange": 40, "checkout": 2000}


def collected(binary: Path, part: str, repetitions: int) -> int:
    """Instructions of a whole run."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(binary), part, str(repetitions)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected *: *(\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return int(found[1])


def lowest(binary: Path, part: str, repetitions: int) -> int:
    """Instructions of a repetition: of several counts the lowest.

    Starting may take more than usual, never less: code that was written a moment ago, or whose file was linked meanwhile, is read and
    hashed once more.
    """
    once, twice = (min(collected(binary, part, times * repetitions) for _ in range(COUNTS)) for times in (1, 2))
    return round((twice - once) / repetitions)


def main() -> int:
    """Returns 1 when a part has become more expensive."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binary", type=Path, default=Path("target/debug/vivarium-counted"))
    arguments.add_argument("--update", action="store_true", help="store what is counted as the new baseline")
    options = arguments.parse_args()
    baseline = json.loads(BASELINE.read_text())
    # The first one compiles the guest.
    subprocess.run([options.binary, "prepare"], check=True)
    failed = False
    for part, repetitions in PARTS.items():
        each = lowest(options.binary, part, repetitions)
        entry = baseline.setdefault(part, {"instructions": each, "tolerance": 0.05})
        change = each / entry["instructions"] - 1
        verdict = "ok"
        if change > entry["tolerance"]:
            verdict, failed = "REGRESSION", True
        elif change < -entry["tolerance"]:
            verdict = "better; store it with --update"
        print(f"{part}: {each:,} instructions, baseline {entry['instructions']:,}, {change:+.1%} (tolerance {entry['tolerance']:.0%}): {verdict}", flush=True)
        if options.update:
            entry["instructions"] = each
    if options.update:
        BASELINE.write_text(json.dumps(baseline, indent=2) + "\n")
        return 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
