"""Changes to bytes that know nothing of what they mean."""

import random

SPECIAL = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)


def bit_flip(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def byte_set(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    start = rng.randrange(len(data))
    for place in range(start, min(start + rng.choice([1, 1, 2, 4, 8]), len(data))):
        data[place] = rng.choice([*SPECIAL, rng.randrange(256)])
    return bytes(data)


def near_the_end(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    """As `byte_set`, where formats have their table of contents."""
    place = len(data) - 1 - rng.randrange(min(len(data), 600))
    data[place] = rng.choice([*SPECIAL, rng.randrange(256)])
    return bytes(data)


def truncation(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    return bytes(data[: rng.choice([rng.randrange(len(data)), len(data) - 1 - rng.randrange(min(len(data), 16)), rng.randrange(16)])])


def insertion(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    data[place:place] = rng.choice([rng.randbytes(rng.randrange(1, 64)), bytes(rng.randrange(1, 64)), b"\xff" * rng.randrange(1, 64)])
    return bytes(data)


def duplication(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    start, end = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    end = min(end, start + 4096)
    data[start:start] = data[start:end] * rng.choice([1, 1, 3])
    return bytes(data)


def removal(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    start = rng.randrange(len(data))
    del data[start : start + rng.choice([1, 4, 8, 64, 1024])]
    return bytes(data)


def splice(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    place = rng.randrange(len(data))
    end = rng.choice([min(place, len(other)), rng.randrange(len(other))])
    return bytes(data[:place]) + other[end:]


def exchange(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    """Two ranges change places."""
    size = min(rng.choice([1, 4, 8, 16, 256]), len(data) // 2)
    one, two = rng.randrange(len(data) - size), rng.randrange(len(data) - size)
    data[one : one + size], data[two : two + size] = data[two : two + size], data[one : one + size]
    return bytes(data)


MUTATORS = [bit_flip, bit_flip, byte_set, byte_set, near_the_end, truncation, insertion, duplication, removal, splice, exchange]
