"""Datetimes in zones other than UTC. Such a value is its instant, as in a column; what its clock shows is computed by a table of the zone's
offsets, where something looks at it. The zone is part of the type."""

import datetime
import sys

from vivarium._lift.values import NUMBER, SPAN, STAMP, ZONED, Const, Deopt, Reg, type_of

_ABROAD = "zoned "
"""In front of the zone's name."""

_SECOND = 10**6
_DAY = 86400 * _SECOND
_EPOCH = datetime.datetime(1970, 1, 1)
_FIRST, _LAST = (datetime.datetime.min - _EPOCH) // datetime.timedelta(microseconds=1), (datetime.datetime.max - _EPOCH) // datetime.timedelta(microseconds=1)

_UNKNOWN = -(1 << 63)
"""An offset that there is not: shim/kernels/times.c."""

_OF_CLOCKS = ("date", "time", "weekday", "isoweekday", "toordinal", "isocalendar", "strftime", "__format__")
"""Methods that only look at what the clock shows."""

_tables = {}
"""By the name of a zone of the database: see _Zone."""


class _Zone:
    """From which instants on which offset counts, and where the last one ends; all in microseconds. What is outside is the interpreter's."""

    def __init__(self, starts, end, offsets):
        self.starts, self.end, self.offsets = starts, end, offsets

    def of_clocks(self):
        """The same by what clocks show: (starts, end, offsets to take off). Times that no clock shows have none, and of those that it
        shows twice the first is meant."""
        starts, offsets, before = [], [], None
        for start, offset in zip(self.starts, self.offsets):
            if before is not None and offset > before:
                starts.append(start + before)
                offsets.append(_UNKNOWN)
            starts.append(start + (offset if before is None else max(before, offset)))
            offsets.append(-offset)
            before = offset
        return starts, self.end + self.offsets[-1], offsets


def is_abroad(t):
    """Whether the type is that of datetimes in such a zone."""
    return isinstance(t, str) and t.startswith(_ABROAD) and not t.endswith("?")


def _of_offset(offset):
    micros = offset // datetime.timedelta(microseconds=1)
    return _Zone([max(_FIRST, _FIRST - micros)], min(_LAST, _LAST - micros) + 1, [micros])


def _read(key):
    """(instants in seconds, the offset from each on, all offsets, the rule behind the last one), from where the interpreter has them."""
    from zoneinfo import _common, _tzpath

    path = _tzpath.find_tzfile(key)
    with open(path, "rb") if path is not None else _common.load_tzdata(key) as file:
        which, instants, offsets, *_, rule = _common.load_data(file)
    return instants, [offsets[k] for k in which], offsets, (rule or b"").decode()


def _of_database(zone):
    """The table of a ZoneInfo. It is compared with what the object itself says at every change."""
    instants, changes, offsets, rule = _read(zone.key)
    if not instants:
        if len(offsets) != 1 or "," in rule:
            raise Deopt("such a time zone")
        return _of_offset(datetime.timedelta(seconds=offsets[0]))
    starts = [second * _SECOND for second in instants]
    if any(a >= b for a, b in zip(starts, starts[1:])):
        raise Deopt("such a time zone")
    last = changes[-1] * _SECOND
    if "," in rule:  # what it says of years behind the table is the interpreter's
        found = _Zone(starts[:-1], starts[-1], [offset * _SECOND for offset in changes[:-1]])
    else:
        found = _Zone(starts, min(_LAST, _LAST - last) + 1, [offset * _SECOND for offset in changes])
    first = next((k for k, start in enumerate(found.starts) if start >= _FIRST + _DAY), len(found.starts))
    found.starts, found.offsets = found.starts[first:], found.offsets[first:]
    if not found.starts:
        raise Deopt("such a time zone")
    for start, end, offset in zip(found.starts, [*found.starts[1:], found.end], found.offsets):
        for instant in (start, end - _SECOND):
            utc = (_EPOCH + datetime.timedelta(microseconds=instant)).replace(tzinfo=zone)
            if zone.fromutc(utc).utcoffset() != datetime.timedelta(microseconds=offset):
                raise Deopt("such a time zone")
    return found


def _database():
    """The class of its zones, when anything has imported it."""
    return vars(sys.modules["_zoneinfo"]).get("ZoneInfo") if "_zoneinfo" in sys.modules else None


class Zones:
    def zone_type(self, zone):
        """The type of datetimes in a zone."""
        if zone is datetime.timezone.utc:
            return ZONED
        if type(zone) is datetime.timezone:
            t, found = f"{_ABROAD}{zone.utcoffset(None)}", _of_offset(zone.utcoffset(None))
        else:
            ZoneInfo = _database()
            if ZoneInfo is None or type(zone) is not ZoneInfo or type(zone.key) is not str or ZoneInfo(zone.key) is not zone:
                raise Deopt("such a time zone")
            if zone.key not in _tables:
                try:
                    _tables[zone.key] = _of_database(zone)
                except (OSError, ValueError, LookupError):
                    raise Deopt("such a time zone") from None
            t, found = _ABROAD + zone.key, _tables[zone.key]
        self.zones[t] = found
        return t

    def zone_made(self, fn, arguments, keywords):
        """timezone(timedelta) and ZoneInfo(name); None for other calls."""
        ZoneInfo = _database()
        if fn is not datetime.timezone and (ZoneInfo is None or fn is not ZoneInfo):
            return None
        wanted = datetime.timedelta if fn is datetime.timezone else str
        if keywords or len(arguments) != 1 or not isinstance(arguments[0], Const) or type(arguments[0].v) is not wanted:
            raise Deopt(f"{fn.__name__}() of such values")
        try:
            return Const(fn(arguments[0].v))
        except Exception:
            raise Deopt(f"{fn.__name__}() raises") from None

    def _shifted(self, number, starts, end, offsets, mask):
        """The number and the offset of where it lies; rows of no interval are the interpreter's."""
        constant = self.numbers("q", len(offsets), *starts, end, *offsets)
        return Reg(NUMBER, self.emit("number_shift", NUMBER, number.id, mask=mask, constant=constant))

    def _clock(self, v, mask):
        """What the clock shows, as a datetime without a zone. It may be the second time that it shows it: nothing that is lifted of such a
        value can tell, but for the zone that it is given, which `folded` rules out."""
        zone = self.zones[v.t]
        self.folded = True
        return Reg(STAMP, self._shifted(v, zone.starts, zone.end, zone.offsets, mask).id)

    def abroad(self, v, zone, mask):
        """An instant in a zone; rows of which the zone's clock is not known are the interpreter's."""
        t = self.zone_type(zone)
        moved = Reg(t, v.id, none=v.none)
        if t != ZONED:
            self._clock(moved, mask)
        return moved

    def moved(self, v, zone, state):
        """v.astimezone(zone)"""
        if not isinstance(zone, Const) or not isinstance(v, Reg):
            raise Deopt("astimezone() with such arguments")
        return self.abroad(v, zone.v, self.m_reg(state.mask))

    def placed(self, v, zone, state):
        """v.replace(tzinfo=zone) of a datetime without a zone."""
        t = self.zone_type(zone)
        if t == ZONED:
            return Reg(t, v.id)
        if self.folded or self.depth:
            raise Deopt("a zone for what another zone's clock showed")
        instant = self._shifted(Reg(NUMBER, v.id), *self.zones[t].of_clocks(), self.m_reg(state.mask))
        return Reg(t, instant.id)

    def abroad_attribute(self, name, v, state):
        if name in ("tzinfo", "fold"):
            raise Deopt(f"the attribute {name}")
        v = self.present(v, state)
        return self.moment_attribute(name, self._clock(v, self.m_reg(state.mask)), state)

    def abroad_method(self, name, v, arguments, keywords, state):
        mask = self.m_reg(state.mask)
        if name in _OF_CLOCKS:
            return self.moment_method(name, self._clock(v, mask), arguments, keywords, state)
        if name == "replace" and not arguments and isinstance(keywords.get("tzinfo"), Const) and keywords["tzinfo"].v is None:
            return self.moment_method(name, self._clock(v, mask), arguments, keywords, state)
        if name == "isoformat" and len(arguments) <= 1 and not keywords:
            separator = arguments[0].v if arguments and isinstance(arguments[0], Const) else None if arguments else "T"
            if type(separator) is str and len(separator) == 1 and " " <= separator <= "~":
                return self.abroad_iso(v, separator, state)
        if arguments or keywords:
            if name == "astimezone" and len(arguments) == 1 and not keywords:
                return self.moved(v, arguments[0], state)
            raise Deopt(f"{name}() with such arguments")
        if name == "timestamp":
            return self.binary("/", Reg(NUMBER, v.id), Const(_SECOND), state)
        if name == "utcoffset":
            return Reg(SPAN, self._offset(v, state).id)
        raise Deopt(f"{name}() of such a value")

    def _instants(self, op, x, y):
        """As numbers, of which one datetime is in UTC: of two in one zone, what their clocks show counts."""
        if ZONED not in (type_of(x), type_of(y)) or not all(type_of(v) == ZONED or is_abroad(type_of(v)) for v in (x, y)):
            raise Deopt(f"{op} of such values")
        return [self.number_of(v) for v in (x, y)]

    def abroad_binary(self, op, x, y, state):
        if op != "-":
            raise Deopt(f"{op} of such values")
        return Reg(SPAN, self.as_reg(self.binary("-", *self._instants(op, x, y), state)))

    def abroad_compare(self, op, x, y, state):
        if op in ("==", "!="):  # nothing is equal to what a clock shows twice
            raise Deopt(f"{op} of such values")
        return self.compare(op, *self._instants(op, x, y), state)

    def _offset(self, v, state):
        clock = self._clock(v, self.m_reg(state.mask))
        return self.binary("-", Reg(NUMBER, clock.id), Reg(NUMBER, v.id), state)

    def abroad_iso(self, v, separator, state):
        """isoformat(): offsets with seconds, of times when clocks showed the sun's, are the interpreter's."""
        clock, offset = self._clock(v, self.m_reg(state.mask)), self._offset(v, state)
        odd = self.compare("!=", self.binary("%", offset, Const(60 * _SECOND), state), Const(0), state)
        self.fail_rows(self.m_and(state.mask, odd.id), "an offset with seconds")
        sign = self.select(self.compare("<", offset, Const(0), state).id, Const("-"), Const("+"))
        minutes = self.binary("//", Reg(NUMBER, self.emit("int_abs", NUMBER, offset.id, mask=self.m_reg(state.mask))), Const(60 * _SECOND), state)
        parts = [self.format(self.binary(op, minutes, Const(60), state), Const("02d"), state) for op in ("//", "%")]
        return self.concat([self.moment_method("isoformat", clock, [Const(separator)], {}, state), sign, parts[0], Const(":"), parts[1]], state)
