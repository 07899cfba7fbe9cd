"""What a function returns, as values of the result's column or, of a struct, of its fields'."""

from vivarium._lift.inputs import is_struct, result_of
from vivarium._lift.objects import is_named, is_object
from vivarium._lift.values import (
    BOOL,
    FLOAT,
    NONE,
    NUMBER,
    ZONED,
    Const,
    Deopt,
    Frame,
    Made,
    NotLifted,
    Reg,
    State,
    Tup,
    exponent_of,
    type_of,
)
from vivarium._lift.zones import is_abroad

MOST_STATES = 64


def _is_storable(type):
    """Whether results of the type, and of its fields, can be columns."""
    return all(_is_storable(field.type) for field in type.fields) if is_struct(type) else result_of(type) is not None


class Results:
    def check_result(self):
        if not _is_storable(self.result):
            raise NotLifted(f"results of type {self.result}")

    def result_kind(self):
        return None if is_struct(self.result) else result_of(self.result)

    def _value(self, type, v, state):
        """As a value of the column's type."""
        wanted, t = result_of(type), type_of(v)
        if wanted == FLOAT and t == NUMBER:
            return self.to_float_exact(v, state)
        if wanted == ZONED and is_abroad(t):
            return Reg(ZONED, v.id)
        if exponent_of(wanted) is not None and (exponent_of(t) is not None or t == NUMBER):
            return self.decimal_result(type, v, state)
        if t != wanted:
            raise Deopt("a result of another type than the declared one")
        return v

    def _split(self, v):
        """(the value where it is not None, the register of the rows where it is, or None)"""
        if isinstance(v, Reg) and v.none is not None:
            return Reg(v.t, v.id), v.none
        if isinstance(v, Made) and v.kind == "record" and isinstance(v.parts[0], Reg):
            return v.of([Const(False), *v.parts[1:]]), v.parts[0].id
        return v, None

    # ---- Structs ----

    def _fields(self, type, v):
        """What a struct's fields become, in order."""
        names = [field.name for field in type.fields]
        if isinstance(v, Made) and v.kind == "record" and sorted(v.about) == sorted(names):
            return [v.parts[1 + v.about.index(name)] for name in names]
        if is_object(v) or is_named(v):
            return self.fields_of_object(v, type)
        if isinstance(v, Tup) and v.kind is tuple and len(v.items) == len(names):
            return v.items
        raise Deopt("a result of another type than the declared one")

    def _struct(self, v, state):
        """Its fields' values, each with the rows where it is None; those of a field that is a struct behind it."""
        return Made("result", (), self._parts_of(self.result, v, state))

    def _parts_of(self, type, v, state):
        parts = []
        for field, item in zip(type.fields, self._fields(type, v)):
            item, none = self._split(item)
            if type_of(item) == NONE:
                parts += self._absent(field.type)
                continue
            inside = state if none is None else State([], self.m_and(state.mask, none, False))
            found = [Const(False)] if is_struct(field.type) else [self._value(field.type, item, inside)]
            parts += [*found, Const(False) if none is None else Reg(BOOL, none)]
            if is_struct(field.type):
                parts += self._parts_of(field.type, item, inside)
        return parts

    def _absent(self, type):
        """The parts of a field that is None."""
        if not is_struct(type):
            return [self.nothing(result_of(type)), Const(True)]
        return [Const(False), Const(True), *(part for field in type.fields for part in self._absent(field.type))]

    # ---- All of them ----

    def _results(self):
        """([(rows, value)], [rows that are None])"""
        values, nones = [], []
        for mask, v in self.returns:
            try:
                if type_of(v) == NONE:
                    nones.append(mask)
                    continue
                v, none = self._split(v)
                if none is not None:
                    nones.append(self.m_and(mask, none))
                    mask = self.m_and(mask, none, False)
                state = State([], mask)
                values.append((mask, self._struct(v, state) if is_struct(self.result) else self._value(self.result, v, state)))
            except Deopt as deopt:
                self.fail_rows(mask, str(deopt))
        return values, nones

    def output(self):
        """What is returned: (register, mask of the rows that have a value, mask of None, fields of a struct).

        -1: none, and of None -2: all rows. fields: (register of the values, that of the rows that are None, or -1) each.
        """
        values, nones = self._results()
        if not values and not nones:
            raise NotLifted("every path is the interpreter's")
        if len(values) > MOST_STATES:
            raise NotLifted("the function has too many paths")
        value = value_mask = null_mask = -1
        fields = []
        if values:
            merged = self.merge([State([Frame(self.code_of(self.fn.__code__), None, 0, {}, [v])], mask) for mask, v in values])
            found, value_mask = merged.frames[0].stack[0], self.m_reg(merged.mask)
            if isinstance(found, Made):
                nones_of = [-1 if isinstance(part, Const) and not part.v else self.as_reg(part) for part in found.parts[1::2]]
                fields = list(zip(map(self.as_reg, found.parts[::2]), nones_of))
            else:
                value = self.as_reg(found)
        if nones:
            null_mask = self.m_reg(self.m_or(nones))
            null_mask = -2 if null_mask < 0 else null_mask
        return value, value_mask, null_mask, fields

    def finish(self):
        """The shim's Program."""
        value, value_mask, null_mask, fields = self.output()
        some = value >= 0 or bool(fields)
        return self.pack("value" if some else "", value, value_mask, null_mask, self.guards.all(), fields)
