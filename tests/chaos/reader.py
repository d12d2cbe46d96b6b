"""A process that reads the log as it grows, and writes down what it saw in the order it saw it:
`python -m tests.chaos.reader '{...}'`, by pages of the feed, by its stream, or by SQL.

It stops with a line that says why as soon as it sees a gap or is told that what it read is gone.
"""

import asyncio
import hashlib
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
import psycopg

from tests.chaos.records import Journal

PAUSE_SECONDS = 0.05
SQL = """
select position, application_id::text, version, event_type, data, command_id::text, correlation_id, epoch,
       recorded_at::text, effective_at::text, encode(leaf_hash, 'hex')
from ledger.loan_events where shard = 0 and position > %s order by position limit 1000
"""


@dataclass(slots=True)
class Seen:
    """How far a reader has come."""

    journal: Journal
    apis: list[str]
    database_url: str
    position: int = 0
    cursor: str = "0:0"
    turn: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def item(self, position: int, content: Any, cursor: str | None = None) -> None:
        """Write down an event, unless it is not the next one."""
        if position != self.position + 1:
            raise NotNext(f"{position} came after {self.position}")
        self.journal.write({"position": position, "digest": digest(content)})
        self.position = position
        self.cursor = cursor or self.cursor

    def api(self) -> str:
        """Another service each time."""
        self.turn += 1
        return self.apis[self.turn % len(self.apis)]


class NotNext(Exception):
    """A position did not follow its predecessor, or a cursor was refused."""


def digest(content: Any) -> str:
    """What tells whether an event reads the same as before."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def pages(seen: Seen) -> None:
    """Read the feed by pages, waiting for more at its end."""
    async with httpx2.AsyncClient(timeout=8) as http:
        while not seen.stopping.is_set():
            answer = await http.get(
                f"{seen.api()}/loan/events",
                params={"after": seen.cursor, "limit": 300},
                headers={"Prefer": "wait=2"},
            )
            found = await _checked(answer)
            for item in found["items"]:
                seen.item(item["position"], item)
            seen.cursor = found["position"]


async def stream(seen: Seen) -> None:
    """Read the stream of server-sent events, and begin where it broke."""
    headers = {"Last-Event-ID": seen.cursor}
    url = f"{seen.api()}/loan/events/stream"
    async with (
        httpx2.AsyncClient(timeout=20) as http,
        http.stream("GET", url, headers=headers) as answer,
    ):
        if answer.status_code != 200:
            await answer.aread()
            await _checked(answer)
        name, cursor = "", ""
        async for line in answer.aiter_lines():
            if seen.stopping.is_set():
                return
            kind, _, value = line.partition(": ")
            if kind == "event":
                name = value
            elif kind == "id":
                cursor = value
            elif kind == "data" and name == "problem":
                _allow(orjson.loads(value))
                return
            elif kind == "data":
                item = orjson.loads(value)
                seen.item(item["position"], item, cursor)


async def table(seen: Seen) -> None:
    """Read the table itself."""
    async with await psycopg.AsyncConnection.connect(
        seen.database_url, autocommit=True
    ) as database:
        while not seen.stopping.is_set():
            cursor = await database.execute(SQL, [seen.position])
            rows = await cursor.fetchall()
            for position, *content in rows:
                seen.item(position, content)
            if not rows:
                await asyncio.sleep(PAUSE_SECONDS)


async def _checked(answer: httpx2.Response) -> Any:
    """The body of a page; what is not there yet is tried again, anything else ends the reader."""
    found = answer.json()
    if answer.status_code == 200:
        return found
    _allow(found)
    raise httpx2.ReadError(found["code"])


def _allow(problem: dict[str, Any]) -> None:
    if problem["status"] != 503:
        raise NotNext(f"refused: {problem}")


WAYS: dict[str, Callable[[Seen], Awaitable[None]]] = {
    "pages": pages,
    "stream": stream,
    "table": table,
}


async def _main(way: str, journal: str, apis: list[str], database_url: str) -> None:
    seen = Seen(Journal(Path(journal)), apis, database_url)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, seen.stopping.set)
    while not seen.stopping.is_set():
        try:
            await WAYS[way](seen)
        except NotNext as fault:
            seen.journal.write({"fault": str(fault)})
            return
        except (httpx2.TransportError, psycopg.Error, OSError, ValueError):
            await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(_main(**orjson.loads(sys.argv[1])))
