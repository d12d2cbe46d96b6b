"""A process that does nothing but send webhooks, impatiently: `python -m tests.webhooks.sending`.

What belongs here: the ledger opened as the service opens it, with its sender beside it. It writes
the owner of its leases, and runs until it is killed or told to stop.
"""

import asyncio
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from lending.api.metrics import Metrics
from lending.api.webhook_delivery import deliver_webhooks
from lending.runtime import limits
from lending.runtime.settings import Settings
from lending.runtime.web import on_signals
from lending.service.ledger import Ledger

SOONER = {
    "WEBHOOK_LOOK_SECONDS": 0.2,
    "WEBHOOK_LEASE_SECONDS": 3,
    "WEBHOOK_RETRY_POLL_SECONDS": 0.05,
    "WEBHOOK_TIMEOUT_SECONDS": 1,
    "WEBHOOK_PAGE_MAX_EVENTS": 40,
}
PAUSES_SECONDS = (0.1,) * 60


async def main(database_url: str, data_dir: Path) -> None:
    """Send until told to stop."""
    for name, value in SOONER.items():
        setattr(limits, name, value)
    settings = Settings(
        database_url=database_url, data_dir=data_dir, webhooks_private_addresses=True
    )
    stopped = asyncio.Event()
    async with Ledger.open(database_url, settings) as ledger:
        metrics = Metrics(CollectorRegistry())
        deliver_webhooks(ledger, settings, metrics.webhooks, pauses_seconds=PAUSES_SECONDS)
        sys.stdout.write(f"{ledger.webhook_progress.owner}\n")
        sys.stdout.flush()
        with on_signals(stopped.set):
            await stopped.wait()
        assert ledger.failures == {}, ledger.failures


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
