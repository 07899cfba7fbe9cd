# /// script
# dependencies = [
#     "pytz==2025.2",
# ]
# ///
from datetime import datetime

import pytz

print(pytz.timezone("Europe/Berlin").localize(datetime(2024, 7, 1)).isoformat())
