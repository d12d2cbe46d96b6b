"""`lending worker`: keeps the read models current, for one ledger, in a process of its own."""

import asyncio
import secrets
from contextlib import suppress
from typing import Annotated

import typer

from lending.runtime.memory import collect_rarely
from lending.runtime.settings import Settings, load_settings
from lending.runtime.telemetry import configure_logs


def worker(
    end_with_parent: Annotated[
        bool,
        typer.Option(
            "--end-with-parent",
            hidden=True,
            help="Stop when standard input ends; how `serve` runs it.",
        ),
    ] = False,
) -> None:
    """Keep the read models current and the log sealed, until SIGTERM or Ctrl-C. Any number may run."""
    import uvloop

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    collect_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(settings, end_with_parent=end_with_parent))


async def _until_stopped(settings: Settings, *, end_with_parent: bool) -> None:
    from lending.runtime.children import parent_gone
    from lending.runtime.web import on_signals

    work = asyncio.create_task(_work(settings))
    ends: list[asyncio.Task[None]] = [work]
    if end_with_parent:
        ends.append(asyncio.create_task(parent_gone()))
    with on_signals(work.cancel), suppress(asyncio.CancelledError):
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in ends[1:]:
            task.cancel()
        if not work.done():
            work.cancel()
        await work


async def _work(settings: Settings) -> None:
    from lending.cli.database import bring_up_to_date, opened_database
    from lending.ledger.sealing import MasterKey
    from lending.service.creation import load_master_key
    from lending.service.ledger import system_clock
    from lending.service.transparency.worker import Sealing, seal
    from projections import worker as projecting

    async with opened_database(settings) as database:
        await bring_up_to_date(database, settings)
        master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
        sealing = Sealing(
            database_url=database.url,
            master=master,
            clock=system_clock,
            path=settings.checkpoints_path,
            webhook=settings.checkpoints_url,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(projecting.run(database.url, master))
            tasks.create_task(seal(sealing))
