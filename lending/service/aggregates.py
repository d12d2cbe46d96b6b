"""Applications as they stand, rebuilt from their streams, and kept in memory for the next command.

The cache saves reading, never checking: whatever is decided on it is checked against the log before
it is appended.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, NamedTuple, cast
from uuid import UUID

from lending.domain.application.events import Disbursed, Event
from lending.domain.application.evolve import evolve
from lending.domain.application.state import INITIAL, Application
from lending.domain.identifiers import shard_of
from lending.domain.servicing.events import Boarded, ServicingEvent
from lending.ledger.codec import Codec
from lending.ledger.read import StoredEvent, read_stream
from lending.ledger.sealing import Keyring, MasterKey, Randomness, WrappedKey
from lending.runtime import limits
from lending.runtime.postgres import Pool

LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


class Aggregate(NamedTuple):
    """An application at a version: its state, where its last event stands, and the keys of its
    persons.
    """

    state: Application
    version: int
    position: int
    recorded_at: datetime
    keyring: Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An aggregate as a read found it, and which command had used the key asked about by then."""

    aggregate: Aggregate
    key_used_by: UUID | None


class StreamLocks:
    """One lock a stream: commands on the same application queue inside the process instead of
    conflicting.
    """

    def __init__(self) -> None:
        self._locks: dict[UUID, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, stream: UUID) -> AsyncIterator[None]:
        """Hold the stream's lock; it is forgotten when nobody wants it any more."""
        lock, wanted = self._locks.get(stream, (asyncio.Lock(), 0))
        self._locks[stream] = lock, wanted + 1
        try:
            async with lock:
                yield
        finally:
            lock, wanted = self._locks[stream]
            if wanted == 1:
                del self._locks[stream]
            else:
                self._locks[stream] = lock, wanted - 1


class Aggregates:
    """Loads applications, and keeps those used last."""

    def __init__(
        self,
        pool: Pool,
        codec: Codec,
        master: MasterKey,
        randomness: Randomness,
        keep: int = limits.AGGREGATES_MAX,
    ) -> None:
        self._pool = pool
        self._codec = codec
        self._master = master
        self._randomness = randomness
        self._keep = keep
        self._kept: OrderedDict[UUID, Aggregate] = OrderedDict()
        self._erasures = 0

    def fresh(self, application_id: UUID) -> Aggregate:
        """An application that nobody has applied for yet."""
        keyring = Keyring(application_id, self._randomness)
        return Aggregate(
            state=INITIAL, version=0, position=0, recorded_at=LONG_AGO, keyring=keyring
        )

    def kept(self, application_id: UUID) -> Aggregate | None:
        """The application as this process saw it last, if it remembers."""
        aggregate = self._kept.get(application_id)
        if aggregate is not None:
            self._kept.move_to_end(application_id)
        return aggregate

    def keep(self, application_id: UUID, aggregate: Aggregate) -> None:
        """Remember the application; the least recently used is forgotten."""
        self._kept[application_id] = aggregate
        self._kept.move_to_end(application_id)
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)

    def forget(self, application_id: UUID) -> None:
        """Read the application from the log next time."""
        self._kept.pop(application_id, None)

    def forget_all(self) -> None:
        """Read every application from the log next time: its history may be another."""
        self._kept.clear()

    def erased(self, application_ids: Collection[UUID] | None) -> None:
        """Drop what is known of these applications, None being all, in which data were erased. What
        is being read at this moment is not kept either.
        """
        self._erasures += 1
        if application_ids is None:
            self.forget_all()
        for application_id in application_ids or ():
            self.forget(application_id)

    async def load(
        self,
        application_id: UUID,
        *,
        principal: str | None = None,
        target: UUID | None = None,
        key: str | None = None,
    ) -> Loaded:
        """The application as the log has it now, in one snapshot with the use of `key`; remembers
        it if it exists.
        """
        erasures = self._erasures
        known = self.kept(application_id)
        aggregate = known or self.fresh(application_id)
        after_version = aggregate.version
        async with self._pool.connection() as connection:
            while True:
                # The last event that is known is read again: it shows that its history is this one.
                stretch = await read_stream(
                    connection,
                    shard_of(application_id),
                    application_id,
                    after_version=after_version - (known is not None),
                    principal=principal,
                    target=target,
                    key=key,
                )
                events = stretch.events
                if known is not None:
                    if not (events and ends_with(known, events[0])):
                        known, aggregate, after_version = None, self.fresh(application_id), 0
                        continue
                    known, events = None, events[1:]
                if events or not aggregate.version:
                    keyring = self.unwrap(application_id, stretch.subject_keys)
                    aggregate = self.fold(aggregate._replace(keyring=keyring), events)
                    after_version = aggregate.version
                if stretch.complete:
                    break
        if aggregate.version and erasures == self._erasures:
            self.keep(application_id, aggregate)
        return Loaded(aggregate=aggregate, key_used_by=stretch.key_used_by)

    def decode(self, stored: StoredEvent, keyring: Keyring) -> Event:
        """The event of a stored row of an application. Raises MalformedEvent, SealBroken."""
        return cast(
            Event,
            self._codec.decode(stored.event_type, stored.schema_version, stored.data, keyring),
        )

    def unwrap(self, application_id: UUID, rows: list[WrappedKey]) -> Keyring:
        """The keyring of an application's stored keys. Raises SealBroken."""
        return Keyring.unwrap(application_id, rows, self._master, self._randomness)

    def fold(
        self, aggregate: Aggregate, events: Sequence[StoredEvent], by: date | None = None
    ) -> Aggregate:
        """The aggregate after these stored events; of those that count after the day `by` only what
        happened to a loan that was there by then, so that what was reversed later never counted.
        """
        state, last = aggregate.state, None
        for stored in events:
            event = self.decode(stored, aggregate.keyring)
            if by is None or _counts(event, stored.effective_on, by, state):
                state, last = evolve(state, event, stored), stored
        if last is None:
            return aggregate
        keyring = aggregate.keyring
        return aggregate._replace(
            state=state,
            version=last.version,
            position=last.position,
            recorded_at=last.recorded_at,
            keyring=keyring.without(state.erased) if state.erased else keyring,
        )


def _counts(event: Event, on: date, by: date, state: Application) -> bool:
    """Whether an event that counts from `on` is part of what is known at the end of the day `by`."""
    if isinstance(event, ServicingEvent | Disbursed) and state.loan is not None:
        return True
    begins = isinstance(event, Boarded) or not isinstance(event, ServicingEvent)
    return on <= by and begins


def ends_with(aggregate: Aggregate, stored: StoredEvent) -> bool:
    """Whether `stored` is the last event in the aggregate: if it is not, its history is another."""
    return (aggregate.version, aggregate.position, aggregate.recorded_at) == (
        stored.version,
        stored.position,
        stored.recorded_at,
    )
