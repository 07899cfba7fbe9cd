"""What the host says about a bundle. It took the runner's message apart and checked it; here it is JSON:

{
  "version": "2.3.0",                 # of PyFlink, as far as the host knows it; else null
  "state_cache": 1000,                # entries
  "log_levels": {"": "INFO", "a.b": "DEBUG"},
  "source": {"coder": CODER, "to": ["TRANSFORM"]},
  "transforms": [                     # in the order of the data
    {"id", "urn", "payload", "function": {"urn", "payload"} or null, "outputs": {"TAG": ["TRANSFORM or sink", ...]}, "timer": CODER or null}
  ],
  "sinks": {"ID": CODER}
}

CODER is {"urn", "payload", "components": [CODER, ...]}. Payloads are base64.
"""

import base64
import json


def read(description):
    """The description with payloads as bytes."""
    return _decoded(json.loads(description))


def _decoded(value):
    if isinstance(value, dict):
        return {
            name: base64.b64decode(item) if name == "payload" and isinstance(item, str) else _decoded(item)
            for name, item in value.items()
        }
    return [_decoded(item) for item in value] if isinstance(value, list) else value
