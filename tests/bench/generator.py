"""A generator of load for machines without wrk: `python -m tests.bench.generator URL ...`.

What belongs here: as little as can be, so that it is never what is slow. It is a process of its
own; requests are bytes made before, and of an answer it reads the length, the id and the version.
"""

import argparse
import asyncio
import json
import re
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

from tests.bench import mix
from tests.bench.figures import percentile

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ANSWER = re.compile(rb'\{"application_id":"([^"]+)","status":"[^"]+","version":(\d+)')


class _Load:
    """What the connections share: the steps that wait, and what came of those that were sent."""

    def __init__(self, host: str, run: str, prefer: str, until: float) -> None:
        self.until = until
        self.durations: list[float] = []
        self.failed = 0
        self.finished = asyncio.Event()
        self.open = 0
        self._host = host
        self._run = run
        self._prefer = prefer
        self._sent = 0
        self._waiting: list[tuple[bytes, int]] = []
        self._steps = [
            mix.request(host, mix.path(step, "@"), mix.body(step), "#", prefer)
            for step in range(len(mix.STEPS))
        ]

    def next(self) -> bytes:
        """The request to send next."""
        self._sent += 1
        key = f"{self._run}-{self._sent}".encode()
        if not self._waiting:
            body = mix.body(0).replace(mix.APPLICANT, key.decode(), 1)
            return mix.request(self._host, mix.APPLICATIONS, body, key.decode(), self._prefer)
        application_id, step = self._waiting.pop()
        return self._steps[step].replace(b"@", application_id, 1).replace(b"#", key, 1)

    def answered(self, answer: bytes, seconds: float) -> None:
        """Count an answer, and remember what follows it."""
        self.durations.append(seconds)
        if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            self.failed += 1
        found = _ANSWER.search(answer)
        if found is not None and int(found[2]) < len(self._steps):
            self._waiting.append((found[1], int(found[2])))


class _Connection(asyncio.Protocol):
    def __init__(self, load: _Load) -> None:
        self._load = load
        self._read = b""
        self._sent_at = 0.0
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._load.open += 1
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._load.next())

    def data_received(self, data: bytes) -> None:
        self._read += data
        head = self._read.find(b"\r\n\r\n")
        length = _LENGTH.search(self._read, 0, head) if head > 0 else None
        if length is None or len(self._read) < head + 4 + int(length[1]):
            return
        answer, self._read = self._read, b""
        now = time.perf_counter()
        self._load.answered(answer, now - self._sent_at)
        if now < self._load.until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 asyncio's signature
        self._load.open -= 1
        if self._load.open == 0:
            self._load.finished.set()


async def _run(url: str, connections: int, seconds: float, run: str, prefer: str) -> None:
    target = urlsplit(url)
    began = time.perf_counter()
    load = _Load(target.netloc, run, prefer, began + seconds)
    loop = asyncio.get_running_loop()
    host, port = target.hostname or "", target.port or 0
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(load), host, port)
    await load.finished.wait()
    said = {
        "requests": len(load.durations),
        "seconds": time.perf_counter() - began,
        "p50_seconds": percentile(load.durations, 50),
        "p99_seconds": percentile(load.durations, 99),
        "failed": load.failed,
    }
    print(json.dumps(said))


def main() -> None:
    """Load the service at a URL and print what came of it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--prefer", default="")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(given.url, given.connections, given.seconds, given.run, given.prefer))


if __name__ == "__main__":
    main()
