"""What only the host can do."""

import _vivarium


def state_request(request):
    """Asks Flink for state, see `beam.state.StateHandler`; returns the reply."""
    return _vivarium.host_request(request)
