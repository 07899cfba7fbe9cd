"""Dates, times, datetimes and timedeltas."""

import datetime
import re

from vivarium._lift.values import CLOCK, DATE, FLOAT, NUMBER, SPAN, STAMP, TEXT, ZONED, Const, Deopt, Reg, Tup, held, is_scalar, type_of

_NAMED = re.compile("(%[AaBbyjpI])")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
_ISO_PARTS = ("year", "week", "weekday")

MOMENTS = (DATE, STAMP, ZONED, CLOCK, SPAN)

_SECOND = 10**6
_DAY = 86400 * _SECOND
_FIRST_ORDINAL = datetime.date(1970, 1, 1).toordinal()
_FIRST, _LAST = 1 - _FIRST_ORDINAL, datetime.date.max.toordinal() - _FIRST_ORDINAL

_UNITS = {
    "days": _DAY,
    "seconds": _SECOND,
    "microseconds": 1,
    "milliseconds": 1000,
    "minutes": 60 * _SECOND,
    "hours": 3600 * _SECOND,
    "weeks": 7 * _DAY,
}
"""Arguments of timedelta in order, in microseconds."""

_DATE_PARTS = ("year", "month", "day")
_TIME_PARTS = {"hour": (3600 * _SECOND, 24), "minute": (60 * _SECOND, 60), "second": (_SECOND, 60), "microsecond": (1, _SECOND)}
_SPAN_PARTS = ("days", "seconds", "microseconds")

_YEAR, _MONTH, _DAY_OF_MONTH, _HOUR, _MINUTE, _SECONDS, _FRACTION, _FRACTION_IF_ANY, _ISO_TIME, _LATE_YEAR = map(chr, range(1, 11))
"""Parts of a form: shim/kernels/times.c."""

_ISO_DATE = f"{_YEAR}-{_MONTH}-{_DAY_OF_MONTH}"
_ISO_CLOCK = f"{_HOUR}:{_MINUTE}:{_SECONDS}{_FRACTION_IF_ANY}"
_DIRECTIVES = {"Y": _YEAR, "m": _MONTH, "d": _DAY_OF_MONTH, "H": _HOUR, "M": _MINUTE, "S": _SECONDS, "f": _FRACTION}

CLASSES = (datetime.date, datetime.datetime, datetime.time, datetime.timedelta)
CLASSES_WITH_CONSTANTS = (*CLASSES, datetime.timezone)


class IsoDate(tuple):
    """The kind of a Tup that isocalendar() gives."""


def iso_part(v, name):
    """An attribute of it."""
    if name not in _ISO_PARTS:
        raise Deopt(f"the attribute {name}")
    return v.items[_ISO_PARTS.index(name)]


def _form(text):
    """The form of a format of strftime and strptime, and the directives in it."""
    pieces, used, k = [], [], 0
    while k < len(text):
        if text[k] != "%":
            pieces.append(text[k])
        else:
            k += 1
            if text[k : k + 1] not in _DIRECTIVES:
                raise Deopt(f"the format {text[:40]}")
            used.append(text[k])
            pieces.append(_DIRECTIVES[text[k]])
        k += 1
    literals = [piece for piece in pieces if piece >= " "]
    if len(literals) + len(used) != len(pieces) or not text.isascii() or len(text) > 100:
        raise Deopt(f"the format {text[:40]}")
    return "".join(pieces), used


class Times:
    # ---- Numbers behind moments ----

    def number_of(self, v):
        """The int that a moment is."""
        return Const(held(v.v)[1]) if isinstance(v, Const) else Reg(NUMBER, v.id)

    def _moment(self, t, number):
        register = self.as_reg(number)
        if t == SPAN:  # of too many days, it raises
            self.kept.add(register)
        return Reg(t, register)

    def _within(self, number, low, high, state):
        """Leaves rows outside to the interpreter, which knows the error."""
        if isinstance(number, Const):
            if not low <= number.v <= high:
                raise Deopt("a moment that there is not")
        else:
            self.emit("int_within", a=number.id, mask=self.m_reg(state.mask), constant=self.numbers("q", low, high))

    def _checked(self, t, number, state):
        bounds = {DATE: (_FIRST, _LAST), STAMP: (_FIRST * _DAY, _LAST * _DAY + _DAY - 1)}
        bounds[ZONED] = bounds[STAMP]
        if t in bounds:
            self._within(number, *bounds[t], state)
        return self._moment(t, number)

    def _days(self, v, t, state):
        return self.number_of(v) if t == DATE else self.binary("//", self.number_of(v), Const(_DAY), state)

    # ---- Operators ----

    def moment_binary(self, op, x, y, state):
        tx, ty = type_of(x), type_of(y)
        if isinstance(x, Const) and isinstance(y, Const):
            return self._folded_moment(op, x.v, y.v)
        if op == "+" and tx == SPAN and ty in (DATE, STAMP, ZONED):
            x, y, tx, ty = y, x, ty, tx
        if op in "+-" and ty == SPAN and tx in (DATE, STAMP, ZONED, SPAN):
            by = self._days(y, SPAN, state) if tx == DATE else self.number_of(y)
            return self._checked(tx, self.binary(op, self.number_of(x), by, state), state)
        if op == "-" and tx == ty and tx in (DATE, STAMP, ZONED):
            difference = self.binary("-", self.number_of(x), self.number_of(y), state)
            return self._moment(SPAN, self.binary("*", difference, Const(_DAY), state) if tx == DATE else difference)
        if op == "*" and {tx, ty} == {SPAN, NUMBER}:
            x, y = (self.number_of(v) if type_of(v) == SPAN else v for v in (x, y))
            return self._moment(SPAN, self.binary("*", x, y, state))
        if tx == SPAN and ty == SPAN and op in ("/", "//", "%"):
            found = self.binary(op, self.number_of(x), self.number_of(y), state)
            return self._moment(SPAN, found) if op == "%" else found
        if tx == SPAN and ty == NUMBER and op == "//":
            return self._moment(SPAN, self.binary("//", self.number_of(x), y, state))
        raise Deopt(f"{op} of such values")

    def _folded_moment(self, op, x, y):
        try:
            found = {"+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "/": lambda: x / y, "//": lambda: x // y}[op]()
        except Exception:
            raise Deopt("an operation that raises") from None
        if not is_scalar(found) and held(found) is None:
            raise Deopt("an operation on such constants")
        return Const(found)

    def moment_compare(self, op, x, y, state):
        tx, ty = type_of(x), type_of(y)
        if isinstance(tx, tuple) or isinstance(ty, tuple):
            raise Deopt(f"{op} of such values")
        if tx != ty:
            if op in ("==", "!="):
                return Const(op == "!=")
            raise Deopt(f"{op} of such values")
        return self.compare(op, self.number_of(x), self.number_of(y), state)

    def span_negative(self, v, state):
        return self._moment(SPAN, self.negative(self.number_of(v), state))

    def span_absolute(self, v, state):
        number = self.number_of(v)
        if isinstance(number, Const):
            return self._moment(SPAN, Const(abs(number.v)))
        return self._moment(SPAN, Reg(NUMBER, self.emit("int_abs", NUMBER, number.id, mask=self.m_reg(state.mask))))

    # ---- Attributes ----

    def moment_attribute(self, name, v, state):
        v = self.present(v, state)
        t = type_of(v)
        if t in (DATE, STAMP, ZONED) and name in _DATE_PARTS:
            return self._date_part(name, self._days(v, t, state))
        if t in (STAMP, ZONED, CLOCK) and name in _TIME_PARTS:
            unit, count = _TIME_PARTS[name]
            number = self.number_of(v)
            if name == "hour" and t != CLOCK:
                number = self.binary("%", number, Const(_DAY), state)
            number = self.binary("//", number, Const(unit), state) if unit > 1 else number
            return number if name == "hour" else self.binary("%", number, Const(count), state)
        if t == SPAN and name in _SPAN_PARTS:
            if name == "days":
                return self._days(v, t, state)
            number = self.binary("//", self.number_of(v), Const(_SECOND), state) if name == "seconds" else self.number_of(v)
            return self.binary("%", number, Const(86400 if name == "seconds" else _SECOND), state)
        if t in (STAMP, CLOCK) and name == "tzinfo":
            return Const(None)
        raise Deopt(f"the attribute {name}")

    def _date_part(self, name, days):
        return Reg(NUMBER, self.emit("date_part", NUMBER, self.as_reg(days), extra=_DATE_PARTS.index(name)))

    # ---- Methods ----

    def moment_method(self, name, v, arguments, keywords, state):
        v = self.present(v, state)
        t, number = type_of(v), self.number_of(v)
        if name == "replace" and not arguments and t != SPAN:
            return self._replaced(v, t, keywords, state)
        if name == "astimezone" and t == ZONED and len(arguments) == 1 and not keywords:
            return self.moved(v, arguments[0], state)
        if keywords:
            raise Deopt(f"{name}() with keywords")
        if name in ("strftime", "__format__") and len(arguments) == 1 and t in (DATE, STAMP, ZONED):
            return self.moment_formatted(v, arguments[0], state)
        if name == "isoformat" and t != SPAN:
            separator = arguments[0].v if len(arguments) == 1 and isinstance(arguments[0], Const) else "T"
            if (arguments and t not in (STAMP, ZONED)) or len(arguments) > 1 or type(separator) is not str or not " " <= separator <= "~":
                raise Deopt("isoformat() with such arguments")
            return self._iso(v, separator, state)
        if arguments:
            raise Deopt(f"{name}() with such arguments")
        if name == "total_seconds" and t == SPAN:
            return self.binary("/", number, Const(_SECOND), state)
        if name == "timestamp" and t == ZONED:
            return self.binary("/", number, Const(_SECOND), state)
        if t in (DATE, STAMP, ZONED):
            days = self._days(v, t, state)
            if name == "isocalendar":
                return self._iso_date(days, state)
            if name in ("weekday", "isoweekday"):
                weekday = self._weekday(days, state)
                return weekday if name == "weekday" else self.binary("+", weekday, Const(1), state)
            if name == "toordinal":
                return self.binary("+", days, Const(_FIRST_ORDINAL), state)
            if name == "date" and t != DATE:
                return self._moment(DATE, days)
            if name == "time" and t != DATE:
                return self._moment(CLOCK, self.binary("%", number, Const(_DAY), state))
        raise Deopt(f"{name}() of such a value")

    def _replaced(self, v, t, keywords, state):
        parts = {}
        for name in (*(_DATE_PARTS if t != CLOCK else ()), *(_TIME_PARTS if t != DATE else ())):
            parts[name] = keywords.pop(name) if name in keywords else self.moment_attribute(name, v, state)
        if t in (STAMP, ZONED) and "tzinfo" in keywords:
            zone = keywords.pop("tzinfo")
            if not isinstance(zone, Const) or keywords:
                raise Deopt("replace() with such arguments")
            made = self._built(STAMP, parts, state)
            return made if zone.v is None else self.placed(made, zone.v, state)
        if keywords:
            raise Deopt("replace() with such arguments")
        return self._built(t, parts, state)

    def _built(self, t, parts, state):
        """The date or time of such parts, by name."""
        if any(type_of(part) != NUMBER for part in parts.values()):
            raise Deopt("a date or time of such parts")
        micros = Const(0)
        if t != DATE:
            for name, (unit, count) in _TIME_PARTS.items():
                part = parts.get(name, Const(0))
                self._within(part, 0, count - 1, state)
                micros = self.binary("+", micros, self.binary("*", part, Const(unit), state), state)
        if t == CLOCK:
            return self._moment(t, micros)
        registers = [self.as_reg(parts[name]) for name in _DATE_PARTS]
        day = Reg(NUMBER, self.emit("day_of_date", NUMBER, *registers, mask=self.m_reg(state.mask)))
        if t == DATE:
            return self._moment(t, day)
        return self._moment(t, self.binary("+", self.binary("*", day, Const(_DAY), state), micros, state))

    # ---- Text ----

    def _written(self, v, form, state):
        t = type_of(v)
        mask = self.m_reg(state.mask)
        extra = 0 if t == DATE else 1
        return Reg(TEXT, self.emit("moment_to_text", TEXT, self.as_reg(v), mask=mask, extra=extra, constant=self.text(form)))

    def _iso(self, v, separator, state):
        form = {DATE: _ISO_DATE, CLOCK: _ISO_CLOCK}.get(type_of(v), _ISO_DATE + separator + _ISO_CLOCK)
        return self._written(v, form + "+00:00" * (type_of(v) == ZONED), state)

    def moment_to_str(self, v, state):
        if type_of(v) == SPAN:
            raise Deopt("str of a timedelta")
        return self._iso(v, " ", state)

    def moment_formatted(self, v, spec, state):
        """strftime(), and what format() makes of it."""
        if not isinstance(spec, Const) or type(spec.v) is not str or type_of(v) not in (DATE, STAMP, ZONED):
            raise Deopt("a format that is not constant")
        parts = []
        for k, piece in enumerate(_NAMED.split(spec.v)):
            if k % 2:
                parts.append(self._named_part(v, piece[1], state))
            elif piece:
                form, used = _form(piece)
                if type_of(v) == DATE and "f" in used:
                    raise Deopt("such a format of a date")
                parts.append(self._written(v, form.replace(_YEAR, _LATE_YEAR), state))
        return self.concat(parts, state)

    def _named_part(self, v, directive, state):
        """Of strftime(), what is a name or takes a calculation. The C library's locale is C's."""
        days = self._days(v, type_of(v), state)
        if directive in "Aa":
            names = [name[: 3 if directive == "a" else None] for name in _WEEKDAYS]
            return self._named(names, self._weekday(days, state), state)
        if directive in "Bb":
            names = [name[: 3 if directive == "b" else None] for name in _MONTHS]
            return self._named(names, self.binary("-", self._date_part("month", days), Const(1), state), state)
        if directive == "y":
            return self.format(self.binary("%", self._date_part("year", days), Const(100), state), Const("02d"), state)
        if directive == "j":
            first = self._first_of(self._date_part("year", days), state)
            return self.format(self.binary("+", self.binary("-", days, first, state), Const(1), state), Const("03d"), state)
        hour = self.moment_attribute("hour", v, state) if type_of(v) != DATE else Const(0)
        if directive == "p":
            return self._named(["AM", "PM"], self.binary("//", hour, Const(12), state), state)
        hour = self.binary("+", self.binary("%", self.binary("+", hour, Const(11), state), Const(12), state), Const(1), state)
        return self.format(hour, Const("02d"), state)

    def _named(self, names, number, state):
        return Const(names[number.v]) if isinstance(number, Const) else self.indexed(names, number, state)

    def _weekday(self, days, state):
        """1970-01-01 was a Thursday."""
        return self.binary("%", self.binary("+", days, Const(3), state), Const(7), state)

    def _first_of(self, year, state):
        """The first of January."""
        one = self.as_reg(Const(1))
        return Reg(NUMBER, self.emit("day_of_date", NUMBER, self.as_reg(year), one, one, mask=self.m_reg(state.mask)))

    def _iso_date(self, days, state):
        """isocalendar(): the week belongs to the year that its Thursday is in."""
        weekday = self._weekday(days, state)
        thursday = self.binary("+", self.binary("-", days, weekday, state), Const(3), state)
        year = self._date_part("year", thursday)
        week = self.binary("//", self.binary("-", thursday, self._first_of(year, state), state), Const(7), state)
        return Tup([year, self.binary("+", week, Const(1), state), self.binary("+", weekday, Const(1), state)], IsoDate)

    def _parsed(self, t, text, form, state):
        text = self.present(text, state)
        if type_of(text) != TEXT:
            raise Deopt("a date or time of such a value")
        extra, mask = 0 if t == DATE else 1, self.m_reg(state.mask)
        return Reg(t, self.emit("text_to_moment", t, self.as_reg(text), mask=mask, extra=extra, constant=self.text(form)))

    # ---- Classes ----

    def moment_class(self, fn, arguments, keywords, state):
        """A call of date, datetime, time or timedelta."""
        if all(isinstance(v, Const) for v in (*arguments, *keywords.values())):
            return self._constant(fn, [v.v for v in arguments], {name: v.v for name, v in keywords.items()})
        if fn is datetime.timedelta:
            return self._span(arguments, keywords, state)
        names = {
            datetime.date: _DATE_PARTS,
            datetime.time: tuple(_TIME_PARTS),
            datetime.datetime: (*_DATE_PARTS, *_TIME_PARTS),
        }[fn]
        if len(arguments) > len(names) or not set(keywords) <= set(names[len(arguments) :]):
            raise Deopt(f"{fn.__name__}() of such values")
        parts = dict(zip(names, arguments)) | keywords
        if fn is not datetime.time and not set(_DATE_PARTS) <= set(parts):
            raise Deopt(f"{fn.__name__}() of such values")
        return self._built({datetime.date: DATE, datetime.time: CLOCK, datetime.datetime: STAMP}[fn], parts, state)

    def _constant(self, fn, values, named):
        known = (datetime.timezone, type(None))
        if any(not is_scalar(value) and type(value) not in known for value in (*values, *named.values())):
            raise Deopt(f"{fn.__name__}() of such values")
        try:
            found = fn(*values, **named)
        except Exception:
            raise Deopt(f"{fn.__name__}() raises") from None
        if held(found) is None:
            raise Deopt(f"{fn.__name__}() of such values")
        return Const(found)

    def _span(self, arguments, keywords, state):
        if len(arguments) > len(_UNITS) or set(keywords) & set(list(_UNITS)[: len(arguments)]) or not set(keywords) <= set(_UNITS):
            raise Deopt("timedelta() of such values")
        micros = Const(0)
        for name, v in (dict(zip(_UNITS, arguments)) | keywords).items():
            if type_of(v) != NUMBER:  # fractions are rounded
                raise Deopt("timedelta() of such values")
            micros = self.binary("+", micros, self.binary("*", v, Const(_UNITS[name]), state), state)
        return self._moment(SPAN, micros)

    def moment_constant(self, name, cls):
        if cls is datetime.timezone and name == "utc":
            return Const(datetime.timezone.utc)
        raise Deopt(f"the attribute {name}")

    def moment_class_method(self, name, cls, arguments, keywords, state):
        if name == "fromtimestamp" and cls is datetime.datetime and len(arguments) + len(keywords) == 2 and set(keywords) <= {"tz"}:
            return self._of_timestamp(*arguments, *keywords.values(), state)
        if keywords or cls not in (datetime.date, datetime.datetime):
            raise Deopt(f"{cls.__name__}.{name}()")
        t = DATE if cls is datetime.date else STAMP
        if name == "fromisoformat" and len(arguments) == 1:
            return self._parsed(t, arguments[0], _ISO_DATE + (_ISO_TIME if t == STAMP else ""), state)
        if name == "strptime" and t == STAMP and len(arguments) == 2 and isinstance(arguments[1], Const) and type(arguments[1].v) is str:
            return self._parsed(t, arguments[0], self._strptime_form(arguments[1].v), state)
        if name == "fromordinal" and len(arguments) == 1 and type_of(arguments[0]) == NUMBER and isinstance(arguments[0], Reg):
            days = self.binary("-", arguments[0], Const(_FIRST_ORDINAL), state)
            self._within(days, _FIRST, _LAST, state)
            return self._moment(t, days if t == DATE else self.binary("*", days, Const(_DAY), state))
        if name == "combine" and t == STAMP and [type_of(v) for v in arguments] == [DATE, CLOCK]:
            days, micros = map(self.number_of, arguments)
            return self._moment(t, self.binary("+", self.binary("*", days, Const(_DAY), state), micros, state))
        raise Deopt(f"{cls.__name__}.{name}()")

    def _of_timestamp(self, seconds, zone, state):
        """datetime.fromtimestamp(seconds, zone): of a float, the fraction is rounded to microseconds, half to even."""
        if not isinstance(zone, Const) or zone.v is None or not isinstance(seconds, Reg) or seconds.t not in (NUMBER, FLOAT):
            raise Deopt("datetime.fromtimestamp()")
        if seconds.t == NUMBER:
            return self.moved(self._checked(ZONED, self.binary("*", seconds, Const(_SECOND), state), state), zone, state)
        mask = self.m_reg(state.mask)
        whole = Reg(NUMBER, self.emit("float_to_int", NUMBER, seconds.id, mask=mask))
        fraction = self.binary("-", seconds, self.to_float_exact(whole, state), state)
        micros = Reg(NUMBER, self.emit("float_round", NUMBER, self.as_reg(self.binary("*", fraction, Const(float(_SECOND)), state)), mask=mask))
        found = self._checked(ZONED, self.binary("+", self.binary("*", whole, Const(_SECOND), state), micros, state), state)
        return self.moved(found, zone, state)

    def _strptime_form(self, text):
        """Of digits of fixed width and of what is between them: then the interpreter's regular expression has no other way to match."""
        form, used = _form(text)
        if len(set(used)) != len(used) or not {"Y", "m", "d"} <= set(used) or "  " in text or text != text.strip():
            raise Deopt(f"the format {text[:40]}")
        return form

