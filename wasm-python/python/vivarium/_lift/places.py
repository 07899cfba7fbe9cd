"""Where a function leaves rows to the interpreter, by line: for people who ask why it is not faster, and for nothing else."""

import dataclasses

_EXACT = "a result beyond 64 bits"
_DIVISION = "a division by zero"
_WIDE = "ints beyond 2**53 that meet floats"
_WHOLE = "NaN, an infinity, or a result beyond 64 bits"
_MATH = "what math raises for, NaN or infinities"
_ASCII = "text beyond ASCII"
_DIGITS = "decimals of more than 28 digits, or a negative zero"

UNKNOWN = {
    "load_uint64": "values beyond 2**63",
    "int_add": _EXACT,
    "int_sub": _EXACT,
    "int_mul": _EXACT,
    "int_neg": _EXACT,
    "int_gcd": _EXACT,
    "int_abs": _EXACT,
    "int_pow": _EXACT,
    "int_shl": "a result beyond 64 bits, or a negative shift",
    "int_shr": "a negative shift",
    "int_floordiv": _DIVISION,
    "int_mod": _DIVISION,
    "int_div": "a division by zero, or ints beyond 2**53",
    "int_to_float_exact": _WIDE,
    "float_div": _DIVISION,
    "float_floordiv": _DIVISION,
    "float_mod": _DIVISION,
    "float_pow": "a power that raises, or is no plain number",
    "float_to_int": _WHOLE,
    "float_round": _WHOLE,
    "float_floor": _WHOLE,
    "float_ceil": _WHOLE,
    "float_round_digits": "numbers that are nearly between two results, or very large",
    "float_fixed": "numbers that are nearly between two results, or very large",
    "float_to_text": "numbers with many digits or an exponent",
    "float_function": _MATH,
    "float_atan2": _MATH,
    "float_length": "NaN, infinities, and numbers that are nearly zero",
    "int_sqrt": "a negative number",
    "number_shift": "times behind the zone's table, or that its clocks skip",
    "parts_sort": "lists of more than 256 texts",
    "text_upper": _ASCII,
    "text_lower": _ASCII,
    "text_title": _ASCII,
    "text_capitalize": _ASCII,
    "text_isdigit": _ASCII,
    "text_isalpha": _ASCII,
    "text_isalnum": _ASCII,
    "text_isspace": _ASCII,
    "text_isupper": _ASCII,
    "text_islower": _ASCII,
    "text_strip": "text with a character beyond ASCII at an end",
    "text_index": "an index that is not there",
    "text_part": "a part that is not there",
    "text_words": "text with blanks beyond ASCII",
    "text_to_ord": "text that is not one character",
    "ord_to_text": "numbers of no character",
    "text_to_int": "text that is not a plain number of up to 18 digits",
    "text_to_float": "text that is not a plain number of up to 15 digits",
    "load_moment": "times that a datetime cannot hold exactly",
    "load_time": "times that a time cannot hold exactly",
    "load_date32": "dates beyond the years 1 to 9999",
    "load_date64": "dates beyond the years 1 to 9999, or within a day",
    "int_within": "a result beyond the years 1 to 9999",
    "text_to_moment": "text of another form than the format, or no time at all",
    "bytes_decode": "bytes that are no UTF-8",
    "bytes_ascii": _ASCII,
    "bytes_item": "an index that is not there",
    "bytes_from_base64": "what is not base64 alone",
    "bytes_from_hex": "what is not hexadecimal digits alone",
    "digits_check": "text that is not digits of the base alone",
    "digits_value": _EXACT,
    "decimal_add": _DIGITS,
    "decimal_sub": _DIGITS,
    "decimal_mul": _DIGITS,
    "decimal_widen": _DIGITS,
    "decimal_narrow": "decimals with more places than the type has",
    "decimal_round": _DIGITS,
    "decimal_to_int": _EXACT,
    "decimal_to_float": "decimals whose digits do not fit into a float",
    "pattern_find": "text beyond ASCII, or a search that takes many steps",
    "pattern_replace": "text beyond ASCII, or a search that takes many steps",
    "pattern_all": "text beyond ASCII, or a search that takes many steps",
    "json_find": "text that is no plain JSON, a key that is not there, or numbers with many digits",
}
"""The rows whose exact answer a kernel does not know, where that is not for want of memory."""

_BY_CONSTANTS = ("int_floordiv", "int_mod", "int_shr", "float_div", "float_floordiv", "float_mod")
_MINUS_ZERO = -(1 << 63)  # the bits of -0.0


@dataclasses.dataclass(frozen=True)
class Place:
    """`always`: all rows that come there are the interpreter's; otherwise those that `why` says."""

    file: str
    line: int
    function: str
    why: str
    always: bool


def of(lifter, lifted):
    """All of a function: first what always happens, each by line."""
    found = {}
    for code, number, why in lifter.reasons:
        found.setdefault(_place(code, number, why, True))
    for op in lifter.code if lifted else ():
        why = UNKNOWN.get(op.name)
        if why is not None and not _is_safe(op):
            code, number = op.here
            # Columns are loaded before the first instruction.
            found.setdefault(_place(code or lifter.code_of(lifter.fn.__code__), number, why, False))
    return sorted(found, key=lambda place: (not place.always, place.file, place.line))


def _place(code, number, why, always):
    return Place(code.code.co_filename, code.line(number), code.code.co_name, why, always)


def _is_safe(op):
    """A division by a constant that is not zero, or a shift by one."""
    return op.b < 0 and op.a >= 0 and op.name in _BY_CONSTANTS and op.constant not in (0, _MINUS_ZERO)
