"""Runs features: `flink run --python features.py FEATURE ...`, all when none is named; prints one JSON object a feature.

The same jobs run on stock workers and in sandboxes: what they print has to be equal. `PYTHONPATH` of the client leads to `jobs`.
"""

import json
import sys
import traceback

import cloudpickle
import jobs
from jobs import scalars, aggregates, datastream, state, windows, shipped  # noqa: F401, I001  register their features, in the document's order


def main(names):
    # Workers do not have these files: functions travel whole, as they do from a script.
    cloudpickle.register_pickle_by_value(jobs)
    for name in names or jobs.FEATURES:
        try:
            result = {"feature": name, "result": jobs.FEATURES[name]()}
        except Exception as error:  # the others go on
            result = {"feature": name, "error": "".join(traceback.format_exception(error))}
        print("RESULT " + json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
