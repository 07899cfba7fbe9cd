# /// script
# dependencies = [
#     "pyyaml==6.0.3",
# ]
# ///
import yaml

text = "rates: [1.5, 2]\nnames: {a: x, b: null}\nwhen: 2024-02-29\n"
value = yaml.safe_load(text)
assert value["rates"] == [1.5, 2] and value["names"] == {"a": "x", "b": None}
assert yaml.safe_load(yaml.safe_dump(value)) == value and not yaml.__with_libyaml__
try:
    yaml.safe_load("!!python/object/apply:os.system ['ls']")
except yaml.YAMLError as error:
    print(type(error).__name__)
