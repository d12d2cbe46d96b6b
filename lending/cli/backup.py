"""`lending backup` and `lending restore`: a copy of the ledger, its vault apart, and what comes back."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from lending.runtime.settings import Settings, load_settings
from lending.runtime.telemetry import configure_logs

Directory = Annotated[
    Path, typer.Argument(help="The directory of the backup: log, checkpoints, manifest.")
]
Vault = Annotated[
    Path,
    typer.Option(help="The file of the vault: wrapped keys. Keep it apart from the directory."),
]


def backup(directory: Directory, vault: Vault) -> None:
    """Back the ledger up, while it is at work: everything as of one moment.

    The master key is in neither: keep it where neither of them is.
    """
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(_back_up(settings, directory, vault))


async def _back_up(settings: Settings, directory: Path, vault: Path) -> None:
    from lending.cli.database import opened_database
    from lending.service.backup.taking import back_up
    from lending.service.ledger import system_clock

    async with opened_database(settings, create=False) as database:
        manifest = await back_up(database.url, directory, vault, system_clock())
    for head in manifest.heads:
        told = f"shard {head.shard} up to position {head.position}, epoch {head.epoch}"
        print(f"backed up {told}; sealed up to {head.sealed}")


def restore(
    directory: Directory,
    vault: Vault,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoints that were published, which tell what was lost."
            "  [default: LENDING_CHECKPOINTS_PATH]",
            exists=True,
        ),
    ] = None,
) -> None:
    """Restore a backup into an empty database, and say what did not come back."""
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(_restore(settings, directory, vault, checkpoints or settings.checkpoints_path))


async def _restore(
    settings: Settings, directory: Path, vault: Path, published: Path | None
) -> None:
    from lending.cli.database import opened_database
    from lending.runtime.migrations import migrate
    from lending.service.backup.restoring import restore as restore_into

    async with opened_database(settings) as database:
        restored = await restore_into(database.url, directory, vault, published)
        await migrate(database.url)  # this release may be newer than the backup
    for head in restored.manifest.heads:
        print(f"restored shard {head.shard} up to position {head.position}, epoch {head.epoch}")
    for lost in restored.lost:
        print(
            f"LOST: positions {lost.first_position} to {lost.last_position} of shard {lost.shard},"
            f" epoch {lost.epoch}, were published and did not come back"
        )
    print("now: lending verify; then lending epoch open --reason ...; then serve")
