# /// script
# dependencies = [
#     "python-dateutil==2.9.0.post0",
# ]
# ///
from datetime import datetime

from dateutil import parser, relativedelta, rrule, tz

assert parser.parse("29 Feb 2024 10:30 +0100").utcoffset().total_seconds() == 3600
assert datetime(2024, 1, 31) + relativedelta.relativedelta(months=1) == datetime(2024, 2, 29)
berlin = tz.gettz("Europe/Berlin")
assert datetime(2024, 7, 1, tzinfo=berlin).utcoffset().total_seconds() == 7200
print([day.day for day in rrule.rrule(rrule.WEEKLY, count=3, dtstart=datetime(2024, 1, 1))])
