"""A backup holds all as of one moment, its vault apart; what it does not bring back is named."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from lending.domain.application.commands import Apply
from lending.ledger.codec import Codec
from lending.ledger.sealing import KEY_BYTES, MasterKey
from lending.runtime.migrations import migrate
from lending.runtime.postgres import PROJECTOR_ROLE, connect
from lending.service.backup.manifest import BackupDamaged, read_manifest
from lending.service.backup.programs import find_program
from lending.service.backup.programs import run as run_program
from lending.service.backup.restoring import NotEmpty, restore
from lending.service.backup.taking import AlreadyThere, NothingToBackUp, back_up
from lending.service.ledger import system_clock
from projections import registry
from projections.batches import Batches
from projections.projector import Projector, Step
from projections.registry import READ_MODELS
from projections.verification import plan
from projections.verifying import run
from tests.backup.drill import brought_back, kept, lost, settings_of
from tests.ledgers import Issuer, opened_ledger
from tests.sealed import Sealing, sealing
from tests.servers import POSTGRES_15, server_15

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def at_work(database_url: str, directory: Path) -> AsyncIterator[Sealing]:
    """A ledger that seals and publishes."""
    settings = settings_of(database_url, directory)
    async with (
        opened_ledger(database_url, directory, settings=settings) as opened,
        sealing(opened, settings) as found,
    ):
        yield found


@pytest.fixture
async def ledger(database_url: str, tmp_path: Path) -> AsyncIterator[Sealing]:
    async with at_work(database_url, tmp_path) as found:
        yield found


async def taken(ledger: Sealing, directory: Path) -> tuple[Path, Path]:
    """A backup: its directory and its vault."""
    places = directory / "backup", directory / "elsewhere" / "vault"
    await back_up(ledger.database_url, *places, system_clock())
    return places


async def test_a_dump_restored_elsewhere_keeps_its_proofs_and_names_what_is_lost(
    ledger: Sealing, empty_database_url: str, tmp_path: Path
) -> None:
    before = await kept(ledger)
    backup, vault = await taken(ledger, tmp_path)
    await lost(ledger)
    published = ledger.settings.checkpoints_path
    restored = await restore(empty_database_url, backup, vault, published)
    (gone,) = restored.lost
    assert (gone.first_position, gone.epoch) == (before.head + 1, 1)
    # the same server on the same timeline: only what was published tells that the log is shorter
    await brought_back(empty_database_url, tmp_path, before, force=False)


async def test_what_is_restored_verifies_without_the_ledger_it_was_taken_from(
    ledger: Sealing, empty_database_url: str, tmp_path: Path
) -> None:
    await kept(ledger)
    backup, vault = await taken(ledger, tmp_path)
    restored = await restore(empty_database_url, backup, vault, None)
    assert restored.lost == []
    whole = await plan(empty_database_url, ledger.master_key, checkpoints=backup / "checkpoints")
    verified = await run(whole, 1, lambda _: None)
    # NOTE of tests of the log alone has data that nobody decodes
    assert {one.column for one in verified.findings.kept} <= {"data"}
    assert whole.events == restored.manifest.heads[0].position


@pytest.mark.skipif(not POSTGRES_15.exists(), reason="PostgreSQL 15 is not on this machine")
@pytest.mark.parametrize("newer", [False, True], ids=["into 15", "into a newer one"])
async def test_what_was_taken_of_an_older_postgresql_comes_back(
    empty_database_url: str, tmp_path: Path, *, newer: bool
) -> None:
    with server_15() as older:
        url, other = older.url(older.create("taken")), older.url(older.create("other"))
        await migrate(url)
        await registry.install(url)
        async with at_work(url, tmp_path) as ledger:
            await kept(ledger)
            backup, vault = await taken(ledger, tmp_path)
            target = empty_database_url if newer else other
            await restore(target, backup, vault, ledger.settings.checkpoints_path)
            whole = await plan(target, ledger.master_key, checkpoints=backup / "checkpoints")
            verified = await run(whole, 1, lambda _: None)
    assert {one.column for one in verified.findings.kept} <= {"data"}


async def test_no_key_is_in_the_dump_of_the_log(ledger: Sealing, tmp_path: Path) -> None:
    backup, vault = await taken(ledger, tmp_path)
    ((wrapped,),) = ledger.rows("select encode(wrapped, 'hex') from vault.signing_keys")
    assert len(wrapped) > 2 * KEY_BYTES
    plain = [await dumped(path, tmp_path) for path in (backup / "ledger.dump", vault)]
    assert [wrapped in text for text in plain] == [False, True]
    assert vault.stat().st_mode & 0o077 == 0


async def test_nothing_personal_is_in_the_dump_and_read_models_are_made_again(
    ledger: Sealing, empty_database_url: str, tmp_path: Path
) -> None:
    apply = Apply(
        applicant_id="cust_1",
        amount=Decimal(12000),
        income=Decimal("6543.21"),
        purpose="a red boat",
    )
    await Issuer(ledger.ledger)(apply)
    await follow(ledger.database_url, ledger.master)
    assert ledger.rows("select purpose from read.loan_applications") == [("a red boat",)]
    backup, vault = await taken(ledger, tmp_path)
    text = await dumped(backup / "ledger.dump", tmp_path)
    assert [word in text for word in ("a red boat", "6543.21", "cust_1")] == [False, False, True]
    await restore(empty_database_url, backup, vault, None)
    await follow(empty_database_url, ledger.master)
    with psycopg.connect(empty_database_url) as connection:
        rows = connection.execute("select purpose from read.loan_applications").fetchall()
    assert rows == [("a red boat",)]
    whole = await plan(empty_database_url, ledger.master_key, checkpoints=backup / "checkpoints")
    assert (await run(whole, 1, lambda _: None)).findings.kept == []


async def follow(database_url: str, master: MasterKey) -> None:
    """Fold what there is into the applications' read model."""
    async with (
        await connect(database_url, PROJECTOR_ROLE, "test") as connection,
        await connect(database_url, PROJECTOR_ROLE, "test") as ahead,
    ):
        model = READ_MODELS[0]
        batches = Batches(
            model, 0, connection=connection, ahead=ahead, master=master, codec=Codec()
        )
        projector = Projector(model, 0, connection=connection, batches=batches, worker="test")
        while await projector.step() is Step.MOVED:
            pass
        await batches.close()


async def dumped(path: Path, directory: Path) -> str:
    """A dump as SQL."""
    text = directory / f"{path.name}.sql"
    program = find_program("pg_restore", read_manifest(directory / "backup").postgresql)
    await run_program(program, [f"--file={text}", str(path)], os.environ)
    return text.read_text()


async def test_a_backup_is_taken_while_commands_go_on_and_is_of_one_moment(
    ledger: Sealing, empty_database_url: str, tmp_path: Path
) -> None:
    async def busily() -> None:
        while True:
            await ledger.append(7)

    busy = asyncio.create_task(busily())
    try:
        backup, vault = await taken(ledger, tmp_path)
    finally:
        busy.cancel()
    # heads, log and vault are of one snapshot: restoring compares them
    restored = await restore(empty_database_url, backup, vault, None)
    assert restored.manifest.heads == read_manifest(backup).heads


async def test_a_backup_never_overwrites_one_nor_keeps_the_vault_inside(
    ledger: Sealing, tmp_path: Path
) -> None:
    backup, vault = await taken(ledger, tmp_path)
    url, now = ledger.database_url, system_clock()
    for places in (
        (backup, tmp_path / "v"),
        (tmp_path / "b", vault),
        (tmp_path / "b", tmp_path / "b/v"),
    ):
        with pytest.raises(AlreadyThere):
            await back_up(url, *places, now)


async def test_a_damaged_backup_is_not_restored(
    ledger: Sealing, empty_database_url: str, tmp_path: Path
) -> None:
    backup, vault = await taken(ledger, tmp_path)
    whole = (backup / "ledger.dump").read_bytes()
    (backup / "ledger.dump").write_bytes(whole[:-1] + b"x")
    with pytest.raises(BackupDamaged, match="not the file that was backed up"):
        await restore(empty_database_url, backup, vault, None)
    shutil.rmtree(backup)
    with pytest.raises(BackupDamaged, match="no whole backup"):
        await restore(empty_database_url, backup, vault, None)


async def test_nothing_is_restored_over_a_ledger_nor_backed_up_without_one(
    ledger: Sealing, tmp_path: Path
) -> None:
    backup, vault = await taken(ledger, tmp_path)
    with pytest.raises(NotEmpty):
        await restore(ledger.database_url, backup, vault, None)
    ledger.tamper("delete from ledger.identity")
    with pytest.raises(NothingToBackUp):
        await back_up(ledger.database_url, tmp_path / "b", tmp_path / "v", system_clock())


async def test_the_commands_say_what_they_did(
    ledger: Sealing, empty_database_url: str, tmp_path: Path
) -> None:
    before = await kept(ledger)

    def lending(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "LENDING_DATA_DIR": str(tmp_path),
            "LENDING_CHECKPOINTS_PATH": str(tmp_path / "published"),
        }
        command = [sys.executable, "-m", "lending", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    places = str(tmp_path / "backup"), "--vault", str(tmp_path / "vault")
    done = await asyncio.to_thread(lending, ledger.database_url, "backup", *places)
    assert done.returncode == 0, done.stderr
    assert f"up to position {before.head}, epoch 1" in done.stdout
    await lost(ledger)
    back = await asyncio.to_thread(lending, empty_database_url, "restore", *places)
    assert back.returncode == 0, back.stderr
    assert f"LOST: positions {before.head + 1} to {before.head + 40} of shard 0" in back.stdout
    opened = await asyncio.to_thread(
        lending, empty_database_url, "epoch", "open", "--reason", "drill"
    )
    assert opened.returncode == 0, opened.stderr
    assert f"first position is {before.head + 1}" in " ".join(opened.stdout.split())
