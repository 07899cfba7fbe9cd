# /// script
# dependencies = [
#     "babel==2.17.0",
# ]
# ///
from datetime import date

from babel.dates import format_date
from babel.numbers import format_currency

assert format_date(date(2024, 2, 29), locale="de") == "29.02.2024"
print(format_currency(1234.5, "EUR", locale="de_DE"))
