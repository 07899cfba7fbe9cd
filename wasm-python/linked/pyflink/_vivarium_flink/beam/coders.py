"""Streams and coders of Beam that stand around PyFlink's own coders."""

import struct

LENGTH_PREFIX = "beam:coder:length_prefix:v1"
PARAM_WINDOWED_VALUE = "beam:coder:param_windowed_value:v1"
TIMER = "beam:coder:timer:v1"

_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")


class InputStream:
    """Reads a message from its beginning."""

    def __init__(self, data):
        self.data = data
        self.pos = 0

    def read(self, size):
        self.pos += size
        return self.data[self.pos - size : self.pos]

    def read_all(self, nested=False):
        return self.read(self.read_var_int64() if nested else self.size())

    def read_byte(self):
        self.pos += 1
        return self.data[self.pos - 1]

    def read_bigendian_int32(self):
        return _INT32.unpack(self.read(4))[0]

    def read_bigendian_int64(self):
        return _INT64.unpack(self.read(8))[0]

    def read_var_int64(self):
        result = shift = 0
        while True:
            byte = self.read_byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return result - (1 << 64) if result >= 1 << 63 else result
            if shift > 63:
                raise ValueError("a number of variable length does not end")

    def size(self):
        return len(self.data) - self.pos


class OutputStream:
    """Collects a message. It leaves as a whole, so there is nothing to flush."""

    def __init__(self):
        self._parts = []
        self._size = 0

    def write(self, data, nested=False):
        if nested:
            self.write_var_int64(len(data))
        self._parts.append(data)
        self._size += len(data)

    def write_byte(self, value):
        self._parts.append(bytes((value,)))
        self._size += 1

    def write_bigendian_int32(self, value):
        self.write(_INT32.pack(value))

    def write_bigendian_int64(self, value):
        self.write(_INT64.pack(value))

    def write_var_int64(self, value):
        if value < 0:
            value += 1 << 64
        while value > 0x7F:
            self.write_byte(value & 0x7F | 0x80)
            value >>= 7
        self.write_byte(value)

    def get(self):
        return b"".join(self._parts)

    def size(self):
        return self._size

    def take(self):
        """What was written, and an empty stream."""
        data = self.get()
        self._parts.clear()
        self._size = 0
        return data

    def maybe_flush(self):
        pass

    def flush(self):
        pass


class StreamCoderImpl:
    """The work of a coder; subclasses have `encode_to_stream` and `decode_from_stream`."""

    def encode(self, value):
        out = OutputStream()
        self.encode_to_stream(value, out, False)
        return out.get()

    def decode(self, encoded):
        return self.decode_from_stream(InputStream(encoded), False)


class Coder:
    """A coder by its name; also the registry that PyFlink puts its own into."""

    plain = {}
    structured = {}

    def get_impl(self):
        return self._create_impl()

    @classmethod
    def register_urn(cls, urn, parameter_type):
        def register(function):
            cls.plain[urn] = (function, parameter_type)
            return staticmethod(function)

        return register

    @classmethod
    def register_structured_urn(cls, urn, constructor):
        cls.structured[urn] = constructor


class LengthPrefixCoder(Coder):
    """What PyFlink's pass-through coder derives from: lengths are its value coder's business."""

    def __init__(self, value_coder):
        self._value_coder = value_coder

    def value_coder(self):
        return self._value_coder


class WindowedCoder(Coder):
    """Values in the one global window: nothing but the value is written."""

    def __init__(self, wrapped_value_coder):
        self.wrapped_value_coder = wrapped_value_coder

    def get_impl(self):
        return self.wrapped_value_coder.get_impl()


class TimerCoder(Coder):
    """Timers as PyFlink uses them: all of a timer is in its key."""

    def __init__(self, key_coder):
        self._key_coder = key_coder

    def get_impl(self):
        return TimerCoderImpl(self._key_coder.get_impl())


class TimerCoderImpl(StreamCoderImpl):
    """key, tag (empty), windows (one, of no bytes), and whether the timer is cleared, after which nothing follows."""

    def __init__(self, key_coder_impl):
        self._key_coder_impl = key_coder_impl

    def encode_to_stream(self, timer, out, nested):
        self._key_coder_impl.encode_to_stream(timer.user_key, out, True)
        out.write(timer.dynamic_timer_tag.encode(), True)
        out.write_bigendian_int32(len(timer.windows))
        out.write_byte(1 if timer.clear_bit else 0)

    def decode_from_stream(self, stream, nested):
        from .operations import Timer

        key = self._key_coder_impl.decode_from_stream(stream, True)
        tag = stream.read_all(True).decode()
        windows = stream.read_bigendian_int32()
        cleared = stream.read_byte() != 0
        if not cleared:
            stream.read(16)  # when it fires, how long it holds the watermark
            _skip_pane(stream)
        return Timer(key, tag, (None,) * windows, cleared)


def _skip_pane(stream):
    encoding = stream.read_byte() >> 4
    for _ in range(min(encoding, 2)):
        stream.read_var_int64()


class NoPandas(Exception):
    """A pandas function, whose rows come as Arrow record batches."""

    def __init__(self):
        super().__init__("pandas functions need an image with pandas and pyarrow, which the flink image is not")


def make(description):
    """The coder that the host describes: {"urn", "payload", "components"}."""
    urn, components = description["urn"], [make(part) for part in description["components"]]
    if urn in Coder.plain:
        function, parameter = Coder.plain[urn]
        message = parameter.FromString(description["payload"])
        if message.HasField("arrow_type") or message.HasField("over_window_arrow_type"):
            raise NoPandas
        return function(message, None, None)
    if urn in Coder.structured:
        return Coder.structured[urn](*components)
    if urn == PARAM_WINDOWED_VALUE:
        return WindowedCoder(components[0])
    if urn == TIMER:
        return TimerCoder(components[0])
    if urn.startswith("beam:coder:") and urn.endswith("window:v1"):
        return None  # of no bytes
    raise ValueError(f"the coder {urn} is not known")
