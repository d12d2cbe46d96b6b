"""Who read what is personal: every answer with personal data to an auditor, and all evidence with
personal data to anybody, is recorded before it is given.

Records that come while others are written go together into the next transaction, so an answer waits
for one commit, whatever the load. What cannot be recorded in a bounded time is not answered.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from importlib.resources import files
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
import psycopg
import psycopg_pool

from lending.domain.authority import Principal, Role
from lending.domain.identifiers import is_application_id
from lending.ledger.submission import LaneUnavailable
from lending.runtime.postgres import Pool
from lending.runtime.sql import load_queries
from lending.service import limits

_SQL: Final = load_queries(files("lending.service") / "access_log.sql")
_DATABASE: Final = (psycopg.Error, psycopg_pool.PoolTimeout, psycopg_pool.TooManyRequests, OSError)


class What(StrEnum):
    """What was read."""

    APPLICATION = "application"
    EVENTS = "events"
    LIST = "list"
    FEED = "feed"
    STREAM = "stream"
    EXPLANATION = "explanation"
    NOTICE = "notice"
    EVIDENCE = "evidence"
    PERSONAL_EVIDENCE = "personal_evidence"
    """Evidence with the values in clear and the persons' keys: recorded whoever is given it."""
    TIMELINE = "timeline"
    DIFFERENCE = "difference"
    DECISION = "decision"


class Asker(NamedTuple):
    """Who reads, in which context."""

    principal: Principal
    correlation_id: str
    on_behalf_of: str | None = None


def watched(principal: Principal) -> bool:
    """Whether what it reads is recorded: it is an auditor."""
    return Role.AUDITOR in principal.roles and not principal.unrestricted


class _Waiting(NamedTuple):
    row: Mapping[str, Any]
    recorded: "asyncio.Future[None]"


class AccessLog:
    """Records reads in one shard. `run` must be running; `heed` may be called by many."""

    def __init__(self, shard: int, pool: Pool, new_id: Callable[[int], UUID]) -> None:
        self._shard = shard
        self._pool = pool
        self._new_id = new_id
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()

    async def heed(self, asker: Asker, what: What, application_ids: Collection[UUID]) -> None:
        """Record that these applications are read, if who asks is an auditor or takes evidence with
        personal data away; it is on record when this returns. Raises LaneUnavailable where it could
        not be recorded: then do not answer.
        """
        if not (what is What.PERSONAL_EVIDENCE or watched(asker.principal)):
            return
        applications = sorted({one for one in application_ids if is_application_id(one)})
        if not applications:
            return
        if len(self._waiting) >= limits.ACCESS_QUEUE_MAX:
            raise LaneUnavailable("too many reads of personal data wait to be recorded")
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(self._row(asker, what, applications), recorded))
        self._arrived.set()
        try:
            async with asyncio.timeout(limits.ACCESS_WAIT_SECONDS):
                await recorded
        except TimeoutError:
            raise LaneUnavailable("that personal data are read could not be recorded") from None

    def _row(self, asker: Asker, what: What, applications: Sequence[UUID]) -> Mapping[str, Any]:
        return {
            "read_id": self._new_id(self._shard),
            "principal": asker.principal.name,
            "on_behalf_of": asker.on_behalf_of,
            "credential": asker.principal.credential,
            "what": what.value,
            "application_ids": applications,
            "correlation_id": asker.correlation_id,
        }

    async def run(self) -> None:
        """Write what arrives. A database that does not answer is asked again by those who come
        next. Runs until cancelled.
        """
        while True:
            await self._arrived.wait()
            batch = [self._waiting.popleft() for _ in range(self._next())]
            if not self._waiting:
                self._arrived.clear()
            wanted = [one for one in batch if not one.recorded.done()]
            if wanted:
                await self._write(wanted)

    def _next(self) -> int:
        return min(len(self._waiting), limits.ACCESS_BATCH_MAX)

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        rows = orjson.dumps([one.row for one in batch]).decode()
        fault: Exception | None = None
        try:
            async with asyncio.timeout(limits.ACCESS_WAIT_SECONDS):
                async with self._pool.connection() as connection:
                    await connection.execute(_SQL["record"], {"shard": self._shard, "rows": rows})
        except (*_DATABASE, TimeoutError):
            fault = LaneUnavailable("that personal data are read could not be recorded")
        for one in batch:
            if one.recorded.done():
                continue
            if fault is None:
                one.recorded.set_result(None)
            else:
                one.recorded.set_exception(fault)

    async def page(
        self, *, subject: str | None, principal: str | None, before: UUID | None, limit: int
    ) -> Sequence[tuple[Any, ...]]:
        """What was read, newest first, of one person or of all, by one principal or by all."""
        asked = {
            "shard": self._shard,
            "subject": subject,
            "principal": principal,
            "before": before,
            "limit": limit,
        }
        async with self._pool.connection() as connection:
            return await (await connection.execute(_SQL["reads"], asked)).fetchall()
