"""json.loads() of a text, and what is at constant keys of it."""

import json

from vivarium._lift.structs import is_record
from vivarium._lift.values import BOOL, FLOAT, NONE, NUMBER, TEXT, Const, Deopt, Made, Method, Reg, type_of

_MISSING, _NOTHING, _BOOL, _INT, _FLOAT, _TEXT = range(6)
"""Kinds of values: shim/kernels/json.c."""

_MOST_KEYS = 16

_TAKEN = {name: 1 for name in ("RETURN_VALUE", "TO_BOOL", "UNARY_NOT", "UNARY_NEGATIVE", "UNARY_INVERT", "FORMAT_SIMPLE", "CONVERT_VALUE")}
_TAKEN |= {name: 1 for name in ("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP", "BINARY_SUBSCR")}
_TAKEN |= {name: 1 for name in ("GET_ITER", "UNPACK_SEQUENCE", "UNPACK_EX", "LIST_EXTEND", "LIST_APPEND", "YIELD_VALUE")}
_TAKEN |= {name: 2 for name in ("BINARY_OP", "COMPARE_OP", "IS_OP", "CONTAINS_OP", "FORMAT_WITH_SPEC", "FORMAT_VALUE", "BUILD_SLICE")}
_TAKEN |= {"BINARY_SLICE": 3}
_TAKEN_BY_COUNT = {"BUILD_TUPLE": 0, "BUILD_LIST": 0, "BUILD_STRING": 0, "BUILD_CONST_KEY_MAP": 1, "CALL": 2, "CALL_KW": 3}
"""How many values instructions take that need to know their types."""


def is_document(v):
    return isinstance(v, Made) and v.kind == "json"


def _taken(instruction, stack):
    """The values that an instruction takes and has to know the types of."""
    name = instruction.name
    if name in ("LOAD_ATTR", "LOAD_METHOD"):
        return stack[-1:] if instruction.value != "get" else []
    if name.startswith("POP_JUMP_"):
        return stack[-1:]
    count = _TAKEN.get(name, 0)
    if name in _TAKEN_BY_COUNT:
        count = instruction.arg + _TAKEN_BY_COUNT[name]
    elif name == "BUILD_MAP":
        count = 2 * instruction.arg
    taken = stack[-count:] if count else []
    if taken and isinstance(taken[0], Method):  # its own value stays what it is
        return taken[2:]
    return taken


def _item_follows(frame):
    """Whether the instructions behind this one ask for an item of its result, before anything else can happen."""
    following = frame.code.ins[frame.at + 1 : frame.at + 3]
    names = [instruction.name for instruction in following]
    return names == ["LOAD_CONST", "BINARY_SUBSCR"] or (names and names[0] in ("LOAD_ATTR", "LOAD_METHOD") and following[0].value == "get")


def _is_empty(v):
    """Whether it is {}."""
    return is_record(v) and not v.about


class Documents:
    """A document: its keys in order, and how many of the last ones may be missing; the text, what is there then, and what json_find has
    found.

    The text is checked where Python checks it, though nothing may use the value."""

    def _document(self, keys, optional, text, default, state):
        if _item_follows(state.frames[-1]):
            return Made("json", (keys, optional), [text, default])
        mask = self.m_reg(state.mask)
        key = ("json_find", text.id, mask, keys, optional)
        if key not in self.memo:
            numbers, texts = self.reg(NUMBER), self.reg(TEXT)
            places = [word for name in keys for word in self.text_place(name)]
            constant = self.numbers("I", len(keys), *places)
            kinds = self.emit("json_find", NUMBER, text.id, numbers, texts, mask, extra=optional, constant=constant, memo=False)
            self.memo[key] = [Reg(NUMBER, kinds), Reg(NUMBER, numbers), Reg(TEXT, texts)]
        return Made("json", (keys, optional), [text, default, *self.memo[key]])

    def document(self, fn, arguments, state):
        if len(arguments) != 1 or type_of(arguments[0]) != TEXT:
            raise Deopt("json.loads() of such a value")
        self.guards.code(fn)
        self.documents = True
        self.guards.attribute(json, "_default_decoder")
        return self._document((), 0, Reg(TEXT, self.as_reg(arguments[0])), Const(None), state)

    def document_item(self, document, key, state, default=None):
        keys, optional = document.about
        if not isinstance(key, Const) or type(key.v) is not str or len(keys) >= _MOST_KEYS:
            raise Deopt("an item of JSON by such a key")
        empty = _is_empty(document.parts[1])
        if not empty and type_of(document.parts[1]) != NONE:
            raise Deopt("an item of JSON or of a default")
        # Where a key in front of this one is missing, an empty dict is asked, or None: then such rows are the interpreter's.
        optional = 0 if default is None else optional + 1 if empty else 1
        return self._document((*keys, key.v), optional, document.parts[0], default or Const(None), state)

    def document_method(self, name, document, arguments, state):
        known = len(arguments) == 1 or (len(arguments) == 2 and (isinstance(arguments[1], Const) or _is_empty(arguments[1])))
        if name != "get" or not known:
            raise Deopt(f"{name}() of JSON")
        return self.document_item(document, arguments[0], state, arguments[1] if len(arguments) == 2 else Const(None))

    def settle(self, state, instruction):
        """Whether the instruction needs a value of JSON: then the state is parted by its types, and the parts wait at the same place."""
        found = [v for v in _taken(instruction, state.frames[-1].stack) if is_document(v)]
        if not found:
            return False
        if self.depth:
            raise Deopt("JSON in a loop")
        document, returned = found[0], instruction.name == "RETURN_VALUE" and len(state.frames) == 1
        for mask, v in self._values(document, state, self.wanted_kinds() if returned else None):
            path = state.copy()
            path.mask = mask
            path.replace(document, v)
            self.push(path)
        return True

    def wanted_kinds(self):
        """Of values that the result's type has."""
        return {FLOAT: (_INT, _FLOAT), NUMBER: (_INT,), TEXT: (_TEXT,), BOOL: (_BOOL,)}.get(self.result_kind(), ())

    def _values(self, document, state, wanted):
        """[(rows, value)] of each type."""
        if len(document.parts) == 2:
            raise Deopt("such a use of JSON")
        _, default, kinds, numbers, texts = document.parts
        kinds, numbers, texts = kinds.id, numbers.id, texts.id
        values = {
            _MISSING: default if document.about[1] else None,
            _NOTHING: Const(None),
            _BOOL: lambda: Reg(BOOL, self.emit("int_truth", BOOL, numbers)),
            _INT: lambda: Reg(NUMBER, numbers),
            _FLOAT: lambda: Reg(FLOAT, numbers),
            _TEXT: lambda: Reg(TEXT, texts),
        }
        found, rest = [], state.mask
        for kind, v in values.items():
            if v is None or (wanted is not None and kind not in (_MISSING, _NOTHING, *wanted)):
                continue
            same = self.emit("int_eq", BOOL, kinds, constant=kind)
            found.append((self.m_and(rest, same), v() if callable(v) else v))
            rest = self.m_and(rest, same, False)
        self.fail_rows(rest, "such a value in JSON")
        return found
