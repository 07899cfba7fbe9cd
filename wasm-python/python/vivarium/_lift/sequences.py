"""Sequences whose length depends on the row: characters of a text, parts of it, and what is made of them for a loop."""

import struct
import types

from vivarium._lift.emit import Parts
from vivarium._lift.values import (
    BOOL,
    BYTES,
    FLOAT,
    NONE,
    NUMBER,
    TEXT,
    Const,
    Deopt,
    Generator,
    Kept,
    Made,
    Once,
    RangeIter,
    Reg,
    Slice,
    Tup,
    is_scalar,
    type_of,
)

END = b"\xff"
"""Behind each text of a list: no text has this byte."""

_ITERATORS = ("enumerated", "reversed", "mapped", "zipped")

_MOST_CHARACTERS = 64
_MOST_SORTED = 6
"""Values that are sorted by comparing each with each."""

_FORWARDS, _BACKWARDS, _ONCE = range(3)
"""How parts are sorted: shim/kernels/parts.c."""


def is_parts(v):
    """A list of texts: the text that has them; about: by what they are separated, whether that is behind the last one as well, and whether
    it may be appended to."""
    return isinstance(v, Made) and v.kind == "parts"


def is_set(v):
    """A set of texts: the list of them, each once and in order. In which order a set has them is the interpreter's, so nothing asks it."""
    return isinstance(v, Made) and v.kind == "set"


def is_growing(v):
    """A list of texts that may be appended to."""
    return is_parts(v) and v.about == (END, True, True)


def is_list(v):
    """A list that may be appended to."""
    return is_growing(v) or (isinstance(v, Tup) and v.kind is list)


def kept(v):
    """The same list, to which nothing may be appended."""
    if is_growing(v):
        return Made("parts", (END, True, False), v.parts)
    return Tup(v.items, Kept) if is_list(v) else v


def is_iterator(v):
    """Whether taking items of it twice gives others: it is lifted where it is taken at once."""
    if isinstance(v, Tup):
        return v.kind is Once
    return (isinstance(v, Made) and v.kind in _ITERATORS) or (isinstance(v, RangeIter) and v.over is not None)


def split(text, separator):
    return Made("parts", (separator.encode(), False, False), [text])


def listed(text):
    """The list of texts that a text has with an end behind each of them."""
    return Made("parts", (END, True, True), [text])


class Sequences:
    """What is made of others for a loop: "enumerated" (about: the first number), "reversed", "mapped" (the function first) and "zipped"."""

    def sequence(self, v, state):
        """As a Tup, or as a sequence of some length; Deopt for others. What goes through a list sees what is appended to it meanwhile."""
        v = self.keep(v, state)
        if isinstance(v, Tup) or is_parts(v) or is_iterator(v) or (isinstance(v, RangeIter) and v.header is None):
            return v
        if isinstance(v, Const) and type(v.v) is str and len(v.v) <= _MOST_CHARACTERS:
            return Tup([Const(character) for character in v.v])
        if isinstance(v, Const) and type(v.v) in (tuple, list, dict):
            self.watch(v.v)
            return Tup([Const(item) for item in v.v])
        v = self.present(v, state)
        if type_of(v) not in (TEXT, BYTES):
            raise Deopt("iteration over such a value")
        return v

    def length_of(self, v, state):
        mask = self.m_reg(state.mask)
        if is_parts(v):
            separator, ended, _ = v.about
            constant = self.place(separator) | len(separator) << 32
            found = self.emit("text_count", NUMBER, self.as_reg(v.parts[0]), mask=mask, constant=constant)
            return Reg(NUMBER, found if ended else self.emit("int_add", NUMBER, found, constant=1, mask=mask))
        if isinstance(v, Made) and v.kind == "zipped":
            lengths = [Const(len(part.items)) if isinstance(part, Tup) else self.length_of(part, state) for part in v.parts]
            return self.smallest(lengths)
        if isinstance(v, Made):
            return self.length_of(v.parts[-1], state)
        if isinstance(v, RangeIter):
            raise Deopt("such a range")
        if type_of(v) == BYTES:
            return Reg(NUMBER, self.emit("bytes_length", NUMBER, self.as_reg(v)))
        return Reg(NUMBER, self.emit("text_length", NUMBER, self.as_reg(v), mask=mask))

    def item_of(self, v, number, state):
        """The item of a number that is known to be one's."""
        if is_parts(v):
            return self._part_of(v, number, state)
        if isinstance(v, Tup):
            return self.indexed(tuple(item.v for item in v.items), number, state)
        if type_of(v) == BYTES:
            return self.bytes_item(v, number, state)
        if not isinstance(v, Made):
            return self.index(v, number, state)
        inner = v.parts[-1]
        if v.kind == "enumerated":
            shown = self.binary("+", number, Const(v.about), state)
            return Tup([shown, self.item_of(inner, number, state)])
        if v.kind == "reversed":
            last = self.binary("-", self.length_of(inner, state), Const(1), state)
            return self.item_of(inner, self.binary("-", last, number, state), state)
        if v.kind == "mapped":
            return self._applied(v.parts[0].v, self.item_of(inner, number, state), state)
        return Tup([self.item_of(part, number, state) for part in v.parts])

    def _part_of(self, parts, number, state):
        separator, _, _ = parts.about
        constant = self.place(separator) | len(separator) << 32
        text, mask = self.as_reg(parts.parts[0]), self.m_reg(state.mask)
        if isinstance(number, Const):
            return Reg(TEXT, self.emit("text_part", TEXT, text, mask=mask, extra=number.v, constant=constant))
        return Reg(TEXT, self.emit("text_part", TEXT, text, number.id, mask=mask, constant=constant))

    def part(self, parts, place, state):
        """parts[place]"""
        _, ended, _ = parts.about
        if type_of(place) != NUMBER or (isinstance(place, Const) and (type(place.v) is not int or abs(place.v) > 1000)):
            raise Deopt("a part by such an index")
        if ended or not isinstance(place, Const):
            place = self._place_within(parts, place, state)
        return self._part_of(parts, place, state)

    def parts_between(self, parts, start, stop, state):
        """parts[start:stop] of constants: they lie side by side, so that nothing is copied."""
        bounds = []
        for v, absent in ((start, 0), (stop, 2**31 - 1)):
            number = absent if type_of(v) == NONE else v.v if isinstance(v, Const) and type(v.v) is int else None
            if number is None or not -1000 <= number < 2**31:
                raise Deopt("a slice by such a value")
            bounds.append(number)
        constant = struct.unpack("<q", struct.pack("<ii", *bounds))[0]
        text, mask = self._with_ends(parts, state), self.m_reg(state.mask)
        return listed(Reg(TEXT, self.emit("parts_slice", TEXT, self.as_reg(text), mask=mask, constant=constant)))

    def _with_ends(self, parts, state):
        """The text that has an end behind each part."""
        separator, ended, _ = parts.about
        text = self.as_reg(parts.parts[0])
        if separator != END:
            places = self.place(separator), len(separator), self.place(END), len(END)
            text = self.emit("text_replace", TEXT, text, mask=self.m_reg(state.mask), constant=self.numbers("I", *places))
        return Reg(TEXT, text) if ended else self._put_together([Reg(TEXT, text), Const(END)], state)

    def unpacked_with_rest(self, v, before, behind, state):
        """first, *rest = v: the values in order."""
        if isinstance(v, Tup) and len(v.items) >= before + behind:
            end = len(v.items) - behind
            return [*v.items[:before], Tup(v.items[before:end], list), *v.items[end:]]
        if not is_parts(v):
            raise Deopt("unpacking of such a value")
        few = self.compare("<", self.length_of(v, state), Const(before + behind), state)
        self.fail_rows(self.m_and(state.mask, few.id), "unpacking of another number of parts")
        rest = self.parts_between(v, Const(before), Const(-behind if behind else None), state)
        return [*(self.part(v, Const(k), state) for k in range(before)), rest, *(self.part(v, Const(k - behind), state) for k in range(behind))]

    def _place_within(self, parts, place, state):
        """From the start; where there is no such part, the rows are the interpreter's."""
        length = self.length_of(parts, state)
        if isinstance(place, Const):
            place = place if place.v >= 0 else self.binary("+", length, place, state)
        else:
            behind = self.binary("+", place, length, state)
            place = self.select(self.compare("<", place, Const(0), state).id, behind, place)
        for outside in (self.compare("<", place, Const(0), state), self.compare(">=", place, length, state)):
            if not isinstance(outside, Const):
                self.fail_rows(self.m_and(state.mask, outside.id), "a part that is not there")
        return place

    # ---- Built-in functions ----

    def enumerated(self, v, start, state):
        if not isinstance(start, Const) or type(start.v) is not int or abs(start.v) > 1 << 32:
            raise Deopt("enumerate() from such a number")
        v = self.sequence(v, state)
        if isinstance(v, Tup):
            return Tup([Tup([Const(start.v + k), item]) for k, item in enumerate(v.items)], Once)
        return Made("enumerated", start.v, [v])

    def turned(self, v, state):
        """reversed()"""
        v = self.sequence(v, state)
        if is_iterator(v):
            raise Deopt("reversed() of an iterator")
        return Tup(v.items[::-1], Once) if isinstance(v, Tup) else Made("reversed", None, [v])

    def zipped(self, values, state):
        values = [self.sequence(v, state) for v in values]
        if all(isinstance(v, Tup) for v in values):
            return Tup([Tup(list(items)) for items in zip(*(v.items for v in values))], Once)
        for v in values:
            if isinstance(v, Tup) and not all(isinstance(item, Const) and is_scalar(item.v) for item in v.items):
                raise Deopt("zip() of such values")
        return Made("zipped", None, values)

    def mapped(self, fn, v, state):
        """map() of one sequence: when the items are taken does not matter to what the function is."""
        v = self.sequence(v, state)
        if isinstance(v, Tup):
            return Tup([self._applied(fn, item, state) for item in v.items], Once)
        return Made("mapped", None, [Const(fn), v])

    def _applied(self, fn, item, state):
        if type(fn) not in (types.BuiltinFunctionType, types.MethodDescriptorType, type):
            raise Deopt("map() of such a function")
        return self.call(Const(fn), [item], {}, state)

    # ---- Sorting ----

    def sorted_items(self, v, backwards, state):
        """sorted() of texts whose number depends on the row, or of a few values."""
        if is_set(v):
            v = v.parts[0]
        if is_parts(v):
            return listed(self._sorted_parts(v, _BACKWARDS if backwards else _FORWARDS, state))
        v = self.sequence(v, state)
        types = {type_of(item) for item in v.items} if isinstance(v, Tup) else ()
        if len(types) != 1 or len(v.items) > _MOST_SORTED or not types <= {NUMBER, FLOAT, TEXT}:
            raise Deopt("sorted() of such values")
        items = [item if isinstance(item, Reg) else Reg(type_of(item), self.as_reg(item)) for item in v.items]
        for item in items:  # where NaN comes to lie depends on what it is compared with
            if item.t == FLOAT:
                unordered = self.emit("float_ne", BOOL, item.id, item.id)
                self.fail_rows(self.m_and(state.mask, unordered), "sorted() of NaN")
        for end in range(len(items) - 1, 0, -1):
            for k in range(end):
                swapped = self.compare(">" if backwards else "<", items[k + 1], items[k], state).id
                items[k], items[k + 1] = self.select(swapped, items[k + 1], items[k]), self.select(swapped, items[k], items[k + 1])
        return Tup(items, list)

    def set_of(self, v, state):
        """set() of texts whose number depends on the row."""
        if not is_parts(v):
            raise Deopt("set() of such values")
        return Made("set", None, [kept(listed(self._sorted_parts(v, _ONCE, state)))])

    def _sorted_parts(self, parts, how, state):
        text, mask = self._with_ends(parts, state), self.m_reg(state.mask)
        return Reg(TEXT, self.emit("parts_sort", TEXT, self.as_reg(text), mask=mask, extra=how))

    # ---- Lists of texts ----

    def joined_lists(self, x, y, state):
        """x + y of two lists, of which there is a third then; None when they are no lists."""
        if not all(is_parts(v) or (isinstance(v, Tup) and v.kind in (list, Kept)) for v in (x, y)):
            return None
        if isinstance(x, Tup) and isinstance(y, Tup):
            return Tup([*x.items, *y.items], list)
        for v in (x, y):
            if isinstance(v, Tup) and any(type_of(item) != TEXT for item in v.items):
                raise Deopt("a list of such values")
        ends = [self._written_behind(Const(""), v.items, state) if isinstance(v, Tup) else self._with_ends(v, state) for v in (x, y)]
        return listed(self._put_together(ends, state))

    def in_parts(self, x, parts, state):
        """x in parts: between two ends, in a text that starts with one."""
        x = self.present(x, state)
        if type_of(x) != TEXT:
            raise Deopt("in of such a list")
        whole = self._put_together([Const(END), self._with_ends(parts, state)], state)
        sought = self._put_together([Const(END), x, Const(END)], state)
        return Reg(BOOL, self.emit("text_contains", BOOL, whole.id, sought.id, mask=self.m_reg(state.mask)))

    def growing(self, v, state):
        """A list that a loop may append to: one of texts, whose number depends on the row."""
        if not isinstance(v, Tup) or v.kind is not list or any(type_of(item) != TEXT for item in v.items):
            return v
        return listed(self._written_behind(Const(""), v.items, state))

    def _written_behind(self, text, items, state):
        """The text, and behind it each item with its end."""
        return self._put_together([text, *(part for item in items for part in (item, Const(END)))], state)

    def _put_together(self, values, state):
        """Texts, and bytes that no text has."""
        parts = []
        for v in values:
            if isinstance(v, Const):
                data = v.v if type(v.v) is bytes else v.v.encode()
                parts += [(-1, self.place(data), len(data))] if data else []
            else:
                parts.append((v.id, 0, 0))
        mask = self.m_reg(state.mask)
        return Reg(TEXT, self.emit("text_concat", TEXT, mask=mask, extra=len(parts), constant=Parts(parts), memo=False)) if parts else Const("")

    def keep(self, v, state):
        """A list that gets to be known under another name as well."""
        if not is_list(v):
            return v
        same = kept(v)
        state.replace(v, same)
        return same

    def append(self, v, arguments, state):
        """v.append(): of a list that only one variable has, which has the new one from then on."""
        if len(arguments) != 1 or not is_list(v) or isinstance(arguments[0], Generator) or is_iterator(arguments[0]):
            raise Deopt("append() to such a list")
        state.replace(v, self.appended(v, self.keep(arguments[0], state), state))
        return Const(None)

    def appended(self, v, item, state):
        """The list with one more item."""
        if isinstance(v, Tup) and v.kind is list:
            return Tup([*v.items, item], list)
        item = self.present(item, state)
        if not is_growing(v) or type_of(item) != TEXT:
            raise Deopt("a list of such values")
        return listed(self._written_behind(v.parts[0], [item], state))

    def joined_parts(self, separator, v, state):
        """separator.join(v)"""
        old, ended, _ = v.about
        if not isinstance(separator, Const):
            raise Deopt("join() by such a text")
        new = separator.v.encode()
        places = self.place(old), len(old), self.place(new), len(new)
        text, mask = self.as_reg(v.parts[0]), self.m_reg(state.mask)
        text = Reg(TEXT, self.emit("text_replace", TEXT, text, mask=mask, constant=self.numbers("I", *places)))
        return self.slice(text, Slice(Const(None), Const(-len(separator.v))), state) if ended and separator.v else text

    def words(self, text, state):
        """text.split(): at blanks."""
        return listed(Reg(TEXT, self.emit("text_words", TEXT, self.as_reg(text), mask=self.m_reg(state.mask))))

    def divided(self, text, separator, times, state):
        """text.split(separator, times), or rsplit() with times below 0."""
        constant = self.text(separator)
        mask = self.m_reg(state.mask)
        return listed(Reg(TEXT, self.emit("text_divide", TEXT, self.as_reg(text), mask=mask, extra=times, constant=constant)))
