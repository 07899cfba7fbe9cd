"""What a function is told when it is opened, and the metrics that it keeps for the host."""

import types

MAX_METRICS = 1000
MAX_NAME = 255  # bytes of a metric's full name
_LOW, _HIGH = -(2**63), 2**63 - 1


class MetricError(ValueError):
    """A metric that cannot be registered."""


def _whole(value):
    """An int of 64 bits: what is beyond stays at the end of the range."""
    return max(_LOW, min(_HIGH, int(value)))


class Counter:
    """A number that goes up and down."""

    def __init__(self):
        self._count = 0

    def inc(self, n=1):
        """Adds `n`."""
        self._count += n

    def dec(self, n=1):
        """Subtracts `n`."""
        self._count -= n

    def get_count(self):
        """The number now."""
        return self._count

    def _report(self):
        return {"counter": _whole(self._count)}


class Meter:
    """How many events there were; the host makes a rate of it."""

    def __init__(self):
        self._count = 0

    def mark_event(self, value=1):
        """So many events happened."""
        self._count += value

    def get_count(self):
        """All events so far."""
        return self._count

    def _report(self):
        return {"meter": _whole(self._count)}


class Distribution:
    """How many values there were, their sum, the smallest and the largest."""

    def __init__(self):
        self._count = self._sum = 0
        self._low = self._high = None

    def update(self, value):
        """Adds a whole number."""
        value = int(value)
        self._count += 1
        self._sum += value
        self._low = value if self._low is None else min(value, self._low)
        self._high = value if self._high is None else max(value, self._high)

    def _report(self):
        low, high = (0, 0) if self._count == 0 else (self._low, self._high)
        return {"distribution": {"count": self._count, "sum": _whole(self._sum), "min": _whole(low), "max": _whole(high)}}


class _Gauge:
    def __init__(self, function):
        self._function = function

    def _report(self):
        try:
            value = self._function()
            return {"gauge": _whole(value) if isinstance(value, int) else _finite(float(value))}
        except Exception:
            return None  # a gauge that fails has no value; the function's rows are not its business


def _finite(value):
    return value if value - value == 0 else None


class MetricGroup:
    """Names metrics. Names of nested groups are joined with dots."""

    def __init__(self, registry, prefix=""):
        self._registry = registry
        self._prefix = prefix

    def add_group(self, name, extra=None):
        """A group within this one; with `extra`, a key and its value."""
        name = str(name) if extra is None else f"{name}.{extra}"
        return MetricGroup(self._registry, f"{self._prefix}{name}.")

    def _add(self, name, kind, *arguments):
        name = f"{self._prefix}{name}"
        known = self._registry.get(name)
        if known is not None:
            if type(known) is not kind:
                raise MetricError(f"the metric '{name[:100]}' is registered already, as another kind")
            return known
        if not name.isprintable() or not 0 < len(name.encode("utf-8", "replace")) <= MAX_NAME:
            raise MetricError(f"a metric's name is printable and has 1 to {MAX_NAME} bytes")
        if len(self._registry) >= MAX_METRICS:
            raise MetricError(f"a function has at most {MAX_METRICS} metrics")
        self._registry[name] = metric = kind(*arguments)
        return metric

    def counter(self, name):
        """A Counter of that name."""
        return self._add(name, Counter)

    def gauge(self, name, obj):
        """The number that calling `obj()` returns, asked for after every batch."""
        self._add(name, _Gauge, obj)

    def meter(self, name, time_span_in_seconds=60):
        """A Meter of that name. The host decides about spans of time."""
        return self._add(name, Meter)

    def distribution(self, name):
        """A Distribution of that name."""
        return self._add(name, Distribution)


class FunctionContext:
    """What `open(self, context)` is given.

    job_parameters: the job's settings, a read-only mapping of strings.
    task_number, parallelism: which of the job's equal tasks this is, from 0, and how many there are. All instances of a task
        have the same number.
    metrics: where metrics are registered.
    """

    def __init__(self, job_parameters=None, task_number=0, parallelism=1):
        self.job_parameters = types.MappingProxyType(dict(job_parameters or {}))
        self.task_number = task_number
        self.parallelism = parallelism
        self._registry = {}
        self._reported = {}
        self.metrics = MetricGroup(self._registry)

    def get_metric_group(self):
        """The same as `metrics`."""
        return self.metrics

    def get_job_parameter(self, key, default_value):
        """A setting of the job, or the default."""
        return self.job_parameters.get(key, default_value)

    def _take(self):
        """The metrics that changed since the last time, as they are now; None when none did."""
        changed = {}
        for name, metric in self._registry.items():
            report = metric._report()
            if report is not None and self._reported.get(name) != report:
                changed[name] = self._reported[name] = report
        return changed or None
