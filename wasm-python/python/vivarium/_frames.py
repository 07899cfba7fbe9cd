"""DataFrames of whole rows: all columns of a function as one, and table functions that return them."""

import collections.abc

import numpy as np
import pandas as pd

from vivarium import _series

misfit = _series.misfit

INDEX = "row"
"""The name of the index of a table function's arguments: rows of a result that have it say by it which row they were made for."""


def framed(callable, names, iterated=False):
    """A function of a DataFrame as one of its columns."""

    def frame(columns):
        made = pd.DataFrame(dict(enumerate(columns)), copy=False)
        made.columns = names
        return made

    if iterated:
        return lambda batches: callable(frame(columns if isinstance(columns, (tuple, list)) else [columns]) for columns in batches)
    return lambda *columns: callable(frame(columns))


def table(callable, type, iterated):
    """A table function of Series, or DataFrames, as one that yields pairs: the position of a row, and a row made for it."""

    def call(*columns):
        count = len(columns[0])
        index = pd.RangeIndex(count, name=INDEX)
        for column in columns:
            column.index = index
        if iterated:
            made = callable(iter([columns[0] if len(columns) == 1 else columns]))
        else:
            made = callable(*columns)
        last = 0
        for piece in _pieces(made):
            positions, rows = _rows(piece, type, count)
            if len(positions) and positions[0] < last:
                raise misfit(f"result: rows for row {positions[0]} of the batch after rows for row {last}; put them into one DataFrame")
            last = positions[-1] if len(positions) else last
            yield from zip(positions, rows)

    return call


def _pieces(made):
    if made is None or isinstance(made, (pd.DataFrame, pd.Series)):
        return [] if made is None else [made]
    if isinstance(made, (list, tuple, collections.abc.Iterator)):
        return made
    raise misfit(f"result: {_called(made)}; a table function over Series returns a DataFrame, or yields them")


def _called(value):
    return f"an object of {type(value).__name__}"


def _rows(piece, type, count):
    """(positions in ascending order, rows as tuples) of one DataFrame, or of the Series of an only column."""
    if isinstance(piece, pd.Series):
        piece = piece.to_frame()
    if not isinstance(piece, pd.DataFrame):
        raise misfit(f"result: {_called(piece)}; a table function over Series returns a DataFrame, or yields them")
    positions = _positions(piece.index, count)
    order = None
    if len(positions) > 1 and (np.diff(positions) < 0).any():
        order = np.argsort(positions, kind="stable")
        positions, piece = positions[order], piece.iloc[order]
    positions = positions.tolist()
    try:
        return positions, _series.rows_of(piece, type, False)
    except _series.ResultError as error:
        at = getattr(error, "index", None)
        if at is not None and at < len(positions):
            error.index = positions[at]
        raise


def _positions(index, count):
    if index.name != INDEX or index.nlevels != 1 or (index.dtype.kind not in "iu" and len(index)):
        raise misfit(
            "result: its index does not say which row each of its rows was made for. Keep the index of the argument, as filters, "
            "explode() and concat() do, or give it to what you make: pd.DataFrame(..., index=argument.index)"
        )
    positions = index.to_numpy().astype("i8")
    wrong = (positions < 0) | (positions >= count)
    if wrong.any():
        raise misfit(f"result: its index has {positions[wrong][0]}, and the rows of the batch are 0 to {count - 1}")
    return positions
