"""`lending status`: which ledger this is, how long its log is, how far its read models have come."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lending.runtime.errors import OperatorError
from lending.runtime.settings import LogLevel, Settings, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class NoLedger(OperatorError):
    """The database holds no ledger."""


class NotReady(OperatorError):
    """Something of the ledger needs attention."""


def status(
    url: Annotated[
        str | None, typer.Option(help="Ask the service there whether it is ready, as well.")
    ] = None,
) -> None:
    """Show the log's head, the read models and their lag; exit code 1 if something is wrong."""
    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.ERROR)
    asyncio.run(_status(settings, url))


async def _status(settings: Settings, url: str | None) -> None:
    from rich.console import Console

    console = Console()
    troubles = await _database(settings, console)
    if url is not None:
        troubles += await _service(url, console)
    if troubles:
        raise NotReady("; ".join(troubles))


async def _database(settings: Settings, console: "Console") -> list[str]:
    from psycopg import errors
    from rich.table import Table

    from lending.cli.database import opened_database
    from lending.runtime.postgres import connect_or_explain
    from lending.runtime.sql import load_queries

    queries = load_queries(Path(__file__).with_suffix(".sql"))
    async with opened_database(settings, create=False) as database:
        connection = await connect_or_explain(database.url, "lending status")
        async with connection:
            try:
                ledger = await (await connection.execute(queries["ledger"])).fetchall()
                shards = await (await connection.execute(queries["shards"])).fetchall()
                models = await (await connection.execute(queries["projections"])).fetchall()
                places = await (await connection.execute(queries["publications"])).fetchall()
            except (errors.UndefinedTable, errors.InvalidSchemaName):
                ledger, shards, models, places = [], [], [], []
    if not ledger:
        raise NoLedger("the database holds no ledger yet: run `lending migrate` or `lending serve`")
    identity, timezone, version, count, newest = ledger[0]
    console.print(f"ledger {identity}, days begin in {timezone}")
    console.print(f"PostgreSQL {version}, {count} migrations, the newest {newest}")
    log = Table("shard", "epoch", "events", "last recorded", title="log", title_justify="left")
    for shard, epoch, head, recorded in shards:
        log.add_row(str(shard), str(epoch), f"{head:,}", _instant(recorded))
    console.print(log)
    console.print(_models(models))
    for shard, target, number, error in places:
        failing = "" if error is None else f", then failed: {error}"
        console.print(
            f"checkpoints of shard {shard} published up to number {number} in {target}{failing}",
            soft_wrap=True,
        )
    return [f"{model[0]} stopped: {model[6]}" for model in models if model[5] != "running"]


def _models(models: list[tuple[Any, ...]]) -> "Table":
    from rich.table import Table

    table = Table(
        "read model", "shard", "position", "behind", "for", "state",
        title="read models", title_justify="left",
    )  # fmt: skip
    for name, shard, position, behind, seconds, state, _ in models:
        table.add_row(name, str(shard), f"{position:,}", f"{behind:,}", f"{seconds:.0f} s", state)
    return table


def _instant(recorded: datetime | None) -> str:
    return "" if recorded is None else f"{recorded:%Y-%m-%d %H:%M:%S} UTC"


async def _service(url: str, console: "Console") -> list[str]:
    import httpx2

    try:
        async with httpx2.AsyncClient(timeout=10) as client:
            answer = await client.get(f"{url.rstrip('/')}/readyz")
    except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
        return [f"no service answers at {url}: {fault}"]
    if answer.status_code == httpx2.codes.OK:
        console.print(f"the service at {url} is ready")
        return []
    return [f"the service at {url} is not ready: {' '.join(answer.text.split())}"]
