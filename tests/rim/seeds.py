"""Valid small tables that cases begin with."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

EXTENSION = {"parquet": "parquet", "arrow": "arrow", "stream": "arrow", "csv": "csv", "json": "json"}
"""By format. A stream is a file of Arrow's other format."""

CONTENT = """
SELECT CASE WHEN value % 7 = 6 THEN NULL ELSE value * 3 - 100 END AS a, CAST(value AS INT) AS i, CAST(value AS DOUBLE) / 8 AS f,
       value % 3 = 0 AS b, CASE value % 4 WHEN 0 THEN 'north' WHEN 1 THEN 'a longer text' WHEN 2 THEN '' END AS s,
       CAST(value AS DECIMAL(12, 2)) AS d, to_timestamp(1704067200 + value * 60) AS t
"""
NESTED = ", make_array(value, NULL, 3) AS l, named_struct('x', value, 'y', 'text') AS st"


class SeedsFailed(Exception):
    """There are no seeds; the message says why."""


@dataclass(frozen=True)
class Seed:
    name: str
    data: bytes
    rows: int


def prepare(binary: Path, folder: Path, python: Path | None) -> dict[str, list[Seed]]:
    """The seeds of all formats, in an order that is always the same. pyarrow writes some, the binary itself others."""
    found: dict[str, list[Seed]] = {format: [] for format in EXTENSION}
    for name, rows in sorted(_arrow_seeds(binary, folder, python).items()):
        format = "stream" if name.endswith("-stream.arrow") else name.rpartition(".")[2]
        found[format].append(Seed(name, (folder / "arrow" / name).read_bytes(), rows))
    for format, seed in _own_seeds(binary, folder / "own"):
        found[format].append(seed)
    for rows in (260, 290):
        found["csv"].append(_csv(rows))
        found["json"].append(_json(rows))
    return found


def _arrow_seeds(binary: Path, folder: Path, python: Path | None) -> dict[str, int]:
    folder = folder / "arrow"
    program = HERE / "arrow_seeds.py"
    stamp = hashlib.sha256(program.read_bytes()).hexdigest()
    if not (folder / "stamp").is_file() or (folder / "stamp").read_text() != stamp:
        folder.mkdir(parents=True, exist_ok=True)
        if python:
            _run([python, program, folder])
        else:
            # The Python of the guest's build, with the packages that its tests have.
            info = _run([binary, "guest", "info", "--json"])
            _run([sys.executable, "-B", ROOT / "wasm-python" / "tests" / "environment.py", program, folder], stdin=info)
        (folder / "stamp").write_text(stamp)
    return json.loads((folder / "manifest.json").read_text())


def _own_seeds(binary: Path, folder: Path) -> list[tuple[str, Seed]]:
    """What wasm-run writes itself."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = []

    def written(format: str, name: str, rows: int, *arguments: object) -> None:
        (folder / name).unlink(missing_ok=True)
        with (folder / "stdout").open("wb") as out:
            _run([binary, "sql", "--quiet", *arguments], cwd=folder, stdout=out)
        data = (folder / (name if (folder / name).exists() else "stdout")).read_bytes()
        seeds.append((format, Seed(name, data, rows)))

    def query(rows: int, content: str = CONTENT) -> str:
        return f"{content} FROM generate_series(0, {rows - 1})"

    written("parquet", "own.parquet", 241, query(241, CONTENT + NESTED), "-o", "own.parquet")
    for rows, options in [
        (242, "'format.compression' 'zstd(3)', 'format.max_row_group_size' 100, 'format.data_page_row_count_limit' 40"),
        (243, "'format.compression' 'uncompressed', 'format.dictionary_enabled' false, 'format.max_row_group_size' 90"),
        (244, "'format.compression' 'lz4_raw', 'format.writer_version' '2.0', 'format.statistics_enabled' 'none'"),
    ]:
        name = f"own-{rows}.parquet"
        copy = f"COPY ({query(rows)}) TO '{name}' STORED AS PARQUET OPTIONS ({options})"
        written("parquet", name, rows, copy, "--allow", ".")
    written("arrow", "own-file.arrow", 245, query(245, CONTENT + NESTED), "-o", "own-file.arrow")
    written("stream", "own-stream.arrow", 246, query(246, CONTENT + NESTED), "-o", "-", "--output-format", "arrow")
    written("csv", "own.csv", 247, query(247), "-o", "own.csv")
    written("json", "own.json", 248, query(248, CONTENT + NESTED), "-o", "own.json")
    return seeds


def _rows(count: int) -> list[dict]:
    words = ["north", "", "ünï", "with, a comma", 'and a "quote"', "two\nlines"]
    return [
        {"a": None if i % 7 == 6 else i * 3 - 100, "f": i / 8, "b": i % 3 == 0, "s": words[i % 6], "t": f"2024-01-{i % 28 + 1:02}T00:00:00"}
        for i in range(count)
    ]


def _csv(count: int) -> Seed:
    out = io.StringIO()
    writer = csv.DictWriter(out, list("afbst"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(count))
    return Seed(f"text-{count}.csv", out.getvalue().encode(), count)


def _json(count: int) -> Seed:
    rows = [row | {"l": [i, None][: i % 3], "st": {"x": i, "y": {"z": [str(i)]}}} for i, row in enumerate(_rows(count))]
    return Seed(f"text-{count}.json", "".join(json.dumps(row, ensure_ascii=i % 2 == 0) + "\n" for i, row in enumerate(rows)).encode(), count)


def _run(command: list, stdin: str | None = None, cwd: Path | None = None, stdout=subprocess.PIPE) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin or "", stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=cwd, env=os.environ)
    if done.returncode != 0:
        raise SeedsFailed(f"{' '.join(words)[:500]}\nended with status {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout or ""
