"""The record of a ledger, opened to be read and nothing else.

What belongs here: what a command line needs that asks the log while no service runs, or beside one.
Nothing is written, no lane is taken and nothing runs in the background.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from psycopg import errors

from lending.ledger.codec import Codec
from lending.ledger.sealing import MasterKey
from lending.runtime.postgres import SERVICE_ROLE, connect_or_explain, pool
from lending.runtime.settings import Settings
from lending.runtime.sql import load_queries
from lending.service.aggregates import Aggregates
from lending.service.creation import load_master_key, open_secret
from lending.service.history import History
from lending.service.identity import NoLedger, read_identity
from lending.service.ledger import PLAN_ANEW
from lending.service.moments import Moments
from lending.service.registry import RegistryReader

_CREATION: Final = load_queries(files("lending.service") / "creation.sql")
_READ_ONLY: Final = {**PLAN_ANEW, "default_transaction_read_only": "on"}


@dataclass(frozen=True, slots=True)
class Record:
    """What a ledger has on record, to be asked."""

    history: History
    moments: Moments


@asynccontextmanager
async def opened_record(database_url: str, settings: Settings) -> AsyncIterator[Record]:
    """The record of the ledger in a database. Raises OperatorError."""
    await _require_ledger(database_url)
    reads = pool(
        database_url, SERVICE_ROLE, "lending record", min_size=1, max_size=2, session=_READ_ONLY
    )
    async with reads:
        identity, secret = await read_identity(reads)
        master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
        open_secret(master, secret)  # a wrong key is told before anything is read with it
        codec = Codec()
        aggregates = Aggregates(reads, codec, master, secrets.token_bytes)
        history = History(
            pool=reads,
            aggregates=aggregates,
            codec=codec,
            registries={
                shard: RegistryReader(shard, reads, codec) for shard in range(identity.shards)
            },
        )
        yield Record(
            history, Moments(pool=reads, history=history, aggregates=aggregates, codec=codec)
        )


async def _require_ledger(database_url: str) -> None:
    """See that there is one before connections are kept that could not be made."""
    async with await connect_or_explain(database_url, "lending record") as connection:
        try:
            await connection.execute(_CREATION["identity"])
        except (errors.UndefinedTable, errors.InvalidSchemaName):
            raise NoLedger("this database holds no ledger yet; run `lending migrate`") from None
