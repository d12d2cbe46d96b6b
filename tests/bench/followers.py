"""Readers of the feed, thousands in one process: `python -m tests.bench.followers URL ...`.

What belongs here: as little as can be, so that the service is what is measured. An active reader
follows everything and fails at the first position that is not the next; an idle one asks for what
never comes. Once all are connected it says `following`; for each position it is then given on its
standard input it says, as JSON, what was seen when every active reader had come that far.
"""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

import uvloop

from lending.runtime.web import allow_open_files

_EVENT = re.compile(rb"id: 0:(\d+)@\d+\ndata: ")
_LONGEST_MATCH = 48
_STREAM = "/loan/events/stream"
_NOBODY = "00000001-0000-7000-8000-{:012x}"
_CONNECTING_AT_ONCE = 100


class Reader(asyncio.Protocol):
    """One connection that asks for something and never stops reading what comes."""

    def __init__(self, request: bytes) -> None:
        self.answered = asyncio.get_running_loop().create_future()
        self.events = 0
        self.closed = False
        self.fault = ""
        self._request = request
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 asyncio's signature
        """Nobody but ourselves ends it."""
        self.closed = True
        self.fault = self.fault or "the connection was closed"
        if not self.answered.done():
            self.answered.set_result(None)

    def data_received(self, data: bytes) -> None:
        """The first thing that comes is the head of the answer."""
        if not self.answered.done():
            self.answered.set_result(None)
            if not data.startswith(b"HTTP/1.1 200"):
                self.fault = data[:500].decode("latin-1")
        self.received(data)

    def received(self, data: bytes) -> None:
        """Count what an idle reader was not to get."""
        self.events += data.count(b"\ndata: ")

    def close(self) -> None:
        """Leave."""
        self._transport.abort()


class Active(Reader):
    """Sees everything, and that nothing is missing or doubled."""

    def __init__(self, request: bytes, after: int) -> None:
        super().__init__(request)
        self.position = after
        self._rest = b""

    def received(self, data: bytes) -> None:
        """Each position must be the next."""
        data = self._rest + data
        end, position = 0, self.position
        for found in _EVENT.finditer(data):
            position += 1
            end = found.end()
            if int(found[1]) != position and not self.fault:
                self.fault = f"position {int(found[1])} came where {position} was to come"
        self.position = position
        self._rest = data[max(end, len(data) - _LONGEST_MATCH) :]


class Waiting(Reader):
    """Asks for a page, waits, and asks again."""

    def received(self, data: bytes) -> None:
        """An answer came: it was to be empty."""
        self.events += data.count(b'"event_type"')
        self._transport.write(self._request)


class Followers:
    """All readers of one service."""

    def __init__(self, url: str, after: int) -> None:
        """Active readers begin behind the position `after`."""
        target = urlsplit(url)
        self._host, self._port = target.hostname or "", target.port or 0
        self._netloc = target.netloc
        self._after = after
        self.active: list[Active] = []
        self.idle: list[Reader] = []

    async def connect(self, idle: int, active: int) -> None:
        """Connect so many readers; returns once each was answered."""
        self.active = [
            Active(self._asking(f"?after={self._after}"), self._after) for _ in range(active)
        ]
        self.idle = list(self._idle(idle))
        readers = [*self.active, *self.idle]
        for first in range(0, len(readers), _CONNECTING_AT_ONCE):
            some = readers[first : first + _CONNECTING_AT_ONCE]
            await asyncio.gather(*(self._connect(reader) for reader in some))
            await asyncio.gather(*(r.answered for r in some if not isinstance(r, Waiting)))

    async def _connect(self, reader: Reader) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: reader, self._host, self._port)

    def _idle(self, count: int) -> Iterator[Reader]:
        """A quarter each by application, type and stage, and a quarter that waits for a page."""
        for number in range(count):
            after = f"?after={self._after}&"
            match number % 4:
                case 0:
                    nobody = _NOBODY.format(number)
                    yield Reader(self._asking(f"{after}application_id={nobody}"))
                case 1:
                    yield Reader(self._asking(f"{after}event_type=overridden,withdrawn"))
                case 2:
                    yield Reader(self._asking(f"{after}stage=closed"))
                case _:
                    query = f"{after}event_type=overridden"
                    yield Waiting(self._asking(query, "/loan/events", "Prefer: wait=30\r\n"))

    def _asking(self, query: str, path: str = _STREAM, headers: str = "") -> bytes:
        return (f"GET {path}{query} HTTP/1.1\r\nHost: {self._netloc}\r\n{headers}\r\n").encode(
            "ascii"
        )

    async def reached(self, position: int, seconds: float = 60) -> None:
        """Return once every active reader has come to `position`; fail where one does not."""
        async with asyncio.timeout(seconds):
            while any(r.position < position and not r.fault for r in self.active):  # noqa: ASYNC110 each of many
                await asyncio.sleep(0.01)
        self.check()

    def check(self) -> None:
        """Fail where a reader was not served as it was to be."""
        readers = [*self.active, *self.idle]
        faults = [reader.fault for reader in readers if reader.fault]
        assert not faults, f"{len(faults)} readers failed: {faults[0]}"
        events = sum(reader.events for reader in self.idle)
        assert not events, f"idle readers were sent {events} events"

    def close(self) -> None:
        """Have all of them leave."""
        for reader in [*self.active, *self.idle]:
            reader.close()


async def _run(url: str, idle: int, active: int, after: int) -> None:
    followers = Followers(url, after)
    await followers.connect(idle, active)
    followers.check()
    print("following", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await followers.reached(int(line))
        seen = [reader.position for reader in followers.active]
        print(json.dumps({"least": min(seen), "most": max(seen)}), flush=True)
    followers.check()
    followers.close()


def main() -> None:
    """Follow the service at a URL until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--idle", type=int, required=True)
    parser.add_argument("--active", type=int, required=True)
    parser.add_argument("--after", type=int, required=True)
    given = parser.parse_args()
    allow_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(given.url, given.idle, given.active, given.after))


if __name__ == "__main__":
    main()
