#!/usr/bin/env python3
"""The documentation as a site, and a check of its links.

    tools/docs.py --check                  every relative link of every document leads to a file, and to a heading in it
    tools/docs.py --output target/book     the site; mdBook is taken from the PATH, or installed into target/tools

The documents are written to be read in the repository. For the site they are copied in their places, so that their links hold; links to
files that are no documents become plain text.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MDBOOK = "0.5.4"

CHAPTERS = {
    "Begin here": ["docs/for-function-authors.md", "docs/for-embedders.md", "docs/for-operators.md"],
    "Functions": ["docs/functions.md", "docs/columns.md", "docs/types.md", "docs/files.md", "docs/environments.md", "docs/packages.md", "docs/images.md", "docs/conformance.md"],
    "Engines": ["docs/sql.md", "docs/flink.md"],
    "Operation": ["docs/threat-model.md", "docs/wasmtime.md", "docs/attacks.md", "docs/wasi.md", "docs/building.md", "docs/measuring.md", "docs/benchmarks.md"],
    "The project": ["ARCHITECTURE.md", "wasm-python/README.md", "wasm-python/ABI.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"],
}

LINK = re.compile(r"(?<!!)\[([^\]\[]*(?:\[[^\]]*\])?[^\]\[]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Checks, or builds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    problems = check()
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if arguments.check or problems:
        print(f"{len(_documents())} documents: {len(problems)} problems")
        return 1 if problems else 0
    if arguments.output is None:
        parser.error("--check or --output is needed")
    build(arguments.output.resolve())
    return 0


def _documents() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard", "--", "*.md"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in names.decode().split("\0") if name]


def check() -> list[str]:
    """What is wrong with links, and with the list of chapters."""
    problems = []
    for document in _documents():
        for target in _links(document.read_text()):
            path, _, heading = target.partition("#")
            file = (document.parent / path).resolve() if path else document
            where = f"{document.relative_to(ROOT)}: {target}"
            if not file.exists():
                problems.append(f"{where}: there is no such file")
            elif heading and file.suffix == ".md" and heading not in _headings(file.read_text()):
                problems.append(f"{where}: there is no such heading")
    chapters = {name for names in CHAPTERS.values() for name in names}
    problems += [f"tools/docs.py: there is no {name}" for name in sorted(chapters) if not (ROOT / name).is_file()]
    missing = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")} - chapters
    return problems + [f"tools/docs.py: {name} is no chapter" for name in sorted(missing)]


def _links(text: str) -> list[str]:
    return [link[2] for link in LINK.finditer(FENCE.sub("", text)) if not re.match(r"[a-z]+:", link[2])]


def _headings(text: str) -> set[str]:
    """Anchors of a document, as they are made of its headings."""
    headings = set()
    for line in re.findall(r"^#+ +(.*)$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line).strip().lower()
        headings.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return headings


def build(output: Path) -> None:
    """Writes the site."""
    source = output.with_name("book-source")
    shutil.rmtree(source, ignore_errors=True)
    chapters = ["README.md", *(name for names in CHAPTERS.values() for name in names)]
    for name in chapters:
        target = source / "src" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_without_links_outside(name, set(chapters)))
    for folder in ROOT.glob("docs/*/"):
        shutil.copytree(folder, source / "src" / "docs" / folder.name)
    lines = ["# Summary\n\n[Vivarium](README.md)\n"]
    for part, names in CHAPTERS.items():
        lines.append(f"\n# {part}\n\n")
        lines += [f"- [{_title(ROOT / name)}]({name})\n" for name in names]
    (source / "src" / "SUMMARY.md").write_text("".join(lines))
    (source / "book.toml").write_text('[book]\ntitle = "Vivarium"\nlanguage = "en"\n\n[output.html]\nno-section-label = true\n')
    subprocess.run([_mdbook(), "build", "--dest-dir", output, source], check=True)
    print(output / "index.html")


def _without_links_outside(name: str, chapters: set[str]) -> str:
    folder = (ROOT / name).parent

    def replaced(link: re.Match) -> str:
        target = link[2].partition("#")[0]
        if not target or re.match(r"[a-z]+:", target):
            return link[0]
        path = (folder / target).resolve()
        inside = path.is_relative_to(ROOT) and (str(path.relative_to(ROOT)) in chapters or path.is_relative_to(ROOT / "docs"))
        return link[0] if inside else link[1]

    return LINK.sub(replaced, (ROOT / name).read_text())


def _title(document: Path) -> str:
    return re.search(r"^# (.*)$", document.read_text(), re.MULTILINE)[1]


def _mdbook() -> str:
    if found := shutil.which("mdbook"):
        return found
    tools = ROOT / "target" / "tools"
    program = tools / "bin" / "mdbook"
    if not program.exists():
        print(f"installing mdBook {MDBOOK} below {tools}, once: some minutes", file=sys.stderr)
        subprocess.run(["cargo", "install", "mdbook", "--locked", "--version", MDBOOK, "--root", tools], check=True)
    return str(program)


if __name__ == "__main__":
    sys.exit(main())
