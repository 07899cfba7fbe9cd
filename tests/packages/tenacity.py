# /// script
# dependencies = [
#     "tenacity==9.1.2",
# ]
# ///
from tenacity import retry, stop_after_attempt, wait_none

attempts = []

@retry(stop=stop_after_attempt(3), wait=wait_none())
def flaky():
    attempts.append(1)
    if len(attempts) < 3:
        raise OSError
    return "done"

print(flaky(), len(attempts))
