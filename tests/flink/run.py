#!/usr/bin/env python3
"""Runs Flink jobs in sandboxes on a real cluster, and the same jobs on stock workers, and compares what they print.

    tests/flink/run.py                      every feature; fails when a result differs from stock's, or from what docs/flink.md says
    tests/flink/run.py --write              also writes the table of docs/flink.md
    tests/flink/run.py "value state" ...    some features, or `examples`, `limits`, `crash`, `exactly once`

Needs Python 3.11 and Java 17. Flink 2.3 is installed from PyPI into a folder of its own the first time (`--flink`, 1.5 GB).
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOCUMENT = ROOT / "docs" / "flink.md"
FLINK = "apache-flink==2.3.0"
BEGIN, END = "<!-- written by tests/flink/run.py -->", "<!-- end -->"

REFUSED = {"pandas scalar function": "pandas functions need an image with pandas and pyarrow, which the flink image is not"}
"""Features that do not work, and what the error says."""

UNLIKE_STOCK = {
    "async scalar function": [repr(("INSERT", [2 * i])) for i in range(20)],
}
"""Features whose results on stock workers vary from run to run, and the right ones."""


class Failure(Exception):
    """Something is not as it should be."""


# ---- Flink ----


def install(folder: Path) -> Path:
    """Flink from PyPI; returns the folder of its `bin`."""
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"installing {FLINK} into {folder}", flush=True)
        series = ["python3.11", "-m", "venv", str(folder)]
        subprocess.run(series, check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", FLINK, "pytest"], check=True)
        (folder / "installed").touch()
    home = subprocess.run(
        [python, "-c", "import pyflink; print(pyflink.__path__[0])"], check=True, capture_output=True, text=True
    )
    return Path(home.stdout.strip())


def guest_tests(python: Path, folder: Path) -> None:
    """The guest's half on a native CPython, against PyFlink's own coders."""
    rows = ROOT / "wasm-python" / "linked" / "pyflink" / "rows"
    include = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('include'))"], check=True, capture_output=True, text=True
    ).stdout.strip()
    sources = sorted(map(str, rows.glob("*.c")))
    flags = ["-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{include}"]
    subprocess.run(["gcc", *flags, *sources, "-o", folder / "_flink_rows.so"], check=True)
    environment = os.environ | {"FLINK_ROWS": str(folder), "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    command = [python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", HERE / "guest"]
    if subprocess.run(command, env=environment).returncode != 0:
        raise Failure("the guest's half failed its tests on a native CPython")


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]


class Cluster:
    """A session cluster: a JobManager and two TaskManagers of two slots each, on loopback."""

    def __init__(self, flink: Path, python: Path, folder: Path):
        self.flink, self.python, self.folder = flink, python, folder
        rpc, self.rest = free_ports(2)
        conf = folder / "conf"
        shutil.copytree(flink / "conf", conf)
        java = re.search(r"^env:\n(?:  .*\n)+", (conf / "config.yaml").read_text(), re.MULTILINE)
        (conf / "config.yaml").write_text(
            f"{java[0]}jobmanager:\n  bind-host: localhost\n  rpc: {{address: localhost, port: {rpc}}}\n  memory: {{process: {{size: 1024m}}}}\n"
            "taskmanager:\n  bind-host: localhost\n  host: localhost\n  numberOfTaskSlots: 2\n"
            "  memory: {process: {size: 1400m}, managed: {fraction: 0.3}}\n"
            f"rest: {{address: localhost, port: {self.rest}, bind-port: {self.rest}}}\nio: {{tmp: {{dirs: {folder}/tmp}}}}\n"
            "heartbeat: {interval: 1000, timeout: 8000}\n"
        )
        for name in ("log", "pid", "tmp"):
            (folder / name).mkdir()
        self.environment = os.environ | {
            "FLINK_CONF_DIR": str(conf), "FLINK_LOG_DIR": str(folder / "log"), "FLINK_PID_DIR": str(folder / "pid"),
        }  # fmt: skip

    def __enter__(self):
        self._script("jobmanager.sh", "start")
        for _ in range(2):
            self._script("taskmanager.sh", "start")
        self.wait("the TaskManagers", lambda: self.get("/overview")["taskmanagers"] == 2)
        return self

    def __exit__(self, *_):
        self._script("taskmanager.sh", "stop-all")
        self._script("jobmanager.sh", "stop-all")

    def _script(self, name: str, command: str) -> None:
        subprocess.run([self.flink / "bin" / name, command], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def get(self, path: str):
        """An answer of the REST interface."""
        with urllib.request.urlopen(f"http://localhost:{self.rest}{path}", timeout=30) as answer:
            return json.load(answer)

    def wait(self, what: str, condition, seconds: float = 180):
        """Waits until a condition holds. What cannot be reached yet does not hold."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if found := condition():
                    return found
            time.sleep(0.2)
        raise Failure(f"waited {seconds:.0f} s for {what}")

    def start(self, job: Path, launcher: Path, *arguments: str, options=()) -> subprocess.Popen:
        """Submits a job and stays with it."""
        command = [self.flink / "bin" / "flink", "run", "-m", f"localhost:{self.rest}", *options]
        command += ["-pyexec", launcher, "-pyclientexec", self.python, "--python", job, *arguments]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder
        )

    def run(self, job: Path, launcher: Path, *arguments: str, options=(), seconds: float = 1200) -> str:
        """Runs a job; returns what the client printed."""
        client = self.start(job, launcher, *arguments, options=options)
        return client.communicate(timeout=seconds)[0]


def results(output: str) -> dict:
    """What features printed, by name."""
    lines = [json.loads(line[len("RESULT ") :]) for line in output.splitlines() if line.startswith("RESULT ")]
    return {line["feature"]: line for line in lines}


# ---- Features ----


def features(cluster: Cluster, launcher: Path, stock: Path, names: list[str]) -> list[tuple[str, str]]:
    """Runs them both ways; returns (feature, what is to be said about it)."""
    wanted = [name for name in names if name not in UNLIKE_STOCK]
    expected = results(cluster.run(HERE / "features.py", stock, *wanted)) if wanted or not names else {}
    output = cluster.run(HERE / "features.py", launcher, *names)
    found = results(output)
    if not found:
        raise Failure(f"no feature ran:\n{output[-4000:]}")
    said = []
    for name, mine in found.items():
        if name in REFUSED:
            problem = None if REFUSED[name] in mine.get("error", "") else f"expected a refusal: {str(mine)[:2000]}"
        else:
            right = {"result": UNLIKE_STOCK[name]} if name in UNLIKE_STOCK else expected[name]
            same = "error" not in right and sorted_values(mine.get("result")) == sorted_values(right.get("result"))
            problem = None if same else f"\n  stock: {str(right)[-3000:]}\n  here:  {str(mine)[-3000:]}"
        if problem:
            raise Failure(f"{name}: {problem}")
        said.append((name, f"no: {REFUSED[name]}" if name in REFUSED else "yes"))
        print(f"{name}: {said[-1][1]}", flush=True)
    return said


def logged(cluster: Cluster) -> None:
    """What functions print and log stands in a TaskManager's log."""
    text = "".join(file.read_text() for file in (cluster.folder / "log").glob("*taskexecutor*.log"))
    for line in ("vivarium::python a function prints a", "vivarium::python INFO mine: a function logs b"):
        if line not in text:
            raise Failure(f"no TaskManager's log has a line with '{line}'")
    print("prints and logs reach the TaskManager's log", flush=True)


def sorted_values(result):
    return sorted(result) if isinstance(result, list) and all(isinstance(item, str) for item in result) else result


# ---- Failures ----


def limits(cluster: Cluster, launcher: Path) -> None:
    """A limit that is reached fails the job and says which it was; a job cannot raise it."""
    for option, function, said in [
        ("memory:64MiB", "memory", "limit `memory` of 64 MiB"),
        ("memory:2GiB", "memory", "limit `memory` of 256 MiB"),
        ("batch_time:1s", "endless", "limit `batch_time` of 1 s"),
    ]:
        options = [f"-Dpython.job-options=VIVARIUM_LIMIT_{option}"]
        output = cluster.run(HERE / "failures.py", launcher, function, options=options)
        if said not in output:
            raise Failure(f"{option}: the error does not say '{said}':\n{output[-4000:]}")
        print(f"limits: {option} is reported", flush=True)


def crash(cluster: Cluster, launcher: Path) -> None:
    """A function that ends its process takes the sandbox with it, and nothing else."""
    output = cluster.run(HERE / "failures.py", launcher, "crash-once")
    if "RESULT [1, 2, 3]" not in output:
        raise Failure(f"the attempt after a crash did not run:\n{output[-4000:]}")
    print("an attempt after a crash starts clean", flush=True)


def exactly_once(cluster: Cluster, launcher: Path) -> None:
    """Kills the TaskManager that runs a stateful job in the middle, after checkpoints."""
    client = cluster.start(HERE / "exactly_once.py", launcher)
    try:
        job = cluster.wait("the job", lambda: next((j["id"] for j in cluster.get("/jobs")["jobs"] if j["status"] == "RUNNING"), None))
        cluster.wait("checkpoints", lambda: cluster.get(f"/jobs/{job}/checkpoints")["counts"]["completed"] >= 2)
        vertex = next(v["id"] for v in cluster.get(f"/jobs/{job}")["vertices"] if "KEYED" in v["name"].upper() or "PROCESS" in v["name"].upper())
        manager = cluster.get(f"/jobs/{job}/vertices/{vertex}")["subtasks"][0]
        os.kill(_process_of(manager["taskmanager-id"]), signal.SIGKILL)
        print("killed the TaskManager", flush=True)
        output = client.communicate(timeout=600)[0]
    finally:
        if client.poll() is None:
            client.terminate()
    restored = cluster.get(f"/jobs/{job}/checkpoints")["counts"]["restored"]
    if "RESULT exactly once" not in output or restored < 1:
        raise Failure(f"the job was restored {restored} times and ended with:\n{output[-4000:]}")
    print(f"exactly once after {restored} restore", flush=True)


def _process_of(taskmanager: str) -> int:
    """The process with this resource id: `localhost:PORT-...`, whose port is that of its RPC."""
    port = int(re.match(r"localhost:(\d+)-", taskmanager)[1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
            inode = f"socket:[{fields[9]}]"
            for file in Path("/proc").glob("[0-9]*/fd/*"):
                with contextlib.suppress(OSError):
                    if os.readlink(file) == inode:
                        return int(file.parts[2])
    raise Failure(f"no process listens at port {port}")


def examples(cluster: Cluster, launcher: Path) -> None:
    """Runs the examples of the documentation."""
    folder = cluster.folder / "out"
    cluster.run(ROOT / "examples" / "flink" / "tutorial.py", launcher, "--output", str(folder))
    lines = sorted(line for file in folder.rglob("*") if file.is_file() for line in file.read_text().splitlines())
    if lines != ["1,aaa", "2,bbb"]:
        raise Failure(f"the tutorial wrote {lines}")
    for name, expected in [("table.py", "| ADA | 3.0 |"), ("alerts.py", "quiet: ada after 3 visits")]:
        output = cluster.run(ROOT / "examples" / "flink" / name, launcher)
        if expected.replace(" ", "") not in output.replace(" ", ""):
            raise Failure(f"{name} printed:\n{output[-4000:]}")
    print("the examples ran", flush=True)


PARTS = {"examples": examples, "limits": limits, "crash": crash, "exactly once": exactly_once}


# ---- The document ----


def table(said: list[tuple[str, str]]) -> str:
    return "\n".join(["| feature | works |", "|---|---|", *(f"| {name} | {works} |" for name, works in said)])


def check_document(said: list[tuple[str, str]], write: bool) -> None:
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    new = f"\n{table(said)}\n"
    if write:
        DOCUMENT.write_text(f"{before}{BEGIN}{new}{END}{after}")
    elif old != new:
        raise Failure(f"{DOCUMENT} says otherwise: run {Path(__file__).name} --write")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="*", help="names of features")
    parser.add_argument("--write", action="store_true", help="write the table of docs/flink.md")
    parser.add_argument("--wasm-run", type=Path, default=ROOT / "target" / "debug" / "wasm-run")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--flink", type=Path, default=cache / "vivarium-flink-2.3", help="where Flink is installed (%(default)s)")
    arguments = parser.parse_args()
    flink, python = install(arguments.flink), arguments.flink / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="vivarium-flink-") as name:
        folder = Path(name)
        subprocess.run([arguments.wasm_run, "flink", "install", "--quiet", folder / "launchers"], check=True)
        launcher = folder / "launchers" / "vvpython3.11"
        (folder / "cluster").mkdir()
        try:
            if not arguments.features:
                guest_tests(python, folder)
            with Cluster(flink, python, folder / "cluster") as cluster:
                names = [name for name in arguments.features if name not in PARTS]
                if names or not arguments.features:
                    said = features(cluster, launcher, python, names)
                for name, part in PARTS.items():
                    if name in arguments.features or not arguments.features:
                        part(cluster, launcher)
                if not arguments.features:
                    logged(cluster)
                    check_document(said, arguments.write)
        except Failure as failure:
            print(f"error: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
