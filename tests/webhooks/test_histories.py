"""When the log loses its end, or the database goes away, a webhook neither lies nor dies."""

import asyncio

import psycopg
import pytest

from tests.api.served import problem
from tests.service.test_epoch import break_connections, lose_from, reopen
from tests.webhooks.hooked import Hooked
from tests.webhooks.receivers import receiving

pytestmark = pytest.mark.anyio


async def test_a_webhook_that_was_told_of_lost_events_is_paused_until_somebody_resumes_it(
    hooked: Hooked,
) -> None:
    async with receiving() as receiver:
        webhook = await hooked.register(receiver.url)
        path = await hooked.api.applied()
        for _ in range(3):
            await hooked.note(path)
        await receiver.until_taken(4)
        await hooked.until(webhook, lambda found: found["lag_events"] == 0)
        lose_from(hooked.api.database_url, 5)
        await reopen(hooked.api.database_url, force=True)
        found = await hooked.until(webhook, lambda found: found["state"] == "paused")
        assert found["reason"] == "history_rewound"
        assert len(receiver.taken) == 4
        resumed = await hooked.act(webhook, "resume")
        assert (resumed["state"], resumed["position"]) == ("active", "0:4@2")
        await receiver.until_taken(5)
        told = receiver.taken[4].event
        assert (told["event_type"], told["position"], told["epoch"]) == ("epoch_opened", 5, 2)
    ids = [one.message_id for one in receiver.taken]
    assert ids == ["evt_0_3_1", "evt_0_4_1", "evt_0_5_1", "evt_0_6_1", "evt_0_5_2"]


async def test_what_waited_of_lost_events_is_dropped(hooked: Hooked) -> None:
    async with receiving(lambda received: 500 if received.event["epoch"] == 1 else 204) as receiver:
        path = await hooked.api.applied()
        webhook = await hooked.register(receiver.url)
        for _ in range(3):
            await hooked.note(path)
        await hooked.until(webhook, lambda found: found["waiting"] == 3)
        lose_from(hooked.api.database_url, 5)
        await reopen(hooked.api.database_url, force=True)
        await hooked.until(webhook, lambda found: found["state"] == "paused")
        await hooked.act(webhook, "resume")
        await receiver.until_taken(1)
        assert receiver.taken[0].event["event_type"] == "epoch_opened"
        left = await hooked.deliveries(webhook)
    assert [one["position"] for one in left] == ["0:4"]


async def test_a_webhook_that_was_not_told_of_lost_events_goes_on(hooked: Hooked) -> None:
    async with receiving() as receiver:
        path = await hooked.api.applied()
        webhook = await hooked.register(receiver.url)
        await hooked.act(webhook, "pause")
        await asyncio.sleep(0.5)
        await hooked.note(path)
        lose_from(hooked.api.database_url, 4)
        await reopen(hooked.api.database_url, force=True)
        await hooked.act(webhook, "resume")
        await receiver.until_taken(1)
        found = await hooked.until(webhook, lambda found: found["lag_events"] == 0)
    assert (found["state"], found["position"]) == ("active", "0:4@2")


async def test_connections_that_break_cost_a_moment(hooked: Hooked) -> None:
    async with receiving() as receiver:
        await hooked.register(receiver.url)
        path = await hooked.api.applied()
        await receiver.until_taken(1)
        for number in range(2, 5):
            await break_connections(hooked.api.database_url)
            await asyncio.sleep(0.5)
            await hooked.note(path)
            await receiver.until(lambda wanted=number: len(receiver.first_taken()) >= wanted)  # type: ignore[misc]
        assert hooked.api.ledger.failures == {}


async def test_readiness_says_when_nothing_is_sent_any_more(hooked: Hooked) -> None:
    with psycopg.connect(hooked.api.database_url) as connection:
        connection.execute("alter table webhooks.endpoints rename to lost")
    await asyncio.sleep(0.5)
    body = problem(await hooked.api.get("/readyz"), 503, "not_ready")
    assert body["checks"]["task webhooks"].startswith("UndefinedTable")
