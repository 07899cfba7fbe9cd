"""Levels of loggers are those that the job's configuration names."""

import logging

from _vivarium_flink import logs


def test_levels_have_the_names_that_flink_documents():
    names = ("OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")
    logs.set_levels({f"levels.{name}": name for name in names})
    found = [logging.getLogger(f"levels.{name}").level for name in names]
    assert found == sorted(found, reverse=True) and len(set(found)) == len(names)
    assert found[0] > logging.CRITICAL and found[3] == logging.INFO


def test_an_unknown_level_changes_nothing_and_is_reported(caplog):
    logger = logging.getLogger("levels.kept")
    logger.setLevel("DEBUG")
    logs.set_levels({"levels.kept": "LOUD"})
    assert logger.level == logging.DEBUG
    assert caplog.messages == ["'LOUD' is no level for the logger 'levels.kept'"]


def test_numbers_and_the_root_logger():
    before = logging.root.level
    try:
        logs.set_levels({"": "35", "levels.number": "15"})
        assert (logging.root.level, logging.getLogger("levels.number").level) == (35, 15)
    finally:
        logging.root.setLevel(before)
