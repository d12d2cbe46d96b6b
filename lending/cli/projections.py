"""`lending projections`: what stands of the read models, and what to do about one that stopped."""

import asyncio
import getpass
import secrets
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from lending.cli.console import uncut_console
from lending.runtime.settings import LogLevel, Settings, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.cli.database import Database
    from lending.runtime.postgres import Connection
    from projections.model import ReadModel

Name = Annotated[str, typer.Argument(help="The read model, such as loan_applications.")]
Shard = Annotated[int, typer.Option(min=0, help="The shard.")]
By = Annotated[
    str | None, typer.Option(help="Who says so.  [default: your account on this machine]")
]
Act = Callable[["Connection", "ReadModel", str], Awaitable[None]]

projections = typer.Typer(
    no_args_is_help=True, help="Look after the read models: list, retry, quarantine, release."
)


@projections.command("list")
def list_all() -> None:
    """Show how far each read model has come, whether it runs, and what it leaves out."""
    _run(_list)


@projections.command()
def retry(name: Name, shard: Shard = 0, by: By = None) -> None:
    """Try again where a read model has stopped."""

    async def act(connection: "Connection", model: "ReadModel", who: str) -> None:
        from projections import acts

        position = await acts.retry(connection, model, shard, who)
        print(f"{name} goes on at position {position}, as soon as a worker runs")

    _run(_acting(name, act, by))


@projections.command()
def quarantine(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why the application may be left out.")],
    shard: Shard = 0,
    by: By = None,
) -> None:
    """Leave out the application whose event a read model has stopped for, from that event on."""

    async def act(connection: "Connection", model: "ReadModel", who: str) -> None:
        from projections import acts

        one = await acts.quarantine(connection, model, shard, reason=reason, by=who)
        print(
            f"{name} leaves application {one.application_id} out from position {one.position}"
            f" ({one.event_type}) on; `lending projections release` or a rebuild takes it in again"
        )

    _run(_acting(name, act, by))


@projections.command()
def release(
    name: Name,
    application_id: Annotated[UUID, typer.Argument(help="The application to take in again.")],
    shard: Shard = 0,
    by: By = None,
) -> None:
    """Take an application in again, with everything that has happened to it."""
    settings = load_settings()

    async def act(connection: "Connection", model: "ReadModel", who: str) -> None:
        from lending.ledger.sealing import MasterKey
        from lending.service.creation import load_master_key
        from projections import acts

        master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
        position = await acts.release(
            connection, model, shard, application_id, by=who, master=master
        )
        print(f"application {application_id} is in {name} again, position {position} included")

    _run(_acting(name, act, by))


def _run(work: Callable[[Settings, "Database"], Awaitable[None]]) -> None:
    async def opened(settings: Settings) -> None:
        from lending.cli.database import opened_database

        async with opened_database(settings, create=False) as database:
            await work(settings, database)

    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.ERROR)
    asyncio.run(opened(settings))


def _acting(
    name: str, act: Act, by: str | None
) -> Callable[[Settings, "Database"], Awaitable[None]]:
    async def work(_: Settings, database: "Database") -> None:
        from lending.runtime.postgres import PROJECTOR_ROLE, connect
        from projections.registry import read_model

        model = read_model(name)
        who = by or f"{getpass.getuser()}@{socket.gethostname()}"
        connection = await connect(database.url, PROJECTOR_ROLE, "lending projections")
        async with connection:
            await act(connection, model, who)

    return work


async def _list(_: Settings, database: "Database") -> None:
    from psycopg.rows import dict_row

    from lending.runtime.postgres import PROJECTOR_ROLE, connect
    from projections import acts
    from projections.reading import SQL
    from projections.registry import READ_MODELS, read_model

    console = uncut_console()
    names = {model.name for model in READ_MODELS}
    async with await connect(database.url, PROJECTOR_ROLE, "lending projections") as connection:
        cursor = connection.cursor(row_factory=dict_row)
        rows = await (await cursor.execute(SQL["status"])).fetchall()
        console.print(_table(rows))
        for row in rows:
            if row["error"]:
                console.print(f"{row['projection']} stopped: {row['error']}", soft_wrap=True)
            if row["projection"] not in names:
                continue  # the tree over the log leaves nothing out and is never rebuilt
            if row["rebuild_needed"]:
                console.print(f"{row['projection']}: run `lending rebuild {row['projection']}`")
            model = read_model(row["projection"])
            for one in await acts.quarantined(connection, model, row["shard"]):
                console.print(
                    f"{row['projection']} leaves application {one.application_id} out since"
                    f" position {one.position} ({one.reason}; {one.quarantined_by})",
                    soft_wrap=True,
                )


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("read model", "shard", "state", "position", "head", "lag", "left out", "table")
    for row in rows:
        lag = f"{row['lag_events']:,} events, {row['lag_seconds']:.1f} s"
        table.add_row(
            row["projection"],
            str(row["shard"]),
            row["state"],
            str(row["position"]),
            str(row["head"]),
            lag,
            str(row["quarantined"]),
            f"{row['projection']}__v{row['generation']}",
        )
    return table
