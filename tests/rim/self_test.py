"""Tests of the fuzzer itself: each kind of misbehaviour is noticed, files are taken apart and put together as they were.

    python3 tests/rim/self_test.py
"""

import argparse
import random
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import arrow_files
import cases
import parquet_files
import process
import properties
import run
import statements
import thrift

# Programs in place of wasm-run, and what is to be said about each. `out.json` is the output of a case that expects 2 rows.
PROGRAMS = [
    ("printf '{}\\n{}\\n' > out.json", None),
    ("echo problem >&2; exit 5", None),
    ("trap 'echo stopped >&2; exit 130' INT; while :; do sleep 0.05; done", None),
    ("exit 5", "silent failure"),
    ("echo internal >&2; exit 70", "status 70"),
    ("kill -ABRT $$", "signal 6"),
    ("echo \"thread 'main' panicked at src/x.rs:1:1\" >&2; exit 2", "panic on standard error"),
    ("printf 'a\\033[31m' >&2; exit 2", "control character U+001B on standard error"),
    ("printf 'a\\342\\200\\256' >&2; exit 2", "control character U+202E on standard error"),
    ("printf '{}\\n' > out.json", "rows: fewer with status 0: 1, not 2"),
    ("printf '{}\\n{}\\n{}\\n' > out.json", "rows: others with status 0: 3, not 2"),
    ("true", "output out.json cannot be read"),
    ("touch out.json; echo x >&2; exit 5", "file left behind: out.json"),
    ("touch .tmp; printf '{}\\n{}\\n' > out.json", "file left behind: .tmp"),
    ("touch $TMPDIR/x; printf '{}\\n{}\\n' > out.json", "file left behind: tmp/x"),
    ("touch ../outside/x; printf '{}\\n{}\\n' > out.json", "file of another folder changed"),
    ("cat ../outside/secret.csv; printf '{}\\n{}\\n' > out.json", "secret file shown"),
    ("sleep 100 & printf '{}\\n{}\\n' > out.json", "process left behind"),
    ("trap '' INT; sleep 3; echo x >&2; exit 130", "late"),
    ("exec python3 -c 'x = bytearray(1100 << 20); import sys; sys.exit(\"x\")'", "memory"),
    ("exec python3 -c 'import subprocess, sys; subprocess.run([sys.executable, \"-c\", \"bytearray(1100 << 20)\"]); sys.exit(\"x\")'", "memory"),
]  # fmt: skip


class Misbehaviour(unittest.TestCase):
    def test_each_program(self):
        with tempfile.TemporaryDirectory() as name:
            runner = run.Runner(argparse.Namespace(binary="/bin/sh", patience=0.7, keep=Path(name) / "kept", seed=1, verbose=False))
            for number, (program, expected) in enumerate(PROGRAMS):
                case = cases.Case(f"x:{number}", "program", ["-c", program], {}, rows={2}, output="out.json")
                folder = Path(name) / str(number)
                case.write(folder)
                # Memory is allocated slowly on a busy machine.
                runner.arguments.patience = 20 if expected == "memory" else 0.7
                with mock.patch("properties.slack", lambda: 1.0 if expected == "late" else 10.0):
                    _, problems = runner._run(case, folder)
                with self.subTest(program=program, problems=problems):
                    self.assertEqual(bool(expected), bool(problems))
                    self.assertTrue(expected is None or any(problem.startswith(expected) for problem in problems))

    def test_what_is_printed_for_reading_has_no_control_characters(self):
        outcome = process.Outcome(status=0, stdout="a\u2066".encode())
        self.assertEqual(properties.problems(outcome, "secret", True), ["control character U+2066 on standard output"])
        self.assertEqual(properties.problems(outcome, "secret", False), [])


class Repeatable(unittest.TestCase):
    def test_statements_follow_from_number_and_seed(self):
        for number in range(200):
            one, other = (statements.statement(random.Random(f"1 sql {number}"), number) for _ in range(2))
            self.assertEqual(one, other)

    def test_a_kept_case_is_the_same(self):
        with tempfile.TemporaryDirectory() as name:
            case = cases._with_command("csv:1", "given", "csv", b"a\n1\n", {1}, "run", 5)
            case.write(Path(name) / "case")
            cases.keep(case, Path(name) / "case", Path(name) / "kept", "")
            self.assertEqual(cases.kept(Path(name) / "kept"), case)


class Formats(unittest.TestCase):
    def test_thrift_is_written_as_it_was_read(self):
        data = parquet_files.wide(40)
        self.assertEqual(parquet_files.Parquet(data).bytes(), data)
        tree = [[1, thrift.BINARY, b"x"], [30, thrift.FALSE, False], [31, thrift.I64, -(2**63)], [32, thrift.DOUBLE, 0.5]]
        self.assertEqual(thrift.Reader(thrift.encode(tree)).struct(), tree)

    def test_messages_of_a_stream_that_was_built_are_found(self):
        stream = arrow_files.Ipc(arrow_files.wide(3))
        self.assertEqual([message.kind for message in stream.messages], [arrow_files.SCHEMA])
        self.assertEqual(stream.messages[0].table.table(2).vector(1)[1], 3)


if __name__ == "__main__":
    unittest.main()
