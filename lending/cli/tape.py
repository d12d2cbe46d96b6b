"""`lending tape`: every loan as a line of CSV, for those who watch a portfolio or buy one."""

import asyncio
import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final, TextIO

import typer

from lending.cli import days
from lending.runtime.errors import OperatorError
from lending.runtime.settings import LogLevel, Settings, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.runtime.postgres import Connection

_SESSION: Final = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
}


_OWN: Final = 3
"""The columns behind those of the tape."""
_COMPUTED: Final = 8
"""The columns before the first that is computed anew, but for the status."""
_NAMED: Final = {
    "original_principal": "principal",
    "current_balance": "balance",
    "oldest_unpaid_due_on": "since",
    "arrears": "amount",
}
"""What columns of the tape are called where they are computed."""


class NotInstalled(OperatorError):
    """The database lacks the read models that the tape is made of."""


def tape(
    as_of: Annotated[
        date,
        typer.Option(
            "--as-of", parser=days.day, metavar="DATE", help="The day, YYYY-MM-DD, at whose end."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The file to write, whole or not at all.", dir_okay=False
        ),
    ] = None,
) -> None:
    """Write the loan tape as CSV: one line a loan, from the read models, and from the log where
    these hold the loan as it stood on another day.
    """
    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.ERROR)
    asyncio.run(_tape(settings, as_of, output))


async def _tape(settings: Settings, as_of: date, out: Path | None) -> None:
    from psycopg import errors

    from lending.cli.database import opened_database
    from lending.runtime.postgres import PROJECTOR_ROLE, connect_or_explain

    async with opened_database(settings, create=False) as database:
        connection = await connect_or_explain(
            database.url, "lending tape", session={**_SESSION, "role": PROJECTOR_ROLE}
        )
        try:
            async with connection, connection.transaction():
                await _write(connection, as_of, out)
        except (errors.UndefinedTable, errors.UndefinedFunction, errors.InvalidSchemaName):
            raise NotInstalled("the read models are not there: run `lending migrate`") from None


async def _write(connection: "Connection", as_of: date, out: Path | None) -> None:
    from psycopg import sql

    from lending.runtime.sql import load_queries

    queries = load_queries(Path(__file__).with_suffix(".sql"))
    statement = sql.SQL(queries["tape"]).format(as_of=sql.Literal(as_of))
    cursor = connection.cursor()
    await cursor.execute(queries["behind"])
    for name, lag_events, state in await cursor.fetchall():
        print(f"lending: {name} is {state}, {lag_events} events behind", file=sys.stderr)
    with _opened(out) as file:
        text = TextIOWrapper(file, "utf-8", newline="", write_through=True)
        async with connection.cursor("tape") as rows:
            await rows.execute(statement)
            await _rows(connection, rows, as_of, text)
        text.detach()


async def _rows(connection: "Connection", rows: Any, as_of: date, text: TextIO) -> None:
    """Write a line a loan. One that the read models hold of another day is computed from the log."""
    from projections.as_of import Past

    names = [column.name for column in rows.description][:-_OWN]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    async for row in rows:
        *columns, shard, position, of_another_day = row
        told = dict(zip(names, columns, strict=True))
        if of_another_day:
            past = await Past(connection, shard).row(told["application_id"], position, as_of)
            told |= {name: past[_NAMED.get(name, name)] for name in names[_COMPUTED:]}
            told["status"] = past["status"]
        writer.writerow([_cell(value) for value in told.values()])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


@contextmanager
def _opened(out: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that takes its name once it is written whole."""
    if out is None:
        yield sys.stdout.buffer
        return
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
