"""A ledger of two shards that was sealed and published, in the hands of a superuser.

What belongs here: making it once, and what such a person can do: change rows, move them, make their
hashes anew, seal and sign another history with the ledger's own key.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import set_json_loads

from lending.domain.application import commands as c
from lending.domain.identifiers import registry_id
from lending.domain.products import ProductOnRecord, ProductPublished
from lending.domain.servicing.commands import Repay
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import NoKeyring
from lending.ledger.findings import Discrepancy, Finding
from lending.ledger.sealing import Keyring, MasterKey
from lending.ledger.stored_rows import DATA, SQL, envelope_of, leaf_of
from lending.runtime.postgres import SEALER_ROLE, connect
from lending.service.ledger import new_id, system_clock
from lending.service.products import digest_of
from lending.service.signing_keys import ensure_signing_keys
from lending.service.transparency.outlets import FileOutlet
from lending.service.transparency.publisher import Publisher
from lending.service.transparency.sealer import Sealer, Step
from projections import registry
from projections.registry import READ_MODELS
from projections.verification import plan
from projections.verifying import Verified, run
from tests.projections.follower import following
from tests.projections.loan_lives import AMOUNT, FUNDED_ON, LoanLife, product, written
from tests.projections.worlds import MASTER_KEY, Stream, World, fill

SHARDS = 2


@dataclass(frozen=True, slots=True)
class Prepared:
    """A database to copy, and what was published of it."""

    name: str
    published: str


@dataclass(slots=True)
class Tampered:
    """A copy of the ledger that a test may change."""

    database_url: str
    checkpoints: Path

    # looking

    def rows(self, query: str, given: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query, given or None).fetchall()

    def event(self, event_type: str, offset: int = 0, shard: int = 0) -> tuple[int, UUID, int]:
        """An event of a type: its position, its application and its version."""
        query = (
            "select position, application_id, version from ledger.loan_events"
            " where event_type = %s and shard = %s order by position offset %s limit 1"
        )
        (row,) = self.rows(query, [event_type, shard, offset])
        return row

    def head(self, shard: int = 0) -> int:
        """The last position of a shard."""
        query = "select max(position) from ledger.loan_events where shard = %s"
        return int(self.rows(query, [shard])[0][0])

    async def verified(self, *, published: bool = True) -> Verified:
        """What `lending verify` comes to."""
        checkpoints = self.checkpoints if published else None
        whole = await plan(self.database_url, MASTER_KEY, checkpoints=checkpoints)
        return await run(whole, 1, lambda _: None)

    async def findings(self, *, published: bool = True) -> list[Finding]:
        """What it finds."""
        return (await self.verified(published=published)).findings.kept

    # tampering

    def change(self, *statements: str) -> None:
        """Run these with triggers and foreign keys switched off."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("set session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)

    def rehash(self, since: int, upto: int = 10**9) -> None:
        """Make the leaf hashes of a stretch of shard 0 anew, as of what stands there."""
        asked = {"shard": 0, "begin": since, "upto": upto, "limit": 100_000}
        with psycopg.connect(self.database_url) as connection:
            connection.execute("set session_replication_role = replica")
            ((ledger_id,),) = connection.execute("select ledger_id from ledger.identity")
            set_json_loads(orjson.loads, connection)
            for row in connection.cursor(binary=True).execute(SQL["stretch"], asked).fetchall():
                leaf = leaf_of(ledger_id, envelope_of(row), row[DATA])
                connection.execute(
                    "update ledger.loan_events set leaf_hash = %s where shard = 0 and position = %s",
                    [leaf, row[1]],
                )

    def shift(self, since: int, by: int) -> None:
        """Move everything in shard 0 from a position on."""
        self.change(
            f"update ledger.loan_events set position = position + 1000000 where shard = 0"
            f" and position >= {since}",
            f"update ledger.loan_events set position = position - 1000000 + {by} where shard = 0"
            f" and position > 1000000",
        )

    def shift_versions(self, stream: UUID, since: int, by: int) -> None:
        """Move everything in a stream from a version on."""
        self.change(
            f"update ledger.loan_events set version = version + 1000000"
            f" where application_id = '{stream}' and version >= {since}",
            f"update ledger.loan_events set version = version - 1000000 + {by}"
            f" where application_id = '{stream}' and version > 1000000",
        )

    async def forge(self) -> None:
        """Seal shard 0 again from its beginning, and sign it with the ledger's own key."""
        self.change(
            "delete from transparency.tiles where shard = 0",
            "delete from transparency.checkpoints where shard = 0",
            "update transparency.trees set size = 0, subtrees = '', edge = '', checkpoint = 0"
            " where shard = 0",
        )
        await sealed(self.database_url, 0)


async def sealed(database_url: str, shard: int, outlet: Path | None = None) -> None:
    """Seal a shard to its end, and publish what was signed."""
    with psycopg.connect(database_url) as connection:
        ((ledger_id,),) = connection.execute("select ledger_id from ledger.identity")
    async with await connect(database_url, SEALER_ROLE, "test") as connection:
        master = MasterKey(MASTER_KEY, secrets.token_bytes)
        sealer = Sealer(
            connection, ledger_id, shard, master=master, clock=system_clock, worker="test"
        )
        while await sealer.step() is Step.MOVED:
            pass
        if outlet is not None:
            publisher = Publisher(connection, shard, FileOutlet(outlet, ledger_id, shard), "test")
            await publisher.begin()
            while await publisher.turn():
                pass


async def prepare(database_url: str, directory: Path) -> str:
    """Make the ledger in a migrated database; what was published of it."""
    world = World(database_url, shards=SHARDS, notifies=False)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "update ledger.lanes set (system_identifier, timeline) ="
            " (select system_identifier::text, 1 from pg_control_system())"
        )
    await registry.install(database_url)
    await ensure_signing_keys(
        database_url, world.master, clock=system_clock, new_id=new_id,
        randomness=secrets.token_bytes,
    )  # fmt: skip
    ((world.position,),) = world.rows("select max(position) from loan_events where shard = 0")
    other = World(database_url, seed=2, shard=1, notifies=False, position=3)
    world.now = other.now = datetime.now(UTC) + timedelta(minutes=1)
    file = directory / "checkpoints"
    _a_loan(world)
    for events in (120, 300, 530):
        fill(world, events, at_once=12, batch=25)
        await sealed(database_url, 0, file)
    for events in (25, 40):
        fill(other, events, at_once=5, batch=10)
        await sealed(database_url, 1, directory / "other")
    for model in READ_MODELS:
        async with following(world, model=model) as follower:
            await follower.settle()
    world.close()
    other.close()
    return file.read_text() + (directory / "other").read_text()


def _a_loan(world: World) -> None:
    """A loan under a product on record, with a payment that is posted."""
    registry_stream = Stream(registry_id(0), "", Keyring(registry_id(0), secrets.token_bytes), 3)
    made = product().product
    published = ProductPublished(product=made, digest=digest_of(made))
    data = canonical_json(world.codec.encode(published, NoKeyring(), ""))
    position = world.raw(registry_stream, published.stored_as, data)
    record = ProductOnRecord(product=made, digest=published.digest, registry_position=position)
    life = LoanLife(product=record)
    for command in (
        c.Apply(applicant_id="cust_0", amount=AMOUNT),
        c.Decide(outcome=c.Outcome.APPROVED),
        c.MakeOffer(amount=AMOUNT, product=made.name),
        c.AcceptOffer(offer_id="1"),
        c.Disburse(),
        Repay(amount=Decimal(100)),
    ):
        life.must(command, FUNDED_ON)
    written(world, life)


def of(found: Sequence[Finding], kind: Discrepancy) -> list[Finding]:
    """The findings of one kind."""
    return [one for one in found if one.discrepancy is kind]


def places(found: Sequence[Finding]) -> set[tuple[int | None, UUID | None, str]]:
    """Where they are."""
    return {(one.position, one.application_id, one.column) for one in found}


def kinds(found: Sequence[Finding]) -> set[Discrepancy]:
    """What they are."""
    return {one.discrepancy for one in found}


def in_the_log(found: Sequence[Finding]) -> set[Discrepancy]:
    """The kinds that are about the log; what follows from it in answers and rows is left out."""
    followers = {
        Discrepancy.ANSWER_DIFFERS,
        Discrepancy.PROJECTION_DIFFERS,
        Discrepancy.HISTORY_BROKEN,
    }
    return kinds(found) - followers
