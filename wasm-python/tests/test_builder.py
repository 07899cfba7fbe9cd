"""Tests of the build itself, without compilers or a network: python3 -m unittest discover wasm-python/tests"""

import contextlib
import fcntl
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SOURCES = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCES))

from builder import fetch, image, images
from builder.patch import PatchError, apply_patch
from builder.pins import Pin
from builder.steps import Build, BuildError, Reporter, Scope, Step, hash_tree


class WithFolder(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def build(self, as_json: bool = True) -> Build:
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        lock = self.enterContext((work / "lock").open("w"))
        return Build(images.read("base"), work, self.folder / "cache", 1, Reporter(as_json), lock.fileno())

    def events(self, steps: list[Step]) -> list[dict]:
        """Runs the steps; returns what a program reads about it."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            try:
                self.build().run_steps(steps)
            except BuildError:
                pass
        return [json.loads(line) for line in output.getvalue().splitlines()]


class Patches(WithFolder):
    def patch(self, text: str, *, source: str) -> str:
        (self.folder / "tree").mkdir(exist_ok=True)
        (self.folder / "tree" / "a.txt").write_text(source)
        (self.folder / "a.patch").write_text("Why.\n--- a/a.txt\n+++ b/a.txt\n" + text)
        apply_patch(self.folder / "a.patch", self.folder / "tree")
        return (self.folder / "tree" / "a.txt").read_text()

    def test_hunks_change_lines(self):
        text = "@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n@@ -3 +3,2 @@\n three\n+four\n"
        self.assertEqual(self.patch(text, source="one\ntwo\nthree\n"), "ONE\ntwo\nthree\nfour\n")

    def test_a_hunk_that_does_not_fit_is_refused(self):
        with self.assertRaisesRegex(PatchError, "hunk 1 of a.txt fits in 0 places"):
            self.patch("@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n", source="one\n2\n")

    def test_a_hunk_that_fits_twice_is_refused(self):
        with self.assertRaisesRegex(PatchError, "in 2 places"):
            self.patch("@@ -1 +1 @@\n-one\n+ONE\n", source="one\none\n")

    def test_a_patch_that_is_cut_short_is_refused(self):
        with self.assertRaisesRegex(PatchError, "cut short"):
            self.patch("@@ -1,3 +1,3 @@\n-one\n+ONE\n", source="one\n")


class Steps(WithFolder):
    def step(self, name="first", run=None, **fields) -> Step:
        def write(build):
            (build.folder(name) / "result").write_text("done")

        return Step(name, "writes a file", run or write, **fields)

    def states(self, steps):
        return [(e["event"], e["step"], e.get("cached")) for e in self.events(steps) if e["event"] != "plan"]

    def test_a_finished_step_is_skipped(self):
        first = [("started", "first", None), ("finished", "first", False)]
        self.assertEqual(self.states([self.step()]), first)
        self.assertEqual(self.states([self.step()]), [("finished", "first", True)])

    def test_a_changed_input_runs_the_step_and_those_after_it(self):
        steps = lambda pin: [self.step(values={"pin": pin}), self.step("second", after=("first",)), self.step("third")]
        self.events(steps("1"))
        started = [name for event, name, _ in self.states(steps("2")) if event == "started"]
        self.assertEqual(started, ["first", "second"])

    def test_an_interrupted_step_starts_from_an_empty_folder(self):
        def interrupt(build):
            (build.folder("first") / "half").write_text("")
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            self.events([self.step(run=interrupt)])
        self.events([self.step()])
        self.assertEqual([path.name for path in (self.folder / "work" / "first").iterdir()], ["result"])

    def test_a_failure_names_the_log_and_shows_its_end(self):
        def fail(build):
            build.command(sys.executable, "-c", "print('unlucky'); raise SystemExit(3)")

        failed = self.events([self.step(run=fail)])[-1]
        self.assertEqual(failed["event"], "failed")
        self.assertIn("ended with status 3", failed["error"])
        self.assertEqual(failed["tail"][-1], "unlucky")
        self.assertIn("unlucky", Path(failed["log"]).read_text())

    def test_a_failure_is_explained_to_people(self):
        def fail(build):
            raise BuildError("no luck")

        with contextlib.redirect_stdout(io.StringIO()), self.assertRaisesRegex(BuildError, "step first failed: no luck"):
            self.build(as_json=False).run_steps([self.step(run=fail)])

    def test_the_environment_of_the_user_does_not_change_the_result(self):
        os.environ |= {"CFLAGS": "-O0", "PYTHONPATH": "/nowhere", "LC_TIME": "it_IT"}
        environment = self.build().environment()
        self.assertFalse({"CFLAGS", "PYTHONPATH", "LC_TIME"} & environment.keys())


class Downloads(WithFolder):
    def test_a_file_with_another_hash_is_not_kept(self):
        build = self.build()
        found = self.folder / "found"
        found.write_bytes(b"not it")
        pin = Pin("it.tar", "0" * 64)
        with self.assertRaisesRegex(BuildError, "it.tar has sha256 .* instead of 0000"):
            fetch._keep(build, found, pin)
        self.assertFalse(fetch._place(build, pin).exists())


class Images(WithFolder):
    def test_the_table_of_modules_is_c(self):
        text = image._image_modules(("a.b", "c"))
        self.assertIn('{"a.b", PyInit_b},', text)
        self.assertIn("extern PyObject *PyInit_c(void);", text)

    def test_the_hash_of_a_tree_is_that_of_names_and_contents(self):
        for name, content in (("a", "1"), ("b", "2")):
            (self.folder / name).write_text(content)
        before = hash_tree(self.folder)
        (self.folder / "b").rename(self.folder / "c")
        self.assertNotEqual(hash_tree(self.folder), before)


class Descriptions(unittest.TestCase):
    def test_every_image_can_be_read(self):
        for name in images.names():
            described = images.read(name)
            steps = image.steps(described)
            self.assertEqual(len({step.name for step in steps}), len(steps))
            done = set()
            for step in steps:
                self.assertLessEqual(set(step.after), done, step.name)
                done.add(step.name)
                for path in step.files:
                    self.assertTrue((SOURCES / path).exists(), path)
            self.assertTrue(all(len(pin.sha256) == 64 for pin in image.all_pins(described)))

    def test_images_share_what_they_have_in_common(self):
        base, data = ({step.name: step for step in image.steps(images.read(name))} for name in ("base", "data"))
        for name, step in base.items():
            if step.scope is not Scope.IMAGE:
                self.assertEqual((step.files, step.values, step.after), (data[name].files, data[name].values, data[name].after))
        self.assertEqual(data["pandas"].scope, Scope.PYTHON)

    def test_an_unknown_image_is_refused_with_the_names_of_the_others(self):
        with self.assertRaisesRegex(images.DescriptionError, "no image 'bsae'; there are base, data"):
            images.read("bsae")


class CommandLine(WithFolder):
    def refuse(self, *arguments, **environment) -> str:
        command = [sys.executable, SOURCES / "build.py", "--output", self.folder / "out", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def test_missing_programs_are_named_by_their_packages(self):
        message = self.refuse("--work", self.folder / "work", PATH=str(self.folder))
        self.assertEqual(message, "error: programs are missing: apt-get install gcc make cargo\n")

    def test_a_work_folder_with_a_space_is_refused(self):
        self.assertIn("with a space in its path", self.refuse("--work", self.folder / "my work"))


class Lock(WithFolder):
    def test_a_second_process_says_that_it_waits(self):
        work = self.folder / "work"
        work.mkdir()
        with (work / "lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            second = subprocess.Popen(
                [sys.executable, SOURCES / "build.py", "--work", work, "--output", self.folder / "out", "--json-progress"],
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                event = json.loads(second.stdout.readline())
            finally:
                second.kill()
                second.wait()
                second.stdout.close()
        self.assertEqual(event, {"event": "waiting", "lock": str(work / "lock")})


if __name__ == "__main__":
    unittest.main()
