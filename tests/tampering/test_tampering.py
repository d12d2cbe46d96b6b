"""Whatever a superuser changes is detected, called what it is, and located."""

import json
from collections.abc import Sequence
from uuid import UUID

import pytest

from lending.domain.identifiers import registry_id
from lending.ledger.checkpoints import parse_checkpoint, sign_checkpoint
from lending.ledger.findings import Discrepancy, Finding
from lending.ledger.merkle import Edge
from lending.ledger.notes import parse_note
from lending.ledger.published import notes_in
from lending.ledger.sealing import MasterKey, key_purpose, signing_key_purpose
from tests.projections.worlds import MASTER_KEY
from tests.tampering.tampered import Tampered, of

pytestmark = pytest.mark.anyio
ROWS = "read_data.loan_applications__v1"
OTHER_ROWS = ("loans", "instalments", "loan_transactions", "journal_entries")
MASTER = MasterKey(MASTER_KEY, bytes)


def places(found: Sequence[Finding]) -> set[tuple[int | None, UUID | None, str]]:
    return {(one.position, one.application_id, one.column) for one in found}


def kinds(found: Sequence[Finding]) -> set[Discrepancy]:
    return {one.discrepancy for one in found}


def in_the_log(found: Sequence[Finding]) -> set[Discrepancy]:
    """The kinds that are about the log; what follows from it in answers and rows is left out."""
    followers = {
        Discrepancy.ANSWER_DIFFERS,
        Discrepancy.PROJECTION_DIFFERS,
        Discrepancy.HISTORY_BROKEN,
    }
    return kinds(found) - followers


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


# checkpoints, keys and the tree


async def test_a_stored_checkpoint_whose_signature_is_wrong_is_named(ledger: Tampered) -> None:
    ((size,),) = ledger.rows(
        "select size from transparency.checkpoints where shard = 0 order by number limit 1"
    )
    ledger.change(
        "update transparency.checkpoints set note = replace(note, '\u2014 lending', '\u2014 forged')"
        " where shard = 0 and number = 1"
    )
    found = await ledger.findings()
    assert {one.position for one in found} == {size}
    assert kinds(found) == {Discrepancy.SIGNATURE_WRONG}


async def test_a_published_checkpoint_signed_by_a_foreign_key_is_named(ledger: Tampered) -> None:
    notes, _ = notes_in(ledger.checkpoints.read_text())
    checkpoint = parse_checkpoint(parse_note(notes[1]).text)
    notes[1] = sign_checkpoint(checkpoint, [b"7" * 32])
    ledger.checkpoints.write_text("".join(notes))
    found = await ledger.findings()
    assert [(one.discrepancy, one.position) for one in found] == [
        (Discrepancy.SIGNATURE_WRONG, checkpoint.size)
    ]


async def test_swapped_key_records_are_named_by_application(ledger: Tampered) -> None:
    (one, other) = ledger.rows(
        "select application_id, subject from vault.subject_keys where shard = 0 order by 1 limit 2"
    )
    ledger.change(
        "update vault.subject_keys k set wrapped_key = other.wrapped_key from vault.subject_keys other"
        f" where k.application_id in ('{one[0]}', '{other[0]}')"
        f" and other.application_id in ('{one[0]}', '{other[0]}')"
        " and k.application_id <> other.application_id"
    )
    found = await ledger.findings()
    assert places(of(found, Discrepancy.KEY_DIFFERS)) == {
        (None, one[0], "subject_keys.wrapped_key"),
        (None, other[0], "subject_keys.wrapped_key"),
    }
    assert in_the_log(found) == {Discrepancy.KEY_DIFFERS}


async def test_a_key_of_somebody_who_has_the_master_key_opens_nothing(ledger: Tampered) -> None:
    _, application_id, _ = ledger.event("offered", 2)
    ((subject,),) = ledger.rows(
        "select subject from vault.subject_keys where application_id = %s", [application_id]
    )
    forged = MASTER.wrap(bytes(32), key_purpose(application_id, subject)).hex()
    ledger.change(
        f"update vault.subject_keys set wrapped_key = decode('{forged}', 'hex')"
        f" where application_id = '{application_id}'"
    )
    found = await ledger.findings()
    assert {one.application_id for one in of(found, Discrepancy.HISTORY_BROKEN)} == {application_id}


async def test_a_swapped_signing_key_is_named(ledger: Tampered) -> None:
    ((key_id,),) = ledger.rows("select key_id from vault.signing_keys where shard = 0")
    forged = MASTER.wrap(bytes(32), signing_key_purpose(0, key_id)).hex()
    ledger.change(
        f"update vault.signing_keys set wrapped = decode('{forged}', 'hex') where shard = 0"
    )
    found = await ledger.findings()
    assert [(one.discrepancy, one.shard) for one in found] == [(Discrepancy.KEY_DIFFERS, 0)]
    assert key_id in found[0].what


@pytest.mark.parametrize(
    "change",
    [
        "update transparency.tiles set hashes = sha256('x') || substr(hashes, 33)"
        " where shard = 0 and level = 0 and tile_index = 1",
        "update transparency.tiles set head = sha256('x') where shard = 0 and tile_index = 1",
        "delete from transparency.tiles where shard = 0 and tile_index = 1",
        "update transparency.trees set subtrees = sha256('x') || substr(subtrees, 33) where shard = 0",
        "update transparency.trees set edge = sha256('x') || substr(edge, 33) where shard = 0",
    ],
    ids=["tile", "head", "no tile", "subtrees", "edge"],
)
async def test_a_forged_tree_is_told_from_a_forged_log_by_the_checkpoints(
    ledger: Tampered, change: str
) -> None:
    ledger.change(change)
    assert kinds(await ledger.findings()) == {Discrepancy.TREE_DIFFERS}


# what the log is about


async def test_an_edited_policy_is_named_by_its_place_and_its_digest(ledger: Tampered) -> None:
    position, _, _ = ledger.event("policy_published")
    ledger.change(
        "update ledger.loan_events set data = jsonb_set(data, '{definition}',"
        " to_jsonb(replace(data ->> 'definition', '35', '95')))"
        f" where shard = 0 and position = {position}"
    )
    found = await ledger.findings()
    here = position, registry_id(0)
    assert places(of(found, Discrepancy.DIGEST_DIFFERS)) == {(*here, "data.digest")}
    assert places(of(found, Discrepancy.CONTENT_DIFFERS)) == {(*here, "data")}


async def test_an_edited_product_shows_where_it_is_cited_although_its_digest_was_made_good(
    ledger: Tampered,
) -> None:
    position, _, _ = ledger.event("product_published")
    offered, application_id, _ = ledger.event("offered")
    ledger.change(
        "update ledger.loan_events set data = jsonb_set(data, '{digest}', to_jsonb(repeat('a', 64)))"
        f" where shard = 0 and position = {position}"
    )
    found = of(await ledger.findings(), Discrepancy.DIGEST_DIFFERS)
    assert (position, registry_id(0), "data.digest") in places(found)
    assert (offered, application_id, "data.product") in places(found)


async def test_postings_that_do_not_balance_are_named(ledger: Tampered) -> None:
    position, application_id, _ = ledger.event("repaid")
    ledger.change(
        "update ledger.loan_events set data = jsonb_set(data, '{booking,postings,0,amount}', '\"1.00\"')"
        f" where shard = 0 and position = {position}"
    )
    found = await ledger.findings()
    assert places(of(found, Discrepancy.JOURNAL_UNBALANCED)) == {
        (position, application_id, "data.booking.postings")
    }


async def test_an_event_that_cannot_have_happened_is_named(ledger: Tampered) -> None:
    position, application_id, _ = ledger.event("offer_accepted")
    ledger.change(
        'update ledger.loan_events set data = \'{"offer_id": "77"}\''
        f" where shard = 0 and position = {position}"
    )
    found = of(await ledger.findings(), Discrepancy.HISTORY_BROKEN)
    assert (position, application_id, "data") in places(found)


@pytest.mark.parametrize("data", ["{}", '{"public_key": 7, "key_id": [], "subject": 3}'])
async def test_a_registry_of_nonsense_is_named_and_stops_nothing(
    ledger: Tampered, data: str
) -> None:
    ledger.change(
        f"update ledger.loan_events set data = '{data}' where application_id = '{registry_id(0)}'"
    )
    found = await ledger.findings()
    positions = {one.position for one in of(found, Discrepancy.CONTENT_DIFFERS)}
    assert positions == {1, 2, 3, 4}
    assert of(found, Discrepancy.SIGNATURE_WRONG)  # no key is known that the checkpoints bear


# answers, epochs, read models


async def test_an_edited_answer_is_named(ledger: Tampered) -> None:
    ledger.change(
        "update ledger.command_keys set version = version + 1 where shard = 0 and first_position = 300"
    )
    found = await ledger.findings()
    assert kinds(found) == {Discrepancy.ANSWER_DIFFERS}
    assert {(one.position, one.column) for one in found} == {(300, "command_keys.version")}


async def test_a_lane_that_claims_another_epoch_is_named(ledger: Tampered) -> None:
    ledger.change("update ledger.lanes set epoch = 2, first_position = 300 where shard = 0")
    found = await ledger.findings()
    assert kinds(found) == {Discrepancy.EPOCH_DIFFERS}


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (f"update {ROWS} set amount = amount + 1 where id = '%s'", "loan_applications.amount"),
        (f"delete from {ROWS} where id = '%s'", "loan_applications"),
    ],
)
async def test_an_edited_or_removed_row_is_named_by_its_column(
    ledger: Tampered, change: str, column: str
) -> None:
    _, application_id, _ = ledger.event("offered", 2)
    ledger.change(change % application_id)
    found = await ledger.findings()
    assert kinds(found) == {Discrepancy.PROJECTION_DIFFERS}
    assert {(one.application_id, one.column) for one in found} == {(application_id, column)}


# at the edges


async def test_nothing_of_a_report_repeats_what_data_hold(ledger: Tampered) -> None:
    position, _, _ = ledger.event("noted", 60)
    ledger.change(
        'update ledger.loan_events set data = \'{"text": "Jane Roe called"}\''
        f" where shard = 0 and position = {position}"
    )
    assert "Jane" not in json.dumps([one.what for one in await ledger.findings()])


async def test_many_changes_are_all_located_though_not_all_explained(ledger: Tampered) -> None:
    ledger.change("update ledger.loan_events set actor = 'x' where shard = 0 and position > 100")
    found = of(await ledger.findings(), Discrepancy.CONTENT_DIFFERS)
    assert [one.position for one in found] == list(range(101, ledger.head() + 1))
    assert {one.column for one in found} == {"actor", "leaf_hash"}


async def test_a_long_stretch_taken_out_is_one_finding(ledger: Tampered) -> None:
    ledger.change("delete from ledger.loan_events where shard = 0 and position between 60 and 460")
    (one,) = of(await ledger.findings(), Discrepancy.MISSING)
    assert one.position == 60
    assert "positions 60 to 460" in one.what
