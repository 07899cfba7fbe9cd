# /// script
# dependencies = [
#     "jmespath==1.0.1",
# ]
# ///
import jmespath

print(jmespath.search("people[?age > `20`].name | [0]", {"people": [{"name": "a", "age": 19}, {"name": "b", "age": 30}]}))
