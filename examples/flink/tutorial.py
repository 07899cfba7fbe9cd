"""Flink's DataStream tutorial with a Python map: two tuples, written to files as rows.

    flink run -pyexec DIR/vvpython3.11 --python tutorial.py --output /tmp/out
"""

import argparse

from pyflink.common import Encoder, Row, Types
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import FileSink


def main(output):
    environment = StreamExecutionEnvironment.get_execution_environment()
    environment.set_parallelism(1)
    rows = environment.from_collection([(1, "aaa"), (2, "bbb")], Types.ROW([Types.INT(), Types.STRING()]))
    texts = rows.map(lambda row: Row(row[0], row[1].lower()), Types.ROW([Types.INT(), Types.STRING()]))
    lines = texts.map(lambda row: f"{row[0]},{row[1]}", Types.STRING())
    lines.sink_to(FileSink.for_row_format(output, Encoder.simple_string_encoder()).build())
    environment.execute("tutorial")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", required=True)
    main(parser.parse_args().output)
