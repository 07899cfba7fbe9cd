"""Running a program the way `python` does: `__main__`, arguments, exit status, tracebacks on stderr."""

import atexit
import runpy
import sys
import types

from vivarium import _errors, _load
from vivarium._errors import ProtocolError

INTERRUPTED = 130  # the status of a shell's command that ended by SIGINT


def _main_module(filename):
    main = types.ModuleType("__main__")
    if filename is not None:
        main.__file__ = filename
    main.__builtins__ = __builtins__
    sys.modules["__main__"] = main
    return main


def _run(request):
    mode, arguments = request.get("mode"), request.get("arguments", [])
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise ProtocolError("exec needs arguments, a list of strings")
    if mode == "module":
        name = request.get("module")
        if not isinstance(name, str):
            raise ProtocolError("exec in mode module needs module")
        sys.path.insert(0, "")
        sys.argv = ["-m", *arguments]
        _main_module(None)
        return lambda: runpy._run_module_as_main(name)
    source, filename = request.get("source"), request.get("filename")
    if mode not in ("file", "code") or not isinstance(source, str):
        raise ProtocolError("exec needs a mode (file, code or module) and its source")
    if mode == "code":
        filename = "<string>"
        sys.path.insert(0, "")
    elif not isinstance(filename, str):
        raise ProtocolError("exec in mode file needs filename")
    program = "-c" if mode == "code" else "-" if filename == "<stdin>" else filename
    sys.argv = [program, *arguments]
    main = _main_module(filename if mode == "file" else None)
    _load.remember_source(filename, source)
    return lambda: exec(compile(source, filename, "exec", dont_inherit=True), main.__dict__)


def _without_own_frames(exception):
    step = exception.__traceback__
    while step is not None and _errors.is_own_frame(step.tb_frame.f_code.co_filename):
        step = step.tb_next
    return exception.with_traceback(step)


def _exit_status(exception):
    code = exception.code
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
    return _errors.exit_code(code)


def _guarded(action):
    """The exit status of an action; its exception goes to sys.excepthook as in `python`."""
    try:
        action()
    except SystemExit as exception:
        return _exit_status(exception)
    except BaseException as exception:
        exception = _without_own_frames(exception)
        try:
            sys.excepthook(type(exception), exception, exception.__traceback__)
        except SystemExit as another:
            return _exit_status(another)
        except Exception:
            sys.__excepthook__(type(exception), exception, exception.__traceback__)
        return INTERRUPTED if isinstance(exception, KeyboardInterrupt) else 1
    return 0


def execute(request):
    """Runs a program; the reply of an exec request."""
    program = _run(request)
    if request.get("interactive"):
        sys.stdout.reconfigure(line_buffering=True)
    status = _guarded(program)
    atexit._run_exitfuncs()
    try:
        # A program may have closed it, as `python -m json.tool` does.
        if not sys.stdout.closed:
            sys.stdout.flush()
    except (OSError, ValueError):
        status = status or 120  # what python exits with when its output cannot be written
    return {"exit": status}
