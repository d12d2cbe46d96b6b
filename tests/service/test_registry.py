"""Reading a registry on: after a time-out, over a history that changed, with more than may be added."""

import asyncio
from typing import Any

import pytest

from lending.ledger.codec import Codec
from lending.ledger.read import read_stream
from lending.runtime import limits
from lending.runtime.settings import Settings
from lending.service import registry
from lending.service.identities import TooMany
from lending.service.ledger import Ledger
from lending.service.registry import RegistryReader, read_registry
from tests.identities import issued, office, somebody
from tests.service.test_epoch import lose_from

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 0.3
STRETCH = 3


class Stalling:
    """Reads streams as ever, but for the stretch at which the database stops answering."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        self.stalls_at: int | None = None
        self._of = asyncio.current_task()  # the ledger's own reader is left alone
        monkeypatch.setattr(registry, "read_stream", self)

    async def __call__(self, *given: Any, after_version: int, **more: Any) -> Any:
        """A stretch."""
        if asyncio.current_task() is self._of:
            self.asked.append(after_version)
            if len(self.asked) == self.stalls_at:
                await asyncio.sleep(60)
        return await read_stream(*given, after_version=after_version, limit=STRETCH, **more)


async def stalled(
    ledger: Ledger, reader: RegistryReader, reads: Stalling, stretches: int
) -> list[int]:
    """Read until the database stops answering; where each stretch began."""
    reads.asked, reads.stalls_at = [], stretches
    async with ledger.pool.connection() as connection:
        with pytest.raises(TimeoutError):
            await reader.refresh_on(connection, patience_seconds=PATIENCE_SECONDS)
    began, reads.asked, reads.stalls_at = reads.asked, [], None
    return began


async def as_it_stands(ledger: Ledger) -> registry.RegistryAt:
    async with ledger.pool.connection() as connection:
        return await read_registry(connection, 0, Codec())


@pytest.mark.parametrize("known", [False, True])
async def test_reading_goes_on_where_a_time_out_left_it(
    ledger: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    reader = RegistryReader(0, ledger.pool, Codec())
    if known:
        await reader.refresh()
    before = reader.known
    for number in range(5):
        await issued(settings, somebody(f"agent-{number}"))
    reads = Stalling(monkeypatch)
    *_, stood = await stalled(ledger, reader, reads, 3)
    assert stood > before.version
    assert reader.known is before  # nobody finds half of what there is
    found = await reader.refresh()
    assert reads.asked[0] == stood
    assert found == await as_it_stands(ledger)
    assert len(found.registry.identities.principals) == 5


async def test_what_was_read_of_a_history_that_is_no_more_is_read_anew(
    ledger: Ledger, settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = RegistryReader(0, ledger.pool, Codec())
    known = await reader.refresh()
    head = await ledger.history.head(0)
    for number in range(4):
        await issued(settings, somebody(f"lost-{number}"))
    reads = Stalling(monkeypatch)
    assert (await stalled(ledger, reader, reads, 3))[-1] > known.version
    lose_from(database_url, head + 1)
    for number in range(4):
        await issued(settings, somebody(f"kept-{number}"))
    found = await reader.refresh()
    assert found == await as_it_stands(ledger)
    assert set(found.registry.identities.principals) == {f"kept-{n}" for n in range(4)}
    again = await reader.refresh()
    assert again is found


async def test_above_the_limit_of_keys_those_that_are_there_hold_and_no_other_is_issued(
    ledger: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [await issued(settings, somebody(f"agent-{number}")) for number in range(3)]
    monkeypatch.setattr(limits, "KEYS_MAX", 2)
    async with ledger.pool.connection() as connection:
        await ledger.watch._read(connection)
    for key in keys:
        assert (await ledger.authenticator.admit(key.fresh.text)).principal.name == key.principal
    for _ in range(2):
        with pytest.raises(TooMany, match="2 keys already"):
            await issued(settings, somebody("another"))
        await office(settings).revoke(keys.pop().fresh.key_id, reason="not needed")
    fresh = await issued(settings, somebody("another"))
    found = (await RegistryReader(0, ledger.pool, Codec()).refresh()).registry
    holding = {key.key_id for key in found.identities.keys.values() if not key.revoked_because}
    assert holding == {keys[0].fresh.key_id, fresh.fresh.key_id}
    assert ledger.failures == {}
