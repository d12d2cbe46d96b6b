"""Work: what waits for which role, and its claims, each held by one principal for a while.

What belongs here: reading the queues, taking tasks from them, renewing and releasing. A claim keeps
agents from doing the same twice; it gives no right and takes none: commands never look at it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources import files
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import errors

from lending.domain.application.work import Task, waiting_for
from lending.domain.authority import Principal, Role
from lending.domain.identifiers import shard_of
from lending.runtime import limits
from lending.runtime.postgres import Connection, Pool
from lending.runtime.sql import load_queries
from lending.service.history import History
from lending.service.requests import RequestFault

_SQL: Final = load_queries(files("lending.service") / "work.sql")


class UnknownClaim(RequestFault):
    """The principal holds no claim of this id: it never did, or the claim was released, expired, or
    is over because the application waits for something else.
    """


class TooManyClaims(RequestFault):
    """The principal holds as many claims as it may."""


class ReadModelOutdated(RequestFault):
    """The read model was made by code that did not say what applications wait for."""


class QueueBusy(RequestFault):
    """Too many take from the same queue at once: no turn came in time. Nothing was taken."""


class Place(NamedTuple):
    """Where a task stands in the queue of its role: oldest first."""

    since: datetime
    application_id: UUID


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task as the read model has it. `version` is the application's; `claim_id` and `claimed_by`
    are of whoever holds it until `claimed_until`.
    """

    application_id: UUID
    role: str
    command: str
    version: int
    since: datetime
    since_version: int
    age_seconds: float
    claimed_until: datetime | None
    claim_id: UUID | None
    claimed_by: str | None


@dataclass(frozen=True, slots=True)
class Queue:
    """How much waits for a command of a role, how much of it is taken, how old the oldest is."""

    role: str
    command: str
    waiting: int
    claimed: int
    oldest_since: datetime
    oldest_age_seconds: float


@dataclass(frozen=True, slots=True)
class WorkPage:
    """Tasks, oldest first, whether more follow, the queues whole, and the position of the read
    model.
    """

    tasks: Sequence[Waiting]
    more: bool
    queues: Sequence[Queue]
    position: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that somebody holds. `version` is the application's in the log; `row_version` the one
    in the read model, by which it is waited for.
    """

    claim_id: UUID
    application_id: UUID
    role: str
    command: str
    version: int
    since: datetime
    since_version: int
    claimed_at: datetime
    expires_at: datetime
    row_version: int


class Work:
    """The queues of one ledger and what is taken from them."""

    def __init__(self, pool: Pool, history: History, new_id: Callable[[int], UUID]) -> None:
        self._pool = pool
        self._history = history
        self._new_id = new_id
        # Who waits for a queue waits here, without one of the pool's connections.
        self._turns = {role: asyncio.Lock() for role in Role}

    async def waiting(
        self, shard: int, roles: Sequence[Role], *, after: Place | None, limit: int
    ) -> WorkPage:
        """What waits for these roles, oldest first, behind a place in the queue.

        Raises ReadModelOutdated.
        """
        asked = {
            "shard": shard,
            "roles": [role.value for role in roles],
            "after_since": None if after is None else after.since,
            "after_id": None if after is None else after.application_id,
            "limit": limit + 1,
        }
        async with self._connection() as connection:
            # The position first: rows read after it are at least as new.
            position = await _rows(connection, "position", asked)
            rows = await _rows(connection, "waiting", asked)
            counts = await _rows(connection, "counts", asked)
        return WorkPage(
            tasks=[Waiting(*row) for row in rows[:limit]],
            more=len(rows) > limit,
            queues=[Queue(*row) for row in counts],
            position=position[0][0] if position else 0,
        )

    async def claim(
        self, shard: int, role: Role, principal: Principal, *, limit: int, seconds: int
    ) -> Sequence[Claim]:
        """Take the oldest tasks of a role that nobody holds, at most `limit`, for so long.

        Whoever takes from the same queue waits for the end of this transaction, in which nothing
        but its statements happens. Raises TooManyClaims, QueueBusy, ReadModelOutdated.
        """
        asked: dict[str, Any] = {
            "shard": shard,
            "role": role.value,
            "principal": principal.name,
            "seconds": seconds,
            "claim_ids": [self._new_id(shard) for _ in range(limit)],
        }
        async with self._turn(role), self._connection() as connection:
            await connection.execute(_SQL["sweep"], {**asked, "limit": limits.WORK_SWEEP_MAX_ITEMS})
            async with connection.transaction():
                await _take_queue(connection, asked)
                ((held,),) = await _rows(connection, "held", asked)
                room = limits.WORK_CLAIMS_MAX_ITEMS - held
                if room <= 0:
                    raise TooManyClaims(f"{held} claims are held; finish or release some")
                rows = await _rows(connection, "claim", {**asked, "limit": min(limit, room)})
        return [Claim(*row) for row in rows]

    async def claims(self, shard: int, principal: Principal) -> Sequence[Claim]:
        """What the principal holds, oldest claim first. Raises ReadModelOutdated."""
        return await self._held(shard, principal, None)

    async def renew(self, principal: Principal, claim_id: UUID, seconds: int) -> Claim:
        """Hold a claim for so long from now on. Raises UnknownClaim, ReadModelOutdated."""
        shard = shard_of(claim_id)
        found = await self._held(shard, principal, claim_id)
        asked = {
            "shard": shard,
            "claim_id": claim_id,
            "principal": principal.name,
            "seconds": seconds,
        }
        async with self._connection() as connection:
            rows = await _rows(connection, "renew", asked) if found else []
        if not rows:
            raise UnknownClaim
        return replace(found[0], expires_at=rows[0][0])

    async def release(self, principal: Principal, claim_id: UUID) -> None:
        """Give a claim back before it expires. Raises UnknownClaim, ReadModelOutdated."""
        shard = shard_of(claim_id)
        found = await self._held(shard, principal, claim_id)
        asked = {"shard": shard, "claim_id": claim_id, "principal": principal.name}
        async with self._connection() as connection:
            rows = await _rows(connection, "release", asked)
        if not (found and rows and rows[0][0]):
            raise UnknownClaim

    async def _held(self, shard: int, principal: Principal, claim_id: UUID | None) -> list[Claim]:
        asked = {
            "shard": shard,
            "principal": principal.name,
            "claim_id": claim_id,
            "limit": limits.WORK_CLAIMS_MAX_ITEMS,
        }
        async with self._connection() as connection:
            rows = await _rows(connection, "claims", asked)
        claims = [Claim(*row) for row in rows]
        return [claim for claim in claims if await self._waits_still(claim)]

    async def _waits_still(self, claim: Claim) -> bool:
        """Whether the application still waits for what was claimed, by the log where that knows more."""
        if claim.version == claim.row_version:
            return True
        state = (await self._history.now(claim.application_id)).state
        return waiting_for(state) == Task(Role(claim.role), claim.command)

    @asynccontextmanager
    async def _turn(self, role: Role) -> AsyncIterator[None]:
        turn = self._turns[role]
        try:
            async with asyncio.timeout(limits.WORK_TURN_MAX_SECONDS):
                await turn.acquire()
        except TimeoutError:
            raise QueueBusy("too many claim this role's tasks at once; nothing was taken") from None
        try:
            yield
        finally:
            turn.release()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (errors.UndefinedColumn, errors.UndefinedTable):
            raise ReadModelOutdated(
                "the read model does not say yet what applications wait for: an operator runs"
                " `lending rebuild loan_applications`"
            ) from None


async def _take_queue(connection: Connection, asked: Mapping[str, Any]) -> None:
    if not await _rows(connection, "take_queue", asked):
        await connection.execute(_SQL["make_queue"], asked)
        await _rows(connection, "take_queue", asked)


async def _rows(
    connection: Connection, name: str, asked: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    return await (await connection.execute(_SQL[name], asked)).fetchall()
