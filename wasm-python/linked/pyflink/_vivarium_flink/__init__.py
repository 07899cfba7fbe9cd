"""PyFlink's own operations, driven by the host instead of by Beam's worker.

    stand_ins     modules that PyFlink imports and that do not exist here: py4j, pemja, apache_beam
    beam/         what PyFlink uses of apache_beam, in the little that is needed of it
    description   what the host says about a bundle: its functions, how they are chained, their coders
    bundle        the operations of a description, and the loop over their elements
    frames        how elements, timers and metrics cross between host and guest
    rows          the loop over rows, and the coders of states, in C
    columns       scalar functions that run as columns within that loop
    client        whether the client's bytecode is that of this Python
    asynchronous  async functions, without threads
    logs          log records of functions

The host binds two functions of this module: `open_bundle` once, `process` for every message of Flink's runner.
"""

from vivarium import udf

from . import stand_ins

stand_ins.install()

from . import bundle as _bundle  # noqa: E402  after its imports have their stand-ins
from . import logs as _logs  # noqa: E402

_logs.install()

_BYTES = {"input_types": ["large_binary"], "result_type": "large_binary"}

_opened = None


@udf(**_BYTES)
def open_bundle(description):
    """Unpickles and opens the functions of a bundle. The description is JSON, see `description`."""
    global _opened
    _opened = _bundle.Bundle(description)
    return b""


@udf(**_BYTES)
def process(frames):
    """Takes what the runner sent for an instruction and returns what is to be sent back."""
    return _opened.process(frames)


@udf(**_BYTES)
def close_bundle(_nothing):
    """Closes the functions."""
    global _opened
    if _opened is not None:
        _opened.close()
        _opened = None
    return b""
