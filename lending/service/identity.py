"""Which ledger a database holds: its identity and its secrets, as they were stored when it was made."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from uuid import UUID

from lending.ledger.fingerprint import SECRET_NAME
from lending.ledger.sealing import MasterKey
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Pool
from lending.runtime.sql import load_queries
from lending.service.creation import read_secret
from lending.service.keys import PEPPER_NAME

_CREATION: Final = load_queries(files("lending.service") / "creation.sql")


class NoLedger(OperatorError):
    """The database holds no ledger. Run `lending migrate` first."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which ledger this is, and the time zone in which its days begin."""

    ledger_id: UUID
    timezone: str
    shards: int


async def read_identity(reads: Pool) -> tuple[Identity, bytes | None]:
    """Which ledger the database holds, and its wrapped secret. Raises NoLedger."""
    async with reads.connection() as connection:
        row = await (await connection.execute(_CREATION["identity"])).fetchone()
        secret = await (
            await connection.execute(_CREATION["secret"], {"name": SECRET_NAME})
        ).fetchone()
    if row is None:
        raise NoLedger("this database holds no ledger yet; run `lending migrate`")
    return Identity(*row), None if secret is None else secret[0]


async def read_pepper(reads: Pool, master: MasterKey) -> bytes:
    """The secret that digests of API keys are made with. Raises SecretMissing, WrongMasterKey."""
    async with reads.connection() as connection:
        return await read_secret(connection, master, PEPPER_NAME)
