"""Gets the pinned inputs into the download cache.

Nothing here names a registry's host: wheels and the sdist come through pip and its own configuration, crates through
cargo, the Debian source package through the archive that apt-get is already configured with. python.org is the one
address, for the CPython tarball, whose identical twin is in Debian. Every file is checked against its pin before it
is used, also when it comes from the cache.
"""

import re
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from . import pins
from .images import SOURCES
from .pins import Pin
from .steps import Build, BuildError, CommandFailed, Scope, Step, hash_file

CRATES = Step(
    "crates",
    "get the sources of C libraries",
    lambda build: _vendor_crates(build),
    # Not this file: however the inputs are got, the pins say what they are.
    files=("sources",),
)


def cached(build: Build, pin: Pin) -> Path:
    """The path of a pinned file in the download cache, where its name is its hash. It is got first when it is not there."""
    if not _is_cached(build, pin):
        if pin == build.image.python.source:
            _fetch_cpython(build)
        elif pin == build.image.python.debian_patches:
            _fetch_debian_patches(build)
        elif pin.file.endswith(".whl"):
            ensure_wheels(build, [pin])
        else:
            _fetch_sdist(build, pin)
    return _place(build, pin)


def crate(build: Build, name: str) -> Path:
    """The source folder of a crate of sources/crates.toml."""
    return build.folder(CRATES.name) / name


def downloads(wanted: list[Pin]) -> Step:
    """Gets everything that will be needed, before anything is compiled."""

    def run(build: Build) -> None:
        ensure_wheels(build, [pin for pin in wanted if pin.file.endswith(".whl")])
        for pin in wanted:
            cached(build, pin)

    return Step("fetch", "get the pinned sources and tools", run, scope=Scope.IMAGE, values=Step.pins(*wanted))


def ensure_wheels(build: Build, wheels: list[Pin]) -> None:
    """Gets those of the wheels that are not in the cache."""
    missing = [pin for pin in wheels if not _is_cached(build, pin)]
    if missing:
        _fetch_wheels(build, missing)


def _place(build: Build, pin: Pin) -> Path:
    return build.cache / pin.sha256 / pin.file


def _is_cached(build: Build, pin: Pin) -> bool:
    path = _place(build, pin)
    return path.is_file() and hash_file(path) == pin.sha256


def _keep(build: Build, found: Path, pin: Pin) -> None:
    """Moves a downloaded file into the cache, when it is the pinned one."""
    actual = hash_file(found)
    if actual != pin.sha256:
        raise BuildError(f"{pin.file} has sha256 {actual} instead of {pin.sha256}: not the file that was pinned")
    target = _place(build, pin)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    shutil.copyfile(found, partial)
    partial.replace(target)


def _fetch_cpython(build: Build) -> None:
    pin = build.image.python.source
    problems = []
    for source in (_cpython_from_python_org, _cpython_from_debian):
        with tempfile.TemporaryDirectory(dir=build.work) as folder:
            try:
                _keep(build, source(build, Path(folder)), pin)
                return
            except (BuildError, OSError) as error:
                build.log(f"{source.__name__}: {error}")
                problems.append(str(error))
    raise BuildError(
        f"cannot get {pin.file} (sha256 {pin.sha256}): {'; '.join(problems)}. "
        f"Put the file at {_place(build, pin)} by hand, or connect this machine to python.org or a Debian archive."
    )


def _fetch_debian_patches(build: Build) -> None:
    pin = build.image.python.debian_patches
    with tempfile.TemporaryDirectory(dir=build.work) as folder:
        try:
            _keep(build, _cpython_from_debian(build, Path(folder)).with_name(pin.file), pin)
        except (BuildError, OSError) as error:
            raise BuildError(
                f"cannot get {pin.file} (sha256 {pin.sha256}): {error}. Debian replaces it with every correction: put the file at "
                f"{_place(build, pin)} by hand, or pin the newer one in {build.image.python.folder}/python.toml."
            ) from error


def _cpython_from_python_org(build: Build, folder: Path) -> Path:
    python = build.image.python
    target = folder / python.source.file
    url = f"https://www.python.org/ftp/python/{python.version}/{python.source.file}"
    build.log(f"downloading {url}")
    try:
        with urllib.request.urlopen(url, timeout=20) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (urllib.error.URLError, TimeoutError) as error:
        raise BuildError(f"python.org: {error}") from error
    return target


def _cpython_from_debian(build: Build, folder: Path) -> Path:
    """The same tarball out of Debian's source package, with private lists: the system's configuration is only read."""
    debian = build.image.python.debian
    for part in ("lists/partial", "cache/archives/partial", "sources", "download"):
        (folder / part).mkdir(parents=True)
    (folder / "sources" / "source.sources").write_text(
        f"Types: deb-src\nURIs: {_debian_archive()}\nSuites: {debian['suite']}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    options = []
    for name, value in {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": folder / "sources",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",  # apt's own user cannot write below the user's cache folder
    }.items():
        options += ["-o", f"{name}={value}"]
    build.command("apt-get", *options, "update", cwd=folder)
    build.command("apt-get", *options, "source", "--download-only", debian["source"], cwd=folder / "download")
    return folder / "download" / debian["file"]


def _debian_archive() -> str:
    """The address of the Debian archive that this machine uses."""
    for file in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for block in file.read_text().split("\n\n"):
            if "debian-archive-keyring" in block and (match := re.search(r"^URIs:\s*(\S+)", block, re.MULTILINE)):
                return match[1]
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.list"))]
    for file in filter(Path.is_file, lists):
        if match := re.search(r"^deb(?:-src)?\s+(?:\[[^]]*\]\s+)?(\S+/debian/?)\s", file.read_text(), re.MULTILINE):
            return match[1]
    raise BuildError("apt-get is not configured with a Debian archive")


def _bundled_pip(build: Build) -> Path:
    """pip's wheel out of CPython's tarball: a bare Debian python3 has no pip of its own."""
    folder = build.work / "pip"
    folder.mkdir(exist_ok=True)
    with tarfile.open(cached(build, build.image.python.source)) as tarball:
        member = next(m for m in tarball if re.search(r"/ensurepip/_bundled/pip-[^/]*\.whl$", m.name))
        wheel = folder / Path(member.name).name
        wheel.write_bytes(tarball.extractfile(member).read())
    return wheel / "pip"


def _fetch_wheels(build: Build, missing: list[Pin]) -> None:
    with tempfile.TemporaryDirectory(dir=build.work) as name:
        folder = Path(name)
        requirements = folder / "requirements.txt"
        requirements.write_text("".join(f"{pin.requirement} --hash=sha256:{pin.sha256}\n" for pin in missing))
        python = build.image.python
        build.command(
            sys.executable, _bundled_pip(build), "download", "--no-deps", "--only-binary=:all:", "--require-hashes",
            f"--python-version={python.series}", "--implementation=cp", f"--abi={python.tag}", "--abi=abi3", "--abi=none",
            *(f"--platform={platform}" for platform in _PLATFORMS), "--dest", folder, "--requirement", requirements,
        )  # fmt: skip
        for pin in missing:
            _keep(build, folder / pin.file, pin)


_PLATFORMS = (
    "manylinux_2_28_x86_64", "manylinux_2_24_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64",
    "manylinux_2_12_x86_64", "manylinux2010_x86_64", "any",
)  # fmt: skip


def _fetch_sdist(build: Build, pin: Pin) -> None:
    """A source distribution that is built with meson-python. pip insists on asking the build backend for metadata, which for
    numpy means eight minutes of configuring; a backend that only repeats name and version is put in its place."""
    project, _, version = pin.requirement.partition("==")
    with tempfile.TemporaryDirectory(dir=build.work) as name:
        folder = Path(name)
        (folder / "mesonpy.py").write_text(_METADATA_ONLY_BACKEND.format(project=project, version=version))
        requirements = folder / "requirements.txt"
        requirements.write_text(f"{pin.requirement} --hash=sha256:{pin.sha256}\n")
        build.command(
            sys.executable, _bundled_pip(build), "download", "--no-deps", f"--no-binary={project}", "--no-build-isolation",
            "--require-hashes", "--dest", folder, "--requirement", requirements, env={"PYTHONPATH": str(folder)},
        )  # fmt: skip
        _keep(build, folder / pin.file, pin)


_METADATA_ONLY_BACKEND = '''\
from pathlib import Path

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    folder = Path(directory, "{project}-{version}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\\nName: {project}\\nVersion: {version}\\n")
    return folder.name
'''


def _vendor_crates(build: Build) -> None:
    vendor(build, SOURCES / "sources", pins.CRATES, build.folder(CRATES.name))


def vendor(build: Build, manifest: Path, crates: dict[str, str], target: Path) -> None:
    """Unpacks crates with C sources, by the names of crates and libraries, into folders of `target`; cargo checks them against the
    Cargo.lock in the folder `manifest`."""
    vendored, package = target / "vendored", target / "package"
    package.mkdir()
    for name in ("crates.toml", "Cargo.lock", "nothing.rs"):
        shutil.copyfile(manifest / name, package / name)
    # Under cargo's own name it would be a package of its own, which the published crate that embeds this folder would leave out.
    (package / "crates.toml").rename(package / "Cargo.toml")
    try:
        build.command("cargo", "vendor", "--locked", "--manifest-path", package / "Cargo.toml", vendored)
    except CommandFailed as error:
        raise BuildError(f"cannot get the C sources of {', '.join(crates.values())}: {error}") from error
    for name in crates:
        (vendored / name).rename(target / name)
    shutil.rmtree(vendored)
    shutil.rmtree(package)
