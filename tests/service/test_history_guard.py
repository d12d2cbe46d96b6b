"""Nothing is appended to a log that ends before what was published of it, or contradicts it."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from lending.ledger.submission import Committed, HistoryRewound
from lending.runtime.settings import Settings
from lending.service.epoch import open_epoch
from lending.service.ledger import Ledger, new_id
from lending.service.transparency.outlets import FileOutlet
from lending.service.transparency.sealer import Step
from tests.ledgers import NOTE, opened_ledger, submission
from tests.sealed import Sealing, sealing

pytestmark = pytest.mark.anyio
TREE = ("trees", "tiles", "checkpoints", "publications")
BEGIN_ANEW = (
    "delete from transparency.tiles",
    "delete from transparency.checkpoints",
    "update transparency.trees set size = 0, subtrees = '', edge = '', checkpoint = 0",
)


@pytest.fixture
def guarded(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, database_url=database_url, checkpoints_path=tmp_path / "checkpoints"
    )


async def publish(settings: Settings) -> Sealing:
    """A ledger of thirty events, sealed and published, that is closed again."""
    assert settings.database_url is not None
    async with (
        opened_ledger(settings.database_url, settings.data_dir, settings=settings) as ledger,
        sealing(ledger, settings, events=30) as found,
    ):
        await found.seal()
        path = settings.checkpoints_path or Path()
        await found.publish(FileOutlet(path, found.ledger_id, 0))
    return found


def put_back(found: Sealing) -> None:
    """Have log and tree end at position 20, as a volume that was put back does."""
    found.tamper(
        "delete from ledger.loan_events where position > 20",
        "delete from transparency.checkpoints",
        "update transparency.trees set size = 0, subtrees = '', edge = '', checkpoint = 0",
    )


async def append(ledger: Ledger) -> object:
    return await ledger.lanes[0].submit(submission(new_id(0), 0, [NOTE]))


async def test_what_was_published_and_is_there_lets_the_log_go_on(guarded: Settings) -> None:
    found = await publish(guarded)
    async with opened_ledger(found.database_url, guarded.data_dir, settings=guarded) as ledger:
        assert isinstance(await append(ledger), Committed)
        assert ledger.failures == {}


async def test_a_log_that_ends_before_what_was_published_is_read_but_not_appended_to_until_an_epoch_is_opened(
    guarded: Settings,
) -> None:
    found = await publish(guarded)
    put_back(found)
    async with opened_ledger(found.database_url, guarded.data_dir, settings=guarded) as ledger:
        assert "nothing is appended" in ledger.failures["history 0"]
        with pytest.raises(HistoryRewound, match=r"the log ends at 20.*epoch open --force"):
            await append(ledger)
        assert await ledger.history.head(0) == 20
        await open_epoch(
            found.database_url, reason="drill", operator="tester", new_id=new_id, force=True
        )
        assert isinstance(await append(ledger), Committed)
        assert ledger.failures == {}


async def test_readiness_comes_back_without_a_command(
    guarded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lending.ledger.limits.HISTORY_RECHECK_SECONDS", 0.05)
    found = await publish(guarded)
    put_back(found)
    async with opened_ledger(found.database_url, guarded.data_dir, settings=guarded) as ledger:
        assert ledger.failures
        await open_epoch(
            found.database_url, reason="drill", operator="tester", new_id=new_id, force=True
        )
        async with asyncio.timeout(10):
            while ledger.failures:  # noqa: ASYNC110 readiness is asked like this
                await asyncio.sleep(0.02)


async def test_a_log_that_contradicts_what_was_published_is_not_appended_to(
    guarded: Settings,
) -> None:
    found = await publish(guarded)
    found.tamper(
        "update ledger.loan_events set leaf_hash = sha256('forged') where position = 12",
        "delete from transparency.checkpoints",
        "update transparency.trees set size = 0, subtrees = '', edge = '', checkpoint = 0",
    )
    await found.seal()  # by a worker that was not told what was published
    async with opened_ledger(found.database_url, guarded.data_dir, settings=guarded) as ledger:
        assert "nothing is appended" in ledger.failures["history 0"]
        with pytest.raises(HistoryRewound, match="is not that of the checkpoint in file:"):
            await append(ledger)


async def test_every_new_connection_of_the_lane_is_checked(guarded: Settings) -> None:
    found = await publish(guarded)
    async with opened_ledger(found.database_url, guarded.data_dir, settings=guarded) as ledger:
        await append(ledger)
        await found.seal()
        put_back(found)
        with psycopg.connect(found.database_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        await asyncio.sleep(0.1)
        with pytest.raises(HistoryRewound):
            await append(ledger)
        assert "history 0" in ledger.failures


# without the tree


@pytest.mark.parametrize("published", [True, False])
async def test_a_ledger_whose_tree_is_gone_is_neither_ready_nor_appended_to_nor_begun_anew(
    guarded: Settings, published: bool
) -> None:
    found = await publish(guarded)
    found.tamper(*(f"delete from transparency.{table}" for table in TREE))
    settings = guarded if published else guarded.model_copy(update={"checkpoints_path": None})
    async with opened_ledger(found.database_url, guarded.data_dir, settings=settings) as ledger:
        assert "nothing is appended" in ledger.failures["history 0"]
        with pytest.raises(HistoryRewound, match=r"its tree is gone.*lending verify"):
            await append(ledger)
        with pytest.raises(HistoryRewound, match="its tree is gone"):
            await found.seal()
        (row,) = [
            one
            for one in await ledger.listing.projections(0)
            if one["projection"] == "transparency_log"
        ]
        assert (row["state"], row["stopped_because"]) == ("stopped", "rewritten")
        assert "its tree is gone" in row["error"]
    assert found.rows("select * from transparency.trees") == []


async def test_a_tree_begun_anew_has_to_come_to_what_was_published_before_anything_is_appended(
    guarded: Settings,
) -> None:
    found = await publish(guarded)
    found.tamper(*BEGIN_ANEW)
    async with opened_ledger(found.database_url, guarded.data_dir, settings=guarded) as ledger:
        with pytest.raises(HistoryRewound, match="sealed up to 0, before the checkpoint of 33"):
            await append(ledger)
        await found.seal()
        assert isinstance(await append(ledger), Committed)


async def test_a_tree_begun_anew_over_a_changed_log_lets_nothing_be_appended(
    guarded: Settings,
) -> None:
    found = await publish(guarded)
    forged = "update ledger.loan_events set leaf_hash = sha256('forged') where position = 12"
    found.tamper(forged, *BEGIN_ANEW)
    path = guarded.checkpoints_path or Path()
    last = await FileOutlet(path, found.ledger_id, 0).last()
    assert last is not None
    found.published = [last]
    assert await found.seal() is Step.STOPPED
    async with opened_ledger(found.database_url, guarded.data_dir, settings=guarded) as ledger:
        with pytest.raises(HistoryRewound):
            await append(ledger)
