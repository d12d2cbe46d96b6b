"""A clean log is never accused, whatever happened in it and however far sealing and folding have come.

`LENDING_HISTORIES=1000` tries so many histories, one behind the other in one database.
"""

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lending.domain.identifiers import registry_id
from lending.domain.signing import SigningKeyIssued
from lending.ledger.canonical import canonical_json
from lending.ledger.checkpoints import Origin
from lending.ledger.codec import NoKeyring
from lending.ledger.notes import Verifier, encoded, public_key_of
from lending.ledger.sealing import Keyring, signing_key_purpose
from lending.service.epoch import open_epoch
from lending.service.ledger import new_id
from projections.registry import READ_MODELS
from projections.verification import plan
from projections.verifying import run
from tests.projections.follower import following
from tests.projections.loan_lives import lived, written
from tests.projections.worlds import MASTER_KEY, Stream, World, fill, note
from tests.tampering.tampered import sealed

pytestmark = pytest.mark.anyio
HISTORIES = int(os.environ.get("LENDING_HISTORIES", "3"))


@pytest.mark.timeout(120 + 20 * HISTORIES)
async def test_a_clean_log_is_never_accused(database_url: str, tmp_path: Path) -> None:
    for seed in range(HISTORIES):
        world = begun(database_url, random.Random(seed))
        try:
            checkpoints = tmp_path / f"{seed}"
            await lived_through(world, checkpoints)
            whole = await plan(database_url, MASTER_KEY, checkpoints=existing(checkpoints))
            verified = await run(whole, 1, lambda _: None)
            assert verified.findings.kept == [], f"history {seed}"
        finally:
            clear(world)


def begun(database_url: str, chance: random.Random) -> World:
    """A new ledger that can be sealed."""
    world = World(database_url, seed=chance.randrange(10**6), notifies=False)
    world.connection.execute(
        "update ledger.lanes set (system_identifier, timeline) ="
        " (select system_identifier::text, 1 from pg_control_system())"
    )
    seed = chance.randbytes(32)
    public_key, key_id = public_key_of(seed), "key"
    vkey = Verifier(str(Origin(world.ledger_id, 0, 1)), public_key).vkey
    issued = SigningKeyIssued(key_id=key_id, public_key=encoded(public_key), vkey=vkey)
    stream = Stream(registry_id(0), "", Keyring(registry_id(0), bytes))
    world.raw(stream, issued.stored_as, canonical_json(world.codec.encode(issued, NoKeyring(), "")))
    world.connection.execute(
        "insert into vault.signing_keys (shard, key_id, wrapped, created_at) values (0, %s, %s, now())",
        [key_id, world.master.wrap(seed, signing_key_purpose(0, key_id))],
    )
    return world


async def lived_through(world: World, checkpoints: Path) -> None:
    """Loans, applications and epochs at random, sealed, published and folded now and then."""
    chance = world.random
    for _ in range(chance.randrange(1, 5)):
        match chance.randrange(5):
            case 0:
                written(world, lived(chance, chance.randrange(1, 30)))
            case 1:
                world.append(world.apply(), *[note() for _ in range(chance.randrange(1, 300))])
            case 2 if world.epoch < 3:
                await another_epoch(world)
            case _:
                events = world.position + chance.randrange(1, 90)
                fill(world, events, at_once=chance.randrange(1, 9), batch=chance.randrange(1, 30))
        if chance.random() < 0.6:
            await sealed(world.database_url, 0, checkpoints if chance.random() < 0.7 else None)
        for model in chance.sample(READ_MODELS, chance.randrange(3)):
            size = chance.choice([7, 500])
            async with following(world, model=model, batch_max_events=size) as follower:
                await follower.projector.step()


async def another_epoch(world: World) -> None:
    """The log goes on after what may have been the loss of its end."""
    opened = await open_epoch(
        world.database_url, reason="drill", operator="tester", new_id=new_id, force=True
    )
    world.epoch, world.position = opened.epoch, opened.first_position
    world.now = max(world.now, datetime.now(UTC)) + timedelta(seconds=1)


def existing(path: Path) -> Path | None:
    return path if path.exists() else None


def clear(world: World) -> None:
    """Make room for the next history in the same database."""
    tables = [f"read_data.{model.table_name(1)}" for model in READ_MODELS]
    with world.connection.transaction():
        world.connection.execute("set local session_replication_role = replica")
        world.connection.execute(
            "truncate ledger.identity, ledger.lanes, ledger.loan_events, ledger.command_keys,"
            " vault.subject_keys, vault.signing_keys, transparency.trees, transparency.tiles,"
            f" transparency.checkpoints, transparency.publications, {', '.join(tables)}"
        )
        world.connection.execute(
            "update read_data.checkpoints set position = 0, epoch = 1, recorded_at = null"
        )
    world.close()
