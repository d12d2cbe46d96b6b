"""What was erased is in no replay: none that was begun before is left, and later ones never have it."""

from pathlib import Path

import pytest

from lending.domain.fields import ERASED
from lending.runtime.settings import Settings
from lending.service.erasure import Outcome, ReadModelsBehind
from lending.service.ledger import Ledger
from projections import replay_schemas
from projections.replay import Position, Request, replay
from tests.service.test_erasure import OPERATOR, SECRETS, dumped, ended, master_of, projecting

pytestmark = pytest.mark.anyio
LIVE = "read_data.loan_applications__v1"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Nothing has to be kept for long."""
    return Settings(data_dir=tmp_path, database_url=database_url, retention_months=0)


async def replayed(settings: Settings, position: int, into: str) -> None:
    assert settings.database_url is not None
    request = Request(to=Position(0, position), into=into, release="test")
    await replay(settings.database_url, request, master_of(settings), progress=lambda *_: None)


async def dropped(settings: Settings, schema: str) -> None:
    assert settings.database_url is not None
    async with replay_schemas.opened(settings.database_url) as connection:
        await replay_schemas.take(connection, schema)
        await replay_schemas.drop(connection, schema)


async def test_a_replay_that_was_made_before_is_in_the_way_until_it_is_dropped(
    ledger: Ledger, settings: Settings, database_url: str
) -> None:
    before = await ledger.history.head(0)
    opened = await ended(ledger, "s", secret=True)
    await replayed(settings, before, "without")
    await replayed(settings, before + 1, "quarter")
    async with projecting(settings):
        with pytest.raises(ReadModelsBehind) as fault:
            await ledger.persons.eraser.erase("s", "asked", OPERATOR, patience_seconds=1)
        assert "the replay quarter was begun before" in str(fault.value)
        assert "without" not in str(fault.value)
        assert dumped(database_url, SECRETS) == ["quarter.loan_applications__v1"]
        await dropped(settings, "quarter")
        done = await ledger.persons.eraser.erase("s", "asked", OPERATOR)
    assert (done.outcome, done.applications) == (Outcome.ERASED, (opened,))
    assert dumped(database_url, SECRETS) == []


async def test_a_replay_that_was_broken_off_is_in_the_way_too(
    ledger: Ledger, settings: Settings, database_url: str
) -> None:
    await ended(ledger, "s", secret=True)
    await replayed(settings, await ledger.history.head(0), "quarter")
    async with replay_schemas.opened(database_url) as connection:
        await connection.execute("update quarter.replay set finished_at = null, left_out = null")
        async with projecting(settings):
            with pytest.raises(ReadModelsBehind, match="the replay quarter"):
                await ledger.persons.eraser.erase("s", "asked", OPERATOR, patience_seconds=1)


async def test_a_replay_made_while_an_erasure_is_under_way_has_nothing_of_it_at_any_position(
    ledger: Ledger, settings: Settings, database_url: str
) -> None:
    opened = await ended(ledger, "s", secret=True)
    before = await ledger.history.head(0)
    async with projecting(settings):
        pass
    with pytest.raises(ReadModelsBehind):
        await ledger.persons.eraser.erase("s", "asked", OPERATOR, patience_seconds=0)
    await replayed(settings, before, "quarter")
    assert dumped(database_url, SECRETS) == [LIVE]
    async with projecting(settings):
        done = await ledger.persons.eraser.erase("s", "asked", OPERATOR)
    assert done.outcome is Outcome.ERASED
    assert dumped(database_url, SECRETS) == []
    assert (await ledger.history.now(opened)).state.income is ERASED
