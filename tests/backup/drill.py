"""A ledger that is lost and brought back, in few words.

What belongs here: what every drill does, whatever brought the ledger back: hold proofs of before, see
that it does not go on by itself, open an epoch, and look at what is kept and what is named as lost.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from lending.ledger.checkpoints import Origin
from lending.ledger.findings import Discrepancy
from lending.ledger.notes import decoded
from lending.ledger.proofs import parse_proof
from lending.ledger.submission import HistoryRewound
from lending.runtime.postgres import connect
from lending.runtime.settings import Settings
from lending.service.backup.restoring import Lost, lost_of
from lending.service.backup.taking import read_heads
from lending.service.epoch import open_epoch, published_of
from lending.service.ledger import new_id
from lending.service.transparency.outlets import FileOutlet
from lending.service.transparency.sealer import Step
from tests.ledgers import opened_ledger
from tests.sealed import Sealing, sealing

KEPT = 300
LOST = 40


@dataclass(frozen=True, slots=True)
class Before:
    """What somebody outside holds of the ledger from before: a proof of an event and its leaf, the
    keys, and where the log ended then.
    """

    proof: str
    leaf: bytes
    keys: list[bytes]
    head: int


def settings_of(database_url: str, directory: Path) -> Settings:
    """A ledger whose checkpoints are published in the directory, with the master key there."""
    return Settings(
        data_dir=directory, database_url=database_url, checkpoints_path=directory / "published"
    )


async def kept(ledger: Sealing) -> Before:
    """Have events, sealed and published, and somebody who holds proof of one."""
    await ledger.append(KEPT)
    await sealed(ledger)
    proof = (await ledger.ledger.transparency.inclusion(0, 100, None)).text()
    ((leaf,),) = ledger.rows("select leaf_hash from ledger.loan_events where position = 100")
    ((head,),) = ledger.rows("select max(position) from ledger.loan_events")
    query = "select data ->> 'public_key' from ledger.loan_events where event_type = 'signing_key_issued'"
    keys = [decoded(key, "key") for (key,) in ledger.rows(query)]
    return Before(proof, bytes(leaf), keys, head)


async def sealed(ledger: Sealing) -> None:
    """Seal what there is, and publish it."""
    path = ledger.settings.checkpoints_path
    assert path is not None
    outlet = FileOutlet(path, ledger.ledger_id, 0)
    last = await outlet.last()
    ledger.published = [] if last is None else [last]
    assert await ledger.seal() is Step.IDLE
    await ledger.publish(outlet)


async def lost(ledger: Sealing) -> None:
    """Have more events, sealed and published, which will not come back."""
    await ledger.append(LOST)
    await sealed(ledger)


async def brought_back(database_url: str, directory: Path, before: Before, *, force: bool) -> None:
    """The ledger as it came back: what is lost is named, it waits for an epoch, and goes on."""
    settings = settings_of(database_url, directory)
    path = settings.checkpoints_path
    assert path is not None
    async with opened_ledger(database_url, directory, settings=settings) as ledger:
        found = Sealing(database_url, settings, ledger)
        await _names_what_is_lost(found, path, before)
        with pytest.raises(HistoryRewound):
            await found.append(1)
        opened = await open_epoch(
            database_url,
            reason="drill",
            operator="tester",
            new_id=new_id,
            published=await published_of(database_url, path),
            force=force,
        )
        assert (opened.epoch, opened.first_position) == (2, before.head + 1)
        await found.append(3)
    async with (
        opened_ledger(database_url, directory, settings=settings) as ledger,
        sealing(ledger, settings) as found,
    ):
        await sealed(found)
        assert await found.findings(path) == []
        await _still_proves(found, before)


async def _names_what_is_lost(found: Sealing, path: Path, before: Before) -> None:
    findings = await found.findings(path)
    assert {one.discrepancy for one in findings} == {Discrepancy.TRUNCATED}
    assert {one.position for one in findings} == {before.head + 1}
    async with await connect(found.database_url, None, "test") as connection:
        heads = await read_heads(connection)
    gone = before.head + LOST
    assert lost_of(found.ledger_id, heads, [path]) == [
        Lost(shard=0, epoch=1, first_position=before.head + 1, last_position=gone)
    ]


async def _still_proves(found: Sealing, before: Before) -> None:
    """The proof of before holds for whoever has it, and the new log proves the same event."""
    old = str(Origin(found.ledger_id, 0, 1))
    assert parse_proof(before.proof).verify(before.leaf, old, before.keys).size == before.head
    again = await found.ledger.transparency.inclusion(0, 100, None)
    new = str(Origin(found.ledger_id, 0, 2))
    assert again.verify(before.leaf, new, before.keys).size > before.head
    first = await found.ledger.transparency.consistency(0, before.head, before.head + 1)
    assert first.first.root == parse_proof(before.proof).verify(before.leaf, old, before.keys).root
