# /// script
# dependencies = [
#     "jsonschema==4.17.3",
#     "pyrsistent==0.20.0",
# ]
# ///
import jsonschema

schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
jsonschema.validate({"n": 1}, schema)
print(jsonschema.Draft202012Validator(schema).iter_errors({"n": 0}).__next__().message)
