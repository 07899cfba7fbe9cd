"""Runs one module of CPython's, numpy's or pandas' own tests in the guest and reports every test.

Runs as `__main__` in a sandbox whose /env holds the tests. The only argument is a JSON object:
    suite   "cpython", "numpy" or "pandas"
    module  what to run: "test_json" (of the package `test`), or "numpy/ma/tests/test_core.py" (below `root`)
    root    the folder of the tests, "/env"
    skip    ids of tests that are not to be run: those an earlier sandbox has run before it died

Reports are lines on standard output that start with the record separator (what the tests print does not): JSON objects
    {"event": "start", "test": ID}
    {"event": "end", "test": ID, "outcome": OUTCOME, "reason": LINE, "traceback": TEXT}
    {"event": "module", "outcome": "done" | "skip" | "error", "reason": LINE, "traceback": TEXT}
OUTCOME is "pass", "fail" (an assertion), "error" (any other exception), "skip", or "xfail" (failed as the test itself
expects). A module that ends without its "module" event has taken the interpreter with it.
"""

import json
import os
import re
import sys
import traceback
import types

REASON_CHARACTERS = 300
TRACEBACK_CHARACTERS = 6000


class Reporter:
    """Writes the events, past whatever the tests do to sys.stdout."""

    def __init__(self):
        self._outcomes = {}
        self._running = None

    def start(self, test):
        """A test starts."""
        self._running = test
        self._outcomes[test] = ("pass", "", "")
        self._write({"event": "start", "test": test})

    def record(self, test, outcome, reason="", trace=""):
        """Something happened in a test. The first thing that is no pass stays: what follows is its consequence."""
        if self._outcomes.get(test, ("pass",))[0] in ("pass", "skip", "xfail"):
            self._outcomes[test] = (outcome, reason, trace)
        if test != self._running:  # a failing setUpClass, say, is no test and never starts
            self.end(test)

    def end(self, test):
        """A test is over."""
        outcome, reason, trace = self._outcomes.pop(test, ("pass", "", ""))
        self._running = None if test == self._running else self._running
        self._write({"event": "end", "test": test, "outcome": outcome, "reason": reason, "traceback": trace})

    def module(self, outcome, reason="", trace=""):
        """The module is over."""
        self._write({"event": "module", "outcome": outcome, "reason": reason, "traceback": trace})

    def _write(self, event):
        for name, limit in (("reason", REASON_CHARACTERS), ("traceback", TRACEBACK_CHARACTERS)):
            text = event.get(name)
            if text is not None:
                event[name] = text if len(text) <= limit else f"... {text[-limit:]}"
        line = f"\n\x1e{json.dumps(event)}\n".encode()
        while line:
            line = line[os.write(1, line) :]


def describe(error):
    """The last line and the whole text of an exception."""
    try:
        lines = traceback.format_exception(error)
    except Exception:  # a test's exception may refuse to be printed
        lines = [type(error).__name__]
    summary = f"{type(error).__name__}: {str(error) or repr(error)}" if _prints(error) else type(error).__name__
    return " ".join(summary.split()), "".join(lines)


def without_pytest(error):
    """The exception, its traceback from the first frame on that is not pytest's."""
    inner = error.__traceback__
    while inner is not None and re.search(r"/(_pytest|pluggy)/", inner.tb_frame.f_code.co_filename):
        inner = inner.tb_next
    return error.with_traceback(inner or error.__traceback__)


def _prints(error):
    try:
        return isinstance(str(error), str)
    except Exception:
        return False


# ---- CPython: unittest ----

CLAIMED = {
    "test_argparse": ["has_subprocess_support"],
    "test_optparse": ["has_subprocess_support"],
    "test_asyncgen": ["has_socket_support"],
    "test_asyncio": ["has_socket_support"],
    "test_contextlib_async": ["has_socket_support"],
    "test_inspect": ["has_socket_support"],
    "test_unittest": ["has_socket_support"],
}
"""What `test.support` is told that this platform has, by module: these want it as a whole and need it in few tests.

CPython for WASI has no asyncio, because its event loop wants a socket pair; the image's loop does without.
"""

C_TEST_MODULES = ("_testcapi", "_testinternalcapi", "_testlimitedcapi", "_testmultiphase", "_testsinglephase")
"""C modules that only tests use; the image does not have them."""


def run_cpython(module, skip, reporter):
    """Runs `test.MODULE` as CPython's own runner does, without its resources (network, much memory, long loops)."""
    import random
    import unittest

    from test import support

    support.use_resources = ()
    support.record_original_stdout(sys.stdout)
    for claim in CLAIMED.get(module.split(".")[0], ()):
        setattr(support, claim, True)
    random.seed(20250611)  # so that a failure comes again
    loader = unittest.TestLoader()
    try:
        suite = loader.loadTestsFromModule(_import(unittest, f"test.{module}"))
    except unittest.SkipTest as reason:
        reporter.module("skip", str(reason))
        return
    _without(suite, module, skip)
    suite.run(_result(unittest, module, reporter))
    reporter.module("done")


def _import(unittest, name):
    """Imports a module of tests. Where it insists on C modules that the image does not have, stand-ins take their place."""
    import importlib

    while True:
        try:
            return importlib.import_module(name)
        except (unittest.SkipTest, ImportError) as error:
            wanted = [candidate for candidate in C_TEST_MODULES if re.search(rf"\b{candidate}\b", str(error))]
            if not wanted or wanted[0] in sys.modules:
                raise
            sys.modules[wanted[0]] = _stand_in(unittest, wanted[0])


def _stand_in(unittest, name):
    """A module of this name with every attribute there is; a test that uses one is skipped."""

    class Absent:
        def __init__(self, attribute):
            self._attribute = attribute

        def __call__(self, *arguments, **named):
            raise unittest.SkipTest(f"{name}.{self._attribute} is not in the image")

        __index__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __lt__ = __gt__ = __call__

        def __getattr__(self, attribute):
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            self()

    def absent(attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Absent(attribute)

    module = types.ModuleType(name)
    module.__getattr__ = absent
    # `test.support` asks for nothing else of it: whether code knows its columns, which it does unless told otherwise.
    module.get_config = lambda: {"code_debug_ranges": True}
    return module


def _without(suite, module, skip):
    """Removes the tests of these ids from a suite of suites."""
    kept = []
    for test in suite:
        if hasattr(test, "__iter__"):
            _without(test, module, skip)
            kept.append(test)
        elif _id(module, test) not in skip:
            kept.append(test)
    suite._tests = kept


def _id(module, test):
    """The test's id below its module's name; tests that a module borrows from elsewhere go by the module's name too."""
    name = test.id().removeprefix("test.")
    return name if name.startswith(f"{module}.") else f"{module}.{name}"


def _wants_c_test_module(error):
    return isinstance(error, ModuleNotFoundError) and error.name in C_TEST_MODULES


def _result(unittest, module, reporter):
    class Result(unittest.TestResult):
        """unittest's listener that passes everything on."""

        def startTest(self, test):
            super().startTest(test)
            reporter.start(_id(module, test))

        def stopTest(self, test):
            super().stopTest(test)
            reporter.end(_id(module, test))

        def addFailure(self, test, err):
            reporter.record(_id(module, test), "fail", *describe(err[1]))

        def addError(self, test, err):
            if _wants_c_test_module(err[1]):
                reporter.record(_id(module, test), "skip", f"{err[1].name} is not in the image")
            else:
                reporter.record(_id(module, test), "error", *describe(err[1]))

        def addSubTest(self, test, subtest, err):
            if err is None:
                return
            if _wants_c_test_module(err[1]):
                reporter.record(_id(module, test), "skip", f"{err[1].name} is not in the image")
                return
            outcome = "fail" if issubclass(err[0], test.failureException) else "error"
            reason, trace = describe(err[1])
            reporter.record(_id(module, test), outcome, f"{subtest._subDescription()} {reason}", trace)

        def addSkip(self, test, reason):
            # A skipped subtest does not make a skipped test.
            if not isinstance(test, unittest.case._SubTest):
                reporter.record(_id(module, test), "skip", reason)

        def addExpectedFailure(self, test, err):
            reporter.record(_id(module, test), "xfail", describe(err[1])[0])

        def addUnexpectedSuccess(self, test):
            reporter.record(_id(module, test), "fail", "the test expects to fail and did not")

    return Result()


# ---- numpy, pandas: pytest ----


ABSENT = ("mmap", "numpy.f2py")
"""Modules that the image does not have and that some modules of tests import as a whole for a single test."""


def run_pytest(package, path, root, skip, reporter):
    """Runs a test file with pytest, as `numpy.test()` does."""
    import pytest

    for name in ABSENT:
        sys.modules[name] = types.ModuleType(name)
    _extend_packages(root, package)
    # The packages come from the image, their test folders from `root`: both halves are one package.
    os.environ["PY_IGNORE_IMPORTMISMATCH"] = "1"
    plugin = _plugin(pytest, skip, reporter)
    # Without rewritten assertions (a compiler pass for nicer messages), caches, and what wants descriptors to duplicate or a
    # /dev/null.
    options = ["--assert=plain", "--capture=sys", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:logging"]
    options += ["--basetemp", "/tmp/pytest"]  # the default one asks for the user's id
    options += ["-q", "--disable-warnings", "-m", "not slow"]
    status = pytest.main([*options, "--rootdir", root, os.path.join(root, path)], plugins=[plugin])
    if plugin.collection_problem is not None:
        reporter.module(*plugin.collection_problem)
    elif status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
        reporter.module("done")
    else:
        reporter.module("error", f"pytest ended with {status!r}")


def _extend_packages(root, package):
    """Lets the packages of numpy or pandas find their `tests` below `root`, and `tests` their modules: the image has some helpers."""
    import importlib

    for folder, names, _ in os.walk(os.path.join(root, package)):
        names[:] = [name for name in names if name != "__pycache__"]
        if "tests" in names or os.path.basename(folder) == "tests":
            found = importlib.import_module(os.path.relpath(folder, root).replace(os.sep, "."))
            if folder not in found.__path__:
                found.__path__.append(folder)


def _plugin(pytest, skip, reporter):
    class Plugin:
        """pytest's listener that passes everything on."""

        collection_problem = None

        def pytest_configure(self, config):
            config.option.lf = False  # asked for by a module of pandas'; the plugin that defines it keeps a cache

        def pytest_collection_modifyitems(self, items):
            items[:] = [item for item in items if item.nodeid not in skip]

        def pytest_collectreport(self, report):
            if report.skipped:
                self.collection_problem = ("skip", _skip_reason(report), "")
            elif report.failed:
                text = str(report.longrepr)
                self.collection_problem = ("error", text.strip().rsplit("\n", 1)[-1].removeprefix("E").strip(), text)

        def pytest_runtest_logstart(self, nodeid):
            reporter.start(nodeid)

        def pytest_runtest_logfinish(self, nodeid):
            reporter.end(nodeid)

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(self, item, call):
            report = yield
            if hasattr(report, "wasxfail"):
                if report.skipped:
                    reporter.record(item.nodeid, "xfail", report.wasxfail)
            elif report.skipped:
                reporter.record(item.nodeid, "skip", _skip_reason(report))
            elif report.failed and call.excinfo is None:
                reporter.record(item.nodeid, "fail", str(report.longrepr))  # a strict xfail that passed
            elif report.failed:
                assertion = report.when == "call" and isinstance(call.excinfo.value, AssertionError)
                reporter.record(item.nodeid, "fail" if assertion else "error", *describe(without_pytest(call.excinfo.value)))
            return report

    return Plugin()


def _skip_reason(report):
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


def main(request):
    """Runs what the request asks for."""
    reporter = Reporter()
    root, skip = request["root"], frozenset(request["skip"])
    if root not in sys.path:
        sys.path.append(root)
    try:
        if request["suite"] == "cpython":
            run_cpython(request["module"], skip, reporter)
        else:
            run_pytest(request["suite"], request["module"], root, skip, reporter)
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: a test module may raise anything
        reporter.module("error", *describe(error))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
