"""One test, both clients: the blocking one behind the interface of the other.

What belongs here: what the tests of the client share.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from lending.client import AsyncLedgerClient, Configuration, LedgerClient

KINDS = ("blocking", "asyncio")


class Client:
    """Either client. The blocking one works in a thread, so that the served ledger can answer."""

    def __init__(self, client: LedgerClient | AsyncLedgerClient) -> None:
        self.client = client

    async def call(self, method: str, *given: Any, **named: Any) -> Any:
        """Call a method that answers once."""
        bound: Any = getattr(self.client, method)
        if isinstance(self.client, AsyncLedgerClient):
            return await bound(*given, **named)
        return await asyncio.to_thread(bound, *given, **named)

    async def take(self, number: int | None, method: str, *given: Any, **named: Any) -> list[Any]:
        """The first so many of what a method gives one by one; all of it for None."""
        found: list[Any] = []
        bound: Any = getattr(self.client, method)
        if isinstance(self.client, AsyncLedgerClient):
            items: AsyncIterator[Any] = bound(*given, **named)
            try:
                async for item in items:
                    found.append(item)
                    if len(found) == number:
                        break
            finally:
                await items.aclose()  # type: ignore[attr-defined]
            return found
        return await asyncio.to_thread(_take, bound(*given, **named), number)


def _take(items: Iterator[Any], number: int | None) -> list[Any]:
    found = []
    for item in items:
        found.append(item)
        if len(found) == number:
            break
    items.close()  # type: ignore[attr-defined]
    return found


@asynccontextmanager
async def client_of(kind: str, url: str, **named: Any) -> AsyncIterator[Client]:
    """A client of `url`, closed behind the block."""
    given = {"chance": random.Random(7).uniform, **named}
    configuration = Configuration(url=url, **given)
    if kind == "asyncio":
        async with AsyncLedgerClient(configuration) as client:
            yield Client(client)
    else:
        with LedgerClient(configuration) as blocking:
            yield Client(blocking)
