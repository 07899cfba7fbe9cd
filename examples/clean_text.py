"""Comments as people write them, made comparable.

Over the comments of TPC-H's `part`:

    wasm-run run examples/clean_text.py::clean --input part.parquet --args p_comment --as comment
    wasm-run run examples/clean_text.py::keywords --input part.parquet --args p_comment
"""

import re
import unicodedata

from vivarium import udf

NOT_WORDS = re.compile(r"[^\w\s]+")
BLANKS = re.compile(r"\s+")
STOP_WORDS = frozenset("a about across after against along among and are at be by for in into is of on the to up was with".split())


@udf
def clean(text: str) -> str:
    """Lower case, without punctuation, accents and double blanks."""
    text = unicodedata.normalize("NFKD", text)
    text = "".join(character for character in text if not unicodedata.combining(character))
    return BLANKS.sub(" ", NOT_WORDS.sub(" ", text)).strip().casefold()


@udf
def keywords(text: str | None) -> str | None:
    """The words that say something, each once, in the order they come; NULL when none does."""
    if text is None:
        return None
    words = dict.fromkeys(word for word in clean(text).split() if word not in STOP_WORDS and len(word) > 2)
    return ",".join(words) or None
