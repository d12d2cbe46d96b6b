"""Whatever a superuser changes around the log (checkpoints, keys, tree, answers, rows) is detected and located."""

import json

import pytest

from lending.domain.identifiers import registry_id
from lending.ledger.checkpoints import parse_checkpoint, sign_checkpoint
from lending.ledger.findings import Discrepancy
from lending.ledger.notes import parse_note
from lending.ledger.published import notes_in
from lending.ledger.sealing import MasterKey, key_purpose, signing_key_purpose
from tests.projections.worlds import MASTER_KEY
from tests.tampering.tampered import Tampered, in_the_log, kinds, of, places

pytestmark = pytest.mark.anyio
ROWS = "read_data.loan_applications__v1"
OTHER_ROWS = ("loans", "instalments", "loan_transactions", "journal_entries", "adverse_action")
MASTER = MasterKey(MASTER_KEY, bytes)


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
    columns = {"command_keys.version", "command_keys.chain"}
    assert {(one.position, one.column) for one in found} == {(300, one) for one in columns}


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
