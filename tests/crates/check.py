#!/usr/bin/env python3
"""Checks the crates that are linked against deny.toml: licences, sources, bans and large duplicates. Needs no network.

cargo-deny reads the same file and checks advisories besides, for which it needs the advisory database:
`cargo install cargo-deny --locked && cargo deny check`.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")


def main() -> int:
    """Prints every problem; 1 when there is one."""
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    packages = _packages()
    problems = [*_licenses(packages, set(rules["licenses"]["allow"])), *_bans(packages, rules["bans"]["deny"]), *_sources(packages)]
    problems += _oracle(packages)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"{len(packages)} crates: {len(problems)} problems")
    return 1 if problems else 0


def _packages() -> list[dict]:
    """Every package that is compiled for Linux, tests included."""
    found = {}
    for platform in PLATFORMS:
        command = ["cargo", "metadata", "--format-version=1", "--all-features", f"--filter-platform={platform}"]
        metadata = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
        used = {node["id"] for node in metadata["resolve"]["nodes"]}
        found |= {package["id"]: package for package in metadata["packages"] if package["id"] in used}
    return sorted(found.values(), key=lambda package: (package["name"], package["version"]))


def _licenses(packages: list[dict], allowed: set[str]) -> list[str]:
    problems = []
    for package in packages:
        expression = package["license"]
        if expression is None:
            problems.append(f"{_title(package)} states no licence")
        elif not satisfied(expression, allowed):
            problems.append(f"{_title(package)} is under {expression}, which deny.toml does not allow")
    return problems


def satisfied(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be fulfilled with these licences. A slash is an old spelling of OR."""
    tokens = re.findall(r"[()]|\bAND\b|\bOR\b|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", expression.replace("/", " OR "))

    def one_of() -> bool:
        result = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = all_of() or result
        return result

    def all_of() -> bool:
        result = single()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = single() and result
        return result

    def single() -> bool:
        token = tokens.pop(0)
        if token != "(":
            return re.sub(r"\s+", " ", token) in allowed
        result = one_of()
        tokens.pop(0)
        return result

    return one_of()


def _bans(packages: list[dict], rules: list[dict]) -> list[str]:
    versions = defaultdict(list)
    for package in packages:
        versions[package["name"]].append(package["version"])
    problems = []
    for rule in rules:
        name = rule["crate"]
        if rule.get("deny-multiple-versions"):
            if name not in versions:
                problems.append(f"deny.toml speaks of {name}, which is not there")
            elif len(versions[name]) > 1:
                problems.append(f"{name} is there in versions {', '.join(versions[name])}")
        elif name in versions:
            problems.append(f"{name} is banned by deny.toml")
    return problems


def _sources(packages: list[dict]) -> list[str]:
    return [f"{_title(package)} comes from {package['source']}" for package in packages if package["source"] not in (None, REGISTRY)]


def _oracle(packages: list[dict]) -> list[str]:
    """The WASI that ours is compared with is that of the wasmtime we have, and runs on it."""
    ours = {package["version"] for package in packages if package["name"] == "wasmtime"}
    locked = tomllib.loads((ROOT / "tests/wasi/Cargo.lock").read_text())["package"]
    return [
        f"tests/wasi/Cargo.lock has {package['name']} {package['version']}, and the workspace wasmtime {', '.join(sorted(ours))}"
        for package in locked
        if package["name"] in ("wasmtime", "wasmtime-wasi") and {package["version"]} != ours
    ]


def _title(package: dict) -> str:
    return f"{package['name']} {package['version']}"


if __name__ == "__main__":
    sys.exit(main())
