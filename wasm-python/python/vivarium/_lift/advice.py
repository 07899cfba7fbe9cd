"""What to write instead of what leaves rows to the interpreter, where there is something."""

import re

_ADVICE = (
    (r"None", "test for it before: `if x is None: ...`"),
    (r"a key that is not there", "ask with .get() and a default"),
    (r"an index that is not there", "test the index before"),
    (r"index\(\) does not find it", "ask with find(), which gives -1, or test with `in` before"),
    (r"unpacking of another number of parts", "test the number of parts before: `if len(parts) == 2: ...`"),
    (r"a result of another type than the declared one", "return the declared type on every path, or declare the type that is returned"),
    (r"a choice between such values", "give the variable one type on every path"),
    (r"a variable changes its type in a loop", "give the variable one type from the start: `total = 0.0` for a sum of floats"),
    (r"an optional value that leaves a loop|such a value in a loop", "give the variable a value that is not None before the loop"),
    (r"max\(\) of values of several types|min\(\) of values of several types", "convert them to one type before: `max(float(a), b)`"),
    (r"recursion", "write a loop"),
    (r"such a time zone|astimezone\(\) with such arguments|ZoneInfo\(\) (of such values|raises)", "use zones that are variables of the file"),
    (r"sorted\(\) of NaN", "test for NaN before: `if x != x: ...`"),
    (r"loops within loops", "move the inner loop into a function of the file"),
    (r"\*\* of ints", "raise to a constant power, or multiply"),
    (r"a slice with a step", "slice without a step"),
    (r"the format .*|a format that is not constant",
     "formats of columns have a width, an alignment, a sign, and the types `s`, `d`, `x`, `o`, `b`, `f` and `%`, written in place"),
    (r"formatting with %.*|format\(\) in such a way", "write an f-string"),
    (r"a conversion in an f-string", "leave `!r` and `!a` out"),
    (r"an iterator that is kept|a call with an iterator",
     "take its values where it is made: `sum(...)`, `any(...)`, `join(...)` or a loop around it"),
    (r"the attribute append|append\(\) to such a list", "append to a list of this function that has one name only"),
    (r"a call of a _lru_cache_wrapper", "leave the cache out: what is cached is the interpreter's"),
    (r"sum\(\) of ints and floats|(sum|max|min)\(\) of such values", "use values of one type; add floats of a loop up in a variable"),
    (r"the attribute .*", "read what is constant outside of the function; of other objects than text and dicts, methods are the interpreter's"),
    (r"a call of print\(\)|print\(\) of such values", "leave it out where it is not needed: it has to be called for every row"),
    (r"a call of a .*|a call of such a value", "call a `def` of the file, or do the work outside of the function, once"),
    (r"a call of .*\(\) with keywords|.*\(\) with keywords", "give the arguments by position"),
    (r"a call of .*|[\w.]+\(\) with such arguments|[\w.]+\(\) of such (a value|values)", "do without it, or call it on a path that few rows take"),
    (r"range\(\) with such a step|such a range", "use a constant step"),
    (r"the instruction (BUILD_MAP|BUILD_CONST_KEY_MAP|BUILD_SET|MAP_ADD|SET_ADD|LIST_APPEND|SET_UPDATE|DICT_UPDATE)",
     "make the container once, as a variable of the file, or compute its items one by one"),
    (r"the instruction (IMPORT_NAME|IMPORT_FROM)", "import at the top of the file"),
    (r"an inner function.*|a call of an inner function", "define the function or lambda at the top of the file"),
    (r"the instruction (STORE_GLOBAL|STORE_ATTR|STORE_SUBSCR|DELETE_\w+)", "return what is computed instead of storing it elsewhere"),
    (r"the function is too long|the function has too many .*", "split it: declare two functions, the second with the result of the first"),
    (r"(arguments|results) of type .*", "use a type of the table in docs/columns.md, or convert the column before"),
    (r"the function has \*arguments, .*", "name every parameter, and return instead of yielding"),
    (r"global variables in such a namespace", "use variables of the file"),
    (r"a variable of an outer function", "return the value instead of setting a variable of the function around it"),
)  # fmt: skip

_COMPILED = [(re.compile(pattern), advice) for pattern, advice in _ADVICE]


def advice(why):
    """For a reason of the lifter's; None where there is nothing better to write."""
    return next((advice for pattern, advice in _COMPILED if pattern.fullmatch(why)), None)
