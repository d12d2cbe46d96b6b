"""Comparing two tables of a read model, of which each has come to a position of its own.

What belongs here: which rows differ, and in what. What follows from it is for the caller.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg import sql

from lending.runtime.postgres import Connection
from projections.model import ReadModel
from projections.reading import SQL

DIFFERENCES_SHOWN: Final = 20
"""Differing rows that are told in full; the others are counted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that the live table and the next one do not agree on: the columns in which they differ,
    as (column, live, next); none where one of them lacks the row, or the latest events in it.
    """

    application_id: UUID
    live_position: int | None
    next_position: int | None
    columns: Sequence[tuple[str, Any, Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """A generation of a read model, and the last position of the log that is in it."""

    generation: int
    position: int


async def differing_rows(
    connection: Connection,
    model: ReadModel,
    shard: int,
    *,
    live: Table,
    rebuilt: Table,
    left_out: Collection[UUID],
) -> tuple[list[Difference], int]:
    """The rows that differ, a few of them in full, and how many there are.

    Rows that stand at the same position must hold the same in the columns that both tables have.
    Otherwise one lacks what the other has, which is a difference where it has come past that; but
    not for the applications that the live one leaves out, nor a row that was gone later on.
    """
    live_columns = await _columns(connection, model, live.generation)
    next_columns = await _columns(connection, model, rebuilt.generation)
    statement = sql.SQL(SQL["differing_rows"]).format(
        next=model.table(rebuilt.generation),
        live=model.table(live.generation),
        application=sql.Identifier(model.columns[1]),
        key=sql.SQL(", ").join(map(sql.Identifier, model.columns[: model.key_columns])),
    )
    asked = {
        "shard": shard,
        "only_next": sorted(next_columns - live_columns),
        "only_live": sorted(live_columns - next_columns),
        "next_at": rebuilt.position,
        "live_at": live.position,
        "left_out": list(left_out),
        "whole": model.whole,
        "limit": DIFFERENCES_SHOWN,
    }
    rows = await (await connection.execute(statement, asked)).fetchall()
    return [_difference(row) for row in rows], rows[0][-1] if rows else 0


async def _columns(connection: Connection, model: ReadModel, generation: int) -> set[str]:
    asked = {"table": f"read_data.{model.table_name(generation)}"}
    rows = await (await connection.execute(SQL["columns"], asked)).fetchall()
    return {name for (name,) in rows}


def _difference(row: Sequence[Any]) -> Difference:
    application_id, next_position, live_position, after, before, _ = row
    columns: list[tuple[str, Any, Any]] = []
    if next_position == live_position:
        names = (name for name in after if before[name] != after[name])
        columns = [(name, before[name], after[name]) for name in names]
    return Difference(application_id, live_position, next_position, columns)
