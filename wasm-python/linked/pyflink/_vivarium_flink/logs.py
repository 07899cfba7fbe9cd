"""Log records of functions, as lines that reach the TaskManager's log: what is printed to stdout at INFO, to stderr at WARN."""

import logging
import sys


class _Lines(logging.Handler):
    def emit(self, record):
        try:
            stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
            stream.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)


def install():
    """In place of whatever handlers there are."""
    handler = _Lines()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO)
