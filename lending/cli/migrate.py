"""`lending migrate`: bring the database to the schema this release needs."""

import asyncio
from typing import Annotated

import typer

from lending.runtime.settings import Settings, load_settings
from lending.runtime.telemetry import configure_logs


def migrate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be applied, and change nothing.")
    ] = False,
) -> None:
    """Apply the migrations that are missing, and create the ledger if there is none."""
    settings = load_settings(migrate_on_start=True)
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(_migrate(settings, dry_run=dry_run))


async def _migrate(settings: Settings, *, dry_run: bool) -> None:
    from lending.cli.database import bring_up_to_date, opened_database
    from lending.runtime.migrations import migrate as apply

    async with opened_database(settings) as database:
        files = await apply(database.url, dry_run=dry_run)
        for file in files:
            print(f"{'would apply' if dry_run else 'applied'} {file.name}")
        if not files:
            print("the database is up to date")
        if not dry_run:
            await bring_up_to_date(database, settings)
