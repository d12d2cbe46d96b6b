"""Keeps what this process knows of a registry fresh: what was revoked or suspended elsewhere counts
here within a second, and asking costs no look into the database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg

from lending.domain.registry import Registry
from lending.ledger.growth import Growth
from lending.runtime import limits
from lending.runtime.postgres import Connection
from lending.service.registry import RegistryReader


class RegistryWatch:
    """Reads one shard's registry whenever the log may have grown. `run` must be running.

    It has a connection of its own, so that a busy pool delays no revocation.
    """

    def __init__(
        self,
        shard: int,
        reader: RegistryReader,
        growth: Growth,
        *,
        connect: Callable[[], Awaitable[Connection]],
        monotonic: Callable[[], float],
        on_read: Callable[[Registry], None] = lambda _: None,
    ) -> None:
        """`monotonic` gives seconds that only ever increase; `on_read` is told what was read."""
        self._shard = shard
        self._reader = reader
        self._growth = growth
        self._connect = connect
        self._monotonic = monotonic
        self._on_read = on_read
        self._registry = reader.known.registry
        self._as_of = float("-inf")
        self._begun = asyncio.Event()

    @property
    def registry(self) -> Registry:
        """The registry as it was read last."""
        return self._registry

    @property
    def fresh(self) -> bool:
        """Whether that was recently enough to rely on it."""
        return self._monotonic() - self._as_of <= limits.REGISTRY_STALE_MAX_SECONDS

    @property
    def failure(self) -> str | None:
        """What is wrong, None where nothing is."""
        if self.fresh:
            return None
        return f"what it says is older than {limits.REGISTRY_STALE_MAX_SECONDS:.0f} s"

    async def begun(self) -> None:
        """Wait, not for long, until the registry was read for the first time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.REGISTRY_STALE_MAX_SECONDS):
                await self._begun.wait()

    async def run(self) -> None:
        """Read whenever the log may have grown. Runs until cancelled."""
        while True:
            try:
                async with await self._connect() as connection:
                    while True:
                        seen = self._growth.head(self._shard)
                        await self._read(connection)
                        await asyncio.sleep(limits.REGISTRY_PAUSE_SECONDS)
                        await self._growth.wait(self._shard, seen, limits.REGISTRY_POLL_SECONDS)
            except (psycopg.Error, OSError, TimeoutError):
                await asyncio.sleep(limits.REGISTRY_POLL_SECONDS)

    async def _read(self, connection: Connection) -> None:
        began = self._monotonic()
        found = await self._reader.refresh_on(
            connection, patience_seconds=limits.REGISTRY_READ_SECONDS
        )
        self._registry = found.registry
        self._as_of = began
        self._on_read(found.registry)
        self._begun.set()
