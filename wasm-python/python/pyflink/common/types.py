"""A row: values by position, and by name when they have names."""

import enum

__all__ = ["Row", "RowKind"]


class RowKind(enum.Enum):
    """What a row means for a changing table."""

    INSERT = 0
    UPDATE_BEFORE = 1
    UPDATE_AFTER = 2
    DELETE = 3


class Row:
    """``Row(1, "a")`` by position, ``Row(id=1, name="a")`` with names; ``Row("id", "name")`` is called to make rows with these names."""

    __slots__ = ("_values", "_fields", "_row_kind")

    def __init__(self, *args, **kwargs):
        if args and kwargs:
            raise ValueError("Can not use both args and kwargs to create Row")
        set_ = object.__setattr__
        set_(self, "_values", list(kwargs.values()) if kwargs else list(args))
        set_(self, "_fields", list(kwargs) if kwargs else None)
        set_(self, "_row_kind", RowKind.INSERT)

    def __call__(self, *args):
        if len(args) > len(self._values):
            raise ValueError(f"Can not create Row with fields {self._values}, expected {len(self._values)} values but got {args}")
        return row_constructor(self._values)(*args)

    def as_dict(self, recursive=False):
        """The row as a dict."""
        if self._fields is None:
            raise TypeError("Cannot convert a Row without field names into dict")

        def plain(value):
            if isinstance(value, Row):
                return value.as_dict(True)
            if isinstance(value, list):
                return [plain(item) for item in value]
            if isinstance(value, dict):
                return {key: plain(item) for key, item in value.items()}
            return value

        return {name: plain(value) if recursive else value for name, value in zip(self._fields, self._values)}

    def set_row_kind(self, row_kind):
        """Says what the row means for a changing table."""
        object.__setattr__(self, "_row_kind", row_kind)

    def get_row_kind(self):
        """What the row means for a changing table."""
        return self._row_kind

    def set_field_names(self, field_names):
        """Gives the values names."""
        object.__setattr__(self, "_fields", list(field_names))

    def get_fields_by_names(self, names):
        """The values of these names, in their order."""
        return [self[name] for name in names]

    def _index(self, name):
        try:
            return (self._fields or []).index(name)
        except ValueError:
            return None

    def __getattr__(self, name):
        index = None if name.startswith("__") else self._index(name)
        if index is None:
            raise AttributeError(name)
        return self._values[index]

    def __setattr__(self, name, value):
        index = self._index(name)
        if index is None:
            raise AttributeError(f"the row has no field '{name}'")
        self._values[index] = value

    def __getitem__(self, item):
        if isinstance(item, (int, slice)):
            return self._values[item]
        index = self._index(item)
        if index is None:
            raise KeyError(item)
        return self._values[index]

    def __setitem__(self, key, value):
        if isinstance(key, int):
            self._values[key] = value
            return
        index = self._index(key)
        if index is None:
            raise KeyError(key)
        self._values[index] = value

    def __contains__(self, item):
        return item in (self._values if self._fields is None else self._fields)

    def __len__(self):
        return len(self._values)

    def __iter__(self):
        return iter(self._values)

    def __eq__(self, other):
        if not isinstance(other, Row):
            return NotImplemented
        return (self._fields, self._row_kind, self._values) == (other._fields, other._row_kind, other._values)

    def __hash__(self):
        return hash(tuple(self._values))

    def __repr__(self):
        if self._fields is None:
            return f"<Row({', '.join(map(repr, self._values))})>"
        return f"Row({', '.join(f'{name}={value!r}' for name, value in zip(self._fields, self._values))})"

    def __reduce__(self):
        return _restored, (self._values, self._fields, self._row_kind)

    def __vivarium_state__(self):
        return list(self._values), self._fields, self._row_kind.value

    @classmethod
    def __vivarium_restore__(cls, parts):
        values, fields, kind = parts
        return _restored(values, fields, RowKind(kind))

    def __arrow_struct__(self):
        """By position, as PyFlink writes rows."""
        return tuple(self._values)


def _restored(values, fields, kind):
    row = Row(*values)
    object.__setattr__(row, "_fields", fields)
    row.set_row_kind(kind)
    return row


def row_constructor(names):
    """A function that makes rows with these names from values in order."""
    names = list(names)

    def make(*values):
        row = Row(*values)
        object.__setattr__(row, "_fields", names)
        return row

    return make
