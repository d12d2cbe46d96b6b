"""What a superuser changes of a ledger a third of whose applicants were erased is found as in any other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lending.ledger.findings import Discrepancy
from lending.ledger.sealing import MasterKey, key_purpose
from tests.databases import Databases
from tests.erased.making import History
from tests.projections.worlds import MASTER_KEY
from tests.tampering import test_the_log as the_log
from tests.tampering.tampered import Tampered, in_the_log, kinds, of, places
from tests.tampering.test_around_the_log import (
    test_a_forged_tree_is_told_from_a_forged_log_by_the_checkpoints,
    test_an_edited_answer_is_named,
    test_an_edited_or_removed_row_is_named_by_its_column,
    test_an_edited_policy_is_named_by_its_place_and_its_digest,
    test_nothing_of_a_report_repeats_what_data_hold,
    test_postings_that_do_not_balance_are_named,
)
from tests.tampering.test_the_log import (
    test_a_changed_column_is_named,
    test_a_history_rewritten_whole_contradicts_what_was_published,
    test_a_removed_event_is_missing_although_the_others_closed_up,
    test_a_removed_event_is_missing_where_it_stood,
    test_a_removed_last_event_is_a_truncation,
    test_an_event_that_moved_to_another_stream_is_named_with_where_it_belongs,
    test_an_event_that_was_put_in_is_named_and_the_others_are_not,
    test_an_untouched_ledger_is_not_accused,
    test_changed_data_is_located,
)

__all__ = (
    "test_a_changed_column_is_named",
    "test_a_forged_tree_is_told_from_a_forged_log_by_the_checkpoints",
    "test_a_history_rewritten_whole_contradicts_what_was_published",
    "test_a_removed_event_is_missing_although_the_others_closed_up",
    "test_a_removed_event_is_missing_where_it_stood",
    "test_a_removed_last_event_is_a_truncation",
    "test_an_edited_answer_is_named",
    "test_an_edited_or_removed_row_is_named_by_its_column",
    "test_an_edited_policy_is_named_by_its_place_and_its_digest",
    "test_an_event_that_moved_to_another_stream_is_named_with_where_it_belongs",
    "test_an_event_that_was_put_in_is_named_and_the_others_are_not",
    "test_an_untouched_ledger_is_not_accused",
    "test_changed_data_is_located",
    "test_nothing_of_a_report_repeats_what_data_hold",
    "test_postings_that_do_not_balance_are_named",
)
pytestmark = pytest.mark.anyio
ROWS = "read_data.loan_applications__v1"
KEY = "subject_keys.wrapped_key"


@pytest.fixture
def ledger(history: History, postgres_server: Databases, tmp_path: Path) -> Iterator[Tampered]:
    """A copy of it, with what was published."""
    checkpoints = tmp_path / "checkpoints"
    checkpoints.write_text(history.published.read_text())
    with postgres_server.temporary("tampered", history.name) as url:
        yield Tampered(url, checkpoints)


@pytest.mark.parametrize(("first", "second"), [(400, 401), (90, 510), (256, 257)])
async def test_events_that_changed_places_are_named_with_where_they_stood(
    ledger: Tampered, first: int, second: int
) -> None:
    """Not the first one: here it is the policy that the decisions cite by its place."""
    again = the_log.test_events_that_changed_places_are_named_with_where_they_stood
    await again(ledger, first, second)


async def test_hash_and_data_of_an_event_changed_together_are_found_by_the_tree(
    ledger: Tampered, history: History
) -> None:
    """Of who was erased, whose events nobody can read whole any more."""
    (application_id,) = history.of(history.gone[:1]).values()
    ((position,),) = ledger.rows(
        "select position from ledger.loan_events where event_type = 'scored' and application_id = %s",
        [application_id],
    )
    ledger.change(
        "update ledger.loan_events set data = jsonb_set(data, '{score}', '\"849\"')"
        f" where shard = 0 and position = {position}"
    )
    ledger.rehash(position, position)
    found = await ledger.findings()
    assert places(of(found, Discrepancy.CONTENT_DIFFERS)) == {(position, application_id, "data")}
    assert in_the_log(found) == {Discrepancy.CONTENT_DIFFERS}


async def test_an_erasure_that_is_taken_out_is_missing_and_its_key_gone_without_record(
    ledger: Tampered, history: History
) -> None:
    (application_id,) = history.of(history.gone[:1]).values()
    ((position,),) = ledger.rows(
        "select position from ledger.loan_events where event_type = 'subject_erased'"
        " and application_id = %s",
        [application_id],
    )
    ledger.change(f"delete from ledger.loan_events where shard = 0 and position = {position}")
    found = await ledger.findings()
    assert places(of(found, Discrepancy.MISSING)) == {(position, application_id, "position")}
    assert places(of(found, Discrepancy.KEY_DIFFERS)) == {(None, application_id, KEY)}


async def test_a_value_that_is_put_back_into_a_row_is_named(
    ledger: Tampered, history: History
) -> None:
    (application_id,) = history.of(history.gone[:1]).values()
    ledger.change(f"update {ROWS} set purpose = 'a boat' where id = '{application_id}'")
    found = await ledger.findings()
    assert kinds(found) == {Discrepancy.PROJECTION_DIFFERS}
    assert {(one.application_id, one.column) for one in found} == {
        (application_id, "loan_applications.purpose")
    }


async def test_a_key_that_is_made_anew_for_who_was_erased_is_named(
    ledger: Tampered, history: History
) -> None:
    ((subject, application_id),) = history.of(history.gone[:1]).items()
    master = MasterKey(MASTER_KEY, bytes)
    forged = master.wrap(bytes(32), key_purpose(application_id, subject)).hex()
    ledger.change(
        f"update vault.subject_keys set wrapped_key = decode('{forged}', 'hex'), destroyed_at = null"
        f" where application_id = '{application_id}' and subject = '{subject}'"
    )
    found = await ledger.findings()
    assert (application_id, KEY) in {
        (one.application_id, one.column) for one in of(found, Discrepancy.KEY_DIFFERS)
    }


async def test_what_is_sealed_stays_what_was_hashed_though_nobody_can_open_it(
    ledger: Tampered, history: History
) -> None:
    (application_id,) = history.of(history.gone[:1]).values()
    ledger.change(
        "update ledger.loan_events set data = jsonb_set(data, '{purpose,sealed}', '\"AAAA\"')"
        f" where application_id = '{application_id}' and version = 1"
    )
    found = await ledger.findings()
    assert Discrepancy.CONTENT_DIFFERS in in_the_log(found)
    assert {one.application_id for one in of(found, Discrepancy.CONTENT_DIFFERS)} == {
        application_id
    }
