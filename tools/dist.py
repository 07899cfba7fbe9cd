#!/usr/bin/env python3
"""Packs a program and its base image as a tarball that runs on a bare Debian 12: no Rust, no compiler, no network.

    tools/dist.py --program target/release/wasm-run --data target/example-data --output target/dist

    vivarium-VERSION-x86_64-linux/bin/wasm-run
                                 /share/vivarium/images/base-KEY/    copied into the user's cache at the first use, with its machine code
                                 /share/vivarium/examples/           the demo's function and data, and queries
                                 /share/doc/vivarium/                README, documents, LICENSE, NOTICE, licenses/
                                 /SHA256SUMS

The image has its machine code with it, which is trusted as the program itself is. It is for the kind of processor of the machine that packs it;
on another one the first use compiles the image.

The same inputs, on the same kind of processor, give the same bytes: names are sorted; owners, modes and times are fixed (SOURCE_DATE_EPOCH, else
the last commit's).
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ("examples/pricing.py", "examples/sql")
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "NOTICE", "docs")
LICENSE_NAMES = ("license", "licence", "copying", "copyright", "notice", "unlicense")


def main() -> int:
    """Makes the tarball and its checksum; prints both paths."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--program", type=Path, required=True, help="wasm-run, built with all features")
    parser.add_argument("--data", type=Path, required=True, help="folder with the demo's tables")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tarball")
    parser.add_argument("--level", type=int, default=9, help="of compression: 1 takes a tenth of 9's time")
    arguments = parser.parse_args()
    program = arguments.program.resolve()
    version = _run(program, "--version").split()[1]
    name = f"vivarium-{version}-{os.uname().machine}-linux"
    info = json.loads(_run(program, "guest", "info", "--json"))

    files: dict[str, bytes] = {"bin/wasm-run": _stripped(program, arguments.output)}
    image, source = f"share/vivarium/images/{Path(info['directory']).name}", Path(info["directory"])
    # Neither a name nor a time is in it.
    files[f"{image}/guest.wasm.gz"] = (source / "guest.wasm.gz").read_bytes()
    files[f"{image}/manifest.json"] = _manifest(source / "manifest.json")
    files |= {f"{image}/compiled/{name}": content for name, content in _machine_code(program, source).items()}
    for example in EXAMPLES:
        files |= _tree(ROOT / example, f"share/vivarium/{example}")
    for table in ("lineitem", "orders"):
        files[f"share/vivarium/examples/data/{table}.parquet"] = (arguments.data / f"{table}.parquet").read_bytes()
    for document in DOCUMENTS:
        files |= _tree(ROOT / document, f"share/doc/vivarium/{document}")
    files |= {f"share/doc/vivarium/licenses/{path}": text for path, text in _licenses(source).items()}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in sorted(files.items()))
    files["SHA256SUMS"] = sums.encode()

    arguments.output.mkdir(parents=True, exist_ok=True)
    tarball = arguments.output / f"{name}.tar.gz"
    tarball.write_bytes(_packed(name, files, _epoch(), arguments.level))
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    checksum = tarball.with_name(f"{tarball.name}.sha256")
    checksum.write_text(f"{digest}  {tarball.name}\n")
    print(f"{tarball} ({tarball.stat().st_size / 1e6:.0f} MB)\n{checksum}")
    return 0


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def _epoch() -> int:
    return int(os.environ.get("SOURCE_DATE_EPOCH") or _run("git", "log", "-1", "--format=%ct", cwd=ROOT))


def _stripped(program: Path, folder: Path) -> bytes:
    """The program without symbols and line tables."""
    folder.mkdir(parents=True, exist_ok=True)
    stripped = folder / ".wasm-run.stripped"
    subprocess.run(["strip", "-o", stripped, program], check=True)
    content = stripped.read_bytes()
    stripped.unlink()
    return content


def _manifest(path: Path) -> bytes:
    """Without what is only true where it was built."""
    manifest = json.loads(path.read_text()) | {"native_python": "", "seconds": {}}
    return (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()


def _machine_code(program: Path, image: Path) -> dict[str, bytes]:
    """What this program runs of the image's machine code. Beside it there may be some of other versions, and of other settings."""
    with tempfile.TemporaryDirectory(prefix="dist-", dir=image.parents[1]) as cache:
        copy = Path(cache) / "images" / image.name
        shutil.copytree(image, copy)
        subprocess.run([program, "exec", "-c", "pass"], check=True, env=os.environ | {"VIVARIUM_CACHE_DIR": cache})
        # A copy that is used has been recorded anew.
        records = {path: path.read_bytes() for path in (copy / "compiled").glob("*.json")}
        used = [path for path, text in records.items() if not _is_file_with(image / "compiled" / path.name, text)]
        files = {}
        for path in used:
            # Hashes stay. What tells that a file has not been touched since is only true where it lies.
            record = {part: entry | {"inode": [0, 0], "changed": [0, 0]} for part, entry in json.loads(records[path]).items()}
            files[path.name] = json.dumps(record).encode()
            files[f"{path.stem}.cwasm"] = path.with_suffix(".cwasm").read_bytes()
    return files


def _is_file_with(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _tree(source: Path, target: str) -> dict[str, bytes]:
    """A file, or the files of a folder that git knows."""
    if source.is_file():
        return {target: source.read_bytes()}
    names = _run("git", "ls-files", "-z", "--", str(source), cwd=ROOT).split("\0")
    paths = [ROOT / name for name in names if name]
    return {f"{target}/{path.relative_to(source)}": path.read_bytes() for path in paths}


def _licenses(image: Path) -> dict[str, bytes]:
    """Texts of the licences of what is linked into the image and into the program."""
    texts = {}
    work = image.parents[1] / "work"
    python = work / ".".join(json.loads((image / "manifest.json").read_text())["python"].split(".")[:2])
    zig = work / "toolchain" / "ziglang"
    parts = {
        "cpython": [python / "cpython-source" / "LICENSE", python / "cpython-source" / "Doc" / "license.rst"],
        "numpy": [python / "numpy-source" / "LICENSE.txt", python / "numpy-source" / "LICENSES_bundled.txt"],
        "bzip2": sorted((work / "crates" / "bzip2-sys").glob("bzip2-*/LICENSE")),
        "xz": [work / "crates" / "liblzma-sys" / "xz" / "COPYING", work / "crates" / "liblzma-sys" / "xz" / "COPYING.0BSD"],
        "zlib": [work / "crates" / "libz-sys" / "src" / "zlib" / "LICENSE"],
        "zig": [zig / "LICENSE"],
        "wasi-libc": sorted((zig / "lib" / "libc" / "wasi").glob("LICENSE*")),
        "cloudlibc": [zig / "lib" / "libc" / "wasi" / "libc-bottom-half" / "cloudlibc" / "LICENSE"],
        "musl": [zig / "lib" / "libc" / "musl" / "COPYRIGHT"],
        "libcxx": [zig / "lib" / "libcxx" / "LICENSE.TXT"],
        "libcxxabi": [zig / "lib" / "libcxxabi" / "LICENSE.TXT"],
    }
    for part, paths in parts.items():
        found = [path for path in paths if path.is_file()]
        if not found:
            sys.exit(f"error: no licence of {part} below {work}: the tarball is made where the image was built")
        texts |= {f"image/{part}/{path.name}": path.read_bytes() for path in found}
    random = python / "numpy-source" / "numpy"
    for path in sorted([*random.rglob("LICENSE*"), *random.rglob("LICENCE*")]):
        texts[f"image/numpy/{path.relative_to(random)}"] = path.read_bytes()
    return texts | _crate_licenses()


def _crate_licenses() -> dict[str, bytes]:
    """Of the crates that the program is linked from; those without a text of their own are named with their licence."""
    command = ["cargo", "metadata", "--format-version=1", f"--filter-platform={os.uname().machine}-unknown-linux-gnu"]
    metadata = json.loads(_run(*command, cwd=ROOT))
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    waiting = [package["id"] for package in packages.values() if package["name"] == "wasm-run"]
    linked = set()
    while waiting:
        if (package := waiting.pop()) not in linked:
            linked.add(package)
            for dependency in nodes[package]["deps"]:
                if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                    waiting.append(dependency["pkg"])
    texts, lines = {}, []
    for package in sorted((packages[identity] for identity in linked), key=lambda package: (package["name"], package["version"])):
        if package["source"] is None:
            continue
        title, folder = f"{package['name']}-{package['version']}", Path(package["manifest_path"]).parent
        lines.append(f"{title}: {package['license']}; {', '.join(package['authors']) or 'its contributors'}\n")
        for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):  # C code in a crate has its own
            if path.is_file() and path.name.lower().startswith(LICENSE_NAMES) and path.suffix != ".rs":
                texts[f"crates/{title}/{path.relative_to(folder)}"] = path.read_bytes()
    return texts | {"crates/crates.txt": "".join(lines).encode()}


def _packed(name: str, files: dict[str, bytes], epoch: int, level: int = 9) -> bytes:
    buffer = io.BytesIO()
    folders = {f"{name}/{parent}" for path in files for parent in map(str, Path(path).parents)}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted({folder.removesuffix("/.") for folder in folders} | {f"{name}/{path}" for path in files}):
            content = files.get(path.removeprefix(f"{name}/"))
            entry = tarfile.TarInfo(path)
            entry.mtime, entry.uname, entry.gname = epoch, "root", "root"
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                entry.size, entry.mode = len(content), 0o755 if "/bin/" in path else 0o644
                tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), level, mtime=0)


if __name__ == "__main__":
    if shutil.which("strip") is None:
        sys.exit("error: strip is missing: apt-get install binutils")
    sys.exit(main())
