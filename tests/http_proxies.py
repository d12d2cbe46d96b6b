"""A proxy between a client and the service that breaks connections before or after the answer.

What belongs here: breaking HTTP at chosen points, with seeded chance. PostgreSQL's side is in
proxies.py.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import urlsplit

_CHUNK = 1 << 16


class Fate(Enum):
    """What becomes of a request."""

    ANSWERED = "answered"
    NEVER_SENT = "never sent"
    ANSWER_LOST = "answer lost"
    ANSWER_TORN = "answer torn"


class TornHttp:
    """Forwards connections of one request each; so many of a hundred are broken."""

    def __init__(self, service_url: str, seed: int, broken_percent: int) -> None:
        target = urlsplit(service_url)
        self._target = target.hostname or "", target.port or 0
        self._chance = random.Random(seed)
        self._broken_percent = broken_percent
        self.url = ""
        self.fates: Counter[Fate] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        fate = Fate.ANSWERED
        if self._chance.randrange(100) < self._broken_percent:
            fate = self._chance.choice([Fate.NEVER_SENT, Fate.ANSWER_LOST, Fate.ANSWER_TORN])
        self.fates[fate] += 1
        with suppress(OSError):
            await self._forward(reader, writer, fate)
        writer.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Fate
    ) -> None:
        sent = await reader.read(_CHUNK)
        if fate is Fate.NEVER_SENT:
            return
        upstream, service = await asyncio.open_connection(*self._target)
        sending = asyncio.create_task(_pipe(sent, reader, service))
        try:
            while answer := await upstream.read(_CHUNK):
                if fate is Fate.ANSWER_LOST:
                    return
                if fate is Fate.ANSWER_TORN:
                    writer.write(answer[: len(answer) // 2])
                    await writer.drain()
                    return
                writer.write(answer)
                await writer.drain()
        finally:
            sending.cancel()
            service.close()


async def _pipe(first: bytes, reader: asyncio.StreamReader, service: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        data = first
        while data:
            service.write(data)
            await service.drain()
            data = await reader.read(_CHUNK)


@asynccontextmanager
async def torn_http(service_url: str, seed: int, broken_percent: int) -> AsyncIterator[TornHttp]:
    """A proxy in front of the service at a URL."""
    proxy = TornHttp(service_url, seed, broken_percent)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
