"""Exceptions as the host reports them: the user's frames only, everything bounded, never failing.

What is described here comes from user code: a message can be endless, a `__str__` can raise, a chain of causes can be a circle.
"""

import json
import linecache
import os

import _vivarium

MAX_TEXT = 65536  # bytes of UTF-8
MAX_FRAMES = 50
MAX_CAUSES = 5
MAX_NOTES = 20
MAX_PARTS = 5  # of a group, at each level
MAX_PART_FRAMES = 10

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
_LIBRARIES = (os.path.dirname(os.__file__) + os.sep, os.path.dirname(os.path.dirname(_OWN)) + os.sep)


_TOO_LARGE = (
    "Python int too large to convert to C ssize_t",
    "Python int too large to convert to C long",
    "Python int too large to convert to C int",
    "cannot fit 'int' into an index-sized integer",
    "Indices for islice() must be",
    "Stop argument for islice() must be",
)
"""What CPython says of a size, length or index that has more bits than its own."""

_SIZES = "(sizes have 32 bits in the sandbox; docs/conformance.md, What 32 bits change, says what to write instead)"


class DefinitionError(Exception):
    """A declaration that cannot be used: a type that cannot be told, a call that does not fit the parameters."""


class ProtocolError(Exception):
    """A request the runtime does not understand."""


def is_own_frame(filename):
    """Whether the file is the runtime's: its frames are not the user's business."""
    return filename.startswith(_OWN) or filename.endswith("_vivarium_boot.py")


def _is_user_frame(filename):
    return not (is_own_frame(filename) or filename.startswith("<frozen ") or filename.startswith(_LIBRARIES))


def cut(text):
    """Valid UTF-8 of at most MAX_TEXT bytes; lone surrogates are written as escapes."""
    data = text[:MAX_TEXT].encode("utf-8", "backslashreplace")
    if len(data) <= MAX_TEXT:
        return data.decode()
    return data[: MAX_TEXT - 3].decode("utf-8", "ignore") + "..."


def safe_str(value):
    """str(value), whatever its class does."""
    try:
        return cut(str(value))
    except MemoryError:
        raise
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"


def _message(exception):
    """What the exception says, its notes (PEP 678) and, of a group, its parts (PEP 654)."""
    said = [_own_message(exception), *_notes(exception)]
    if isinstance(exception, (OverflowError, ValueError)) and said[0].startswith(_TOO_LARGE):
        said.append(_SIZES)
    if isinstance(exception, BaseExceptionGroup):
        said += _parts(exception, MAX_CAUSES)
    return said[0] if len(said) == 1 else cut("\n".join(said))


def _own_message(exception):
    if isinstance(exception, SyntaxError) and isinstance(exception.msg, str):
        return cut(exception.msg)
    if isinstance(exception, KeyError) and len(exception.args) == 1:
        return "key not found: " + safe_str(exception)
    if isinstance(exception, SystemExit):
        return "the code called exit"
    return safe_str(exception)


def _notes(exception):
    """The lines that were added to the exception; whatever else is in their place is no note."""
    try:
        notes = getattr(exception, "__notes__", None)
    except MemoryError:
        raise
    except Exception:
        return []
    if not isinstance(notes, list):
        return []
    lines = [cut(note) for note in notes[:MAX_NOTES] if isinstance(note, str)]
    return lines + [f"[{len(notes) - MAX_NOTES} notes are left out]"] if len(notes) > MAX_NOTES else lines


def _parts(group, depth):
    """The parts of a group, each behind its number: where it was raised, and what it says."""
    lines = []
    # A class of the user's may have put something else in the attribute's place.
    parts = BaseExceptionGroup.exceptions.__get__(group)
    for number, part in enumerate(parts[:MAX_PARTS], 1):
        lines.append(f"+- part {number} of {len(parts)}")
        frames, _ = _frames(part)
        for frame in frames[-MAX_PART_FRAMES:]:
            lines.append(f'|  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}')
            if frame["source"]:
                lines.append(f"|    {frame['source']}")
        said = [f"{type(part).__name__}: {_own_message(part)}", *_notes(part)]
        if isinstance(part, BaseExceptionGroup) and depth > 0:
            said += _parts(part, depth - 1)
        lines += [f"|  {line}" for line in "\n".join(said).split("\n")]
    if len(parts) > MAX_PARTS:
        lines.append(f"[{len(parts) - MAX_PARTS} parts are left out]")
    return lines


def _kind(exception):
    if isinstance(exception, MemoryError):
        return "memory"
    if isinstance(exception, SystemExit):
        return "exit"
    if isinstance(exception, _vivarium.ResultError):
        return "result"
    if isinstance(exception, _vivarium.ArgumentError):
        return "argument"
    if isinstance(exception, DefinitionError):
        return "definition"
    if isinstance(exception, ProtocolError):
        return "protocol"
    return "exception"


def _frames(exception):
    """The user's frames, outermost first, and how many were left out of the middle."""
    frames, last, count = [], [], 0
    step = exception.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if _is_user_frame(code.co_filename):
            frame = (code, step.tb_lineno)
            count += 1
            if len(frames) < MAX_FRAMES // 2:
                frames.append(frame)
            else:
                last.append(frame)
                del last[: -(MAX_FRAMES // 2)]
        step = step.tb_next
    described = [
        {
            "file": cut(code.co_filename),
            "line": line or 0,
            "function": cut(code.co_qualname),
            "source": cut(linecache.getline(code.co_filename, line or 0).strip()) or None,
        }
        for code, line in frames + last
    ]
    return described, count - len(described)


def _syntax_frame(exception):
    source = exception.text if isinstance(exception.text, str) else ""
    if not source and isinstance(exception.lineno, int):
        source = linecache.getline(exception.filename, exception.lineno)
    line = exception.lineno if isinstance(exception.lineno, int) else 0
    return {"file": cut(exception.filename), "line": max(line, 0), "function": "<module>", "source": cut(source.strip()) or None}


def _cause(exception):
    if exception.__cause__ is not None:
        return exception.__cause__
    return None if exception.__suppress_context__ else exception.__context__


def _describe(exception, kind, function, row, causes):
    traceback, omitted = _frames(exception)
    if isinstance(exception, SyntaxError) and isinstance(exception.filename, str) and _is_user_frame(exception.filename):
        traceback.append(_syntax_frame(exception))
    own = kind in ("result", "argument", "definition", "protocol")
    error = {
        "kind": kind,
        "type": None if own else cut(type(exception).__name__),
        "message": _message(exception),
        "function": None if function is None else cut(function),
        "row": row if row is not None and row >= 0 else None,
        "traceback": traceback,
        "cause": None,
    }
    if omitted:
        error["omitted"] = omitted
    if isinstance(exception, SystemExit):
        error["exit"] = exit_code(exception.code)
    cause = _cause(exception)
    if cause is not None and causes > 0 and not own:
        error["cause"] = _describe(cause, _kind(cause), None, None, causes - 1)
    return error


def exit_code(code):
    """The status a process would exit with for SystemExit(code); a message to print counts as 1."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(2**63) <= code < 2**63 else 255
    return 1


def describe(exception, function=None, row=-1, kind=None):
    """An error of ABI.md, as a dict."""
    return _describe(exception, kind or _kind(exception), function, row, MAX_CAUSES)


def encode(value):
    """JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def reply(exception, function=None, row=-1, kind=None):
    """The reply of a failed request, as bytes."""
    return encode({"error": describe(exception, function, row, kind)})


def report(errors, rows, more, metrics):
    """The reply of a call that succeeded and has something to say besides its result."""
    said = {}
    if rows is not None:
        said |= {"row_errors": errors, "count": len(rows), "rows": rows}
    if more:
        said["more"] = True
    if metrics is not None:
        said["metrics"] = metrics
    return encode(said)
