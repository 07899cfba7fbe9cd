"""The cases of slt.py: files of statements and queries, which run without functions first and with them afterwards."""

import bisect
import collections
import json
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.types as pt
import slt_files
import texts
import values
import written
from program import TARGET, Different, Program

FLAVOURS = {
    "each": 'null_handling="call"', "skip": 'null_handling="skip"', "array": "vectorized=True", "again": 'null_handling="call", deterministic=False',
}  # fmt: skip

FUNCTION = """

@udf(input_types=[{type!r}], result_type={type!r}, {flavour})
def {name}(x):
    return x
"""

LEFT_OUT = re.compile(
    r"\b(explain|arrow_typeof|random|uuid|now|current_date|current_time|current_timestamp|version|information_schema|show|describe|copy|set|"
    r"arrow_metadata|arrow_field|generate_series|unnest|pg_\w+)\b",
    re.IGNORECASE,
)
"""What a query is about when functions around its columns may change it: plans, types, chance and time. (Tables of functions take constants alone.)"""

TAKES_CONSTANTS = re.compile(r"\b(arrow_cast|arrow_try_cast|digest)\b", re.IGNORECASE)
"""Functions whose arguments have to be constants."""

CREATE = re.compile(r"^(create\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+)?(?:external\s+|unbounded\s+)*table\s+(?:if\s+not\s+exists\s+)?)([\w.\"]+)", re.IGNORECASE)
DROP = re.compile(r"^drop\s+table\s+(if\s+exists\s+)?([\w.\"]+)$", re.IGNORECASE)
INSERT = re.compile(r"^(insert\s+into\s+)([\w.\"]+)", re.IGNORECASE)


class Functions:
    """The Python file: functions that return what they get, made as they are asked for."""

    def __init__(self):
        self.parts = ["from vivarium import udf\n"]
        self.names: dict[tuple[str, str], str] = {}

    def of(self, kind: pa.DataType | str, flavour: str) -> str:
        """The name of a function for a type."""
        spelled = kind if isinstance(kind, str) else written.spelled(written.crossing(kind))
        if (spelled, flavour) not in self.names:
            name = self.names[spelled, flavour] = f"{flavour}_{len(self.names)}"
            self.parts.append(FUNCTION.format(type=spelled, flavour=FLAVOURS[flavour], name=name))
        return self.names[spelled, flavour]

    def text(self) -> str:
        return "".join(self.parts)


def crosses(kind: pa.DataType) -> bool:
    """Whether functions take values of the type."""
    return not written.has(
        kind,
        lambda one: pt.is_union(one) or (pt.is_interval(one) and one != pa.month_day_nano_interval()) or str(one).startswith("list_view")
        or (pt.is_struct(one) and one.num_fields == 0),
    )  # fmt: skip


class File:
    """One file on its way through the program."""

    def __init__(self, path: Path, asked: Program, seed: int):
        self.path, self.asked, self.folder = path, asked, asked.folder
        self.random = random.Random(repr((seed, path.name)))
        self.records = slt_files.read(path)
        self.functions = Functions()
        self.refused: collections.Counter[str] = collections.Counter()
        self.different: list[str] = []
        self.equal = self.without = 0

    def run(self) -> None:
        """Runs it without functions, then with them."""
        for name in ("plain", "wrapped"):
            (self.folder / name).mkdir()
        done = self._execute("plain", [self._plain(index, record) for index, record in enumerate(self.records)])
        kept = [index for index, problem in enumerate(done) if problem is None]
        self.without = len(self.records) - len(kept)
        statements = [self._wrapped(index) if index in kept else None for index in range(len(self.records))]
        (self.folder / "f.py").write_text(self.functions.text())
        problems = self._execute("wrapped", statements, *(("--udf", "f.py") if self.functions.names else ()))
        for index in kept:
            if not (self.folder / "plain" / f"{index}.arrow").exists() or not self.records[index].is_query:
                continue
            if problems[index] is not None:
                self.refused[_reason(problems[index])] += 1
                continue
            try:
                self._compare(index)
                self.equal += 1
            except Different as problem:
                self.different.append(f"{self.path.name}:{self.records[index].line}: {problem}\n    {statements[index]}")

    def _plain(self, index: int, record: slt_files.Record) -> str | None:
        """The statements of a record without functions."""
        if record.is_query:
            # What is ordered has ties, and COPY takes queries.
            asks = re.match(r"\s*(select|with|values|\()", record.sql, re.IGNORECASE)
            return f"COPY ({record.sql}) TO 'plain/{index}.arrow'" if asks and not LEFT_OUT.search(record.sql) else None
        if created := CREATE.match(record.sql):
            return f"{record.sql};\nCOPY (SELECT * FROM {created[2]} LIMIT 0) TO 'plain/{index}.arrow'"
        return None if re.match(r"\s*copy\b", record.sql, re.IGNORECASE) else record.sql

    def _wrapped(self, index: int) -> str | None:
        """The statements of a record with functions."""
        record = self.records[index]
        if record.is_query:
            if not (self.folder / "plain" / f"{index}.arrow").exists():
                return None
            flavour = self.random.choice(list(FLAVOURS))
            constants = self.random.random() < 0.5 and not TAKES_CONSTANTS.search(record.sql)
            sql = slt_files.with_functions(record.sql, lambda kind: self.functions.of(kind, flavour)) if constants else record.sql
            return f"COPY ({sql}) TO 'wrapped/{index}.arrow'"
        if created := CREATE.match(record.sql):
            with ipc.open_file(self.folder / "plain" / f"{index}.arrow") as file:
                schema = file.schema
            plain = _plain_name(created[2])
            columns = ", ".join(self._column(field) for field in schema)
            return f"{created[1]}{plain}{record.sql[created.end():]};\nCREATE OR REPLACE VIEW {created[2]} AS SELECT {columns} FROM {plain}"
        if dropped := DROP.match(record.sql):
            maybe = dropped[1] or ""
            return f"DROP VIEW IF EXISTS {dropped[2]};\nDROP TABLE {maybe}{_plain_name(dropped[2])}"
        return INSERT.sub(lambda match: match[1] + _plain_name(match[2]), record.sql)

    def _column(self, field: pa.Field) -> str:
        name = '"' + field.name.replace('"', '""') + '"'
        if not crosses(field.type) or self.random.random() < 0.1:
            return name
        return f"{self.functions.of(field.type, self.random.choice(list(FLAVOURS)))}({name}) AS {name}"

    def _execute(self, name: str, statements: list[str | None], *options: str) -> list[str | None]:
        """Runs statements in one process after another, each up to the first that fails; gives what is wrong with each, and `""` of those that are left
        out."""
        problems: list[str | None] = [None if statement else "" for statement in statements]
        done = -1
        while True:
            # What was asked is not asked again; what was made is made again.
            wanted = [
                index for index, statement in enumerate(statements)
                if problems[index] is None and (index > done or not self.records[index].is_query)
            ]  # fmt: skip
            if not any(index > done for index in wanted):
                return problems
            script, first_lines = "", []
            for index in wanted:
                first_lines.append(script.count("\n") + 1)
                script += f"{statements[index]};\nSELECT {index} AS mark;\n"
            (self.folder / f"{name}.sql").write_text(script)
            try:
                self.asked.run("sql", "--file", f"{name}.sql", "--allow", ".", "--json", "--quiet", "--partitions", "2", *options)
                return problems
            except Different as problem:
                marks = [int(row["mark"].text) for row in texts.read_json(problem.output) if list(row) == ["mark"]]
                said = _said(str(problem))
                # Syntax is checked before the first statement runs.
                of_syntax = said["message"].startswith("syntax error") and said["sql"]["line"] is not None
                at = bisect.bisect(first_lines, said["sql"]["line"]) - 1 if of_syntax else len(marks)
                if at >= len(wanted):
                    raise
                problems[wanted[at]] = said["message"]
                done = max([done, *marks])

    def _compare(self, index: int) -> None:
        plain, wrapped = (self._rows(name, index) for name in ("plain", "wrapped"))
        if problem := values.difference(wrapped, plain):
            raise Different(problem)

    def _rows(self, name: str, index: int) -> list[tuple]:
        with ipc.open_file(self.folder / name / f"{index}.arrow") as file:
            table = file.read_all()
        columns = [values.of(column) for column in table.columns]
        return sorted((tuple(column[row] for column in columns) for row in range(table.num_rows)), key=repr)


def _said(problem: str) -> dict:
    """What the program says of a failure: `message`, and the place in `sql`."""
    for line in problem.partition(": ")[2].splitlines():
        if line.startswith('{"error"'):
            return json.loads(line)["error"]
    return {"message": problem, "sql": {"line": None}}


def _reason(problem: str) -> str:
    """What a failure is about, without the names and numbers in it."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "_", problem.strip().split("\n")[0])[:160]


def _plain_name(name: str) -> str:
    return name[:-1] + '_plain"' if name.endswith('"') else name + "_plain"


def run_all(arguments) -> int:
    """Runs all files; the exit status is 1 when a query differs."""
    root, started = Path(arguments.folder), time.monotonic()
    paths = [path for path in sorted(root.rglob("*.slt")) if not arguments.only or any(word in str(path.relative_to(root)) for word in arguments.only)]
    totals, refused, different = collections.Counter(), collections.Counter(), []
    keep = TARGET / "oracle" / "failed" / "slt"
    for path in paths:
        folder = Path(tempfile.mkdtemp(prefix="vivarium-oracle-slt-"))
        file = File(path, Program(arguments.binary.resolve(), folder), arguments.seed)
        try:
            file.run()
        except Exception as error:  # Whatever it is, it is one to look at.
            file.different.append(f"{path.name}: {type(error).__name__}: {error}")
        totals.update(equal=file.equal, without=file.without)
        refused += file.refused
        different += file.different
        print(f"{path.relative_to(root)}: {file.equal} equal, {sum(file.refused.values())} refused, {len(file.different)} different", flush=True)
        for problem in file.different:
            print(f"DIFFERENT {problem}", flush=True)
        if file.different:
            shutil.rmtree(keep / path.stem, ignore_errors=True)
            shutil.copytree(folder, keep / path.stem)
        shutil.rmtree(folder, ignore_errors=True)
    for reason, count in refused.most_common():
        print(f"{count:7} refused with functions: {reason}")
    seconds = time.monotonic() - started
    print(
        f"{seconds:.0f} s, {len(paths)} files: {totals['equal']} queries equal, {sum(refused.values())} refused, {len(different)} different; "
        f"{totals['without']} statements and queries are left out or fail without functions"
    )
    return 1 if different else 0
