"""A small HTTP server that takes bulks and remembers keys as the ledger does, and fails when told to.

For what a healthy ledger does not do on demand: cut a connection after the work is done, answer
503, answer rubbish. What can be shown against the ledger itself is shown there.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

Reply = tuple[int, dict[str, str], object]


@dataclass(frozen=True)
class Heard:
    """A request that was carried out: where, which key, which body."""

    path: str
    key: str
    body: Mapping[str, object]
    item: Mapping[str, Any]


@dataclass
class StubbornServer:
    """Carries every keyed request out once. `trouble` decides what happens to an answer."""

    chance: random.Random
    trouble: float = 0.0
    heard: list[Heard] = field(default_factory=list)
    answers: dict[tuple[str, str], Reply] = field(default_factory=dict)
    forced: dict[str, Reply] = field(default_factory=dict)
    requests: int = 0
    cut: int = 0
    busy: int = 0
    slow_seconds: float = 0.0
    url: str = ""
    progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["StubbornServer"]:
        """Serve on a free port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def has_heard(self, number: int) -> None:
        """Wait until so many requests were carried out."""
        async with self.progress:
            await self.progress.wait_for(lambda: len(self.heard) >= number)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = head[0].split(" ")
        self.requests += 1
        if self.slow_seconds:
            await asyncio.sleep(self.slow_seconds * self.chance.random())
        trouble = self.chance.random() < self.trouble
        if trouble and self.chance.random() < 0.5:
            self.busy += 1
            reply: Reply = (503, {"Retry-After": "0"}, {"code": "busy", "retryable": True})
        elif method == "GET":
            reply = (200, {}, {"status": "ok"})
        else:
            assert path == "/loan/commands"
            reply = 200, {}, {"items": self._carry_out_all(json.loads(body)["commands"])}
            async with self.progress:
                self.progress.notify_all()
            if trouble:
                self.cut += 1
                return False
        await self._write(writer, reply)
        return True

    def _carry_out_all(self, commands: list[dict[str, Any]]) -> list[dict[str, object]]:
        """The items of a bulk, each behind those before it."""
        replies: list[Reply] = []
        for item in commands:
            opener = item.get("application_of")
            if opener is not None and replies[opener][0] != 201:
                replies.append((409, {}, {"code": "not_attempted", "retryable": True}))
                continue
            about = item.get("application_id")
            if opener is not None:
                content: Any = replies[opener][2]
                about = content["application_id"]
            path = "/loan/applications" if about is None else f"/loan/applications/{about}"
            replies.append(self._carry_out(path, item))
        return [{"status": s, "headers": h, "body": content} for s, h, content in replies]

    def _carry_out(self, path: str, item: Mapping[str, Any]) -> Reply:
        key, body = item["idempotency_key"], item.get("body", {})
        known = self.answers.get((path, key))
        if known is not None:
            return known[0], {**known[1], "Idempotency-Replayed": "true"}, known[2]
        if key in self.forced:
            return self.forced[key]
        self.heard.append(Heard(path, key, body, item))
        reply = self._answer(path, body)
        self.answers[path, key] = reply
        return reply

    def _answer(self, path: str, body: Mapping[str, object]) -> Reply:
        if path == "/loan/applications" and body["amount"] == "0":
            return 409, {}, {"code": "amount_not_positive", "retryable": False}
        position = len(self.heard)
        application = str(UUID(int=position)) if path.count("/") == 2 else path.split("/")[3]
        happened = {"event_type": "noted", "schema_version": 1, "data": {}}
        content = {
            "application_id": application,
            "status": "stored",
            "version": 1,
            "position": f"0:{position}",
            "events": [happened],
            "allowed_commands": [],
        }
        return (201 if path == "/loan/applications" else 200), {}, content

    @staticmethod
    async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
        status, headers, content = reply
        body = json.dumps(content).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()
