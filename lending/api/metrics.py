"""What is counted, and how Prometheus reads it.

Counting costs an addition to a dict; the families of metrics are made when somebody asks.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from lending.api.webhook_metrics import WebhookMetrics

_SECONDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
_COMMANDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class Distribution:
    """Counts values by the bucket they fall into."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """The counts, cumulated, by upper bound."""
        found, below = [], 0
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            below += count
            found.append((bound, float(below)))
        return found


class Metrics(Collector):
    """Observes requests, commands and flushes for one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._queued: Callable[[], Mapping[int, int]] = dict
        self._following: Callable[[], Mapping[str, int]] = dict
        self._streams_ended: Counter[str] = Counter()
        self._projections: Sequence[Mapping[str, Any]] = ()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._durations: dict[str, Distribution] = {}
        self._commands: Counter[tuple[str, str]] = Counter()
        self._batches = Distribution(_COMMANDS)
        self._flushes = Distribution(_SECONDS)
        self._events = 0
        self._unknown = 0
        self.webhooks = WebhookMetrics()
        self.registry = registry
        registry.register(self)
        registry.register(self.webhooks)

    def watch(self, queued: Callable[[], Mapping[int, int]]) -> None:
        """`queued` says how many commands wait in each shard's lane."""
        self._queued = queued

    def watch_streams(self, following: Callable[[], Mapping[str, int]]) -> None:
        """`following` says how many follow the feed, by how they do it."""
        self._following = following

    def stream_ended(self, reason: str) -> None:
        """A stream of events ended, and why."""
        self._streams_ended[reason] += 1

    def projections(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """How far the read models have come, as was just read; none where that is not known."""
        self._projections = rows

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests[route, method, status] += 1
        duration = self._durations.get(route)
        if duration is None:
            duration = self._durations[route] = Distribution(_SECONDS)
        duration.add(seconds)

    def commanded(self, command: str, outcome: str) -> None:
        """A command was answered."""
        self._commands[command, outcome] += 1

    def flushed(self, commands: int, events: int, seconds: float) -> None:
        """A flush was committed."""
        self._batches.add(commands)
        self._flushes.add(seconds)
        self._events += events

    def unknown(self, commands: int) -> None:
        """Of so many commands it is not known whether they were committed."""
        self._unknown += commands

    def collect(self) -> Iterator[Metric]:
        """The metrics, for Prometheus."""
        yield from self._of_requests()
        yield from self._of_the_lane()
        yield from self._of_streams()
        yield from self._of_projections()

    def _of_requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "lending_requests", "Requests answered.", labels=["route", "method", "status"]
        )
        for (route, method, status), count in self._requests.items():
            requests.add_metric([route, method, str(status)], count)
        yield requests
        durations = HistogramMetricFamily(
            "lending_request_seconds",
            "From a request's headers to the beginning of its answer.",
            labels=["route"],
        )
        for route, seconds in self._durations.items():
            durations.add_metric([route], seconds.buckets(), seconds.total)
        yield durations
        commands = CounterMetricFamily(
            "lending_commands", "Commands answered.", labels=["command", "outcome"]
        )
        for (command, outcome), count in self._commands.items():
            commands.add_metric([command, outcome], count)
        yield commands

    def _of_the_lane(self) -> Iterator[Metric]:
        queued = GaugeMetricFamily(
            "lending_queued_commands", "Commands that wait for a flush.", labels=["shard"]
        )
        for shard, count in self._queued().items():
            queued.add_metric([str(shard)], count)
        yield queued
        yield _histogram("lending_flush_commands", "Commands in one flush.", self._batches)
        yield _histogram("lending_flush_seconds", "Duration of one flush.", self._flushes)
        yield CounterMetricFamily("lending_events", "Events recorded.", self._events)
        yield CounterMetricFamily(
            "lending_unknown_outcomes", "Commands answered outcome_unknown.", self._unknown
        )

    def _of_streams(self) -> Iterator[Metric]:
        following = GaugeMetricFamily(
            "lending_feed_followers", "Streams and waiting readers of the feed.", labels=["by"]
        )
        for way, count in self._following().items():
            following.add_metric([way], count)
        yield following
        ended = CounterMetricFamily(
            "lending_streams_ended", "Streams of events that ended.", labels=["reason"]
        )
        for reason, count in self._streams_ended.items():
            ended.add_metric([reason], count)
        yield ended

    def _of_projections(self) -> Iterator[Metric]:
        names = ["projection", "shard"]
        lag = GaugeMetricFamily(
            "lending_projection_lag_seconds", "Age of the first event not folded yet.", labels=names
        )
        behind = GaugeMetricFamily(
            "lending_projection_lag_events", "Events not folded yet.", labels=names
        )
        running = GaugeMetricFamily(
            "lending_projection_running", "1, or 0 while it is stopped.", labels=names
        )
        for row in self._projections:
            labels = [row["projection"], str(row["shard"])]
            lag.add_metric(labels, row["lag_seconds"])
            behind.add_metric(labels, row["lag_events"])
            running.add_metric(labels, row["state"] == "running")
        yield from (lag, behind, running)


def _histogram(name: str, meaning: str, values: Distribution) -> Metric:
    return HistogramMetricFamily(name, meaning, values.buckets(), values.total)
