"""Formats: f-strings, format(), "{}".format() and "%s" of values."""

import _string
import re

from vivarium._lift.times import MOMENTS
from vivarium._lift.values import BOOL, FLOAT, NUMBER, TEXT, Const, Deopt, Reg, Slice, Tup, exponent_of, is_scalar, type_of
from vivarium._lift.zones import is_abroad

_MOST_TEXT = 4096
_MOST_WIDTH = 1000

_SPEC = re.compile(
    r"(?:(?P<fill>[ -~])?(?P<align>[<>^]))?(?P<sign>[-+ ])?(?P<zeros>0)?(?P<width>[0-9]{1,4})?(?P<group>[,_])?"
    r"(?:\.(?P<places>[0-9]{1,4}))?(?P<type>[a-zA-Z%])?"
)
_PERCENT = re.compile(r"%(?P<flags>[-+0 ]*)(?P<width>[0-9]{1,4})?(?:\.(?P<places>[0-9]{1,4}))?(?P<type>[sdifxX%])")
_BASES = {"x": (16, 0), "X": (16, 2), "o": (8, 0), "b": (2, 0)}
"""What types of a format mean: a base, and the flags of shim/kernels/formats.c."""

_PADS = {"<": 0, ">": 1, "zeros": 2, "^": 3}


class Formats:
    def format(self, v, spec, state):
        v = self.present(v, state)
        if not isinstance(spec, Const) or type(spec.v) is not str:
            raise Deopt("a format that is not constant")
        if isinstance(v, Const):
            return self._folded_format(v, spec.v)
        t = type_of(v)
        if is_abroad(t) and spec.v:
            return self.abroad_method("__format__", v, [spec], {}, state)
        if t in MOMENTS and spec.v:
            return self.moment_formatted(v, spec, state)
        if spec.v == "":
            return self.to_str(v, state)
        found = _SPEC.fullmatch(spec.v)
        if found is None or t not in (TEXT, NUMBER, FLOAT):
            raise Deopt(f"the format {spec.v[:20]}")
        return self._formatted(v, t, found.groupdict(), spec.v[:20], state)

    def _folded_format(self, v, spec):
        if not is_scalar(v.v) or len(spec) > 8 or sum(map(str.isdigit, spec)) > 4:
            raise Deopt("a format of such a constant")
        try:
            text = format(v.v, spec)
        except Exception:
            raise Deopt("a format that raises") from None
        if len(text) > _MOST_TEXT:
            raise Deopt("a large constant")
        return Const(text)

    def _formatted(self, v, t, parts, shown, state):
        align, sign, zeros, group, places, type = (parts[name] for name in ("align", "sign", "zeros", "group", "places", "type"))
        width = int(parts["width"] or 0)
        if width > _MOST_WIDTH or (zeros and (align or group or t == TEXT)):
            raise Deopt(f"the format {shown}")
        if t == TEXT:
            if sign or group or type not in (None, "s"):
                raise Deopt(f"the format {shown}")
            text = v if places is None else self.slice(v, Slice(Const(None), Const(int(places))), state)
        elif t == NUMBER:
            text = self._whole_number(v, type, places, group, shown, state)
        else:
            text = self._fraction(v, type, places, group, shown, state)
        if group:
            text = Reg(TEXT, self.emit("text_grouped", TEXT, self.as_reg(text), mask=self.m_reg(state.mask), constant=ord(group)))
        if sign in ("+", " "):
            negative = self.text_method("startswith", text, [Const("-")], state)
            text = self.select(negative.id, text, self.concat([Const(sign), text], state))
        if type == "%":
            text = self.concat([text, Const("%")], state)
        how = "zeros" if zeros else align or ("<" if t == TEXT else ">")
        return self.padded(text, _PADS[how], width, "0" if zeros else parts["fill"] or " ", state)

    def _whole_number(self, v, type, places, group, shown, state):
        if type in ("f", "F", "%"):
            return self._fraction(self.to_float(v), type, places, group, shown, state)
        if places is not None or (group and type not in (None, "d")):
            raise Deopt(f"the format {shown}")
        if type in (None, "d"):
            return self.to_str(v, state)
        if type not in _BASES:
            raise Deopt(f"the format {shown}")
        return self.in_base(v, *_BASES[type], state)

    def _fraction(self, v, type, places, group, shown, state):
        if type is None and places is None and not group:
            return self.to_str(v, state)
        places = 6 if places is None else int(places)
        if type not in ("f", "F", "%") or places > 9:
            raise Deopt(f"the format {shown}")
        if type == "%":
            v = self.binary("*", v, Const(100.0), state)
        return Reg(TEXT, self.emit("float_fixed", TEXT, v.id, mask=self.m_reg(state.mask), extra=places))

    def padded(self, text, how, width, filler, state):
        if width == 0:
            return text
        constant = width | ord(filler) << 32
        return Reg(TEXT, self.emit("text_pad", TEXT, self.as_reg(text), mask=self.m_reg(state.mask), extra=how, constant=constant))

    def in_base(self, v, base, flags, state):
        return Reg(TEXT, self.emit("int_in_base", TEXT, self.as_reg(v), mask=self.m_reg(state.mask), extra=base, constant=flags))

    # ---- % ----

    def percent(self, form, values, state):
        """form % values"""
        values, parts, end = list(values), [], 0
        while (at := form.find("%", end)) >= 0:
            found = _PERCENT.match(form, at)
            if found is None:
                raise Deopt("formatting with % in such a way")
            parts.append(Const(form[end:at]))
            end = found.end()
            if found["type"] == "%":
                if found[0] != "%%":
                    raise Deopt("formatting with % in such a way")
                parts.append(Const("%"))
            elif not values:
                raise Deopt("formatting with % in such a way")
            else:
                parts.append(self._percent_of(self.present(values.pop(0), state), found, state))
        if values:
            raise Deopt("formatting with % in such a way")
        return self.concat([*parts, Const(form[end:])], state)

    def _percent_of(self, v, found, state):
        t, type, flags = type_of(v), found["type"], found["flags"]
        left, zeros, width = "-" in flags, "0" in flags, found["width"] or ""
        places = "" if found["places"] is None else "." + found["places"]
        sign = "+" if "+" in flags else " " if " " in flags else ""
        if type == "s":
            v, sign, zeros = self.to_str(v, state), "", False
        elif type in "dixX" and t == NUMBER and not places:
            type = "d" if type == "i" else type
        elif type != "f" or t not in (FLOAT, NUMBER, BOOL):
            raise Deopt("formatting with % in such a way")
        else:
            v = self.to_float(v)
        if zeros and left:
            raise Deopt("formatting with % in such a way")
        align = "<" if left else "" if zeros or not width else ">"
        return self.format(v, Const(f"{align}{sign}{'0' if zeros and width else ''}{width}{places}{type}"), state)

    # ---- {} ----

    def braces(self, form, values, keywords, state):
        """form.format(*values, **keywords)"""
        try:
            pieces = list(_string.formatter_parser(form))
        except ValueError:
            raise Deopt("format() in such a way") from None
        parts, taken = [], 0
        numbered = any(name and name.isdecimal() for _, name, _, _ in pieces)
        for literal, name, spec, conversion in pieces:
            parts.append(Const(literal))
            if name is None:
                continue
            if name == "" and not numbered:
                name, taken = str(taken), taken + 1
            if conversion not in (None, "s") or "{" in spec:
                raise Deopt("format() in such a way")
            if name in keywords:
                v = keywords[name]
            elif name.isdecimal() and name.isascii() and len(name) < 4 and int(name) < len(values):
                v = values[int(name)]
            else:
                raise Deopt("format() in such a way")
            v = self.to_str(v, state) if conversion == "s" else v
            parts.append(self.format(v, Const(spec), state))
        return self.concat(parts, state)

    def formatted(self, arguments, state):
        """format()"""
        if not 1 <= len(arguments) <= 2:
            raise Deopt("format() of such values")
        return self.format(arguments[0], arguments[1] if len(arguments) == 2 else Const(""), state)


def values_of_percent(v):
    """The values of form % v."""
    return v.items if isinstance(v, Tup) and v.kind is tuple else [v]
