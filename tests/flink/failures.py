"""Functions that reach a limit or crash: `flink run --python failures.py KIND`."""

import sys

from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment


def memory(x):
    return len(bytearray(1 << 30)) + x


def endless(x):
    while True:
        pass


def crash_once(x):
    """Fails the first attempt of the job in a way that no handler of Python's sees."""
    import os

    if RUNTIME["attempt"] == 0 and x == 2:
        os._exit(3)
    return x


RUNTIME = {"attempt": 0}


def main(kind):
    environment = StreamExecutionEnvironment.get_execution_environment()
    environment.set_parallelism(1)
    numbers = environment.from_collection([1, 2, 3], Types.INT())
    if kind == "crash-once":
        from pyflink.datastream import MapFunction

        class Crash(MapFunction):
            def open(self, context):
                RUNTIME["attempt"] = context.get_attempt_number()

            def map(self, x):
                return crash_once(x)

        from pyflink.common import Configuration

        settings = Configuration()
        settings.set_string("execution.checkpointing.interval", "1 s")  # else nothing is collected from a second attempt
        settings.set_string("restart-strategy.type", "fixed-delay")
        settings.set_string("restart-strategy.fixed-delay.attempts", "2")
        settings.set_string("restart-strategy.fixed-delay.delay", "100 ms")
        environment.configure(settings)
        with numbers.map(Crash(), Types.INT()).execute_and_collect() as found:
            # A collection is no source that goes on where it was: rows may come again.
            print("RESULT", sorted(set(found)), flush=True)
        return
    if kind == "large":
        numbers = environment.from_collection(["x" * 100_000], Types.STRING())
    function = {"large": len, "memory": memory, "endless": endless}[kind]
    with numbers.map(function, Types.LONG()).execute_and_collect() as found:
        print("RESULT", sorted(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
