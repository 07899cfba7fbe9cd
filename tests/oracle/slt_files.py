"""Files of sqllogictests: their statements and queries, without what they expect."""

import re
from dataclasses import dataclass
from pathlib import Path

KEYWORDS = ("statement", "query")


@dataclass(frozen=True)
class Record:
    """A statement or query that has to succeed."""

    line: int
    sql: str
    is_query: bool


def read(path: Path) -> list[Record]:
    """The records of a file in order, without those that have to fail or are for other engines."""
    lines = path.read_text(encoding="utf-8").split("\n")
    records, at = [], 0
    left_out = False
    while at < len(lines):
        words = lines[at].split()
        begin, at = at + 1, at + 1
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("skipif", "onlyif"):
            left_out = words[0] == "onlyif" and words[1].lower() != "datafusion" or words[0] == "skipif" and words[1].lower() == "datafusion"
            continue
        if words[0] not in KEYWORDS:
            continue
        sql = []
        while at < len(lines) and lines[at].strip() not in ("", "----"):
            sql.append(lines[at])
            at += 1
        if at < len(lines) and lines[at].strip() == "----":
            while at < len(lines) and lines[at].strip() != "":
                at += 1
        fails = len(words) > 1 and words[1] == "error"
        if not fails and not left_out and sql:
            records.append(Record(begin, "\n".join(sql).strip().rstrip(";"), words[0] == "query"))
        left_out = False
    return records


TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<text>'(?:[^']|'')*')
      | (?P<prefixed>\b[eExXbBnN]'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<dollar>\$\$.*?\$\$)
      | (?P<number>(?<![\w.])\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<word>[A-Za-z_]\w*)
      | (?P<space>\s+)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)

LITERAL_ONLY = {
    "interval", "date", "timestamp", "timestamptz", "time", "limit", "offset", "decimal", "numeric", "varchar", "char", "float", "as", "fetch", "first",
    "next", "preceding", "following", "rows", "range", "groups", "bytes", "bit", "by", "at", "zone", "escape", "percent", "collate", "nth",
}  # fmt: skip
"""Words behind which a constant is part of a type, a clause or another constant."""


def tokens(sql: str) -> list[tuple[str, str]]:
    """(kind, text) of all tokens; together they are the text."""
    return [(match.lastgroup or "sign", match[0]) for match in TOKEN.finditer(sql)]


def with_functions(sql: str, function) -> str:
    """The query with constants as arguments; `function` gives a name for a type of a constant: int64, double or string."""
    out, before, depth, types = [], "", 0, []
    in_list = False
    for kind, text in tokens(sql):
        if kind in ("space", "comment"):
            out.append(text)
            continue
        if text == "(":
            depth += 1
            types.append(before in LITERAL_ONLY or before == "in")
        elif text == ")":
            depth -= 1
            if types:
                types.pop()
        inside = bool(types) and types[-1]
        lower = text.lower()
        if kind == "word" and lower in ("order", "group", "limit", "offset", "with", "values"):
            # ORDER BY 1 and GROUP BY 1 are places of columns.
            in_list = lower in ("order", "group", "values")
        elif kind == "word" and lower in ("select", "from", "where", "having"):
            in_list = False
        wrap = kind in ("text", "number") and not inside and not in_list and before not in LITERAL_ONLY and before != "::"
        if wrap and kind == "number":
            plain = text.isdigit()
            wrap = not plain or int(text) < 1 << 63
            out.append(f"{function('int64' if plain else 'double')}({text})" if wrap else text)
        elif wrap:
            out.append(f"{function('string')}({text})")
        else:
            out.append(text)
        before = lower if kind == "word" else before + text if (before, text) == (":", ":") else text
    return "".join(out)
