# /// script
# dependencies = [
#     "pydantic==1.10.24",
# ]
# ///
from typing import Optional

from pydantic import BaseModel, ValidationError, conint

class Order(BaseModel):
    number: conint(gt=0)
    note: Optional[str] = None

assert Order.parse_raw('{"number": "7"}').dict() == {"number": 7, "note": None}
try:
    Order(number=0)
except ValidationError as error:
    print(error.errors()[0]["msg"])
else:
    raise SystemExit("0 was accepted")
