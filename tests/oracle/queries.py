"""Random queries as templates that are rendered with functions, without them, and for DuckDB.

`⟦a¦b¦c⟧` is `a` with functions, `b` without and `c` for DuckDB; `⟦a¦b⟧` is `b` for DuckDB, too.
"""

import random
import re
from dataclasses import dataclass

TYPES = {
    "int": ("int64", "BIGINT"),
    "text": ("string", "VARCHAR"),
    "bool": ("bool", "BOOLEAN"),
    "real": ("double", "DOUBLE"),
    "cents": ("decimal128(12, 2)", "DECIMAL(12, 2)"),
    "day": ("date32[day]", "DATE"),
    "time": ("timestamp[us]", "TIMESTAMP"),
    "moment": ("timestamp[us, tz=UTC]", "TIMESTAMP WITH TIME ZONE"),
}
"""The types of values: as the functions declare them, and in SQL."""

FLAVOURS = ("each", "skip", "array", "again")
"""The kinds of identity functions: called for every row, not for NULLs, with columns, and made again for each call."""

COLUMNS = {"int": ("i", "j"), "text": ("s",), "bool": ("b",), "real": ("r",), "cents": ("n",), "day": ("d",), "time": ("at",), "moment": ("z",)}
"""The columns of both tables, besides `id`, which has each number once."""


def functions() -> str:
    """The Python file."""
    parts = [HEAD]
    for name, (kind, _) in TYPES.items():
        parts.append(IDENTITIES.format(name=name, kind=kind))
    return "".join(parts)


HEAD = '''import datetime

from vivarium import udaf, udf


@udf
def f_add(x: int, y: int) -> int:
    return x + y


@udf
def f_inverse(x: int) -> int:
    return int(100 / x)


@udf
def f_fails(x: int | None) -> bool:
    raise ValueError(f"called with {x}")


@udf
def f_odd(x: int) -> bool:
    return x % 2 != 0


@udf
def f_reverse(x: str) -> str:
    return x[::-1]


@udf
def f_length(x: str) -> int:
    return len(x)


@udf
def f_or(x: int | None, y: int | None) -> int | None:
    return y if x is None else x


@udf(vectorized=True)
def f_double(x: int) -> int:
    return x * 2


@udf(input_types=["date32[day]"], result_type="date32[day]")
def f_next(x):
    return x + datetime.timedelta(days=1)


@udf(input_types=["timestamp[us, tz=UTC]"], result_type="int64")
def f_hour(x):
    return x.hour


class Total:
    def create_accumulator(self):
        return [None]

    def accumulate(self, acc, x: int | None):
        if x is not None:
            acc[0] = x if acc[0] is None else acc[0] + x

    def get_value(self, acc) -> int | None:
        return acc[0]


@udaf(name="a_sum")
class Alone(Total):
    pass


@udaf(name="a_sum_merged")
class Merged(Total):
    def merge(self, acc, other):
        self.accumulate(acc, other[0])


@udaf(name="a_sum_moving")
class Moving:
    def create_accumulator(self):
        return [0, 0]

    def accumulate(self, acc, x: int | None):
        if x is not None:
            acc[0] += x
            acc[1] += 1

    def retract(self, acc, x: int | None):
        if x is not None:
            acc[0] -= x
            acc[1] -= 1

    def merge(self, acc, other):
        acc[0] += other[0]
        acc[1] += other[1]

    def get_value(self, acc) -> int | None:
        return acc[0] if acc[1] else None


@udaf(name="a_max")
class Largest:
    def create_accumulator(self):
        return [None]

    def accumulate(self, acc, x: str | None):
        if x is not None and (acc[0] is None or x.encode() > acc[0].encode()):
            acc[0] = x

    def merge(self, acc, other):
        self.accumulate(acc, other[0])

    def get_value(self, acc) -> str | None:
        return acc[0]


@udaf(name="a_count")
class Count:
    def create_accumulator(self):
        return [0]

    def accumulate(self, acc, x: int | None):
        acc[0] += x is not None

    def merge(self, acc, other):
        acc[0] += other[0]

    def get_value(self, acc) -> int:
        return acc[0]


@udaf(name="a_join")
class Joined:
    def create_accumulator(self):
        return []

    def accumulate(self, acc, x: str | None):
        if x is not None:
            acc.append(x)

    def get_value(self, acc) -> str | None:
        return ",".join(acc) if acc else None
'''

IDENTITIES = '''

@udf(input_types=["{kind}"], result_type="{kind}", null_handling="call")
def each_{name}(x):
    return x


@udf(input_types=["{kind}"], result_type="{kind}", null_handling="skip")
def skip_{name}(x):
    return x


@udf(input_types=["{kind}"], result_type="{kind}", vectorized=True)
def array_{name}(x):
    return x


@udf(input_types=["{kind}"], result_type="{kind}", null_handling="call", deterministic=False)
def again_{name}(x):
    return x
'''


@dataclass(frozen=True)
class Query:
    template: str
    kinds: tuple[str, ...]
    """Of the columns, which are called c0, c1, ...; `int list` is a list of ints."""
    ordered: bool
    """Whether the order of rows is told."""
    what: str

    def rendered(self, place: int) -> str:
        """With functions (0), without (1), for DuckDB (2)."""

        def pick(match: re.Match) -> str:
            parts = match[1].split("¦")
            return parts[min(place, len(parts) - 1)]

        text = self.template
        while "⟦" in text:
            text = re.sub("⟦([^⟦⟧]*)⟧", pick, text)
        return text


class Queries:
    """Makes queries over the tables `t` and `u`."""

    def __init__(self, generator: random.Random):
        self.random = generator

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, *options):
        return self.random.choice(options)

    # Expressions.

    def expression(self, kind: str, tables: tuple[str, ...], depth: int = 2) -> str:
        """An expression of a type, perhaps in a function that changes nothing."""
        inner = self._bare(kind, tables, depth)
        if self.chance(0.35):
            return f"⟦{self.pick(*FLAVOURS)}_{kind}¦⟧({inner})"
        return inner

    def column(self, kind: str, tables: tuple[str, ...]) -> str:
        return f"{self.pick(*tables)}.{self.pick(*COLUMNS[kind])}"

    def _bare(self, kind: str, tables: tuple[str, ...], depth: int) -> str:
        if depth == 0 or self.chance(0.3):
            return self.column(kind, tables) if self.chance(0.85) else self.literal(kind)
        of = lambda kind: self.expression(kind, tables, depth - 1)  # noqa: E731
        shared = (
            lambda: f"CASE WHEN {of('bool')} THEN {of(kind)} ELSE {of(kind)} END",
            lambda: f"CASE WHEN {of('bool')} THEN {of(kind)} END",
            lambda: f"COALESCE({of(kind)}, {of(kind)})",
            lambda: f"NULLIF({of(kind)}, {of(kind)})",
        )
        own = getattr(self, f"_{kind}_forms")(of)
        return self.pick(*shared, *own, *own)()

    def literal(self, kind: str) -> str:
        text = {
            "int": lambda: str(self.random.randint(-5, 5)),
            "text": lambda: self.pick("'a'", "''", "'north'", "'It''s'", "'é'"),
            "bool": lambda: self.pick("TRUE", "FALSE"),
            "real": lambda: self.pick("0.5", "-2.25", "0.0", "3.0"),
            "cents": lambda: self.pick("1.50", "0.00", "-99.99"),
            "day": lambda: self.pick("'2024-02-29'", "'1969-12-31'"),
            "time": lambda: self.pick("'2024-02-29 12:34:56.789012'", "'1969-12-31 23:59:59'"),
            "moment": lambda: self.pick("'2024-03-31 01:30:00+00:00'", "'1970-01-01 00:00:00+02:00'"),
        }[kind]()
        return f"CAST({'NULL' if self.chance(0.2) else text} AS {TYPES[kind][1]})"

    def _int_forms(self, of) -> tuple:
        return (
            lambda: f"({of('int')} {self.pick('+', '-')} {of('int')})",
            lambda: f"⟦f_add(¦(⟧{of('int')}⟦,¦ +⟧ {of('int')})",
            lambda: f"({of('int')} % {self.pick(2, 3, 7)})",
            lambda: f"⟦f_or¦COALESCE⟧({of('int')}, {of('int')})",
            lambda: f"⟦f_double(¦(2 * ⟧{of('int')})",
            lambda: f"CAST(⟦f_length¦length⟧({of('text')}) AS BIGINT)",
            lambda: f"⟦f_hour(¦CAST(extract(hour FROM ⟧{of('moment')}⟦)¦) AS BIGINT)⟧",
            lambda: f"CAST(extract(year FROM {of('day')}) AS BIGINT)",
            lambda: self._guarded_inverse(of),
        )

    def _guarded_inverse(self, of) -> str:
        """A function that fails for 0, where no 0 gets to."""
        x = of("int")
        call = f"⟦f_inverse(¦(100 / NULLIF(¦(100 // NULLIF(⟧{x}⟦)¦, 0))⟧"
        form = self.pick(0, 1, 2)
        if form == 0:
            return f"CASE WHEN {x} <> 0 THEN {call} END"
        if form == 1:
            return f"CASE WHEN {x} = 0 THEN -1 ELSE {call} END"
        return f"CASE {x} WHEN 0 THEN NULL ELSE {call} END"

    def _text_forms(self, of) -> tuple:
        return (
            lambda: f"({of('text')} || {of('text')})",
            lambda: f"{self.pick('upper', 'lower', 'trim')}({of('text')})",
            lambda: f"⟦f_reverse¦reverse⟧({of('text')})",
            lambda: f"substr({of('text')}, {self.random.randint(1, 3)})",
        )

    def _bool_forms(self, of) -> tuple:
        kind = self.pick(*TYPES)
        operator = self.pick("=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
        compared = lambda: f"({of(kind)} {operator} {of(kind)})"  # noqa: E731
        return (
            compared,
            compared,
            lambda: f"({of('bool')} {self.pick('AND', 'OR')} {of('bool')})",
            lambda: f"(NOT {of('bool')})",
            lambda: f"({of(kind)} IS {self.pick('', 'NOT ')}NULL)",
            lambda: f"({of('int')} {self.pick('', 'NOT ')}IN ({of('int')}, {of('int')}, {self.literal('int')}))",
            lambda: f"({of('int')} BETWEEN {of('int')} AND {of('int')})",
            lambda: f"({of('text')} LIKE {self.pick(repr('%a%'), repr('n_rth'), repr('%'))})",
            lambda: f"⟦f_odd(¦(0 <> (⟧{of('int')}⟦)¦) % 2)⟧",
            lambda: self._guarded_condition(of),
        )

    def _guarded_condition(self, of) -> str:
        """Conditions that decide whether a function that fails is called."""
        x = of("int")
        call = f"(⟦f_inverse(¦(100 / NULLIF(¦(100 // NULLIF(⟧{x}⟦)¦, 0))⟧ {self.pick('>', '<')} {self.random.randint(-9, 9)})"
        form = self.pick(0, 1, 2, 3)
        if form == 0:
            return f"({x} <> 0 AND {call})"
        if form == 1:
            return f"({x} = 0 OR {x} IS NULL OR {call})"
        if form == 2:
            return f"(({x} IS NULL OR {x} = 0) AND FALSE AND ⟦f_fails({x})¦TRUE⟧)"
        return f"(COALESCE({x}, 0) <> 0 AND {of('bool')} AND {call})"

    def _real_forms(self, of) -> tuple:
        return (
            lambda: f"({of('real')} {self.pick('+', '-')} {of('real')})",
            lambda: f"abs({of('real')})",
            lambda: f"CAST({of('int')} AS DOUBLE)",
        )

    def _cents_forms(self, of) -> tuple:
        return (lambda: f"abs({of('cents')})", lambda: f"CAST({of('cents')} AS DECIMAL(12, 2))")

    def _day_forms(self, of) -> tuple:
        return (
            lambda: f"⟦f_next(¦CAST(⟧{of('day')}⟦)¦ + INTERVAL '1 day' AS DATE)⟧",
            lambda: f"CAST({of('time')} AS DATE)",
        )

    def _time_forms(self, of) -> tuple:
        return (
            lambda: f"date_trunc('{self.pick('hour', 'day', 'month')}', {of('time')})",
            lambda: f"CAST({of('day')} AS TIMESTAMP)",
            lambda: f"({of('time')} + INTERVAL '{self.random.randint(-50, 50)} hours')",
        )

    def _moment_forms(self, of) -> tuple:
        return (
            lambda: f"date_trunc('{self.pick('hour', 'day')}', {of('moment')})",
            lambda: f"({of('moment')} + INTERVAL '{self.random.randint(-50, 50)} minutes')",
        )

    # Queries.

    def query(self) -> Query:
        """One of the kinds of queries."""
        kinds = ("rows", "rows", "joined", "joined", "grouped", "grouped", "windows", "members", "nested", "united")
        what = self.pick(*kinds)
        return getattr(self, f"_{what}")(what)

    def _selected(self, tables: tuple[str, ...], count: int | None = None, begin: int = 0) -> tuple[str, tuple[str, ...]]:
        kinds = tuple(self.pick(*TYPES) for _ in range(count or self.random.randint(1, 4)))
        return ", ".join(f"{self.expression(kind, tables)} AS c{index + begin}" for index, kind in enumerate(kinds)), kinds

    def _where(self, tables: tuple[str, ...]) -> str:
        return f" WHERE {self.expression('bool', tables, 3)}" if self.chance(0.6) else ""

    def _rows(self, what: str) -> Query:
        selected, kinds = self._selected(("t",))
        template = f"SELECT {selected} FROM t{self._where(('t',))}"
        if self.chance(0.5):
            key = lambda: f"{self.expression(self.pick(*TYPES), ('t',))} {self.pick('ASC', 'DESC')} NULLS {self.pick('FIRST', 'LAST')}"  # noqa: E731
            template += f" ORDER BY {key()}, {key()}, t.id"
            template += self.pick("", f" LIMIT {self.random.randint(0, 20)}", f" LIMIT 5 OFFSET {self.random.randint(0, 5)}")
            return Query(template, kinds, True, what + " in order")
        return Query(template, kinds, False, what)

    def _joined(self, what: str) -> Query:
        both = ("t", "u")
        selected, kinds = self._selected(both)
        join = self.pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
        equal = f"{self.expression('int', ('t',), 1)} = {self.expression('int', ('u',), 1)}"
        more = f" AND {self.expression('bool', both)}" if self.chance(0.5) else ""
        return Query(f"SELECT {selected} FROM t {join} u ON {equal}{more}{self._where(both)}", kinds, False, f"{what} by {join}")

    def _aggregate(self, tables: tuple[str, ...]) -> tuple[str, str]:
        of = lambda kind: self.expression(kind, tables, 1)  # noqa: E731
        condition = f" FILTER (WHERE {self.expression('bool', tables)})" if self.chance(0.3) else ""
        guard = self.column("int", tables)
        form, kind = self.pick(
            (lambda: "count(*)", "int"),
            (lambda: f"count({of(self.pick(*TYPES))})", "int"),
            (lambda: f"⟦a_count¦count⟧({of('int')})", "int"),
            (lambda: f"count(DISTINCT {of(self.pick('int', 'text', 'day'))})", "int"),
            (lambda: f"⟦{self.pick('a_sum', 'a_sum_merged', 'a_sum_moving')}¦sum⟧({of('int')})", "int"),
            (lambda: f"⟦{self.pick('a_sum', 'a_sum_merged')}¦sum⟧(DISTINCT {of('int')})", "int"),
            (lambda: f"sum({of('int')})", "int"),
            (lambda: f"sum({of('real')})", "real"),
            (lambda: f"⟦a_max¦max⟧({of('text')})", "text"),
            (lambda: f"min({of('moment')})", "moment"),
            (lambda: f"max({of('cents')})", "cents"),
            (lambda: f"bool_and({of('bool')})", "bool"),
            (lambda: f"array_agg({of('int')} ORDER BY {tables[0]}.id)", "int list"),
            (lambda: f"⟦a_join({{}}¦string_agg({{}}, ','⟧ ORDER BY {tables[0]}.id)".replace("{}", of("text")), "text"),
            (lambda: f"sum(⟦f_inverse(¦(100 / NULLIF(¦(100 // NULLIF(⟧{guard}⟦)¦, 0))⟧) FILTER (WHERE {guard} <> 0)", "int"),
        )  # fmt: skip
        text = form()
        return (text if "FILTER" in text else text + condition), kind

    def _grouped(self, what: str) -> Query:
        kinds = [self.pick("int", "text", "bool", "day") for _ in range(self.random.randint(0, 2))]
        keys = [(self.expression(kind, ("t",), 1), kind) for kind in kinds]
        aggregates = [self._aggregate(("t",)) for _ in range(self.random.randint(1, 3))]
        selected = ", ".join(f"{text} AS c{index}" for index, (text, _) in enumerate(keys + aggregates))
        template = f"SELECT {selected} FROM t{self._where(('t',))}"
        if keys:
            template += " GROUP BY " + ", ".join(text for text, _ in keys)
            if self.chance(0.3):
                template += f" HAVING {self.pick('count(*) > 1', '⟦a_count¦count⟧(t.i) > 1')}"
        return Query(template, tuple(kind for _, kind in keys + aggregates), False, what)

    def _windows(self, what: str) -> Query:
        partition = f"PARTITION BY {self.expression(self.pick('int', 'bool', 'text'), ('t',), 1)} " if self.chance(0.6) else ""
        frame = self.pick(
            "", " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
        )  # fmt: skip
        over = f"OVER ({partition}ORDER BY {self.expression('int', ('t',), 1)} NULLS LAST, t.id{frame})"
        over_all = f"OVER ({partition}ORDER BY t.id)"
        # DataFusion has no plan for keys of windows that may be others when they are asked for again, such as random().
        over, over_all = (text.replace("⟦again_", "⟦each_") for text in (over, over_all))
        kind = self.pick(*TYPES)
        forms = [
            (f"⟦{self.pick('a_sum', 'a_sum_merged', 'a_sum_moving')}¦sum⟧({self.expression('int', ('t',), 1)}) {over}", "int"),
            (f"count({self.expression('int', ('t',), 1)}) {over}", "int"),
            (f"row_number() {over_all}", "int"),
            (f"lag({self.expression(kind, ('t',), 1)}) {over_all}", kind),
            (f"first_value({self.expression(kind, ('t',), 1)}) {over_all}", kind),
        ]
        chosen = self.random.sample(forms, 2)
        selected = ", ".join(f"{text} AS c{index}" for index, (text, _) in enumerate(chosen))
        return Query(f"SELECT {selected}, t.id AS c2 FROM t{self._where(('t',))}", (*(kind for _, kind in chosen), "int"), False, what)

    def _members(self, what: str) -> Query:
        selected, kinds = self._selected(("t",), 2)
        here, there, maybe = self.expression("int", ("t",), 1), self.expression("int", ("u",), 1), self.pick("", "NOT ")
        within = self.pick(
            f"{here} {maybe}IN (SELECT {there} FROM u{self._where(('u',))})",
            f"{maybe}EXISTS (SELECT 1 FROM u WHERE {there} = t.{self.pick('i', 'j')})",
            f"{here} > (SELECT {self.pick('min', 'max', '⟦a_sum¦sum⟧')}({there}) FROM u)",
        )
        return Query(f"SELECT {selected} FROM t WHERE {within}", kinds, False, what)

    def _nested(self, what: str) -> Query:
        selected, kinds = self._selected(("t",), 3)
        outer = self.pick(*range(3))
        wrap = f"⟦{self.pick(*FLAVOURS)}_{kinds[outer]}¦⟧(q.c{outer})"
        condition = f"{wrap} IS NOT NULL" if self.chance(0.5) else f"q.c{outer} IS DISTINCT FROM {self.literal(kinds[outer])}"
        inner = f"SELECT {selected} FROM t{self._where(('t',))}"
        if self.chance(0.5):
            return Query(f"WITH q AS ({inner}) SELECT q.c0 AS c0, {wrap} AS c1 FROM q WHERE {condition}", (kinds[0], kinds[outer]), False, what)
        return Query(f"SELECT DISTINCT {wrap} AS c0 FROM ({inner}) AS q WHERE {condition}", (kinds[outer],), False, what)

    def _united(self, what: str) -> Query:
        kinds = tuple(self.pick(*TYPES) for _ in range(2))
        selected = lambda table: ", ".join(f"{self.expression(kind, (table,))} AS c{index}" for index, kind in enumerate(kinds))  # noqa: E731
        parts = [f"SELECT {selected(table)} FROM {table}{self._where((table,))}" for table in ("t", "u")]
        return Query(self.pick(" UNION ALL ", " UNION ", " EXCEPT ", " INTERSECT ").join(parts), kinds, False, what)
