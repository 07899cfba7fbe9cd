# /// script
# dependencies = [
#     "cachetools==6.2.0",
# ]
# ///
from cachetools import LRUCache, cached

calls = []

@cached(LRUCache(maxsize=2))
def square(x):
    calls.append(x)
    return x * x

assert [square(x) for x in (1, 1, 2, 3, 1)] == [1, 1, 4, 9, 1]
print(calls)
