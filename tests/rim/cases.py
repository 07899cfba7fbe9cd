"""Cases: each has a number, and everything about it follows from the number and the seed of the run."""

import json
import os
import random
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import arrow_files
import byte_changes
import parquet_files
import statements
import text_files
from seeds import EXTENSION, Seed

SECRET = "not-for-statements-5d41402abc4b"
"""What the file says that no statement may reach."""

FUNCTION = """\
from vivarium import udf

@udf
def f(a: int) -> int:
    return a + 1
"""

FUNCTIONS = """\
from vivarium import udaf, udf

@udf
def f(a: int) -> int:
    return a + 1

@udf
def g(s: str) -> str:
    return s.upper()

@udf
def spin(a: int) -> int:
    while True:
        pass

@udf
def big(a: int) -> int:
    return len(bytearray(10**10))

@udaf
class total:
    def create_accumulator(self): return [0]
    def accumulate(self, acc, a: int): acc[0] += a
    def merge(self, acc, other): acc[0] += other[0]
    def get_value(self, acc) -> int: return acc[0]
"""


@dataclass
class Case:
    name: str
    """FORMAT:NUMBER, or sql:NUMBER."""
    kind: str
    """What was changed, and what is done with it."""
    arguments: list[str]
    """Of the program, which runs in the case's folder `here`."""
    files: dict[str, bytes]
    """Below `here`."""
    stdin: str | None = None
    rows: set[int] | None = None
    """How many rows there may be after status 0: in the output file, or as the query counts them. None: any number."""
    output: str | None = None
    """The file that status 0 leaves."""
    writes: bool = False
    """Statements may leave files in `allowed`."""
    is_table: bool = False
    """Standard output is for reading."""
    is_query: bool = False
    """A case of statements, with a folder that they may use and one that they may not."""
    group: bool = True
    """Interrupts go to the whole group of processes, as Ctrl-C's do."""
    extra: dict = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Makes the case's folders."""
        here, outside = folder / "here", folder / "outside"
        for each in (here, outside, folder / "tmp"):
            each.mkdir(parents=True)
        (outside / "secret.csv").write_text(f"line\n{SECRET}\n")
        for name, data in self.files.items():
            data = data.replace(b"@OUTSIDE@", os.fsencode(outside)) if name.endswith(".sql") else data
            (here / name).write_bytes(data)
        if self.is_query:
            allowed = here / "allowed"
            allowed.mkdir()
            (allowed / "good.csv").write_text("line\nx\n")
            (allowed / "link.csv").symlink_to("../../outside/secret.csv")
            (allowed / "folder").symlink_to("../../outside")
            for fifo in (here / "fifo.csv", allowed / "fifo.csv"):
                os.mkfifo(fifo)

    def script(self) -> str:
        """A shell script that runs the kept case again."""
        stdin = f" < {shlex.quote(self.stdin)}" if self.stdin else ""
        return f'cd "$(dirname "$0")/here"\n${{WR:-wasm-run}} {shlex.join(self.arguments)}{stdin}\n'

    def description(self) -> str:
        return json.dumps({
            "name": self.name, "kind": self.kind, "arguments": self.arguments, "stdin": self.stdin, "output": self.output,
            "rows": None if self.rows is None else sorted(self.rows), "writes": self.writes, "is_table": self.is_table,
            "is_query": self.is_query, "group": self.group,
        }, indent=1)  # fmt: skip


def kept(folder: Path) -> Case:
    """A case that was kept in a folder."""
    about = json.loads((folder / "case.json").read_text())
    about["rows"] = None if about["rows"] is None else set(about["rows"])
    files = {path.name: path.read_bytes() for path in (folder / "here").iterdir() if path.is_file() and not path.is_symlink()}
    files.pop(about["output"], None)
    return Case(files=files, **about)


def keep(case: Case, folder: Path, to: Path, report: str) -> None:
    """Moves the folder of a case that failed to where failures are kept."""
    shutil.rmtree(to, ignore_errors=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, to)
    if case.is_query:
        (to / "here" / "q.sql").write_bytes(case.files["q.sql"].replace(b"@OUTSIDE@", os.fsencode(to.resolve() / "outside")))
    (to / "cmd.sh").write_text(case.script())
    (to / "case.json").write_text(case.description())
    (to / "problem.txt").write_text(report, errors="backslashreplace")


# ---- Data files ----

COMMANDS = ("run", "count", "select")
OUTPUTS = ("json", "json", "parquet", "arrow", "json", "csv")
STRUCTURED = {"parquet": parquet_files, "arrow": arrow_files, "stream": arrow_files}
ANY_ROWS = {"arrow": arrow_files.ANY_ROWS, "stream": arrow_files.ANY_ROWS_IN_STREAM}
TEXT = {"csv": text_files.CSV, "json": text_files.JSON}
SPECIALS: dict[str, list[Callable[[], bytes]]] = {
    "parquet": parquet_files.SPECIALS, "arrow": [], "stream": arrow_files.SPECIALS, "csv": text_files.CSV_SPECIALS,
    "json": text_files.JSON_SPECIALS,
}  # fmt: skip


def file_case(format: str, number: int, seed: int, seeds: list[Seed]) -> Case:
    """The first ones are the valid files as they are, then come those made from nothing, then mutations."""
    rng = random.Random(f"{seed} {format} {number}")
    specials = SPECIALS[format]
    if number < len(seeds):
        what, data, rows = seeds[number].name, seeds[number].data, {seeds[number].rows}
    elif number < len(seeds) + len(specials) or (specials and rng.randrange(100) == 0):
        place = number - len(seeds)
        special = specials[place] if place < len(specials) else rng.choice(specials)
        what, data, rows = special.__name__, special(), None
    else:
        what, data, rows = _mutation(format, rng, seeds)
    command = COMMANDS[number % 3]
    return _with_command(f"{format}:{number}", what, EXTENSION[format], data, rows, command, number // 3)


def _mutation(format: str, rng: random.Random, seeds: list[Seed]) -> tuple[str, bytes, set[int] | None]:
    seed, other = rng.choice(seeds), rng.choice(seeds)
    module = STRUCTURED.get(format)
    if module and rng.randrange(5) < 3:
        mutate = rng.choice(module.MUTATORS)
        tree = parquet_files.Parquet(seed.data) if format == "parquet" else arrow_files.Ipc(seed.data)
        rows = None if mutate in ANY_ROWS.get(format, ()) else {seed.rows}
        return f"{mutate.__name__} of {seed.name}", mutate(tree, rng), rows
    if not module and rng.randrange(2):
        mutate = rng.choice(TEXT[format])
        rows = {seed.rows} if mutate in text_files.SAME_ROWS else None
        return f"{mutate.__name__} of {seed.name}", mutate(bytearray(seed.data), rng), rows
    mutate = rng.choice(byte_changes.MUTATORS)
    data = mutate(bytearray(seed.data), rng, other.data)
    if format == "json" and mutate is byte_changes.truncation and _is_cut(data):
        return f"truncation of {seed.name}", data, set()
    if not module:
        return f"{mutate.__name__} of {seed.name}", data, None
    # The end of another file over the beginning of this one can be that file, whole.
    rows = {seed.rows, other.rows} if mutate is byte_changes.splice else {seed.rows}
    return f"{mutate.__name__} of {seed.name}", data, rows


def _is_cut(data: bytes) -> bool:
    """Whether the last line is the beginning of an object."""
    last = data.rpartition(b"\n")[2]
    try:
        return bool(last.strip()) and json.loads(last) is None
    except ValueError:
        return True


def _with_command(name: str, what: str, extension: str, data: bytes, rows: set[int] | None, command: str, turn: int) -> Case:
    file, files = f"in.{extension}", {f"in.{extension}": data}
    stdin = file if turn % 8 == 5 else None
    source, format = ("-", ["--input-format", extension]) if stdin else (file, [])
    output = f"out.{OUTPUTS[turn % len(OUTPUTS)]}"
    case = Case(name, f"{what}, {command}{' from stdin' if stdin else ''}", [], files, stdin=stdin, rows=rows, group=turn % 2 == 0)
    match command:
        case "run":
            files["f.py"] = FUNCTION.encode()
            case.arguments = ["run", "f.py", "-i", source, *format, "--as", "r", "-o", output, "--json"]
            case.output = output
        case "count":
            case.arguments = ["sql", "SELECT count(*) AS n, count(a) AS k FROM t", "--table", f"t={source}", *format, "--json"]
        case "select":
            case.arguments = ["sql", "SELECT * FROM t", "--table", f"t={source}", *format, "-o", output]
            case.output = output
    return case


def given_file(path: Path) -> list[Case]:
    """A file with all commands."""
    extension = path.suffix.lstrip(".")
    return [_with_command(f"{path.name}:{command}", "given", extension, path.read_bytes(), None, command, 0) for command in COMMANDS]


# ---- Statements ----


def query_case(number: int, seed: int, seeds: dict[str, list[Seed]]) -> Case:
    rng = random.Random(f"{seed} sql {number}")
    kind, text = statements.statement(rng, number)
    return _query(f"sql:{number}", kind, text, rng, seeds)


def given_statements(path: Path, seeds: dict[str, list[Seed]]) -> Case:
    return _query(path.name, "given", path.read_text(), random.Random(0), seeds)


def _query(name: str, kind: str, text: str, rng: random.Random, seeds: dict[str, list[Seed]]) -> Case:
    table = rng.choice(["own.parquet"] * 4 + ["own-file.arrow", "own.json"])
    data = next(each.data for every in seeds.values() for each in every if each.name == table)
    file = "t." + table.rpartition(".")[2]
    files = {"q.sql": text.encode(), file: data, "functions.py": FUNCTIONS.encode()}
    arguments = ["sql", "--file", "q.sql", "--udf", "functions.py", "--table", f"t={file}", "--allow", "allowed"]
    case = Case(name, kind, arguments, files, is_query=True, group=rng.randrange(2) == 0)
    destination = rng.randrange(6)
    if destination == 4:
        arguments.append("--json")
    elif destination == 5:
        case.output = f"out.{rng.choice(OUTPUTS)}"
        arguments += ["-o", case.output]
    else:
        case.is_table = True
    arguments += rng.choice([[], [], [], [], ["--query-memory", "128MiB"], ["--partitions", "1"], ["--explain"], ["--analyze"], ["--partitions", "64"]])
    # What a COPY that fails leaves is a failure, unless other statements of the script have written, too.
    writing = text.upper()
    case.writes = writing.count("COPY") + writing.count("INSERT") != 1 or ";" in text.strip().rstrip(";")
    return case
