# /// script
# dependencies = [
#     "arrow==1.3.0",
# ]
# ///
import arrow

moment = arrow.get("2024-02-29T10:00:00+01:00")
assert moment.shift(years=1).format("YYYY-MM-DD") == "2025-02-28"
print(moment.to("US/Pacific").format("HH:mm ZZ"))
