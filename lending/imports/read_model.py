"""Reading the applications back from the read model, once it has caught up with what was sent."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, cast
from urllib.parse import quote

from lending.imports.sender import Sender
from lending.imports.summary import Row

PAGE_ITEMS: Final = 1_000
WAIT_SECONDS: Final = 20


async def rows(sender: Sender) -> AsyncIterator[Row]:
    """Every application of the ledger, not older than the last command that was sent."""
    for shard, position in sender.sent.positions.items():
        query = f"limit={PAGE_ITEMS}&min_position={shard}:{position}"
        after: str | None = ""
        while after is not None:
            cursor = f"&after={quote(after, safe='')}" if after else ""
            page = await sender.get(
                f"/loan/applications?{query}{cursor}", headers={"prefer": f"wait={WAIT_SECONDS}"}
            )
            for item in cast(list[dict[str, str | None]], page["items"]):
                yield _row(item)
            after = cast(str | None, page["next"])


def _row(item: dict[str, str | None]) -> Row:
    return Row(
        application_id=str(item["application_id"]),
        status=str(item["status"]),
        applied_at=datetime.fromisoformat(str(item["applied_at"])),
        outcome_at=datetime.fromisoformat(item["outcome_at"]) if item["outcome_at"] else None,
    )
