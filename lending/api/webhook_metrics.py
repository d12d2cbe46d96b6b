"""What is counted about webhooks, and how Prometheus reads it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lending.service.webhooks.model import Outcome, State, Webhook

_DELIVERED: Final = "delivered"


class WebhookMetrics(Collector):
    """Counts what this process sent, and shows how every webhook stands."""

    def __init__(self) -> None:
        self._attempts: Counter[str] = Counter()
        self._given_up = 0
        self._webhooks: Sequence[Webhook] = ()

    def attempted(self, outcome: Outcome) -> None:
        """An event was sent; whether it was taken, and why not."""
        self._attempts[_DELIVERED if outcome.failure is None else outcome.failure.value] += 1

    def gave_up(self) -> None:
        """A delivery was given up."""
        self._given_up += 1

    def standing(self, webhooks: Sequence[Webhook]) -> None:
        """How the webhooks stand, as was just read; none where that is not known."""
        self._webhooks = webhooks

    def collect(self) -> Iterator[Metric]:
        """The metrics, for Prometheus."""
        attempts = CounterMetricFamily(
            "lending_webhook_attempts", "Events sent to webhooks.", labels=["outcome"]
        )
        for outcome, count in self._attempts.items():
            attempts.add_metric([outcome], count)
        yield attempts
        yield CounterMetricFamily(
            "lending_webhook_given_up", "Deliveries given up by this process.", self._given_up
        )
        lag = _gauge("lending_webhook_lag_events", "Events behind a webhook's cursor.")
        waiting = _gauge("lending_webhook_waiting", "Deliveries that wait to be sent again.")
        dead = _gauge("lending_webhook_dead", "Deliveries that were given up.")
        active = _gauge(
            "lending_webhook_active", "1, or 0 while it is paused, disabled or told nothing."
        )
        for one in self._webhooks:
            labels = [str(one.webhook_id)]
            lag.add_metric(labels, one.lag_events)
            waiting.add_metric(labels, one.waiting)
            dead.add_metric(labels, one.dead)
            active.add_metric(labels, one.state is State.ACTIVE and one.withheld is None)
        yield from (lag, waiting, dead, active)


def _gauge(name: str, meaning: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=["webhook"])
