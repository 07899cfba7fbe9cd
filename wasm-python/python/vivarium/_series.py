"""Columns as pandas Series, and Series as results: functions declared with vectorized="pandas", or func_type="pandas" of PyFlink.

Which dtype a column has follows PyFlink's documentation. Where the type allows, the Series looks into the batch: ints, floats,
timestamps and durations are not copied. A struct is a DataFrame, and a struct in one a Series of dicts.
"""

import numpy as np
import pandas as pd

import _vivarium
from vivarium import _vectors

misfit = _vectors.misfit
ResultError = _vivarium.ResultError


# ---- Arguments ----


def argument(type, pyflink, nullable, whole=True):
    """How the shim makes the argument of a column (arrays.c): a Series, or, where it is `whole`, a DataFrame of a struct.

    `nullable`: a NULL can reach the function. It is NaN, NaT or None as PyFlink has them, so that a column of ints with a NULL is
    one of floats; in functions of our own ints, floats and bools then have the dtypes of pandas that know NULL from NaN and keep
    every int.
    """
    if type.id == "struct" and whole:
        makers = [_maker(field.type, pyflink, True) for field in type.fields]
        return _frame_of([field.name for field in type.fields], makers), [(kept, base(field.type)) for field in type.fields]
    return _maker(type, pyflink, nullable), base(type)


def base(type):
    """The dtype that a column crosses with. Dates come as objects, as in PyFlink."""
    return None if type.id in ("date32", "struct") else _vectors.dtype(type)


def _maker(type, pyflink, nullable):
    kind = _vectors.dtype(type).kind if base(type) is not None else "O"
    if type.id == "timestamp" and type.timezone is not None:
        return _zoned(type)
    if kind in "iu":
        return _floats_where_null if pyflink or not nullable else _nullable(pd.arrays.IntegerArray)
    if kind == "f":
        return _nan_where_null if pyflink or not nullable or type.id == "halffloat" else _nullable(pd.arrays.FloatingArray)
    if kind == "b":
        return _objects_where_null if pyflink or not nullable else _nullable(pd.arrays.BooleanArray)
    if kind in "mM":
        return _nat_where_null
    return _arrays if type.id in ("list", "large_list", "fixed_size_list") else _objects


def _frame_of(names, makers):
    def frame(mask, *columns):
        # Where the struct is NULL, so is every field.
        made = (
            make(own if mask is None else mask if own is None else mask | own, array)
            for make, (own, array) in zip(makers, columns)
        )
        frame = pd.DataFrame(dict(enumerate(made)), copy=False)
        frame.columns = names
        return frame

    return frame


def _nullable(array_class):
    def series(mask, array):
        # Also when nothing is NULL: what a function computes must not depend on the other rows of its batch.
        return pd.Series(array_class(array, np.zeros(len(array), "?") if mask is None else mask), copy=False)

    return series


def _floats_where_null(mask, array):
    return _nan_where_null(mask, array if mask is None else array.astype("f8"))


def _nan_where_null(mask, array):
    return pd.Series(array if mask is None else np.where(mask, array.dtype.type(np.nan), array), copy=False)


def _objects_where_null(mask, array):
    return pd.Series(array if mask is None else np.where(mask, None, array.astype(object)), copy=False)


def _nat_where_null(mask, array):
    return pd.Series(array if mask is None else np.where(mask, array.dtype.type("NaT", np.datetime_data(array.dtype)[0]), array), copy=False)


def _zoned(type):
    dtype = pd.DatetimeTZDtype(type.unit, type.plan("")[4])

    def series(mask, array):
        # A time zone only changes how the instants are read.
        return pd.Series(pd.arrays.DatetimeArray._simple_new(_nat_where_null(mask, array).to_numpy(), dtype=dtype), copy=False)

    return series


def _objects(mask, array):
    return pd.Series(array if mask is None else np.where(mask, None, array), dtype=object, copy=False)


def _arrays(mask, array):
    """The lists of a column as arrays."""
    array = array if mask is None else np.where(mask, None, array)
    made = np.empty(len(array), object)
    for at, items in enumerate(array):
        # `fromiter` takes items as they are, where `asarray` would make dimensions of those that are sequences.
        made[at] = items if items is None else np.asarray(items) if _is_plain(items) else np.fromiter(items, object, len(items))
    return pd.Series(made, copy=False)


def _is_plain(items):
    """Whether NumPy keeps these values as they are."""
    kind = type(items[0]) if items else None
    return kind in (bool, int, float) and all(type(item) is kind for item in items)


# ---- The call ----


def function(callable, type, pyflink, iterated):
    """A function of Series as one whose result the shim understands.

    `iterated`: it takes an iterator over batches and yields as many. It is called for every batch, with an iterator over one.
    """
    result = results(type, pyflink)

    def call(*columns):
        if columns and columns[0].index.start:
            # Some of the rows, after an error: what the function makes itself is numbered from 0.
            columns = [column.reset_index(drop=True) for column in columns]
        if not iterated:
            return result(callable(*columns))
        return result(_gathered(callable(iter([columns[0] if len(columns) == 1 else columns]))))

    return call


def _gathered(batches):
    made = list(batches)
    return made[0] if len(made) == 1 else pd.concat(made, ignore_index=True) if made else []


# ---- Results ----


def results(type, pyflink):
    """What makes an array, or a list of Python objects, of what a function returned: by position, whatever its index says."""

    def result(value):
        if isinstance(value, pd.DataFrame):
            if type.id != "struct":
                raise misfit(f"result: a DataFrame; it stands for a struct, and the result is declared as {type}")
            return rows_of(value, type, pyflink)
        if isinstance(value, pd.Index):
            value = value.to_series()
        if isinstance(value, pd.Series):
            return _plain(value, type, pyflink)
        if isinstance(value, pd.api.extensions.ExtensionArray):
            return _plain(pd.Series(value), type, pyflink)
        return value

    return result


def rows_of(frame, type, pyflink):
    """The rows of a DataFrame as tuples of Python objects, in the order of the fields."""
    names = [field.name for field in type.fields]
    if len(frame.columns) != len(names):
        raise misfit(f"result: a DataFrame of {len(frame.columns)} columns for the {len(names)} fields of {type}")
    by_name = set(names) == set(frame.columns)
    columns = []
    for at, field in enumerate(type.fields):
        series = frame[field.name] if by_name and not pyflink else frame.iloc[:, at]
        columns.append(_listed(results(field.type, pyflink)(series), field.type))
    return list(zip(*columns))


def _listed(values, type):
    """Python objects, None for what is missing."""
    if isinstance(values, list):
        return values
    dtype = _vectors.dtype(type)
    if dtype is not None:
        values = _vectors.checked(values, dtype, len(values), str(type))
        if isinstance(values, list):
            return values
        values, mask = values
        if dtype.kind in "mM":
            return _times(values, mask, type)
        values = values.tolist() if mask is None else np.ma.MaskedArray(values, mask).tolist()
        return values
    return values.tolist()


def _times(values, mask, type):
    """What the row-at-a-time writer takes: datetimes, dates and timedeltas where they are exact, NumPy's own values else."""
    items = list(values) if type.unit == "ns" else values.astype(f"{values.dtype.str[:3]}[us]").tolist()
    if type.id == "date32":
        items = values.tolist()
    if type.timezone is not None and type.unit != "ns":
        import datetime

        items = [item if item is None else item.replace(tzinfo=datetime.UTC) for item in items]
    missing = np.isnat(values) if mask is None else mask
    return [None if lost else item for lost, item in zip(missing.tolist(), items)]


def _plain(series, type, pyflink):
    dtype, array = series.dtype, series.array
    if isinstance(dtype, pd.DatetimeTZDtype):
        if type.timezone is None:
            raise misfit(f"result: a Series of {dtype} does not fit {type}; use .dt.tz_convert('UTC').dt.tz_localize(None)")
        return array._ndarray  # instants, in UTC
    if isinstance(array, pd.core.arrays.masked.BaseMaskedArray):
        values, mask = array._data, array._mask
        return _whole(values, mask, type) if mask.any() or values.dtype.kind == "f" else values
    if not isinstance(dtype, np.dtype) or dtype == object:
        return _objects_of(series, type)
    values = series.to_numpy()
    if dtype.kind == "f":
        missing = np.isnan(values)
        return _whole(values, missing, type) if missing.any() or _is_int(type) else values
    if dtype.kind == "M" and type.id == "timestamp" and type.timezone is not None and not pyflink:
        raise misfit(f"result: a Series of {dtype} does not fit {type}: its time zone is not known; use .dt.tz_localize(...)")
    return values


def _is_int(type):
    return type.id.lstrip("u").startswith("int")


def _whole(values, missing, type):
    """Floats with missing ones; where ints are wanted, those that are whole count as ints, as in PyFlink."""
    if values.dtype.kind == "f" and _is_int(type):
        wrong = ~missing & ((np.trunc(values) != values) | (np.abs(values) >= 2.0**63))
        if type.id == "uint64":
            wrong = ~missing & ((np.trunc(values) != values) | (values < 0) | (values >= 2.0**64))
        if wrong.any():
            index = int(np.argmax(wrong))
            raise misfit(f"result: {values[index]!r} does not fit {type}: it is not whole, or out of range", index)
        values = np.where(missing, 0, values).astype("u8" if type.id == "uint64" else "i8")
    return np.ma.MaskedArray(values, missing)


def _objects_of(series, type):
    missing = series.isna().to_numpy()
    values = series.astype(object).tolist()
    if type.id in ("list", "large_list", "fixed_size_list"):
        values = [item.tolist() if isinstance(item, np.ndarray) else item for item in values]
    if type.id == "timestamp":
        _refuse_nanoseconds(values, type)
    return [None if lost else value for lost, value in zip(missing.tolist(), values)] if missing.any() else values


def _refuse_nanoseconds(values, type):
    for index, value in enumerate(values):
        if isinstance(value, pd.Timestamp) and value is not pd.NaT and value.nanosecond:
            raise misfit(f"result: {value!r} in a Series of objects does not fit {type}: it has nanoseconds", index)


def is_missing(value):
    """Whether a value of pandas stands for NULL: NaN, NaT, NA or None."""
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def concatenated(parts):
    """Columns one after the other: tuples (mask, array) or (mask, array of the first field, ...)."""
    masks, *arrays = zip(*parts)
    if any(mask is not None for mask in masks):
        lengths = [length(part) for part in parts]
        mask = np.concatenate([np.zeros(n, "?") if mask is None else mask for mask, n in zip(masks, lengths)])
    else:
        mask = None
    return (mask, *(concatenated(list(array)) if isinstance(array[0], tuple) else np.concatenate(array) for array in arrays))


def length(column):
    """The number of rows of such a column."""
    mask, *arrays = column
    first = arrays[0] if arrays else mask
    return length(first) if isinstance(first, tuple) else len(first)


def taken(column, rows):
    """Some rows of such a column."""
    mask, *arrays = column
    picked = (taken(array, rows) if isinstance(array, tuple) else array[rows] for array in arrays)
    return (None if mask is None else mask[rows], *picked)


def kept(*column):
    """Makes such a column of what the shim has."""
    return column


def kept_argument(type, whole=True):
    """As `argument`, for a column that is kept."""
    if type.id == "struct" and whole:
        return kept, [(kept, base(field.type)) for field in type.fields]
    return kept, base(type)


def series(column, how):
    """The Series of a column that was kept; `how` is what `argument` says."""
    make, inner = how
    mask, *arrays = column
    if mask is not None and not mask.any():
        mask = None
    made = [series(array, part) for array, part in zip(arrays, inner)] if isinstance(inner, list) else arrays
    return make(mask, *made)


def empty(how):
    """A column of no rows."""
    _, inner = how
    if isinstance(inner, list):
        return (None, *(empty(part) for part in inner))
    return (None, np.empty(0, object if inner is None else inner))
