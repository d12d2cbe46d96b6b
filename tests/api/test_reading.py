"""Reading applications: now, at any moment, their events, and lists with their position."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from projections.worker import run
from tests.api.served import APPLICATIONS, STORY, Api, names, problem

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def worker(api: Api) -> AsyncIterator[None]:
    """The projection worker, inside the block."""
    working = asyncio.create_task(run(api.database_url, api.master_key))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


# one


async def test_an_application_reads_with_everything_known_of_it(api: Api) -> None:
    given = {
        **STORY,
        "reference": "r-1",
        "purpose": "a car",
        "co_applicants": [{"applicant_id": "b"}],
    }
    path = str((await api.post(APPLICATIONS, given)).headers["location"])
    await api.post(f"{path}/score", {"model": "m", "model_version": "1", "score": "0.71"})
    await api.post(f"{path}/offers", {"amount": 12000, "rate_percent": 7.25})
    await api.post(f"{path}/decision")
    answer = await api.get(path)
    body = answer.json()
    assert answer.headers["etag"] == '"4"'
    assert (body["status"], body["stage"], body["version"]) == ("approved", "offer", 4)
    assert (body["amount"], body["income"], body["purpose"]) == ("12000.00", "6500.00", "a car")
    assert body["co_applicants"] == [{"applicant_id": "b"}]
    assert body["score"]["score"] == "0.71"
    (offer,) = body["offers"]
    assert (offer["offer_id"], offer["rate_percent"], offer["status"]) == ("1", "7.25", "open")
    assert body["decision"]["policy"]["version"] == "1"
    assert "accept_offer" in names(body["allowed_commands"])
    assert body["disbursement"] is None


async def test_a_read_sees_the_write_before_it(api: Api) -> None:
    path = await api.applied()
    for version in range(2, 12):
        await api.post(f"{path}/notes", {"text": "t"})
        assert (await api.get(path)).json()["version"] == version


async def test_any_version_and_any_instant_can_be_read_again(api: Api) -> None:
    path = await api.applied()
    between = datetime.now(UTC)
    await api.post(f"{path}/decision")
    first = await api.get(f"{path}?version=1")
    assert (first.json()["status"], first.headers["etag"]) == ("pending", '"1"')
    assert "allowed_commands" not in first.json()
    then = await api.get(f"{path}?as_of={between.isoformat().replace('+00:00', 'Z')}")
    assert then.json() == first.json()
    now = await api.get(f"{path}?version=2")
    current = (await api.get(path)).json()
    assert now.json() == {k: v for k, v in current.items() if k != "allowed_commands"}


async def test_what_counts_by_a_date(api: Api) -> None:
    headers = {"lending-effective-at": "2026-01-10T12:00:00Z"}
    path = str((await api.post(APPLICATIONS, STORY, headers=headers)).headers["location"])
    later = {"lending-effective-at": "2026-01-20T12:00:00Z"}
    await api.post(f"{path}/withdrawal", headers=later)
    assert (await api.get(f"{path}?effective_on=2026-01-19")).json()["status"] == "pending"
    assert (await api.get(f"{path}?effective_on=2026-01-20")).json()["status"] == "withdrawn"


async def test_moments_that_are_not_on_record(shared: Api) -> None:
    path = await shared.applied()
    problem(await shared.get(f"{path}?version=2"), 404, "moment_not_found")
    problem(await shared.get(f"{path}?as_of=2020-01-01T00:00:00Z"), 404, "moment_not_found")
    nobody = f"{APPLICATIONS}/{uuid4()}?version=1"
    problem(await shared.get(nobody), 404, "application_not_found")
    problem(await shared.get(f"{path}?as_of=2999-01-01T00:00:00Z"), 422, "invalid_request")


@pytest.mark.parametrize(
    "query",
    ["version=0", "version=x", "version=2147483648", "version=", "version=1&version=1", "as_of=now",
     "as_of=2026-01-01", "as_of=2026-01-01T00:00:00", "effective_on=tomorrow",
     "effective_on=0001-01-01", "effective_on=9999-12-31", "at=1"],
)  # fmt: skip
async def test_malformed_moments(shared: Api, query: str) -> None:
    path = await shared.applied()
    body = problem(await shared.get(f"{path}?{query}"), 422, "invalid_request")
    assert body["errors"][0]["parameter"] == query.partition("=")[0]


# events


async def test_the_events_of_an_application_by_pages(api: Api) -> None:
    path = await api.applied()
    for number in range(6):
        await api.post(f"{path}/notes", {"text": f"note {number}"})
    seen: list[dict[str, Any]] = []
    after: str | None = "0"
    while after is not None:
        page = (await api.get(f"{path}/events?after={after}&limit=3")).json()
        assert len(page["items"]) <= 3
        seen += page["items"]
        after = page["next"]
    assert [event["version"] for event in seen] == list(range(1, 8))
    assert seen == (await api.get(f"{path}/events")).json()["items"]
    assert (await api.get(f"{path}/events?after=7")).json() == {"items": [], "next": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=ten", "after=-1", "before=3"])
async def test_malformed_pages(shared: Api, query: str) -> None:
    path = await shared.applied()
    problem(await shared.get(f"{path}/events?{query}"), 422, "invalid_request")


# lists


async def test_lists_are_filtered_and_paged_newest_first(api: Api) -> None:
    async with worker(api):
        paths = [
            await api.applied(applicant_id=f"cust_{n % 2}", reference=f"ref-{n}") for n in range(6)
        ]
        ids = [path.rpartition("/")[2] for path in paths]
        last = await api.post(f"{paths[0]}/decision")
        position = last.json()["position"]

        async def found(query: str) -> list[str]:
            fresh = f"{APPLICATIONS}?min_position={position}&{query}"
            answer = await api.get(fresh, prefer="wait=20")
            assert answer.status_code == 200, answer.text
            return [row["id"] for row in answer.json()["items"]]

        today = datetime.now(UTC).date().isoformat()
        assert await found("") == ids[::-1]
        assert await found("reference=ref-3") == [ids[3]]
        assert await found("applicant_id=cust_1") == [ids[5], ids[3], ids[1]]
        assert await found("status=approved") == [ids[0]]
        assert await found("stage=offer&applicant_id=cust_0") == [ids[0]]
        assert await found("stage=offer&applicant_id=cust_1") == []
        assert await found(f"applied_from={today}&applied_to={today}") == ids[::-1]
        assert await found("applied_to=2020-01-01") == []
        seen, after = [], ""
        while True:
            page = (await api.get(f"{APPLICATIONS}?limit=4{after}")).json()
            seen += [row["id"] for row in page["items"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert seen == ids[::-1]
        assert page["position"] == position


async def test_a_list_waits_for_a_position_only_as_long_as_it_may(api: Api) -> None:
    path = await api.applied()
    position = (await api.get(path)).json()["position"]
    listed = f"{APPLICATIONS}?min_position={position}"
    answer = await api.get(listed)
    assert problem(answer, 503, "position_not_reached")["retryable"]
    assert answer.headers["retry-after"] == "1"
    problem(await api.get(listed, prefer="wait=1"), 503, "position_not_reached")
    waiting = asyncio.create_task(api.get(listed, prefer="wait=20"))
    await asyncio.sleep(0.3)
    async with worker(api):
        assert (await waiting).status_code == 200


async def test_a_position_beyond_the_log_is_of_another_history(api: Api) -> None:
    answer = await api.get(f"{APPLICATIONS}?min_position=0:999999", prefer="wait=20")
    problem(answer, 410, "history_rewound")
    problem(await api.get(f"{APPLICATIONS}?min_position=7:1"), 404, "shard_not_found")


@pytest.mark.parametrize(
    "query",
    ["status=happy", "stage=", "applied_from=yesterday", "applied_to=2026-02-30", "after=3",
     "min_position=x", "min_position=0:1:2", "limit=0", "reference=", "reference=a%00b",
     "reference=" + "x" * 129, "applicant=cust_2002"],
)  # fmt: skip
async def test_malformed_filters(shared: Api, query: str) -> None:
    problem(await shared.get(f"{APPLICATIONS}?{query}"), 422, "invalid_request")
