"""What was on record when: an application's timeline, two of its moments held against each other, and
what a decider could see.

What belongs here: what takes several moments of one application, or its events one by one. One moment
alone is `history.History`. Everything is answered from the log.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from lending.domain.application.events import Decided, Event, Overridden, Scored
from lending.domain.application.state import Application
from lending.domain.identifiers import shard_of
from lending.domain.models import ModelOnRecord
from lending.domain.policies import PolicyOnRecord
from lending.domain.registry import Registry
from lending.ledger.codec import Codec
from lending.ledger.leaf import Envelope
from lending.ledger.read import LAST_VERSION, StoredEvent, read_stream
from lending.ledger.sealing import Keyring
from lending.runtime import limits
from lending.runtime.postgres import Connection, Pool
from lending.service.aggregates import Aggregate, Aggregates
from lending.service.history import History, Moment, envelope_of
from lending.service.registry import read_registry_before
from lending.service.requests import RequestFault

NOW = Moment()
"""The application as it stands."""

Happening = tuple[Envelope, Event]


class NoDecision(RequestFault):
    """The event of this version is no decision, or there is none."""


class Change(NamedTuple):
    """An event, and the application before and after it."""

    envelope: Envelope
    event: Event
    before: Application
    after: Application


@dataclass(frozen=True, slots=True)
class Timeline:
    """An application at a moment, and a stretch of the events that count at it, in the order in which
    they were recorded. `more` says that others follow.
    """

    application_id: UUID
    aggregate: Aggregate
    changes: Sequence[Change]
    more: bool


class CountsAt(StrEnum):
    """At which of two moments an event counts that does not count at the other."""

    FROM = "from"
    TO = "to"


@dataclass(frozen=True, slots=True)
class Difference:
    """Two moments of an application, the first None for before there was one, and the events that
    count at one of them only. `more` says that there are others.
    """

    application_id: UUID
    first: Aggregate | None
    second: Aggregate
    events: Sequence[tuple[CountsAt, Happening]]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """What was on record right before a decision, and what was not yet.

    `seen` is the application by version; of its events `counting_later` count only from after the
    instant from which the decision counts. `score` is the last score recorded by then, `model` its
    model and `active_policy` the policy that decided where none was named, both as the registry had
    them right before. `known_afterwards` were recorded later and count from before the decision.
    `more` says that there are others of either.
    """

    application_id: UUID
    decision: tuple[Envelope, Decided | Overridden]
    seen: Aggregate
    score: tuple[Envelope, Scored] | None
    model: ModelOnRecord | None
    active_policy: PolicyOnRecord | None
    cited_policy: PolicyOnRecord | None
    counting_later: Sequence[Happening]
    known_afterwards: Sequence[Happening]
    more: bool


class Moments:
    """Reads what was on record when. Everything here is answered from the log alone."""

    def __init__(
        self, *, pool: Pool, history: History, aggregates: Aggregates, codec: Codec
    ) -> None:
        self._pool = pool
        self._history = history
        self._aggregates = aggregates
        self._codec = codec

    async def timeline(
        self, application_id: UUID, moment: Moment, *, after: int, limit: int
    ) -> Timeline:
        """At most `limit` of the events behind a version that count at a moment, with what each
        changed. Raises UnknownApplication, UnknownMoment.
        """
        found, moment = await self._pinned(application_id, moment)
        aggregate = self._aggregates.fresh(application_id)
        changes: list[Change] = []
        more = False
        async with self._pool.connection() as connection:
            async for stored, keyring in self._stored(connection, application_id, moment):
                before = aggregate.state
                aggregate = self._aggregates.fold(
                    aggregate._replace(keyring=keyring), [stored], moment.effective_on
                )
                if stored.version <= after or not _counts(stored, moment):
                    continue
                more = len(changes) == limit
                if more:
                    break
                changes.append(Change(*self._told(stored, keyring), before, aggregate.state))
        return Timeline(application_id, found, changes, more)

    async def difference(
        self, application_id: UUID, first: Moment | None, second: Moment
    ) -> Difference:
        """Two moments held against each other; without a first, the second against nothing.

        Raises UnknownApplication, UnknownMoment.
        """
        before, since = None, Moment(version=0)
        if first is not None:
            before, since = await self._pinned(application_id, first)
        after, until = await self._pinned(application_id, second)
        events: list[tuple[CountsAt, Happening]] = []
        last = Moment(version=max(since.version or 0, until.version or 0))
        async with self._pool.connection() as connection:
            async for stored, keyring in self._stored(connection, application_id, last):
                then, now = _counts(stored, since), _counts(stored, until)
                if then != now and len(events) <= limits.MOMENT_EVENTS_MAX:
                    side = CountsAt.TO if now else CountsAt.FROM
                    events.append((side, self._told(stored, keyring)))
        more = len(events) > limits.MOMENT_EVENTS_MAX
        kept = events[: limits.MOMENT_EVENTS_MAX]
        return Difference(application_id, before, after, kept, more)

    async def decision(self, application_id: UUID, version: int) -> DecisionView:
        """What a decider could see. `version` is the decision's. Raises UnknownApplication,
        NoDecision.
        """
        await self._history.now(application_id)  # an unknown application is the better answer
        async with self._pool.connection() as connection:
            decision = await self._decision(connection, application_id, version)
            around = _Around(self._aggregates.fresh(application_id), decision[0])
            async for stored, keyring in self._stored(connection, application_id, NOW):
                if stored.version < version:
                    seen = around.seen._replace(keyring=keyring)
                    around.seen = self._aggregates.fold(seen, [stored])
                if around.wants(stored):
                    around.take(self._told(stored, keyring))
            registry = await read_registry_before(
                connection, decision[0].shard, self._codec, decision[0].position
            )
        return around.view(application_id, decision[1], registry)

    async def _decision(
        self, connection: Connection, application_id: UUID, version: int
    ) -> tuple[Envelope, Decided | Overridden]:
        stretch = await read_stream(
            connection,
            shard_of(application_id),
            application_id,
            after_version=version - 1,
            to_version=version,
        )
        keyring = self._aggregates.unwrap(application_id, stretch.subject_keys)
        for stored in stretch.events:
            envelope, event = self._told(stored, keyring)
            if isinstance(event, Decided | Overridden):
                return envelope, event
        raise NoDecision(f"version {version} of application {application_id} is no decision")

    async def _pinned(self, application_id: UUID, moment: Moment) -> tuple[Aggregate, Moment]:
        """The application at a moment, and a moment that gives the same whatever is appended."""
        if moment.effective_on is None:
            aggregate = await self._history.seen(application_id, moment)
            return aggregate, Moment(version=aggregate.version)
        head = (await self._history.now(application_id)).version
        pinned = replace(moment, version=min(moment.version or head, head))
        return await self._history.at(application_id, pinned), pinned

    async def _stored(
        self, connection: Connection, application_id: UUID, moment: Moment
    ) -> AsyncIterator[tuple[StoredEvent, Keyring]]:
        """The events up to a moment by version and recorded time, and the keys that open each."""
        after, complete = 0, False
        last = LAST_VERSION if moment.version is None else moment.version
        while not complete:
            stretch = await read_stream(
                connection,
                shard_of(application_id),
                application_id,
                after_version=after,
                to_version=last,
                recorded_by=moment.as_of,
            )
            keyring = self._aggregates.unwrap(application_id, stretch.subject_keys)
            for stored in stretch.events:
                yield stored, keyring
            after, complete = after + len(stretch.events), stretch.complete

    def _told(self, stored: StoredEvent, keyring: Keyring) -> Happening:
        return envelope_of(stored), self._aggregates.decode(stored, keyring)


class _Around:
    """What is picked out of a stream about a decision in it."""

    def __init__(self, fresh: Aggregate, decision: Envelope) -> None:
        self.seen = fresh
        self._decision = decision
        self._score: tuple[Envelope, Scored] | None = None
        self._later: list[Happening] = []
        self._afterwards: list[Happening] = []

    def wants(self, stored: StoredEvent) -> bool:
        """Whether the event itself is told of."""
        before = stored.version < self._decision.version
        if before and stored.event_type == Scored.stored_as:
            return True
        if before:
            return stored.effective_at > self._decision.effective_at
        return stored.effective_at < self._decision.effective_at

    def take(self, happening: Happening) -> None:
        """Put the event where it belongs."""
        envelope, event = happening
        if envelope.version > self._decision.version:
            _add(self._afterwards, happening)
        elif envelope.version < self._decision.version:
            if isinstance(event, Scored):
                self._score = envelope, event
            if envelope.effective_at > self._decision.effective_at:
                _add(self._later, happening)

    def view(
        self, application_id: UUID, event: Decided | Overridden, registry: Registry
    ) -> DecisionView:
        """What was found, and what the registry had of it."""
        cited = event.policy if isinstance(event, Decided) else None
        most = limits.MOMENT_EVENTS_MAX
        return DecisionView(
            application_id=application_id,
            decision=(self._decision, event),
            seen=self.seen,
            score=self._score,
            model=None if self._score is None else _model(registry, self._score[1]),
            active_policy=registry.policies.active(self._decision.recorded_at),
            cited_policy=(
                None if cited is None else registry.policies.version(cited.name, cited.version)
            ),
            counting_later=self._later[:most],
            known_afterwards=self._afterwards[:most],
            more=max(len(self._later), len(self._afterwards)) > most,
        )


def _model(registry: Registry, scored: Scored) -> ModelOnRecord | None:
    return registry.models.version(scored.model, scored.model_version)


def _add(to: list[Happening], happening: Happening) -> None:
    """Add one, up to one more than is told."""
    if len(to) <= limits.MOMENT_EVENTS_MAX:
        to.append(happening)


def _counts(stored: StoredEvent, moment: Moment) -> bool:
    """Whether an event is on record at a moment, and counts by its day."""
    return (
        (moment.version is None or stored.version <= moment.version)
        and (moment.as_of is None or stored.recorded_at <= moment.as_of)
        and (moment.effective_on is None or stored.effective_on <= moment.effective_on)
    )
