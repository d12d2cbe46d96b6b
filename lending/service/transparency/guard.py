"""Whether a shard's log may be appended to: whether it still is the one that was published.

What belongs here: the check before a connection of the append lane is used, and what readiness says
of it. Sealing makes the same comparison for itself (`lending.service.transparency.sealer`).
"""

import asyncio
from contextlib import suppress
from typing import Final

import psycopg
import structlog

from lending.ledger import limits as log_limits
from lending.ledger.holder import Connect
from lending.ledger.lineage import verify_history
from lending.ledger.submission import HistoryRewound, LaneFault
from lending.ledger.tree import Tree, TreeBroken
from lending.runtime.postgres import Connection, Pool
from lending.service.transparency.outlets import Outlet
from lending.service.transparency.sealer import (
    Halt,
    Published,
    compare,
    read_around,
    require_tree,
)

_REFUSED: Final = "this may not be the log that it was; nothing is appended"

_LOG: Final = structlog.stdlib.get_logger(__name__)


class HistoryGuard:
    """Holds a shard's log against its server, and against the last checkpoint in `place`."""

    def __init__(self, shard: int, place: Outlet | None) -> None:
        self._shard = shard
        self._place = place
        self._failed = asyncio.Event()
        self._failure: str | None = None

    def why(self) -> str | None:
        """Why nothing is appended, in words that anybody may read; None where all is well."""
        return self._failure

    async def check(self, connection: Connection) -> None:
        """Raise HistoryRewound where the log ends before the last published checkpoint, contradicts
        it, or is on another server than the one on record, and where its tree is gone, or has not
        come to that checkpoint (again); LaneUnavailable on a standby.

        Where the place cannot be read sealing waits, and readiness says that it lags.
        """
        try:
            await verify_history(connection, self._shard, 0, None)
            await self._hold_against_published(connection, await self._last())
        except HistoryRewound as fault:
            if self._failure is None:
                _LOG.error("nothing is appended", shard=self._shard, reason=str(fault))
            self._failure = _REFUSED
            self._failed.set()
            raise
        self._failure = None

    async def look(self, pool: Pool) -> None:
        """Check once, for what readiness says."""
        with suppress(LaneFault, psycopg.Error, OSError):
            async with pool.connection() as connection:
                await self.check(connection)

    async def run(self, pool: Pool) -> None:
        """Look again as long as the check fails: without commands no connection is made."""
        while True:
            await self._failed.wait()
            self._failed.clear()
            await asyncio.sleep(log_limits.HISTORY_RECHECK_SECONDS)
            await self.look(pool)

    async def _last(self) -> Published | None:
        """What was published last. Read before the tree, which has then come as far."""
        try:
            return None if self._place is None else await self._place.last()
        except OSError as fault:
            _LOG.warning("published checkpoints cannot be read", reason=str(fault))
            return None

    async def _hold_against_published(self, connection: Connection, last: Published | None) -> None:
        tree = await require_tree(connection, self._shard)
        if last is not None and not await self._reached(connection, tree, last):
            raise HistoryRewound(
                f"the log is sealed up to {tree.size}, before the checkpoint of {last.size} leaves in"
                f" {last.place}: its tree was begun anew or put back. Once a worker has sealed so far"
                " and the checkpoint is borne out, it goes on by itself; see lending status"
            )

    async def _reached(self, connection: Connection, tree: Tree, last: Published) -> bool:
        around = await read_around(connection, self._shard)
        try:
            return await compare(connection, tree, around, last)
        except (Halt, TreeBroken) as fault:
            raise HistoryRewound(
                f"{fault}: the end of the log may be lost, or the log was changed. If a backup was put back,"
                " run lending epoch open --force --reason ...; else find out with lending verify"
            ) from fault


def guarded(connect: Connect, guard: HistoryGuard) -> Connect:
    """Connections that are good for appending: each is checked before it is handed out."""

    async def checked() -> Connection:
        connection = await connect()
        try:
            await guard.check(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    return checked
