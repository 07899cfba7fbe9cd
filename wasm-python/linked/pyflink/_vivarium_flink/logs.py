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


def _level(name):
    """As stock workers read it: a number, or a name of Python's. Flink's own names that Python has not mean what they say."""
    if name.isdecimal():
        return int(name)
    return {"OFF": logging.CRITICAL + 1, "TRACE": 1, **logging.getLevelNamesMapping()}.get(name)


def set_levels(levels):
    """Of loggers by their names; the root's name is empty."""
    for logger, name in levels.items():
        level = _level(name)
        if level is None:
            logging.getLogger(__name__).error("%r is no level for the logger %r", name, logger)
        else:
            logging.getLogger(logger).setLevel(level)


def install():
    """In place of whatever handlers there are."""
    handler = _Lines()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO)
