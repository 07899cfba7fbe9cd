"""The cases of files.py: a table, the file that wasm-run reads, and what it writes."""

import gzip
import json
import re
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pyarrow.types as pt
import tables
import texts
import values
import written
from program import Different, Program

HEAD = "from vivarium import udf\n"

FUNCTION = """

@udf(name={name!r}, result_type={type!r}, null_handling="call"{more})
def {name}(value):
    return value
"""

ANY_FUNCTION = """

@udf(name={name!r}, result_type="string", null_handling="call")
def {name}(value):
    return None if value is None else repr(value)
"""

TEXT = ("csv", "json")
ROWS = (0, 1, 2, 7, 20, 20, 200)

OPTIONS = {"delimiter": "--delimiter", "quote": "--quote", "null_value": "--null-values", "types": "--types"}
"""What is said of a file by an option of a statement, and by one of the command line."""


def together(numbers: list[int], seed: int, asked: Program) -> dict[int, str]:
    """Runs cases in one process, those that go through statements and have nothing that may be refused; gives the kinds of those that are equal. What
    is left out, or differs, is for a process of its own."""
    cases, functions, script = {}, [HEAD], []
    for number in numbers:
        of_case = Program(asked.binary, asked.folder / str(number))
        of_case.folder.mkdir()
        case = Case(number, seed, of_case)
        if not case.by_statements:
            continue
        case.prepare()
        if not case.accepted:
            cases[number] = case
            functions.append(case.function)
            script.append(case.statements(f"{number}/"))
    (asked.folder / "f.py").write_text("".join(functions))
    (asked.folder / "q.sql").write_text("".join(script))
    equal = {}
    if cases:
        asked.run("sql", "--file", "q.sql", "--udf", "f.py", "--allow", ".", "--partitions", "1", "--quiet")
        for number, case in cases.items():
            try:
                equal[number] = case.check()
            except Exception:  # It is told when the case runs alone.
                continue
    return equal


_OF_THREAD = threading.local()


def _duckdb() -> duckdb.DuckDBPyConnection:
    """This thread's DuckDB: making one takes longer than what it is asked."""
    if not hasattr(_OF_THREAD, "connection"):
        _OF_THREAD.connection = duckdb.connect()
        _OF_THREAD.connection.sql("SET TimeZone = 'UTC'")
    return _OF_THREAD.connection


def _literal(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"


class Case:
    """One table on its way through the program."""

    def __init__(self, number: int, seed: int, asked: Program):
        self.tables = tables.Tables((seed, number))
        self.random = self.tables.random
        self.number, self.asked, self.folder = number, asked, asked.folder
        # By CREATE EXTERNAL TABLE and COPY, or by `run`.
        self.by_statements = self.random.random() < 0.5
        self.source = self.random.choice(("parquet", "parquet", "arrow", "csv", "json"))
        self.target = self.random.choice(("parquet", "parquet", "arrow", "csv", "json"))
        # Whether text is read with the types of its columns, or with what its values tell.
        self.told = self.source not in TEXT or self.random.random() < 0.75
        if not self.told:
            self.target = self.source
        self.said: dict[str, str] = {}
        self.header = True
        self.stream = False
        self.argument = "x"

    def run(self) -> str:
        """What kind of case it was."""
        self.prepare()
        (self.folder / "f.py").write_text(HEAD + self.function)
        if self.by_statements:
            (self.folder / "q.sql").write_text(self.statements(""))
            self.asked.run("sql", "--file", "q.sql", "--udf", "f.py", "--allow", ".", "--partitions", "1", "--quiet", accepted=self.accepted)
        else:
            arguments = ["run", f"f.py::{self.name}", "--args", self.argument, "--as", "result", "--output", f"out.{self.target}", "--quiet"]
            arguments += [f"{OPTIONS[option]}={text}" for option, text in self.said.items()]
            arguments += [] if self.header else ["--no-header"]
            arguments += ["--input", "-", "--input-format", self.source] if self.stream else ["--input", self.file.name]
            if self.random.random() < 0.2:
                arguments += ["--columns", "force"]
            self.asked.run(*arguments, stdin=self.file if self.stream else None, accepted=self.accepted)
        return self.check()

    def prepare(self) -> None:
        """Writes the file that is read; what is known of it from then on is in fields."""
        formats = {self.source, self.target}
        scalar = "csv" in formats
        kind_of = self.tables.scalar_type if scalar else self.tables.json_type if "json" in formats else self.tables.any_type
        table = self.tables.table(kind_of, self.random.choice(ROWS))
        if table.column("x").null_count == table.num_rows:
            # A key that no line has is no column.
            self.told = True
        self.kind, self.expected, self.file = self._write(table)
        self.columns = table.num_columns
        self.name = f"same_{self.number}"
        self.function = self._function(self.expected.column("x").type) if self.told else ANY_FUNCTION.format(name=self.name)
        self.accepted = self._accepted(self.expected)

    def statements(self, folder: str) -> str:
        """The way through the program as SQL; `folder` is that of the case, from where the program runs."""
        options = {f"format.{option}": text for option, text in self.said.items()} | ({} if self.header else {"format.has_header": "false"})
        said = f" OPTIONS ({', '.join(f'{_literal(option)} {_literal(text)}' for option, text in options.items())})" if options else ""
        table, target = f"t_{self.number}", f"{folder}out.{self.target}"
        return (
            f"CREATE EXTERNAL TABLE {table} STORED AS {self.source.upper()} LOCATION {_literal(folder + self.file.name)}{said};\n"
            f'COPY (SELECT *, {self.name}("{self.argument}") AS result FROM {table}) TO {_literal(target)} STORED AS {self.target.upper()};\n'
        )

    def check(self) -> str:
        """Compares what was written, and gives the kind of case that it was."""
        expected = self.expected.append_column("result", self.expected.column("x"))
        if self.argument != "x":
            expected = expected.rename_columns([f"column_{index + 1}" for index in range(self.columns)] + ["result"])
        if self.source == "json":
            names = sorted(expected.column_names[:-1], key=str.encode) + ["result"]
            expected = expected.select(names)
        kind = self.kind
        if not self.told:
            # What is told by the values is their meaning; which type that is, is not asked here.
            kind = f"{kind}, types found"
            expected = expected.drop_columns(["result"])
        getattr(self, f"_check_{self.target}")(self.folder / f"out.{self.target}", expected)
        return f"{kind} -> {self.target}{', by statements' if self.by_statements else ''}"

    def _function(self, kind: pa.DataType) -> str:
        kind = written.crossing(kind)
        more = ", vectorized=True" if self.random.random() < 0.3 and not pt.is_nested(kind) else ""
        return FUNCTION.format(name=self.name, type=written.spelled(kind), more=more)

    def _accepted(self, table: pa.Table) -> dict[str, str]:
        """What the documentation says is refused, and this table has."""
        accepted = {}
        for column in table.columns:
            if self.target == "json" and written.has(column.type, pt.is_floating) and written.has_special(column):
                accepted["is NaN or infinite, which JSON has no number for"] = "NaN and infinities in JSON"
            if self.target == "parquet" and written.has(column.type, lambda kind: kind == pa.month_day_nano_interval()):
                accepted["a Parquet file has no such type"] = "intervals of months in Parquet"
        return accepted

    # Writing what wasm-run reads.

    def _write(self, table: pa.Table) -> tuple[str, pa.Table, Path]:
        """Writes the table; returns how, what everybody has to find in the file, and the file."""
        return getattr(self, f"_write_{self.source}")(table)

    def _write_arrow(self, table: pa.Table) -> tuple[str, pa.Table, Path]:
        path, stream = self.folder / "in.arrow", self.random.random() < 0.4
        options = ipc.IpcWriteOptions(compression=self.random.choice((None, "lz4", "zstd")))
        make = ipc.new_stream if stream else ipc.new_file
        with make(path, table.schema, options=options) as sink:
            sink.write_table(table, max_chunksize=self.random.choice((1, 7, 1000)))
        self.stream = stream
        return "stream" if stream else "arrow", table, path

    def _write_parquet(self, table: pa.Table) -> tuple[str, pa.Table, Path]:
        path = self.folder / "in.parquet"
        of_duckdb = written.for_duckdb(table) if self.random.random() < 0.3 else None
        if of_duckdb:
            connection = _duckdb()
            connection.register("source", of_duckdb)
            compression = self.random.choice(("uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"))
            # In the other version pyarrow, which is asked below for what is in the file, cannot read pages of one value or none.
            full = of_duckdb.num_rows > 1 and not any(column.null_count or pt.is_nested(column.type) for column in of_duckdb.columns)
            version = "V2" if self.random.random() < 0.5 and full else "V1"
            connection.sql(f"COPY source TO '{path}' (FORMAT parquet, COMPRESSION {compression}, PARQUET_VERSION {version})")
            return "parquet of DuckDB", pq.ParquetFile(path).read(), path
        table = written.for_pyarrow_parquet(table)
        nanoseconds = any(written.has(kind, lambda one: pt.is_timestamp(one) and one.unit == "ns") for kind in table.schema.types)
        pq.write_table(
            table, path,
            version="2.6" if nanoseconds else self.random.choice(("1.0", "2.4", "2.6")),
            compression=self.random.choice(("none", "snappy", "gzip", "brotli", "zstd", "lz4")),
            use_dictionary=self.random.random() < 0.5,
            data_page_version=self.random.choice(("1.0", "2.0")),
            row_group_size=self.random.choice((3, 1000)),
            write_statistics=self.random.random() < 0.5,
            store_schema=self.random.random() < 0.6,
            use_compliant_nested_type=self.random.random() < 0.5,
        )  # fmt: skip
        return "parquet of pyarrow", pq.ParquetFile(path).read(), path

    def _write_csv(self, table: pa.Table) -> tuple[str, pa.Table, Path]:
        path = self.folder / "in.csv"
        by = self.random.choice(("this", "this", "pyarrow", "DuckDB"))
        if by == "pyarrow" and all(map(written.in_csv_of_pyarrow, table.schema.types)):
            delimiter = self.random.choice(",;\t|")
            csv.write_csv(table, path, csv.WriteOptions(delimiter=delimiter, quoting_style=self.random.choice(("needed", "all_valid"))))
            self.said["delimiter"] = "tab" if delimiter == "\t" else delimiter
            self._tell(table)
            return "csv of pyarrow", table, path
        # A name that begins as a file's mark does has to be quoted, which DuckDB does not do.
        marked = table.column_names[0].startswith("\ufeff")
        if by == "DuckDB" and not marked and written.names_of_duckdb(table) and all(map(written.in_csv_of_duckdb, table.schema.types)):
            connection = _duckdb()
            connection.register("source", table)
            delimiter = self.random.choice(",;|")
            connection.sql(f"COPY source TO '{path}' (FORMAT csv, HEADER, DELIMITER '{delimiter}')")
            self.said["delimiter"] = delimiter
            self._tell(table)
            return "csv of DuckDB", table, path
        delimiter, quote = self.random.choice(",,;\t|"), self.random.choice(('"', '"', "'", None))
        header = table.num_rows == 0 or self.random.random() < 0.8
        null, end = self.random.choice(("", "", "NA")), self.random.choice(("\n", "\n", "\r\n", "\r"))
        try:
            text = texts.write_csv(table, texts.Spelling(self.random), delimiter, quote, header, null, end)
        except texts.NoText:
            quote = '"'
            text = texts.write_csv(table, texts.Spelling(self.random), delimiter, quote, header, null, end)
        self.said |= {"delimiter": "tab" if delimiter == "\t" else delimiter, "quote": quote or "none"}
        if null:
            self.said["null_value"] = null
        if not header:
            self.header = False
            self.argument = f"column_{table.column_names.index('x') + 1}"
        self._tell(table if header else table.rename_columns([f"column_{index + 1}" for index in range(table.num_columns)]))
        return "csv", table, self._put(path, text)

    def _write_json(self, table: pa.Table) -> tuple[str, pa.Table, Path]:
        path = self.folder / "in.json"
        fits = written.names_of_duckdb(table) and all(map(written.in_json_of_duckdb, table.schema.types))
        if self.random.random() < 0.25 and fits:
            table = written.without_special(table)
            connection = _duckdb()
            connection.register("source", table)
            connection.sql(f"COPY source TO '{path}' (FORMAT json)")
            self._tell(table)
            return "json of DuckDB", table, path
        try:
            text = texts.write_json(table, texts.Spelling(self.random))
        except texts.NoText:
            table = written.without_special(table)
            text = texts.write_json(table, texts.Spelling(self.random))
        self._tell(table)
        return "json", table, self._put(path, text)

    def _put(self, path: Path, text: str) -> Path:
        """Writes text, perhaps with a mark, perhaps compressed."""
        data = text.encode()
        if self.random.random() < 0.2:
            data = b"\xef\xbb\xbf" + data
        how = self.random.choice(("", "", ".gz", ".zst"))
        path = path.with_name(path.name + how)
        path.write_bytes(gzip.compress(data) if how == ".gz" else pa.compress(data, "zstd", asbytes=True) if how == ".zst" else data)
        return path

    def _tell(self, table: pa.Table) -> None:
        """Tells the types of all columns, if they are told."""
        if not self.told:
            return
        named = [name if re.fullmatch(r"\w+", name) else json.dumps(name, ensure_ascii=False) for name in table.column_names]
        told = zip(named, map(written.spelled, table.schema.types), strict=True)
        self.said["types"] = ",".join(f"{name}={kind}" for name, kind in told)

    # Reading what wasm-run has written.

    def _check_arrow(self, path: Path, expected: pa.Table) -> None:
        with ipc.open_file(path) as file:
            found = file.read_all()
        self._check_names(found.column_names, expected)
        # A date64 in Parquet is one for Arrow's reader, which looks at what is said of it, and a date32 for pyarrow's.
        in_format = written.in_parquet if self.source == "parquet" else written.in_arrow
        # The query engine reads text and bytes as views of them.
        seen = (lambda kind: written.without_width(written.crossing(in_format(kind)))) if self.by_statements else in_format
        for index, name in enumerate(expected.column_names):
            kind = written.in_arrow(expected.column(index).type)
            if index == expected.num_columns - 1:
                kind = written.crossing(kind)
            if not written.same_type(seen(found.column(index).type), seen(kind)):
                raise Different(f"column {name!r} is of type {found.column(index).type}, not {kind}")
            self._equal("pyarrow", name, values.of(found.column(index)), values.of(expected.column(index)))

    def _check_parquet(self, path: Path, expected: pa.Table) -> None:
        schema = pq.ParquetFile(path).schema_arrow
        self._check_names(schema.names, expected)
        for name, kind, column in zip(schema.names, schema.types, expected.columns, strict=True):
            found, wanted = written.crossing(kind), written.in_parquet(written.crossing(column.type))
            if self.by_statements:
                # The query engine reads text and bytes as views of them.
                found, wanted = written.without_width(found), written.without_width(wanted)
            if not written.same_type(found, wanted):
                raise Different(f"column {name!r} is of type {kind}, not {written.in_parquet(column.type)}")
        if all(map(written.in_parquet_for_pyarrow, expected.columns)):
            found = pq.ParquetFile(path).read()
            for index, name in enumerate(schema.names):
                self._equal("pyarrow", name, values.of(found.column(index)), values.of(expected.column(index)))
        connection = _duckdb()
        found = connection.sql("FROM read_parquet(?)", params=[str(path)]).to_arrow_table()
        for index, name in enumerate(schema.names):
            if written.in_parquet_for_duckdb(expected.column(index).type):
                self._equal("DuckDB", name, values.of(found.column(index)), values.of(expected.column(index)))

    def _check_csv(self, path: Path, expected: pa.Table) -> None:
        text = path.read_bytes().decode()
        names, columns = texts.read_csv(text)
        if not self.told:
            names, columns = names[:-1], columns[:-1]
        self._check_names(names, expected)
        for index, (column, name) in enumerate(zip(columns, names, strict=True)):
            kind = expected.column(index).type
            if not self.told and not written.is_found(expected.column(index)):
                continue
            found = [None if field is None else texts.meant(field, kind) for field in column]
            self._equal("this program", name, found, values.of(expected.column(index)))
        connection = _duckdb()
        # A line without anything is no row for them.
        several = self.told and expected.num_rows > 0 and expected.num_columns > 1
        if several and "\0" not in text and "\r" not in text:
            columns_are = {f"c{index}": "VARCHAR" for index in range(len(names))}
            query = """FROM read_csv(
                ?, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', allow_quoted_nulls = false, columns = ?
            )"""
            found = connection.sql(query, params=[str(path), columns_are]).to_arrow_table()
            for index, name in enumerate(names):
                self._equal("DuckDB", name, found.column(index).to_pylist(), columns[index])
        if several:
            as_read = csv.ConvertOptions(
                column_types={f"c{index}": pa.string() for index in range(len(names))}, strings_can_be_null=True,
                quoted_strings_can_be_null=False, null_values=[""],
            )  # fmt: skip
            reading = csv.ReadOptions(column_names=[f"c{index}" for index in range(len(names))], skip_rows_after_names=1)
            found = csv.read_csv(path, read_options=reading, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=as_read)
            for index, name in enumerate(names):
                self._equal("pyarrow", name, found.column(index).to_pylist(), columns[index])

    def _check_json(self, path: Path, expected: pa.Table) -> None:
        rows = texts.read_json(path.read_text())
        for name in {name for row in rows for name in row}:
            if name not in expected.column_names and (self.told or name != "result"):
                raise Different(f"there is a column {name!r}")
        for index, name in enumerate(expected.column_names):
            kind = expected.column(index).type
            if not self.told and written.has(kind, pt.is_decimal):
                continue
            found = [texts.from_json(row.get(name), kind) for row in rows]
            self._equal("this program", name, found, values.of(expected.column(index)))

    def _check_names(self, found: list[str], expected: pa.Table) -> None:
        if found != expected.column_names:
            raise Different(f"the columns are {found}, not {expected.column_names}")

    def _equal(self, by: str, name: str, found: list, expected: list) -> None:
        if problem := values.difference(found, expected):
            raise Different(f"column {name!r} as {by} reads it: {problem}")
