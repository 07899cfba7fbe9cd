"""The cases of sql.py: two tables and ten queries."""

import random
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import queries
import texts
import values
from program import Different, Program

QUERIES = 10

KINDS = {
    "int": pa.int64(), "text": pa.string(), "bool": pa.bool_(), "real": pa.float64(), "cents": pa.decimal128(12, 2), "day": pa.date32(),
    "time": pa.timestamp("us"), "moment": pa.timestamp("us", "UTC"), "int list": pa.list_(pa.int64()),
}  # fmt: skip

WITHOUT = ("with functions", "without functions", "in DuckDB")


_OF_THREAD = threading.local()


def together(numbers: list[int], seed: int, asked: Program) -> dict[int, str]:
    """Runs cases in one process, with the options of the first one; gives the kinds of those that are equal. The others are for a process of their
    own."""
    (asked.folder / "f.py").write_text(queries.functions())
    cases, script, tables = {}, [], []
    for number in numbers:
        of_case = Program(asked.binary, asked.folder / str(number))
        of_case.folder.mkdir()
        case = cases[number] = Case(number, seed, of_case)
        case.prepare()
        for name in case.contents:
            tables += ["--table", f"{name}_{number}={number}/{name}.parquet"]
            script.append(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {name}_{number}")
        script += case.script
    (asked.folder / "q.sql").write_text(_marked(script))
    options = next(iter(cases.values())).options
    found = _rows_of_statements(asked.run("sql", "--file", "q.sql", "--udf", "f.py", *tables, "--json", "--quiet", *options))
    equal, at = {}, 0
    for number, case in cases.items():
        at += len(case.contents)
        try:
            equal[number] = case.check(found[at : at + len(case.script)])
        except Exception:  # It is told when the case runs alone.
            pass
        at += len(case.script)
    return equal


def _marked(script: list[str]) -> str:
    """Statements, with a row of its own behind each."""
    return "".join(f"{statement};\nSELECT {index} AS mark;\n" for index, statement in enumerate(script))


def _rows_of_statements(said: str) -> list[list[dict]]:
    """The rows of each statement of a script with marks."""
    found: list[list[dict]] = [[]]
    for row in texts.read_json(said):
        if "mark" in row:
            found.append([])
        else:
            found[-1].append(row)
    return found


class Case:
    """Queries over two tables."""

    def __init__(self, number: int, seed: int, asked: Program):
        self.random = random.Random(repr((seed, number, "sql")))
        self.asked, self.folder = asked, asked.folder

    def run(self) -> str:
        """What kind of case it was."""
        (self.folder / "f.py").write_text(queries.functions())
        self.prepare()
        try:
            found = self._ask(self.script)
        except Different:
            found = [self._alone(statement) for statement in self.script]
        return self.check(found)

    def prepare(self) -> None:
        """Makes the tables and queries."""
        self.contents = {"t": self._table(self.random.choice((0, 1, 8, 25, 60))), "u": self._table(self.random.choice((0, 3, 12)))}
        for name, table in self.contents.items():
            pq.write_table(table, self.folder / f"{name}.parquet")
        made = queries.Queries(self.random)
        self.wanted = [made.query() for _ in range(QUERIES)]
        self.options = ["--partitions", str(self.random.choice((1, 2)))]
        if self.random.random() < 0.3:
            self.options += ["--columns", "off"]
        self.script = [query.rendered(place) for query in self.wanted for place in (0, 1)]

    def check(self, found: list[list[dict] | str]) -> str:
        """Compares the rows of the script's statements; the kind of case that it was."""
        if not hasattr(_OF_THREAD, "duckdb"):
            _OF_THREAD.duckdb = duckdb.connect()
            _OF_THREAD.duckdb.sql("SET TimeZone = 'UTC'")
        self.duckdb = _OF_THREAD.duckdb
        for name, table in self.contents.items():
            self.duckdb.register(name, table)
        problems, compared = [], 0
        for query, with_functions, without in zip(self.wanted, found[0::2], found[1::2], strict=True):
            try:
                compared += self._compare(query, with_functions, without)
            except Different as problem:
                problems.append(f"{problem}\n  with: {query.rendered(0)}\n  without: {query.rendered(1)}")
        if problems:
            raise Different("\n".join(problems))
        return f"cases, of ten queries each; in {QUERIES - compared} of them DuckDB has another meaning"

    def _table(self, rows: int) -> pa.Table:
        chance, pick = self.random.random, self.random.choice
        nulls = pick((0.0, 0.25, 0.25, 0.7))
        epoch = datetime(1970, 1, 1)
        makers = {
            "i": lambda: self.random.randint(-3, 3),
            "j": lambda: self.random.randint(-10, 10),
            "s": lambda: pick(("a", "north", "south", "", "It's", "A b", "ab ", "é", "😀x")),
            "b": lambda: chance() < 0.5,
            "r": lambda: self.random.randint(-40, 40) / 8,
            "n": lambda: Decimal(self.random.randint(-99_999, 99_999)) / 100,
            "d": lambda: date(1970, 1, 1) + timedelta(days=self.random.randint(-1000, 20_000)),
            "at": lambda: epoch + timedelta(microseconds=self.random.randint(-(10**14), 2 * 10**15)),
            "z": lambda: (epoch + timedelta(microseconds=self.random.randint(-(10**14), 2 * 10**15))).replace(tzinfo=UTC),
        }
        columns = {"id": pa.array(range(rows), pa.int64())}
        for kind, names in queries.COLUMNS.items():
            for name in names:
                columns[name] = pa.array([None if chance() < nulls else makers[name]() for _ in range(rows)], KINDS[kind])
        return pa.table(columns)

    def _ask(self, script: list[str]) -> list[list[dict]]:
        """The rows of each statement, in one run of the program."""
        (self.folder / "q.sql").write_text(_marked(script))
        tables = ("--table", "t=t.parquet", "--table", "u=u.parquet")
        said = self.asked.run("sql", "--file", "q.sql", "--udf", "f.py", *tables, "--json", "--quiet", *self.options)
        return _rows_of_statements(said)[: len(script)]

    def _alone(self, statement: str) -> list[dict] | str:
        """The rows of a statement, or why there are none."""
        try:
            return self._ask([statement])[0]
        except Different as problem:
            return str(problem)

    def _compare(self, query: queries.Query, with_functions: list[dict] | str, without: list[dict] | str) -> int:
        """Compares the rows of a query; 1 when DuckDB was asked, too."""
        if isinstance(without, str):
            # What DataFusion does not do, it does not do with functions either.
            return 0
        if isinstance(with_functions, str):
            raise Different(f"{query.what}: it fails with functions: {with_functions}")
        expected = self._rows(query, without)
        self._same(query, WITHOUT[1], self._rows(query, with_functions), expected)
        try:
            rows = self.duckdb.sql(query.rendered(2)).to_arrow_table()
        except duckdb.Error:
            return 0
        columns = [values.of(column.cast(KINDS[kind])) for kind, column in zip(query.kinds, rows.columns, strict=True)]
        self._same(query, WITHOUT[2], expected, [tuple(column[row] for column in columns) for row in range(rows.num_rows)])
        return 1

    def _rows(self, query: queries.Query, found: list[dict]) -> list[tuple]:
        return [tuple(texts.from_json(row.get(f"c{index}"), KINDS[kind]) for index, kind in enumerate(query.kinds)) for row in found]

    def _same(self, query: queries.Query, other: str, found: list[tuple], expected: list[tuple]) -> None:
        if not query.ordered:
            found, expected = sorted(found, key=repr), sorted(expected, key=repr)
        if problem := values.difference(found, expected):
            raise Different(f"{query.what}: {problem} as {other}")
