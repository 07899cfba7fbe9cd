"""Tests of the runner of other people's tests, on this machine's Python: python3 -m unittest discover wasm-python/tests"""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

RUNNER = Path(__file__).resolve().parent / "conformance" / "runner.py"

# A package `test` in which everything happens that can happen to a test.
TREE = {
    "test/__init__.py": "",
    "test/support/__init__.py": "def record_original_stdout(stream):\n    pass\n",
    "test/test_all.py": """
        import os
        import sys
        import unittest

        class Outcomes(unittest.TestCase):
            def test_error(self):
                raise KeyError("k")
            def test_fail(self):
                self.assertEqual(1, 2)
            @unittest.expectedFailure
            def test_fails_as_expected(self):
                self.fail()
            @unittest.expectedFailure
            def test_passes_unexpectedly(self):
                pass
            def test_noise(self):
                print('{"event": "end"}')
                sys.stdout = None
            def test_skip(self):
                self.skipTest("not here")
            def test_subtests(self):
                for number in range(4):
                    with self.subTest(number=number):
                        self.assertNotEqual(number, 2)
            def test_unprintable(self):
                class Unprintable(Exception):
                    def __str__(self):
                        raise ValueError
                raise Unprintable

        class NoSetUp(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                raise OSError("no")
            def test_never_runs(self):
                pass
        """,
    "test/test_dies.py": """
        import os
        import unittest

        class Dies(unittest.TestCase):
            def test_a(self):
                pass
            def test_b(self):
                os._exit(3)
            def test_c(self):
                pass
        """,
    "test/test_skips.py": "import unittest\nraise unittest.SkipTest('never')\n",
    "test/test_broken.py": "import nothing_of_this_name\n",
    "test/test_internal.py": """
        import unittest
        import _testcapi
        from _testinternalcapi import something

        class Internal(unittest.TestCase):
            def test_with(self):
                self.assertEqual(_testcapi.INT_MAX + 1, something())
            def test_without(self):
                pass
        """,
}


class Runner(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for name, content in TREE.items():
            path = cls.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content))

    def run_module(self, module: str, skip: tuple[str, ...] = ()) -> list[dict]:
        """Runs a module; returns its events."""
        request = {"suite": "cpython", "module": module, "root": str(self.root), "skip": skip}
        done = subprocess.run(
            [sys.executable, "-B", "-c", _WITHOUT_C_TEST_MODULES + RUNNER.read_text(), json.dumps(request)],
            env=os.environ | {"PYTHONPATH": str(self.root)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return [json.loads(line[1:]) for line in done.stdout.split("\n") if line.startswith("\x1e")]

    def outcomes(self, module: str, skip: tuple[str, ...] = ()) -> dict[str, tuple[str, str]]:
        """The outcome of every test that ended, and its reason."""
        events = self.run_module(module, skip)
        self.assertEqual(events[-1]["event"], "module")
        return {event["test"]: (event["outcome"], event["reason"]) for event in events if event["event"] == "end"}

    def test_every_outcome_is_told(self):
        outcomes = self.outcomes("test_all")
        expected = {
            "Outcomes.test_error": ("error", "KeyError: 'k'"),
            "Outcomes.test_fail": ("fail", "AssertionError: 1 != 2"),
            "Outcomes.test_fails_as_expected": ("xfail", "AssertionError: None"),
            "Outcomes.test_passes_unexpectedly": ("fail", "the test expects to fail and did not"),
            "Outcomes.test_noise": ("pass", ""),
            "Outcomes.test_skip": ("skip", "not here"),
            "Outcomes.test_subtests": ("fail", "(number=2) AssertionError: 2 == 2"),
            "Outcomes.test_unprintable": ("error", "Unprintable"),
            "setUpClass (test.test_all.NoSetUp)": ("error", "OSError: no"),
        }
        self.assertEqual(outcomes, {f"test_all.{test}": outcome for test, outcome in expected.items()})

    def test_a_module_that_dies_says_in_which_test_and_goes_on_without_it(self):
        events = self.run_module("test_dies")
        self.assertEqual(events[-1], {"event": "start", "test": "test_dies.Dies.test_b"})
        rest = self.outcomes("test_dies", ("test_dies.Dies.test_a", "test_dies.Dies.test_b"))
        self.assertEqual(rest, {"test_dies.Dies.test_c": ("pass", "")})

    def test_modules_that_do_not_run(self):
        for module, outcome, reason in [
            ("test_skips", "skip", "never"),
            ("test_broken", "error", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ]:
            (event,) = self.run_module(module)
            self.assertEqual((event["event"], event["outcome"], event["reason"]), ("module", outcome, reason))

    def test_only_tests_that_use_an_absent_c_module_are_skipped(self):
        outcomes = self.outcomes("test_internal")
        self.assertEqual(outcomes["test_internal.Internal.test_with"], ("skip", "_testcapi.INT_MAX is not in the image"))
        self.assertEqual(outcomes["test_internal.Internal.test_without"], ("pass", ""))


# This machine's Python may have the C modules that the image does not have.
_WITHOUT_C_TEST_MODULES = """\
import sys
class _Absent:
    def find_spec(name, path, target=None):
        if name.startswith("_test"):
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, _Absent)
"""

if __name__ == "__main__":
    unittest.main()
