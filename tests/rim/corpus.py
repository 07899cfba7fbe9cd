"""Statements of the documentation and of the tests, with some bytes, words or parts changed."""

import functools
import random
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

WORDS = (
    "SELECT", "FROM", "WHERE", "(", ")", ",", ";", "*", "'", '"', "$$", "NULL", "OVER", "UNION", "JOIN", "ON", "GROUP BY", "--", "/*", "*/", "::", "CAST", "AS", "WITH", "RECURSIVE", "[", "]", "{", "}",
    "\\", "\x00", "\x1b", "\u202e", "\u0085", "9" * 40, "1e400", "0x", "$1", "@", "#", ":", "E'", "U&'", "=>", "->>", "...",
)  # fmt: skip


@functools.cache
def statements() -> tuple[str, ...]:
    """All statements, sorted so that they do not depend on the order of files."""
    found = []
    for file in sorted((ROOT / "crates" / "vivarium-datafusion" / "tests" / "sql" / "slt").glob("*.slt")):
        for block in re.split(r"\n\s*\n(?=statement|query|#)", file.read_text()):
            match = re.search(r"^(?:statement|query)[^\n]*\n(.*?)(?:\n----.*)?\Z", block.strip(), re.DOTALL | re.MULTILINE)
            if match:
                found.append(match[1].strip())
    for block in re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "sql.md").read_text(), re.DOTALL):
        found.append(block.strip())
    return tuple(found)


def mutated(rng: random.Random) -> str:
    """One or two statements, changed a few times."""
    text = ";\n".join(rng.choice(statements()).rstrip(";") for _ in range(rng.choice([1, 1, 2])))
    for _ in range(rng.choice([0, 1, 1, 2, 4, 8])):
        start, end = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
        match rng.randrange(7):
            case 0:
                text = text[:start] + text[start + rng.randrange(1, 4) :]
            case 1:
                text = text[:start] + rng.choice(WORDS) + text[start:]
            case 2:
                text = text[:start] + f" {rng.choice(WORDS)} " + text[start:]
            case 3:
                text = text[:end] + text[start:end][:200] + text[end:]
            case 4:
                text = text[:start] + chr(rng.choice([rng.randrange(128), rng.randrange(0x80, 0x3000)])) + text[start + 1 :]
            case 5:
                other = rng.choice(statements())
                place = rng.randrange(len(other) + 1)
                text = text[:start] + other[place : place + 100] + text[start:]
            case 6:
                text = re.sub(r"\b\d+\b", lambda _: rng.choice(["0", "-1", "9223372036854775807", "1e400"]), text, count=1)
    return text
