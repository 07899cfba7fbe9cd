"""A Flink cluster from the package on PyPI, for tests and measurements."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOCUMENT = ROOT / "docs" / "flink.md"
FLINK = "apache-flink==2.3.0"


class Failure(Exception):
    """Something is not as it should be."""


def _debian(*packages: str) -> None:
    """Installs packages where the system is Debian and the user may."""
    if shutil.which("apt-get") is None:
        raise Failure(f"install what Debian calls {', '.join(packages)}")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "install", "--yes", "-qq", *packages], check=True, stdout=subprocess.DEVNULL)


def _client_python() -> str:
    """A Python 3.11 that can make virtual environments, with its headers."""
    check = """if True:
        import ensurepip, pathlib, sys, sysconfig, venv
        headers = pathlib.Path(sysconfig.get_path("include"), "Python.h")
        sys.exit(sys.version_info[:2] != (3, 11) or not headers.exists())
    """
    for again in (False, True):
        for name in ("python3.11", "python3"):
            if shutil.which(name) and subprocess.run([name, "-c", check], stderr=subprocess.DEVNULL).returncode == 0:
                return name
        if not again:
            _debian("python3", "python3-dev", "python3-venv")
    raise Failure("there is no Python 3.11 with venv and headers")


def install(folder: Path) -> Path:
    """Flink from PyPI, and a Java for it; returns the folder of its `bin`."""
    if shutil.which("java") is None:
        _debian("openjdk-17-jre-headless")
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"installing {FLINK} into {folder}", flush=True)
        subprocess.run([_client_python(), "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", FLINK, "pytest"], check=True)
        (folder / "installed").touch()
    home = subprocess.run(
        [python, "-c", "import pyflink; print(pyflink.__path__[0])"], check=True, capture_output=True, text=True
    )
    return Path(home.stdout.strip())


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]


class Cluster:
    """A session cluster: a JobManager and two TaskManagers of two slots each, on loopback. `names` is a folder that is first in their PATH."""

    def __init__(self, flink: Path, python: Path, folder: Path, names: Path | None = None):
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
            "heartbeat: {interval: 1000, timeout: 8000}\nmetrics: {fetcher: {update-interval: 500}}\n"
        )
        for name in ("log", "pid", "tmp", "lib"):
            (folder / name).mkdir()
        # PyFlink's jar beside the others. From a job's own class loader, a hundred jobs fill the memory that a TaskManager has for
        # classes, and thread mode cannot load its native library a second time.
        for jar in [*(flink / "lib").glob("*.jar"), *(flink / "opt").glob("flink-python*.jar")]:
            (folder / "lib" / jar.name).symlink_to(jar)
        self.environment = os.environ | {
            "FLINK_CONF_DIR": str(conf), "FLINK_LOG_DIR": str(folder / "log"), "FLINK_PID_DIR": str(folder / "pid"),
            "FLINK_LIB_DIR": str(folder / "lib"), "PATH": os.pathsep.join([*([str(names)] if names else []), os.environ["PATH"]]),
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

    def cancel(self, job: str) -> None:
        """Ends a job, and waits until its slots are free."""
        request = urllib.request.Request(f"http://localhost:{self.rest}/jobs/{job}?mode=cancel", method="PATCH")
        urllib.request.urlopen(request, timeout=30).close()
        self.wait("the job to end", lambda: self.get(f"/jobs/{job}")["state"] == "CANCELED")

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
            command, env=self.environment | {"PYTHONPATH": str(HERE), "TMPDIR": str(self.folder / "tmp")},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder,
        )  # fmt: skip

    def run(self, job: Path, launcher: Path, *arguments: str, options=(), seconds: float = 1200) -> str:
        """Runs a job; returns what the client printed."""
        client = self.start(job, launcher, *arguments, options=options)
        return client.communicate(timeout=seconds)[0]


def write_document(begin: str, text: str) -> None:
    """Puts a text behind a mark of the document, in place of the one that ends at `<!-- end -->`."""
    document = DOCUMENT.read_text()
    before, _, rest = document.partition(begin)
    _, end, after = rest.partition("<!-- end -->")
    DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def read_document(begin: str) -> str:
    """What stands there."""
    return DOCUMENT.read_text().partition(begin)[2].partition("<!-- end -->")[0].strip()
