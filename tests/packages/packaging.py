# /// script
# dependencies = [
#     "packaging==25.0",
# ]
# ///
from packaging.requirements import Requirement
from packaging.version import Version

assert Version("1.10") > Version("1.9") and Version("2.0rc1").is_prerelease
print(Requirement("a[b]>=1,<2; python_version > '3'").specifier)
