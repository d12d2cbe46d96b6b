"""From anywhere in the log to its end, and on: pages of the log first, then what the tail keeps.

What belongs here: reading pages with a filter, and the one way in which a reader goes on.
"""

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from lending.domain.application.state import Stage
from lending.ledger.codec import StoredEvent
from lending.ledger.leaf import Envelope
from lending.runtime import limits
from lending.service.history import FeedPage, History
from lending.service.stages import Stages
from lending.service.subscription import EventFilter
from lending.service.tail import Batch, Entry, Render, Subscriber, Tail, TailEnded

_AT_ONCE: Final = limits.PAGE_DEFAULT_ITEMS


class FeedLog:
    """Pages of the feed, from the log. Few are read at once: commands need connections too."""

    def __init__(self, history: History, render: Render) -> None:
        self._history = history
        self._render = render
        self._turn = asyncio.Semaphore(limits.FEED_READS_MAX)

    async def page(
        self,
        shard: int,
        after: int,
        epoch: int | None,
        *,
        wanted: EventFilter,
        limit: int,
        max_bytes: int | None = None,
        stages: Stages | None = None,
    ) -> Batch:
        """The wanted events behind a position, at most `limit`, of a bounded stretch of the log.

        A reader that comes back for the next page brings its `stages`. Raises HistoryGone,
        UnknownShard.
        """
        stages = stages or self.stages()
        entries: list[Entry] = []
        looked_at = size = 0
        while True:
            # A turn for each stretch: whoever looks through much of the log holds up nobody.
            async with self._turn:
                page = await self._history.feed(shard, after, limit, epoch=epoch, wanted=wanted)
                found = [await self._entry(*event, page, wanted, stages) for event in page.events]
            for entry in found:
                if entry is None:
                    continue
                size += len(entry.body)
                full = max_bytes is not None and size > max_bytes
                if entries and (full or len(entries) == limit):
                    before = entry.envelope.position - 1
                    return Batch(entries, before, page.epoch, more=True)
                entries.append(entry)
            looked_at += page.position - after
            after, epoch = page.position, page.epoch
            bounded = looked_at >= limits.FEED_SCAN_MAX_EVENTS or not wanted.needs_stage
            if not page.more or bounded or len(entries) == limit:
                return Batch(entries, after, page.epoch, more=page.more)

    def stages(self) -> Stages:
        """What tells the stages to one reader."""
        return Stages(self._history, limits.READER_STAGES_KEPT_MAX)

    async def require(self, shard: int, position: int, epoch: int | None) -> int:
        """Check that a cursor is of the present history; the present epoch.

        Raises HistoryGone, UnknownShard.
        """
        async with self._turn:
            return await self._history.require_cursor(shard, position, epoch)

    async def _entry(
        self,
        envelope: Envelope,
        recorded: StoredEvent,
        page: FeedPage,
        wanted: EventFilter,
        stages: Stages,
    ) -> Entry | None:
        stage: Stage | None = None
        if wanted.needs_stage:
            stage = await stages.after(envelope, recorded)
        if not wanted.matches(envelope, stage):
            return None
        return Entry(envelope, self._render(envelope, recorded), page.epoch, stage)


class Follower:
    """One reader's way along a shard's log. Inside its block the tail is read for it."""

    def __init__(
        self, log: FeedLog, tail: Tail, wanted: EventFilter, position: int, epoch: int
    ) -> None:
        """It goes on behind `position`, which was read in `epoch`."""
        self._log = log
        self._tail = tail
        self._subscriber = Subscriber(wanted)
        self._position = position
        self._epoch = epoch
        self._stages = log.stages()

    def __enter__(self) -> Self:
        self._tail.enter(self._subscriber)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tail.leave(self._subscriber)

    @property
    def wake(self) -> asyncio.Event:
        """Set when `next` may have something. Whoever else has to wake the reader sets it too."""
        return self._subscriber.wake

    @property
    def shard(self) -> int:
        """The shard whose log it reads."""
        return self._tail.shard

    @property
    def cursor(self) -> tuple[int, int]:
        """The position and epoch to go on from: every wanted event up to it was given."""
        if self._tail.joined(self._subscriber):
            return self._tail.cursor(self._subscriber), self._tail.epoch
        return self._position, self._epoch

    async def next(self, limit: int = _AT_ONCE) -> Batch:
        """What comes next, as far as it is there. If nothing is and no more is to be had, wait for
        `wake`, which is to be cleared before this is called.

        Raises HistoryGone, SlowReader, TailEnded.
        """
        batch = self._from_the_tail(limit)
        if batch is None:
            batch = await self._log.page(
                self.shard,
                self._position,
                self._epoch,
                wanted=self._subscriber.wanted,
                limit=limit,
                max_bytes=limits.STREAM_CHUNK_MAX_BYTES,
                stages=self._stages,
            )
            self._position, self._epoch = batch.position, batch.epoch
            if not batch.more:
                batch = self._joined(batch)
        return batch

    def _joined(self, end: Batch) -> Batch:
        """Wait at the end that was read. What was appended and has left the tail meanwhile is to be
        had from the log, and wakes nobody.
        """
        here, tail = self._subscriber, self._tail
        if not tail.join(here, end.position, end.epoch) and tail.passed(
            here, end.position, end.epoch
        ):
            return replace(end, more=True)
        self._stages.forget()
        return end

    def _from_the_tail(self, limit: int) -> Batch | None:
        if self._tail.failed:
            raise TailEnded
        here = self._subscriber
        if not (self._tail.joined(here) or self._tail.join(here, self._position, self._epoch)):
            return None
        batch = self._tail.take(here, limit)
        if batch is not None:
            self._position, self._epoch = batch.position, batch.epoch
        return batch
