"""Modules that PyFlink imports on the way to its operations and that do not exist in the guest.

py4j and pemja lead to a Java virtual machine: there is none. apache_beam is Beam's worker: the host is that. What is
imported from them for declarations only is an empty class; what is called raises.
"""

import sys
import types

from .beam import coders, metrics, operations, state


class NoJava(Exception):
    """A function asked for Java."""

    def __init__(self, what):
        super().__init__(f"{what} needs a Java virtual machine, which functions cannot reach from their sandbox")


class _Absent(types.ModuleType):
    """A module in which every name is a class that cannot be made."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(cls, *arguments, **named):
            raise NoJava(f"{self.__name__}.{name}")

        absent = type(name, (), {"__new__": refuse, "__module__": self.__name__})
        setattr(self, name, absent)
        return absent


def _module(name, kind=types.ModuleType, **contents):
    module = kind(name)
    module.__path__ = []
    vars(module).update(contents)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    return module


def _java():
    import logging

    _module("py4j", _Absent)
    _module("py4j.java_gateway", _Absent, logger=logging.getLogger("py4j"))
    _module("py4j.compat", _Absent, long=int)
    _module("py4j.protocol", _Absent, Py4JJavaError=type("Py4JJavaError", (Exception,), {}))
    for name in ("py4j.java_collections", "py4j.clientserver", "py4j.signals", "py4j.finalizer", "pemja"):
        _module(name, _Absent)


def _beam():
    names = types.SimpleNamespace
    _module("apache_beam")
    _module("apache_beam.coders", Coder=coders.Coder)
    _module(
        "apache_beam.coders.coder_impl",
        StreamCoderImpl=coders.StreamCoderImpl,
        create_InputStream=coders.InputStream,
        create_OutputStream=coders.OutputStream,
    )
    _module("apache_beam.coders.coders", Coder=coders.Coder, FastCoder=coders.Coder, LengthPrefixCoder=coders.LengthPrefixCoder)
    _module("apache_beam.portability")
    _module(
        "apache_beam.portability.common_urns",
        primitives=names(PAR_DO=names(urn=operations.PAR_DO)),
        coders=names(LENGTH_PREFIX=names(urn=coders.LENGTH_PREFIX)),
    )
    _module("apache_beam.portability.api")
    _module("apache_beam.portability.api.beam_runner_api_pb2", ParDoPayload=operations.ParDoPayload)
    _module("apache_beam.portability.api.beam_fn_api_pb2", StateKey=state.StateKey)
    _module("apache_beam.runners")
    _module("apache_beam.runners.common", NameContext=operations.NameContext)
    _module("apache_beam.runners.worker")
    _module(
        "apache_beam.runners.worker.bundle_processor",
        BeamTransformFactory=operations.BeamTransformFactory,
        DataOutputOperation=operations.DataOutputOperation,
        SynchronousBagRuntimeState=state.SynchronousBagRuntimeState,
        TimerInfo=operations.TimerInfo,
    )
    _module("apache_beam.runners.worker.operation_specs", WorkerDoFn=operations.WorkerDoFn)
    _module("apache_beam.runners.worker.operations", Operation=operations.Operation)
    _module("apache_beam.utils")
    _module("apache_beam.utils.proto_utils", parse_Bytes=operations.parse_bytes)
    _module("apache_beam.utils.windowed_value", WindowedValue=operations.WindowedValue, create=operations.WindowedValue)
    _module("apache_beam.typehints")
    _module("apache_beam.typehints.typehints", Any=object)
    _module("apache_beam.transforms")
    _module(
        "apache_beam.transforms.userstate",
        AccumulatingRuntimeState=state.SynchronousBagRuntimeState,
        BagStateSpec=state.BagStateSpec,
        StateSpec=state.BagStateSpec,
        Timer=operations.Timer,
    )
    _module("apache_beam.transforms.window", GlobalWindow=operations.GlobalWindow)
    _module("apache_beam.metrics")
    _module("apache_beam.metrics.metric", Metrics=metrics.Metrics)
    _module("apache_beam.metrics.execution", MetricsEnvironment=metrics.MetricsEnvironment)


class _NoThread:
    """In place of PyFlink's thread that flushes output every second: a message is answered before the next one comes."""

    def __init__(self, interval, function, args=None, kwargs=None):
        pass

    def start(self):
        pass

    def cancel(self):
        pass


def install():
    """Puts the stand-ins where imports find them. Whether PyFlink's C extensions are there is settled by their absence."""
    _java()
    _beam()
    from pyflink.fn_execution.utils import operation_utils

    operation_utils.PeriodicThread = _NoThread

    from . import asynchronous, client

    asynchronous.install()
    client.check_code()
