"""Classes: constants in them, their static functions, and members of Enums."""

import enum
import types

from vivarium._lift.values import Const, Deopt, is_columnar

_METACLASSES = (type, enum.EnumType)
_PLAIN = tuple(vars(cls)["__getattribute__"] for cls in (object, int, str, float) if "__getattribute__" in vars(cls))


def found_in(cls, name):
    """What a class has under a name, as it lies in its dict or in that of a class it is made of; None: nothing."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def is_member(value):
    """Whether it is a member of an Enum that gives its attributes away as all do."""
    cls = type(value)
    if type(cls) is not enum.EnumType or not issubclass(cls, enum.Enum):
        return False
    return found_in(cls, "__getattribute__") in _PLAIN and found_in(cls, "__get__") is None


class Classes:
    def class_attribute(self, cls, name):
        """The value of an attribute of a class."""
        if type(cls) not in _METACLASSES or found_in(type(cls), name) is not None:
            raise Deopt(f"the attribute {name}")
        value = self.guards.of_class(cls, name, found_in(cls, name))
        if type(cls) is enum.EnumType and type(vars(cls).get("_member_map_")) is dict and name in cls._member_map_:
            return self.guards.item(cls._member_map_, name)  # before Python 3.12, what lies there says so
        if type(value) is types.FunctionType:
            return value
        if type(value) is staticmethod and type(value.__func__) is types.FunctionType:
            return value.__func__
        if value is None or (not is_columnar(value) and not is_member(value) and type(value) not in (tuple, list, dict, set, frozenset)):
            raise Deopt(f"the attribute {name}")
        return value

    def member_attribute(self, member, name):
        """`name` and `value` of a member of an Enum."""
        cls = type(member)
        if name not in ("name", "value") or found_in(cls, name) is not vars(enum.Enum)[name] or type(vars(member)) is not dict:
            raise Deopt(f"the attribute {name}")
        self.guards.of_class(cls, name, vars(enum.Enum)[name])
        return self.guards.item(vars(member), f"_{name}_")

    def plain_member(self, v, method):
        """A member of an Enum whose members are ints or texts as that, where the operation is theirs."""
        if not isinstance(v, Const) or not is_member(v.v):
            return v
        for kind, plain in ((int, int.__int__), (str, str.__str__)):
            if isinstance(v.v, kind) and found_in(type(v.v), method) is vars(kind)[method]:
                self.guards.of_class(type(v.v), method, vars(kind)[method])
                return Const(plain(v.v))
        return v
