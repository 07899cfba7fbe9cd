"""The operations of a bundle, and the loop over their elements."""

import json
from types import SimpleNamespace

from pyflink.fn_execution.beam import beam_coders, beam_operations  # noqa: F401  registers coders and operations

from . import description as _description
from . import frames, host, logs, rows
from .beam import coders, metrics, operations, state

rows.install()


class UnknownTransform(Exception):
    """The runner asks for a transform that this version of PyFlink does not have."""


class Bundle:
    """Operations that are open: made once for a description, used for every bundle of it."""

    def __init__(self, given):
        described = _description.read(given)
        logs.set_levels(described["log_levels"])
        cache = state.StateCache(described["state_cache"])
        self._state = state.CachingStateHandler(cache, state.StateHandler(host.state_request, cache))
        self._sinks = {name: operations.DataOutputOperation(coders.make(coder)) for name, coder in described["sinks"].items()}
        self._operations, self._timers = {}, {}
        # From the end, because an operation is made with those that follow it.
        for transform in reversed(described["transforms"]):
            self._operations[transform["id"]] = self._make(transform)
            if transform["timer"] is not None:
                self._timers[transform["id"]] = operations.TimerInfo(
                    coders.make(transform["timer"]).get_impl(), coders.OutputStream()
                )
        for name, timer in self._timers.items():
            self._operations[name].add_timer_info("timer", timer)
        self._in_order = [self._operations[transform["id"]] for transform in described["transforms"]]
        source = described["source"]
        coder = coders.make(source["coder"])
        self._decoder = coder.get_impl()
        self._first = [self._operations[name] for name in source["to"]]
        self._loop = rows.loop(self._first[0], coder) if len(self._first) == 1 else None

    def _consumer(self, name):
        return self._sinks[name] if name in self._sinks else self._operations[name]

    def _make(self, transform):
        creators = operations.BeamTransformFactory.creators
        if transform["urn"] not in creators:
            raise UnknownTransform(f"PyFlink has no operation {transform['urn']}")
        create, parameter_type = creators[transform["urn"]]
        if transform["function"] is not None:
            parameter = operations.ParDoPayload(SimpleNamespace(**transform["function"]))
        else:
            parameter = parameter_type.FromString(transform["payload"])
        consumers = {tag: [self._consumer(name) for name in names] for tag, names in transform["outputs"].items()}
        proto = SimpleNamespace(outputs=transform["outputs"], unique_name=transform["id"])
        factory = operations.BeamTransformFactory(self._state, lambda _: dict.fromkeys(transform["outputs"]))
        return create(factory, transform["id"], proto, parameter, consumers)

    def process(self, message):
        """Takes a message apart and answers it."""
        answer = []
        for kind, name, content in frames.read(bytes(message)):
            if kind == frames.ELEMENTS:
                self._elements(content)
            elif kind == frames.TIMERS:
                self._fire(name, content)
            elif kind == frames.BEGIN:
                self._state.begin(name, content)
                for operation in reversed(self._in_order):
                    operation.start()
            elif kind == frames.FINISH:
                for operation in self._in_order:
                    operation.finish()
                self._state.flush()
                if changed := metrics.take_changed():
                    answer += frames.write(frames.METRICS, "", json.dumps(changed).encode())
        self._collect(answer)
        return b"".join(answer)

    def _elements(self, content):
        if self._loop is not None:
            run, sink = self._loop
            sink.output_stream.write(run(content))
            return
        stream = coders.InputStream(content)
        while stream.size() > 0:
            value = operations.WindowedValue(self._decoder.decode_from_stream(stream, True))
            for operation in self._first:
                operation.process(value)

    def _fire(self, name, content):
        stream, coder = coders.InputStream(content), self._timers[name].timer_coder_impl
        while stream.size() > 0:
            self._operations[name].process_timer("timer", coder.decode_from_stream(stream, True))

    def _collect(self, answer):
        for name, sink in self._sinks.items():
            if sink.output_stream.size():
                answer += frames.write(frames.ELEMENTS, name, sink.output_stream.take())
        for name, timer in self._timers.items():
            if timer.output_stream.size():
                answer += frames.write(frames.TIMERS, name, timer.output_stream.take())

    def close(self):
        """Closes the functions."""
        for operation in self._in_order:
            operation.teardown()
