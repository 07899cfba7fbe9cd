#!/usr/bin/env python3
"""Runs Flink jobs in sandboxes on a real cluster, and the same jobs on stock workers, and compares what they print.

    tests/flink/run.py                      every feature; fails when a result differs from stock's, or from what docs/flink.md says
    tests/flink/run.py --write              also writes the table of docs/flink.md
    tests/flink/run.py "value state" ...    some features, or `metric values`, `examples`, `limits`, `crash`, `doctor`, `exactly once`

Needs Python 3.11 with venv and Java 17, which it installs on a Debian 12 that lacks them. Flink 2.3 is installed from PyPI into a folder
of its own the first time (`--flink`, 1.5 GB).
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster import DOCUMENT, HERE, ROOT, Cluster, Failure, install, read_document, write_document

BEGIN = "<!-- written by tests/flink/run.py -->"

REFUSED = {"pandas scalar function": "pandas functions need an image with pandas and pyarrow, which the flink image is not"}
"""Features that do not work, and what the error says."""

UNLIKE_STOCK = {
    "async scalar function": [repr(("INSERT", [2 * i])) for i in range(20)],
}
"""Features whose results on stock workers vary from run to run, and the right ones."""


def guest_tests(python: Path, folder: Path) -> None:
    """The guest's half on a native CPython, against PyFlink's own coders."""
    rows, shim = ROOT / "wasm-python" / "linked" / "pyflink" / "rows", ROOT / "wasm-python" / "shim"
    include = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('include'))"], check=True, capture_output=True, text=True
    ).stdout.strip()
    alone = {"interpreter.c", "settle.c"}  # they start a CPython of their own
    sources = [str(file) for file in sorted([*rows.glob("*.c"), *shim.rglob("*.c")]) if file.name not in alone]
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-Wno-unused-parameter"]
    flags = ["-std=gnu17", "-O1", "-g", *warnings, "-shared", "-fPIC", f"-I{include}", f"-I{shim}"]
    subprocess.run(["gcc", *flags, *sources, "-o", folder / "_flink_rows.so"], check=True)
    environment = os.environ | {"FLINK_ROWS": str(folder), "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    command = [python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", HERE / "guest"]
    if subprocess.run(command, env=environment).returncode != 0:
        raise Failure("the guest's half failed its tests on a native CPython")


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
    said, problems = [], []
    for name, mine in found.items():
        if name in REFUSED:
            problem = None if REFUSED[name] in mine.get("error", "") else f"expected a refusal: {str(mine)[:2000]}"
        else:
            right = {"result": UNLIKE_STOCK[name]} if name in UNLIKE_STOCK else expected[name]
            same = "error" not in right and sorted_values(mine.get("result")) == sorted_values(right.get("result"))
            problem = None if same else f"\n  stock: {str(right)[-3000:]}\n  here:  {str(mine)[-3000:]}"
        if problem:
            problems.append(f"{name}: {problem}")
        said.append((name, f"no: {REFUSED[name]}" if name in REFUSED else "yes"))
        print(f"{name}: {'DIFFERENT' if problem else said[-1][1]}", flush=True)
    if problems:
        raise Failure("\n".join(problems))
    return said


def metric_values(cluster: Cluster, launcher: Path) -> None:
    """Metrics of functions have the values in Flink that they have on stock workers."""
    found = {side: measured(cluster, python) for side, python in [("stock", cluster.python), ("here", launcher)]}
    if found["stock"] != found["here"]:
        raise Failure(f"metrics differ: {found}")
    print(f"metrics have the values that they have on stock workers: {found['here']}", flush=True)


def measured(cluster: Cluster, python: Path) -> dict[str, str]:
    output = cluster.run(HERE / "measured.py", python, options=["--detached"])
    job = re.search("JobID ([0-9a-f]{32})", output)
    if not job:
        raise Failure(f"the measured job did not start:\n{output[-4000:]}")
    try:
        return cluster.wait("metrics", lambda: _five(cluster, f"/jobs/{job[1]}"))
    finally:
        cluster.cancel(job[1])


def _five(cluster: Cluster, job: str) -> dict[str, str] | None:
    """The metrics of the group `mine`, when five rows are counted. What a meter says depends on time."""
    values = {}
    for vertex in cluster.get(job)["vertices"]:
        path = f"{job}/vertices/{vertex['id']}/subtasks/0/metrics"
        names = [each["id"] for each in cluster.get(path) if ".mine." in each["id"] and not each["id"].endswith(".rate")]
        if names:
            values |= {each["id"].partition(".mine.")[2]: each["value"] for each in cluster.get(f"{path}?get={','.join(names)}")}
    return values if values.get("seen") == "10" else None


def logged(cluster: Cluster) -> None:
    """What functions print, and log at the levels that the job wants, stands in a TaskManager's log."""
    text = "".join(file.read_text() for file in (cluster.folder / "log").glob("*taskexecutor*.log"))
    for line in ("a function prints a", "INFO mine: a function logs b", "DEBUG mine.open: in detail b"):
        if f"vivarium::python {line}" not in text:
            raise Failure(f"no TaskManager's log has a line with '{line}'")
    if "vivarium::python WARNING mine.shut: in vain" in text:
        raise Failure("a TaskManager's log has what the job wants not to be logged")
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
        ("batch_bytes:64KiB", "large", "limit `batch_bytes` of 64 KiB"),
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
        walled()
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


def walled() -> None:
    """Every thread of a worker that runs functions is in the process sandbox. One that has had no row yet is not."""
    workers = [file.parent for file in Path("/proc").glob("[0-9]*/cmdline") if b"\0flink\0worker\0" in _text(file)]
    threads = {worker.name: [text for file in worker.glob("task/*/status") if (text := _text(file))] for worker in workers}
    # 2: a filter.
    behind = [name for name, texts in threads.items() if texts and all(b"\nSeccomp:\t2\n" in text for text in texts)]
    if not behind:
        raise Failure(f"none of {len(workers)} workers is in the process sandbox")
    print(f"{len(behind)} of {len(workers)} workers are in the process sandbox", flush=True)


def _text(file: Path) -> bytes:
    with contextlib.suppress(OSError):
        return file.read_bytes()
    return b""


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


def doctor(cluster: Cluster, launcher: Path) -> None:
    """Says of every way to choose an interpreter where functions run. This cluster's TaskManagers have the launcher first in their PATH, and beside it
    a Python of their own and a shell."""
    wasm_run = re.search("exec '([^']*)'", launcher.read_text())[1]
    command = [wasm_run, "flink", "doctor", "--client", cluster.python, "-m", f"localhost:{cluster.rest}"]
    chosen = ["python3", cluster.python, launcher, "/none/python", "/bin/sh"]
    for executable in chosen:
        command += ["--executable", executable]
    ended = subprocess.run(command, env=cluster.environment | {"TMPDIR": str(cluster.folder / "tmp")}, capture_output=True, text=True)
    for case, said in [
        ("chooses no interpreter", "in a sandbox (wasi 3.11)"),
        ("chooses python3", "in a sandbox (wasi 3.11)"),
        (f"chooses {cluster.python}", "NOT in a sandbox (linux 3.11)"),
        (f"chooses {launcher}", "in a sandbox (wasi 3.11)"),
        ("chooses /none/python", "cannot be started on the TaskManagers"),
        ("chooses /bin/sh", "was started, and failed"),
        ("brings its own in an archive", "was started, and failed"),
    ]:
        if f"a job that {case}: {said}" not in ended.stdout:
            raise Failure(f"the doctor does not say of a job that {case}: {said}\n{ended.stdout}{ended.stderr}")
    if ended.returncode != 4:
        raise Failure(f"the doctor ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    print("the doctor says what leaves the sandbox", flush=True)


PARTS = {"metric values": metric_values, "examples": examples, "limits": limits, "crash": crash, "doctor": doctor, "exactly once": exactly_once}


# ---- The document ----


def table(said: list[tuple[str, str]]) -> str:
    return "\n".join(["| feature | works |", "|---|---|", *(f"| {name} | {works} |" for name, works in said)])


def check_document(said: list[tuple[str, str]], write: bool) -> None:
    if write:
        write_document(BEGIN, table(said))
    elif read_document(BEGIN) != table(said):
        raise Failure(f"{DOCUMENT} says otherwise: run {Path(__file__).name} --write")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="*", help="names of features")
    parser.add_argument("--write", action="store_true", help="write the table of docs/flink.md")
    parser.add_argument("--wasm-run", type=Path, default=ROOT / "target" / "debug" / "wasm-run")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--flink", type=Path, default=cache / "vivarium-flink-2.3", help="where Flink is installed (%(default)s)")
    arguments = parser.parse_args()
    try:
        flink, python = install(arguments.flink), arguments.flink / "bin" / "python"
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="vivarium-flink-") as name:
        folder = Path(name)
        subprocess.run([arguments.wasm_run, "flink", "install", "--quiet", folder / "launchers"], check=True)
        launcher = folder / "launchers" / "vvpython3.11"
        (folder / "cluster").mkdir()
        try:
            if not arguments.features:
                guest_tests(python, folder)
            with Cluster(flink, python, folder / "cluster", folder / "launchers" / "bin") as cluster:
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
