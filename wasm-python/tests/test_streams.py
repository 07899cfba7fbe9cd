"""What user code prints reaches the host with the call that printed it, and a call that prints nothing flushes nothing."""

import contextlib
import io
import sys

import pyarrow as pa
import pytest

SOURCE = """
import sys
from vivarium import udf

kept = {name: getattr(sys, name) for name in ("stdout", "stderr")}
buffers = {name: stream.buffer for name, stream in kept.items()}

@udf
def printing(code: str) -> int:
    exec(code)
    return 1
"""


class Raw(io.RawIOBase):
    """Notes what is written."""

    def __init__(self):
        self.written = b""

    def writable(self):
        return True

    def write(self, data):
        self.written += bytes(data)
        return len(data)

    def take(self):
        written, self.written = self.written, b""
        return written


class Buffer(io.BufferedWriter):
    """Counts how often it is flushed."""

    flushes = 0

    def flush(self):
        self.flushes += 1
        super().flush()


@contextlib.contextmanager
def watched(guest):
    """Streams in the place of the process's, which pytest changes between a fixture and its test."""
    raws = {name: Raw() for name in ("stdout", "stderr")}
    streams = {name: io.TextIOWrapper(Buffer(raw), "utf-8") for name, raw in raws.items()}
    with contextlib.redirect_stdout(streams["stdout"]), contextlib.redirect_stderr(streams["stderr"]):
        assert guest.library.vv_watch_streams() == 0
        yield raws


@contextlib.contextmanager
def runner(guest):
    """run(code): what reached the streams with the call that ran it."""
    with watched(guest) as streams:
        guest.load(SOURCE, "streams.py")
        handle, _ = guest.bind("printing", [pa.string()])

        def run(code):
            array, _ = guest.invoke(handle, [pa.array([code])], pa.int64())
            assert array.to_pylist() == [1]
            return streams["stdout"].take().decode(), streams["stderr"].take().decode()

        yield run
        guest.control(op="drop", handle=handle)


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("print('é')", ("é\n", "")),
        ("print('no end', end='')", ("no end", "")),
        ("print('wrong', file=sys.stderr)", ("", "wrong\n")),
        ("sys.stdout.write('text')", ("text", "")),
        ("sys.stdout.writelines(['one', 'two'])", ("onetwo", "")),
        ("sys.stdout.buffer.write(b'bytes')", ("bytes", "")),
        ("type(sys.stdout).write(sys.stdout, 'by its class')", ("by its class", "")),
        ("sys.stderr.buffer.writelines([b'1', b'2'])", ("", "12")),
        ("buffers['stdout'].write(b'a'); kept['stderr'].write('b')", ("a", "b")),
        ("print('long' * 10000)", ("long" * 10000 + "\n", "")),
    ],
)
def test_what_is_printed_comes_with_its_call(guest, code, printed):
    with runner(guest) as run:
        assert run("pass") == ("", "")
        out, err = run(code)
        assert out == printed[0] and printed[1] in err
        assert run("pass") == ("", "")


def test_a_call_that_prints_nothing_flushes_nothing(guest):
    with runner(guest) as run:
        run("print()")
        before = sys.stdout.buffer.flushes, sys.stderr.buffer.flushes
        for _ in range(3):
            assert run("pass") == ("", "")
        assert (sys.stdout.buffer.flushes, sys.stderr.buffer.flushes) == before


def test_another_stream_is_flushed_after_each_call(guest):
    other = Raw()
    with runner(guest) as run:
        with contextlib.redirect_stdout(io.TextIOWrapper(Buffer(other), "utf-8")):
            assert run("print('there')") == ("", "") and other.take() == b"there\n"
            assert run("kept['stdout'].write('here')") == ("", "")
        # The watched one is flushed when it is back, also when what was written to it was written before.
        assert run("pass") == ("here", "")


def test_a_failing_call_prints_too(guest):
    guest.load("def f(x: int) -> int:\n    print(x, end='')\n    return 1 // x\n", "failing.py")
    handle, _ = guest.bind("f", [pa.int64()])
    with watched(guest) as streams:
        with pytest.raises(Exception, match="division"):
            guest.invoke(handle, [pa.array([0])], pa.int64())
        assert streams["stdout"].take() == b"0"
    guest.control(op="drop", handle=handle)


def test_streams_without_a_buffer_cannot_be_watched(guest):
    with contextlib.redirect_stdout(io.StringIO()), pytest.raises(AttributeError):
        guest.library.vv_watch_streams()
