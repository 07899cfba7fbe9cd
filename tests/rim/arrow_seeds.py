"""Writes valid Parquet files, Arrow files and streams into a folder, for seeds.py: run by a Python with pyarrow.

The same rows in many encodings. Column `a` holds integers and NULLs; no two tables have the same number of rows.
"""

import datetime
import decimal
import importlib.util
import json
import sys
import types
from pathlib import Path

# pyarrow asks for certificates when it is imported; the CPython of the guest's build has no TLS, and nothing here needs any.
if importlib.util.find_spec("_ssl") is None:
    paths = types.SimpleNamespace(cafile=None, capath=None)
    sys.modules["ssl"] = types.SimpleNamespace(get_default_verify_paths=lambda: paths)

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

BEGIN = datetime.datetime(2024, 1, 1)


def columns(rows: int) -> dict:
    def every(n, value):
        return [None if i % n == n - 1 else value(i) for i in range(rows)]

    words = ["north", "south", "", "ünï", "a longer text, with a comma", 'quo"te']
    return {
        "a": pa.array(every(7, lambda i: i * 3 - 100), pa.int64()),
        "i": pa.array([i % 1000 for i in range(rows)], pa.int32()),
        "f": pa.array(every(11, lambda i: i / 8), pa.float64()),
        "b": pa.array(every(5, lambda i: i % 3 == 0), pa.bool_()),
        "s": pa.array(every(9, lambda i: words[i % 6]), pa.string()),
        "d": pa.array(every(13, lambda i: decimal.Decimal(i) / 100), pa.decimal128(12, 2)),
        "t": pa.array(every(6, lambda i: BEGIN + datetime.timedelta(minutes=i)), pa.timestamp("us")),
        "day": pa.array([(BEGIN + datetime.timedelta(days=i)).date() for i in range(rows)], pa.date32()),
        "l": pa.array(every(4, lambda i: [i, None, i + 1][: i % 4]), pa.list_(pa.int64())),
        "st": pa.array(every(8, lambda i: {"x": i, "y": words[i % 6]}), pa.struct([("x", pa.int32()), ("y", pa.string())])),
        "k": pa.array(every(10, lambda i: words[i % 4]), pa.string()).dictionary_encode(),
        "bin": pa.array(every(3, lambda i: bytes([i % 256]) * (i % 5)), pa.binary()),
    }


def table(rows: int, names: str = "") -> pa.Table:
    all_columns = columns(rows)
    return pa.table({name: all_columns[name] for name in (names.split() or all_columns)})


PLAIN = "a i f b s d t day"
PARQUET = {
    "everything": ("", {"compression": "snappy"}),
    "none": ("", {"compression": "none", "data_page_size": 256, "write_batch_size": 32}),
    "zstd": ("", {"compression": "zstd", "data_page_version": "2.0", "data_page_size": 256, "write_batch_size": 32}),
    "gzip": (PLAIN, {"compression": "gzip", "write_statistics": False}),
    "lz4": (PLAIN, {"compression": "lz4", "use_dictionary": False}),
    "brotli": (PLAIN, {"compression": "brotli", "write_page_index": True}),
    "plain": (PLAIN, {"compression": "none", "use_dictionary": False, "write_statistics": False}),
    "index": (PLAIN, {"compression": "none", "write_page_index": True, "data_page_size": 256, "write_batch_size": 16}),
    "checksums": ("a s l", {"compression": "snappy", "write_page_checksum": True}),
    "int96": ("a t", {"compression": "none", "use_deprecated_int96_timestamps": True}),
    "nested": ("a l st", {"compression": "none", "data_page_version": "2.0", "use_dictionary": False}),
    "delta": (
        "a i f s bin",
        {
            "compression": "none", "use_dictionary": False,
            "column_encoding": {
                "a": "DELTA_BINARY_PACKED", "i": "DELTA_BINARY_PACKED", "f": "BYTE_STREAM_SPLIT", "s": "DELTA_BYTE_ARRAY",
                "bin": "DELTA_LENGTH_BYTE_ARRAY",
            },
        },
    ),
}  # fmt: skip
IPC = {
    "everything": ("", {}),
    "lz4": ("", {"compression": "lz4"}),
    "zstd": ("", {"compression": "zstd"}),
    "flat": (PLAIN, {}),
    "integers": ("a", {}),
    "dictionary": ("a k", {}),
    "dictionary-lz4": ("a k s", {"compression": "lz4"}),
    "nested": ("a l st", {}),
}


def main(folder: Path) -> None:
    rows, manifest = 200, {}
    for name, (names, options) in PARQUET.items():
        rows += 1
        manifest[f"{name}.parquet"] = rows
        pq.write_table(table(rows, names), folder / f"{name}.parquet", row_group_size=90, **options)
    for kind, writer in [("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)]:
        for name, (names, options) in IPC.items():
            rows += 1
            manifest[f"{name}-{kind}.arrow"] = rows
            content = table(rows, names)
            with writer(folder / f"{name}-{kind}.arrow", content.schema, options=pa.ipc.IpcWriteOptions(**options)) as sink:
                sink.write_table(content, max_chunksize=60)
    (folder / "manifest.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
