"""The worker: keeps every read model of a ledger current, beside any number of others like it.

What belongs here: when a batch is tried, and what happens when the database is away. One worker at
a time works on a read model in a shard; it is woken by notifications, and polls in any case. The
others only look whether it still moves, and the first to find that it does not takes over.
"""

import asyncio
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import structlog
from psycopg import IsolationLevel

from lending.ledger.codec import Codec
from lending.ledger.growth import CHANNEL
from lending.ledger.sealing import MasterKey
from lending.runtime import limits
from lending.runtime.postgres import PROJECTOR_ROLE, Connection, connect, one_line
from projections.batches import Batches
from projections.model import ReadModel
from projections.projector import Projector, Step
from projections.reading import SQL
from projections.registry import READ_MODELS

_RETRY_FIRST_SECONDS = 0.1
_REST_RATIO = 2
"""How many times as long as its last batch took a read model rests that keeps up."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the tasks of a worker share."""

    database_url: str
    master: MasterKey
    codec: Codec
    worker: str


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look at a checkpoint shows."""

    position: int
    state: str
    worker: str | None
    epoch: int
    log_epoch: int
    head: int

    @property
    def due(self) -> bool:
        """Whether there is something to fold, or to stop for."""
        return self.state == "running" and (
            self.head != self.position or self.log_epoch != self.epoch
        )


async def run(database_url: str, master: MasterKey) -> None:
    """Keep every read model current until cancelled, whatever happens to the database."""
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    settings = Settings(database_url=database_url, master=master, codec=Codec(), worker=name)
    log.info("worker started", worker=name, projections=[model.name for model in READ_MODELS])
    async with asyncio.TaskGroup() as tasks:
        for shard in await _shards(database_url):
            for model in READ_MODELS:
                keeper = _Keeper(settings, model, shard)
                tasks.create_task(keeper.run(), name=f"{model.name}/{shard}")


async def _shards(database_url: str) -> list[int]:
    """The shards of the ledger, waiting until there are any."""
    pause_seconds = _RETRY_FIRST_SECONDS
    while True:
        try:
            async with await connect(database_url, PROJECTOR_ROLE, "lending worker") as connection:
                rows = await (await connection.execute(SQL["shards"])).fetchall()
            if rows:
                return [shard for (shard,) in rows]
        except (psycopg.Error, OSError) as fault:
            log.warning("database is away", reason=one_line(fault))
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, limits.PROJECTION_RETRY_LONGEST_SECONDS)


class _Keeper:
    """Keeps one read model current in one shard."""

    def __init__(self, settings: Settings, model: ReadModel, shard: int) -> None:
        self._settings = settings
        self._model = model
        self._shard = shard
        self._log = log.bind(projection=model.name, shard=shard)
        self._said = ""
        self._seen_position = -1

    async def run(self) -> None:
        """Work until cancelled; a lost connection is replaced, any fault is logged and tried
        again.
        """
        pause_seconds = _RETRY_FIRST_SECONDS
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                await self._connected()
            except (psycopg.Error, OSError) as fault:
                self._log.warning("projection interrupted", reason=one_line(fault))
            except Exception:  # noqa: BLE001 whatever it was, the others go on, and it may pass
                self._log.exception("projection failed, and is tried again")
            if asyncio.get_running_loop().time() - begun > limits.PROJECTION_RETRY_LONGEST_SECONDS:
                pause_seconds = _RETRY_FIRST_SECONDS
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, limits.PROJECTION_RETRY_LONGEST_SECONDS)

    async def _connected(self) -> None:
        settings = self._settings
        async with await self._connect() as connection, await self._connect() as ahead:
            await connection.execute(f"listen {CHANNEL}")
            batches = Batches(
                self._model,
                self._shard,
                connection=connection,
                ahead=ahead,
                master=settings.master,
                codec=settings.codec,
            )
            projector = Projector(
                self._model,
                self._shard,
                connection=connection,
                batches=batches,
                worker=settings.worker,
            )
            try:
                await self._follow(connection, projector)
            finally:
                await batches.close()

    async def _connect(self) -> Connection:
        name = f"lending worker {self._model.name}"
        connection = await connect(self._settings.database_url, PROJECTOR_ROLE, name)
        await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
        with suppress(psycopg.Error):  # not every server's operating system has it
            await connection.execute(SQL["notice_a_dead_client"])
        return connection

    async def _follow(self, connection: Connection, projector: Projector) -> None:
        clock = asyncio.get_running_loop().time
        earliest = 0.0
        while True:
            look = await self._look(connection)
            step = Step.IDLE
            ours = look is not None and look.worker in (None, self._settings.worker)
            if look is not None and look.due and (ours or look.position == self._seen_position):
                if look.head - look.position < limits.PROJECTION_BATCH_MAX_EVENTS:
                    # Who keeps up rests, which lets events gather.
                    await asyncio.sleep(earliest - clock())
                begun = clock()
                step = await projector.step()
                earliest = clock() + _rest_seconds(clock() - begun)
            self._seen_position = -1 if look is None else look.position
            self._say(look, step)
            if step is not Step.MOVED:
                await self._wait(connection, patient=ours)

    async def _look(self, connection: Connection) -> _Look | None:
        asked = {"shard": self._shard, "projection": self._model.name}
        row = await (await connection.execute(SQL["look"], asked)).fetchone()
        return None if row is None else _Look(*row)

    async def _wait(self, connection: Connection, *, patient: bool) -> None:
        """Wait for a notification; a worker that only stands by looks often, and at no
        notification.
        """
        if patient:
            seconds, stop_after = limits.PROJECTION_POLL_SECONDS, 1
        else:
            seconds, stop_after = limits.PROJECTION_STANDBY_POLL_SECONDS, None
        async for _ in connection.notifies(timeout=seconds, stop_after=stop_after):
            pass

    def _say(self, look: _Look | None, step: Step) -> None:
        """Log what keeps the worker from working, once."""
        if look is None:
            said = "the read model is not installed: run `lending migrate`"
        elif step is Step.NOT_OURS:
            said = "rows were made by another version of the code: rebuild them, or upgrade"
        else:
            return
        if said != self._said:
            self._said = said
            self._log.warning(said, code=self._model.code_version)


def _rest_seconds(took_seconds: float) -> float:
    """How long a read model that keeps up rests after a batch: the longer, the busier the machine is,
    so that read models leave time to the commands that they follow.
    """
    shortest, longest = limits.PROJECTION_REST_SECONDS
    return min(max(shortest, _REST_RATIO * took_seconds), longest)
