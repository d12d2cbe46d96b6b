"""Nothing is sent while nobody who may read events answers for it, and nothing is lost by that."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from lending.runtime import limits
from lending.runtime.settings import Authentication, Settings
from lending.service.subscription import EVERYTHING
from lending.service.webhooks.model import Form, Registration, Withheld
from tests.api.acting import Actor, actor
from tests.api.served import served_api
from tests.identities import issued, somebody
from tests.ledgers import opened_ledger
from tests.webhooks.hooked import Hooked
from tests.webhooks.receivers import receiving
from tests.webhooks.test_nothing_is_lost import sending

pytestmark = pytest.mark.anyio
DRILL = {"subject": "principal", "name": "sender", "reason": "a drill"}


async def sender(hooked: Hooked, name: str = "sender") -> Actor:
    """Who may register webhooks."""
    return await actor(hooked.api, somebody(name, "admin", "auditor"))


async def suspend(hooked: Hooked) -> None:
    answer = await hooked.api.post("/suspensions", DRILL)
    assert answer.json()["suspended"] is True, answer.text


async def reinstate(hooked: Hooked) -> None:
    answer = await hooked.api.post("/suspensions/reinstatements", DRILL)
    assert answer.json()["suspended"] is False, answer.text


async def test_within_a_second_of_its_suspension_no_process_sends_for_a_principal(
    database_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url=database_url, webhooks_private_addresses=True
    )
    async with (
        served_api(database_url, tmp_path, settings=settings) as api,
        sending(database_url, tmp_path),
        receiving() as receiver,
    ):
        hooked = Hooked(api)
        found = await (await sender(hooked)).post("/webhooks", {"url": receiver.url})
        webhook = found.json()
        path = await api.applied()
        await receiver.until_taken(1)
        await suspend(hooked)
        await asyncio.sleep(1)
        told = len(receiver.requests)
        for _ in range(3):
            await hooked.note(path)
        await asyncio.sleep(1)
        assert len(receiver.requests) == told
        held = await hooked.read(webhook)
        assert (held["state"], held["withheld"]) == ("active", "principal_suspended")
        assert held["lag_events"] >= 3
        await reinstate(hooked)
        await receiver.until(lambda: len(of_path(path, receiver.first_taken())) == 4)
        taken = of_path(path, receiver.first_taken())
        assert taken == sorted(taken)
        assert (await hooked.until(webhook, lambda one: one["withheld"] is None))["dead"] == 0


def of_path(path: str, told: list[tuple[str, str, int]]) -> list[int]:
    """The positions of the events of an application, as they were first taken."""
    return [position for _, application, position in told if path.endswith(application)]


async def test_an_attempt_under_way_is_broken_off(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_TIMEOUT_SECONDS", 10)
    begun, closed = asyncio.Event(), asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        with suppress(ConnectionError):
            await reader.read()
        closed.set()
        writer.close()

    who = await sender(hooked)
    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        webhook = (await who.post("/webhooks", {"url": f"http://127.0.0.1:{port}/"})).json()
        await hooked.api.applied()
        async with asyncio.timeout(10):
            await begun.wait()
        await suspend(hooked)
        async with asyncio.timeout(2):
            await closed.wait()
        found = await hooked.read(webhook)
        assert (found["position"], found["waiting"]) == (webhook["position"], 0)


async def test_what_waits_is_not_sent_again_either(hooked: Hooked) -> None:
    who = await sender(hooked)
    async with receiving(lambda _: 500) as receiver:
        webhook = (await who.post("/webhooks", {"url": receiver.url})).json()
        await hooked.api.applied()
        await hooked.until(webhook, lambda found: found["waiting"] >= 1)
        await suspend(hooked)
        await asyncio.sleep(1)
        told = len(receiver.requests)
        (waits, *_) = await hooked.deliveries(webhook)
        await asyncio.sleep(0.5)
        assert len(receiver.requests) == told
        assert (await hooked.deliveries(webhook))[0] == waits


async def test_who_may_not_read_events_any_more_has_none_sent_until_another_resumes_it(
    hooked: Hooked,
) -> None:
    who, other = await sender(hooked), await sender(hooked, "other")
    async with receiving() as receiver:
        webhook = (await who.post("/webhooks", {"url": receiver.url})).json()
        assert (webhook["created_by"], webhook["resumed_by"]) == ("sender", None)
        await issued(hooked.api.settings, somebody("sender", "admin"), change=True)
        await hooked.until(webhook, lambda found: found["withheld"] == "not_permitted")
        path = await hooked.api.applied()
        await asyncio.sleep(0.5)
        assert not of_path(path, receiver.first_taken())
        resumed = (await other.post(f"/webhooks/{webhook['webhook_id']}/resume")).json()
        assert (resumed["created_by"], resumed["resumed_by"]) == ("sender", "other")
        assert (resumed["state"], resumed["withheld"]) == ("active", None)
        await receiver.until(lambda: bool(of_path(path, receiver.first_taken())))


async def test_nothing_is_sent_while_nobody_knows_who_is_suspended(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver:
        webhook = await hooked.register(receiver.url)
        with monkeypatch.context() as patched:
            patched.setattr(limits, "REGISTRY_STALE_MAX_SECONDS", -1)
            assert (await hooked.read(webhook))["withheld"] == "not_known"
            await hooked.api.applied()
            await asyncio.sleep(0.7)
            assert not receiver.requests
        await receiver.until_taken(1)


async def test_nobody_answers_where_nobody_had_to_say_who_they_are(
    database_url: str, tmp_path: Path
) -> None:
    asked = Registration(
        url="https://example.com/", description=None, wanted=EVERYTHING, form=Form.EVENT
    )
    async with opened_ledger(database_url, tmp_path) as ledger:
        found, _ = await ledger.webhooks.register(asked, by="local", after=None)
        assert found.withheld is None
    required = Settings(
        data_dir=tmp_path, database_url=database_url, authentication=Authentication.REQUIRED
    )
    async with opened_ledger(database_url, tmp_path, settings=required) as ledger:
        assert (await ledger.webhooks.one(found.webhook_id)).withheld is Withheld.NOT_PERMITTED
        resumed = await ledger.webhooks.resume(found.webhook_id, by="jwt:somebody")
        assert resumed.withheld is None
        await ledger.webhooks.pause(found.webhook_id)
        assert (await ledger.webhooks.one(found.webhook_id)).withheld is None
