"""Runs pip as a resolver that runs no package's code. Reads its orders as JSON from standard input.

pip itself is trusted, what it reads is not: a wheel's metadata may ask for a source distribution, and pip would build
it. Every build starts a process, so an audit hook forbids that. (pip tries some programs for its own purposes, as
`rustc --version` for its user agent, and copes without.) Without an index the hook forbids connections too.
"""

import json
import os
import re
import resource
import sys

orders = json.load(sys.stdin)

# Ends with the program that waits for the answer (PR_SET_PDEATHSIG, SIGKILL); where that cannot be asked for, the limits do.
try:
    import ctypes

    ctypes.CDLL(None).prctl(1, 9)
except (ImportError, OSError, AttributeError):
    pass


def finish(**result):
    with open(orders["result"], "w", encoding="utf-8") as file:
        json.dump(result, file)
    sys.exit(0)


def forbid(event, _arguments):
    if event in PROCESS_EVENTS or event.startswith(("os.spawn", "os.posix_spawn", "ctypes.")):
        raise PermissionError("starting programs is not allowed while requirements are resolved")
    if not orders["network"] and event in ("socket.connect", "socket.getaddrinfo"):
        raise PermissionError("no network is used: packages come from the requirements cache directory")


PROCESS_EVENTS = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "pty.spawn", "cpython.run_command"}


def guest_environment():
    return dict(orders["markers"])


try:
    import pip
    import pip._internal.cli.main as pip_main
    import pip._internal.index.package_finder as package_finder
    import pip._internal.req.constructors as constructors
    import pip._vendor.packaging.markers as markers
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name
except ImportError as error:
    finish(status="missing" if error.name == "pip" else "unsuitable", output=str(error))

# Markers are judged for the guest, not for the Python that runs pip.
if not callable(getattr(markers, "default_environment", None)):
    finish(status="unsuitable", output="environment markers cannot be set")
markers.default_environment = guest_environment

# A dependency given as a URL would be fetched from anywhere, also from files of this machine.
original = getattr(constructors, "install_req_from_req_string", None)
if original is None:
    finish(status="unsuitable", output="dependencies cannot be checked")


def without_urls(req_string, *arguments, **keywords):
    if Requirement(req_string).url is not None:
        raise pip_main_errors().InstallationError(f"a dependency is a URL, which is not allowed: {req_string}")
    return original(req_string, *arguments, **keywords)


def pip_main_errors():
    import pip._internal.exceptions

    return pip._internal.exceptions


constructors.install_req_from_req_string = without_urls

# pip takes the highest version of all sources. So a package that the operator has in a directory would be anybody's who puts a
# higher version of that name on the index: what a directory has a wheel of, in any version and for any platform, comes from there.
directories = {os.path.realpath(directory) for directory in orders["directories"]}
local = {canonicalize_name(file.split("-")[0]) for directory in directories for file in os.listdir(directory)}
find = getattr(package_finder.PackageFinder, "find_all_candidates", None)
if find is None:
    finish(status="unsuitable", output="sources cannot be put in order")


def find_in_order(self, project_name):
    candidates = find(self, project_name)
    if canonicalize_name(project_name) not in local:
        return candidates
    return [one for one in candidates if one.link.is_file and is_local(one.link.file_path)]


def is_local(path):
    # The file itself may be a link to where it lies.
    return os.path.realpath(os.path.dirname(path)) in directories


package_finder.PackageFinder.find_all_candidates = find_in_order

for limit, value in (
    (resource.RLIMIT_FSIZE, orders["file_bytes"]),
    (resource.RLIMIT_AS, orders["memory_bytes"]),
    (resource.RLIMIT_CPU, orders["cpu_seconds"]),
):
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))

sys.addaudithook(forbid)
try:
    code = pip_main.main(orders["arguments"] + ["--log", orders["log"]])
except SystemExit as leaving:
    code = leaving.code
except MemoryError:
    finish(status="out_of_memory")
if code in (0, None):
    finish(status="done")

# pip reports this like any other exception, in its log.
with open(orders["log"], encoding="utf-8", errors="replace") as log:
    if any(re.match(r"\S+ +MemoryError\b", line) for line in log):
        finish(status="out_of_memory")

# Which links pip passed over, and why, stands only in its log.
missing = None
available = []
searched, found_files = set(), set()
native, source = set(), set()
dependencies = {}
with open(orders["log"], encoding="utf-8", errors="replace") as log:
    for line in log:
        if found := re.search(r"satisfies the requirement (.+) \(from versions: (.*)\)", line):
            missing = found[1]
            available = [] if found[2] == "none" else found[2].split(", ")
        elif found := re.search(r"location\(s\) to search for versions of (\S+):", line):
            searched.add(canonicalize_name(found[1]))
        elif found := re.search(r" \S+ \S+ depends on ([^;]+)", line):
            try:
                wanted = Requirement(found[1].strip())
            except Exception:
                continue
            dependencies.setdefault(canonicalize_name(wanted.name), []).append(wanted.specifier)
        elif found := re.search(r"Found link \S*/([^/#,\s]+)", line):
            found_files.add(found[1])
        elif found := re.search(r"Skipping link: (.*?): \S*/([^/#\s]+)(?:[#\s]|$)", line):
            if "none of the wheel's tags" in found[1]:
                native.add(found[2])
            elif "No sources permitted" in found[1]:
                source.add(found[2])

WHEEL = r"([^-]+)-([^-]+)-.*\.whl$"
SOURCE = r"(.+)-([^-]+?)(?:\.tar\.\w+|\.tgz|\.zip)$"


def versions(files, pattern, project):
    for file in files:
        found = re.match(pattern, file)
        if found and canonicalize_name(found[1]) == project:
            yield found[2]


def matches(specifier, candidates):
    for version in candidates:
        try:
            if specifier.contains(version, prereleases=True):
                return True
        except Exception:
            continue
    return False


def reason(project, specifier):
    if matches(specifier, versions(native, WHEEL, project)):
        return "native"
    if matches(specifier, versions(source, SOURCE, project)):
        return "source"
    known = available or any(versions(native, WHEEL, project)) or any(versions(source, SOURCE, project))
    return "version" if known else "package"


if missing is None:
    # A dependency of which no version that is wanted has a wheel makes pip try all versions of what needs it, and then
    # speak of a conflict.
    hopeless = []
    for project in sorted(searched):
        wanted = dependencies.get(project, [Requirement("any").specifier])
        if not any(matches(specifier, versions(found_files, WHEEL, project)) for specifier in wanted):
            hopeless.append({"name": project, "reason": reason(project, wanted[0])})
    finish(status="failed", hopeless=hopeless)

name_and_specifier = re.split(r" \(from | ;|;", missing)[0].strip()
try:
    requirement = Requirement(name_and_specifier)
except Exception:
    finish(status="failed", hopeless=[])
project = canonicalize_name(requirement.name)
finish(
    status="unsatisfied",
    requirement=name_and_specifier,
    name=project,
    reason=reason(project, requirement.specifier),
    available=available,
)
