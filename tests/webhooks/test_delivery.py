"""What a receiver gets: every event it asked for, signed, in order, until it takes it."""

import asyncio
import json
from typing import Any

import pytest

from lending.runtime import limits
from tests.api.served import problem
from tests.webhooks.hooked import Hooked
from tests.webhooks.receivers import Misbehaviour, Reaction, Received, receiving, verified_by

pytestmark = pytest.mark.anyio


async def test_an_event_arrives_as_it_reads_everywhere_and_signed(hooked: Hooked) -> None:
    async with receiving() as receiver:
        webhook = await hooked.register(receiver.url)
        path = await hooked.api.applied()
        await hooked.note(path)
        await receiver.until_taken(2)
        feed = (await hooked.api.get("/loan/events?after=0:2")).json()["items"]
        assert [one.event for one in receiver.taken] == feed
        for one in receiver.taken:
            assert verified_by(webhook["secret"], one)
            assert not verified_by("whsec_" + "A" * 43 + "=", one)
            assert one.headers["content-type"] == "application/json"
            assert one.message_id == f"evt_0_{one.event['position']}_1"
    found = await hooked.until(webhook, lambda found: found["lag_events"] == 0)
    assert (found["state"], found["waiting"], found["dead"]) == ("active", 0, 0)
    assert found["delivered_at"] is not None


async def test_it_begins_where_it_was_asked_to(hooked: Hooked) -> None:
    path = await hooked.api.applied()
    async with receiving() as all_of_it, receiving() as from_now_on:
        await hooked.register(all_of_it.url, after="0:0")
        await hooked.register(from_now_on.url)
        await hooked.note(path)
        await all_of_it.until_taken(4)
        await from_now_on.until_taken(1)
    assert sorted(one.event["position"] for one in all_of_it.taken) == [1, 2, 3, 4]
    assert [one.event["event_type"] for one in from_now_on.taken] == ["noted"]


async def test_it_may_be_told_in_cloud_events(hooked: Hooked) -> None:
    async with receiving() as receiver:
        webhook = await hooked.register(receiver.url, form="cloud_event")
        path = await hooked.api.applied()
        await receiver.until_taken(1)
        (event,) = (await hooked.api.get(f"{path}/events")).json()["items"]
        (one,) = receiver.taken
    assert verified_by(webhook["secret"], one)
    assert one.headers["content-type"] == "application/cloudevents+json"
    assert (one.event["specversion"], one.event["type"]) == ("1.0", "lending.applied")
    assert one.event["data"] == event


async def test_only_what_was_asked_for_is_sent(hooked: Hooked) -> None:
    path = await hooked.api.applied()
    application_id = path.rpartition("/")[2]
    async with receiving() as typed, receiving() as of_one, receiving() as staged:
        await hooked.register(typed.url, event_types=["decided", "policy_published"], after="0:0")
        await hooked.register(of_one.url, application_id=application_id)
        await hooked.register(staged.url, stages=["offer"], after="0:0")
        other = await hooked.api.applied()
        await hooked.note(other)
        await hooked.api.post(f"{path}/decision")
        await hooked.note(path)
        await typed.until_taken(2)
        await of_one.until_taken(2)
        await staged.until_taken(2)
        await asyncio.sleep(0.5)
    assert {one.event["event_type"] for one in typed.taken} == {"policy_published", "decided"}
    assert len(typed.taken) == 2
    assert {one.event["application_id"] for one in of_one.taken} == {application_id}
    assert [one.event["event_type"] for one in staged.taken] == ["decided", "noted"]


async def test_what_fails_is_sent_again_and_what_follows_of_its_application_waits(
    hooked: Hooked,
) -> None:
    down = True

    def react(received: Received) -> Reaction:
        return 503 if down and received.event["application_id"] == held else 204

    async with receiving(react) as receiver:
        path, other = await hooked.api.applied(), await hooked.api.applied()
        held = path.rpartition("/")[2]
        webhook = await hooked.register(receiver.url)
        for _ in range(3):
            await hooked.note(path)
            await hooked.note(other)
        await receiver.until_taken(3)
        await hooked.until(webhook, lambda found: found["waiting"] == 3)
        await receiver.until(lambda: len(receiver.requests) >= 5)
        first, *behind = await hooked.deliveries(webhook, "waiting")
        assert first["attempts"] >= 1
        assert (first["last_status"], first["last_error"]) == (503, "status")
        assert [one["attempts"] for one in behind] == [0, 0]
        assert {one.event["application_id"] for one in receiver.taken} == {other.rpartition("/")[2]}
        down = False
        await receiver.until_taken(6)
    of_held = [position for _, its, position in receiver.first_taken() if its == held]
    assert of_held == sorted(of_held)
    assert len(of_held) == 3
    await hooked.until(webhook, lambda found: found["waiting"] == 0)
    assert len({one.message_id for one in receiver.taken}) == 6


async def test_what_is_given_up_is_listed_and_can_be_sent_again(hooked: Hooked) -> None:
    down = True

    def react(received: Received) -> Reaction:
        return 500 if down and received.event["data"] == {"text": "bad"} else 200

    async with receiving(react) as receiver:
        path = await hooked.api.applied()
        webhook = await hooked.register(receiver.url)
        await hooked.note(path, "bad")
        await hooked.note(path, "good")
        await hooked.until(webhook, lambda found: found["dead"] == 1)
        await receiver.until_taken(1)
        assert [one.event["data"]["text"] for one in receiver.taken] == ["good"]
        (dead,) = await hooked.deliveries(webhook, "dead")
        assert (dead["state"], dead["attempts"], dead["last_status"]) == ("dead", 4, 500)
        assert dead["next_attempt_at"] is None
        assert await hooked.deliveries(webhook, "waiting") == []
        tries = len(receiver.requests)
        await asyncio.sleep(0.5)
        assert len(receiver.requests) == tries
        down = False
        replayed = await hooked.act(webhook, f"deliveries/{dead['position']}/replay")
        assert replayed["state"] == "waiting"
        await receiver.until_taken(2)
        await hooked.until(webhook, lambda found: found["dead"] == found["waiting"] == 0)
        down = True
        await hooked.note(path, "bad")
        await hooked.until(webhook, lambda found: found["dead"] == 1)
        down = False
        assert await hooked.act(webhook, "deliveries/replay") == {"replayed": 1}
        await receiver.until_taken(3)
        gone = await hooked.api.post(
            f"/webhooks/{webhook['webhook_id']}/deliveries/{dead['position']}/replay"
        )
        problem(gone, 404, "delivery_not_found")
    metrics = (await hooked.api.get("/metrics")).text
    assert 'lending_webhook_attempts_total{outcome="delivered"} 3.0' in metrics
    assert "lending_webhook_given_up_total 2.0" in metrics
    assert f'lending_webhook_lag_events{{webhook="{webhook["webhook_id"]}"}} 0.0' in metrics


@pytest.mark.parametrize(
    ("reaction", "error"),
    [
        (Misbehaviour.HANG, "timeout"),
        (Misbehaviour.CLOSE, "connection"),
        (302, "status"),
        (404, "status"),
    ],
)
async def test_a_receiver_that_misbehaves_has_not_taken_it(
    hooked: Hooked, reaction: Reaction, error: str
) -> None:
    async with receiving() as elsewhere, receiving(lambda _: reaction) as receiver:
        receiver.extra_headers = f"location: {elsewhere.url}\r\n".encode()
        webhook = await hooked.register(receiver.url, event_types=["noted"])
        await hooked.note(await hooked.api.applied())
        await hooked.until(webhook, lambda found: found["waiting"] == 1)
        (waiting,) = await hooked.deliveries(webhook)
        assert waiting["last_error"] == error
        assert elsewhere.requests == []


async def test_a_receiver_that_is_gone_is_told_nothing_more_until_it_is_resumed(
    hooked: Hooked,
) -> None:
    status = 410
    async with receiving(lambda _: status) as receiver:
        webhook = await hooked.register(receiver.url)
        path = await hooked.api.applied()
        found = await hooked.until(webhook, lambda found: found["state"] == "disabled")
        assert found["reason"] == "gone"
        await hooked.note(path)
        await asyncio.sleep(0.5)
        assert len(receiver.requests) == 1
        status = 200
        assert (await hooked.act(webhook, "resume"))["state"] == "active"
        await receiver.until_taken(2)
    assert [one.event["version"] for one in receiver.taken] == [1, 2]


async def test_a_paused_webhook_keeps_its_place(hooked: Hooked) -> None:
    async with receiving() as receiver:
        webhook = await hooked.register(receiver.url)
        path = await hooked.api.applied()
        await receiver.until_taken(1)
        paused = await hooked.act(webhook, "pause")
        assert (paused["state"], paused["reason"]) == ("paused", "requested")
        assert (await hooked.act(webhook, "pause"))["state_since"] == paused["state_since"]
        await asyncio.sleep(0.5)
        await hooked.note(path)
        await asyncio.sleep(0.5)
        assert len(receiver.requests) == 1
        await hooked.act(webhook, "resume")
        await receiver.until_taken(2)
        answer = await hooked.api.client.delete(f"/webhooks/{webhook['webhook_id']}")
        assert answer.status_code == 204
        await hooked.note(path)
        await asyncio.sleep(0.5)
    assert len(receiver.requests) == 2
    assert hooked.api.count("webhooks.secrets") == hooked.api.count("webhooks.deliveries") == 0


async def test_a_slow_receiver_holds_nobody_else_up(hooked: Hooked) -> None:
    async with receiving(lambda _: Misbehaviour.HANG) as slow, receiving() as quick:
        await hooked.register(slow.url)
        await hooked.register(quick.url)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.5)
        for number in range(1, 6):
            began = loop.time()
            await hooked.api.applied()
            await quick.until_taken(number)
            assert loop.time() - began < 0.9
        assert slow.taken == []


async def test_while_a_secret_is_replaced_both_sign(hooked: Hooked) -> None:
    async with receiving() as receiver:
        webhook = await hooked.register(receiver.url)
        path = await hooked.api.applied()
        await receiver.until_taken(1)
        rotated = await hooked.act(webhook, "secret", {"overlap_seconds": 3600})
        assert rotated["secret"] != webhook["secret"]
        assert [one["expires_at"] is None for one in rotated["secrets"]] == [False, True]
        await hooked.note(path)
        await receiver.until_taken(2)
        for secret in (webhook["secret"], rotated["secret"]):
            assert verified_by(secret, receiver.taken[1])
        last = await hooked.act(webhook, "secret", {"overlap_seconds": 0})
        await hooked.note(path)
        await receiver.until_taken(3)
        assert verified_by(last["secret"], receiver.taken[2])
        assert not verified_by(rotated["secret"], receiver.taken[2])
        assert verified_by(webhook["secret"], receiver.taken[2])
        for _ in range(limits.WEBHOOK_SECRETS_MAX + 2):
            last = await hooked.act(webhook, "secret")
        assert len(last["secrets"]) == limits.WEBHOOK_SECRETS_MAX
        await hooked.note(path)
        await receiver.until_taken(4)
        assert not verified_by(webhook["secret"], receiver.taken[3])
        assert verified_by(last["secret"], receiver.taken[3])


async def test_too_much_that_waits_stops_the_cursor_and_loses_nothing(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_WAITING_MAX_DELIVERIES", 3)
    down = True
    async with receiving(lambda _: 500 if down else 200) as receiver:
        path = await hooked.api.applied()
        webhook = await hooked.register(receiver.url)
        for _ in range(8):
            await hooked.note(path)
        found = await hooked.until(webhook, lambda found: found["waiting"] == 3)
        assert found["lag_events"] == 5
        down = False
        await receiver.until_taken(8)
    assert [one.event["version"] for one in receiver.taken] == list(range(2, 10))


async def test_too_much_that_was_given_up_pauses_it(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_DEAD_MAX_DELIVERIES", 2)
    async with receiving(lambda _: 500) as receiver:
        webhook = await hooked.register(receiver.url)
        for _ in range(3):
            await hooked.api.applied()
        found = await hooked.until(webhook, lambda found: found["state"] == "paused")
        assert found["reason"] == "too_many_dead"


async def test_no_secret_and_nothing_personal_is_stored_logged_or_answered_again(
    hooked: Hooked, capfd: pytest.CaptureFixture[str]
) -> None:
    personal = "Nothing anybody may read"
    async with receiving(lambda _: 500) as receiver:
        webhook = await hooked.register(receiver.url)
        path = await hooked.api.applied()
        await hooked.note(path, personal)
        await hooked.until(webhook, lambda found: found["waiting"] >= 1)
        rotated = await hooked.act(webhook, "secret")
        secrets = [webhook.pop("secret"), rotated.pop("secret")]
        answers: list[Any] = [
            await hooked.read(webhook),
            (await hooked.api.get("/webhooks")).json(),
            await hooked.deliveries(webhook),
            (await hooked.api.get("/metrics")).text,
        ]
        stored = [
            str(hooked.api.rows(f"select * from webhooks.{table}"))
            for table in ("endpoints", "secrets", "deliveries")
        ]
    written = capfd.readouterr()
    for text in (json.dumps(answers), *stored, written.out, written.err):
        assert personal not in text
        assert not any(secret.removeprefix("whsec_") in text for secret in secrets)
