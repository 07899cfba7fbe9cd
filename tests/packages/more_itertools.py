# /// script
# dependencies = [
#     "more-itertools==10.8.0",
# ]
# ///
from more_itertools import chunked, peekable, windowed

assert list(chunked(range(5), 2)) == [[0, 1], [2, 3], [4]] and peekable([1]).peek() == 1
print(list(windowed([1, 2, 3], 2)))
