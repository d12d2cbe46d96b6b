"""`lending replay`: all read models as they stood at a position or an instant, in a schema for SQL."""

import asyncio
import re
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lending.cli.console import uncut_console
from lending.runtime.settings import LogLevel, Settings, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from projections.replay import Position, Replayed
    from projections.replay_schemas import Held

_POSITION = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,18})", re.ASCII)


def replay(
    to: Annotated[
        str | None,
        typer.Option(
            metavar="POSITION|INSTANT",
            help="The last position that counts, such as 0:1234, or the instant, such as"
            " 2026-10-31T09:30:00Z.",
        ),
    ] = None,
    into: Annotated[
        str | None, typer.Option(metavar="SCHEMA", help="The schema that is made for it.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop the replay that the schema holds first.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show the replays that are there.")] = False,
    drop: Annotated[
        str | None, typer.Option(metavar="SCHEMA", help="Drop a replay, and nothing else.")
    ] = None,
) -> None:
    """Rebuild all read models as they stood then, in a schema beside the live ones, which are neither
    touched nor locked.
    """
    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.WARNING)
    building = to is not None or into is not None or replace
    if building + list_ + (drop is not None) != 1:
        raise typer.BadParameter("say --to and --into, or --list, or --drop")
    if list_:
        asyncio.run(_list(settings))
    elif drop is not None:
        asyncio.run(_drop(settings, drop))
    elif to is None or into is None:
        raise typer.BadParameter("say both --to and --into")
    else:
        asyncio.run(_replay(settings, _moment(to), into, replace=replace))


def _moment(text: str) -> "Position | datetime":
    from lending.api.headers import instant_of
    from projections.replay import Position

    position = _POSITION.fullmatch(text)
    if position is not None:
        return Position(int(position[1] or 0), int(position[2]))
    instant = instant_of(text)
    if instant is None:
        raise typer.BadParameter(
            "must be a position such as 0:1234, or an instant such as 2026-10-31T09:30:00Z",
            param_hint="'--to'",
        )
    return instant


async def _replay(
    settings: Settings, to: "Position | datetime", into: str, *, replace: bool
) -> None:
    from importlib.metadata import version

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
    from projections.replay import Request
    from projections.replay import replay as run

    console = uncut_console()
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with opened_database(settings, create=False) as database:
        master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
        request = Request(to=to, into=into, release=version("lending-ledger"), replace=replace)
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=None)
            replayed = await run(
                database.url,
                request,
                master,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    _report(replayed)


def _report(replayed: "Replayed") -> None:
    from lending.ledger.canonical import instant_text

    for at in replayed.at:
        when = "" if at.recorded_at is None else f", recorded at {instant_text(at.recorded_at)}"
        print(
            f"{replayed.schema} holds the read models as of position {at.shard}:{at.position}{when}"
        )
    for name, count in replayed.left_out.items():
        if count:
            print(f"{name} leaves {count} application(s) out, as the live one does")
    print(f"query it with: set search_path = {replayed.schema}")


async def _list(settings: Settings) -> None:
    from rich.table import Table

    from lending.cli.database import opened_database
    from projections import replay_schemas

    table = Table("schema", "position", "recorded at", "asked for", "release", "made at", "size")
    async with (
        opened_database(settings, create=False) as database,
        replay_schemas.opened(database.url) as connection,
    ):
        for held in await replay_schemas.listed(connection):
            table.add_row(*_row(held))
    uncut_console().print(table)


def _row(held: "Held") -> list[str]:
    from lending.ledger.canonical import instant_text

    recorded, finished = (
        None if instant is None else instant_text(instant)
        for instant in (held.recorded_at, held.finished_at)
    )
    return [
        held.schema,
        "" if held.position is None else str(held.position),
        recorded or "",
        held.asked or "",
        held.release or "",
        finished or "broken off",
        held.size,
    ]


async def _drop(settings: Settings, schema: str) -> None:
    from lending.cli.database import opened_database
    from projections import replay_schemas

    async with (
        opened_database(settings, create=False) as database,
        replay_schemas.opened(database.url) as connection,
    ):
        await replay_schemas.take(connection, schema)
        await replay_schemas.drop(connection, schema)
    print(f"{schema} is dropped")
