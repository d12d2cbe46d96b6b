"""A server that answers as it is told, one script a connection's request: for what no ledger does on demand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CUT = b""
"""Close the connection without an answer."""


def answer(status: int, body: str = "{}", **headers: str) -> bytes:
    """An HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def events(*positions: int, ends: str = "") -> bytes:
    """An answer that is a stream of events at these positions, which then ends."""
    frames = [
        f"id: 0:{n}@1\ndata: "
        f'{{"shard":0,"position":{n},"event_type":"noted","schema_version":1,"data":{{}}}}\n\n'
        for n in positions
    ]
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return (head + "retry: 1000\n\n: hello\n\n" + "".join(frames) + ends).encode()


@dataclass
class Scripted:
    """Answers the n-th request as `script` says; keeps what it heard: head and body."""

    script: Callable[[int], bytes]
    heard: list[str] = field(default_factory=list)
    url: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Scripted"]:
        """Serve on a free port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    def header(self, number: int, name: str) -> str | None:
        """A header of the n-th request."""
        for line in self.heard[number].split("\r\n"):
            if line.lower().startswith(f"{name}: "):
                return line.partition(": ")[2]
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = [x for x in head.lower().split("\r\n") if x.startswith("content-length: ")]
            body = await reader.readexactly(int(length[0].split(": ")[1]) if length else 0)
            self.heard.append(head + body.decode())
            writer.write(self.script(len(self.heard) - 1))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
