"""Columns as they are: the buffers of a batch, for functions declared with ``vectorized="arrow"``.

    from vivarium import udf
    from vivarium.arrow import Column

    @udf(vectorized="arrow", input_types=["string"], result_type="int64")
    def digits(text: Column) -> Column:
        is_digit = (text.data >= 48) & (text.data <= 57)          # a byte each, no loop in Python
        return Column.from_numpy(text.sum_within(is_digit), "int64", text.valid())

A `Column` holds the buffers of Arrow's format as read-only NumPy arrays over the batch (nothing is copied; PEP 3118). It exports
them by the Arrow PyCapsule interface, and `Column.from_arrow` makes one of what others export. A function returns a Column of its
result's type, something else that exports such an array, or what other vectorized functions return.
The host checks every buffer of a result; a column that is malformed is an error of the function.

=================  ============================================================================================
`type`             a `vivarium.types.DataType`
`validity`         bits, the lowest of a byte first, set where there is a value; None when there is one everywhere
`values`           what has a fixed width: an array of the width's dtype, or of bytes for what NumPy has no dtype for; bits of bools
`offsets`          where each value begins in `data` (strings, binary) or in the only child (lists, maps): one more than values
`data`             the bytes of all strings, one after the other
`children`         the Columns of fields, items, or of a map's entries
=================  ============================================================================================
"""

import numpy as np

import _vivarium
from vivarium import _vectors
from vivarium.types import DataType, Field, parse

__all__ = ["Column"]

_TEXT = ("string", "large_string", "binary", "large_binary")
_LISTS = ("list", "large_list", "map")
_LARGE = ("large_string", "large_binary", "large_list")


class Column:
    """One column of a batch, or of a result."""

    __slots__ = ("type", "length", "validity", "values", "offsets", "data", "children", "_null_count")

    def __init__(self):
        raise TypeError("a Column is made by Column.from_numpy, from_strings, from_offsets, from_children or from_arrow")

    @classmethod
    def _made(cls, type, length, validity, values, offsets, data, children):
        """A column of buffers that are known to fit."""
        column = object.__new__(cls)
        for name, value in zip(cls.__slots__, (type, length, validity, values, offsets, data, children, None)):
            object.__setattr__(column, name, value)
        return column

    def __setattr__(self, name, value):
        raise AttributeError("a Column cannot be changed: make another one")

    # ---- Making one ----

    @classmethod
    def from_numpy(cls, array, type, valid=None):
        """A column of fixed width: ints, floats, bools, dates (datetime64[D]), timestamps and durations of the type's unit.

        `valid` is an array of bool, or None; masked elements and NaT are NULL too.
        """
        type = _parsed(type)
        if isinstance(array, np.ma.MaskedArray):
            valid = _both(valid, ~np.ma.getmaskarray(array))
            array = array.data
        array, dtype = np.asarray(array), _vectors.dtype(type)
        if dtype is None or array.ndim != 1:
            raise ValueError(f"an array of {array.ndim} dimensions and {array.dtype} is no column of {type}")
        if array.dtype != dtype:
            if not np.can_cast(array.dtype, dtype, "safe"):
                raise ValueError(f"an array of {array.dtype} is no column of {type}; use .astype({dtype.name!r})")
            array = array.astype(dtype)
        if dtype.kind in "mM":
            missing = np.isnat(array)
            valid = _both(valid, ~missing) if missing.any() else valid
        if type.id == "bool":
            values = np.packbits(array, bitorder="little")
        else:
            values = array.astype("i8").astype("i4") if type.id == "date32" else np.ascontiguousarray(array)
        return cls._made(type, len(array), _bits(valid, len(array)), values, None, None, ())

    @classmethod
    def from_offsets(cls, type, offsets, content, valid=None):
        """A column of strings or binary (`content` is their bytes) or of lists (`content` is the Column of all items).

        `offsets` has one element more than the column: value i is content[offsets[i]:offsets[i + 1]].
        """
        type = _parsed(type)
        if type.id not in _TEXT + _LISTS:
            raise ValueError(f"{type} has no offsets")
        offsets = np.asarray(offsets)
        if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or not len(offsets) or offsets[0] < 0 or (np.diff(offsets) < 0).any():
            raise ValueError("offsets are ints that begin at 0 or later and never become smaller; there is one more than of values")
        wide = type.id in _LARGE
        if not wide and offsets[-1] - offsets[0] > np.iinfo("i4").max:
            raise ValueError(f"{offsets[-1] - offsets[0]} bytes or items are too many for {type}")
        content = content[int(offsets[0]) :] if offsets[0] else content
        offsets = np.ascontiguousarray(offsets - offsets[0], "i8" if wide else "i4")
        data, children = None, ()
        if type.id in _TEXT:
            data = np.frombuffer(content, "u1")
        elif isinstance(content, Column) and content.type == _fields(type)[0].type:
            children = (content,)
        else:
            raise TypeError(f"the content of {type} is a Column of {_fields(type)[0].type}")
        if offsets[-1] > (len(content) if data is None else len(data)):
            raise ValueError(f"the last offset, {offsets[-1]}, is behind the end of the content")
        return cls._made(type, len(offsets) - 1, _bits(valid, len(offsets) - 1), None, offsets, data, children)

    @classmethod
    def from_strings(cls, array, type="string", valid=None):
        """A column of an array of NumPy's strings: of StringDType, as `strings` makes it, or of a fixed width."""
        array = np.asarray(array)
        if array.dtype.kind == "T":
            offsets, data, missing = _vivarium.load_strings(array)
            valid = valid if missing is None else _both(valid, ~missing)
            return cls.from_offsets(type, offsets, data, valid)
        if array.dtype.kind not in "US":
            raise ValueError(f"an array of {array.dtype} holds no strings")
        encoded = np.strings.encode(array, "utf-8") if array.dtype.kind == "U" else array
        lengths = np.strings.str_len(encoded)
        width = encoded.dtype.itemsize
        padded = np.ascontiguousarray(encoded).view("u1").reshape(len(encoded), width)
        return cls.from_offsets(type, _ends(lengths), padded[np.arange(width) < lengths[:, None]], valid)

    @classmethod
    def from_children(cls, type, children, valid=None):
        """A column of structs, of one Column for each field."""
        type, children = _parsed(type), tuple(children)
        lengths = {len(child) for child in children}
        if type.id != "struct" or [child.type for child in children] != [field.type for field in type.fields] or len(lengths) != 1:
            raise ValueError(f"{type} is made of a column for each field, of its type and of one length")
        (length,) = lengths
        return cls._made(type, length, _bits(valid, length), None, None, None, children)

    @classmethod
    def from_arrow(cls, exported):
        """A column of what another library exports by the Arrow PyCapsule interface (`__arrow_c_array__`), over its buffers.

        What has an offset is copied; what is dictionary-encoded becomes its values.
        """
        if isinstance(exported, Column):
            return exported
        from vivarium import _imports

        return _imports.column(exported)

    # ---- What is in it ----

    def __len__(self):
        return self.length

    def __repr__(self):
        return f"<Column {self.type}: {self.length} values, {self.null_count} NULL>"

    @property
    def null_count(self):
        """How many values are NULL."""
        if self._null_count is None:
            object.__setattr__(self, "_null_count", self.length - int(np.count_nonzero(self.valid())))
        return self._null_count

    def valid(self):
        """An array of bool: where there is a value."""
        if self.validity is None:
            return np.full(self.length, self.type.id != "null")
        return np.unpackbits(self.validity, count=self.length, bitorder="little").view("?")

    def numpy(self):
        """The values of fixed width as an array (bools unpacked, dates as datetime64[D]); what stands where a NULL is means nothing."""
        dtype = _vectors.dtype(self.type)
        if dtype is None:
            raise ValueError(f"NumPy has no dtype for {self.type}")
        if self.type.id == "bool":
            return np.unpackbits(self.values, count=self.length, bitorder="little").view("?")
        return self.values.view("i4").astype("i8").view(dtype) if self.type.id == "date32" else self.values.view(dtype)

    def lengths(self):
        """How many bytes each string, or items each list, has: int64."""
        return np.diff(self._offsets().astype("i8"))

    def rows(self):
        """For each byte of `data`, or item of the child, the row it belongs to."""
        return np.repeat(np.arange(self.length), self.lengths())

    def sum_within(self, numbers):
        """The sum over each string's bytes, or each list's items, of an array with a number for each byte of `data` or item."""
        numbers = np.asarray(numbers)
        if numbers.dtype.kind == "b":
            numbers = numbers.astype("i8")
        sums = np.concatenate([np.zeros(1, numbers.dtype), np.cumsum(numbers)])
        offsets = self._offsets()
        return sums[offsets[1:]] - sums[offsets[:-1]]

    def strings(self):
        """The strings as an array of NumPy's StringDType, on which `np.strings` works without a loop in Python; NULL is None."""
        if self.type.id not in ("string", "large_string"):
            raise ValueError(f"{self.type} holds no strings")
        array = np.empty(self.length, np.dtypes.StringDType(na_object=None))
        _vivarium.pack_strings(array, self._offsets().astype("i8"), self.data, None if self.validity is None else self.valid())
        return array

    def to_pylist(self):
        """The values as Python objects, None for NULL."""
        return _vivarium.objects(self.type.plan("", True), _vivarium.export_array(self._description("", True)))

    def with_valid(self, valid):
        """The same values, NULL where `valid` is not set or there was no value before."""
        valid = _both(self.valid(), np.asarray(valid, "?"))
        return Column._made(self.type, self.length, _bits(valid, self.length), self.values, self.offsets, self.data, self.children)

    def __getitem__(self, rows):
        """The column of some rows: a slice, an array of positions, or an array of bool."""
        positions = np.arange(self.length)[rows]
        if positions.ndim != 1:
            raise TypeError("a column is cut by a slice or an array; to_pylist() makes Python objects")
        validity = None if self.validity is None else _bits(self.valid()[positions], len(positions))
        values, offsets, data, children = self.values, None, None, self.children
        if self.offsets is not None:
            begins, lengths = self.offsets[positions].astype("i8"), self.lengths()[positions]
            ends = _ends(lengths)
            picked = np.repeat(begins - ends[:-1], lengths) + np.arange(ends[-1])
            offsets = ends.astype(self.offsets.dtype)
            data = None if self.data is None else self.data[picked]
            children = tuple(child[picked] for child in children)
        elif self.type.id == "bool":
            values = np.packbits(self.numpy()[positions], bitorder="little")
        elif self.type.id == "fixed_size_list":
            size = self.type.size
            children = tuple(child[(positions[:, None] * size + np.arange(size)).ravel()] for child in children)
        elif self.type.id == "struct":
            children = tuple(child[positions] for child in children)
        elif values is not None and self.length:
            values = values.reshape(self.length, -1)[positions].reshape(-1)
        return Column._made(self.type, len(positions), validity, values, offsets, data, children)

    # ---- The Arrow PyCapsule interface ----

    def __arrow_c_schema__(self):
        return _vivarium.export_schema(self._description("", True))

    def __arrow_c_array__(self, requested_schema=None):
        description = self._description("", True)
        return _vivarium.export_schema(description), _vivarium.export_array(description)

    def _offsets(self):
        if self.offsets is None:
            raise ValueError(f"{self.type} has no offsets")
        return self.offsets

    def _description(self, name, nullable):
        """What `_vivarium` exports."""
        if self.type.id == "null":
            buffers = ()
        elif self.type.id in ("struct", "fixed_size_list"):
            buffers = (self.validity,)
        elif self.type.id in _TEXT:
            buffers = (self.validity, self.offsets, self.data)
        else:
            buffers = (self.validity, self.offsets if self.offsets is not None else self.values)
        fields = _fields(self.type)
        children = tuple(child._description(field.name, field.nullable) for child, field in zip(self.children, fields))
        return self.type.format, name, nullable, self.length, self.null_count, buffers, children


def _parsed(type):
    return parse(type) if isinstance(type, str) else type


def _fields(type):
    if type.id == "map":
        return (Field("entries", DataType("struct", fields=type.fields), False),)
    return type.fields


def _is_laid_out_as(type, wanted):
    """Whether these are one type, whatever the items of lists and maps are called and whatever says that it has no NULL."""
    parts = (type.id, type.unit, type.timezone, type.precision, type.scale, type.size, len(type.fields))
    if parts != (wanted.id, wanted.unit, wanted.timezone, wanted.precision, wanted.scale, wanted.size, len(wanted.fields)):
        return False
    named = type.id == "struct"
    return all(
        _is_laid_out_as(mine.type, its.type) and (mine.name == its.name or not named) for mine, its in zip(type.fields, wanted.fields)
    )


def _both(one, other):
    return other if one is None else np.asarray(one, "?") & other


def _bits(valid, length):
    if valid is None:
        return None
    valid = np.asarray(valid, "?")
    if valid.shape != (length,):
        raise ValueError(f"validity of shape {valid.shape} for {length} values")
    return None if valid.all() else np.packbits(valid, bitorder="little")


def _ends(lengths):
    return np.concatenate([np.zeros(1, "i8"), np.cumsum(lengths, dtype="i8")])


def _column(type, length, validity, values, data, children):
    """A column over buffers of a batch."""
    offsets = None
    if type.id in _TEXT + _LISTS:
        offsets, values = values, None
        offsets = np.zeros(1, "u1").repeat(8 if type.id in _LARGE else 4) if offsets is None or not len(offsets) else offsets
        offsets = offsets.view("i8" if type.id in _LARGE else "i4")
        data = np.empty(0, "u1") if data is None and type.id in _TEXT else data
    elif type.id in ("struct", "fixed_size_list", "null"):
        values = None
    elif values is None:
        values = np.empty(0, "u1")
    dtype = _vectors.dtype(type)
    if values is not None and dtype is not None and type.id not in ("bool", "date32"):
        values = values.view(dtype)
    fields = _fields(type)
    made = tuple(_column(field.type, *child) for field, child in zip(fields, children))
    return Column._made(type, length, validity, values, offsets, data, made)


def argument(type):
    """How the shim makes the argument of a column (arrays.c)."""
    return lambda *buffers: _column(type, *buffers)


def exporter(type):
    """What hands a result to the host: (result, rows) -> the capsule of a Column, or None for what is none."""

    def export(result, rows):
        if isinstance(result, np.ndarray) and result.dtype.kind == "T" and type.id in _TEXT:
            result = Column.from_strings(result, type)
        if not isinstance(result, (Column, np.ndarray, list, tuple)) and hasattr(result, "__arrow_c_array__"):
            result = Column.from_arrow(result)
        if not isinstance(result, Column):
            return None
        if not _is_laid_out_as(result.type, type):
            raise _vectors.misfit(f"result: a Column of {result.type} does not fit {type}")
        if len(result) != rows:
            raise _vectors.misfit(f"result: {len(result)} values for {rows} rows; a vectorized function returns one value for every row")
        return _vivarium.export_array(result._description("", True))

    return export
