"""Constant containers, and tuples of values: `in`, items, and iteration."""


from vivarium._lift.documents import is_document
from vivarium._lift.emit import check_number
from vivarium._lift.objects import is_named
from vivarium._lift.patterns import is_match
from vivarium._lift.sequences import is_iterator, is_parts, is_set
from vivarium._lift.structs import is_record
from vivarium._lift.values import (
    BOOL,
    BYTES,
    CONTAINERS,
    FLOAT,
    NONE,
    NUMBER,
    SCALARS,
    TEXT,
    Const,
    Deopt,
    Fork,
    Iter,
    RangeIter,
    Reg,
    Slice,
    Tup,
    View,
    is_plain,
    is_scalar,
    type_of,
)

_MOST_ITEMS = 256
_MOST_TURNS = 64
_FEW = 3
"""So many items are compared one by one."""


def _is_nan(value):
    return type(value) is float and value != value


class Containers:
    def watch(self, box):
        """Takes for granted what a container holds."""
        if type(box) in CONTAINERS and len(box) > _MOST_ITEMS:
            raise Deopt("a large container")
        if type(box) in (dict, list, set):
            self.guards.contents(box)

    def _items(self, box):
        if isinstance(box, Tup):
            return box.items
        if isinstance(box, Const) and type(box.v) in CONTAINERS:
            self.watch(box.v)
            return [Const(item) for item in box.v]
        raise Deopt("in of such a value")

    def contains(self, x, box, state):
        if type_of(box) in (TEXT, TEXT + "?"):
            return self._text_contains(x, self.present(box, state), state)
        if is_record(box) and self.mapping_of(box) is not None and isinstance(x, Reg):
            box = Const(self.mapping_of(box))
        if is_record(box) and isinstance(x, Const) and type(x.v) is str:
            return Const(x.v in self.present(box, state).about)
        if is_set(box):
            box = box.parts[0]
        if is_parts(box):
            return self.in_parts(x, box, state)
        items = self._items(box)
        constant = all(isinstance(item, Const) for item in items)
        if any(isinstance(item, Const) and (not is_scalar(item.v) or _is_nan(item.v)) for item in items):
            raise Deopt("in of such a container")
        if isinstance(x, Const) and constant:
            if not is_scalar(x.v) or _is_nan(x.v):
                raise Deopt("in of such a container")
            return Const(x.v in [item.v for item in items])
        if isinstance(x, Const) and x.v is None:
            result = Const(False)
            for item in items:
                result = self.either(result, self.is_none(item))
            return result
        x = self.present(x, state)
        if isinstance(x, Reg) and x.t == TEXT and constant and len(items) > _FEW:
            keys = [item.v for item in items if type(item.v) is str]
            return self._lookup(x, keys, state)[0] if keys else Const(False)
        result = Const(False)
        for item in items:
            result = self.either(result, self.compare("==", x, item, state))
        return result

    def _text_contains(self, x, text, state):
        x = self.present(x, state)
        if type_of(x) != TEXT:
            raise Deopt("in of a text")
        if isinstance(x, Reg):
            return Reg(BOOL, self.emit("text_contains", BOOL, self.as_reg(text), x.id, mask=self.m_reg(state.mask)))
        if isinstance(text, Const):
            return Const(x.v in text.v)
        if x.v == "":
            return Const(True)
        return Reg(BOOL, self.emit("text_contains", BOOL, text.id, mask=self.m_reg(state.mask), constant=self.text(x.v)))

    # ---- dict ----

    def _keys(self, mapping, x):
        """The keys that the value of a column can be equal to."""
        if not all(map(is_scalar, mapping)):
            raise Deopt("a dict with such keys")
        if x.t == TEXT:
            return [key for key in mapping if type(key) is str]
        if x.t == NUMBER and not any(type(key) in (bool, float) for key in mapping):
            return [key for key in mapping if type(key) is int and -(1 << 63) <= key < 1 << 63]
        raise Deopt("a dict with such keys")

    def _lookup(self, x, keys, state):
        """(whether x is one of the keys, the number of the key)"""
        keys = list(dict.fromkeys(keys))
        name, mask = ("find_text", self.m_reg(state.mask)) if x.t == TEXT else ("find_int", -1)
        key = (name, x.id, mask, *keys)
        if key not in self.memo:
            found = self.reg(BOOL)
            constant = self._table(keys) if x.t == TEXT else self._ints(keys)
            number = self.emit(name, NUMBER, x.id, b=found, mask=mask, extra=len(keys), constant=constant, memo=False)
            self.memo[key] = (Reg(BOOL, found), Reg(NUMBER, number))
        return self.memo[key]

    def _table(self, keys):
        size = 4
        while size < 2 * len(keys):
            size *= 2
        places = [word for key in keys for word in self.text_place(key)]
        # The kernel writes where keys are found into it.
        return self.numbers("I", len(keys), size, 0, *bytes(size), *places, shared=False)

    def _ints(self, keys):
        if len(keys) > _MOST_TURNS:
            raise Deopt("a dict of many ints")
        return self.numbers("q", *keys)

    def _take(self, number, values):
        types = {type(value) for value in values}
        t = SCALARS.get(types.pop()) if len(types) == 1 else None
        if t == NUMBER:
            constant = self.numbers("q", *map(check_number, values))
        elif t == FLOAT:
            constant = self.numbers("d", *values)
        elif t == BOOL:
            constant = self.place(bytes(values))
        elif t == TEXT:
            constant = self.numbers("I", *(word for value in values for word in self.text_place(value)))
        else:
            raise Deopt("a dict with values of such types")
        name = {BOOL: "take_bool", TEXT: "take_text"}.get(t, "take_number")
        return Reg(t, self.emit(name, t, number.id, extra=len(values), constant=constant))

    def dict_get(self, mapping, arguments, state):
        """mapping.get(*arguments)"""
        if not 1 <= len(arguments) <= 2:
            raise Deopt("dict.get() with such arguments")
        if all(isinstance(v, Const) and is_scalar(v.v) for v in arguments) and is_plain(mapping):
            return Const(mapping.get(*(v.v for v in arguments)))
        x = self.present(arguments[0], state)
        default = arguments[1] if len(arguments) == 2 else Const(None)
        if not isinstance(x, Reg):
            raise Deopt("dict.get() with such arguments")
        keys = self._keys(mapping, x)
        if len({type(mapping[key]) for key in keys}) != 1 or type_of(default) not in (NONE, SCALARS.get(type(mapping[keys[0]]))):
            values, rest = self._by_type(x, mapping, keys, state)
            return Fork([*values, (rest, default)]) if values else default
        found, number = self._lookup(x, keys, state)
        value = self._take(number, [mapping[key] for key in keys])
        if type_of(default) == NONE:
            return Reg(value.t, value.id, none=self.emit("bool_not", BOOL, found.id))
        return self.select(found.id, value, default)

    def _by_type(self, x, mapping, keys, state):
        """([(rows, value)] of the keys with values of each type, the rows without a key)"""
        groups, found, rest = {}, [], state.mask
        for key in keys:
            groups.setdefault(type(mapping[key]), []).append(key)
        for t, own in groups.items():
            if t not in SCALARS:
                raise Deopt("a dict with values of such types")
            known, number = self._lookup(x, own, state)
            value = Const(None) if t is type(None) else self._take(number, [mapping[key] for key in own])
            found.append((self.m_and(rest, known.id), value))
            rest = self.m_and(rest, known.id, False)
        return found, rest

    def dict_method(self, name, mapping, arguments, state):
        if len(mapping) > _MOST_ITEMS:
            raise Deopt("a large container")
        self.watch(mapping)
        if name == "get":
            return self.dict_get(mapping, arguments, state)
        if arguments or name not in ("keys", "values", "items"):
            raise Deopt(f"dict.{name}()")
        if name == "items":
            return Tup([Tup([Const(key), Const(value)]) for key, value in mapping.items()], View)
        return Tup([Const(v) for v in (mapping.keys() if name == "keys" else mapping.values())], View)

    # ---- Items ----

    def get_item(self, box, x, state):
        box = self.present(box, state)
        if is_record(box) and self.mapping_of(box) is not None and isinstance(x, Reg):
            return self.get_item(Const(self.mapping_of(box)), x, state)
        if is_record(box):
            return self.field(box, x)
        if is_document(box):
            return self.document_item(box, x, state)
        if is_match(box):
            return self.match_group(box, x, state)
        x = self.present(x, state)
        if type_of(box) == TEXT:
            if isinstance(x, Slice) and x.start is None:
                return self.reversed_text(box, state)
            if isinstance(x, Slice):
                return self.slice(box, Slice(self.present(x.start, state), self.present(x.stop, state)), state)
            return self.index(box, x, state)
        if type_of(box) == BYTES:
            return self.bytes_item(box, x, state)
        if is_named(box):
            box = Tup(box.parts)
        if is_parts(box) and isinstance(x, Slice) and x.start is not None:
            return self.parts_between(box, x.start, x.stop, state)
        if is_parts(box):
            return self.part(box, x, state)
        if is_iterator(box) or (isinstance(box, Tup) and box.kind is View):
            raise Deopt("an item of such a value")
        if isinstance(box, Tup):
            if isinstance(x, Const) and type(x.v) is int and -len(box.items) <= x.v < len(box.items):
                return box.items[x.v]
            if isinstance(x, Reg) and all(isinstance(item, Const) and is_scalar(item.v) for item in box.items):
                return self.indexed(tuple(item.v for item in box.items), x, state)
            raise Deopt("an item of a tuple by such an index")
        if not isinstance(box, Const) or type(box.v) not in (tuple, list, dict):
            raise Deopt("an item of such a value")
        self.watch(box.v)
        if isinstance(x, Const):
            if not is_scalar(x.v) or (type(box.v) is dict and not all(map(is_scalar, box.v))):
                raise Deopt("an item by such a key")
            try:
                return Const(box.v[x.v])
            except Exception:
                raise Deopt("an item that is not there") from None
        if not isinstance(x, Reg):
            raise Deopt("an item by such a key")
        if type(box.v) is not dict:
            return self.indexed(box.v, x, state)
        keys = self._keys(box.v, x)
        if len({type(box.v[key]) for key in keys}) > 1:
            values, rest = self._by_type(x, box.v, keys, state)
            self.fail_rows(rest, "a key that is not there")
            return Fork(values)
        if not keys:
            raise Deopt("a key that is not there")
        found, number = self._lookup(x, keys, state)
        self.fail_rows(self.m_and(state.mask, found.id, False), "a key that is not there")
        return self._take(number, [box.v[key] for key in keys])

    def indexed(self, values, place, state):
        """The item of a constant sequence."""
        if place.t != NUMBER or not values:
            raise Deopt("an item by such a key")
        negative = self.emit("int_lt", BOOL, place.id, constant=0)
        behind = self.emit("int_add", NUMBER, place.id, constant=len(values), mask=self.m_reg(state.mask))
        number = self.emit("select_number", NUMBER, behind, place.id, negative)
        low = self.emit("int_lt", BOOL, number, constant=0)
        outside = self.emit("bool_or", BOOL, low, self.emit("int_ge", BOOL, number, constant=len(values)))
        self.fail_rows(self.m_and(state.mask, outside), "an index that is not there")
        return self._take(Reg(NUMBER, number), list(values))

    # ---- Iteration ----

    def iterator(self, v, header, state):
        if isinstance(v, RangeIter):
            return RangeIter(v.cur, v.stop, v.step, header, v.over)
        if isinstance(v, Iter):
            return Iter(v.items, v.at, header)
        v = self.sequence(v, state)
        if not isinstance(v, Tup):
            return RangeIter(Const(0), self.length_of(v, state), Const(1), header, v)
        if len(v.items) > _MOST_TURNS:
            raise Deopt("iteration over many values")
        return Iter(v.items, 0, header)

    def unpacked(self, v, count, state):
        if is_parts(v) or (is_iterator(v) and not isinstance(v, Tup)):
            wrong = self.compare("!=", self.length_of(v, state), Const(count), state)
            self.fail_rows(self.m_and(state.mask, wrong.id), "unpacking of another number of parts")
            return [self.item_of(v, Const(k), state) for k in reversed(range(count))]
        if isinstance(v, Const) and type(v.v) in (tuple, list):
            self.watch(v.v)
            v = Tup([Const(item) for item in v.v])
        if is_named(v):
            v = Tup(v.parts)
        if not isinstance(v, Tup) or len(v.items) != count:
            raise Deopt("unpacking of such a value")
        return reversed(v.items)
