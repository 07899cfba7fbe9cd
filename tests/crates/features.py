#!/usr/bin/env python3
"""Whether a build of some packages compiles the same dependencies as one of the whole workspace: same features, same profiles.

    tests/crates/features.py -- --package wasm-run ... --no-default-features

Where they differ cargo compiles a dependency, and all that rests on it, twice. Then crates/unified-features lacks what is printed here.
Nothing is compiled: cargo is asked for its plan.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Prints differences; 1 when there are some."""
    selection = [argument for argument in sys.argv[1:] if argument != "--"]
    some, whole = Plan(selection), Plan(["--workspace"])
    known = set(whole.identities)
    problems = [
        f"{some.title(index)}: {whole.other_features(some.units[index])}"
        for index, identity in enumerate(some.identities)
        # The first ones: what depends on a different unit differs, too.
        if identity not in known and all(some.identities[d["index"]] in known for d in some.units[index]["dependencies"])
        and not some.is_ours(index)
    ]  # fmt: skip
    for problem in problems:
        print(f"error: compiled twice: {problem}", file=sys.stderr)
    print(f"{len(some.units)} of {len(whole.units)} units: {len(problems)} differ")
    return 1 if problems else 0


class Plan:
    """What cargo would compile."""

    def __init__(self, selection: list[str]):
        command = ["cargo", "build", *selection, "--unit-graph", "-Zunstable-options"]
        # The plan is an unstable output of the stable cargo, too.
        env = os.environ | {"RUSTC_BOOTSTRAP": "1"}
        self.units = json.loads(subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True).stdout)["units"]
        sys.setrecursionlimit(10_000)
        self._known: dict[int, int] = {}
        self.identities = [self._identity(index) for index in range(len(self.units))]

    def _identity(self, index: int) -> int:
        if index not in self._known:
            unit = self.units[index]
            profile = {name: value for name, value in unit["profile"].items() if name != "name"}
            own = [unit["pkg_id"], unit["mode"], unit["features"], unit["target"]["name"], unit["target"]["kind"], profile]
            below = sorted(self._identity(dependency["index"]) for dependency in unit["dependencies"])
            self._known[index] = hash((json.dumps(own, sort_keys=True), *below))
        return self._known[index]

    def is_ours(self, index: int) -> bool:
        return self.units[index]["pkg_id"].startswith("path+")

    def title(self, index: int) -> str:
        unit = self.units[index]
        return f"{unit['pkg_id'].rpartition('/')[2]} with {unit['features']}"

    def other_features(self, unit: dict) -> str:
        same = [other for other in self.units if other["pkg_id"] == unit["pkg_id"] and other["target"] == unit["target"]]
        features = sorted({str(other["features"]) for other in same})
        return f"in the whole workspace with {' or '.join(features)}" if features else "not in the whole workspace"


if __name__ == "__main__":
    sys.exit(main())
