# /// script
# dependencies = [
#     "marshmallow==4.0.1",
# ]
# ///
from marshmallow import Schema, ValidationError, fields

class Person(Schema):
    name = fields.Str(required=True)
    born = fields.Date()

assert Person().dump(Person().load({"name": "A", "born": "2000-01-02"})) == {"name": "A", "born": "2000-01-02"}
try:
    Person().load({"born": "x"})
except ValidationError as error:
    print(sorted(error.messages))
