"""How far an import is: a bar on a terminal, now and then a line elsewhere."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

_BAR_EVERY_SECONDS: Final = 0.25
_LINE_EVERY_SECONDS: Final = 10.0


@contextmanager
def reading(console: Console, name: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
    """A bar for the bytes of a file; call what it yields with how many were read."""
    columns = (TextColumn("reading {task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=size_bytes)
        yield lambda done: progress.update(task, completed=done)


@asynccontextmanager
async def sending(console: Console, total: int) -> AsyncIterator[Callable[[], None]]:
    """A bar, or lines, for `total` commands; call what it yields after each."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1

    show = _bar if console.is_terminal else _lines
    shown = asyncio.create_task(show(console, total, lambda: done))
    try:
        yield tick
    finally:
        shown.cancel()
        with suppress(asyncio.CancelledError):
            await shown


async def _bar(console: Console, total: int, done: Callable[[], int]) -> None:
    columns = (
        TextColumn("sending"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        task = progress.add_task("", total=total, rate=0.0)
        started = time.monotonic()
        try:
            while True:
                await asyncio.sleep(_BAR_EVERY_SECONDS)
                rate = done() / (time.monotonic() - started)
                progress.update(task, completed=done(), rate=rate, refresh=True)
        finally:
            progress.update(task, completed=done(), refresh=True)


async def _lines(console: Console, total: int, done: Callable[[], int]) -> None:
    started = time.monotonic()
    while True:
        await asyncio.sleep(_LINE_EVERY_SECONDS)
        number, seconds = done(), time.monotonic() - started
        console.print(
            f"sent {number:,} of {total:,} commands ({100 * number // max(total, 1)} %), "
            f"{number / seconds:,.0f}/s",
            highlight=False,
        )
