"""Sealed ledgers for tests: a sealer in the test's own process, so that a test says when it seals.

What belongs here: sealing, publishing and looking at what came of it, in few words.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from lending.ledger.findings import Finding
from lending.ledger.sealing import MasterKey
from lending.runtime.postgres import SEALER_ROLE, connect
from lending.runtime.settings import Settings
from lending.service.creation import load_master_key
from lending.service.ledger import Ledger, new_id, system_clock
from lending.service.signing_keys import SigningKeyOffice, ensure_signing_keys
from lending.service.transparency.outlets import Outlet
from lending.service.transparency.publisher import Publisher
from lending.service.transparency.sealer import Published, Sealer, Step
from projections.verification import Kind, plan
from projections.verifying import run
from tests.ledgers import NOTE, submission


@dataclass
class Sealing:
    """A ledger that has its signing key, and what seals it."""

    database_url: str
    settings: Settings
    ledger: Ledger
    published: Sequence[Published] = field(default_factory=list)

    @property
    def master_key(self) -> bytes:
        """The ledger's master key."""
        return load_master_key(self.settings, create=False)

    @property
    def master(self) -> MasterKey:
        """The same, as it wraps other keys."""
        return MasterKey(self.master_key, secrets.token_bytes)

    @property
    def ledger_id(self) -> UUID:
        """Which ledger it is."""
        return self.ledger.identity.ledger_id

    @property
    def office(self) -> SigningKeyOffice:
        """Who looks after its signing keys."""
        return SigningKeyOffice(
            self.database_url, self.master, operator="tester", clock=system_clock, new_id=new_id,
            randomness=secrets.token_bytes,
        )  # fmt: skip

    async def append(self, events: int) -> None:
        """Append so many events to a new stream, whose data nothing here decodes."""
        stream = new_id(0)
        await self.ledger.lanes[0].submit(submission(stream, 0, [NOTE] * events))

    @asynccontextmanager
    async def sealer(self, batch_max_events: int = 16_384) -> AsyncIterator[Sealer]:
        """Who seals it, over one connection."""
        async with await connect(self.database_url, SEALER_ROLE, "test") as connection:
            yield Sealer(
                connection,
                self.ledger_id,
                0,
                master=self.master,
                clock=system_clock,
                worker="test",
                published=self.published,
                batch_max_events=batch_max_events,
            )

    async def seal(self, *, batch_max_events: int = 16_384) -> Step:
        """Seal until there is nothing to seal any more; what the last step came to."""
        async with self.sealer(batch_max_events) as sealer:
            while True:
                step = await sealer.step()
                if step is not Step.MOVED:
                    return step

    async def publish(self, outlet: Outlet) -> int:
        """Publish what there is; the number of the last checkpoint that was published there."""
        async with await connect(self.database_url, SEALER_ROLE, "test") as connection:
            publisher = Publisher(connection, 0, outlet, "test")
            await publisher.begin()
            while await publisher.turn():
                pass
        query = "select number from transparency.publications where target = %s"
        return int(self.rows(query, [outlet.target])[0][0])

    async def findings(self, checkpoints: Path | None = None) -> list[Finding]:
        """What verifying leaves and tree finds."""
        whole = await plan(self.database_url, self.master_key, checkpoints=checkpoints)
        parts = [part for part in whole.parts if part.kind in (Kind.TREE, Kind.LOG)]
        return (await run(replace(whole, parts=parts), 1, lambda _: None)).findings.kept

    def rows(self, query: str, given: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds, as the owner."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query, given).fetchall()

    def tamper(self, *statements: str) -> None:
        """Change what cannot be changed, as a superuser without triggers may."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("set session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)


@asynccontextmanager
async def sealing(ledger: Ledger, settings: Settings, *, events: int = 0) -> AsyncIterator[Sealing]:
    """The opened ledger with its signing key and so many events besides."""
    assert settings.database_url is not None
    master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
    await ensure_signing_keys(
        settings.database_url, master, clock=system_clock, new_id=new_id,
        randomness=secrets.token_bytes,
    )  # fmt: skip
    found = Sealing(settings.database_url, settings, ledger)
    if events:
        await found.append(events)
    yield found
