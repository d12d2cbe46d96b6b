"""The end of a shard's log, read once for all who follow it, and kept for a while.

One task a shard reads each new event, renders it, and wakes those who want it; an idle subscriber
costs nothing for the others' events. It reads only while somebody follows.

What belongs here: the ring of last events, who is interested in what, and the task. How a reader
gets from anywhere in the log to its end is in following.py.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg

from lending.domain.application.state import Stage
from lending.ledger.codec import StoredEvent
from lending.ledger.growth import Growth
from lending.ledger.leaf import Envelope
from lending.runtime import limits
from lending.runtime.clock import loop_seconds
from lending.service.history import FeedPage, History, HistoryGone, UnknownMoment
from lending.service.stages import Stages
from lending.service.subscription import EventFilter

Render = Callable[[Envelope, StoredEvent], bytes]
"""Makes the JSON of an event."""
_Key = tuple[str, object]
_LOG: Final = logging.getLogger(__name__)
_ALL: Final[_Key] = ("all", None)


class SlowReader(Exception):
    """The reader had reached the end of the log, and has fallen behind by more than is kept."""


class TailEnded(Exception):
    """The task that reads the tail has ended by a fault; readiness says which."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it is sent: its JSON, the epoch it was read in, and the stage where it is known."""

    envelope: Envelope
    body: bytes
    epoch: int
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The wanted events of a stretch of the log that ends at `position`; `more` says that there is
    more to be had at once.
    """

    entries: Sequence[Entry]
    position: int
    epoch: int
    more: bool


class Subscriber:
    """Who waits at the end of the log, and for what. `wake` is set when there is something to take.

    `pending` is the first event it has not taken; without one it has seen all that the tail has.
    """

    __slots__ = ("generation", "pending", "position", "reached", "wake", "wanted")

    def __init__(self, wanted: EventFilter) -> None:
        self.wanted = wanted
        self.wake = asyncio.Event()
        self.position = 0
        self.pending: int | None = None
        self.generation = 0
        self.reached = False


class Tail:
    """The last events of a shard and those who wait for the next. Supervised by its owner."""

    def __init__(self, shard: int, history: History, growth: Growth, render: Render) -> None:
        self.shard = shard
        self.head = 0
        self.epoch = 0
        self.failed = False
        self._history = history
        self._growth = growth
        self._render = render
        self._stages = Stages(history)
        self._ring: dict[int, Entry] = {}
        self._floor = 0
        self._bytes = 0
        self._staged_from = 0
        self._staging = 0
        self._begun = False
        self._reading = False
        self._generation = 1
        self._subscribers: set[Subscriber] = set()
        self._interested: dict[_Key, set[Subscriber]] = {}
        self._wanted = asyncio.Event()
        self._deserted_at = 0.0

    # -- those who follow ----------------------------------------------------------------------

    @property
    def followers(self) -> int:
        """How many follow."""
        return len(self._subscribers)

    def enter(self, subscriber: Subscriber) -> None:
        """From here on the tail is read; the subscriber joins once it has caught up."""
        self._subscribers.add(subscriber)
        if subscriber.wanted.needs_stage:
            if not self._staging:
                self._staged_from = self.head
            self._staging += 1
        self._wanted.set()

    def leave(self, subscriber: Subscriber) -> None:
        """The subscriber has gone."""
        self._subscribers.remove(subscriber)
        self._staging -= subscriber.wanted.needs_stage
        for key in _keys_of(subscriber.wanted):
            interested = self._interested.get(key)
            if interested is not None:
                interested.discard(subscriber)
                if not interested:
                    del self._interested[key]
        if not self._subscribers:
            self._deserted_at = loop_seconds()

    def join(self, subscriber: Subscriber, position: int, epoch: int) -> bool:
        """Wait at the end from `position` on, which was read in `epoch`; False where what follows
        it is not kept, so that it has to be read from the log.
        """
        if not self._reads(epoch) or position < self._kept_from(subscriber):
            return False
        subscriber.generation = self._generation
        subscriber.position = position
        subscriber.pending = position + 1 if position < self.head else None
        subscriber.reached = position >= self.head
        if position < self.head:
            subscriber.wake.set()
        for key in _keys_of(subscriber.wanted):
            self._interested.setdefault(key, set()).add(subscriber)
        return True

    def passed(self, subscriber: Subscriber, position: int, epoch: int) -> bool:
        """Whether some of what follows a position of the present history is kept no longer.

        Otherwise a subscriber that could not join is woken: once the tail is read, or the history
        that it reads is that one.
        """
        return self._reads(epoch) and position < self._kept_from(subscriber)

    def _reads(self, epoch: int) -> bool:
        return self._begun and epoch == self.epoch

    def _kept_from(self, subscriber: Subscriber) -> int:
        if subscriber.wanted.needs_stage:
            return max(self._floor, self._staged_from)
        return self._floor

    def joined(self, subscriber: Subscriber) -> bool:
        """Whether the subscriber waits at the end of the present history."""
        return subscriber.generation == self._generation

    def cursor(self, subscriber: Subscriber) -> int:
        """How far a joined subscriber has come: what it does not want it need not take."""
        if subscriber.pending is None:
            return max(subscriber.position, self.head)
        return subscriber.position

    def take(self, subscriber: Subscriber, limit: int) -> Batch | None:
        """What a joined subscriber has not taken, in chunks of bounded size. None where it is not
        kept any more, though the subscriber never was at the end. Raises SlowReader if it was.
        """
        first = subscriber.pending
        if first is None:
            subscriber.position = self.cursor(subscriber)
            return Batch((), subscriber.position, self.epoch, more=False)
        if first <= self._floor:
            subscriber.generation = 0
            if subscriber.reached:
                raise SlowReader
            return None
        entries, following = self._wanted_from(first, subscriber.wanted, limit)
        more = following <= self.head
        subscriber.position = following - 1
        subscriber.pending = following if more else None
        subscriber.reached = subscriber.reached or not more
        return Batch(entries, following - 1, self.epoch, more=more)

    def _wanted_from(
        self, first: int, wanted: EventFilter, limit: int
    ) -> tuple[Sequence[Entry], int]:
        """Wanted entries from `first` on, as many as are sent at once; the first not looked at."""
        entries: list[Entry] = []
        size = 0
        for position in range(first, self.head + 1):
            entry = self._ring[position]
            if wanted.everything or wanted.matches(entry.envelope, entry.stage):
                size += len(entry.body)
                if entries and (size > limits.STREAM_CHUNK_MAX_BYTES or len(entries) == limit):
                    return entries, position
                entries.append(entry)
        return entries, self.head + 1

    # -- the task ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read what is appended while somebody follows. Runs until cancelled.

        A database that does not answer is asked again; an event that cannot be read is a fault that
        ends the task, and each stream with it.
        """
        try:
            while True:
                await self._wanted.wait()
                try:
                    await self._step()
                except (HistoryGone, UnknownMoment):
                    self.reset()
                except (psycopg.Error, OSError):
                    await asyncio.sleep(limits.TAIL_RETRY_SECONDS)
        except Exception as fault:
            _LOG.error("the feed of shard %d cannot be read on", self.shard, exc_info=fault)
            self.failed = True
            self._wake_all()
            raise

    def reset(self) -> None:
        """Drop what is kept: the history may be another. Who follows reads the log again, and finds
        out.
        """
        self._generation += 1
        self._rest()
        self._stages.forget()
        self._wake_all()

    def erased(self, application_ids: Collection[UUID] | None) -> None:
        """Drop what is kept if it has events of these applications, None being all, in which data
        were erased; or what is being read may have.
        """
        kept = {entry.envelope.application_id for entry in self._ring.values()}
        if self._reading or application_ids is None or not kept.isdisjoint(application_ids):
            self.reset()

    def _rest(self) -> None:
        self._begun = False
        self._ring.clear()
        self._bytes = 0
        self.head = self._floor = self._staged_from = 0

    async def _step(self) -> None:
        generation = self._generation
        if (
            not self._subscribers
            and loop_seconds() - self._deserted_at > limits.TAIL_LINGER_SECONDS
        ):
            self._wanted.clear()
            self._rest()
        elif not self._begun:
            standing = await self._history.standing(self.shard)
            if generation == self._generation:
                self._begun = True
                self.head = self._floor = self._staged_from = standing.head
                self.epoch = standing.epoch
                self._wake_all()
        elif await self._read(generation):
            await asyncio.sleep(limits.TAIL_PAUSE_SECONDS)
        else:
            await self._grown()

    async def _read(self, generation: int) -> bool:
        """Keep what was appended, unless what is kept was dropped meanwhile; whether there was any."""
        self._reading = True
        try:
            page = await self._history.feed(
                self.shard, self.head, limits.TAIL_READ_MAX_EVENTS, epoch=self.epoch
            )
            entries = await self._entries(page)
            if generation == self._generation:
                self._keep(entries, page.epoch)
        finally:
            self._reading = False
        return bool(entries)

    async def _entries(self, page: FeedPage) -> list[Entry]:
        """The page as entries. Without stages nothing is awaited: none can be asked for meanwhile."""
        staging = self._staging > 0
        entries = []
        for envelope, recorded in page.events:
            stage = await self._stages.after(envelope, recorded) if staging else None
            entries.append(Entry(envelope, self._render(envelope, recorded), page.epoch, stage))
        return entries

    def _keep(self, entries: Sequence[Entry], epoch: int) -> None:
        """Put new entries into the ring, let the oldest fall out, and wake whom they interest."""
        if epoch != self.epoch:
            self.epoch = epoch
            self._wake_all()
        if not entries:
            return
        for entry in entries:
            self._ring[entry.envelope.position] = entry
            self._bytes += len(entry.body)
        self.head = entries[-1].envelope.position
        while len(self._ring) > limits.TAIL_MAX_EVENTS or (
            self._bytes > limits.TAIL_MAX_BYTES and len(self._ring) > 1
        ):
            self._floor += 1
            self._bytes -= len(self._ring.pop(self._floor).body)
        self._wake(entries)

    def _wake(self, entries: Sequence[Entry]) -> None:
        for subscriber in self._interested.get(_ALL, ()):
            if subscriber.pending is None and subscriber.position < self.head:
                self._give(subscriber, max(subscriber.position, entries[0].envelope.position - 1))
        if len(self._interested) <= (_ALL in self._interested):
            return
        for entry in entries:
            for key in _keys_for(entry):
                for subscriber in self._interested.get(key, ()):
                    position = entry.envelope.position
                    if (
                        subscriber.pending is None
                        and subscriber.position < position
                        and subscriber.wanted.matches(entry.envelope, entry.stage)
                    ):
                        self._give(subscriber, position - 1)

    def _give(self, subscriber: Subscriber, behind: int) -> None:
        if subscriber.generation == self._generation:
            subscriber.position, subscriber.pending = behind, behind + 1
            subscriber.wake.set()

    def _wake_all(self) -> None:
        for subscriber in self._subscribers:
            subscriber.wake.set()

    async def _grown(self) -> None:
        """Return when the log has grown, or it is time to look all the same."""
        until = loop_seconds() + limits.FEED_POLL_SECONDS
        if self._growth.beyond(self.shard, self.head):  # told, and not there: another history
            await asyncio.sleep(limits.TAIL_PAUSE_SECONDS)
        while (left := until - loop_seconds()) > 0 and not self._growth.beyond(
            self.shard, self.head
        ):
            await self._growth.wait(self.shard, self.head, left)


def _keys_of(wanted: EventFilter) -> list[_Key]:
    """Where a subscriber is looked for: by the narrowest thing that it asks for."""
    if wanted.application_id is not None:
        return [("application", wanted.application_id)]
    if wanted.event_types:
        return [("type", name) for name in wanted.event_types]
    if wanted.stages:
        return [("stage", stage) for stage in wanted.stages]
    return [_ALL]


def _keys_for(entry: Entry) -> tuple[_Key, ...]:
    envelope = entry.envelope
    return (
        ("application", envelope.application_id),
        ("type", envelope.event_type),
        ("stage", entry.stage),
    )
