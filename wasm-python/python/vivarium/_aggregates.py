"""The operations of an aggregate function over many groups, as functions of a row that begins with the group's number."""

import copy
import inspect

import _vivarium
from vivarium import _state

# Stands for the accumulator of a group that has no value because a row of it failed under the policy "null".
SPOILT = object()


class RowGroups:
    """Accumulators that are Python objects, one a group."""

    def __init__(self, instance, options, policy):
        self.instance = instance
        self.pyflink = options.pyflink
        self.policy = policy
        self.groups = _vivarium.Groups(instance.create_accumulator, SPOILT)

    def method(self, name):
        """accumulate or retract as a callable of (group, *values)."""
        method, replaces = getattr(self.instance, name), not self.pyflink
        if self.policy == "skip":
            # A row that is left out leaves no trace, also when it fails half-way.
            inner = method

            def method(accumulator, *values):
                changed = copy.deepcopy(accumulator)
                returned = inner(changed, *values)
                return returned if returned is not None and not self.pyflink else changed

            replaces = True
        return _vivarium.GroupMethod(self.groups, method, replaces)

    def spoil(self, group):
        """A row of the group failed: it has no value any more."""
        self.groups.put(group, SPOILT)

    def value(self, group):
        accumulator = self.groups.get(group)
        return None if accumulator is SPOILT else self.instance.get_value(accumulator)

    def rows(self, nulls):
        """emit_value as a callable of a group."""

        def emit(group):
            accumulator = self.groups.get(group)
            return [nulls] if accumulator is SPOILT else self.instance.emit_value(accumulator)

        return emit

    def state(self, group):
        accumulator = self.groups.get(group)
        return _state.SPOILT if accumulator is SPOILT else _state.dumps(accumulator, type(self.instance))

    def _loaded(self, data):
        return _state.loads(data, type(self.instance), self.instance.create_accumulator)

    def merge(self, group, data):
        """Merges taken-out accumulators; a group that is new here simply takes them over."""
        if data == _state.SPOILT:
            self.groups.put(group, SPOILT)
            return
        other = self._loaded(data)
        accumulator = self.groups.get(group)
        if accumulator is SPOILT:
            return
        returned = self.instance.merge(accumulator, [other] if self.pyflink else other)
        if returned is not None and not self.pyflink:
            self.groups.put(group, returned)

    def restore(self, group, data):
        """Puts an accumulator back."""
        self.groups.put(group, SPOILT if data == _state.SPOILT else self._loaded(data))

    def forget(self):
        self.groups.forget()


class ArrayGroups:
    """Accumulators that are NumPy arrays over all groups; there is room for more groups than there are."""

    def __init__(self, instance, options, policy):
        self.instance = instance
        self.policy = policy
        self.forget()

    def forget(self):
        self.count, self.room, self.arrays, self.single, self.spoilt = 0, 0, (), True, set()

    def _create(self, count):
        made = self.instance.create_accumulator(count)
        self.single = not isinstance(made, tuple)
        arrays = (made,) if self.single else made
        for array in arrays:
            if not hasattr(array, "dtype") or not getattr(array, "shape", ()) or array.shape[0] != count:
                message = f"create_accumulator({count}) returns an array of {count} elements, or a tuple of such arrays"
                raise _vivarium.ResultError(message)
        return arrays

    def _reach(self, groups):
        """Makes sure that the groups exist."""
        import numpy as np

        count = int(groups.max()) + 1 if len(groups) else 0
        if count > self.room:
            more = self._create(max(count, 2 * self.room, 64) - self.room)
            self.arrays = more if not self.room else tuple(map(np.concatenate, zip(self.arrays, more)))
            self.room = len(self.arrays[0])
        self.count = max(self.count, count)

    def _view(self, groups=None):
        """The accumulators as the user's methods get them: all of them, or copies of some."""
        arrays = tuple(array[: self.count] if groups is None else array[groups] for array in self.arrays)
        return arrays[0] if self.single else arrays

    def _change(self, method, groups, values):
        kept = None if self.policy == "fail" else [array.copy() for array in self.arrays]
        try:
            returned = method(self._view(), groups, *values)
            if returned is not None:
                self._replace((returned,) if self.single else returned)
        except Exception:
            if kept is not None:
                self.arrays = tuple(kept)
            raise

    def spoil(self, group):
        """A row of the group failed: it has no value any more."""
        self.spoilt.add(group)

    def _replace(self, arrays):
        if len(arrays) != len(self.arrays):
            raise _vivarium.ResultError(f"result: {len(arrays)} accumulators instead of {len(self.arrays)}")
        for mine, new in zip(self.arrays, arrays):
            mine[: self.count] = new

    def method(self, name):
        """accumulate or retract as a callable of arrays: groups and values."""
        method = getattr(self.instance, name)

        def call(groups, *values):
            groups = groups.astype("i8")
            self._reach(groups)
            self._change(method, groups, values)
            return [None] * len(groups)

        return call

    def value(self, groups):
        import numpy as np

        groups = groups.astype("i8")
        self._reach(groups)
        values = self.instance.get_value(self._view(groups))
        if not self.spoilt:
            return values
        mask = np.isin(groups, list(self.spoilt))
        if isinstance(values, np.ndarray):
            return np.ma.MaskedArray(values, mask | np.ma.getmaskarray(values))
        return [None if spoilt else value for spoilt, value in zip(mask, values)]

    def state(self, group):
        import numpy as np

        self._reach(np.array([group]))
        if group in self.spoilt:
            return _state.SPOILT
        return _state.dumps(tuple(array[group] for array in self.arrays), type(self.instance))

    def _loaded(self, data):
        """Arrays of the accumulators in `data`, an array of bytes."""
        import numpy as np

        loaded = [_state.loads(bytes, type(self.instance)) for bytes in data]
        if any(not isinstance(one, tuple) or len(one) != len(self.arrays) for one in loaded):
            raise _state.StateError("the bytes are no accumulator of this function")
        return tuple(np.array([one[at] for one in loaded], self.arrays[at].dtype) for at in range(len(self.arrays)))

    def _known(self, groups, data):
        """What is left when spoilt accumulators have been taken out, and made to spoil their groups."""
        import numpy as np

        groups = groups.astype("i8")
        self._reach(groups)
        spoilt = np.array([one == _state.SPOILT for one in data], "?")
        self.spoilt.update(groups[spoilt].tolist())
        return groups[~spoilt], [one for one, lost in zip(data, spoilt) if not lost]

    def merge(self, groups, data):
        nothing = [None] * len(groups)
        groups, data = self._known(groups, data)
        if len(groups):
            other = self._loaded(data)
            returned = self.instance.merge(self._view(), groups, other[0] if self.single else other)
            if returned is not None:
                self._replace((returned,) if self.single else returned)
        return nothing

    def restore(self, groups, data):
        nothing = [None] * len(groups)
        self.spoilt.difference_update(groups.tolist())
        groups, data = self._known(groups, data)
        if len(groups):
            for mine, other in zip(self.arrays, self._loaded(data)):
                mine[groups] = other
        return nothing


def has_method(instance, name):
    """Whether the user defined an optional method, rather than inherited PyFlink's, which only raises."""
    found = inspect.getattr_static(type(instance), name, None)
    return found is not None and not getattr(found, "__vivarium_default__", False)
