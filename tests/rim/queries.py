"""Queries of a grammar: expressions that mostly have the types that they should have, over the table `t`."""

import random

LEAVES = {
    "int": ["a", "i", "1", "0", "-7", "9223372036854775807", "NULL", "length(s)", "CAST(f AS BIGINT)"],
    "float": ["f", "0.5", "1e308", "CAST(a AS DOUBLE)", "'NaN'::double", "CAST(d AS DOUBLE)"],
    "text": ["s", "'x'", "''", "'ünï'", "NULL", "CAST(a AS VARCHAR)", "E'\\n'", "chr(27)"],
    "bool": ["b", "true", "NULL", "a IS NULL", "s IS NOT NULL"],
    "time": ["t", "TIMESTAMP '2024-02-29T12:00:00'", "CAST('0001-01-01' AS TIMESTAMP)", "now()", "to_timestamp(a)"],
    "list": ["make_array(a, i)", "[1, NULL]", "range(0, 5)", "string_to_array(s, 'o')", "make_array()"],
}
RULES = {
    "int": [
        "{int} + {int}", "{int} - {int}", "{int} * {int}", "{int} / {int}", "{int} % {int}", "abs({int})", "CASE WHEN {bool} THEN {int} ELSE {int} END", "coalesce({int}, {int})", "nullif({int}, {int})",
        "length({text})", "array_length({list})", "CAST({float} AS BIGINT)", "CAST({text} AS BIGINT)", "try_cast({text} AS INT)", "extract(year FROM {time})", "{int} & {int}", "{int} << {int}", "gcd({int}, {int})",
        "f({int})", "strpos({text}, {text})", "ascii({text})", "array_position({list}, {int})", "greatest({int}, {int}, {int})", "(SELECT max({int}) FROM t)", "sign({int})", "bit_length({text})",
    ],
    "float": ["{float} + {float}", "{float} / {int}", "sqrt({float})", "ln({float})", "power({float}, {float})", "round({float}, {int})", "exp({float})", "atan2({float}, {float})", "log({float}, {float})", "isnan({float})::int::double", "cot({float})"],
    "text": [
        "{text} || {text}", "upper({text})", "lower({text})", "substr({text}, {int}, {int})", "replace({text}, {text}, {text})", "trim({text})", "lpad({text}, 20, {text})", "g({text})", "concat({text}, {int}, {float})",
        "CAST({float} AS VARCHAR)", "CAST({time} AS VARCHAR)", "CAST({list} AS VARCHAR)", "array_to_string({list}, {text})", "split_part({text}, {text}, {int})", "regexp_replace({text}, 'o+', {text}, 'g')",
        "to_hex({int})", "reverse({text})", "initcap({text})", "md5({text})", "encode({text}, 'base64')", "arrow_typeof({list})", "to_char({time}, '%Y %q')", "CASE {int} WHEN {int} THEN {text} END", "arrow_cast({text}, 'Dictionary(Int8, Utf8)')",
    ],
    "bool": [
        "{bool} AND {bool}", "{bool} OR {bool}", "NOT {bool}", "{int} < {int}", "{int} = {float}", "{text} LIKE {text}", "{text} IN ({text}, {text})", "{int} BETWEEN {int} AND {int}", "{text} ~ 'o'", "{bool} IS DISTINCT FROM {bool}",
        "{time} > {time}", "{int} IN (SELECT i FROM t)", "EXISTS (SELECT 1 FROM t q WHERE q.a = {int})", "array_has({list}, {int})", "{list} = {list}", "{text} = {int}", "{int} > ANY (SELECT a FROM t)",
    ],
    "time": ["{time} + INTERVAL '1 day'", "date_trunc('month', {time})", "{time} - ({time} - {time})", "date_bin(INTERVAL '1 hour', {time})", "{time} AT TIME ZONE 'Europe/Berlin'", "to_timestamp({int})", "CAST(CAST({time} AS DATE) AS TIMESTAMP)", "CAST({text} AS TIMESTAMP)"],
    "list": ["array_append({list}, {int})", "array_concat({list}, {list})", "array_sort({list})", "array_slice({list}, {int}, {int})", "make_array({int}, {int})", "array_distinct({list})", "array_remove({list}, {int})", "array_repeat({int}, 3)", "map_values(map([{int}], [{int}]))", "array_resize({list}, 9, {int})"],
}  # fmt: skip
AGGREGATES = ["count({any})", "sum({int})", "avg({float})", "min({text})", "max({time})", "count(DISTINCT {any})", "array_agg({int})", "bool_and({bool})", "stddev({float})", "string_agg({text}, ',')", "total({int})", "first_value({any} ORDER BY a)", "sum({int}) FILTER (WHERE {bool})", "median({float})"]
WINDOWS = ["row_number() OVER ({w})", "rank() OVER ({w})", "sum({int}) OVER ({w})", "lag({int}, 2) OVER ({w})", "last_value({text}) OVER ({w})", "total({int}) OVER ({w})", "avg({float}) OVER ({w} ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)"]
SOURCES = ["t", "t", "t", "t x JOIN (SELECT i AS j FROM t) y ON a = j", "t LEFT JOIN (SELECT a AS j, s AS s2 FROM t WHERE b) q ON i = j", "(SELECT * FROM t ORDER BY f LIMIT 50) q", "t CROSS JOIN (VALUES (1), (2)) v(z)", "(SELECT * FROM t UNION ALL SELECT * FROM t) u", "t NATURAL JOIN (SELECT i, 1 AS one FROM t)", "t, LATERAL (SELECT t.a + 1 AS l1) z", "(SELECT *, unnest(make_array(1, 2)) AS u FROM t) q"]


class Query:
    """One query; `text` is it."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.depth = rng.choice([1, 2, 2, 3, 5])
        self.text = self._query()

    def _query(self) -> str:
        pick, source = self.rng.choice, self.rng.choice(SOURCES)
        where = f" WHERE {self.expression('bool')}" if self.rng.randrange(2) else ""
        tail = pick(["", "", " ORDER BY 1", " ORDER BY 1 DESC NULLS LAST LIMIT 10", " LIMIT 5 OFFSET 3", " LIMIT 0"])
        match self.rng.randrange(4):
            case 0:
                keys = ", ".join(self.expression() for _ in range(self.rng.randrange(1, 3)))
                having = f" HAVING {self.filled(pick(AGGREGATES))} IS NOT NULL" if self.rng.randrange(3) == 0 else ""
                return f"SELECT {keys}, {self.filled(pick(AGGREGATES))}, {self.filled(pick(AGGREGATES))} FROM {source}{where} GROUP BY {keys}{having}{tail}"
            case 1:
                order = pick(["ORDER BY a", "PARTITION BY s ORDER BY f, a", "PARTITION BY b", "ORDER BY t DESC"])
                return f"SELECT a, {self.filled(pick(WINDOWS).replace('{w}', order))} FROM {source}{where}{tail}"
            case 2:
                return f"SELECT {self.filled(pick(AGGREGATES))}, {self.filled(pick(AGGREGATES))} FROM {source}{where}{tail}"
            case _:
                distinct = pick(["", "", "DISTINCT "])
                return f"SELECT {distinct}{', '.join(self.expression() for _ in range(self.rng.randrange(1, 5)))} FROM {source}{where}{tail}"

    def expression(self, type: str | None = None, depth: int | None = None) -> str:
        type = type or self.rng.choice(list(LEAVES))
        depth = self.depth if depth is None else depth
        # Sometimes of another type than is wanted.
        if self.rng.randrange(25) == 0:
            type = self.rng.choice(list(LEAVES))
        if depth == 0 or self.rng.randrange(5) == 0:
            return self.rng.choice(LEAVES[type])
        return "(" + self.filled(self.rng.choice(RULES[type]), depth - 1) + ")"

    def filled(self, rule: str, depth: int | None = None) -> str:
        while "{" in rule:
            start = rule.index("{")
            end = rule.index("}", start)
            name = rule[start + 1 : end]
            value = self.expression(None if name == "any" else name, self.depth - 1 if depth is None else depth)
            rule = rule[:start] + value.replace("{", "\0") + rule[end + 1 :]
        return rule.replace("\0", "{")
