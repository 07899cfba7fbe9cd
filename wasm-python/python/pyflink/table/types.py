"""PyFlink's names of types, each of which knows how Arrow's type is written (`type_string`)."""

import json

__all__ = ["DataType", "DataTypes"]


class DataType:
    """A type. `type_string` is how `vivarium.types` writes it, or a sentence that says why there is none."""

    def __init__(self, name, type_string, nullable=True, fields=None):
        self.name = name
        self.type_string = type_string
        self._nullable = nullable
        self._fields = fields

    def not_null(self):
        """The type without NULL."""
        return DataType(self.name, self.type_string, False, self._fields)

    def nullable(self):
        """The type with NULL."""
        return DataType(self.name, self.type_string, True, self._fields)

    def field_names(self):
        """The names of a ROW's fields."""
        return [name for name, _ in self._fields or []]

    def field_types(self):
        """The types of a ROW's fields."""
        return [type for _, type in self._fields or []]

    def _in_place(self):
        """The type where it stands in another one."""
        return self.type_string + ("" if self._nullable else " not null")

    def __eq__(self, other):
        return isinstance(other, DataType) and (self.type_string, self._nullable) == (other.type_string, other._nullable)

    def __hash__(self):
        return hash((self.type_string, self._nullable))

    def __repr__(self):
        return self.name + ("" if self._nullable else " NOT NULL")


class _Field:
    def __init__(self, name, data_type, description=None):
        self.name = name
        self.data_type = data_type
        self.description = description


def _unit(precision):
    """The unit of so many fractional digits of a second, as PyFlink rounds it up."""
    if not isinstance(precision, int) or not 0 <= precision <= 9:
        raise ValueError(f"the precision of a time is 0 to 9, not {precision!r}")
    return ("s", "ms", "us", "ns")[(precision + 2) // 3]


class _Resolution:
    def __init__(self, unit, precision=0):
        self.unit = unit
        self.precision = precision


class DataTypes:
    """Makes types, as in ``DataTypes.BIGINT()``."""

    @staticmethod
    def NULL():
        return DataType("NULL", "null")

    @staticmethod
    def CHAR(length, nullable=True):
        return DataType(f"CHAR({length})", "string", nullable)

    @staticmethod
    def VARCHAR(length, nullable=True):
        return DataType(f"VARCHAR({length})", "string", nullable)

    @staticmethod
    def STRING(nullable=True):
        return DataType("STRING", "string", nullable)

    @staticmethod
    def BOOLEAN(nullable=True):
        return DataType("BOOLEAN", "bool", nullable)

    @staticmethod
    def BINARY(length, nullable=True):
        return DataType(f"BINARY({length})", "binary", nullable)

    @staticmethod
    def VARBINARY(length, nullable=True):
        return DataType(f"VARBINARY({length})", "binary", nullable)

    @staticmethod
    def BYTES(nullable=True):
        return DataType("BYTES", "binary", nullable)

    @staticmethod
    def DECIMAL(precision, scale, nullable=True):
        return DataType(f"DECIMAL({precision}, {scale})", f"decimal128({precision}, {scale})", nullable)

    @staticmethod
    def TINYINT(nullable=True):
        return DataType("TINYINT", "int8", nullable)

    @staticmethod
    def SMALLINT(nullable=True):
        return DataType("SMALLINT", "int16", nullable)

    @staticmethod
    def INT(nullable=True):
        return DataType("INT", "int32", nullable)

    @staticmethod
    def BIGINT(nullable=True):
        return DataType("BIGINT", "int64", nullable)

    @staticmethod
    def FLOAT(nullable=True):
        return DataType("FLOAT", "float", nullable)

    @staticmethod
    def DOUBLE(nullable=True):
        return DataType("DOUBLE", "double", nullable)

    @staticmethod
    def DATE(nullable=True):
        return DataType("DATE", "date32[day]", nullable)

    @staticmethod
    def TIME(precision=0, nullable=True):
        unit = _unit(precision)
        return DataType(f"TIME({precision})", f"time{32 if unit in ('s', 'ms') else 64}[{unit}]", nullable)

    @staticmethod
    def TIMESTAMP(precision=6, nullable=True):
        return DataType(f"TIMESTAMP({precision})", f"timestamp[{_unit(precision)}]", nullable)

    @staticmethod
    def TIMESTAMP_WITH_LOCAL_TIME_ZONE(precision=6, nullable=True):
        return DataType(f"TIMESTAMP_LTZ({precision})", f"timestamp[{_unit(precision)}, tz=UTC]", nullable)

    TIMESTAMP_LTZ = TIMESTAMP_WITH_LOCAL_TIME_ZONE

    @staticmethod
    def ARRAY(element_type, nullable=True):
        return DataType(f"ARRAY<{element_type!r}>", f"list<item: {element_type._in_place()}>", nullable)

    LIST_VIEW = ARRAY

    @staticmethod
    def MAP(key_type, value_type, nullable=True):
        name = f"MAP<{key_type!r}, {value_type!r}>"
        return DataType(name, f"map<{key_type.type_string}, {value_type._in_place()}>", nullable)

    MAP_VIEW = MAP

    @staticmethod
    def MULTISET(element_type, nullable=True):
        raise TypeError("MULTISET is not supported in Python functions: use MAP(element, INT())")

    @staticmethod
    def FIELD(name, data_type, description=None):
        return _Field(name, data_type, description)

    @staticmethod
    def ROW(row_fields=(), nullable=True):
        fields = [(field.name, field.data_type) for field in row_fields]
        inner = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {type._in_place()}" for name, type in fields)
        shown = ", ".join(f"{name} {type!r}" for name, type in fields)
        return DataType(f"ROW<{shown}>", f"struct<{inner}>", nullable, fields)

    @staticmethod
    def SECOND(precision=6):
        return _Resolution("second", precision)

    @staticmethod
    def MINUTE():
        return _Resolution("minute")

    @staticmethod
    def HOUR():
        return _Resolution("hour")

    @staticmethod
    def DAY(precision=2):
        return _Resolution("day", precision)

    @staticmethod
    def MONTH():
        return _Resolution("month")

    @staticmethod
    def YEAR(precision=2):
        return _Resolution("year", precision)

    @staticmethod
    def INTERVAL(upper_resolution, lower_resolution=None):
        if {upper_resolution.unit, getattr(lower_resolution, "unit", upper_resolution.unit)} & {"month", "year"}:
            raise TypeError("intervals of months and years are not supported in Python functions: use one of days to seconds")
        return DataType("INTERVAL DAY TO SECOND", "duration[us]")
