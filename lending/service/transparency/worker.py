"""The worker of the transparency log: seals every shard and publishes its checkpoints, beside any
number of others like it.

What belongs here: when a step is tried, and what happens when the database is away. It is woken by
notifications, and polls in any case; between two checkpoints lies a pause, so that under load one
checkpoint covers many events.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx2
import psycopg
import structlog

from lending.ledger import limits as log_limits
from lending.ledger.growth import CHANNEL
from lending.ledger.sealing import MasterKey
from lending.ledger.submission import HistoryRewound, LaneUnavailable
from lending.runtime import limits
from lending.runtime.postgres import SEALER_ROLE, Connection, connect, one_line
from lending.service.signing_keys import NoSigningKey
from lending.service.transparency.outlets import Outlet, WebhookOutlet, file_or_directory
from lending.service.transparency.publisher import Publisher
from lending.service.transparency.sealer import Sealer, Step

_RETRY_FIRST_SECONDS: Final = 0.1
_IDENTITY: Final = "select ledger_id, shards from ledger.identity"

_LOG: Final = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """What the tasks of a worker share. `path` and `webhook` are where checkpoints go."""

    database_url: str
    master: MasterKey
    clock: Callable[[], datetime]
    path: Path | None = None
    webhook: str | None = None


async def seal(sealing: Sealing) -> None:
    """Keep every shard sealed and its checkpoints published until cancelled."""
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    ledger_id, shards = await _identity(sealing.database_url)
    timeout = httpx2.Timeout(log_limits.CHECKPOINTS_POST_SECONDS)
    async with httpx2.AsyncClient(timeout=timeout) as client, asyncio.TaskGroup() as tasks:
        for shard in range(shards):
            keeper = _Keeper(sealing, ledger_id, shard, name, client)
            tasks.create_task(_kept(keeper.seal, shard, "sealing"), name=f"sealing/{shard}")
            for outlet in keeper.outlets():
                publishing = keeper.publishing(outlet)
                tasks.create_task(_kept(publishing, shard, outlet.target), name=outlet.target)


async def _identity(database_url: str) -> tuple[UUID, int]:
    """Which ledger it is and how many shards it has, waiting until there is one."""
    pause_seconds = _RETRY_FIRST_SECONDS
    while True:
        try:
            async with await connect(database_url, SEALER_ROLE, "lending sealing") as connection:
                row = await (await connection.execute(_IDENTITY)).fetchone()
            if row is not None:
                return row[0], row[1]
        except (psycopg.Error, OSError) as fault:
            _LOG.warning("database is away", reason=one_line(fault))
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, limits.PROJECTION_RETRY_LONGEST_SECONDS)


async def _kept(work: Callable[[], Awaitable[None]], shard: int, what: str) -> None:
    """Do it until cancelled; any fault is logged, and it is tried again."""
    pause_seconds, said = _RETRY_FIRST_SECONDS, ""
    while True:
        begun = asyncio.get_running_loop().time()
        try:
            await work()
        except (psycopg.Error, OSError, HistoryRewound, LaneUnavailable, NoSigningKey) as fault:
            reason = one_line(fault)
            if reason != said:
                _LOG.warning("sealing interrupted", what=what, shard=shard, reason=reason)
                said = reason
        except Exception:  # noqa: BLE001 whatever it was, the others go on, and it may pass
            _LOG.exception("sealing failed, and is tried again", what=what, shard=shard)
        if asyncio.get_running_loop().time() - begun > limits.PROJECTION_RETRY_LONGEST_SECONDS:
            pause_seconds, said = _RETRY_FIRST_SECONDS, ""
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, limits.PROJECTION_RETRY_LONGEST_SECONDS)


class _Keeper:
    """Keeps one shard sealed, and published in one place after the other."""

    def __init__(
        self,
        sealing: Sealing,
        ledger_id: UUID,
        shard: int,
        worker: str,
        client: httpx2.AsyncClient,
    ) -> None:
        self._sealing = sealing
        self._ledger_id = ledger_id
        self._shard = shard
        self._worker = worker
        self._client = client
        self._signed = asyncio.Event()

    def outlets(self) -> Sequence[Outlet]:
        """The places that checkpoints go to."""
        found: list[Outlet] = []
        if self._sealing.path is not None:
            found.append(file_or_directory(self._sealing.path, self._ledger_id, self._shard))
        if self._sealing.webhook is not None:
            found.append(WebhookOutlet(self._sealing.webhook, self._client))
        return found

    async def seal(self) -> None:
        """Seal what there is and what comes, over one connection."""
        seen = [await outlet.last() for outlet in self.outlets()]
        async with self._connected("lending sealing") as connection:
            await connection.execute(f"listen {CHANNEL}")
            sealer = Sealer(
                connection,
                self._ledger_id,
                self._shard,
                master=self._sealing.master,
                clock=self._sealing.clock,
                worker=self._worker,
                published=[one for one in seen if one is not None],
            )
            while True:
                step = await sealer.step()
                if step is Step.MOVED:
                    self._signed.set()
                    await asyncio.sleep(log_limits.SEALING_PAUSE_SECONDS)
                else:
                    await _wait(connection, patient=step is Step.IDLE)

    def publishing(self, outlet: Outlet) -> Callable[[], Awaitable[None]]:
        """What publishes in one place, over one connection."""

        async def publish() -> None:
            async with self._connected("lending checkpoints") as connection:
                publisher = Publisher(connection, self._shard, outlet, self._worker)
                await publisher.begin()
                while True:
                    self._signed.clear()
                    if await publisher.turn():
                        continue
                    with suppress(TimeoutError):
                        async with asyncio.timeout(limits.PROJECTION_POLL_SECONDS):
                            await self._signed.wait()

        return publish

    @asynccontextmanager
    async def _connected(self, name: str) -> AsyncIterator[Connection]:
        async with await connect(self._sealing.database_url, SEALER_ROLE, name) as connection:
            yield connection


async def _wait(connection: Connection, *, patient: bool) -> None:
    """Wait until the log has grown, or it is time to look in any case; what was told meanwhile is
    told once.
    """
    seconds = limits.PROJECTION_POLL_SECONDS
    async for _ in connection.notifies(timeout=seconds, stop_after=1 if patient else None):
        pass
    async for _ in connection.notifies(timeout=0):
        pass
