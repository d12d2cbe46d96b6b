"""What was published is held against the log itself, whatever became of the tree's own tables."""

import pytest

from lending.ledger.findings import Discrepancy
from tests.tampering.tampered import Tampered, kinds, of

pytestmark = pytest.mark.anyio
TABLES = ("trees", "tiles", "checkpoints", "publications")
POSITION = 60


def changed(ledger: Tampered) -> None:
    """Change an event and its hash together, so that they agree."""
    ledger.change(
        "update ledger.loan_events set actor = 'somebody-else'"
        f" where shard = 0 and position = {POSITION}"
    )
    ledger.rehash(POSITION, POSITION)


def without(*tables: str) -> list[str]:
    """What empties these tables of the tree."""
    return [f"delete from transparency.{table} where shard = 0" for table in tables]


async def test_a_history_rewritten_without_its_tree_contradicts_what_was_published(
    ledger: Tampered,
) -> None:
    changed(ledger)
    ledger.change(*without(*TABLES))
    found = await ledger.findings()
    (rewritten,) = of(found, Discrepancy.HISTORY_REWRITTEN)
    assert rewritten.position is not None
    assert rewritten.position <= POSITION
    assert "lies in positions" in rewritten.what
    assert of(found, Discrepancy.TREE_DIFFERS)


async def test_a_tree_begun_anew_hides_nothing_either(ledger: Tampered) -> None:
    changed(ledger)
    ledger.change(
        *without("tiles", "checkpoints", "publications"),
        "update transparency.trees set size = 0, subtrees = '', edge = '', checkpoint = 0"
        " where shard = 0",
    )
    assert Discrepancy.HISTORY_REWRITTEN in kinds(await ledger.findings())


@pytest.mark.parametrize("kept", TABLES)
async def test_whichever_table_of_the_tree_is_left_the_change_is_told(
    ledger: Tampered, kept: str
) -> None:
    changed(ledger)
    ledger.change(*without(*(table for table in TABLES if table != kept)))
    found = kinds(await ledger.findings())
    # the tiles that are left say which event it was
    told = Discrepancy.CONTENT_DIFFERS if kept == "tiles" else Discrepancy.HISTORY_REWRITTEN
    assert {told, Discrepancy.TREE_DIFFERS} <= found


async def test_what_was_published_beyond_the_end_is_a_truncation_without_a_tree_too(
    ledger: Tampered,
) -> None:
    changed(ledger)
    head = ledger.head()
    ledger.change(
        f"delete from ledger.loan_events where shard = 0 and position = {head}", *without(*TABLES)
    )
    found = await ledger.findings()
    assert {one.position for one in of(found, Discrepancy.TRUNCATED)} == {head}
    assert of(found, Discrepancy.HISTORY_REWRITTEN)


async def test_a_log_that_only_lost_its_tree_is_said_to_be_held_against_what_there_is(
    ledger: Tampered,
) -> None:
    ledger.change(*without(*TABLES))
    published = await ledger.verified()
    assert kinds(published.findings.kept) == {Discrepancy.TREE_DIFFERS}
    assert published.held.published > 0
    inside = await ledger.verified(published=False)
    (lost,) = of(inside.findings.kept, Discrepancy.TREE_DIFFERS)
    assert "no checkpoint" in lost.what
    assert inside.held.published == 0
    assert inside.held.stored == published.held.stored == 2  # those of the other shard


async def test_checkpoints_of_another_ledger_are_not_counted(ledger: Tampered) -> None:
    ledger.change("update ledger.identity set ledger_id = gen_random_uuid()")
    assert (await ledger.verified()).held.published == 0


def test_no_meaning_says_that_checkpoints_bore_out_what_was_not_held_against_them() -> None:
    assert not any("bear out" in kind.meaning for kind in Discrepancy)
