"""What a webhook is told: the events of the log behind its cursor that it asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lending.ledger.codec import StoredEvent
from lending.ledger.leaf import Envelope
from lending.runtime import limits
from lending.service.history import History, HistoryGone
from lending.service.stages import Stages
from lending.service.subscription import EventFilter
from lending.service.webhooks.model import Cursor, Delivery

Recorded = tuple[Envelope, StoredEvent]
_ONE: Final = 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """The wanted events of a stretch of the log, and the cursor behind it."""

    events: Sequence[Recorded]
    to: Cursor


class LogReader:
    """Reads the log for one webhook."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._stages = Stages(history, limits.WEBHOOK_STAGES_KEPT_MAX)

    async def behind(self, cursor: Cursor, wanted: EventFilter, limit: int) -> Stretch:
        """The next stretch, at most `limit` events. Raises HistoryGone."""
        page = await self._history.feed(
            cursor.shard, cursor.position, limit, epoch=cursor.epoch, wanted=wanted
        )
        events = page.events
        if wanted.needs_stage:
            events = [
                (envelope, recorded)
                for envelope, recorded in page.events
                if wanted.matches(envelope, await self._stages.after(envelope, recorded))
            ]
        return Stretch(events, Cursor(cursor.shard, page.position, page.epoch))

    async def one(self, delivery: Delivery) -> Recorded:
        """The event of a delivery. Raises HistoryGone where another stands in its place."""
        page = await self._history.feed(
            delivery.shard, delivery.position - _ONE, _ONE, epoch=delivery.epoch
        )
        if not page.events or page.events[0][0].epoch != delivery.epoch:
            raise HistoryGone(delivery.shard, delivery.position, page.epoch)
        return page.events[0]
