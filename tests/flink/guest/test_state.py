"""Changes of states are made in their order, together, and before anything is read."""

import struct

import pytest
from _vivarium_flink.beam import coders, state


class Flink:
    """Keeps bags; `calls` are the kinds of the requests of each call."""

    def __init__(self):
        self.bags, self.calls, self.refuses = {}, [], False

    def __call__(self, requests):
        kinds, got = [], b""
        while requests:
            parts = []
            kind, requests = requests[0], requests[1:]
            for _ in range(2):
                (length,) = struct.unpack_from("<I", requests)
                parts.append(requests[4 : 4 + length])
                requests = requests[4 + length :]
            kinds.append(kind)
            key, content = parts
            if kind == state.APPEND:
                self.bags[key] = self.bags.get(key, b"") + content
            elif kind == state.CLEAR:
                self.bags.pop(key, None)
            else:
                got = self.bags.get(key, b"")
        self.calls.append(kinds)
        return b"\1no" if self.refuses else b"\0\0\0\0\0" + got


class Bytes:
    """A coder of single bytes."""

    def get_impl(self):
        return self

    def encode_to_stream(self, value, out, nested):
        out.write_byte(value)

    def decode_from_stream(self, stream, nested):
        return stream.read_byte()


def handler(entries=1000):
    flink, cache = Flink(), state.StateCache(entries)
    caching = state.CachingStateHandler(cache, state.StateHandler(flink, cache))
    caching.begin("instruction", b"token")
    return flink, caching


def bag(caching, key):
    where = state.StateKey(bag_user_state=state.StateKey.BagUserState(user_state_id="bag", key=key))
    return state.SynchronousBagRuntimeState(caching, where, Bytes())


def test_a_bundles_changes_leave_together():
    flink, caching = handler()
    for key in (b"a", b"b"):
        values = bag(caching, key)
        values.clear()
        values.add(1)
        values.add(2)
        values.commit()
    assert flink.calls == []
    caching.flush()
    assert flink.calls == [[state.CLEAR, state.APPEND] * 2]
    assert list(flink.bags.values()) == [b"\1\2"] * 2
    caching.flush()
    assert len(flink.calls) == 1


def test_reading_makes_the_changes_before_it():
    flink, caching = handler()
    first, second = bag(caching, b"a"), bag(caching, b"b")
    first.add(1)
    first.commit()
    assert list(second.read()) == []
    assert flink.calls == [[state.APPEND, state.GET]]


def test_without_a_cache_a_change_is_made_at_once():
    flink, caching = handler(entries=0)
    values = bag(caching, b"a")
    values.clear()
    values.add(1)
    values.commit()
    assert flink.calls == [[state.CLEAR, state.APPEND]]
    assert list(bag(caching, b"a").read()) == [1]


def test_many_and_large_changes_leave_in_parts():
    flink, caching = handler()
    for number in range(3 * state.KEPT):
        caching.clear(bag(caching, str(number).encode())._state_key)
    assert all(len(call) <= state.KEPT for call in flink.calls)
    caching.flush()
    assert sum(map(len, flink.calls)) == 3 * state.KEPT
    flink.calls.clear()
    for key in (b"a", b"b"):
        caching._underlying.append_raw(bag(caching, key)._state_key, bytes(state.KEPT_BYTES))
    assert flink.calls == [[state.APPEND]]


def test_a_change_that_is_refused_fails_the_bundle():
    flink, caching = handler()
    flink.refuses = True
    values = bag(caching, b"a")
    values.add(1)
    values.commit()
    with pytest.raises(state.StateError, match="no"):
        caching.flush()


def test_elements_can_be_gone_through_again_while_they_grow():
    flink, caching = handler()
    values = bag(caching, b"a")
    values.add(1)
    values.commit()
    values._added_elements = []
    elements = values.read()
    values.add(2)
    assert list(elements) == list(elements) == [1, 2]
    values.clear()
    assert list(values.read()) == []


@pytest.mark.parametrize("length", [0, 1, 127, 128, 300, 70000])
def test_keys_are_protocol_buffers(length):
    stream = coders.InputStream(bag(handler()[1], bytes(length))._state_key.SerializeToString())
    assert stream.read_byte() == 3 << 3 | 2
    stream = coders.InputStream(stream.read_all(True))
    assert (stream.read_byte(), stream.read_all(True)) == (2 << 3 | 2, b"bag")
    if length:
        assert (stream.read_byte(), stream.read_all(True)) == (4 << 3 | 2, bytes(length))
    assert stream.size() == 0
