"""One import from beginning to end: read, check, send, wait for the read model, compare, print."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from rich.console import Console

from lending.imports import progress
from lending.imports.mapping import check, number_of_requests, requests
from lending.imports.read_model import rows
from lending.imports.report import print_commands, print_comparison
from lending.imports.sender import Sender, greet
from lending.imports.summary import compare
from lending.imports.xes import EventLog, read_log


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to import, of it how many cases, whereto, how many requests at a time, and as whom."""

    path: Path
    url: str
    limit: int | None
    concurrency: int
    credential: str | None = field(default=None, repr=False)


def import_log(order: Order, *, console: Console, chance: random.Random) -> None:
    """Import a log and print what came of it. Raises `ImportStopped`; an interrupt stops cleanly."""
    asyncio.run(greet(order.url))
    log = _read(order, console)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_send_and_compare(order, log, console, chance))


def _read(order: Order, console: Console) -> EventLog:
    started = time.monotonic()
    size_bytes = order.path.stat().st_size if order.path.is_file() else 0
    with progress.reading(console, order.path.name, size_bytes) as read_bytes:
        log = read_log(order.path, limit=order.limit, progress=read_bytes)
    check(order.path, log)
    events = sum(len(case.events) for case in log.cases)
    console.print(
        f"{log.name or order.path.name}: {len(log.cases):,} cases, {events:,} events, "
        f"read in {time.monotonic() - started:.1f} s",
        highlight=False,
    )
    return log


async def _send_and_compare(
    order: Order, log: EventLog, console: Console, chance: random.Random
) -> None:
    sender = Sender(
        order.url,
        concurrency=order.concurrency,
        chance=chance,
        credential=order.credential,
    )
    started = time.monotonic()
    try:
        async with progress.sending(console, number_of_requests(log)) as tick:
            await sender.send_all(requests(log), on_done=tick)
        print_commands(console, sender.sent, time.monotonic() - started)
        found = [row async for row in rows(sender)]
        print_comparison(console, compare(log, sender.sent, found))
    except asyncio.CancelledError:
        print_commands(console, sender.sent, time.monotonic() - started)
        raise
    finally:
        await sender.close()
