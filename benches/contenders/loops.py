"""Functions over record batches in plain Python, with pyarrow's own conversions, for the contenders that have nothing better."""

import numpy as np
import pyarrow as pa


def values(column):
    """A column as Python values: by way of NumPy where that is exact, which is three times as fast."""
    if column.null_count == 0 and (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column.to_numpy().tolist()
    return column.to_pylist()


def scalar(call, batch, kind):
    return pa.array(map(call, *map(values, batch.columns)), kind, size=batch.num_rows)


def vectorized(call, batch, kind):
    arrays = [column.to_numpy(zero_copy_only=not pa.types.is_string(column.type)) for column in batch.columns]
    return pa.array(np.asarray(call(*arrays)), kind)


def table_function(call, batch, kind):
    rows, found = [], []
    for row, arguments in enumerate(zip(*map(values, batch.columns))):
        for value in call(*arguments):
            rows.append(row)
            found.append(value)
    columns = [pa.array(rows, pa.uint32()), pa.array(found, kind)]
    return pa.StructArray.from_arrays(columns, ["row", "value"])


LOOPS = {"scalar": scalar, "vectorized": vectorized, "table": table_function}
