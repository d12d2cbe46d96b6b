"""The feed: dense, by pages, waited for, streamed, and never silently of another history."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lending.runtime import limits
from tests.api.served import Api, problem

pytestmark = pytest.mark.anyio


async def test_pages_of_the_feed_leave_nothing_out(api: Api) -> None:
    for _ in range(7):
        await api.applied()
    seen, query = [], "?limit=4"
    while True:
        page = (await api.get(f"/loan/events{query}")).json()
        seen += page["items"]
        if page["next"] is None:
            break
        query = f"?limit=4&after={page['next']}"
    assert [event["position"] for event in seen] == list(range(1, api.count() + 1))
    assert page["position"] == f"0:{len(seen)}@1"
    assert [event["event_type"] for event in seen[:3]] == [
        "policy_published", "policy_activated", "applied",
    ]  # fmt: skip
    nothing = (await api.get(f"/loan/events?after={page['position']}")).json()
    assert nothing == {"items": [], "next": None, "position": page["position"]}


@pytest.mark.parametrize("cursor", ["2", "0:2", "0:2@1"])
async def test_a_position_may_be_written_in_three_ways(shared: Api, cursor: str) -> None:
    await shared.applied()
    page = (await shared.get(f"/loan/events?after={cursor}&limit=1")).json()
    assert [event["position"] for event in page["items"]] == [3]


async def test_from_a_cursor_with_its_epoch_nothing_is_skipped_while_commands_run(api: Api) -> None:
    paths = [await api.applied() for _ in range(3)]
    over = asyncio.Event()

    async def write(path: str) -> None:
        while not over.is_set():
            assert (await api.post(f"{path}/notes", {"text": "n"})).status_code == 200

    writing = [asyncio.create_task(write(path)) for path in paths]
    seen: list[dict[str, Any]] = []
    cursor, pages = "0:1@1", 0
    while pages < 40:
        page = (await api.get(f"/loan/events?after={cursor}&limit=3", prefer="wait=5")).json()
        seen += page["items"]
        cursor, pages = page["position"], pages + 1
        assert cursor == f"0:{len(seen) + 1}@1"
    first = (await api.get("/loan/events?after=0:1@1&limit=1000")).json()["items"]
    over.set()
    await asyncio.gather(*writing)
    assert [event["position"] for event in seen] == list(range(2, len(seen) + 2))
    assert seen == first[: len(seen)]
    assert {event["epoch"] for event in seen} == {1}
    assert len([event for event in seen if event["event_type"] == "noted"]) > 3


async def test_a_reader_can_wait_for_the_next_event(api: Api) -> None:
    head = (await api.get("/loan/events")).json()["position"]
    waiting = asyncio.create_task(api.get(f"/loan/events?after={head}", prefer="wait=20"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    path = await api.applied()
    (event,) = (await asyncio.wait_for(waiting, 5)).json()["items"]
    assert path.endswith(event["application_id"])


async def test_waiting_ends_empty_when_its_time_is_over(api: Api) -> None:
    head = (await api.get("/loan/events")).json()["position"]
    answer = await api.get(f"/loan/events?after={head}", prefer="wait=1")
    assert answer.json()["items"] == []
    assert 0.9 < answer.elapsed.total_seconds() < 3


async def test_a_cursor_beyond_the_head_is_of_another_history(api: Api) -> None:
    head = api.count()
    body = problem(await api.get(f"/loan/events?after=0:{head + 1}"), 410, "history_rewound")
    assert (body["first_position"], body["resume_after"]) == (head + 1, f"0:{head}@1")
    problem(await api.get("/loan/events?after=0:1@2"), 410, "history_rewound")
    problem(await api.get("/loan/events?after=3:1"), 404, "shard_not_found")
    problem(await api.get("/loan/events/stream?after=0:999999"), 410, "history_rewound")
    for future in (f"0:{head + 1}@1", "0:1@2"):
        answer = await api.get("/loan/events/stream?stage=offer", last_event_id=future)
        problem(answer, 410, "history_rewound")
        problem(await api.get(f"/loan/events?stage=offer&after={future}"), 410, "history_rewound")


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", "after=0:1@", "after=", "after=0:1%402&limit=0"]
)
async def test_malformed_cursors(shared: Api, query: str) -> None:
    problem(await shared.get(f"/loan/events?{query}"), 422, "invalid_request")


# server-sent events


@asynccontextmanager
async def stream(api: Api, query: str = "", **headers: str) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of a stream, inside the block."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/loan/events/stream{query}"
    async with api.client.stream("GET", path, headers=named) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        yield answer.aiter_lines()


async def sent(lines: AsyncIterator[str], count: int) -> list[tuple[str, dict[str, Any]]]:
    """The next events of a stream: id and data."""
    found: list[tuple[str, dict[str, Any]]] = []
    cursor = ""
    async for line in lines:
        if line.startswith("id: "):
            cursor = line[4:]
        if line.startswith("data: "):
            found.append((cursor, json.loads(line[6:])))
            if len(found) == count:
                break
    return found


async def test_a_stream_sends_what_is_there_and_what_comes(api: Api) -> None:
    await api.applied()
    async with stream(api) as lines, asyncio.timeout(20):
        before = await sent(lines, 3)
        path = await api.applied()
        ((cursor, event),) = await sent(lines, 1)
    assert [cursor for cursor, _ in before] == ["0:1@1", "0:2@1", "0:3@1"]
    assert path.endswith(event["application_id"])
    assert cursor == "0:4@1"
    assert event == (await api.get(f"{path}/events")).json()["items"][0]


async def test_a_stream_goes_on_behind_the_last_event_seen(api: Api) -> None:
    await api.applied()
    async with stream(api, "?after=0:2") as lines:
        assert [cursor for cursor, _ in await sent(lines, 1)] == ["0:3@1"]
    async with stream(api, "?after=0:1", last_event_id="0:2@1") as lines:
        assert [cursor for cursor, _ in await sent(lines, 1)] == ["0:3@1"]
    for malformed in ("x", "", "0:1@x"):
        answer = await api.get("/loan/events/stream", last_event_id=malformed)
        problem(answer, 422, "last_event_id_invalid")


async def test_a_long_log_is_streamed_without_a_gap(api: Api) -> None:
    path = await api.applied()
    for _ in range(300):
        await api.post(f"{path}/notes", {"text": "t"})
    async with stream(api) as lines, asyncio.timeout(20):
        events = await sent(lines, 303)
    assert [event["position"] for _, event in events] == list(range(1, 304))


async def test_a_silent_stream_shows_that_it_is_alive(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_SECONDS", 0.2)
    async with stream(api, "?after=2") as lines, asyncio.timeout(20):
        beats = [line async for line in _first(lines, 8) if line.startswith(":")]
    assert len(beats) >= 2


async def _first(lines: AsyncIterator[str], count: int) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        count -= 1
        if count == 0:
            return


async def test_streams_are_bounded_and_given_back(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAMS_MAX", 1)
    async with stream(api) as lines:
        await sent(lines, 1)
        problem(await api.get("/loan/events/stream"), 503, "overloaded")
    statuses = []
    for _ in range(100):
        statuses.append((await api.client.head("/loan/events/stream")).status_code)
        await asyncio.sleep(0.05 if statuses[-1] == 503 else 0)
    assert 200 in statuses


async def test_streams_and_waiting_readers_end_when_the_service_stops(api: Api) -> None:
    waiting = asyncio.create_task(api.get("/loan/events?after=2", prefer="wait=30"))
    async with stream(api, "?after=2") as lines, asyncio.timeout(10):
        await asyncio.sleep(0.2)
        api.app.stop_waiting()
        assert [line async for line in lines if line.startswith("data")] == []
        assert (await waiting).json()["items"] == []
    problem(await api.get("/readyz"), 503, "not_ready")
