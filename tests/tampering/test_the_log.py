"""Whatever a superuser changes of the log itself is detected, called what it is, and located."""

import pytest

from lending.domain.identifiers import registry_id
from lending.ledger.checkpoints import parse_checkpoint
from lending.ledger.findings import Discrepancy
from lending.ledger.merkle import Edge
from lending.ledger.notes import parse_note
from lending.ledger.published import notes_in
from lending.ledger.sealing import MasterKey
from tests.projections.worlds import MASTER_KEY
from tests.tampering.tampered import Tampered, in_the_log, kinds, of, places

pytestmark = pytest.mark.anyio
ROWS = "read_data.loan_applications__v1"
OTHER_ROWS = ("loans", "instalments", "loan_transactions", "journal_entries", "adverse_action")
MASTER = MasterKey(MASTER_KEY, bytes)


async def test_an_untouched_ledger_is_not_accused(ledger: Tampered) -> None:
    assert await ledger.findings() == []


# content


async def test_changed_data_is_located(ledger: Tampered) -> None:
    position, application_id, _ = ledger.event("scored")
    ledger.change(
        "update ledger.loan_events set data = jsonb_set(data, '{score}', '\"849\"')"
        f" where shard = 0 and position = {position}"
    )
    found = await ledger.findings()
    assert places(of(found, Discrepancy.CONTENT_DIFFERS)) == {(position, application_id, "data")}
    assert in_the_log(found) == {Discrepancy.CONTENT_DIFFERS}
    assert "loan_applications.score" in {one.column for one in found}


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("actor = 'somebody else'", "actor"),
        ("recorded_at = recorded_at + interval '3 s'", "recorded_at"),
        ("epoch = 2", "epoch"),
        ("effective_on = effective_on + 1", "effective_on"),
        ("leaf_hash = sha256('forged')", "leaf_hash"),
    ],
)
async def test_a_changed_column_is_named(ledger: Tampered, change: str, column: str) -> None:
    position, application_id, _ = ledger.event("offered", 2)
    ledger.change(
        f"update ledger.loan_events set {change} where shard = 0 and position = {position}"
    )
    found = await ledger.findings()
    assert places(of(found, Discrepancy.CONTENT_DIFFERS)) == {(position, application_id, column)}
    assert in_the_log(found) == {Discrepancy.CONTENT_DIFFERS}


async def test_hash_and_data_changed_together_are_found_by_the_tree(ledger: Tampered) -> None:
    position, application_id, _ = ledger.event("offered", 2)
    ledger.change(
        "update ledger.loan_events set data = jsonb_set(data, '{rate_percent}', '\"1.00\"')"
        f" where shard = 0 and position = {position}"
    )
    ledger.rehash(position, position)
    found = await ledger.findings()
    (one,) = of(found, Discrepancy.CONTENT_DIFFERS)
    assert (one.position, one.application_id, one.column) == (position, application_id, "data")
    assert "rate_percent" in one.what
    assert "the leaf hash with it" in one.what
    assert in_the_log(found) == {Discrepancy.CONTENT_DIFFERS}


# missing, inserted, reordered


async def test_a_removed_event_is_missing_where_it_stood(ledger: Tampered) -> None:
    position, application_id, _ = ledger.event("noted", 60)
    ledger.change(f"delete from ledger.loan_events where shard = 0 and position = {position}")
    found = await ledger.findings()
    assert places(of(found, Discrepancy.MISSING)) == {(position, application_id, "position")}
    assert in_the_log(found) == {Discrepancy.MISSING}


async def test_a_removed_event_is_missing_although_the_others_closed_up(ledger: Tampered) -> None:
    """Positions, versions and hashes behind it are all made good: one event is missing, no more."""
    position, application_id, version = ledger.event("noted", 60)
    ledger.change(f"delete from ledger.loan_events where shard = 0 and position = {position}")
    ledger.shift(position + 1, -1)
    ledger.shift_versions(application_id, version + 1, -1)
    ledger.rehash(position)
    found = await ledger.findings()
    assert [one.position for one in of(found, Discrepancy.MISSING)] == [position]
    assert in_the_log(found) == {Discrepancy.MISSING}


@pytest.mark.parametrize("rehashed", [True, False])
async def test_an_event_that_was_put_in_is_named_and_the_others_are_not(
    ledger: Tampered, rehashed: bool
) -> None:
    position, application_id, version = ledger.event("noted", 60)
    ledger.shift(position, 1)
    ledger.shift_versions(application_id, version, 1)
    ledger.change(_copied(position + 1, position, version))
    if rehashed:
        ledger.rehash(position)
    found = await ledger.findings()
    assert places(of(found, Discrepancy.INSERTED)) == {(position, application_id, "position")}
    assert in_the_log(found) == {Discrepancy.INSERTED}


def _copied(source: int, position: int, version: int) -> str:
    columns = (
        "shard, application_id, event_type, schema_version, data, actor, actor_kind, on_behalf_of,"
        " agent_build, correlation_id, causation_id, traceparent, epoch, recorded_at,"
        " effective_at, effective_on, leaf_hash, authority"
    )
    return (
        f"insert into ledger.loan_events (position, version, command_id, {columns})"
        f" select {position}, {version}, gen_random_uuid(), {columns} from ledger.loan_events"
        f" where shard = 0 and position = {source}"
    )


@pytest.mark.parametrize(("first", "second"), [(400, 401), (90, 510), (256, 257), (1, 300)])
async def test_events_that_changed_places_are_named_with_where_they_stood(
    ledger: Tampered, first: int, second: int
) -> None:
    ledger.change(
        f"update ledger.loan_events set position = position + 1000000 where shard = 0"
        f" and position in ({first}, {second})",
        f"update ledger.loan_events set position = 1000000 + {first + second} - position"
        " where shard = 0 and position > 1000000",
    )
    ledger.rehash(first, first)
    ledger.rehash(second, second)
    found = await ledger.findings()
    moved = {(one.position, one.what) for one in of(found, Discrepancy.REORDERED)}
    text = "the event that was recorded at position {} stands here"
    assert moved >= {(first, text.format(second)), (second, text.format(first))}
    assert in_the_log(found) == {Discrepancy.REORDERED}


async def test_an_event_that_moved_to_another_stream_is_named_with_where_it_belongs(
    ledger: Tampered,
) -> None:
    position, application_id, version = ledger.event("noted", 60)
    ((victim, behind),) = ledger.rows(
        "select application_id, max(version) from ledger.loan_events where shard = 0 and"
        " event_type <> 'policy_published' and application_id <> %s and application_id <> %s"
        " group by 1 order by 1 desc limit 1",
        [application_id, registry_id(0)],
    )
    ledger.change(
        f"update ledger.loan_events set application_id = '{victim}', version = {behind + 1}"
        f" where shard = 0 and position = {position}"
    )
    ledger.shift_versions(application_id, version + 1, -1)
    ledger.rehash(position)
    found = await ledger.findings()
    moved = [one for one in of(found, Discrepancy.REORDERED) if "application_id" in one.column]
    assert [(one.position, one.application_id) for one in moved] == [(position, victim)]
    assert f"{application_id}, as its version {version}" in moved[0].what


# the end of the log


async def test_a_removed_last_event_is_a_truncation(ledger: Tampered) -> None:
    head = ledger.head()
    ((application_id,),) = ledger.rows(
        "select application_id from ledger.loan_events where shard = 0 and position = %s", [head]
    )
    ledger.change(f"delete from ledger.loan_events where shard = 0 and position = {head}")
    found = await ledger.findings()
    assert {one.position for one in of(found, Discrepancy.TRUNCATED)} == {head}
    assert application_id in {one.application_id for one in found}
    assert in_the_log(found) == {Discrepancy.TRUNCATED}


@pytest.mark.parametrize("shard", [0, 1])
async def test_a_shard_restored_from_an_old_backup_is_told_by_what_was_published(
    ledger: Tampered, shard: int
) -> None:
    """Log, answers, rows, tree and checkpoints are all as they were: nothing inside contradicts."""
    ((size, subtrees, edge, number),) = _as_it_was(ledger, shard)
    ledger.change(
        *(
            f"delete from {table} where shard = {shard} and {column} > {size}"
            for table, column in (
                ("ledger.loan_events", "position"),
                ("ledger.command_keys", "last_position"),
                ("transparency.checkpoints", "size"),
            )
        ),
        f"delete from transparency.tiles where shard = {shard}"
        f" and (tile_index + 1) * power(256, level + 1) > {size}",
        f"update transparency.trees set size = {size}, subtrees = decode('{subtrees}', 'hex'),"
        f" edge = decode('{edge}', 'hex'), checkpoint = {number} where shard = {shard}",
        "update read_data.checkpoints set position = 0",
        f"delete from {ROWS}",
        *(f"delete from read_data.{name}__v1" for name in OTHER_ROWS),
    )
    inside = await ledger.findings(published=False)
    assert kinds(inside) <= set()
    found = await ledger.findings()
    assert kinds(found) == {Discrepancy.TRUNCATED}
    assert {(one.shard, one.position) for one in found} == {(shard, size + 1)}


def _as_it_was(ledger: Tampered, shard: int) -> list[tuple[int, str, str, int]]:
    """The tree of the shard at its first checkpoint."""
    ((number, size),) = ledger.rows(
        "select number, size from transparency.checkpoints where shard = %s order by number limit 1",
        [shard],
    )
    leaves = [
        bytes(leaf)
        for (leaf,) in ledger.rows(
            "select leaf_hash from ledger.loan_events where shard = %s and position <= %s"
            " order by position",
            [shard, size],
        )
    ]
    edge = b"".join(leaves[size // 256 * 256 :]).hex()
    return [(size, b"".join(Edge().grown(leaves).subtrees).hex(), edge, number)]


# another history


async def test_a_history_rewritten_whole_contradicts_what_was_published(ledger: Tampered) -> None:
    """Event, hash, tree and checkpoints agree, and are signed with the ledger's own key."""
    position, _, _ = ledger.event("offered", 2)
    ledger.change(
        "update ledger.loan_events set data = jsonb_set(data, '{rate_percent}', '\"1.00\"')"
        f" where shard = 0 and position = {position}"
    )
    ledger.rehash(position, position)
    await ledger.forge()
    inside = await ledger.findings(published=False)
    assert in_the_log(inside) == set()
    found = await ledger.findings()
    (one,) = of(found, Discrepancy.HISTORY_REWRITTEN)
    sizes = [size for (size,) in _published_sizes(ledger)]
    first = max([size + 1 for size in sizes if size < position], default=1)
    assert one.position == first
    assert f"in positions {first} to {min(s for s in sizes if s >= position)}" in one.what
    assert in_the_log(found) == {Discrepancy.HISTORY_REWRITTEN}


def _published_sizes(ledger: Tampered) -> list[tuple[int]]:
    notes, _ = notes_in(ledger.checkpoints.read_text())
    found = [parse_checkpoint(parse_note(note).text) for note in notes]
    return [(one.size,) for one in found if one.origin.split("/")[2] == "0"]


async def test_a_log_rewritten_with_its_tree_contradicts_the_stored_checkpoints(
    ledger: Tampered,
) -> None:
    position, _, _ = ledger.event("offered", 2)
    ledger.change(
        f"update ledger.loan_events set on_behalf_of = 'x' where shard = 0 and position = {position}",
        "create table public.kept as select * from transparency.checkpoints",
    )
    ledger.rehash(position, position)
    await ledger.forge()
    ledger.change(
        "delete from transparency.checkpoints where shard = 0",
        "insert into transparency.checkpoints select * from public.kept where shard = 0",
        "update transparency.trees set checkpoint ="
        " (select max(number) from public.kept where shard = 0) where shard = 0",
    )
    assert Discrepancy.HISTORY_REWRITTEN in kinds(await ledger.findings(published=False))
