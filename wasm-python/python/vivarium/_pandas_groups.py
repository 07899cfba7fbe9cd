"""Aggregate functions over Series: all rows of a group are kept, and the function sees them at once."""

import numpy as np

from vivarium import _series, _state


class PandasGroups:
    """The rows of every group, as they came; the function is called when its value is asked for.

    `call` makes the value of the Series of a group. Rows are kept as columns with the group of each row, and put in the order of
    the groups, which keeps the order of the rows in each, when values are asked for.
    """

    def __init__(self, call, arguments, pyflink, whole):
        self.call = call
        self.hows = [_series.argument(argument.type, pyflink, argument.nullable, whole) for argument in arguments]
        self.forget()

    def forget(self):
        self.chunks, self.sorted, self.spoilt = [], None, set()

    def spoil(self, group):
        """A row of the group failed: it has no value any more."""
        self.spoilt.add(group)

    def method(self, name):
        """accumulate as a callable of arrays: groups and columns."""

        def accumulate(groups, *columns):
            self._add(groups.astype("i8"), columns)
            return [None] * len(groups)

        return accumulate

    def _add(self, groups, columns):
        self.chunks.append((groups, columns))
        self.sorted = None

    def _all(self):
        """(groups in order, columns in their order), of all rows."""
        if self.sorted is None:
            if self.chunks:
                groups = np.concatenate([groups for groups, _ in self.chunks])
                order = np.argsort(groups, kind="stable")
                parts = zip(*(columns for _, columns in self.chunks))
                columns = [_series.taken(_series.concatenated(list(part)), order) for part in parts]
                self.sorted = groups[order], columns
                self.chunks = [self.sorted]
            else:
                self.sorted = np.empty(0, "i8"), [_series.empty(how) for how in self.hows]
        return self.sorted

    def _rows(self, group):
        groups, columns = self._all()
        begin, end = np.searchsorted(groups, [group, group + 1])
        return [_series.taken(column, slice(int(begin), int(end))) for column in columns]

    def value(self, group):
        """The function's value for a group."""
        if group in self.spoilt:
            return None
        value = self.call(*(_series.series(column, how) for column, how in zip(self._rows(group), self.hows)))
        return None if _series.is_missing(value) else value

    def state(self, group):
        if group in self.spoilt:
            return _state.SPOILT
        return _state.dumps(tuple(map(_saved, self._rows(group))), None)

    def restore(self, group, data):
        self.spoilt.discard(group)
        if self.chunks:
            groups, columns = self._all()
            others = groups != group
            self.chunks = [(groups[others], [_series.taken(column, others) for column in columns])]
        self.merge(group, data)

    def merge(self, group, data):
        """Adds a group's rows to another's."""
        if data == _state.SPOILT:
            self.spoilt.add(group)
            return
        loaded = _state.loads(data, None)
        if not isinstance(loaded, tuple) or len(loaded) != len(self.hows):
            raise _state.StateError("the bytes are no accumulator of this function")
        columns = tuple(_loaded(column, how) for column, how in zip(loaded, self.hows))
        if columns and _series.length(columns[0]):
            self._add(np.full(_series.length(columns[0]), group, "i8"), columns)


def _saved(column):
    """What `_state` can write: arrays of objects as lists."""
    return tuple(
        _saved(part) if isinstance(part, tuple) else part.tolist() if part is not None and part.dtype == object else part
        for part in column
    )


def _loaded(column, how):
    """A column of what was written; everything about it is checked, because bytes can come from anywhere."""
    _, inner = how
    parts = inner if isinstance(inner, list) else [inner]
    if not isinstance(column, tuple) or len(column) != len(parts) + 1:
        raise _state.StateError("the bytes are no accumulator of this function")
    mask, *arrays = column
    made = []
    for array, part in zip(arrays, parts):
        if isinstance(part, tuple):
            made.append(_loaded(array, part))
        elif part is None and isinstance(array, list):
            objects = np.empty(len(array), object)
            objects[:] = array
            made.append(objects)
        elif part is not None and isinstance(array, np.ndarray) and array.dtype == part and array.ndim == 1:
            made.append(array)
        else:
            raise _state.StateError("the bytes are no accumulator of this function")
    lengths = {_series.length(one) if isinstance(one, tuple) else len(one) for one in made}
    if mask is not None:
        lengths.add(len(mask) if isinstance(mask, np.ndarray) and mask.dtype == bool else -1)
    if len(lengths) > 1:
        raise _state.StateError("the bytes are no accumulator of this function")
    return (mask, *made)


def of_class(instance):
    """What calls a class: PyFlink's way of writing an aggregate function over Series."""

    def call(*columns):
        accumulator = instance.create_accumulator()
        instance.accumulate(accumulator, *columns)
        return instance.get_value(accumulator)

    return call
