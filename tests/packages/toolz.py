# /// script
# dependencies = [
#     "toolz==1.0.0",
# ]
# ///
from toolz import curry, groupby, pipe

assert groupby(len, ["a", "bb", "c"]) == {1: ["a", "c"], 2: ["bb"]}
print(pipe(3, curry(lambda x, y: x * y)(4), str))
