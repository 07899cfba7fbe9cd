"""ctypes for a Python without foreign functions.

There is no libffi and nothing to load in the sandbox, but many packages import ctypes at the top and use it, if at all, on
some other platform. So the names are here: types can be named, subclassed, multiplied to arrays and asked for their size;
simple values can be held. Whatever would need foreign memory or code raises OSError, which says so.
"""

from struct import calcsize as _calcsize
from types import GenericAlias as _GenericAlias

__version__ = "1.1.0"

DEFAULT_MODE = 0
RTLD_LOCAL = 0
RTLD_GLOBAL = 256


class ArgumentError(Exception):
    """An argument could not be converted."""


def _refuse(what):
    raise OSError(f"{what} is not possible: there are no foreign functions inside the sandbox")


# ---- types ----


class _CDataType(type):
    """The type of C types."""

    def __mul__(cls, length):
        if not isinstance(length, int) or length < 0:
            raise ValueError("Array length must be >= 0")
        return _CDataType(f"{cls.__name__}_Array_{length}", (Array,), {"_type_": cls, "_length_": length})

    __rmul__ = __mul__

    def from_address(cls, address):
        _refuse("reading memory by its address")

    from_buffer = from_buffer_copy = in_dll = from_address

    def from_param(cls, value):
        return value if isinstance(value, cls) else cls(value)


class _CData(metaclass=_CDataType):
    """The base of all C types."""


class _SimpleCData(_CData):
    """A single C value. `_type_` is its format character of `struct`."""

    _type_ = "i"

    def __init__(self, value=None):
        self.value = self._default() if value is None else value

    @classmethod
    def _default(cls):
        if cls._type_ in "PzZO":
            return None
        if cls._type_ == "c":
            return b"\0"
        if cls._type_ == "u":
            return "\0"
        if cls._type_ == "?":
            return False
        return 0.0 if cls._type_ in "fdg" else 0

    @property
    def value(self):
        """The value as Python's type; integers wrap as in C."""
        return self._value

    @value.setter
    def value(self, value):
        kind = self._type_
        if kind in "bBhHiIlLqQ":
            if not isinstance(value, int):
                raise TypeError(f"an integer is required (got type {type(value).__name__})")
            bits = 8 * sizeof(type(self))
            value &= (1 << bits) - 1
            if kind.islower() and value >> (bits - 1):
                value -= 1 << bits
        elif kind in "fdg":
            value = float(value)
        elif kind == "?":
            value = bool(value)
        self._value = value

    def __bool__(self):
        return bool(self._value)

    def __repr__(self):
        return f"{type(self).__name__}({self._value!r})"


class Array(_CData):
    """A fixed number of elements of one type."""

    _length_ = 0
    _type_ = None

    __class_getitem__ = classmethod(_GenericAlias)

    def __init__(self, *values):
        if len(values) > self._length_:
            raise IndexError("invalid index")
        simple = issubclass(self._type_, _SimpleCData)
        self._items = [self._type_(value).value if simple else value for value in values]
        self._items += [self._type_().value if simple else self._type_() for _ in range(self._length_ - len(values))]

    def __len__(self):
        return self._length_

    def __getitem__(self, index):
        return self._items[index]

    def __setitem__(self, index, value):
        simple = issubclass(self._type_, _SimpleCData)
        self._items[index] = self._type_(value).value if simple and not isinstance(index, slice) else value


class Structure(_CData):
    """A C structure: can be declared, not made."""

    _fields_ = ()

    def __init__(self, *args, **kwargs):
        _refuse(f"making a {type(self).__name__}")


class Union(Structure):
    """A C union: can be declared, not made."""


BigEndianStructure = LittleEndianStructure = Structure
BigEndianUnion = LittleEndianUnion = Union


class _Pointer(_CData):
    """A pointer to some type: only the null pointer exists."""

    _type_ = None

    def __init__(self, target=None):
        if target is not None:
            _refuse("pointing at a value")

    def __bool__(self):
        return False

    @property
    def contents(self):
        """The pointer's target: there is none."""
        raise ValueError("NULL pointer access")


def _simple(name, kind):
    return _CDataType(name, (_SimpleCData,), {"_type_": kind, "__module__": __name__})


c_bool = _simple("c_bool", "?")
c_char = _simple("c_char", "c")
c_wchar = _simple("c_wchar", "u")
c_byte = _simple("c_byte", "b")
c_ubyte = _simple("c_ubyte", "B")
c_short = _simple("c_short", "h")
c_ushort = _simple("c_ushort", "H")
c_int = _simple("c_int", "i")
c_uint = _simple("c_uint", "I")
c_long = _simple("c_long", "l")
c_ulong = _simple("c_ulong", "L")
c_longlong = _simple("c_longlong", "q")
c_ulonglong = _simple("c_ulonglong", "Q")
c_float = _simple("c_float", "f")
c_double = _simple("c_double", "d")
c_longdouble = _simple("c_longdouble", "g")
c_char_p = _simple("c_char_p", "z")
c_wchar_p = _simple("c_wchar_p", "Z")
c_void_p = _simple("c_void_p", "P")
py_object = _simple("py_object", "O")
c_voidp = c_void_p

c_int8, c_uint8 = c_byte, c_ubyte
c_int16, c_uint16 = c_short, c_ushort
c_int32, c_uint32 = c_int, c_uint
c_int64, c_uint64 = c_longlong, c_ulonglong
c_size_t, c_ssize_t = c_ulong, c_long
c_time_t = c_longlong

_SIZES = {"u": 4, "z": 4, "Z": 4, "O": 4, "g": 16}


def sizeof(thing):
    """The size of a type or value in bytes, on this platform."""
    kind = thing if isinstance(thing, type) else type(thing)
    if issubclass(kind, _SimpleCData):
        return _SIZES.get(kind._type_) or _calcsize(kind._type_)
    if issubclass(kind, Array):
        return kind._length_ * sizeof(kind._type_)
    if issubclass(kind, _Pointer):
        return 4
    if issubclass(kind, Structure):
        _refuse(f"laying out {kind.__name__}")
    raise TypeError("this type has no size")


def alignment(thing):
    """The alignment of a type or value in bytes."""
    kind = thing if isinstance(thing, type) else type(thing)
    return alignment(kind._type_) if issubclass(kind, Array) else sizeof(kind)


def ARRAY(kind, length):
    """The array type."""
    return kind * length


_pointer_types = {}


def POINTER(kind):
    """The pointer type."""
    if kind is None:
        return c_void_p
    if kind not in _pointer_types:
        name = kind if isinstance(kind, str) else kind.__name__
        _pointer_types[kind] = _CDataType(f"LP_{name}", (_Pointer,), {"_type_": kind})
    return _pointer_types[kind]


# ---- functions and memory ----


class CDLL:
    """A shared library: none can be loaded."""

    def __init__(self, name=None, *args, **kwargs):
        _refuse(f"loading the library {name!r}" if name else "opening the program as a library")


PyDLL = CDLL


class LibraryLoader:
    """Loads libraries by their names as attributes: refuses."""

    __class_getitem__ = classmethod(_GenericAlias)

    def __init__(self, dlltype):
        self._dlltype = dlltype

    def LoadLibrary(self, name):
        """Loads a library: refuses."""
        return self._dlltype(name)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._dlltype(name)


cdll = LibraryLoader(CDLL)
pydll = LibraryLoader(PyDLL)


class _PythonApi:
    def __getattr__(self, name):
        raise AttributeError(f"{name}: there are no foreign functions inside the sandbox")


pythonapi = _PythonApi()


def CFUNCTYPE(restype, *argtypes, **flags):
    """A function type: can be named, not made."""
    return _CDataType("CFunctionType", (_FunctionType,), {"_restype_": restype, "_argtypes_": argtypes})


PYFUNCTYPE = CFUNCTYPE


class _FunctionType(_CData):
    def __init__(self, *args):
        _refuse("making a C function")


def pointer(value):
    """A pointer to a value: refuses."""
    return POINTER(type(value))(value)


def _refusing(name, what):
    def function(*args, **kwargs):
        _refuse(what)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Refuses: {what} is not possible."
    return function


addressof = _refusing("addressof", "taking an address")
byref = _refusing("byref", "passing by reference")
cast = _refusing("cast", "casting a pointer")
create_string_buffer = c_buffer = _refusing("create_string_buffer", "making a C buffer")
create_unicode_buffer = _refusing("create_unicode_buffer", "making a C buffer")
memmove = _refusing("memmove", "writing memory by its address")
memset = _refusing("memset", "writing memory by its address")
resize = _refusing("resize", "resizing C memory")
string_at = _refusing("string_at", "reading memory by its address")
wstring_at = _refusing("wstring_at", "reading memory by its address")


def get_errno():
    """The errno of the last foreign call: there was none."""
    return 0


def set_errno(value):
    """Sets the errno of foreign calls; returns the one before."""
    return 0
