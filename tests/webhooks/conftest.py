"""A served ledger that sends webhooks to this machine, impatiently."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lending.api.webhook_delivery import deliver_webhooks
from lending.runtime import limits
from lending.runtime.settings import Settings
from tests.api.served import served_api
from tests.webhooks.hooked import Hooked

PAUSES_SECONDS = (0.1, 0.2, 0.2)


SOONER = {
    "WEBHOOK_LOOK_SECONDS": 0.1,
    "WEBHOOK_RETRY_POLL_SECONDS": 0.05,
    "FEED_POLL_SECONDS": 0.3,
    "WEBHOOK_TIMEOUT_SECONDS": 1,
}
"""What would take a test too long is done sooner."""


@pytest.fixture
async def hooked(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Hooked]:
    """A fresh ledger, served, that sends webhooks."""
    for name, seconds in SOONER.items():
        monkeypatch.setattr(limits, name, seconds)
    settings = Settings(
        data_dir=tmp_path, database_url=database_url, webhooks_private_addresses=True
    )

    async with served_api(database_url, tmp_path, settings=settings) as api:
        deliver_webhooks(api.ledger, settings, api.metrics.webhooks, pauses_seconds=PAUSES_SECONDS)
        yield Hooked(api)
