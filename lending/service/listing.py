"""Lists, answered from the read models, and how far those have come."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib.resources import files
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg.rows import dict_row

from lending.runtime import limits
from lending.runtime.postgres import Pool
from lending.runtime.sql import load_queries
from lending.service.requests import OpenApplication

_SQL: Final = load_queries(files("lending.service") / "listing.sql")
APPLICATIONS: Final = "loan_applications"
"""The read model that lists are answered from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationFilter:
    """Which applications: each filter that is given narrows the list. Dates are of the effective
    apply, inclusive.
    """

    reference: str | None = None
    applicant_id: str | None = None
    status: str | None = None
    stage: str | None = None
    applied_from: date | None = None
    applied_to: date | None = None


@dataclass(frozen=True, slots=True)
class ListPage:
    """Rows of a read model, whether more follow, and the position the read model stands at, or None
    where it lacks.
    """

    rows: Sequence[Mapping[str, Any]]
    more: bool
    position: int


class Listing:
    """Reads the read models."""

    def __init__(self, pool: Pool, zone: ZoneInfo) -> None:
        self._pool = pool
        self._zone = zone

    async def applications(
        self, shard: int, wanted: ApplicationFilter, *, before: UUID | None, limit: int
    ) -> ListPage:
        """Applications newest first, those with an id below `before`."""
        asked = {
            "shard": shard,
            "before": before,
            "reference": wanted.reference,
            "applicant_id": wanted.applicant_id,
            "status": wanted.status,
            "stage": wanted.stage,
            "applied_from": None
            if wanted.applied_from is None
            else self._midnight(wanted.applied_from),
            "applied_to": None
            if wanted.applied_to is None
            else self._midnight(wanted.applied_to + timedelta(days=1)),
            "limit": limit + 1,
        }
        async with self._pool.connection() as connection:
            # The position first: rows read after it are at least as new.
            position = await (
                await connection.execute(
                    _SQL["position"], {"shard": shard, "projection": APPLICATIONS}
                )
            ).fetchone()
            cursor = connection.cursor(row_factory=dict_row)
            rows = await (await cursor.execute(_SQL["applications"], asked)).fetchall()
        return ListPage(rows[:limit], len(rows) > limit, 0 if position is None else position[0])

    async def open_applications_of(
        self, shard: int, applicants: Collection[str], limit: int
    ) -> Mapping[str, Sequence[OpenApplication]]:
        """The applications under way of each of these applicants, newest first, at most `limit`
        each.
        """
        asked = {"shard": shard, "applicants": list(applicants), "limit": limit}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_SQL["open_applications_of"], asked)).fetchall()
        found: dict[str, list[OpenApplication]] = {applicant: [] for applicant in applicants}
        for applicant, *one in rows:
            found[applicant].append(OpenApplication(*one))
        return found

    async def count_to_close(self, shard: int, at: datetime) -> int:
        """How many applications the end of a day, `at`, may bring something to."""
        async with self._pool.connection() as connection:
            row = await (
                await connection.execute(_SQL["count_to_close"], {"shard": shard, "at": at})
            ).fetchone()
        return 0 if row is None else int(row[0])

    async def to_close(
        self, shard: int, at: datetime, *, after: UUID, limit: int
    ) -> Sequence[UUID]:
        """A page of them: those with an id above `after`."""
        asked = {"shard": shard, "at": at, "after": after, "limit": limit}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_SQL["to_close"], asked)).fetchall()
        return [row[0] for row in rows]

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self._zone)

    async def reached(self, shard: int, position: int, wait_seconds: float) -> bool:
        """Whether the read model has come as far as `position`, waiting for it at most so long."""
        deadline = asyncio.get_running_loop().time() + min(
            wait_seconds, limits.FRESHNESS_WAIT_MAX_SECONDS
        )
        while True:
            async with self._pool.connection() as connection:
                found = await (
                    await connection.execute(
                        _SQL["position"], {"shard": shard, "projection": APPLICATIONS}
                    )
                ).fetchone()
            if found is not None and found[0] >= position:
                return True
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(limits.FRESHNESS_POLL_SECONDS)

    async def projections(self, shard: int) -> Sequence[Mapping[str, Any]]:
        """The read models of a shard and how far each has come."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return await (await cursor.execute(_SQL["projections"], {"shard": shard})).fetchall()

    async def publications(self, shard: int) -> Sequence[Mapping[str, Any]]:
        """The places that checkpoints of a shard go to, and how far each has come."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return await (await cursor.execute(_SQL["publications"], {"shard": shard})).fetchall()
