"""Operations, what they are made from, and timers."""

import collections
from contextlib import nullcontext

from . import coders

PAR_DO = "beam:transform:pardo:v1"

NameContext = collections.namedtuple("NameContext", "step_name")
WorkerDoFn = collections.namedtuple("WorkerDoFn", "serialized_fn output_tags input side_inputs output_coders")


class ParDoPayload:
    """Stands for the message: the host takes it apart and says what function it holds."""

    def __init__(self, do_fn):
        self.do_fn = do_fn


def parse_bytes(data, message):
    """A message from its bytes."""
    return message.FromString(data)


class WindowedValue:
    """A value; time and windows are always the same."""

    __slots__ = ("value",)

    def __init__(self, value, timestamp=None, windows=None, pane_info=None):
        self.value = value

    def with_value(self, value):
        return WindowedValue(value)


class GlobalWindow:
    """The one window."""


class Timer:
    """A timer that fired or is to be set. PyFlink keeps all of it in `user_key`."""

    def __init__(self, user_key, dynamic_timer_tag, windows, clear_bit, fire_timestamp=None, hold_timestamp=None, paneinfo=None):
        self.user_key = user_key
        self.dynamic_timer_tag = dynamic_timer_tag
        self.windows = windows
        self.clear_bit = clear_bit


class TimerInfo:
    """How an operation writes its timers, and where."""

    def __init__(self, timer_coder_impl, output_stream):
        self.timer_coder_impl = timer_coder_impl
        self.output_stream = output_stream


class Operation:
    """What all operations are. Beam measures their time and counts their elements; the host measures here."""

    scoped_start_state = scoped_process_state = scoped_finish_state = nullcontext()

    def __init__(self, name_context, spec, counter_factory, state_sampler):
        self.name_context = name_context
        self.spec = spec

    def setup(self, data_sampler=None):
        pass

    def start(self):
        pass

    def finish(self):
        pass

    def reset(self):
        pass

    def teardown(self):
        pass


class DataOutputOperation(Operation):
    """The end of a chain: what arrives is written to `output_stream`, which becomes the elements for a sink."""

    def __init__(self, coder):
        super().__init__(None, None, None, None)
        self.windowed_coder = coder
        self.output_stream = coders.OutputStream()


class BeamTransformFactory:
    """Makes operations. PyFlink registers a function for each kind of transform."""

    creators = {}

    def __init__(self, state_handler, output_coders):
        self.state_handler = state_handler
        self.counter_factory = None
        self.state_sampler = None
        self._output_coders = output_coders

    @classmethod
    def register_urn(cls, urn, parameter_type):
        def register(function):
            cls.creators[urn] = (function, parameter_type)
            return function

        return register

    def get_output_coders(self, transform):
        return self._output_coders(transform)
