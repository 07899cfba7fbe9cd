"""Indices are int64 as on 64-bit Linux, although a pointer has 32 bits: one that is too large is never cut to another."""

import numpy as np

a = np.array([30, 10, 20, 50, 40])
BIG = 2**32 + 1


def refused(error, action):
    try:
        result = action()
    except error:
        return
    raise AssertionError(f"{result!r} instead of {error}")


order = a.argsort()
assert order.dtype == np.int64
assert a.searchsorted([10, 35], sorter=order).tolist() == [0, 3]
refused(ValueError, lambda: a.searchsorted([10], sorter=[BIG, 1, 2, 3, 4]))

for index in ([BIG], np.array([BIG]), [-BIG]):
    refused(IndexError, lambda: a.flat[index])
    refused(IndexError, lambda: a.flat.__setitem__(index, 7))
    refused(IndexError, lambda: a[index])
for index in (BIG, np.int64(BIG)):
    refused((IndexError, OverflowError), lambda: a.flat[index])
    refused((IndexError, OverflowError), lambda: a.flat.__setitem__(index, 7))
    refused(OverflowError, lambda: a[index])  # as any number that is too large for the machine
assert a.flat[[1, 2]].tolist() == a.flat[np.array([1, 2])].tolist() == [10, 20]
assert a.flat[[True, False]].tolist() == [10, 30]  # a list is taken for indices, as on Linux
assert a.flat[[1.0]].tolist() == [10] and a.flat[[]].size == 0 and a.flat[np.int64(2)] == 20
assert a.flat[np.array([True, False, True, False, True])].tolist() == [30, 20, 40]

refused(ValueError, lambda: np.unravel_index([BIG], (5, 5)))
refused(ValueError, lambda: np.ravel_multi_index(([BIG], [0]), (5, 5)))
assert np.ravel_multi_index(([BIG], [1]), (5, 5), mode="wrap") == BIG % 5 * 5 + 1
assert np.ravel_multi_index(([BIG], [1]), (5, 5), mode="clip") == 4 * 5 + 1
assert [part.tolist() for part in np.unravel_index([7, 24], (5, 5))] == [[1, 4], [2, 4]]
