"""PyFlink's features, a job each; docs/flink.md's table is made of their names. What is here runs on the client only."""

from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import EnvironmentSettings, StreamTableEnvironment

FEATURES = {}
"""Jobs by the name of what they show. Each returns something that JSON can say, the same on every run."""


def feature(name):
    def register(job):
        FEATURES[name] = job
        return job

    return register


def tables():
    return StreamTableEnvironment.create(streams(), EnvironmentSettings.in_streaming_mode())


def streams():
    environment = StreamExecutionEnvironment.get_execution_environment()
    environment.set_parallelism(1)
    return environment


def rows(table):
    """What a table holds, in an order that does not change from run to run."""
    with table.execute().collect() as found:
        return sorted(repr((row.get_row_kind().name, list(row))) for row in found)


def final(table):
    """What is left of a table that changes: its changes taken together."""
    left = {}
    with table.execute().collect() as found:
        for row in found:
            key = repr(list(row))
            left[key] = left.get(key, 0) + (1 if row.get_row_kind().name in ("INSERT", "UPDATE_AFTER") else -1)
    return sorted(key for key, count in left.items() for _ in range(count))


def values(stream):
    with stream.execute_and_collect() as found:
        return sorted(map(repr, found))


def pairs(environment, items=None):
    items = items or [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("b", 5), ("a", 6)]
    return environment.from_collection(items, Types.TUPLE([Types.STRING(), Types.INT()]))


def folder():
    """A new folder for what a job ships or reads."""
    import tempfile
    from pathlib import Path

    return Path(tempfile.mkdtemp(prefix="vivarium-flink-job-"))
