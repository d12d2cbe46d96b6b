"""Warnings for an apply: other open applications of the same applicant.

They are looked for in the read model while the command is recorded, and never hold it up: where the
read model does not answer in time there are none. They are no part of the stored answer.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg
import psycopg_pool

from lending.domain.application.commands import Apply
from lending.runtime import limits
from lending.service.listing import Listing
from lending.service.requests import CommandRequest, OpenApplication

_UNAVAILABLE = (
    psycopg.Error,
    psycopg_pool.PoolTimeout,
    psycopg_pool.TooManyRequests,
    psycopg_pool.PoolClosed,
    OSError,
    TimeoutError,
)


class Sought:
    """A search under way."""

    def __init__(self, search: "asyncio.Task[Sequence[OpenApplication]]") -> None:
        self._search = search

    async def besides(self, application_id: UUID | None) -> Sequence[OpenApplication]:
        """What was found, but for this application."""
        return besides(await self._search, application_id)


class OtherApplications:
    """Looks for other open applications."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    async def of(
        self, shard: int, applicants: Collection[str]
    ) -> Mapping[str, Sequence[OpenApplication]]:
        """Those of each of these applicants; none where it cannot be found out in time."""
        try:
            async with asyncio.timeout(limits.WARNINGS_WAIT_SECONDS):
                return await self._listing.open_applications_of(
                    shard, applicants, limits.WARNINGS_MAX + 1
                )
        except _UNAVAILABLE:
            return dict.fromkeys(applicants, ())

    @asynccontextmanager
    async def sought(self, shard: int, request: CommandRequest) -> AsyncIterator[Sought]:
        """Look for those of the applicant who applies, while the block runs, if that is wanted."""
        search = asyncio.create_task(self._look(shard, request))
        try:
            yield Sought(search)
        finally:
            search.cancel()

    async def _look(self, shard: int, request: CommandRequest) -> Sequence[OpenApplication]:
        command = request.command
        if not isinstance(command, Apply) or request.minimal:
            return ()
        return (await self.of(shard, [command.applicant_id]))[command.applicant_id]


def besides(
    found: Sequence[OpenApplication], application_id: UUID | None
) -> Sequence[OpenApplication]:
    """What was found but for this application, as many as are warned of."""
    others = [one for one in found if one.application_id != application_id]
    return others[: limits.WARNINGS_MAX]
