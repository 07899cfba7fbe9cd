"""SQL that an attacker might write: queries of a grammar, and statements that are too long, too deep or too large.

`@OUTSIDE@` stands for a folder that no statement may reach, `@HERE@` for the one in which the program runs.
"""

import random

from corpus import mutated
from queries import Query

SIZES = (10, 300, 2_000, 20_000)
NUMBERS = (
    "0", "1", "-1", "2147483647", "2147483648", "-2147483648", "9223372036854775807", "-9223372036854775808", "18446744073709551615",
    "18446744073709551616", "1e308", "1e-320", "NULL", "'NaN'", "1e9", "0.5", "100", "99999999999999999999999999999999999999",
)  # fmt: skip
NAMES = ('"a\u202eb"', '"\x1b[31m"', '"x\u2028y"', '"\u0085"', '"a""b"', '"' + "n" * 5_000 + '"', '"\U0001f40d"', '""', "nocolumn", '"A"', "ünï", "t.t.t.t.a")


def long_chain(rng: random.Random) -> str:
    count, join = rng.choice(SIZES), rng.choice([" OR ", " AND ", " + ", " || ", " - ", " * "])
    term = rng.choice(["a", "a = {i}", "s", "1", "a > {i} AND s = 'x{i}'", "f({i})", "a IS NULL", "s LIKE '%{i}'"])
    chain = join.join(term.format(i=i) for i in range(count))
    return f"SELECT count(*) FROM t WHERE {chain}" if rng.randrange(2) else f"SELECT {chain} FROM t"


def deep(rng: random.Random) -> str:
    levels = rng.choice(SIZES)
    opening, middle, closing = rng.choice(
        [
            ("(", "1", ")"), ("abs(", "a", ")"), ("CASE WHEN a > 1 THEN ", "1", " ELSE 0 END"), ("CASE ", "a", " WHEN 1 THEN 2 END"),
            ("-", "a", ""), ("NOT ", "b", ""), ("coalesce(a, ", "1", ")"), ("CAST(", "a", " AS BIGINT)"), ("[", "1", "]"), ("f(", "a", ")"),
            ("make_array(", "a", ")"), ("struct(", "a", ")"), ("(SELECT ", "1", ")"), ("a IN (", "1", ")"), ("EXISTS (SELECT * FROM t WHERE ", "b", ")"),
            ("", "a", "::bigint"), ("", "l", "[1]"), ("a = (", "1", ")"), ("{'x': ", "1", "}"), ("a BETWEEN 1 AND (", "2", ")"),
        ]
    )  # fmt: skip
    return f"SELECT {opening * levels}{middle}{closing * levels} FROM t"


def deep_from(rng: random.Random) -> str:
    levels = rng.choice((10, 100, 1_000, 5_000))
    match rng.randrange(6):
        case 0:
            return "SELECT * FROM " + "(SELECT * FROM " * levels + "t" + ") q" * levels
        case 1:
            return "SELECT count(*) FROM " + " CROSS JOIN ".join(f"t t{i}" for i in range(levels))
        case 2:
            return "SELECT count(*) FROM t t0 " + " ".join(f"JOIN t t{i} ON t{i}.a = t{i - 1}.a" for i in range(1, levels))
        case 3:
            return rng.choice([" UNION ALL ", " UNION ", " EXCEPT ", " INTERSECT "]).join([rng.choice(["SELECT 1 AS x", "SELECT a FROM t"])] * levels)
        case 4:
            chain = ", ".join(f"c{i} AS (SELECT * FROM c{i - 1})" for i in range(1, levels))
            return f"WITH c0 AS (SELECT * FROM t), {chain} SELECT count(*) FROM c{levels - 1}"
        case _:
            return "(" * levels + "SELECT 1" + ")" * levels


def doubled(rng: random.Random) -> str:
    """Each common table expression uses the one before twice."""
    levels = rng.choice((8, 16, 25, 40))
    join = rng.choice(["SELECT a.x FROM c{0} a CROSS JOIN c{0} b", "SELECT x FROM c{0} UNION ALL SELECT x FROM c{0}", "SELECT (SELECT max(x) FROM c{0}) + (SELECT min(x) FROM c{0}) AS x"])
    chain = ", ".join(f"c{i} AS ({join.format(i - 1)})" for i in range(1, levels + 1))
    return f"WITH c0 AS (SELECT 1 AS x UNION ALL SELECT 2), {chain} SELECT count(*) FROM c{levels}"


def many(rng: random.Random) -> str:
    count = rng.choice((1_000, 20_000, 50_000))
    match rng.randrange(6):
        case 0:
            values = ", ".join(rng.choice([str, repr])(i) for i in range(count))
            return f"SELECT count(*) FROM t WHERE a {rng.choice(['', 'NOT '])}IN ({values})"
        case 1:
            return "SELECT " + ", ".join(rng.choice(["a", "a + {i}", "1"]).format(i=i) + f" AS c{i}" for i in range(count // 10)) + " FROM t"
        case 2:
            return "VALUES " + ", ".join(f"({i}, 'x')" for i in range(count))
        case 3:
            return "SELECT a FROM t GROUP BY " + rng.choice(["CUBE", "ROLLUP", "GROUPING SETS"]) + "(" + ", ".join(f"a + {i}" for i in range(rng.choice((10, 20, 40)))) + ")"
        case 4:
            return "SELECT concat(" + ", ".join(["s"] * count) + ") FROM t"
        case _:
            return ";\n".join(["SELECT 1"] * (count // 20))


def window(rng: random.Random) -> str:
    function = rng.choice(
        ["sum(a)", "count(*)", "lag(a, {n})", "lead(a, {n}, 0)", "nth_value(a, {n})", "ntile({n})", "first_value(s)", "avg(f)", "array_agg(a)", "median(a)", "total(a)"]
    )
    bound = ["UNBOUNDED PRECEDING", "{n} PRECEDING", "CURRENT ROW", "{n} FOLLOWING", "UNBOUNDED FOLLOWING", "INTERVAL '{n}' DAY PRECEDING"]
    frame = f"{rng.choice(['ROWS', 'RANGE', 'GROUPS'])} BETWEEN {rng.choice(bound)} AND {rng.choice(bound)}"
    order = rng.choice(["ORDER BY a", "PARTITION BY s ORDER BY f", "ORDER BY t", "PARTITION BY b", "ORDER BY a DESC NULLS LAST, s"])
    return _numbers(f"SELECT {function} OVER ({order} {rng.choice([frame, frame, ''])}) FROM t", rng)


def aggregate(rng: random.Random) -> str:
    call = rng.choice(
        [
            "approx_percentile_cont({n}) WITHIN GROUP (ORDER BY a)", "approx_percentile_cont(0.5, {n}) WITHIN GROUP (ORDER BY a)", "approx_percentile_cont(a, {n})",
            "approx_percentile_cont(a, 0.5, {n})", "approx_percentile_cont_with_weight({n}) WITHIN GROUP (ORDER BY f)", "percentile_cont({n}) WITHIN GROUP (ORDER BY f)",
            "quantile_cont(a, {n})", "approx_median(a)", "approx_distinct(s)", "array_agg(DISTINCT s ORDER BY s)", "string_agg(s, {n})", "string_agg(repeat(s, 100000), ',')",
            "nth_value(a, {n} ORDER BY a)", "bit_xor(a)", "corr(a, f)", "regr_slope(a, f)", "stddev(a)", "sum(a * {n})", "sum(DISTINCT a)", "total(a)", "var_pop({n})",
        ]
    )  # fmt: skip
    return _numbers(f"SELECT {call} FROM t{rng.choice(['', ' GROUP BY s', ' GROUP BY a, s', ' GROUP BY GROUPING SETS ((a), (s), ())'])}", rng)


def large_value(rng: random.Random) -> str:
    call = rng.choice(
        [
            "repeat('x', {n})", "repeat(s, {n})", "lpad('x', {n}, 'ab')", "rpad(s, {n})", "space({n})", "array_repeat(1, {n})", "array_repeat(array_repeat(1, 100000), 100000)",
            "range(0, {n})", "range({n}, {n}, {n})", "generate_series({n}, {n}, {n})", "generate_series(0, 9223372036854775807)", "array_resize([1], {n}, 0)", "chr({n})",
            "substr(s, {n}, {n})", "overlay(s placing 'x' from {n} for {n})", "round(f, {n})", "trunc(f, {n})", "power(a, {n})", "factorial({n})", "left(s, {n})", "split_part(s, 'o', {n})",
            "to_timestamp({n})", "from_unixtime({n})", "make_date({n}, {n}, {n})", "date_bin(INTERVAL '{n}' DAY, t)", "date_trunc('day', CAST({n} AS TIMESTAMP))", "{n} << {n}", "a % {n}", "a / {n}",
            "array_slice([1,2,3], {n}, {n}, {n})", "[1,2,3][{n}]", "replace(repeat('x', 100000), 'x', repeat('y', 100000))", "to_char(t, repeat('%Y', 100000))", "encode(repeat('x', 100000000), 'hex')",
            "string_to_array(repeat('a,', 1000000), ',')", "flatten(array_repeat(range(0, 10000), 10000))", "translate(s, repeat('a', 1000000), 'b')", "md5(repeat('x', 500000000))", "levenshtein(repeat('a', 100000), repeat('b', 100000))",
            "INTERVAL '{n}' YEAR + t", "t - INTERVAL '{n} months'", "CAST({n} AS DECIMAL(76, 38))", "CAST('{n}' AS TIMESTAMP)", "uuid()", "random()", "arrow_cast({n}, 'FixedSizeBinary(2147483647)')",
            "arrow_cast(NULL, 'FixedSizeBinary(999999999)')", "arrow_cast(NULL, 'FixedSizeList(999999999, Int64)')", "array_distinct(range(0, 100000000))", "find_in_set('a', repeat('a,', 10000000))",
        ]
    )  # fmt: skip
    wrapped = rng.choice(["{0}", "{0}", "count({0})", "CAST({0} AS VARCHAR)", "length(CAST({0} AS VARCHAR))"]).replace("{0}", call)
    return _numbers(f"SELECT {wrapped}{rng.choice(['', '', ' FROM t'])}", rng)


def pattern(rng: random.Random) -> str:
    regex = rng.choice(
        ["(a+)+$", "(.*)*x", "((((a{100}){100}){100}){100})", "a{2147483647}", "(" * 2_000 + ")" * 2_000, "[" * 3_000, "\\\\p{L}{1000}", "(?i)" + "é" * 10_000, ".{1,1000}" * 100, "(?:a|b|c)*" * 2_000, "\\\\u{110000}", "\x1b[31m("]
    )
    text = rng.choice(["s", "repeat('a', 100000)", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'"])
    call = rng.choice(["regexp_like({0}, '{1}')", "regexp_replace({0}, '{1}', '$1$1', 'g')", "regexp_match({0}, '{1}')", "regexp_count({0}, '{1}')", "{0} ~ '{1}'", "{0} LIKE '{1}'", "{0} SIMILAR TO '{1}'"])
    if rng.randrange(4) == 0:
        call, regex = "{0} LIKE '{1}'", "%a" * rng.choice((10, 10_000))
    return f"SELECT {call.format(text, regex)} FROM t"


def nested_type(rng: random.Random) -> str:
    levels = rng.choice((5, 50, 500, 5_000))
    match rng.randrange(5):
        case 0:
            return f"SELECT arrow_cast(NULL, '{'List(' * levels}Int64{')' * levels}')"
        case 1:
            return f"SELECT CAST(NULL AS {'STRUCT<x ' * levels}INT{'>' * levels})"
        case 2:
            return f"SELECT CAST(NULL AS BIGINT{'[]' * levels}) FROM t"
        case 3:
            return f"CREATE TABLE n (x {'ARRAY<' * levels}INT{'>' * levels}); SELECT * FROM n"
        case _:
            return f"SELECT arrow_cast(a, '{'Dictionary(Int32, ' * levels}Utf8{')' * levels}') FROM t"


def endless(rng: random.Random) -> str:
    return rng.choice(
        [
            "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r",
            "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x FROM r) SELECT * FROM r",
            "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT r.x FROM r CROSS JOIN t) SELECT count(*) FROM r",
            "WITH RECURSIVE r AS (SELECT repeat('x', 10) AS x UNION ALL SELECT x || x FROM r) SELECT max(length(x)) FROM r",
            "SELECT count(*) FROM generate_series(0, 4611686018427387904)",
            "SELECT * FROM generate_series(0, 4611686018427387904)",
            "SELECT sum(x.value) FROM generate_series(1, 10000000) x CROSS JOIN generate_series(1, 10000000) y",
            "SELECT count(*) FROM range(0, 10000000) a JOIN range(0, 10000000) b ON a.value <> b.value",
            "SELECT value FROM generate_series(0, 100000000) ORDER BY -value",
            "SELECT value, count(*) FROM generate_series(0, 1000000000) GROUP BY value",
            "SELECT DISTINCT value FROM generate_series(0, 1000000000)",
            "SELECT array_agg(value) FROM generate_series(0, 1000000000)",
            "SELECT string_agg(CAST(value AS VARCHAR), ',') FROM generate_series(0, 1000000000)",
            "SELECT median(value) FROM generate_series(0, 1000000000)",
            "SELECT sum(value) OVER (ORDER BY value) FROM generate_series(0, 1000000000)",
            "CREATE TABLE m AS SELECT value, repeat('x', 1000) AS s FROM generate_series(0, 10000000); SELECT count(*) FROM m",
            "SELECT count(*) FROM t a, t b, t c, t d, t e",
            "SELECT max(f(CAST(value AS BIGINT))) FROM generate_series(0, 1000000000)",
            "SELECT spin(1)", "SELECT spin(1) + spin(2) + spin(3) + spin(4)", "SELECT spin(a) FROM t", "SELECT CASE WHEN a > 0 THEN spin(a) END FROM t",
            "SELECT a FROM t ORDER BY spin(a)", "SELECT count(*) FROM t x JOIN t y ON spin(x.a) = y.a", "SELECT big(1)", "SELECT big(a) FROM t",
            "SELECT unnest(range(0, 100000000)) FROM t", "SELECT unnest(make_array(a, a, a)) FROM t x CROSS JOIN generate_series(0, 1000000000)",
        ]
    )  # fmt: skip


def settings(rng: random.Random) -> str:
    value = rng.choice(["0", "1", "1152921504606846976", "1000000000", "-1", "100G", "18446744073709551615", "true", "none", "NaN", "1e9", "9" * 50, "'\x1b'"])
    name = rng.choice(
        [
            "datafusion.execution.batch_size", "datafusion.execution.target_partitions", "datafusion.runtime.memory_limit", "datafusion.runtime.temp_directory", "datafusion.runtime.max_temp_directory_size",
            "datafusion.execution.planning_concurrency", "datafusion.execution.sort_spill_reservation_bytes", "datafusion.execution.coalesce_batches", "datafusion.sql_parser.recursion_limit",
            "datafusion.optimizer.max_passes", "datafusion.optimizer.repartition_file_min_size", "datafusion.execution.listing_table_ignore_subdirectory", "datafusion.catalog.location", "datafusion.catalog.format",
            "datafusion.execution.parquet.metadata_size_hint", "datafusion.execution.parquet.max_row_group_size", "datafusion.execution.meta_fetch_concurrency", "datafusion.execution.time_zone",
            "datafusion.sql_parser.dialect", "datafusion.execution.minimum_parallel_output_files", "datafusion.execution.parquet.pushdown_filters", "datafusion.format.null", "datafusion.explain.format",
            "datafusion.execution.soft_max_rows_per_output_file", "datafusion.execution.keep_partition_by_columns", "datafusion.execution.objectstore_writer_buffer_size",
            "vivarium.memory", "vivarium.batch_time", "vivarium.instances", "vivarium.cpu_time", "vivarium.output_bytes", "vivarium.image", "vivarium.env", "vivarium.on_error", "python.files", "python.archives",
            "python.requirements", "python.executable", "python.pythonpath",
        ]
    )  # fmt: skip
    if name.startswith("python.") or name.endswith(("directory", "location")):
        value = rng.choice(["/", "/etc/passwd", "@OUTSIDE@/secret.csv", "@OUTSIDE@", "../outside", "/dev/zero", "/proc/self/environ"])
    query = rng.choice([Query(rng).text, "SELECT * FROM t ORDER BY a", "SELECT s, count(*), sum(a) FROM t GROUP BY s", "SELECT f(a) FROM t", "SELECT count(*) FROM t x JOIN t y ON x.a = y.a"])
    return f"SET {name} = '{value}';\n{query}"


LOCATIONS = (
    "/etc/passwd", "/etc/shadow", "/dev/zero", "/dev/random", "/dev/stdin", "/proc/self/environ", "/proc/self/mem", "/proc/self/fd/0", "fifo.csv", "@OUTSIDE@/secret.csv", "../outside/secret.csv",
    "allowed/../../outside/secret.csv", "allowed/link.csv", "allowed/folder/secret.csv", "allowed/./../../outside/", "file://@OUTSIDE@/secret.csv", "file:///etc/passwd", "http://localhost/x.csv",
    "s3://bucket/x.csv", "allowed/*.csv", "@OUTSIDE@/*.csv", "allowed/%2e%2e/%2e%2e/outside/secret.csv", "allowed/", "allowed", ".", "/", "", "allowed/fifo.csv", "allowed/missing.csv", "allowed/good.csv",
    "allowed/\x1b[31m.csv", "allowed/a\u202eb.csv", "memory://x", "allowed/" + "d/" * 3_000 + "x.csv", "allowed//link.csv", "file:allowed/link.csv", "~/x.csv", "allowed/secret.csv#fragment", "allowed/link.csv?x",
)  # fmt: skip


def external(rng: random.Random) -> str:
    location, format = rng.choice(LOCATIONS), rng.choice(["CSV", "CSV", "PARQUET", "JSON", "ARROW", "AVRO"])
    columns = rng.choice(["", "", "(line VARCHAR)"])
    options = rng.choice(["", "OPTIONS ('format.has_header' 'false')", "OPTIONS ('format.delimiter' '\x01', 'has_header' 'true')", "OPTIONS ('format.compression' 'gzip')"])
    return rng.choice(
        [
            f"CREATE EXTERNAL TABLE e {columns} STORED AS {format} {options} LOCATION '{location}'; SELECT * FROM e",
            f"CREATE EXTERNAL TABLE e (line VARCHAR) STORED AS CSV LOCATION '{location}'; INSERT INTO e VALUES ('x')",
            f"SELECT * FROM '{location}'",
            f"CREATE UNBOUNDED EXTERNAL TABLE e (line VARCHAR) STORED AS CSV LOCATION '{location}'; SELECT * FROM e",
            f"CREATE FUNCTION h(x INT) RETURNS INT LANGUAGE PYTHON AS '{location}::h'; SELECT h(1)",
        ]
    )


def copy(rng: random.Random) -> str:
    location, format = rng.choice([*LOCATIONS, *("allowed/out.parquet",) * 6, "allowed/out"]), rng.choice(["PARQUET", "CSV", "JSON", "ARROW"])
    source = rng.choice(["t", "(SELECT * FROM t)", "(SELECT * FROM generate_series(0, 1000000000))", "(SELECT 1 / (a - a) FROM t)", "(SELECT f(a) FROM t)", "(SELECT 1 AS x, 2 AS x)", f"({Query(rng).text})"])
    options = rng.choice(["", "", "PARTITIONED BY (s)", "OPTIONS ('format.compression' 'zstd(22)')", "OPTIONS ('format.max_row_group_size' '0')", "OPTIONS ('format.x' 'y')"])
    return f"COPY {source} TO '{location}' STORED AS {format} {options}"


def definition(rng: random.Random) -> str:
    return rng.choice(
        [
            "CREATE VIEW v AS SELECT * FROM t; CREATE OR REPLACE VIEW v AS SELECT * FROM v; SELECT count(*) FROM v",
            "CREATE VIEW v AS SELECT * FROM v; SELECT * FROM v",
            "; ".join(f"CREATE VIEW v{i} AS SELECT x.a FROM {'t' if i == 0 else f'v{i - 1}'} x CROSS JOIN {'t' if i == 0 else f'v{i - 1}'} y" for i in range(rng.choice((5, 30)))) + "; SELECT count(*) FROM v4",
            "; ".join(f"CREATE VIEW v{i} AS SELECT a FROM {'t' if i == 0 else f'v{i - 1}'}" for i in range(500)) + "; SELECT count(*) FROM v499",
            "CREATE TABLE m (" + ", ".join(f"c{i} INT" for i in range(rng.choice((10, 50_000)))) + "); SELECT * FROM m",
            "CREATE TABLE m AS SELECT * FROM t; INSERT INTO m SELECT * FROM m; INSERT INTO m SELECT * FROM m; SELECT count(*) FROM m",
            "PREPARE p(BIGINT) AS SELECT $1 + a FROM t; EXECUTE p(1); EXECUTE p('x')",
            "PREPARE p AS SELECT $1 + $18446744073709551615; EXECUTE p(1)",
            "DEALLOCATE p", "DROP TABLE t; SELECT * FROM t", "SHOW ALL", "SHOW TABLES", "SHOW FUNCTIONS", "DESCRIBE t",
            "SELECT * FROM information_schema.df_settings", "SELECT * FROM information_schema.routines", "SELECT * FROM information_schema.columns, information_schema.parameters",
            "CREATE SCHEMA s; CREATE TABLE s.x AS SELECT 1; SELECT * FROM s.x", "CREATE DATABASE d; CREATE TABLE d.public.x AS VALUES (1); SELECT * FROM d.public.x", "BEGIN; COMMIT; ROLLBACK",
            "INSERT INTO t VALUES (1)", "DELETE FROM t", "UPDATE t SET a = 1", "TRUNCATE t", "ALTER TABLE t ADD COLUMN x INT", "LOAD 'x'", "USE s",
            "SELECT 'a' || U&'\\00e9' || E'\\x1b[31m' || '\x1b[0m'", "SELECT 1 AS \"\u202e\", 2 AS \"\x1b]0;x\x07\"", "SELECT $$\x1b$$", "SELECT '" + "x" * 1_000_000 + "'", "SELECT /* " + "/* " * 10_000 + "*/ " * 10_000 + "*/ 1",
            "-- only a comment", ";;;;", "\x00", "SELECT '\x00'", "\ufeffSELECT 1", "SELECT 1 \u2028 FROM t",
        ]
    )  # fmt: skip


def declaration(rng: random.Random) -> str:
    """A Python function that says it has a type that is too large."""
    size = rng.choice(["999999999", "2147483647", "65536", "-1", "9" * 20])
    type = rng.choice(
        [
            f"fixed_size_binary[{size}]", f"fixed_size_list<item: int64>[{size}]", f"fixed_size_list<item: fixed_size_binary[{size}]>[{size}]", f"fixed_size_list<item: null>[{size}]", "list<item: null>",
            "list<item: " * 500 + "int64" + ">" * 500, "struct<" + ", ".join(f"x{i}: int64" for i in range(20_000)) + ">", "decimal128(999, 999)", f"timestamp[us, tz={'x' * 10_000}]",
        ]
    )  # fmt: skip
    body = rng.choice(["return None", "return []", "return [None] * 60000000", "return b''", "return 'x' * 10**9"])
    create = f"""CREATE FUNCTION h(x BIGINT) LANGUAGE PYTHON AS $$
from vivarium import udf
@udf(result_type="{type}", null_handling="call")
def h(x: int):
    {body}
$$;
"""
    return create + rng.choice(
        [
            "SELECT h(a) FROM t", "SELECT h(1)", "SELECT CASE WHEN a > 100000 THEN h(a) END FROM t", "SELECT count(h(a)) FROM t", "SELECT t.a, u.x FROM t LEFT JOIN (SELECT a, h(a) x FROM t WHERE a < -1000) u ON t.a = u.a",
            "SELECT a, h(a) x FROM t WHERE a < -1000 UNION ALL SELECT a, NULL FROM t", "SELECT h(a) FROM t ORDER BY 1",
        ]
    )  # fmt: skip


def odd_name(rng: random.Random) -> str:
    name = rng.choice(NAMES)
    return rng.choice(["SELECT {0} FROM t", "SELECT a AS {0} FROM t", "SELECT * FROM {0}", "SELECT {0}(a) FROM t", "SELECT CAST(a AS {0}) FROM t", "CREATE TABLE {0} AS SELECT 1; SELECT * FROM {0}", "SET {0} = 1", "SHOW {0}", "DROP FUNCTION {0}", "SELECT CAST({0} AS INT) FROM t", "EXECUTE {0}(1)", "SELECT 'x' = {0}"]).format(name)


def query(rng: random.Random) -> str:
    return Query(rng).text


def _numbers(text: str, rng: random.Random) -> str:
    while "{n}" in text:
        text = text.replace("{n}", rng.choice(NUMBERS + ("2000000000", "1000000", "2")), 1)
    return text


KINDS = [
    (query, 14), (long_chain, 7), (deep, 9), (deep_from, 7), (doubled, 4), (many, 4), (window, 6), (aggregate, 6), (large_value, 9), (pattern, 5), (nested_type, 3),
    (endless, 5), (settings, 7), (external, 7), (copy, 5), (definition, 6), (declaration, 3), (odd_name, 4), (mutated, 12),
]  # fmt: skip
_FUNCTIONS, _WEIGHTS = zip(*KINDS)


def statement(rng: random.Random, number: int) -> tuple[str, str]:
    """(kind, text). The first ones have each kind in turn."""
    kind = _FUNCTIONS[number] if number < len(_FUNCTIONS) else rng.choices(_FUNCTIONS, _WEIGHTS)[0]
    text = kind(rng)
    if rng.randrange(10) == 0:
        text = rng.choice(["EXPLAIN ", "EXPLAIN VERBOSE ", "EXPLAIN ANALYZE ", "EXPLAIN FORMAT TREE ", "EXPLAIN EXPLAIN "]) + text
    return kind.__name__, text
