"""Frames: how elements, timers and metrics cross between host and guest.

A message is a sequence of frames: kind (one byte), length of the name and the name, length of the content and the content;
lengths are 32 bits, little-endian.
"""

import struct

_HEAD = struct.Struct("<BI")
_LENGTH = struct.Struct("<I")

BEGIN, ELEMENTS, TIMERS, FINISH, METRICS = range(5)
"""A bundle begins (content: its cache token); elements of a source or for a sink; timers that fired or that are set
(name: the transform); the bundle ends; metrics that changed (JSON)."""


def read(message):
    """Yields (kind, name, content)."""
    at = 0
    while at < len(message):
        kind, length = _HEAD.unpack_from(message, at)
        at += _HEAD.size
        name = message[at : at + length].decode()
        at += length
        (length,) = _LENGTH.unpack_from(message, at)
        at += _LENGTH.size
        yield kind, name, message[at : at + length]
        at += length


def write(kind, name, content):
    """One frame, as a list of bytes."""
    name = name.encode()
    return [_HEAD.pack(kind, len(name)), name, _LENGTH.pack(len(content)), content]
