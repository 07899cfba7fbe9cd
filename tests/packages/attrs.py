# /// script
# dependencies = [
#     "attrs==25.3.0",
# ]
# ///
import attrs

@attrs.define(order=True)
class Point:
    x: int = attrs.field(validator=attrs.validators.ge(0))
    y: int = 0

assert Point(1, 2) == Point(1, 2) and Point(1) < Point(2) and attrs.asdict(Point(3)) == {"x": 3, "y": 0}
try:
    Point(-1)
except ValueError as error:
    print(error.args[0])
else:
    raise SystemExit("the validator did not run")
