"""Restoring a backup into an empty database, and naming what it does not bring back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from psycopg import sql

from lending.ledger.checkpoints import parse_origin, read_checkpoint
from lending.ledger.notes import NoteFault
from lending.ledger.published import read_published
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection, connect_or_explain
from lending.service.backup.manifest import (
    CHECKPOINTS,
    LEDGER,
    BackupDamaged,
    Head,
    Manifest,
    read_manifest,
    require_whole,
)
from lending.service.backup.programs import environment, find_program, run
from lending.service.backup.taking import SQL, read_heads

_SESSION = {"statement_timeout": "0", "lock_timeout": "0"}


class NotEmpty(OperatorError):
    """There is a ledger in the database that is to be restored into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A stretch of the log that was published and did not come back, with the epoch it was of."""

    shard: int
    epoch: int
    first_position: int
    last_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back, and what did not, as far as published checkpoints tell."""

    manifest: Manifest
    lost: Sequence[Lost]


async def restore(
    database_url: str, directory: Path, vault: Path, published: Path | None
) -> Restored:
    """Restore a backup into an empty database. `published` are checkpoints from outside, besides
    those of the backup: they tell what was lost.

    Raises BackupDamaged, NotEmpty, ProgramFailed, BinariesMissing, CannotConnect.
    """
    manifest = read_manifest(directory)
    require_whole(manifest, directory, vault)
    connection = await connect_or_explain(database_url, "lending restore", session=_SESSION)
    async with connection:
        await connection.set_autocommit(True)
        if await _has_ledger(connection):
            raise NotEmpty("there is a ledger in this database already; restore into an empty one")
        major = connection.info.server_version // 10_000
        for name, meaning in manifest.roles:
            await _ensure_role(connection, name, meaning, major)
        program = find_program("pg_restore", max(major, manifest.postgresql))
        variables = environment(database_url)
        common = ["--exit-on-error", "--single-transaction", "--no-password"]
        common.append(f"--dbname={connection.info.dbname}")
        await run(program, [*common, str(directory / LEDGER)], variables)
        await run(program, [*common, str(vault)], variables)
        await connection.execute(SQL["begin_anew"])
        await connection.execute(SQL["analyze"])
        heads = await read_heads(connection)
    if heads != list(manifest.heads):
        raise BackupDamaged("what was restored does not end where the backup says")
    paths = [directory / CHECKPOINTS, *([] if published is None else [published])]
    return Restored(manifest=manifest, lost=lost_of(UUID(manifest.ledger_id), heads, paths))


async def _has_ledger(connection: Connection) -> bool:
    row = await (await connection.execute(SQL["has_ledger"])).fetchone()
    return row is not None and bool(row[0])


async def _ensure_role(connection: Connection, name: str, meaning: str, major: int) -> None:
    """Have a role of the ledger, and be allowed to act as it."""
    role = sql.Identifier(name)
    found = await (await connection.execute(SQL["has_role"], {"role": name})).fetchone()
    if found is None:
        await connection.execute(sql.SQL("create role {} nologin").format(role))
        comment = sql.SQL("comment on role {} is {}").format(role, sql.Literal(meaning))
        await connection.execute(comment)
    if found is None or not found[0]:
        options = sql.SQL(" with inherit true, set true") if major >= 16 else sql.SQL("")
        grant = sql.SQL("grant {} to current_user").format(role) + options
        await connection.execute(grant)


def lost_of(ledger_id: UUID, heads: Sequence[Head], paths: Sequence[Path]) -> list[Lost]:
    """What was published of each shard behind its head."""
    ends = {head.shard: head.position for head in heads}
    furthest: dict[int, tuple[int, int]] = {}
    for note in (note for path in paths if path.exists() for note in read_published(path)):
        try:
            checkpoint = read_checkpoint(note)
            origin = parse_origin(checkpoint.origin)
        except NoteFault:
            continue
        if origin.ledger_id == ledger_id:
            seen = furthest.get(origin.shard, (0, 0))
            furthest[origin.shard] = max(seen, (origin.epoch, checkpoint.size))
    return [
        Lost(shard=shard, epoch=epoch, first_position=ends.get(shard, 0) + 1, last_position=size)
        for shard, (epoch, size) in sorted(furthest.items())
        if size > ends.get(shard, 0)
    ]
