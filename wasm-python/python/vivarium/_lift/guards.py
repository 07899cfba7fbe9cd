"""What a program takes for granted. The shim checks it before each batch and after each row that the interpreter computed (shim/program.c)."""

import sys

from vivarium._lift.values import Deopt, NotLifted

_CODE, _CELL, _ITEM, _ABSENT, _CONTENTS, _CALL, _CLASS = range(7)


def check_nothing_watches():
    """Raises when something wants to see every line or call that is run."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None and any(monitoring.get_tool(tool) is not None for tool in range(6)):
        raise NotLifted("sys.monitoring is in use")
    if sys.gettrace() is not None or sys.getprofile() is not None:
        raise NotLifted("a debugger or profiler is in use")


class Guards:
    def __init__(self):
        self.found = {}

    def _add(self, guard, key):
        self.found.setdefault(key, guard)

    def all(self):
        return tuple(self.found.values())

    def code(self, fn):
        self._add((_CODE, fn, fn.__code__, fn.__defaults__, fn.__kwdefaults__), (_CODE, id(fn)))

    def cell(self, cell):
        """The content of a cell."""
        try:
            value = cell.cell_contents
        except ValueError:
            raise Deopt("a variable without a value") from None
        self._add((_CELL, cell, value), (_CELL, id(cell)))
        return value

    def _item(self, namespace, name):
        self._add((_ITEM, namespace, name, namespace[name]), (_ITEM, id(namespace), name))
        return namespace[name]

    def variable(self, fn, name):
        """The value of a global or built-in name for a function."""
        variables, builtins = fn.__globals__, fn.__builtins__
        if type(variables) is not dict or type(builtins) is not dict:
            raise Deopt("global variables in such a namespace")
        if name in variables:
            return self._item(variables, name)
        if name not in builtins:
            raise Deopt("a name that is not defined")
        self._add((_ABSENT, variables, name), (_ABSENT, id(variables), name))
        return self._item(builtins, name)

    def attribute(self, module, name):
        variables = vars(module)
        if type(variables) is not dict or name not in variables:
            raise Deopt(f"the attribute {name}")
        return self._item(variables, name)

    def item(self, namespace, name):
        """The value of a name in an object's dict."""
        if name not in namespace:
            raise Deopt(f"the attribute {name}")
        return self._item(namespace, name)

    def of_class(self, cls, name, value):
        """What lies under a name in a class, or in one that it is made of."""
        if value is None:
            raise Deopt(f"the attribute {name}")
        self._add((_CLASS, cls, name, value), (_CLASS, id(cls), name))
        return value

    def not_of_class(self, cls, name):
        """That nothing lies under a name there."""
        self._add((_CLASS, cls, name), (_CLASS, id(cls), name))

    def contents(self, box):
        """What a dict, list or set holds."""
        items = tuple(part for item in box.items() for part in item) if type(box) is dict else tuple(box)
        self._add((_CONTENTS, box, items), (_CONTENTS, id(box)))

    def call(self, callable, attributes, key):
        """What attributes the object has that a built-in function returns: (name, value) each."""
        self._add((_CALL, callable, attributes), (_CALL, key))
