"""Taking a backup: log and vault from one snapshot, in files apart, with the checkpoints."""

from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

from lending.ledger.canonical import instant_text
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection, connect_or_explain
from lending.runtime.sql import load_queries
from lending.service.backup.manifest import CHECKPOINTS, LEDGER, Head, Manifest, sha256_of
from lending.service.backup.programs import environment, find_program, run

SQL: Final = load_queries(files("lending.service.backup") / "statements.sql")
"""The statements of backing up and restoring."""

LEFT_OUT: Final = ("vault.*", "read_data.*__v*")
"""Tables whose rows are not with the log: keys, which are apart, and read models, which hold what is
personal in clear, and are made of the log again.
"""

_SESSION: Final = {
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


class NothingToBackUp(OperatorError):
    """The database holds no ledger."""


class AlreadyThere(OperatorError):
    """Where the backup is to go there is something already."""


async def back_up(database_url: str, directory: Path, vault: Path, now: datetime) -> Manifest:
    """Write a backup: the log into `directory`, which is made, the vault into the file `vault`.

    Raises AlreadyThere, NothingToBackUp, ProgramFailed, BinariesMissing, CannotConnect.
    """
    _require_free(directory, vault)
    connection = await connect_or_explain(database_url, "lending backup", session=_SESSION)
    async with connection, connection.transaction():
        return await _dump(connection, database_url, directory, vault, now)


def _require_free(directory: Path, vault: Path) -> None:
    for path in (directory, vault):
        if path.exists():
            raise AlreadyThere(f"{path} is there already; a backup never overwrites one")
    if directory.absolute() in vault.absolute().parents:
        raise AlreadyThere(f"{vault} is in {directory}; keep the vault apart from the ledger")


def _make_places(directory: Path, vault: Path) -> None:
    directory.mkdir(parents=True, mode=0o700)
    vault.parent.mkdir(parents=True, exist_ok=True)
    vault.touch(mode=0o600)


async def _dump(
    connection: Connection, database_url: str, directory: Path, vault: Path, now: datetime
) -> Manifest:
    identity = await (await connection.execute(SQL["identity"])).fetchone()
    if identity is None:
        raise NothingToBackUp("this database holds no ledger")
    ledger_id, _, major = identity
    (snapshot,) = await (await connection.execute(SQL["snapshot"])).fetchone() or ("",)
    _make_places(directory, vault)
    program, variables = find_program("pg_dump", major), environment(database_url)
    common = ["--format=custom", f"--snapshot={snapshot}", "--no-password"]
    left_out = [f"--exclude-table-data={tables}" for tables in LEFT_OUT]
    log = [*left_out, f"--file={directory / LEDGER}"]
    await run(program, [*common, *log], variables)
    await run(program, [*common, "--data-only", "--schema=vault", f"--file={vault}"], variables)
    await _write_checkpoints(connection, directory / CHECKPOINTS)
    manifest = Manifest(
        ledger_id=str(ledger_id),
        taken_at=instant_text(now),
        postgresql=major,
        heads=await read_heads(connection),
        roles=await (await connection.execute(SQL["roles"])).fetchall(),
        files={
            LEDGER: sha256_of(directory / LEDGER),
            CHECKPOINTS: sha256_of(directory / CHECKPOINTS),
            "vault": sha256_of(vault),
        },
    )
    manifest.write(directory)
    return manifest


async def _write_checkpoints(connection: Connection, path: Path) -> None:
    with path.open("w") as file:
        async for (note,) in connection.cursor().stream(SQL["notes"]):
            file.write(note)


async def read_heads(connection: Connection) -> list[Head]:
    """Where each shard stands."""
    rows = await (await connection.execute(SQL["heads"])).fetchall()
    names = ("shard", "epoch", "position", "leaf_hash", "sealed")
    return [Head(**dict(zip(names, row, strict=True))) for row in rows]
