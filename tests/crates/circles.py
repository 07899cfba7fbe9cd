#!/usr/bin/env python3
"""Whether the modules of a crate take what they need from below: prints modules that use each other in a circle.

    tests/crates/circles.py            fails when there is a circle that is not listed below
    tests/crates/circles.py --arrows   says what each circle consists of, too

A module is a file or a folder in a crate's `src`; one uses another when it names it (`crate::name`), other than in comments and tests. What a
folder holds is not looked into.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Circles that there were when this check was written. The list only gets shorter.
KNOWN: set[tuple[str, ...]] = {
    ("vivarium", "aggregate", "function", "instances", "module", "tables", "task"),
    ("vivarium-guest", "description", "recipe"),
    ("wasm-run", "cli", "commands", "env_command", "environment", "failure", "files", "flink", "guest", "guest_test", "log", "metrics", "options",
     "process_sandbox", "progress", "sql", "supervisor"),
}  # fmt: skip


def main() -> int:
    """Prints every circle; 1 when there is one that is not known, or one that is known and gone."""
    found = set()
    for crate in sorted(path.parent for path in ROOT.glob("crates/*/src")):
        arrows = uses(crate / "src")
        for circle in circles(arrows):
            found.add((crate.name, *circle))
            if "--arrows" in sys.argv:
                for name in circle:
                    print(f"{crate.name}: {name} -> {', '.join(sorted(arrows[name] & set(circle)))}")
    for crate, *names in sorted(found - KNOWN):
        print(f"error: {crate}: {', '.join(names)} use each other; a module takes what it needs from below", file=sys.stderr)
    for crate, *names in sorted(KNOWN - found):
        print(f"error: {crate}: {', '.join(names)} are no circle any more: take them off the list in {Path(__file__).name}", file=sys.stderr)
    print(f"{len(found)} circles, {len(found - KNOWN)} of them new")
    return 1 if found != KNOWN else 0


def uses(source: Path) -> dict[str, set[str]]:
    """The modules of a crate, each with those that it names."""
    files = {path.stem if path.is_file() else path.name: [] for path in source.iterdir() if path.is_dir() or path.suffix == ".rs"}
    for path in source.rglob("*.rs"):
        files[path.relative_to(source).parts[0].removesuffix(".rs")].append(path)
    names = files.keys() - {"lib", "main"}
    return {name: {used for path in files[name] for used in named(path)} & names - {name} for name in names}


def named(path: Path) -> set[str]:
    """What stands behind `crate::` in a file, in braces too, without comments and tests."""
    if "tests" in path.parts or path.name == "tests.rs":
        return set()
    text = re.sub(r"//.*", "", path.read_text()).split("#[cfg(test)]\nmod tests")[0]
    grouped = {name for group in re.findall(r"crate::\{([^;]*)\};", text) for name in re.findall(r"(?:^|,)\s*(\w+)", group)}
    return grouped | set(re.findall(r"\bcrate::(\w+)", text))


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules of which each reaches every other one."""
    reached = {name: reach(name, arrows) for name in arrows}
    groups = {tuple(sorted(other for other in arrows if other in reached[name] and name in reached[other])) for name in arrows}
    return sorted(list(group) for group in groups if len(group) > 1)


def reach(start: str, arrows: dict[str, set[str]]) -> set[str]:
    seen, open_ends = set(), [start]
    while open_ends:
        for name in arrows[open_ends.pop()] - seen:
            seen.add(name)
            open_ends.append(name)
    return seen


if __name__ == "__main__":
    sys.exit(main())
