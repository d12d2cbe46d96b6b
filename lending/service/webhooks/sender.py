"""Sending one webhook its events, for as long as this process has the lease.

Two things go on beside each other. One follows the log: it sends each stretch, applications side by
side, the events of each in their order, then moves the cursor and puts what was not taken among the
deliveries, in one transaction. The other sends what waits again when it is time.

What was taken but not noted, because the process ended in between, is sent again under the same id:
every event is sent at least once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol
from uuid import UUID

from lending.ledger.codec import StoredEvent
from lending.ledger.growth import Growth
from lending.ledger.leaf import Envelope
from lending.runtime import limits
from lending.runtime.tasks import beside
from lending.service.history import HistoryGone
from lending.service.webhooks import signing
from lending.service.webhooks.addresses import require_sendable
from lending.service.webhooks.courier import Courier
from lending.service.webhooks.model import (
    Cursor,
    Delivery,
    Failure,
    Form,
    Outcome,
    Reason,
    State,
    UrlRefused,
    Withheld,
)
from lending.service.webhooks.progress import LeaseLost, Progress, Undelivered, Work
from lending.service.webhooks.reading import LogReader, Recorded

Render = Callable[[Envelope, StoredEvent, Form], bytes]
"""Writes an event in one of its forms."""

_MEDIA_TYPES: Final[Mapping[Form, bytes]] = MappingProxyType(
    {Form.EVENT: b"application/json", Form.CLOUD_EVENT: b"application/cloudevents+json"}
)

_PERCENT: Final = 100


class NotAnswered(Exception):
    """Nobody who may read events answers for what is sent."""


class DeliveryObserver(Protocol):
    """Told of each attempt and of each delivery that was given up, for metrics."""

    def attempted(self, outcome: Outcome) -> None: ...

    def gave_up(self) -> None: ...


class Lease:
    """Until when this process may work on a webhook, by its own clock."""

    def __init__(self, until: float) -> None:
        self.until = until

    def check(self) -> None:
        """Raise LeaseLost where it is over, or would be before an attempt is."""
        if asyncio.get_running_loop().time() + limits.WEBHOOK_TIMEOUT_SECONDS > self.until:
            raise LeaseLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every sender of a process uses. `chance` gives a number from 0 to 1, and `withheld` why
    nothing is sent on the answer of a principal, if so.
    """

    progress: Progress
    growth: Growth
    render: Render
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    pauses_seconds: Sequence[float]
    private_allowed: bool
    withheld: Callable[[str], Withheld | None]
    observer: DeliveryObserver

    def pause(self, attempts: int) -> float | None:
        """How long to wait after so many attempts; None: give it up."""
        if attempts > len(self.pauses_seconds):
            return None
        jitter = limits.WEBHOOK_RETRY_JITTER_PERCENT / _PERCENT * (2 * self.chance() - 1)
        return self.pauses_seconds[attempts - 1] * (1 + jitter)


class Sender:
    """Sends one webhook its events."""

    def __init__(
        self, webhook_id: UUID, lease: Lease, means: Means, reader: LogReader, courier: Courier
    ) -> None:
        self._webhook_id = webhook_id
        self._lease = lease
        self._means = means
        self._progress = means.progress
        self._reader = reader
        self._courier = courier
        self._places = asyncio.Semaphore(limits.WEBHOOK_CONCURRENT_DELIVERIES)
        self._something_waits = True
        self._answered_by: str | None = None

    async def run(self) -> None:
        """Send until there is nothing to be sent any more: it was paused, deleted, or is another
        process's. Raises LeaseLost, psycopg.Error.

        While nobody who may read events answers for it, nothing is sent, and nothing moves.
        """
        while (work := await self._work()) is not None:
            if self._means.withheld(work.answered_by) is None:
                with suppress(NotAnswered):
                    async with beside(self._require_answered()), beside(self._retry()):
                        await self._follow()
            await asyncio.sleep(limits.WEBHOOK_ANSWERED_POLL_SECONDS)

    # -- who answers for it -------------------------------------------------------------------

    async def _work(self) -> Work | None:
        work = await self._progress.work(self._webhook_id)
        self._answered_by = None if work is None else work.answered_by
        return work

    async def _require_answered(self) -> None:
        """Raise NotAnswered as soon as nothing may be sent any more, attempts under way included."""
        while True:
            if self._answered_by is not None:
                self._check(self._answered_by)
            await asyncio.sleep(limits.WEBHOOK_ANSWERED_POLL_SECONDS)

    def _check(self, answered_by: str) -> None:
        if self._means.withheld(answered_by) is not None:
            raise NotAnswered

    # -- following the log --------------------------------------------------------------------

    async def _follow(self) -> None:
        while (work := await self._work()) is not None:
            self._something_waits = work.waiting > 0
            if await self._advance(work):
                await asyncio.sleep(limits.WEBHOOK_PAUSE_SECONDS)
            else:
                await self._grown(work.cursor)

    async def _advance(self, work: Work) -> bool:
        """Send the next stretch; whether to look for another at once."""
        if work.dead >= limits.WEBHOOK_DEAD_MAX_DELIVERIES:
            await self._stop(State.PAUSED, Reason.TOO_MANY_DEAD)
            return True
        room = limits.WEBHOOK_WAITING_MAX_DELIVERIES - work.waiting
        if room <= 0:
            await asyncio.sleep(limits.WEBHOOK_RETRY_POLL_SECONDS)
            return True
        try:
            stretch = await self._reader.behind(
                work.cursor, work.wanted, min(room, limits.WEBHOOK_PAGE_MAX_EVENTS)
            )
        except HistoryGone:
            await self._stop(State.PAUSED, Reason.HISTORY_REWOUND)
            return True
        if stretch.to == work.cursor:
            return False
        undelivered = await self._send(work, stretch.events)
        await self._progress.move(
            self._webhook_id,
            work.cursor,
            stretch.to,
            undelivered,
            taken=len(undelivered) < len(stretch.events),
        )
        self._something_waits = self._something_waits or bool(undelivered)
        if any(one.outcome is not None and one.outcome.gone for one in undelivered):
            await self._stop(State.DISABLED, Reason.GONE)
        return True

    async def _send(self, work: Work, events: Sequence[Recorded]) -> Sequence[Undelivered]:
        """Send events, each application's in their order; those that were not taken."""
        if not events:
            return ()
        blocked = await self._progress.blocked(self._webhook_id)
        by_application: dict[UUID, list[Recorded]] = {}
        for pair in events:
            by_application.setdefault(pair[0].application_id, []).append(pair)
        found: list[Undelivered] = []

        async def send(application_id: UUID, its: Sequence[Recorded]) -> None:
            found.extend(await self._in_order(work, its, blocked=application_id in blocked))

        await _together([send(*item) for item in by_application.items()])
        return found

    async def _in_order(
        self, work: Work, events: Sequence[Recorded], *, blocked: bool
    ) -> Sequence[Undelivered]:
        """Send an application's events up to the first that is not taken; the rest waits behind."""
        if blocked:
            return [Undelivered(envelope, None, 0) for envelope, _ in events]
        for number, pair in enumerate(events):
            outcome = await self._attempt(work, pair)
            if not outcome.taken:
                failed = Undelivered(pair[0], outcome, self._means.pause(1) or 0)
                return [failed, *(Undelivered(e, None, 0) for e, _ in events[number + 1 :])]
        return ()

    async def _grown(self, cursor: Cursor) -> None:
        """Return when the log has grown, or it is time to look."""
        loop = asyncio.get_running_loop()
        until = loop.time() + limits.FEED_POLL_SECONDS
        growth = self._means.growth
        while (left := until - loop.time()) > 0:
            await growth.wait(cursor.shard, cursor.position, left)
            if growth.beyond(cursor.shard, cursor.position):
                await asyncio.sleep(limits.WEBHOOK_PAUSE_SECONDS)
                return

    # -- sending again ------------------------------------------------------------------------

    async def _retry(self) -> None:
        while True:
            due = await self._progress.due(self._webhook_id) if self._something_waits else ()
            if due:
                work = await self._work()
                if work is not None:
                    await self._again(work, due)
            await asyncio.sleep(limits.WEBHOOK_RETRY_POLL_SECONDS)

    async def _again(self, work: Work, due: Sequence[Delivery]) -> None:
        try:
            await _together([self._drain(work, one) for one in due])
        except HistoryGone:
            await self._stop(State.PAUSED, Reason.HISTORY_REWOUND)

    async def _drain(self, work: Work, first: Delivery) -> None:
        """Send an application's waiting events, in their order, up to the first that is not taken."""
        due: Sequence[Delivery] = [first]
        while due:
            delivery = due[0]
            outcome = await self._attempt(work, await self._reader.one(delivery))
            if outcome.taken:
                await self._progress.delivered(self._webhook_id, delivery)
            else:
                await self._failed(delivery, outcome)
                return
            due = await self._progress.due(self._webhook_id, application_id=first.application_id)

    async def _failed(self, delivery: Delivery, outcome: Outcome) -> None:
        pause = self._means.pause(delivery.attempts + 1)
        await self._progress.failed(self._webhook_id, delivery, outcome, pause)
        if outcome.gone:
            await self._stop(State.DISABLED, Reason.GONE)
        if pause is None:
            self._means.observer.gave_up()

    # -- one attempt --------------------------------------------------------------------------

    async def _attempt(self, work: Work, pair: Recorded) -> Outcome:
        async with self._places:
            self._lease.check()
            self._check(work.answered_by)
            outcome = await self._post(work, pair)
        self._means.observer.attempted(outcome)
        return outcome

    async def _post(self, work: Work, pair: Recorded) -> Outcome:
        try:
            require_sendable(work.url, private_allowed=self._means.private_allowed)
        except UrlRefused:
            return Outcome(None, Failure.ADDRESS_REFUSED)
        body = self._means.render(*pair, work.form)
        signed = signing.signed_headers(
            work.secrets,
            signing.message_id(pair[0]),
            int(self._means.clock().timestamp()),
            body,
        )
        headers = [
            (b"content-type", _MEDIA_TYPES[work.form]),
            (b"user-agent", b"lending-ledger"),
            *signed,
        ]
        return await self._courier.post(work.url, headers, body)

    async def _stop(self, state: State, reason: Reason) -> None:
        await self._progress.stop(self._webhook_id, state, reason)


async def _together(work: Sequence[Awaitable[None]]) -> None:
    """Do all of it at once; the first error, if any, when all of it has ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
