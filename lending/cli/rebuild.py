"""`lending rebuild NAME`: compute a read model again, beside the live one, and put it in its place."""

import asyncio
import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from lending.runtime.errors import OperatorError
from lending.runtime.settings import LogLevel, Settings, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from rich.console import Console

    from projections.rebuild import Rebuilt


class RowsDiffer(OperatorError):
    """The same code computed other rows than the live ones."""


def rebuild(
    name: Annotated[str, typer.Argument(help="The read model, such as loan_applications.")],
    accept_differences: Annotated[
        bool,
        typer.Option(
            "--accept-differences",
            help="Show the new rows even if the same code had made the old ones otherwise.",
        ),
    ] = False,
) -> None:
    """Rebuild a read model from the log without downtime; exit code 1 if the live one is kept."""
    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.WARNING)
    asyncio.run(_rebuild(settings, name, accept_differences=accept_differences))


async def _rebuild(settings: Settings, name: str, *, accept_differences: bool) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from lending.cli.database import opened_database
    from lending.ledger.sealing import MasterKey
    from lending.service.creation import load_master_key
    from projections.rebuild import rebuild as run
    from projections.registry import read_model

    console = Console()
    model = read_model(name)
    columns = (
        TextColumn("rebuilding"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    async with opened_database(settings, create=False) as database:
        master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=None)
            rebuilt = await run(
                database.url,
                model,
                master,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
                accept_differences=accept_differences,
            )
    _report(console, name, rebuilt)


def _report(console: "Console", name: str, rebuilt: "Rebuilt") -> None:
    if rebuilt.difference_count:
        _show_differences(console, rebuilt)
    if not rebuilt.compared:
        console.print("not compared: the live rows hold events that the log has lost")
    for application_id in rebuilt.released:
        console.print(f"application {application_id} is in again")
    if not rebuilt.switched:
        raise RowsDiffer(
            f"rows of {name} that differ from what the same code makes of the log:"
            f" {rebuilt.difference_count}; the live ones are kept. Find out why, or say"
            " --accept-differences"
        )
    console.print(f"{name} shows {name}__v{rebuilt.generation} now, at position {rebuilt.position}")


def _show_differences(console: "Console", rebuilt: "Rebuilt") -> None:
    from rich.table import Table

    table = Table("application", "live at", "rebuilt at", "column", "live", "rebuilt")
    for one in rebuilt.differences:
        places = (_text(one.live_position), _text(one.next_position))
        columns = one.columns or [("(the row)", "", "")]
        for column, before, after in columns:
            table.add_row(str(one.application_id), *places, column, _text(before), _text(after))
    console.print(table)
    if rebuilt.difference_count > len(rebuilt.differences):
        console.print(f"{len(rebuilt.differences)} of {rebuilt.difference_count} rows shown")


def _text(value: object) -> str:
    return "" if value is None else str(value)
