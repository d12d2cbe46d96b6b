"""Sending webhooks beside the service: the parts put together, with events written as everywhere."""

import secrets
from collections.abc import Sequence

from lending.contract.cloud_events import cloud_event, source_of
from lending.contract.rendering import event, json_bytes
from lending.ledger.codec import StoredEvent
from lending.ledger.leaf import Envelope
from lending.runtime import limits
from lending.runtime.settings import Settings
from lending.service.ledger import Ledger, system_clock
from lending.service.webhooks.addresses import any_address, is_public
from lending.service.webhooks.courier import GuardedBackend
from lending.service.webhooks.dispatcher import Dispatcher
from lending.service.webhooks.model import Form
from lending.service.webhooks.sender import DeliveryObserver, Means, Render


def deliver_webhooks(
    ledger: Ledger,
    settings: Settings,
    observer: DeliveryObserver,
    *,
    pauses_seconds: Sequence[float] = limits.WEBHOOK_RETRIES_SECONDS,
) -> None:
    """Send webhooks until the ledger closes. Readiness fails if that ends before."""
    private = settings.webhooks_private_addresses
    means = Means(
        progress=ledger.webhook_progress,
        growth=ledger.growth,
        render=_renderer(source_of(ledger.identity.ledger_id)),
        clock=system_clock,
        chance=secrets.SystemRandom().random,
        pauses_seconds=pauses_seconds,
        private_allowed=private,
        withheld=ledger.webhook_answering.withheld,
        observer=observer,
    )
    backend = GuardedBackend(any_address if private else is_public)
    ledger.supervise("webhooks", Dispatcher(means, ledger.history, backend).run())


def _renderer(source: str) -> Render:
    def render(envelope: Envelope, recorded: StoredEvent, form: Form) -> bytes:
        written = json_bytes(event(envelope, recorded))
        if form is Form.EVENT:
            return written
        return json_bytes(cloud_event(envelope, written, source))

    return render
