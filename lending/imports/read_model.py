"""Reading the applications back from the read model, once it has caught up with what was sent."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from lending.client import ApplicationRow, LedgerError
from lending.imports.errors import ServiceFailed
from lending.imports.sender import Sender
from lending.imports.summary import Row


async def rows(sender: Sender) -> AsyncIterator[Row]:
    """Every application of the ledger, not older than the last command that was sent.

    Raises `ServiceFailed`.
    """
    if sender.client.last_position is None:
        return
    try:
        async for found in sender.client.applications(fresh=True):
            yield _row(found)
    except LedgerError as error:
        raise ServiceFailed("reading the applications back", str(error)) from error


def _row(found: ApplicationRow) -> Row:
    return Row(
        application_id=str(found.application_id),
        status=found.status,
        applied_at=datetime.fromisoformat(found.columns["applied_at"]),
        outcome_at=_instant(found.columns["outcome_at"]),
    )


def _instant(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
