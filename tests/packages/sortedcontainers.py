# /// script
# dependencies = [
#     "sortedcontainers==2.4.0",
# ]
# ///
from sortedcontainers import SortedDict, SortedList

values = SortedList([5, 1, 3])
values.add(2)
assert list(values.irange(2, 4)) == [2, 3] and values.bisect(3) == 3
print(SortedDict(b=1, a=2).peekitem(0))
