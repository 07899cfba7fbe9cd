import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent / "python")]


@pytest.fixture(scope="session")
def guest():
    import native_guest

    return native_guest.guest()


@pytest.fixture
def error(guest):
    """Calls a function that must fail: the error as the host gets it."""
    import native_guest

    def failed(*arguments, **options):
        with pytest.raises(native_guest.GuestError) as caught:
            guest.call(*arguments, **options)
        return caught.value.error

    return failed
