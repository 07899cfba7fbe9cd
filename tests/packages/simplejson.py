# /// script
# dependencies = [
#     "simplejson==3.20.2",
# ]
# ///
from decimal import Decimal

import simplejson

assert simplejson.dumps({"x": Decimal("1.10")}) == '{"x": 1.10}'
print(simplejson.loads("[1.5]", use_decimal=True))
