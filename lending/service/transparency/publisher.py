"""Publishing checkpoints outside the database, each place at its own pace and none left out.

What belongs here: what is published next in one place, who does it, and when it is tried again. The
rows of `transparency.publications` say how far each place has come; a file says it itself.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog

from lending.ledger import limits as log_limits
from lending.ledger.tree import (
    SQL,
    SignedCheckpoint,
    TreeBroken,
    TreeReader,
)
from lending.runtime.postgres import Connection
from lending.service.transparency.outlets import NotPublished, Outlet
from lending.service.transparency.sealer import (
    Halt,
    Published,
    compare,
    read_around,
    require_tree,
    stop_sealing,
)

_LOG: Final = structlog.stdlib.get_logger(__name__)


class Publisher:
    """Publishes the checkpoints of one shard in one place, over one connection in autocommit: no
    lock is held while a place is written to, only a lease.
    """

    def __init__(self, connection: Connection, shard: int, outlet: Outlet, worker: str) -> None:
        self._connection = connection
        self._shard = shard
        self._outlet = outlet
        self._worker = worker
        self._last: Published | None = None
        self._number: int | None = None
        self._proven = False
        self._of = {"shard": shard, "target": outlet.target, "worker": worker}

    async def begin(self) -> None:
        """See to it that the place is kept in mind."""
        await self._connection.execute(SQL["begin_publication"], self._of)

    async def turn(self) -> bool:
        """Publish what there is, up to a turn; whether there may be more. Raises psycopg.Error."""
        if self._number is not None and not await self._due(self._number, 1):
            return False
        lease = {**self._of, "seconds": log_limits.CHECKPOINTS_LEASE_SECONDS}
        row = await (await self._connection.execute(SQL["lease_publication"], lease)).fetchone()
        if row is None:
            self._number = None  # somebody else publishes here, or it is not time yet
            return False
        number, attempts = row
        try:
            return await self._publish(number)
        except (NotPublished, Halt, TreeBroken, OSError) as fault:
            self._number = None
            if isinstance(fault, Halt):
                await stop_sealing(self._connection, self._shard, self._worker, fault)
            await self._failed(attempts, f"{type(fault).__name__}: {fault}")
            return False

    async def _publish(self, number: int) -> bool:
        if self._number != number:
            self._last, self._proven = await self._outlet.last(), False
            self._number = number
        limit = 1 if self._outlet.one_by_one else log_limits.CHECKPOINTS_TURN_MAX
        due = await self._due(number, limit)
        if not due:
            return False
        await self._require_extending(due)
        async with asyncio.timeout(log_limits.CHECKPOINTS_LEASE_SECONDS / 2):
            await self._outlet.publish(due)
        newest = due[-1]
        self._last = Published(self._outlet.target, newest.epoch, newest.size, newest.root)
        self._number, self._proven = newest.number, True
        await self._connection.execute(SQL["published"], {**self._of, "number": newest.number})
        return len(due) == limit

    async def _due(self, number: int, limit: int) -> Sequence[SignedCheckpoint]:
        asked: dict[str, Any] = {"shard": self._shard, "limit": limit}
        if self._outlet.one_by_one:
            statement, asked["number"] = SQL["checkpoints_behind"], number
        else:
            statement = SQL["checkpoints_after"]
            asked["epoch"] = 0 if self._last is None else self._last.epoch
            asked["size"] = 0 if self._last is None else self._last.size
        rows = await (await self._connection.execute(statement, asked)).fetchall()
        return [SignedCheckpoint(*row) for row in rows]

    async def _require_extending(self, due: Sequence[SignedCheckpoint]) -> None:
        """Raise Halt where the last published checkpoint or one of these is not of the tree."""
        tree = await require_tree(self._connection, self._shard)
        around = await read_around(self._connection, self._shard)
        if self._last is not None and not await compare(self._connection, tree, around, self._last):
            raise NotPublished("the tree has not come to the last published checkpoint yet")
        for one in due:
            if await TreeReader(self._connection, tree).head_at(one.size) != one.root:
                raise TreeBroken(f"checkpoint {one.number} is not that of the tree")

    async def _failed(self, attempts: int, error: str) -> None:
        seconds = min(2.0 ** min(attempts, 10), log_limits.CHECKPOINTS_RETRY_LONGEST_SECONDS)
        failed = {**self._of, "error": error[:500], "seconds": seconds}
        await self._connection.execute(SQL["not_published"], failed)
        _LOG.warning(
            "checkpoints are not published",
            target=self._outlet.target,
            shard=self._shard,
            error=error,
        )
