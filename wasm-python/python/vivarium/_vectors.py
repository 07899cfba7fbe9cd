"""NumPy's side of vectorized functions: which dtype stands for a type, and which results stand for a column."""

import numpy as np

import _vivarium

_DTYPES = {
    "bool": "?",
    "int8": "i1",
    "int16": "i2",
    "int32": "i4",
    "int64": "i8",
    "uint8": "u1",
    "uint16": "u2",
    "uint32": "u4",
    "uint64": "u8",
    "halffloat": "f2",
    "float": "f4",
    "double": "f8",
    "date32": "M8[D]",
}


def dtype(type):
    """The dtype of a column of this type, or None when it is an object array."""
    if type.id == "timestamp":
        return np.dtype(f"M8[{type.unit}]")
    if type.id == "duration":
        return np.dtype(f"m8[{type.unit}]")
    return np.dtype(_DTYPES[type.id]) if type.id in _DTYPES else None


def argument(type, nullable):
    """How the shim makes the argument of a column (arrays.c)."""
    return (_masked, dtype(type)) if nullable else dtype(type)


def _masked(mask, array):
    """A column that may hold NULLs is a masked array, also when it holds none."""
    return np.ma.MaskedArray(array, np.zeros(len(array), "?") if mask is None else mask)


def misfit(message, index=None):
    """The error for a result that stands for no column; `index` is the value that is to blame, when it is one."""
    error = _vivarium.ResultError(message)
    if index is not None:
        error.index = int(index)
    return error


def _check_shape(result, count):
    if isinstance(result, np.ndarray) and result.ndim != 1:
        raise misfit(f"result: an array of {result.ndim} dimensions; a vectorized function returns one value for every row")
    if len(result) != count:
        raise misfit(f"result: {len(result)} values for {count} rows; a vectorized function returns one value for every row")


def _first(wrong, values, spelling, reason):
    index = int(np.argmax(wrong))
    return misfit(f"result: {values[index]!r} does not fit {spelling}: {reason}", index)


def _present(wrong, mask):
    return wrong if mask is None else wrong & ~mask


def _to_integer(values, mask, dtype, spelling):
    if values.dtype.kind not in "iu":
        raise misfit(f"result: an array of {values.dtype} does not fit {spelling}; round it and use .astype({dtype.name!r})")
    if not np.can_cast(values.dtype, dtype):
        limits = np.iinfo(dtype)
        # Python's own comparison with the limits: NumPy's would convert one side to the other's dtype.
        wrong = np.zeros(len(values), "?")
        if int(limits.max) < np.iinfo(values.dtype).max:
            wrong |= values > values.dtype.type(limits.max)
        if int(limits.min) > np.iinfo(values.dtype).min:
            wrong |= values < values.dtype.type(limits.min)
        wrong = _present(wrong, mask)
        if wrong.any():
            raise _first(wrong, values, spelling, f"it is outside {limits.min} to {limits.max}")
    return values.astype(dtype)


def _to_float(values, mask, dtype, spelling):
    if values.dtype.kind not in "iuf":
        raise misfit(f"result: an array of {values.dtype} does not fit {spelling}; use .astype({dtype.name!r})")
    with np.errstate(all="ignore"):
        converted = values.astype(dtype)
        if values.dtype.kind == "f":
            wrong = np.isinf(converted) & ~np.isinf(values)
            reason = "it is too large"
        else:
            # 2**53 and the like: compared as integers, where a float beyond the range counts as wrong.
            limits = np.iinfo(values.dtype)
            wide = converted.astype("f8")
            inside = (wide >= float(limits.min)) & (wide < float(limits.max) if limits.bits == 64 else wide <= limits.max)
            wrong = ~inside
            wrong[inside] = wide[inside].astype(values.dtype) != values[inside]
            reason = "no float equals it exactly; .astype() rounds it"
    wrong = _present(wrong, mask)
    if wrong.any():
        raise _first(wrong, values, spelling, reason)
    return converted


def _to_time(values, mask, dtype, spelling):
    if values.dtype.kind != dtype.kind:
        raise misfit(f"result: an array of {values.dtype} does not fit {spelling}; an array of {dtype} is expected")
    missing = np.isnat(values)
    mask = missing if mask is None else mask | missing
    converted = values.astype(dtype)
    wrong = _present(converted.astype(values.dtype) != values, mask)
    if dtype == np.dtype("M8[D]"):
        days = converted.view("i8")
        wrong |= _present((days < -(2**31)) | (days >= 2**31), mask)
    if wrong.any():
        raise _first(wrong, values, spelling, "it is finer than the type's unit, or out of its range")
    return converted, mask


_SECONDS = {"W": (604_800, 1), "D": (86_400, 1), "h": (3_600, 1), "m": (60, 1)}
_SECONDS |= {unit: (1, 1000**power) for power, unit in enumerate(("s", "ms", "us", "ns", "ps", "fs", "as"))}
"""Of NumPy's units: how many seconds, divided by what."""


def time_units(value, per_second):
    """A datetime64 or timedelta64 in whole units, of which there are so many in a second; None where that is no int64."""
    if np.isnat(value):
        return None
    if value.dtype.kind == "M" and np.datetime_data(value.dtype)[0] in ("Y", "M"):
        value = value.astype("M8[D]")
    unit, count = np.datetime_data(value.dtype)
    if unit not in _SECONDS:
        return None
    seconds, parts = _SECONDS[unit]
    units, rest = divmod(int(value.astype("i8")) * count * seconds * per_second, parts)
    return units if rest == 0 and -(1 << 63) <= units < 1 << 63 else None


def checked(result, dtype, count, spelling):
    """A result as what the shim appends: a list of objects, or an array of exactly `dtype` and a mask or None.

    Values that `dtype` cannot hold raise ResultError, with the attribute `index` when one of them is to blame.
    """
    if not isinstance(result, (np.ndarray, list, tuple)):
        if hasattr(result, "__arrow_c_array__"):
            from vivarium import arrow

            result = arrow.Column.from_arrow(result)
            _check_shape(result, count)
            return result.to_pylist()
        raise misfit(f"result: {type(result).__name__}; a vectorized function returns an array or a list of {count} values")
    _check_shape(result, count)
    if not isinstance(result, np.ndarray):
        return list(result)
    if dtype is None or result.dtype.hasobject or result.dtype.names is not None:
        return result.tolist()
    mask = None
    if isinstance(result, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(result)
        result = result.data
    values = np.asarray(result)
    match dtype.kind:
        case "b":
            if values.dtype.kind != "b":
                raise misfit(f"result: an array of {values.dtype} does not fit {spelling}; an array of bool is expected")
        case "i" | "u":
            values = _to_integer(values, mask, dtype, spelling)
        case "f":
            values = _to_float(values, mask, dtype, spelling)
        case _:
            values, mask = _to_time(values, mask, dtype, spelling)
    return np.ascontiguousarray(values), mask
