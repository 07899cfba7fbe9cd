"""Runs a function of the native guest with columns and without, and compares everything that the host gets to see."""

import collections
import os
import re
import struct

import native_guest
import pyarrow as pa

from column_programs import PRELUDE

counts = collections.Counter()


def bits(array):
    """What has to be the same: values to the last bit, apart from the payloads of NaNs."""

    def of(v):
        if isinstance(v, dict):
            return [(name, of(item)) for name, item in v.items()]
        return ("nan" if v != v else struct.pack("<d", v)) if isinstance(v, float) else (type(v), v)

    if pa.types.is_temporal(array.type):  # not all of them are objects of Python's
        array = array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())
    return [of(v) for v in array.to_pylist()]


def groups_of(pattern):
    return re.compile(pattern).groups


def run(name, columns, mode, on_error="null", cut=None):
    """(results, errors with rows, the function of the shim after that, its Candidate)"""
    from vivarium import _runtime

    guest = native_guest.guest()
    before = os.environ.get("VIVARIUM_COLUMNS", "")
    os.environ["VIVARIUM_COLUMNS"] = mode
    handle = None
    try:
        handle, spelled = guest.bind(name, [column.type for column in columns], on_error)
        rows = len(columns[0])
        results, errors = [], []
        for start in range(0, rows, cut or rows):
            part = [column.slice(start, cut) if cut else column for column in columns]
            try:
                array, reply = guest.invoke(handle, part, native_guest.pa_type(spelled))
            except native_guest.GuestError as error:
                errors.append((start, error.error))
                continue
            results += bits(array)
            errors += [(start + row,) for row in reply.get("rows", [])]
            errors += [(start + error.pop("row"), str(error)) for error in reply.get("row_errors", [])]
        bound = _runtime._bound[handle]
        return results, sorted(errors, key=str), bound.function, bound.columns
    finally:
        os.environ["VIVARIUM_COLUMNS"] = before
        if handle is not None:
            guest.control(op="drop", handle=handle)


def arrays(function, columns):
    return [pa.array(values, native_guest.pa_type(type)) for type, values in zip(function.types, columns)]


def compare(function, columns, cuts=(None, 7)):
    """Differences of a Function of column_programs with and without columns, as text; None: there is none."""
    loaded = native_guest.guest().load(PRELUDE + function.source, f"{function.name}.py")
    assert loaded["problems"] == [], loaded["problems"]
    columns = arrays(function, columns)
    for mode, cut in [*(("force", cut) for cut in reversed(cuts)), ("shadow", None)]:
        if mode == "force":
            expected = run(function.name, columns, "off", cut=cut)[:2]
        *found, shim, candidate = run(function.name, columns, mode, cut=cut)
        if mode == "force" and cut is None:
            counts["functions"] += 1
            counts["rows as columns"] += shim.rows_as_columns
            counts["rows interpreted"] += shim.rows_interpreted
            counts["lifted"] += candidate.why is None
            if candidate.why is not None:
                if candidate.why.startswith("the lifter failed"):
                    return candidate.why
                counts[candidate.why] += 1
        if found[0] != expected[0]:
            rows = [row for row, (a, b) in enumerate(zip(expected[0], found[0])) if a != b]
            values = [str(column[rows[0]]) for column in columns] if rows else None
            first = (expected[0][rows[0]], found[0][rows[0]]) if rows else None
            return f"{mode}, batches of {cut}: {len(rows)} rows, the first {rows[:1]} of {values}: {first}"
        if found[1] != expected[1]:
            return f"{mode}, batches of {cut}: errors {[pair for pair in zip(expected[1], found[1]) if pair[0] != pair[1]][:1]}"
    return None


def summary():
    return dict(counts.most_common())
