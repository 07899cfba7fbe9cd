"""Writes pure Python wheels and the requirements that name them: an environment of many packages, without a network.

    python3 packages.py FOLDER COUNT

Each package has a few modules of functions and classes, as small packages have, and imports the one before it.
"""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

MODULES = 5
FUNCTIONS = 30


def module(package, number):
    lines = ["import dataclasses", "import re", ""]
    for function in range(FUNCTIONS):
        lines += [f"def part_{function}(text, limit={function}):", f'    """Part {function}."""', "    found = re.findall(r'[a-z]+', text)", "    return found[:limit]", ""]
    lines += ["@dataclasses.dataclass", f"class Record{number}:", "    name: str", "    count: int = 0", ""]
    return "\n".join(lines)


def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def wheel(folder, name, needs):
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + "".join(f"Requires-Dist: {need}\n" for need in needs)
    files = {f"{name}/part{number}.py": module(name, number) for number in range(MODULES)}
    imports = [f"from . import part{number}" for number in range(MODULES)] + [f"import {need}" for need in needs]
    files[f"{name}/__init__.py"] = "\n".join([*imports, "value = 1", ""])
    files[f"{info}/METADATA"] = metadata
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: packages\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        record = "".join(f"{path},sha256={digest(text)},{len(text)}\n" for path, text in files.items()) + f"{info}/RECORD,,\n"
        archive.writestr(f"{info}/RECORD", record)


def main():
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"measured_{number}" for number in range(count)]
    for before, name in zip([None, *names], names):
        wheel(folder, name, [before] if before else [])
    (folder / "requirements.txt").write_text("".join(f"{name}==1.0\n" for name in names))
    (folder / "uses.py").write_text(f"import {names[-1]}\n\ndef add_one(x: int) -> int:\n    return x + {names[-1]}.value\n")


main()
