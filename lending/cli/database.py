"""The database a command works on: the one DATABASE_URL names, else the embedded one, looked after.

What belongs here: what `serve`, `worker` and the other commands do with a database before they
begin, so that each of them can be the first.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lending.runtime.embedded import EmbeddedPostgres
from lending.runtime.errors import OperatorError
from lending.runtime.migrations import migrate
from lending.runtime.settings import Settings
from lending.runtime.tasks import beside


class NotMigrated(OperatorError):
    """The database lacks migrations, and the settings say not to apply them at the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database that can be connected to."""

    url: str
    server: EmbeddedPostgres | None


@asynccontextmanager
async def opened_database(settings: Settings, *, create: bool = True) -> AsyncIterator[Database]:
    """The database of the settings. An embedded server is watched inside the block, and then stopped.

    Without `create` an embedded database that is not there is not made. Raises OperatorError; but
    whether DATABASE_URL can be reached shows only when it is used.
    """
    if settings.database_url is not None:
        yield Database(url=settings.database_url, server=None)
        return
    server = EmbeddedPostgres(
        settings.data_dir, postgres_user=settings.postgres_user, create=create
    )
    async with server, beside(server.supervise()):
        yield Database(url=server.url(), server=server)


async def bring_up_to_date(database: Database, settings: Settings) -> None:
    """Migrate, create the ledger if there is none, its signing keys with it, and install the read
    models.

    Several processes may do so at once. Raises OperatorError, NotMigrated among others.
    """
    from lending.ledger.sealing import MasterKey
    from lending.service.creation import create_ledger, load_master_key
    from lending.service.ledger import new_id, system_clock
    from lending.service.signing_keys import ensure_signing_keys
    from projections import registry

    if settings.migrate_on_start:
        await migrate(database.url)
        await create_ledger(database.url, settings, clock=system_clock, new_id=new_id)
        await registry.install(database.url)
        master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
        await ensure_signing_keys(
            database.url, master, clock=system_clock, new_id=new_id, randomness=secrets.token_bytes
        )
        return
    missing = await migrate(database.url, dry_run=True)
    if missing:
        raise NotMigrated(
            f"the database lacks {len(missing)} migrations, the first {missing[0].name}, and"
            " LENDING_MIGRATE_ON_START is off: run `lending migrate`"
        )
