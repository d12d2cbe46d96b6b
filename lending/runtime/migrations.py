"""Brings a database to the schema this program needs: the numbered files of schema/, each once.

What belongs here: finding, checking and applying the files. What they do is in the files
themselves. A file that was applied never changes; what has to change comes in a new file.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import structlog
from psycopg import Error, errors

from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection, connect_or_explain, one_line
from lending.runtime.sql import load_queries

_FILE_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql\Z")
_RANGE = 100
_ATTEMPTS = 6
_PAUSE_SECONDS = 0.2

log = structlog.stdlib.get_logger(__name__)


class SchemaMismatch(OperatorError):
    """The files of this program and what the database says was applied do not go together."""


class MigrationFailed(OperatorError):
    """A file could not be applied; the database is as it was before that file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of schema/."""

    number: int
    name: str
    text: LiteralString  # vouched for: the file is a part of this program, never input
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One file that was applied, or in a dry run would be."""

    number: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One row of ledger.schema_migrations."""

    number: int
    name: str
    sha256: bytes


def schema_directory() -> Path:
    """Where the migrations lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_schema"
    return installed if installed.is_dir() else package.parent / "schema"


def read_migrations(directory: Path) -> list[Migration]:
    """The files of `directory` by number.

    Raises SchemaMismatch for a bad name, a number used twice, or no files at all.
    """
    found: dict[int, Migration] = {}
    for file in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.match(file.name)
        if match is None or int(match["number"]) in found:
            raise SchemaMismatch(
                f"{file.name} is not named like 0001_what_it_does.sql, or its number is taken"
            )
        content = file.read_bytes()
        number = int(match["number"])
        found[number] = Migration(
            number=number,
            name=file.name,
            text=content.decode(),
            sha256=hashlib.sha256(content).digest(),
        )
    if not found:
        raise SchemaMismatch(f"no migrations in {directory}: the installation is incomplete")
    return list(found.values())


def still_to_apply(files: Sequence[Migration], recorded: Sequence[Recorded]) -> list[Migration]:
    """The files that were not applied yet, in order.

    Raises SchemaMismatch when an applied file changed or is gone, when the database is newer than
    this program, or when a new file stands before an applied one of the same hundred.
    """
    by_number = {file.number: file for file in files}
    for row in recorded:
        file = by_number.get(row.number)
        if file is None and row.number > max(by_number):
            raise SchemaMismatch(
                f"the database has {row.name}, which this program does not know: it was migrated by"
                " a newer release; run that release, or restore a backup made before it"
            )
        if file is None:
            raise SchemaMismatch(
                f"{row.name} was applied to the database and is missing from this program;"
                " restore the file as it was"
            )
        if file.sha256 != row.sha256:
            raise SchemaMismatch(
                f"{file.name} changed after it was applied to the database; restore it as it was"
                " and put what is new into a new file"
            )
    return _in_order(files, {row.number for row in recorded})


def _in_order(files: Sequence[Migration], done: set[int]) -> list[Migration]:
    pending = [file for file in files if file.number not in done]
    for file in pending:
        later = [
            number
            for number in done
            if number // _RANGE == file.number // _RANGE and number > file.number
        ]
        if later:
            raise SchemaMismatch(
                f"{file.name} is new but {min(later):04} was applied already: renumber it"
            )
    return pending


async def migrate(
    database_url: str, *, dry_run: bool = False, directory: Path | None = None
) -> list[Applied]:
    """Apply what is missing, one transaction a file, and say what that was.

    Safe to run twice at once: the second waits, and finds nothing left to do.

    With `dry_run` nothing is changed, and the answer is what would be applied. Raises
    CannotConnect, UnsupportedServer, SchemaMismatch, MigrationFailed.
    """
    files = read_migrations(directory or schema_directory())
    session = {"statement_timeout": "0", "lock_timeout": "0", "search_path": "pg_catalog"}
    connection = await connect_or_explain(database_url, "lending migrate", session=session)
    async with connection:
        if dry_run:
            return [_applied(file) for file in still_to_apply(files, await _recorded(connection))]
        queries = _queries()
        await connection.execute(queries["lock"])
        await connection.execute("set lock_timeout = '30s'")
        await _prepare(connection)
        pending = still_to_apply(files, await _recorded(connection))
        for file in pending:
            await _apply_patiently(connection, file)
        await _set_search_path(connection)
    return [_applied(file) for file in pending]


def _applied(file: Migration) -> Applied:
    return Applied(number=file.number, name=file.name)


def _queries() -> dict[str, LiteralString]:
    return dict(load_queries(Path(__file__).with_suffix(".sql")))


async def _recorded(connection: Connection) -> list[Recorded]:
    queries = _queries()
    exists = await (await connection.execute(queries["exists"])).fetchone()
    if exists is None or not exists[0]:
        return []
    rows = await (await connection.execute(queries["applied"])).fetchall()
    return [Recorded(number=number, name=name, sha256=digest) for number, name, digest in rows]


async def _prepare(connection: Connection) -> None:
    try:
        await connection.execute(_queries()["create"])
    except Error as fault:
        raise await _explained(connection, "the schema `ledger`", fault) from None


async def _apply_patiently(connection: Connection, file: Migration) -> None:
    """Roles belong to the whole cluster, where another database may be migrating at this moment."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            await _apply(connection, file)
        except Error as fault:
            if attempt == _ATTEMPTS or not _passes(fault):
                raise await _explained(connection, _place(file, fault), fault) from None
            await asyncio.sleep(_PAUSE_SECONDS * attempt)
        else:
            log.info("migration applied", file=file.name)
            return


def _passes(fault: Error) -> bool:
    collided = isinstance(fault, errors.InternalError_) and "concurrently" in str(fault)
    return collided or isinstance(fault, errors.DeadlockDetected | errors.UniqueViolation)


async def _apply(connection: Connection, file: Migration) -> None:
    async with connection.transaction():
        await connection.execute(file.text)
        await connection.execute("reset role")
        values = {"number": file.number, "name": file.name, "sha256": file.sha256}
        await connection.execute(_queries()["record"], values)


def _place(file: Migration, fault: Error) -> str:
    position = fault.diag.statement_position
    if position is None:
        return file.name
    return f"{file.name}, line {file.text[: int(position)].count(chr(10)) + 1}"


async def _explained(connection: Connection, place: str, fault: Error) -> MigrationFailed:
    text = f"cannot apply {place}: {one_line(fault)}"
    if isinstance(fault, errors.InsufficientPrivilege):
        text += (
            f" - the user {connection.info.user!r} must own the database {connection.info.dbname!r}"
            " and may need CREATEROLE; see docs/how-to/run.md, PostgreSQL of your own"
        )
    return MigrationFailed(text)


async def _set_search_path(connection: Connection) -> None:
    queries = _queries()
    row = await (await connection.execute(queries["has_search_path"])).fetchone()
    if row is not None and row[0]:
        return
    try:
        await connection.execute(queries["set_search_path"])
    except errors.InsufficientPrivilege as fault:
        log.warning(
            "search path of the database not set: read models must be named with their schema",
            reason=one_line(fault),
        )
