"""Structs: dicts with constant keys, as they come out of columns and as functions make them."""

from vivarium._lift.sequences import is_iterator
from vivarium._lift.values import Const, Deopt, Made, Reg, is_scalar

_MOST_FIELDS = 254


def is_record(v):
    return isinstance(v, Made) and v.kind == "record"


class Structs:
    """A record: whether it is None, and its fields' values; `about` are their names."""

    def record(self, names, values, none=None):
        if len(set(names)) != len(names) or len(names) > _MOST_FIELDS:
            raise Deopt("a dict with such keys")
        return Made("record", tuple(names), [none or Const(False), *values])

    def do_build_const_key_map(self, state, frame, stack, instruction):
        names = stack.pop().v
        self._build_record(state, stack, names, [stack.pop() for _ in names][::-1])

    def do_build_map(self, state, frame, stack, instruction):
        items = [stack.pop() for _ in range(2 * instruction.arg)][::-1]
        self._build_record(state, stack, [key.v if isinstance(key, Const) else None for key in items[::2]], items[1::2])

    def _build_record(self, state, stack, names, values):
        if values and all(type(name) is int for name in names) and all(isinstance(v, Const) and is_scalar(v.v) for v in values):
            stack.append(Const(self._constant_dict(tuple(names), values)))
            return
        if any(type(name) is not str for name in names) or not all(isinstance(v, (Const, Made, Reg)) and not is_iterator(v) for v in values):
            raise Deopt("a dict of such values")
        stack.append(self.record(names, [self.keep(v, state) for v in values]))

    def mapping_of(self, record):
        """A dict that was made of constants alone, as one; None for others."""
        if not all(isinstance(part, Const) and is_scalar(part.v) for part in record.parts) or record.parts[0].v:
            return None
        return self._constant_dict(record.about, record.parts[1:])

    def _constant_dict(self, names, values):
        """The same dict for the same constants: nothing can change it."""
        key = (names, *(repr(v.v) for v in values))
        return self.mappings.setdefault(key, dict(zip(names, [v.v for v in values])))

    def field(self, record, key):
        if not isinstance(key, Const) or type(key.v) is not str or key.v not in record.about:
            raise Deopt("a field by such a key")
        return record.parts[1 + record.about.index(key.v)]

    def present_record(self, record, state):
        none = record.parts[0]
        if isinstance(none, Const):
            return record
        self.fail_rows(self.m_and(state.mask, none.id), "None")
        new = record.of([Const(False), *record.parts[1:]])
        state.replace(record, new)
        return new

    def record_method(self, name, record, arguments, state):
        if name == "get" and len(arguments) <= 2 and isinstance(arguments[0], Reg) and self.mapping_of(record) is not None:
            return self.dict_get(self.mapping_of(record), arguments, state)
        if name == "get" and 1 <= len(arguments) <= 2 and isinstance(arguments[0], Const) and type(arguments[0].v) is str:
            if arguments[0].v in record.about:
                return self.field(record, arguments[0])
            return arguments[1] if len(arguments) == 2 else Const(None)
        raise Deopt(f"dict.{name}()")
