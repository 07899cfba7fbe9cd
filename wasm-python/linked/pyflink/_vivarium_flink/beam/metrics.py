"""Beam's metrics, as far as PyFlink builds its own on them: kept for the worker's life, told when they changed."""

import time


class _Cell:
    """One metric, with the methods of all kinds."""

    def __init__(self, kind, namespace, name):
        self.kind = kind
        self.metric_name = (kind, namespace, name)
        self.total = 0
        self._new = None
        """What happened since it was told: a sum; a gauge's value; count, sum, least and most of a distribution."""

    def inc(self, n=1):
        self.total += int(n)
        self._new = int(n) + (self._new or 0)

    def dec(self, n=1):
        self.inc(-n)

    def get_cumulative(self):
        return self.total

    def set(self, value):
        self._new = int(value)

    def update(self, value):
        value = int(value)
        count, total, least, most = self._new or (0, 0, value, value)
        self._new = count + 1, total + value, min(least, value), max(most, value)

    def take(self):
        """What is to be told: None, or the metric with numbers for its kind."""
        new, self._new = self._new, None
        if new is None:
            return None
        values = {"counter": [new], "gauge": [int(time.time() * 1000), new]}.get(self.kind) or list(new)
        return {"kind": self.kind, "namespace": self.metric_name[1], "name": self.metric_name[2], "values": values}


_cells = {}


def _cell(kind, namespace, name):
    return _cells.setdefault((kind, namespace, name), _Cell(kind, namespace, name))


class Metrics:
    """Makes metrics; the same name is the same metric."""

    @staticmethod
    def counter(namespace, name):
        return _cell("counter", namespace, name)

    @staticmethod
    def gauge(namespace, name):
        return _cell("gauge", namespace, name)

    @staticmethod
    def distribution(namespace, name):
        return _cell("distribution", namespace, name)


class MetricsEnvironment:
    """Finds metrics by their names."""

    @classmethod
    def current_container(cls):
        return cls

    @staticmethod
    def get_counter(metric_name):
        return _cells[metric_name]


def take_changed():
    """Descriptions of the metrics that changed since the last call."""
    return [told for told in (cell.take() for cell in _cells.values()) if told is not None]
