"""`lending epoch open`: let the log go on after a failover or a restore, and say why on record."""

import asyncio
import getpass
from typing import Annotated

import typer

from lending.runtime.settings import Settings, load_settings
from lending.runtime.telemetry import configure_logs

epoch = typer.Typer(
    no_args_is_help=True,
    help="Acknowledge that the end of the log may be lost (after a failover or a restore).",
)


@epoch.command("open")
def open_(
    reason: Annotated[str, typer.Option(help="What happened, for the record.")],
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Although the server is the one on record: a volume was put back."
        ),
    ] = False,
) -> None:
    """Open a new epoch on the server as it is; the log goes on from its present end."""
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(_open(settings, reason, force=force))


async def _open(settings: Settings, reason: str, *, force: bool) -> None:
    from lending.cli.database import opened_database
    from lending.service.epoch import open_epoch, published_of
    from lending.service.ledger import new_id

    async with opened_database(settings) as database:
        opened = await open_epoch(
            database.url,
            reason=reason,
            operator=getpass.getuser(),
            new_id=new_id,
            force=force,
            published=await published_of(database.url, settings.checkpoints_path),
        )
    print(
        f"epoch {opened.epoch} of shard {opened.shard} is open; its first position is"
        f" {opened.first_position}. Readers that had come that far drop what they derived from there on."
    )
