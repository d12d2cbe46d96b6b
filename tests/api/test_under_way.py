"""No principal takes every place, and how the service is can be asked however busy it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from lending.api.problems import Fault, Problem
from lending.api.under_way import UnderWay
from lending.domain.authority import Principal, PrincipalKind, Role
from lending.runtime import limits
from tests.api.served import APPLICATIONS, STORY, Api, problem
from tests.identities import bearer, issued, somebody

pytestmark = pytest.mark.anyio
PROBES = ("/livez", "/readyz", "/metrics")
TOOLS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@asynccontextmanager
async def slow_bodies(api: Api, headers: dict[str, str], count: int) -> AsyncIterator[None]:
    """Inside the block so many requests wait for bodies that do not come."""
    over = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await over.wait()
        yield b"}"

    async def ask() -> httpx2.Response:
        sent = {**headers, "content-type": "application/json"}
        return await api.client.post(APPLICATIONS, content=body(), headers=sent)

    asking = [asyncio.create_task(ask()) for _ in range(count)]
    await asyncio.sleep(0.5)
    try:
        yield
    finally:
        over.set()
        for answer in await asyncio.gather(*asking):
            problem(answer, 422, "invalid_request")


async def keys_of(api: Api, *principals: Principal) -> list[dict[str, str]]:
    """A key of each, known to the service."""
    found = [bearer((await issued(api.settings, one)).fresh.text) for one in principals]
    await asyncio.sleep(1)
    return found


async def test_one_principal_cannot_take_every_place(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy, modest = await keys_of(api, somebody("greedy"), somebody("modest"))
    monkeypatch.setattr(limits, "REQUESTS_MAX", 12)
    async with slow_bodies(api, greedy, 3):
        refused = await api.post(APPLICATIONS, STORY, headers=greedy)
        assert problem(refused, 429, "too_many_requests")["retryable"] is True
        assert refused.headers["retry-after"] == "1"
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        by_tool = await api.post("/mcp", call, headers={**TOOLS, **greedy})
        problem(by_tool, 429, "too_many_requests")
        assert (await api.post(APPLICATIONS, STORY, headers=modest)).status_code == 201
        assert (await api.post(APPLICATIONS, STORY)).status_code == 201
    assert (await api.post(APPLICATIONS, STORY, headers=greedy)).status_code == 201


async def test_who_waits_for_events_keeps_no_place(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reader,) = await keys_of(api, somebody("reader", "auditor"))
    monkeypatch.setattr(limits, "REQUESTS_MAX", 4)
    head = (await api.get("/loan/events", **reader)).json()["position"]
    wait = f"/loan/events?after={head}"
    waiting = [asyncio.create_task(api.get(wait, prefer="wait=3", **reader)) for _ in range(1)]
    await asyncio.sleep(0.3)
    waiting.append(asyncio.create_task(api.get(wait, prefer="wait=3", **reader)))
    await asyncio.sleep(0.3)
    assert (await api.get("/loan/events", **reader)).status_code == 200
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
    assert (await api.get("/loan/events", **reader)).status_code == 200


async def test_how_the_service_is_can_be_asked_when_every_place_is_taken(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUESTS_MAX", 2)
    async with slow_bodies(api, {}, 2):
        problem(await api.get(APPLICATIONS), 503, "overloaded")
        for path in PROBES:
            assert "overloaded" not in (await api.get(path)).text


async def test_asking_how_the_service_is_has_few_places_of_its_own(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROBES_MAX_REQUESTS", 0)
    for path in PROBES:
        problem(await api.get(path), 503, "overloaded")
    assert (await api.get(APPLICATIONS)).status_code == 200


def test_nothing_is_kept_of_who_has_no_request_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUESTS_MAX", 4)
    under_way = UnderWay()
    one = Principal(name="one", kind=PrincipalKind.AGENT, roles=frozenset({Role.RISK}))
    before = under_way.kept
    under_way.take(one)
    with pytest.raises(Problem) as refused:
        under_way.take(one)
    assert refused.value.kind is Fault.TOO_MANY_REQUESTS
    with under_way.left_out(one):
        assert under_way.kept == before
    under_way.give_back(one)
    assert under_way.kept == before == 0
