"""The tables and views of read models: made, shown, dropped.

What belongs here: DDL of a generation. Everything runs as the projector, which owns what it makes.
"""

import re
from collections.abc import Sequence

from psycopg import sql

from lending.runtime.postgres import Connection
from projections.model import ReadModel
from projections.reading import SQL


async def create_table(connection: Connection, model: ReadModel, generation: int) -> None:
    """Make the table of a generation, without indexes but its key's."""
    await connection.execute(model.statement("create_table", generation))


async def create_indexes(connection: Connection, model: ReadModel, generation: int) -> None:
    """Make the other indexes of a generation, and have the planner know its rows."""
    await connection.execute(model.statement("create_indexes", generation))
    await connection.execute(sql.SQL("analyze {}").format(model.table(generation)))


async def show(connection: Connection, model: ReadModel, generation: int) -> None:
    """Have the view show this generation. Grants, and views built on it, stay.

    Raises psycopg.errors.InvalidTableDefinition where a column of the view would change its type or
    vanish, and LockNotAvailable where somebody reads it for longer than the lock time-out.
    """
    await connection.execute(model.statement("replace_view", generation))
    schemas = model.schemas
    asked = {
        "table": f"{schemas.tables}.{model.table_name(generation)}",
        "view": f"{schemas.views}.{model.name}",
    }
    for column, comment in await (
        await connection.execute(SQL["table_comments"], asked)
    ).fetchall():
        await connection.execute(
            sql.SQL("comment on column {}.{} is {}").format(
                model.view, sql.Identifier(column), sql.Literal(comment)
            )
        )


async def generations(connection: Connection, model: ReadModel) -> Sequence[int]:
    """The generations of which there is a table, in order."""
    prefix = model.table_name(0)[:-1]
    rows = await (await connection.execute(SQL["tables"], {"prefix": prefix})).fetchall()
    numbers = (re.fullmatch(re.escape(prefix) + "([0-9]+)", name) for (name,) in rows)
    return sorted(int(number[1]) for number in numbers if number is not None)


async def drop_table(connection: Connection, model: ReadModel, generation: int) -> None:
    """Drop a generation's table. Raises psycopg.errors.LockNotAvailable while it is read."""
    statement = sql.SQL("drop table if exists {}").format(model.table(generation))
    await connection.execute(statement)
