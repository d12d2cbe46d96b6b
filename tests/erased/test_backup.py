"""What is restored after the erasures verifies; what an older backup brings back is named and erased again."""

from pathlib import Path

import psycopg
import pytest

from lending.domain.fields import ERASED
from lending.ledger.findings import Discrepancy, Finding
from lending.service.backup.manifest import read_manifest
from lending.service.backup.programs import environment, find_program
from lending.service.backup.programs import run as run_program
from lending.service.backup.restoring import restore
from lending.service.backup.taking import back_up
from lending.service.epoch import open_epoch, published_of
from lending.service.erasure import Outcome
from lending.service.ledger import new_id, system_clock
from projections.verification import plan
from projections.verifying import run
from tests.databases import Databases
from tests.erased.conftest import Ledger
from tests.erased.making import History, dumped, opened
from tests.erased.persons import found_in
from tests.projections.worlds import MASTER_KEY
from tests.service.test_erasure import OPERATOR, projecting

pytestmark = pytest.mark.anyio


async def found(database_url: str, published: Path) -> list[Finding]:
    whole = await plan(database_url, MASTER_KEY, checkpoints=published)
    return (await run(whole, 1, lambda _: None)).findings.kept


async def test_a_backup_of_now_restored_elsewhere_verifies_and_has_nothing_of_them(
    erased: Ledger, empty_database_url: str, tmp_path: Path
) -> None:
    places = tmp_path / "backup", tmp_path / "vault"
    await back_up(erased.api.database_url, *places, system_clock())
    restored = await restore(empty_database_url, *places, erased.history.published)
    assert restored.lost == []
    async with opened(empty_database_url, erased.history.directory) as (api, _):
        async with projecting(api.settings):
            pass
        assert await found(empty_database_url, erased.history.published) == []
        (one,) = erased.history.of(erased.history.gone[:1]).values()
        assert (await api.ledger.history.now(one)).state.income is ERASED
    dump = await dumped(empty_database_url, tmp_path / "restored.sql")
    assert found_in(dump, erased.history.gone) == []
    assert len(found_in(dump, erased.history.kept)) > len(erased.history.kept)


async def test_keys_that_an_older_backup_of_the_vault_brings_back_are_named_and_destroyed_again(
    history: History, postgres_server: Databases, tmp_path: Path
) -> None:
    gone = history.of(history.gone)
    with postgres_server.temporary("older", history.name) as url:
        await put_back(url, history.directory)
        named = {
            (one.discrepancy, one.application_id) for one in await found(url, history.published)
        }
        assert {kind for kind, _ in named} == {Discrepancy.KEY_DIFFERS}
        assert {application_id for _, application_id in named} >= set(gone.values())
        async with opened(url, history.directory) as (api, sealed):
            for application_id in gone.values():
                assert (await api.ledger.history.now(application_id)).state.income is ERASED
            async with projecting(api.settings):
                for subject in gone:
                    done = await api.ledger.persons.eraser.erase(subject, "again", OPERATOR)
                    assert done.outcome is Outcome.ERASED
            await sealed.seal()
        assert await found(url, history.published) == []
        assert found_in(await dumped(url, tmp_path / "again.sql"), history.gone) == []


async def put_back(database_url: str, directory: Path) -> None:
    """The keys as they were before the erasures, as somebody restores them who may do anything."""
    with psycopg.connect(database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("truncate vault.subject_keys")
    program = find_program("pg_restore", read_manifest(directory / "old").postgresql)
    variables = {**environment(database_url), "PGOPTIONS": "-c session_replication_role=replica"}
    named = ["--data-only", "--table=subject_keys", f"--dbname={variables['PGDATABASE']}"]
    await run_program(program, [*named, str(directory / "old vault")], variables)


async def test_an_older_backup_of_all_names_the_erasures_it_lost_which_are_made_again(
    history: History, empty_database_url: str, tmp_path: Path
) -> None:
    """What was published since tells that the end of the log, and the erasures with it, is gone."""
    directory = tmp_path / "data"
    directory.mkdir()
    published = directory / "published"
    published.write_text(history.published.read_text())
    old = history.directory / "old", history.directory / "old vault"
    (lost,) = (await restore(empty_database_url, *old, published)).lost
    assert lost.first_position == history.before.proven.size + 1
    assert {one.discrepancy for one in await found(empty_database_url, published)} == {
        Discrepancy.TRUNCATED
    }
    await open_epoch(
        empty_database_url, reason="drill", operator="tester", new_id=new_id,
        published=await published_of(empty_database_url, published), force=True,
    )  # fmt: skip
    async with opened(empty_database_url, directory) as (api, sealed):
        async with projecting(api.settings):
            for subject in history.of(history.gone):
                await api.ledger.persons.eraser.erase(subject, "again", OPERATOR)
        await sealed.seal()
    assert await found(empty_database_url, published) == []
    dump = await dumped(empty_database_url, tmp_path / "again.sql")
    assert found_in(dump, history.gone) == []
