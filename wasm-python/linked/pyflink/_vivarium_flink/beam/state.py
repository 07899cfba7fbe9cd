"""State that Flink keeps: asked for through the host, and cached as Beam's worker caches it."""

import collections
import itertools
import struct

from .coders import InputStream, OutputStream

GET, APPEND, CLEAR = range(3)

_HEAD = struct.Struct("<BI")
_LENGTH = struct.Struct("<I")

KEPT, KEPT_BYTES = 1000, 1 << 20
"""Changes that have not been made."""

FLUSH_BYTES = 10 << 20
"""So much is appended in one request, as in Beam."""


def _field(number, value):
    """A field of a message: number and kind, length, and bytes."""
    if len(value) < 0x80:
        return bytes((number << 3 | 2, len(value))), value
    out = OutputStream()
    out.write_var_int64(len(value))
    return bytes((number << 3 | 2,)), out.get(), value


class _Message:
    """A message of Beam's protocol: its fields by number, strings and bytes only."""

    fields = ()

    def __init__(self, **values):
        for name in self.fields:
            value = values.pop(name, b"")
            setattr(self, name, value)
        if values:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(values)}")

    def encode(self):
        parts = []
        for number, name in enumerate(self.fields, 1):
            value = getattr(self, name)
            value = value.encode() if isinstance(value, str) else value
            if value:
                parts += _field(number, value)
        return b"".join(parts)


class _KeyedState(_Message):
    fields = ("transform_id", "user_state_id", "window", "key")


class _SideInput(_Message):
    fields = ("transform_id", "side_input_id", "window", "key")


class _KeysSideInput(_Message):
    fields = ("transform_id", "side_input_id", "window")


class StateKey:
    """Where state is: one of the three kinds that PyFlink uses."""

    MultimapSideInput, BagUserState, MultimapKeysSideInput = _SideInput, _KeyedState, _KeysSideInput
    _numbers = {"multimap_side_input": 2, "bag_user_state": 3, "multimap_keys_side_input": 5}

    def __init__(self, **kind):
        ((self._kind, message),) = kind.items()
        setattr(self, self._kind, message)

    def HasField(self, name):
        return name == self._kind

    def WhichOneof(self, _group):
        return self._kind

    def SerializeToString(self):
        return b"".join(_field(self._numbers[self._kind], getattr(self, self._kind).encode()))


class StateError(Exception):
    """Flink refused a request for state."""


class _Change:
    """A change that is on its way."""

    def __init__(self, wait):
        self._wait = wait

    def get(self, timeout=None):
        self._wait()


class StateHandler:
    """Requests for state: `ask` takes those of a message and returns the reply to the last of them.

    request  kind (one byte), length of the key and the key, length of the content and what to append, or the continuation token
    reply    0, length of the continuation token and the token, then data; or 1 and a message, of the first that was refused

    Changes are kept until something is read or `flush` is called, at the end of a bundle at the latest, and leave in their order.
    Flink takes a bundle as processed after that, so a change that was refused fails the bundle it belongs to. Without a cache, as for
    states with a time to live that never return what has expired, who waits for a change has it made at once: its time counts.
    """

    def __init__(self, ask, cache):
        self._ask = ask
        self._cache = cache
        self._kept = []
        self._size = 0
        self._change = _Change(self._wait)

    def _keep(self, kind, state_key, content):
        key = state_key.SerializeToString()
        self._kept += (_HEAD.pack(kind, len(key)), key, _LENGTH.pack(len(content)), content)
        self._size += len(key) + len(content) + _HEAD.size + _LENGTH.size

    def _keep_change(self, kind, state_key, content):
        if len(self._kept) >= 4 * KEPT or self._size + len(content) > KEPT_BYTES:
            self.flush()
        self._keep(kind, state_key, content)
        return self._change

    def _wait(self):
        if not self._cache.is_cache_enabled():
            self.flush()

    def _send(self):
        requests = b"".join(self._kept)
        self._kept, self._size = [], 0
        reply = self._ask(requests)
        if reply[0] != 0:
            raise StateError(reply[1:].decode(errors="replace"))
        return reply

    def get_raw(self, state_key, continuation_token=None):
        self._keep(GET, state_key, continuation_token or b"")
        reply = self._send()
        (length,) = _LENGTH.unpack_from(reply, 1)
        return reply[5 + length :], reply[5 : 5 + length]

    def append_raw(self, state_key, data):
        return self._keep_change(APPEND, state_key, data)

    def clear(self, state_key):
        return self._keep_change(CLEAR, state_key, b"")

    def flush(self):
        """Makes all changes."""
        if self._kept:
            self._send()


class _Entries:
    """The last used entries, at most `_max_entries`; PyFlink sets that to 0 for states with a time to live."""

    def __init__(self, most):
        self._max_entries = most
        self.items = collections.OrderedDict()

    def get(self, key):
        if key in self.items:
            self.items.move_to_end(key)
            return self.items[key]
        return None

    def put(self, key, value):
        self.items[key] = value
        self.items.move_to_end(key)
        while len(self.items) > self._max_entries:
            self.items.popitem(last=False)


class StateCache:
    """What was read, by key and cache token."""

    def __init__(self, most):
        self._cache = _Entries(most)

    def is_cache_enabled(self):
        return self._cache._max_entries > 0

    def peek(self, key):
        return self._cache.get(key)

    def put(self, key, value):
        self._cache.put(key, value)

    def invalidate(self, key):
        self._cache.items.pop(key, None)


class _Context:
    """The tokens of the bundle that runs: with another token, nothing cached before it counts."""

    user_state_cache_token = None
    bundle_cache_token = None


class CachingStateHandler:
    """State as PyFlink asks for it: elements of a bag through a coder, with the cache in between."""

    def __init__(self, cache, underlying):
        self._state_cache = cache
        self._underlying = underlying
        self._context = _Context()

    def begin(self, instruction, token):
        self._context.bundle_cache_token = instruction
        self._context.user_state_cache_token = token or None

    def _cached_as(self, state_key):
        if not self._state_cache.is_cache_enabled():
            return None
        token = self._context.user_state_cache_token or self._context.bundle_cache_token
        return token and (state_key.SerializeToString(), token)

    def blocking_get(self, state_key, coder):
        cached_as = self._cached_as(state_key)
        if cached_as is None:
            return self._read(state_key, coder)
        elements = self._state_cache.peek(cached_as)
        if elements is None:
            elements = list(self._read(state_key, coder))
            self._state_cache.put(cached_as, elements)
        return elements

    def _read(self, state_key, coder):
        token = None
        while True:
            data, token = self._underlying.get_raw(state_key, token)
            stream = InputStream(data)
            while stream.size() > 0:
                yield coder.decode_from_stream(stream, True)
            if not token:
                return

    def extend(self, state_key, coder, elements):
        cached_as = self._cached_as(state_key)
        if cached_as is not None:
            cached = self._state_cache.peek(cached_as)
            if isinstance(cached, list):
                cached.extend(elements)
        out, change = OutputStream(), None
        for element in elements:
            coder.encode_to_stream(element, out, True)
            if out.size() > FLUSH_BYTES:
                change = self._underlying.append_raw(state_key, out.take())
        if out.size():
            change = self._underlying.append_raw(state_key, out.take())
        return change

    def clear(self, state_key):
        cached_as = self._cached_as(state_key)
        if cached_as is not None:
            self._state_cache.put(cached_as, [])
        return self._underlying.clear(state_key)

    def flush(self):
        """Makes all changes of the bundle."""
        self._underlying.flush()


class _Elements:
    """What is stored, then what was added; may be gone through again."""

    __slots__ = ("_stored", "_added")

    def __init__(self, stored, added):
        self._stored, self._added = stored, added

    def __iter__(self):
        return itertools.chain(self._stored(), self._added) if self._stored else iter(self._added)


class SynchronousBagRuntimeState:
    """A bag of elements, changed in memory until it is committed."""

    def __init__(self, state_handler, state_key, value_coder):
        self._state_handler = state_handler
        self._state_key = state_key
        self._value_coder = value_coder
        self._cleared = False
        self._added_elements = []

    def _stored(self):
        return self._state_handler.blocking_get(self._state_key, self._value_coder.get_impl())

    def read(self):
        return _Elements(None if self._cleared else self._stored, self._added_elements)

    def add(self, value):
        self._added_elements.append(value)

    def clear(self):
        self._cleared = True
        self._added_elements = []

    def commit(self):
        change = None
        if self._cleared:
            change = self._state_handler.clear(self._state_key)
        if self._added_elements:
            change = self._state_handler.extend(self._state_key, self._value_coder.get_impl(), self._added_elements)
        if change is not None:
            change.get()


BagStateSpec = collections.namedtuple("BagStateSpec", "name coder")
