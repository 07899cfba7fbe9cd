# /// script
# dependencies = [
#     "hypothesis==6.131.15",
# ]
# ///
from hypothesis import given, settings, strategies as st

settings.register_profile("sandbox", database=None, max_examples=50, deadline=None)
settings.load_profile("sandbox")
seen = []

@given(st.lists(st.integers()))
def sorting_twice_changes_nothing(values):
    seen.append(len(values))
    assert sorted(sorted(values)) == sorted(values)

@given(st.integers())
def small(value):
    assert value < 1000

sorting_twice_changes_nothing()
assert len(seen) >= 50
try:
    small()
except AssertionError as error:
    print(error.__notes__[0].splitlines()[1].strip())  # the smallest that fails
else:
    raise SystemExit("no number of 1000 or more was tried")
