"""One application at any moment, its events, and the feed of a shard."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from lending.domain.application.events import Event
from lending.domain.identifiers import is_application_id, shard_of
from lending.domain.servicing.statement import standing_on
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, NoKeyring
from lending.ledger.codec import StoredEvent as AnyEvent
from lending.ledger.leaf import Envelope, Provenance
from lending.ledger.read import (
    LAST_VERSION,
    Standing,
    StoredEvent,
    read_feed,
    read_feed_of_stream,
    read_feed_of_types,
    read_head,
    read_standing,
    read_stream,
    read_subject_keys,
)
from lending.ledger.submission import StoredAnswer
from lending.runtime import limits
from lending.runtime.postgres import Connection, Pool
from lending.service.aggregates import Aggregate, Aggregates, ends_with
from lending.service.registry import RegistryReader
from lending.service.requests import RequestFault, UnknownApplication
from lending.service.subscription import EVERYTHING, EventFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Which moment of an application: each bound that is given leaves out the events beyond it."""

    version: int | None = None
    as_of: datetime | None = None
    effective_on: date | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """An application as it was, and those of its events that were asked for."""

    aggregate: Aggregate
    events: Sequence[tuple[Envelope, Event]]

    def on(self, day: date) -> "Past":
        """The same, with the loan as it stood at the end of a day."""
        state = self.aggregate.state
        if state.loan is None:
            return self
        loan = standing_on(state.loan, day)
        return replace(self, aggregate=self.aggregate._replace(state=state._replace(loan=loan)))


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of events, decoded, and whether more follow."""

    events: Sequence[tuple[Envelope, AnyEvent]]
    more: bool


@dataclass(frozen=True, slots=True)
class FeedPage(Page):
    """A stretch of a shard's events: those that are wanted of all up to `position`, and the epoch
    the shard was in when it was read. `more` says that the log goes on behind `position`.
    """

    epoch: int
    position: int


class HistoryGone(RequestFault):
    """The cursor is of a history whose end was lost. Go on from `first_position`, and drop what you
    saw from there.
    """

    def __init__(self, shard: int, first_position: int, epoch: int) -> None:
        super().__init__(f"what was read from {shard}:{first_position} on is no longer the record")
        self.shard = shard
        self.first_position = first_position
        self.epoch = epoch


class UnknownShard(RequestFault):
    """There is no such shard."""


class UnknownMoment(RequestFault):
    """The application had no such version, or no event yet at that moment."""


class History:
    """Reads what was. Everything here is answered from the log alone."""

    def __init__(
        self,
        *,
        pool: Pool,
        aggregates: Aggregates,
        codec: Codec,
        registries: Mapping[int, RegistryReader],
    ) -> None:
        self._pool = pool
        self._aggregates = aggregates
        self._codec = codec
        self._registries = registries
        self._repeated: OrderedDict[UUID, Aggregate] = OrderedDict()
        self._erasures = 0

    async def now(self, application_id: UUID) -> Aggregate:
        """The application as the log has it now. Raises UnknownApplication."""
        self._require(application_id)
        aggregate = (await self._aggregates.load(application_id)).aggregate
        if not aggregate.version:
            raise UnknownApplication(application_id)
        return aggregate

    async def at(self, application_id: UUID, moment: Moment) -> Aggregate:
        """The application at a moment.

        Raises UnknownMoment where no such version exists, or nothing was on record by that moment.
        """
        self._require(application_id)
        past = await self._fold(self._aggregates.fresh(application_id), application_id, moment)
        if moment.effective_on is not None:
            past = past.on(moment.effective_on)
        short = moment.version is not None and past.aggregate.version < moment.version
        if short and moment.effective_on is None:
            raise UnknownMoment(f"application {application_id} has no version {moment.version}")
        if not past.aggregate.version:
            raise UnknownMoment(
                f"nothing is on record of application {application_id} at that moment"
            )
        return past.aggregate

    async def seen(self, application_id: UUID, moment: Moment) -> Aggregate:
        """The application at a moment, now where none is named. Raises UnknownApplication, and
        UnknownMoment of one that exists.
        """
        if moment == Moment():
            return await self.now(application_id)
        try:
            return await self.at(application_id, moment)
        except UnknownMoment:
            await self.now(application_id)  # an unknown application is the better answer
            raise

    async def after(self, answer: StoredAnswer) -> Past:
        """The application as a command left it, and the events that the command caused.

        Repetitions of an application's commands mostly come in their order, so the fold goes on
        from where it stood for the last one.
        """
        application_id, erasures = answer.application_id, self._erasures
        moment = Moment(version=answer.version)
        caused = 0
        if answer.first_position is not None and answer.last_position is not None:
            caused = answer.last_position - answer.first_position + 1
        start = self._repeated.get(application_id)
        if start is None or start.version > answer.version - caused:
            start = self._aggregates.fresh(application_id)
        past = await self._fold(start, application_id, moment, answer.command_id)
        if past.aggregate.version and erasures == self._erasures:
            self._repeated[application_id] = past.aggregate
            self._repeated.move_to_end(application_id)
        if len(self._repeated) > limits.REPEATED_AGGREGATES_MAX:
            self._repeated.popitem(last=False)
        return past

    def forget(self) -> None:
        """Fold every application from its first event next time: its history may be another."""
        self._repeated.clear()

    def erased(self) -> None:
        """Drop what is kept, and keep nothing of what is being read: data were erased."""
        self._erasures += 1
        self._repeated.clear()

    async def _fold(
        self,
        start: Aggregate,
        application_id: UUID,
        moment: Moment,
        of_command: UUID | None = None,
    ) -> Past:
        """Fold from `start` up to a moment, and pick out the events of one command.

        The last event in `start` is read again: where the log has another, or none, the fold begins
        anew.
        """
        aggregate, version, unproven = start, start.version, start.version > 0
        events: list[tuple[Envelope, Event]] = []
        to_version = LAST_VERSION if moment.version is None else moment.version
        async with self._pool.connection() as connection:
            while unproven or version < to_version:
                stretch = await read_stream(
                    connection,
                    shard_of(application_id),
                    application_id,
                    after_version=version - unproven,
                    to_version=to_version,
                    recorded_by=moment.as_of,
                )
                stored = stretch.events
                if unproven:
                    unproven = False
                    if not (stored and ends_with(start, stored[0])):
                        aggregate, version = self._aggregates.fresh(application_id), 0
                        continue
                    stored = stored[1:]
                keyring = self._aggregates.unwrap(application_id, stretch.subject_keys)
                aggregate = self._counted(
                    aggregate._replace(keyring=keyring), stored, moment.effective_on
                )
                events += [
                    (envelope_of(one), self._aggregates.decode(one, keyring))
                    for one in stored
                    if one.command_id == of_command
                ]
                version += len(stored)
                if stretch.complete:
                    break
        return Past(aggregate, events)

    def _counted(
        self, aggregate: Aggregate, events: Sequence[StoredEvent], by: date | None
    ) -> Aggregate:
        return self._aggregates.fold(aggregate, events, by)

    async def events(self, application_id: UUID, after_version: int, limit: int) -> Page:
        """The events of one application behind a version. Raises UnknownApplication."""
        self._require(application_id)
        async with self._pool.connection() as connection:
            stretch = await read_stream(
                connection,
                shard_of(application_id),
                application_id,
                after_version=after_version,
                limit=limit + 1,
            )
        if not stretch.events and (after_version == 0 or not await self._exists(application_id)):
            raise UnknownApplication(application_id)
        keyring = self._aggregates.unwrap(application_id, stretch.subject_keys)
        events = [
            (envelope_of(e), self._aggregates.decode(e, keyring)) for e in stretch.events[:limit]
        ]
        return Page(events, more=len(stretch.events) > limit)

    async def _exists(self, application_id: UUID) -> bool:
        return (await self._aggregates.load(application_id)).aggregate.version > 0

    async def feed(
        self,
        shard: int,
        after: int,
        limit: int,
        *,
        epoch: int | None = None,
        wanted: EventFilter = EVERYTHING,
    ) -> FeedPage:
        """The shard's events behind a position that was read in `epoch` (None: the present one).

        Of `wanted` it heeds what `admits` does; the stage is left to the caller. Raises HistoryGone
        for a position beyond the head, or one whose events an older epoch lost with its tail;
        UnknownShard.
        """
        self._require_shard(shard)
        async with self._pool.connection() as connection:
            found = await _scan(connection, shard, after, limit, wanted)
            # Behind the events and on their connection: no other history comes in between.
            standing = await read_standing(connection, shard)
            applications = list(
                {e.application_id for e in found.events if is_application_id(e.application_id)}
            )
            keys = await read_subject_keys(connection, shard, applications) if applications else {}
        await self._require_cursor(shard, after, epoch, standing)
        keyrings = {
            application: self._aggregates.unwrap(application, rows)
            for application, rows in keys.items()
        }
        events = [
            (
                envelope_of(e),
                self._codec.decode(
                    e.event_type,
                    e.schema_version,
                    e.data,
                    keyrings.get(e.application_id) or NoKeyring(),
                ),
            )
            for e in found.events
        ]
        return FeedPage(events, more=found.more, epoch=standing.epoch, position=found.position)

    async def require_cursor(self, shard: int, position: int, epoch: int | None) -> int:
        """Check that `position`, read in `epoch`, is of the present history; the present epoch.

        Raises HistoryGone, UnknownShard.
        """
        standing = await self.standing(shard)
        await self._require_cursor(shard, position, epoch, standing)
        return standing.epoch

    async def _require_cursor(
        self, shard: int, position: int, epoch: int | None, standing: Standing
    ) -> None:
        if epoch is not None and epoch != standing.epoch:
            gone_from = await self._gone_from(shard, epoch, standing)
            if gone_from is not None and position >= gone_from:
                raise HistoryGone(shard, gone_from, standing.epoch)
        if position > standing.head:
            raise HistoryGone(shard, standing.head + 1, standing.epoch)

    async def _gone_from(self, shard: int, epoch: int, standing: Standing) -> int | None:
        """From which position on another epoch's events may not be the record; None: they all are."""
        if epoch > standing.epoch:
            return 1  # an epoch that this log never reached: nothing is known of what it shared
        # Refreshing proves that what was known is of the present history, and leaves it known.
        return (await self._registries[shard].refresh()).registry.cut_after(epoch)

    async def head(self, shard: int) -> int:
        """The last position of the shard. Raises UnknownShard."""
        return (await self.standing(shard)).head

    async def standing(self, shard: int) -> Standing:
        """The last position of the shard, and its epoch. Raises UnknownShard."""
        self._require_shard(shard)
        async with self._pool.connection() as connection:
            return await read_standing(connection, shard)

    def _require_shard(self, shard: int) -> None:
        if shard not in self._registries:
            raise UnknownShard(f"there is no shard {shard}")

    def _require(self, application_id: UUID) -> None:
        if (
            not is_application_id(application_id)
            or shard_of(application_id) not in self._registries
        ):
            raise UnknownApplication(application_id)


class _Scanned(NamedTuple):
    """What a scan found, how far it looked, and whether the log goes on behind that."""

    events: Sequence[StoredEvent]
    position: int
    more: bool


async def _scan(
    connection: Connection, shard: int, after: int, limit: int, wanted: EventFilter
) -> _Scanned:
    """The first `limit` wanted events of a bounded stretch of the log."""
    if wanted.application_id is None and not wanted.event_types:
        stored = await read_feed(connection, shard, after, limit + 1)
        found = [e for e in stored[:limit] if wanted.admits(e.application_id, e.event_type)]
        position = stored[:limit][-1].position if stored else after
        return _Scanned(found, position, len(stored) > limit)
    head = await read_head(connection, shard)  # before the events: none behind it is looked at
    if wanted.application_id is None:
        end = min(head, after + limits.FEED_SCAN_MAX_EVENTS)
        stored = await read_feed_of_types(
            connection, shard, wanted.event_types, after=after, to_position=end, limit=limit
        )
        full = len(stored) == limit
    else:  # by its stream: nothing else is read, however long the log is
        end, bound = head, limits.FEED_SCAN_MAX_EVENTS if wanted.event_types else limit
        stored = await read_feed_of_stream(
            connection, shard, wanted.application_id, after=after, to_position=end, limit=bound
        )
        full = len(stored) == bound
    found = [e for e in stored if wanted.admits(e.application_id, e.event_type)]
    position = stored[-1].position if full else max(after, end)
    if len(found) >= limit:
        found = found[:limit]
        position = found[-1].position
    return _Scanned(found, position, head > position)


def envelope_of(stored: StoredEvent) -> Envelope:
    """The envelope of a stored row."""
    return Envelope(
        shard=stored.shard,
        position=stored.position,
        application_id=stored.application_id,
        version=stored.version,
        event_type=stored.event_type,
        schema_version=stored.schema_version,
        epoch=stored.epoch,
        recorded_at=stored.recorded_at,
        effective_at=stored.effective_at,
        effective_on=stored.effective_on,
        provenance=Provenance(
            actor=stored.actor,
            actor_kind=stored.actor_kind,
            on_behalf_of=stored.on_behalf_of,
            agent_build=stored.agent_build,
            command_id=stored.command_id,
            command_key_hash=stored.command_key_hash,
            correlation_id=stored.correlation_id,
            causation_id=stored.causation_id,
            traceparent=stored.traceparent,
            authority=None if stored.authority is None else canonical_json(stored.authority),
        ),
    )
