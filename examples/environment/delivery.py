"""Working days on the way, between shipping and receipt: weekends and holidays do not count.

It ships four kinds of things, as a Flink job does:

    -pyfs calendars.py                  a module of ours
    -pyreq requirements.txt             python-dateutil, which knows when Easter is
    -pyarch holidays.zip#holidays       a data file, read as holidays/fixed.csv
    -pyarch venv.tar.gz#venv            a packed virtual environment with sortedcontainers,
    -pyexec venv/bin/python             and which of the archives is the Python

`make environment-example` makes the archives and runs it over TPC-H's lineitem.
"""

import csv
import datetime

from calendars import weekdays_between
from dateutil.easter import easter
from sortedcontainers import SortedList
from vivarium import udf

with open("holidays/fixed.csv", newline="") as file:
    FIXED = [(int(row["month"]), int(row["day"])) for row in csv.DictReader(file)]


def holidays(year: int) -> list[datetime.date]:
    """Holidays of a year that fall on weekdays."""
    days = [datetime.date(year, month, day) for month, day in FIXED]
    # Good Friday, Easter Monday, Ascension and Whit Monday.
    days += [easter(year) + datetime.timedelta(days=after) for after in (-2, 1, 39, 50)]
    return [day for day in days if day.weekday() < 5]


HOLIDAYS = SortedList(day for year in range(1992, 2000) for day in holidays(year))


@udf
def working_days(l_shipdate: datetime.date, l_receiptdate: datetime.date) -> int:
    """Working days from the day after shipping to the day of receipt."""
    weekdays = weekdays_between(l_shipdate, l_receiptdate)
    return weekdays - (HOLIDAYS.bisect_right(l_receiptdate) - HOLIDAYS.bisect_right(l_shipdate))
