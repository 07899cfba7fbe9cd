"""Objects that functions make: NamedTuples, and dataclasses whose __init__ stores what it is given."""

import types

from vivarium._lift.bytecode import TOTAL
from vivarium._lift.classes import found_in
from vivarium._lift.sequences import is_iterator
from vivarium._lift.values import Const, Deopt, Frame, Made, Reg, Tup

_MOST_ATTRIBUTES = 126


def is_object(v):
    """Of a dataclass: about: its class, and the names of its attributes in the order in which they were stored."""
    return isinstance(v, Made) and v.kind == "object"


def is_named(v):
    """A NamedTuple: about: its class."""
    return isinstance(v, Made) and v.kind == "named"


class Objects:
    def new_object(self, cls, arguments, keywords, state):
        """The frame of __new__ or __init__, whichever the class has; None: it is another class."""
        if type(cls) is not type or cls.__bases__ == ():
            return None
        new, init = found_in(cls, "__new__"), found_in(cls, "__init__")
        if cls.__mro__[1:] == (tuple, object) and type(new) is staticmethod and init is object.__init__:
            started, arguments, taker = new.__func__, [Const(cls), *arguments], None
        elif "__dataclass_fields__" in vars(cls) and new is object.__new__:
            made = Made("object", (cls, ()), [])
            started, arguments, taker = init, [made, *arguments], "object"
            self._check_dataclass(cls)
        else:
            return None
        if type(started) is not types.FunctionType:
            return None
        self.guards.of_class(cls, "__new__", new)
        self.guards.of_class(cls, "__init__", init)
        frame = self.inlined(started, arguments, keywords, state)
        variables = frame.locals | ({TOTAL: made} if taker else {})
        return Frame(frame.code, frame.fn, 0, variables, [], taker)

    def _check_dataclass(self, cls):
        self._check_inherits(cls, "__getattribute__")
        if found_in(cls, "__arrow_struct__") is not None:
            raise Deopt("a class with __arrow_struct__()")
        self.guards.not_of_class(cls, "__arrow_struct__")

    def _check_inherits(self, cls, name):
        """That it is the method of object."""
        if found_in(cls, name) is not vars(object)[name]:
            raise Deopt(f"a class with {name}()")
        self.guards.of_class(cls, name, vars(object)[name])

    def named_tuple(self, cls, v):
        """tuple.__new__(cls, v)"""
        names = vars(cls).get("_fields")
        if not isinstance(v, Tup) or v.kind is not tuple or type(names) is not tuple or len(names) != len(v.items):
            raise Deopt("a tuple of such values")
        return Made("named", cls, list(v.items))

    def store_attribute(self, state, made, name, v):
        """self.name = v in the __init__ of a dataclass, to which alone the object is known."""
        frame = state.frames[-1]
        new = is_object(made) and frame.taker == "object" and frame.locals[TOTAL] is made
        if not new or type(name) is not str or not isinstance(v, (Const, Made, Reg, Tup)):
            raise Deopt(f"an attribute {name} that is stored")
        cls, names = made.about
        lying = found_in(cls, name)
        slot = type(lying) is types.MemberDescriptorType
        if is_iterator(v) or name in names or len(names) >= _MOST_ATTRIBUTES or not (slot or found_in(type(lying), "__set__") is None):
            raise Deopt(f"an attribute {name} that is stored")
        state.replace(made, Made("object", (cls, (*names, name)), [*made.parts, self.keep(v, state)]))

    def do_store_attr(self, state, frame, stack, instruction):
        made, v = stack.pop(), stack.pop()
        if is_object(made):
            self._check_inherits(made.about[0], "__setattr__")
        self.store_attribute(state, made, frame.code.code.co_names[instruction.arg], v)

    def object_attribute(self, made, name):
        names = made.about[1] if is_object(made) else self._names_of(made, name)
        if name not in names:
            raise Deopt(f"the attribute {name}")
        return made.parts[names.index(name)]

    def _names_of(self, made, name):
        """Of a NamedTuple, whose fields are read by descriptors of the class."""
        cls = made.about
        if type(found_in(cls, name)).__name__ != "_tuplegetter":
            raise Deopt(f"the attribute {name}")
        self.guards.of_class(cls, name, found_in(cls, name))
        return vars(cls)["_fields"]

    def fields_of_object(self, made, type):
        """What the fields of a struct are, in order."""
        names = [field.name for field in type.fields]
        if is_object(made) and set(names) <= set(made.about[1]):
            return [self.object_attribute(made, name) for name in names]
        if is_named(made) and type.constructor is made.about and len(made.parts) == len(names):
            return made.parts
        raise Deopt("a result of another type than the declared one")
