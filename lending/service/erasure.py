"""Erasing a person's data: on record first, then out of the read models, then the keys.

What belongs here: the steps in their order. Each can be repeated, and what a process that died has
left is taken up where it stood: the registry says which erasures are under way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import errors, sql

from lending.domain.application.events import Event
from lending.domain.application.state import Status
from lending.domain.registry import Registry
from lending.domain.retention import Retention, counts_from
from lending.domain.subjects import Erasure, SubjectErased, SubjectKeysDestroyed
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, NoKeyring
from lending.ledger.submission import EncodedEvent, StreamAppend
from lending.runtime.clock import loop_seconds
from lending.runtime.limits import PAGE_MAX_ITEMS
from lending.runtime.postgres import Connection, Pool
from lending.service import limits
from lending.service.aggregates import Aggregate, Aggregates
from lending.service.history import History
from lending.service.registry_writing import Operator, RegistryWriter, Writing
from lending.service.requests import RequestFault
from lending.service.subjects import SQL, SubjectOffice

OPEN: Final = frozenset(
    {
        Status.PENDING,
        Status.REFERRED,
        Status.COUNTER_OFFERED,
        Status.APPROVED,
        Status.ACCEPTED,
        Status.ACTIVE,
        Status.OVERPAID,
    }
)
"""The statuses in which an application is undecided or under way, or its loan is open."""


class Obstacle(StrEnum):
    """Why data in an application cannot be erased yet."""

    OPEN = "open"
    HELD = "held"
    RETAINED = "retained"


@dataclass(frozen=True, slots=True)
class InTheWay:
    """What is in the way in one application; `until` is the first day on which it is not."""

    application_id: UUID
    obstacle: Obstacle
    status: Status
    until: date | None = None

    def __str__(self) -> str:
        """The same in words."""
        why = {
            Obstacle.OPEN: f"is {self.status}",
            Obstacle.HELD: "is held",
            Obstacle.RETAINED: f"has to be kept until {self.until}",
        }
        return f"application {self.application_id} {why[self.obstacle]}"


class SubjectOnHold(RequestFault):
    """A legal hold is on the person's data, or on those of somebody who shares an application with
    them. Lift it first.
    """


class NotErasable(RequestFault):
    """The person's data cannot be erased yet; `in_the_way` says why, application by application."""

    def __init__(self, in_the_way: Sequence[InTheWay]) -> None:
        super().__init__("; ".join(map(str, in_the_way)))
        self.in_the_way = in_the_way


class ReadModelsBehind(RequestFault):
    """The erasure is on record, but read models still hold what is to be erased. Once they do not,
    erase again: it goes on from there.
    """


class TooManyUnderWay(RequestFault):
    """As many erasures are under way as may be. Complete them first."""


class KeysLeft(RequestFault):
    """Keys of the person are still there, though they were destroyed. Somebody put them back."""


class Outcome(StrEnum):
    """What came of asking for an erasure."""

    ERASED = "erased"
    ALREADY_ERASED = "already_erased"
    WOULD_ERASE = "would_erase"


@dataclass(frozen=True, slots=True)
class Erased:
    """What came of it, and in which applications."""

    outcome: Outcome
    applications: Sequence[UUID]


class Eraser:
    """Erases the data of persons in one shard."""

    def __init__(
        self,
        shard: int,
        *,
        office: SubjectOffice,
        writer: RegistryWriter,
        pool: Pool,
        aggregates: Aggregates,
        history: History,
        codec: Codec,
        retention: Retention,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
        connect: Callable[[], Awaitable[Connection]],
    ) -> None:
        """`connect` gives a connection whose role may destroy keys."""
        self._shard = shard
        self._office = office
        self._writer = writer
        self._pool = pool
        self._aggregates = aggregates
        self._history = history
        self._codec = codec
        self._retention = retention
        self._zone = zone
        self._clock = clock
        self._connect = connect

    async def rehearse(self, subject: str) -> Erased:
        """What `erase` would do, with nothing recorded. Raises what it would raise."""
        registry = await self._office.standing()
        under_way = registry.subjects.under_way.get(subject)
        if under_way is not None:
            return Erased(Outcome.WOULD_ERASE, under_way.applications)
        erasable = await self._erasable(subject, registry)
        outcome = Outcome.WOULD_ERASE if erasable else Outcome.ALREADY_ERASED
        return Erased(outcome, list(erasable))

    async def erase(
        self,
        subject: str,
        reason: str,
        operator: Operator,
        *,
        patience_seconds: float = limits.ERASURE_WAIT_SECONDS,
    ) -> Erased:
        """Erase the person's data, or go on with it. Raises RequestFault, LaneFault."""
        erasure = await self._recorded(subject, reason, operator)
        if erasure is None:
            known = await self._office.applications(subject)
            return Erased(Outcome.ALREADY_ERASED, [one.application_id for one in known])
        await self._passed(erasure, patience_seconds)
        await self._destroy(erasure)
        await self._complete(erasure, operator)
        return Erased(Outcome.ERASED, erasure.applications)

    # the steps

    async def _recorded(self, subject: str, reason: str, operator: Operator) -> Erasure | None:
        """The erasure on record, in the registry and in every application at once; None where the
        person is erased already.
        """

        async def decide(registry: Registry) -> Writing | None:
            if subject in registry.subjects.under_way:
                return None
            erasable = await self._erasable(subject, registry)
            if not erasable:
                return None
            if len(registry.subjects.under_way) >= limits.ERASURES_UNDER_WAY_MAX:
                raise TooManyUnderWay(f"{limits.ERASURES_UNDER_WAY_MAX} erasures are under way")
            event = SubjectErased(subject=subject, reason=reason, applications=tuple(erasable))
            appended = self._encoded(SubjectErased(subject=subject, reason=reason))
            streams = [
                StreamAppend(
                    application_id=application_id, expected_version=version, events=[appended]
                )
                for application_id, version in erasable.items()
            ]
            return Writing(event, streams)

        written = await self._writer.write_with("erase_subject", operator, decide)
        return written.registry.subjects.under_way.get(subject)

    def _encoded(self, event: SubjectErased) -> EncodedEvent:
        data = canonical_json(self._codec.encode(event, NoKeyring(), ""))
        return EncodedEvent(event.stored_as, event.schema_version, data)

    async def _passed(self, erasure: Erasure, patience_seconds: float) -> None:
        """Wait until every read model has passed the last event of the erasure."""
        deadline = loop_seconds() + patience_seconds
        while behind := await self._behind(erasure):
            if loop_seconds() >= deadline:
                raise ReadModelsBehind("; ".join(behind))
            await asyncio.sleep(limits.ERASURE_POLL_SECONDS)

    async def _behind(self, erasure: Erasure) -> list[str]:
        applications = list(erasure.applications)
        asked = {
            "shard": self._shard,
            # One event in each application stands right behind the registry's.
            "position": erasure.position + len(applications),
            "application_ids": applications,
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(SQL["behind"], asked)).fetchall()
            replays = [
                schema
                for (schema,) in await (await connection.execute(SQL["replays"])).fetchall()
                if await _keeps(connection, schema, asked)
            ]
        return [f"{name} {why}" for name, why in rows] + [
            f"the replay {schema} was begun before: drop it, or make it anew with --replace"
            for schema in replays
        ]

    async def _destroy(self, erasure: Erasure) -> None:
        asked = {
            "shard": self._shard,
            "subject": erasure.subject,
            "application_ids": list(erasure.applications),
        }
        async with await self._connect() as connection:
            await connection.execute(SQL["destroy"], asked)
        left = {
            one.application_id
            for one in await self._office.applications(erasure.subject)
            if not one.destroyed
        }
        if not left.isdisjoint(erasure.applications):
            raise KeysLeft(f"keys of {erasure.subject} are left")

    async def _complete(self, erasure: Erasure, operator: Operator) -> None:
        def decide(registry: Registry) -> SubjectKeysDestroyed | None:
            if erasure.subject not in registry.subjects.under_way:
                return None
            return SubjectKeysDestroyed(subject=erasure.subject, applications=erasure.applications)

        await self._writer.write("erase_subject", operator, decide)

    # whether it may be

    async def _erasable(self, subject: str, registry: Registry) -> dict[UUID, int]:
        """The applications in which the person is not erased yet, at their versions.

        Raises SubjectOnHold, NotErasable, UnknownSubject.
        """
        hold = registry.subjects.holds.get(subject)
        if hold is not None:
            raise SubjectOnHold(f"{subject} is under a legal hold: {hold.reason}")
        erasable: dict[UUID, int] = {}
        in_the_way: list[InTheWay] = []
        for one in await self._office.applications(subject):
            if one.destroyed:
                continue
            aggregate = (await self._aggregates.load(one.application_id)).aggregate
            erasable[one.application_id] = aggregate.version
            self._require_none_held(one.application_id, aggregate.state.borrowers, registry)
            obstacle = await self._obstacle(one.application_id, aggregate)
            in_the_way += [] if obstacle is None else [obstacle]
        for application_id, other in await self._office.sharing(erasable, registry.subjects.holds):
            self._require_none_held(application_id, [other], registry)
        if in_the_way:
            raise NotErasable(in_the_way)
        return erasable

    def _require_none_held(
        self, application_id: UUID, persons: Iterable[str], registry: Registry
    ) -> None:
        """What is told of an application is about all who are in it, whose key it is sealed with or not."""
        for other in persons:
            hold = registry.subjects.holds.get(other)
            if hold is not None:
                raise SubjectOnHold(
                    f"{other}, who shares application {application_id}, is under a legal hold:"
                    f" {hold.reason}"
                )

    async def _obstacle(self, application_id: UUID, aggregate: Aggregate) -> InTheWay | None:
        state = aggregate.state
        if state.status in OPEN:
            return InTheWay(application_id, Obstacle.OPEN, state.status)
        if state.holds:
            return InTheWay(application_id, Obstacle.HELD, state.status)
        began_on = await self._retention_began(application_id, aggregate.version)
        until = self._retention.until(state.credit_kind, began_on)
        if self._clock().astimezone(self._zone).date() < until:
            return InTheWay(application_id, Obstacle.RETAINED, state.status, until)
        return None

    async def _retention_began(self, application_id: UUID, version: int) -> date:
        """The latest day from which retention counts, of the events up to a version."""
        latest, after = date.min, 0
        while after < version:
            page = await self._history.events(application_id, after, PAGE_MAX_ITEMS)
            for envelope, event in page.events[: version - after]:
                day = counts_from(cast(Event, event), envelope.effective_on)
                latest = latest if day is None else max(latest, day)
            after += len(page.events)
            if not page.more:
                break
        return latest


async def _keeps(connection: Connection, schema: str, asked: dict[str, Any]) -> bool:
    """Whether a replay may hold what is erased. One that is dropped meanwhile holds nothing."""
    statement = sql.SQL(SQL["replay_behind"]).format(schema=sql.Identifier(schema))
    try:
        row = await (await connection.execute(statement, asked)).fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return False
    return row is None or bool(row[0])
