"""A receiver of webhooks, and what it makes sure of by itself.

What belongs here: real HTTP on the loopback address, with the misbehaviour a test asks for. The
signature is verified by code of its own, from the text of Standard Webhooks.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

HANG_SECONDS = 60


class Misbehaviour(Enum):
    """What a receiver does instead of answering."""

    HANG = "hang"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Late:
    """An answer that comes after a while."""

    status: int
    seconds: float


Reaction = int | Misbehaviour | Late


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        """The id of the delivery."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """The event in it."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(slots=True)
class Receiver:
    """What was received, and what to answer: by default 204 to everything."""

    port: int = 0
    react: Callable[[Received], Reaction] = lambda _: 204
    extra_headers: bytes = b""
    requests: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/events"

    async def until(self, wanted: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until something holds, which is looked at whenever a request came."""
        async with asyncio.timeout(seconds):
            while not wanted():
                self.grown.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await self.grown.wait()

    async def until_taken(self, count: int, seconds: float = 90) -> None:
        """Wait until so many requests were answered well."""
        await self.until(lambda: len(self.taken) >= count, seconds)

    def first_taken(self) -> list[tuple[str, str, int]]:
        """Message id, application and position of each event, by the time it was first taken."""
        seen: dict[str, tuple[str, str, int]] = {}
        for one in self.taken:
            event = one.event
            seen.setdefault(
                one.message_id, (one.message_id, event["application_id"], event["position"])
            )
        return list(seen.values())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                received = await _read(reader)
                self.requests.append(received)
                reaction = self.react(received)
                if isinstance(reaction, Late):
                    await asyncio.sleep(reaction.seconds)
                    reaction = reaction.status
                if reaction is Misbehaviour.HANG:
                    await asyncio.sleep(HANG_SECONDS)
                    break
                if isinstance(reaction, Misbehaviour):
                    break
                if 200 <= reaction < 300:
                    self.taken.append(received)
                head = b"HTTP/1.1 %d Whatever\r\ncontent-length: 0\r\n" % reaction
                writer.write(head + self.extra_headers + b"\r\n")
                await writer.drain()
                self.grown.set()
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    request, *lines = head.rstrip().split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers["content-length"]))
    return Received(request.split(" ")[1], headers, body)


@asynccontextmanager
async def receiving(
    react: Callable[[Received], Reaction] | None = None,
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Receiver]:
    """A receiver on a free port inside the block."""
    receiver = Receiver()
    if react is not None:
        receiver.react = react
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with suppress(asyncio.CancelledError):
            await receiver.serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


def verified_by(secret: str, received: Received, *, tolerance_seconds: int = 300) -> bool:
    """Whether a request is signed with `secret`, as Standard Webhooks 1.0 says to verify it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    sent_at = received.headers["webhook-timestamp"]
    if abs(time.time() - int(sent_at)) > tolerance_seconds:
        return False
    signed = ".".join((received.headers["webhook-id"], sent_at, received.body.decode("utf-8")))
    digest = hmac.new(key, signed.encode("utf-8"), hashlib.sha256).digest()
    expected = base64.b64encode(digest).decode()
    signatures = [one.split(",", 1) for one in received.headers["webhook-signature"].split(" ")]
    return any(
        version == "v1" and hmac.compare_digest(given, expected) for version, given in signatures
    )
