# /// script
# dependencies = [
#     "pytest==8.3.5",
# ]
# ///
import pathlib

import pytest

pathlib.Path("test_it.py").write_text(
    "import pytest\n"
    "@pytest.fixture\ndef three():\n    return 3\n"
    "@pytest.mark.parametrize('x', [1, 2])\ndef test_sum(three, x):\n    assert three + x == 4, 'as expected'\n"
)
status = pytest.main(["-q", "--capture=sys", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:logging", "test_it.py"])
assert status == pytest.ExitCode.TESTS_FAILED

