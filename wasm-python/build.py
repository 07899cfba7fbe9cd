#!/usr/bin/env python3
"""Builds an image of the guest: CPython, packages and our shim as one WebAssembly module, from pinned inputs.

Needs python3 (3.11 or newer), gcc, make, cargo and, where python.org cannot be reached, apt-get. README.md has the steps.
"""

import sys

sys.dont_write_bytecode = True  # this folder is an input of the build

import argparse
import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from builder import image, images, test_trees
from builder.steps import Build, BuildError, Reporter

# By Debian package.
PROGRAMS = {"gcc": "gcc", "make": "make", "cargo": "cargo"}


def main() -> int:
    """Runs the build; returns the exit status."""
    arguments = _parse_arguments()
    reporter = Reporter(arguments.json_progress)
    if sys.version_info < (3, 11):
        print(f"error: Python 3.11 or newer is needed, this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        print(f"error: programs are missing: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    work, output = arguments.work.resolve(), arguments.output.resolve()
    if any(character.isspace() for character in f"{work}{Path(__file__).resolve()}"):
        print(f"error: CPython cannot be built in a folder with a space in its path: {work}", file=sys.stderr)
        return 1
    try:
        wanted = images.read(arguments.image)
        work.mkdir(parents=True, exist_ok=True)
        with _lock(work, reporter) as lock:
            build = Build(wanted, work, arguments.cache.resolve(), arguments.jobs, reporter, lock, arguments.count)
            if arguments.tests:
                build.run_steps(test_trees.steps(wanted))
                test_trees.publish(build, output)
            else:
                build.run_steps(image.steps(wanted, arguments.count))
                image.publish(build, output)
    except (BuildError, images.DescriptionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    reporter.event("done", f"{'The tests are' if arguments.tests else 'The image is'} in {output}", output=str(output))
    return 0


def _parse_arguments() -> argparse.Namespace:
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description="Builds an image of the WebAssembly guest.")
    parser.add_argument("--image", default="base", metavar="NAME", help=f"one of {', '.join(images.names())} (%(default)s)")
    parser.add_argument("--work", type=Path, required=True, help="folder for everything the build needs on the way")
    parser.add_argument("--output", type=Path, required=True, help="folder that gets guest.wasm, home and manifest.json")
    parser.add_argument(
        "--cache", type=Path, default=user_cache / "vivarium" / "downloads", help="folder for downloads (%(default)s)"
    )
    parser.add_argument(
        "--tests", action="store_true", help="lay out the tests of CPython and of linked packages in OUTPUT/tests, and build no image"
    )
    parser.add_argument(
        "--count", action="store_true", help="a guest that counts its branches, for a profile (training/README.md); takes a work folder of its own"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at a time (%(default)s)")
    parser.add_argument("--json-progress", action="store_true", help="write one JSON object a line about the progress")
    return parser.parse_args()


@contextmanager
def _lock(work: Path, reporter: Reporter):
    """Holds the work folder's lock. Compilers inherit it, so that a build that was killed is not overtaken by the next
    one while the last compiler of it still writes."""
    path = work / "lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reporter.event("waiting", f"Another process builds the guest in {work}: waiting for it", lock=str(path))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


if __name__ == "__main__":
    sys.exit(main())
