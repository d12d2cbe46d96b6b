"""The schemas that replays fill: making, opening, listing and dropping them.

What belongs here: DDL of whole schemas. Only what a replay made is ever dropped, and nothing with it
that somebody else built in it or on it.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.resources import files
from typing import Any, Final, NamedTuple

from psycopg import errors, sql

from lending.runtime import limits
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection, connect_or_explain
from lending.runtime.sql import load_queries
from projections.filling import SESSION
from projections.reading import SQL

_REPLAY: Final = load_queries(files("projections") / "replay.sql")
_NAME: Final = re.compile(r"(?!pg_)[a-z][a-z0-9_]{0,62}", re.ASCII)
_KINDS: Final = (("f", sql.SQL("routine")), ("v", sql.SQL("view")), ("r", sql.SQL("table")))
"""In the order in which they can be dropped."""
_CURRENT: Final = re.compile(r"current up to the position that read\.projections gives")


class WrongSchema(OperatorError):
    """A replay cannot go into this schema, or did not make it."""


class SchemaInUse(OperatorError):
    """The schema of a replay cannot be dropped now."""


class NoLedger(OperatorError):
    """The database holds no ledger."""


class Held(NamedTuple):
    """A schema that a replay made: the position of shard 0 and its instant, what was asked for, which
    release made it, from when till when (None: it was broken off), and its size.
    """

    schema: str
    position: int | None
    recorded_at: datetime | None
    asked: str | None
    release: str | None
    begun_at: datetime | None
    finished_at: datetime | None
    size: str


def require_name(schema: str) -> None:
    """Raise WrongSchema for a name that would need quotes, or that PostgreSQL keeps for itself."""
    if not _NAME.fullmatch(schema):
        raise WrongSchema(
            f"{schema[:100]!r} is no name for a schema of a replay: small letters, digits and"
            " underscores, at most 63, a letter first, and not pg_"
        )


async def require_ledger(connection: Connection) -> None:
    """Raise NoLedger where the database holds none."""
    row = await (await connection.execute(_REPLAY["ledger_exists"])).fetchone()
    if not (row and row[0]):
        raise NoLedger("this database holds no ledger: run `lending migrate` first")


async def take(connection: Connection, schema: str) -> None:
    """Have nobody else fill or drop it while this session lasts. Raises SchemaInUse."""
    row = await (
        await connection.execute(_REPLAY["one_replay_at_a_time"], {"schema": schema})
    ).fetchone()
    if not (row and row[0]):
        raise SchemaInUse(f"another replay is at work on {schema}")


async def make_room(connection: Connection, schema: str, *, replace: bool) -> None:
    """See that there is no such schema; with `replace` one that a replay made is dropped.

    Raises WrongSchema, SchemaInUse.
    """
    row = await (await connection.execute(_REPLAY["schema_exists"], {"schema": schema})).fetchone()
    if not (row and row[0]):
        return
    if schema not in await names(connection):
        raise WrongSchema(f"there is a schema {schema} that no replay made; it stays as it is")
    if not replace:
        raise WrongSchema(f"{schema} holds a replay: say --replace, or choose another name")
    await drop(connection, schema)


async def create(connection: Connection, schema: str, begun: Sequence[Mapping[str, Any]]) -> None:
    """Make the schema with the table that tells it apart, both the projector's, and in it what is
    begun: whoever erases a person's data sees the schema and what it will hold at once. `connection`
    is one that may make schemas. Raises WrongSchema.
    """
    try:
        async with connection.transaction():
            await connection.execute(_in(schema, "create_schema"))
            await connection.execute(_REPLAY["as_projector"])
            for name in ("comment_schema", "create_replay", "show_to_service"):
                await connection.execute(_in(schema, name))
            for row in begun:
                await connection.execute(_in(schema, "begin_replay"), row)
    except errors.DuplicateSchema:
        raise WrongSchema(f"there is a schema {schema} already") from None
    except errors.InsufficientPrivilege:
        raise WrongSchema(
            "the user of DATABASE_URL may not create schemas in this database: replay as the one who"
            " migrates it"
        ) from None


async def open_to_readers(connection: Connection, schema: str) -> None:
    """Let analysts and auditors read the views, whose comments say that they stand still."""
    await connection.execute(_in(schema, "open_schema"))
    rows = await connection.execute(_REPLAY["comments_of_views"], {"schema": schema})
    for view, comment in await rows.fetchall():
        named = sql.Identifier(schema, view)
        await connection.execute(sql.SQL(_REPLAY["open_view"]).format(view=named))
        said = _CURRENT.sub("as of the position that the table replay gives", comment)
        await connection.execute(
            sql.SQL("comment on view {} is {}").format(named, sql.Literal(said))
        )


async def names(connection: Connection) -> Sequence[str]:
    """The schemas that replays made, finished or not."""
    rows = await (await connection.execute(_REPLAY["replays"])).fetchall()
    return [name for (name,) in rows]


async def listed(connection: Connection) -> Sequence[Held]:
    """What replays have made."""
    found = []
    for schema in await names(connection):
        rows = await connection.execute(_in(schema, "held"), {"schema": schema})
        found.append(Held(schema, *(await rows.fetchone() or (None,) * 7)))
    return found


async def drop(connection: Connection, schema: str) -> None:
    """Drop a schema that a replay made, with all that it made in it. Raises WrongSchema where no
    replay made it, and SchemaInUse where somebody reads it or built on it.
    """
    if schema not in await names(connection):
        raise WrongSchema(f"{schema} is no schema that a replay made")
    try:
        async with connection.transaction():
            milliseconds = {"milliseconds": limits.SWITCH_LOCK_TIMEOUT_MILLISECONDS}
            await connection.execute(SQL["lock_timeout"], milliseconds)
            await _drop_objects(connection, schema)
            await connection.execute(sql.SQL("drop schema {}").format(sql.Identifier(schema)))
    except errors.LockNotAvailable:
        raise SchemaInUse(f"somebody is reading {schema}: try again") from None
    except errors.DependentObjectsStillExist as fault:
        raise SchemaInUse(
            f"{schema} stays, for something else is in it or built on it:"
            f" {' '.join((fault.diag.message_detail or '').split())}"
        ) from None


@asynccontextmanager
async def opened(database_url: str) -> AsyncIterator[Connection]:
    """A connection over which schemas can be made, listed and dropped, inside the block.

    Raises OperatorError.
    """
    connection = await connect_or_explain(database_url, "lending replay", session=SESSION)
    async with connection:
        await require_ledger(connection)
        yield connection


async def _drop_objects(connection: Connection, schema: str) -> None:
    rows = await connection.execute(_REPLAY["objects"], {"schema": schema})
    found: dict[str, list[Any]] = {}
    for kind, name in await rows.fetchall():
        found.setdefault(kind, []).append(sql.Identifier(schema, name))
    for kind, word in _KINDS:
        if kind in found:
            objects = sql.SQL(", ").join(found[kind])
            await connection.execute(sql.SQL("drop {} {}").format(word, objects))


def _in(schema: str, name: str) -> sql.Composed:
    return sql.SQL(_REPLAY[name]).format(schema=sql.Identifier(schema))
