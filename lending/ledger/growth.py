"""Telling that the log has grown: to whoever waits in this process, and to whoever listens on the
server.

A notification may be lost, so a waiter always looks again after a moment of its own. NOTIFY takes a
lock over the whole cluster until its commit ends; so it is a transaction of its own, after the
flush, that need not be durable.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.resources import files
from typing import Final

import psycopg

from lending.runtime import limits
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

CHANNEL: Final = "lending_events"
_SQL: Final = load_queries(files("lending.ledger") / "queries.sql")


class Growth:
    """Where flushes say how far the log has come and waiters wait for it to come further.
    Supervised by its owner.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._heads: dict[int, int] = {}
        self._grown = asyncio.Event()
        self._to_tell: dict[int, int] = {}
        self._told = asyncio.Event()

    def committed(self, shard: int, position: int) -> None:
        """This process committed up to `position`: wake its waiters, and have the others told."""
        self._heads[shard] = max(position, self._heads.get(shard, 0))
        self._to_tell[shard] = position
        self._told.set()
        self._wake()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    def head(self, shard: int) -> int:
        """How far the log has come, as far as this process was told."""
        return self._heads.get(shard, 0)

    def beyond(self, shard: int, position: int) -> bool:
        """Whether this process knows that the log has come further than `position`."""
        return self._heads.get(shard, 0) > position

    async def wait(self, shard: int, after: int, seconds: float) -> None:
        """Return when the shard may have grown beyond `after`, or a moment of at most `seconds` has
        passed.
        """
        if self.beyond(shard, after):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, limits.GROWTH_POLL_SECONDS)):
                await self._grown.wait()

    async def tell(self) -> None:
        """Notify other processes of what was committed here, many commits at once. Runs until
        cancelled.
        """
        while True:
            await self._told.wait()
            try:
                async with await self._connect() as connection:
                    await connection.execute("set synchronous_commit = off")
                    while True:
                        await self._told.wait()
                        self._told.clear()
                        await self._notify(connection)
                        await asyncio.sleep(limits.NOTIFY_PAUSE_SECONDS)
            except (psycopg.Error, OSError):
                await asyncio.sleep(limits.GROWTH_POLL_SECONDS)

    async def _notify(self, connection: Connection) -> None:
        to_tell, self._to_tell = self._to_tell, {}
        for shard, position in to_tell.items():
            await connection.execute(_SQL["notify"], {"payload": f"{shard}:{position}"})

    async def listen(self) -> None:
        """Wake this process's waiters when another process's commits are told. Runs until
        cancelled.
        """
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    self.forget()  # the connection before may have led to another history
                    async for notification in connection.notifies():
                        self._heard(notification.payload)
            except (psycopg.Error, OSError):
                await asyncio.sleep(limits.GROWTH_POLL_SECONDS)

    def _heard(self, payload: str) -> None:
        shard, _, position = payload.partition(":")
        if shard.isdecimal() and position.isdecimal():
            self._heads[int(shard)] = max(int(position), self._heads.get(int(shard), 0))
            self._wake()

    def forget(self) -> None:
        """Forget how far the log had come: its history may be another."""
        self._heads.clear()
