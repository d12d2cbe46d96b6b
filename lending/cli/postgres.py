"""`lending postgres`: the embedded PostgreSQL alone, as for loading a backup into it."""

import asyncio
from contextlib import suppress

from lending.runtime.settings import Settings, load_settings
from lending.runtime.telemetry import configure_logs


def postgres() -> None:
    """Run the embedded PostgreSQL without the ledger, until SIGTERM or Ctrl-C."""
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(_until_stopped(settings))


async def _until_stopped(settings: Settings) -> None:
    from lending.cli.database import opened_database
    from lending.runtime.web import on_signals

    async def run() -> None:
        async with opened_database(settings.model_copy(update={"database_url": None})) as database:
            print(f"PostgreSQL is at {database.url}", flush=True)
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    with on_signals(task.cancel), suppress(asyncio.CancelledError):
        await task
