"""Counting days."""

import datetime


def weekdays_between(start: datetime.date, end: datetime.date) -> int:
    """Mondays to Fridays after `start`, up to and including `end`."""

    def up_to(day: datetime.date) -> int:
        # Day 1 of the calendar is a Monday.
        weeks, rest = divmod(day.toordinal(), 7)
        return weeks * 5 + min(rest, 5)

    return up_to(end) - up_to(start)
