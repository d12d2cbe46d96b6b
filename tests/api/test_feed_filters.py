"""The feed asked for less, or in another form: filters, CloudEvents, and what cannot be had."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lending.runtime import limits
from tests.api.served import Api, problem
from tests.api.test_feed import sent, stream

pytestmark = pytest.mark.anyio
CLOUD_EVENTS = "application/cloudevents+json"
CLOUD_EVENTS_BATCH = "application/cloudevents-batch+json"
ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")
UNKNOWN = "01900000-0000-7000-8000-000000000001"


async def decided(api: Api) -> str:
    """An application that was decided at once, by policy; its path."""
    path = await api.applied()
    await api.post(f"{path}/decision")
    return path


async def positions(api: Api, query: str) -> list[int]:
    page = (await api.get(f"/loan/events?{query}")).json()
    assert page["next"] is None
    assert page["position"] == f"0:{api.count()}@1"
    return [event["position"] for event in page["items"]]


async def test_a_page_holds_what_is_wanted_and_says_how_far_it_looked(api: Api) -> None:
    one = await decided(api)  # 3, 4
    two = await api.applied()  # 5
    await api.post(f"{two}/notes", {"text": "t"})  # 6
    one_id, two_id = one.rsplit("/", 1)[1], two.rsplit("/", 1)[1]
    assert await positions(api, f"application_id={one_id}") == [3, 4]
    assert await positions(api, f"application_id={two_id}&after=5") == [6]
    assert await positions(api, "event_type=applied") == [3, 5]
    assert await positions(api, "event_type=applied,noted") == [3, 5, 6]
    assert await positions(api, "event_type=noted&event_type=policy_published") == [1, 6]
    assert await positions(api, "stage=intake") == [3, 5, 6]
    assert await positions(api, "stage=offer,closed") == [4]
    assert await positions(api, f"application_id={two_id}&event_type=noted&stage=intake") == [6]
    assert await positions(api, f"application_id={two_id}&stage=offer") == []
    assert await positions(api, f"application_id={UNKNOWN}") == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("event_type=approved", "event_type"),
        ("event_type=", "event_type"),
        ("event_type=applied,", "event_type"),
        ("event_type=applied&event_type=x", "event_type"),
        ("stage=pending", "stage"),
        ("application_id=x", "application_id"),
        (f"application_id={UNKNOWN}&application_id={UNKNOWN}", "application_id"),
    ],
)
@pytest.mark.parametrize("path", ["/loan/events", "/loan/events/stream"])
async def test_a_filter_that_is_not_understood_is_refused(
    shared: Api, path: str, query: str, parameter: str
) -> None:
    body = problem(await shared.get(f"{path}?{query}"), 422, "invalid_request")
    assert body["errors"][0]["parameter"] == parameter


async def test_an_empty_page_may_have_a_next_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FEED_SCAN_MAX_EVENTS", 3)
    await decided(api)
    found, pages, query = [], 0, "event_type=decided"
    while True:
        page = (await api.get(f"/loan/events?{query}", prefer="wait=1")).json()
        found += page["items"]
        pages += 1
        if page["next"] is None:
            break
        query = f"event_type=decided&after={page['next']}"
    assert ([event["position"] for event in found], pages) == ([4], 2)


@pytest.mark.parametrize("wanted", ["event_type=decided", "stage=offer", "application_id={}"])
async def test_a_waiting_reader_is_answered_by_what_it_wants_only(api: Api, wanted: str) -> None:
    one, other = await api.applied(), await api.applied()
    query = f"{wanted.format(one.rsplit('/', 1)[1])}&after=0:4"
    waiting = asyncio.create_task(api.get(f"/loan/events?{query}", prefer="wait=20"))
    await asyncio.sleep(0.2)
    await api.post(f"{other}/notes", {"text": "t"})
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await api.post(f"{one}/decision")
    page = (await asyncio.wait_for(waiting, 5)).json()
    assert [event["position"] for event in page["items"]] == [6]
    assert page["position"] == "0:6@1"


async def test_a_stream_holds_what_is_wanted(api: Api) -> None:
    one = await api.applied()
    async with stream(api, "?event_type=decided,noted&stage=offer") as lines, asyncio.timeout(20):
        await asyncio.sleep(0.2)
        await api.post(f"{one}/notes", {"text": "while pending"})
        await api.post(f"{one}/decision")
        await api.post(f"{one}/notes", {"text": "while approved"})
        found = await sent(lines, 2)
    assert [cursor for cursor, _ in found] == ["0:5@1", "0:6@1"]


async def test_a_sign_of_life_moves_the_cursor_past_what_is_not_wanted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(limits, "STREAM_CHECK_SECONDS", 0.1)
    async with stream(api, "?event_type=overridden") as lines, asyncio.timeout(20):
        await api.applied()
        async for line in lines:
            assert not line.startswith("data")
            if line == "id: 0:3@1":
                break
    async with stream(api, last_event_id="0:3@1") as lines, asyncio.timeout(20):
        await api.applied()
        assert [cursor for cursor, _ in await sent(lines, 1)] == ["0:4@1"]


# other forms


def held_to_the_specification(event: Mapping[str, Any], plain: Mapping[str, Any]) -> None:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md"""
    assert all(ATTRIBUTE.fullmatch(name) for name in event)
    assert all(type(value) in (str, int) for name, value in event.items() if name != "data")
    assert all(abs(value) < 2**31 for value in event.values() if isinstance(value, int))
    assert all(event[name] for name in ("specversion", "id", "source", "type"))
    assert event["specversion"] == "1.0"
    assert event["type"] == f"lending.{plain['event_type']}"
    assert event["time"] == plain["recorded_at"]
    assert event["datacontenttype"] == "application/json"
    assert event["data"] == plain


async def test_a_page_can_be_had_as_a_batch_of_cloud_events(api: Api) -> None:
    path = await api.applied()
    await api.post(
        f"{path}/notes", {"text": "t"}, headers={"correlation-id": "c 1", "causation-id": "c 0"}
    )
    plain = (await api.get("/loan/events")).json()["items"]
    query, events, position = "?limit=3", [], ""
    while query:
        answer = await api.get(f"/loan/events{query}", accept=CLOUD_EVENTS_BATCH)
        assert answer.headers["content-type"] == CLOUD_EVENTS_BATCH
        events += answer.json()
        position = answer.headers["lending-position"]
        link = answer.headers.get("link", "")
        query = link.removeprefix("<").partition(">")[0]
        assert not query or parse_qs(urlsplit(query).query)["limit"] == ["3"]
    assert position == "0:4@1"
    assert len(events) == len(plain) == 4
    for event, same in zip(events, plain, strict=True):
        held_to_the_specification(event, same)
    assert len({(event["source"], event["id"]) for event in events}) == 4
    assert events[0]["subject"] == "registry"
    noted = events[3]
    assert path.endswith(noted["subject"])
    assert (noted["id"], noted["position"], noted["shard"]) == ("0:4@1", "0:4", 0)
    assert (noted["correlationid"], noted["causationid"]) == ("c 1", "c 0")
    assert sorted(events, key=lambda event: str(event["sequence"])) == events
    behind = await api.get(f"/loan/events?after={noted['id']}", accept=CLOUD_EVENTS_BATCH)
    assert behind.json() == []


@pytest.mark.parametrize("accept", [CLOUD_EVENTS, f"text/event-stream, {CLOUD_EVENTS};q=0.9"])
async def test_a_stream_can_have_cloud_events_as_its_data(api: Api, accept: str) -> None:
    plain = (await api.get("/loan/events")).json()["items"]
    async with stream(api, accept=accept) as lines, asyncio.timeout(20):
        found = await sent(lines, 2)
    for (cursor, event), same in zip(found, plain, strict=True):
        assert event["id"] == cursor
        held_to_the_specification(event, same)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        (f"{CLOUD_EVENTS_BATCH}, application/json", "application/json"),
        (f"{CLOUD_EVENTS_BATCH}, application/json;q=0.5", CLOUD_EVENTS_BATCH),
        (f"application/json;q=0, {CLOUD_EVENTS_BATCH.upper()}", CLOUD_EVENTS_BATCH),
        ("*/*;q=0.1, application/json;q=0", CLOUD_EVENTS_BATCH),
        ("text/html, application/json;charset=utf-8;q=0.2", "application/json"),
    ],
)
async def test_a_page_is_what_the_client_likes_best(
    shared: Api, accept: str, media_type: str
) -> None:
    answer = await shared.get("/loan/events", accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "x", ""])
async def test_what_cannot_be_had_is_said(shared: Api, accept: str) -> None:
    body = problem(await shared.get("/loan/events", accept=accept), 406, "not_acceptable")
    assert body["offered"] == ["application/json", CLOUD_EVENTS_BATCH]
    body = problem(await shared.get("/loan/events/stream", accept=accept), 406, "not_acceptable")
    assert body["offered"] == ["text/event-stream", CLOUD_EVENTS]
