"""Many commands in one request where something is wrong: in order still, and never said wrongly."""

import asyncio
import time
from uuid import UUID

import psycopg
import pytest

from lending.domain.application import commands as c
from lending.ledger.queue import LaneQueue
from lending.service.ledger import new_id
from tests.api.served import Api, problem
from tests.api.test_bulk import APPLY, bulk, codes, statuses
from tests.ledgers import Issuer, opened_ledger, submission

pytestmark = pytest.mark.anyio


async def test_what_follows_a_command_that_failed_for_the_moment_is_not_attempted(api: Api) -> None:
    """A version that is not the kept one has the log read, and that fails."""
    application_id = (await api.applied()).rpartition("/")[2]
    with psycopg.connect(api.database_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update ledger.loan_events set data = '{}', recorded_at = recorded_at + interval '1 s'"
            " where application_id = %s",
            [application_id],
        )
    before = api.count()
    note = {"command": "add_note", "application_id": application_id, "body": {"text": "t"}}
    failed = {**note, "if_match": "9", "correlation_id": "a"}
    items = await bulk(api, failed, {**note, "correlation_id": "b"}, note)
    assert codes(items) == ["internal_fault", "not_attempted", "not_attempted"]
    told = [item["headers"]["Correlation-Id"] for item in items]
    assert (told[0], told[1], len(told[2])) == ("a", "b", 32)
    assert api.count() == before


async def test_what_follows_a_fault_that_stays_is_done(api: Api) -> None:
    application_id = (await api.applied()).rpartition("/")[2]
    note = {"command": "add_note", "application_id": application_id, "body": {"text": "t"}}
    items = await bulk(api, {**note, "if_match": "9"}, note)
    assert codes(items) == ["precondition_failed", None]


async def test_an_atomic_bulk_is_judged_by_the_version_on_record(api: Api) -> None:
    """Which another process may have moved on."""
    application_id = (await api.applied()).rpartition("/")[2]
    async with opened_ledger(api.database_url, api.settings.data_dir) as other:
        await Issuer(other)(c.AddNote(text="t"), UUID(application_id))
    note = {"command": "add_note", "application_id": application_id, "body": {"text": "t"}}
    items = await bulk(api, {**note, "if_match": "2"}, {**note, "if_match": "3"}, atomic=True)
    assert statuses(items) == [200, 200]


async def test_looking_for_others_holds_a_bulk_up_once_and_not_for_each_apply(api: Api) -> None:
    with psycopg.connect(api.database_url) as connection:
        connection.execute("lock table read.loan_applications in access exclusive mode")
        began = time.monotonic()
        items = await bulk(api, *[APPLY] * 40)
        assert time.monotonic() - began < 3
    assert set(statuses(items)) == {201}


async def test_a_refusal_behind_an_apply_that_is_not_placed_leaves_nothing_each_time(
    api: Api,
) -> None:
    apply = {**APPLY, "idempotency_key": "a"}
    pay = {"command": "disburse", "application_of": 0, "idempotency_key": "p"}
    before = api.count("ledger.command_keys")
    first = await bulk(api, apply, pay, atomic=True)
    assert codes(first) == ["not_attempted", "no_accepted_offer"]
    again = await bulk(api, apply, pay, atomic=True)
    assert [item["body"] for item in again] == [item["body"] for item in first]
    assert api.count("ledger.command_keys") == before


async def test_a_bulk_that_waits_for_room_does_not_hold_its_application(api: Api) -> None:
    path = await api.applied()
    lane = api.ledger.lanes[0]
    lane._queue = LaneQueue(max_commands=4)
    note = {
        "command": "add_note", "application_id": path.rpartition("/")[2], "body": {"text": "t"},
    }  # fmt: skip
    with psycopg.connect(api.database_url) as connection:
        connection.execute("select 1 from ledger.lanes for update")
        under_way = asyncio.ensure_future(lane.submit(submission(new_id(0), 0)))
        await asyncio.sleep(0.1)
        assert not lane.queued  # it is in the flush that waits for the lane's row
        waits = asyncio.ensure_future(lane.submit(submission(new_id(0), 0)))
        many = asyncio.ensure_future(bulk(api, note, note))
        await asyncio.sleep(0.3)
        async with asyncio.timeout(3):
            problem(await api.post(f"{path}/notes", {"text": "t"}), 503, "queue_full")
        assert not many.done()
        connection.rollback()
        assert statuses(await many) == [200, 200]
        await asyncio.gather(under_way, waits)


async def test_a_repetition_that_cannot_be_read_is_not_called_unrecorded(api: Api) -> None:
    path = await api.applied()
    note = {
        "command": "add_note", "application_id": path.rpartition("/")[2], "body": {"text": "t"},
        "idempotency_key": "n",
    }  # fmt: skip
    assert statuses(await bulk(api, note)) == [200]
    await api.ledger.pool.close()
    (item,) = await bulk(api, note)
    assert (item["body"]["code"], item["body"]["retryable"]) == ("outcome_unknown", True)
    alone = await api.post(f"{path}/notes", {"text": "t"}, headers={"idempotency-key": "n"})
    problem(alone, 503, "outcome_unknown")
