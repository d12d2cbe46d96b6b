"""Work over HTTP: what waits for whom, claims, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from lending.runtime import limits
from tests.api.acting import actor
from tests.api.served import APPLICATIONS, Api, problem
from tests.api.test_reading import worker
from tests.identities import somebody

pytestmark = pytest.mark.anyio
WORK, CLAIMS = "/work", "/work/claims"
CONTEXT = {"kind": "customer_context", "facts": {"employer": "verified"}}
SCORE = {"model": "m", "model_version": "1", "score": "0.71"}
REJECTED = {"outcome": "rejected", "reasons": ["excessive_obligations"]}


@pytest.fixture
async def working(api: Api) -> AsyncIterator[Api]:
    """A served ledger with its projection worker."""
    async with worker(api):
        yield api


async def settled(api: Api) -> None:
    """Return once the read model holds everything that is in the log."""
    position = (await api.get("/loan/events?limit=1000")).json()["position"]
    answer = await api.get(f"{APPLICATIONS}?limit=1&min_position={position}", prefer="wait=20")
    assert answer.status_code == 200, answer.text


async def applied(api: Api, count: int, *commands: tuple[str, Any]) -> list[str]:
    """New applications after these commands, oldest first; their ids."""
    paths = [await api.applied() for _ in range(count)]
    for suffix, body in commands:
        for path in paths:
            assert (await api.post(path + suffix, body)).status_code == 200
    await settled(api)
    return [path.rpartition("/")[2] for path in paths]


async def claimed(api: Api, role: str, limit: int = 1, **more: Any) -> list[dict[str, Any]]:
    """What a claim gives."""
    answer = await api.post(CLAIMS, {"role": role, "limit": limit, **more})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@asynccontextmanager
async def of_short_length(api: Api, claim_id: str) -> AsyncIterator[None]:
    """The claim expires within the block."""
    assert (await api.post(f"{CLAIMS}/{claim_id}/renewal", {"seconds": 1})).status_code == 200
    await asyncio.sleep(1.05)
    yield


async def test_what_waits_for_whom_oldest_first_with_counts_and_age(working: Api) -> None:
    fresh = await applied(working, 2)
    known = await applied(working, 3, ("/context", CONTEXT))
    page = (await working.get(WORK)).json()
    assert [item["application_id"] for item in page["items"]] == fresh + known
    assert page["next"] is None
    assert page["position"] == "0:10"  # the registry begins with two events
    first = page["items"][0]
    assert (first["role"], first["command"], first["version"]) == ("context", "attach_context", 1)
    assert (first["claimed_until"], first["claim_id"]) == (None, None)
    assert 0 <= first["age_seconds"] < 60
    risk = (await working.get(f"{WORK}?role=risk")).json()
    assert [item["application_id"] for item in risk["items"]] == known
    assert {item["waiting_since_version"] for item in risk["items"]} == {2}
    (queue,) = risk["queues"]
    assert (queue["role"], queue["command"], queue["waiting"], queue["claimed"]) == (
        "risk", "score", 3, 0,
    )  # fmt: skip
    assert queue["oldest_since"] == risk["items"][0]["waiting_since"]
    assert (await working.get(f"{WORK}?role=auditor")).json()["items"] == []


async def test_pages_of_work_follow_each_other(working: Api) -> None:
    ids = await applied(working, 4) + await applied(working, 3, ("/context", CONTEXT))
    seen: list[str] = []
    query = f"{WORK}?limit=2"
    while True:
        page = (await working.get(query)).json()
        assert len(page["items"]) <= 2
        seen += [item["application_id"] for item in page["items"]]
        if page["next"] is None:
            break
        query = f"{WORK}?limit=2&after={page['next']}"
    assert seen == ids


async def test_a_claim_takes_the_oldest_and_nobody_else_gets_them(working: Api) -> None:
    ids = await applied(working, 5, ("/context", CONTEXT))
    first = await claimed(working, "risk", 2, seconds=60)
    second = await claimed(working, "risk", 100)
    assert [claim["application_id"] for claim in first] == ids[:2]
    assert [claim["application_id"] for claim in second] == ids[2:]
    assert await claimed(working, "risk", 100) == []
    assert {claim["version"] for claim in first} == {2}
    page = (await working.get(f"{WORK}?role=risk")).json()
    assert (page["queues"][0]["waiting"], page["queues"][0]["claimed"]) == (5, 5)
    assert page["items"][0]["claimed_until"] == first[0]["expires_at"]
    assert page["items"][0]["claim_id"] == first[0]["claim_id"]


async def test_a_claim_names_the_version_that_its_command_may_rest_on(working: Api) -> None:
    await applied(working, 1, ("/context", CONTEXT))
    (claim,) = await claimed(working, "risk")
    path = f"{APPLICATIONS}/{claim['application_id']}"
    match = {"if-match": str(claim["version"])}
    assert (await working.post(f"{path}/score", SCORE, headers=match)).status_code == 200
    again = await working.post(f"{path}/score", SCORE, headers=match)
    problem(again, 412, "precondition_failed")


async def test_a_claim_is_over_when_its_task_is_done(working: Api) -> None:
    await applied(working, 1, ("/context", CONTEXT))
    (claim,) = await claimed(working, "risk")
    assert (await working.get(CLAIMS)).json()["items"] == [claim]
    path = f"{APPLICATIONS}/{claim['application_id']}"
    assert (await working.post(f"{path}/score", SCORE)).status_code == 200
    assert (await working.get(CLAIMS)).json() == {"items": [], "next": None}
    renewal = f"{CLAIMS}/{claim['claim_id']}/renewal"
    problem(await working.post(renewal, {"seconds": 10}), 404, "claim_not_found")
    problem(await working.client.delete(f"{CLAIMS}/{claim['claim_id']}"), 404, "claim_not_found")
    await settled(working)
    (next_claim,) = await claimed(working, "underwriter")
    assert next_claim["application_id"] == claim["application_id"]
    assert next_claim["command"] == "decide"


async def test_what_was_just_done_is_not_handed_out_again_before_the_read_model_knows(
    api: Api,
) -> None:
    async with worker(api):
        await applied(api, 2, ("/context", CONTEXT))
    (claim,) = await claimed(api, "risk")
    path = f"{APPLICATIONS}/{claim['application_id']}"
    assert (await api.post(f"{path}/score", SCORE)).status_code == 200
    assert (await api.client.delete(f"{CLAIMS}/{claim['claim_id']}")).status_code == 404
    others = await claimed(api, "risk", 100)
    assert len(others) == 1
    assert others[0]["application_id"] != claim["application_id"]


async def test_a_note_leaves_a_claim_as_it_is(working: Api) -> None:
    await applied(working, 1, ("/context", CONTEXT))
    (claim,) = await claimed(working, "risk")
    path = f"{APPLICATIONS}/{claim['application_id']}"
    await working.post(f"{path}/notes", {"text": "called the applicant"})
    (held,) = (await working.get(CLAIMS)).json()["items"]
    assert held == {**claim, "version": claim["version"] + 1}


async def test_a_released_claim_can_be_taken_at_once(working: Api) -> None:
    await applied(working, 1, ("/context", CONTEXT))
    (claim,) = await claimed(working, "risk")
    released = await working.client.delete(f"{CLAIMS}/{claim['claim_id']}")
    assert (released.status_code, released.content) == (204, b"")
    (again,) = await claimed(working, "risk")
    assert again["application_id"] == claim["application_id"]
    assert again["claim_id"] != claim["claim_id"]


async def test_an_expired_claim_is_nobodys(working: Api) -> None:
    await applied(working, 1, ("/context", CONTEXT))
    (claim,) = await claimed(working, "risk", seconds=3600)
    async with of_short_length(working, claim["claim_id"]):
        assert (await working.get(CLAIMS)).json()["items"] == []
        path = f"{CLAIMS}/{claim['claim_id']}"
        problem(await working.post(f"{path}/renewal"), 404, "claim_not_found")
        (again,) = await claimed(working, "risk")
        assert again["application_id"] == claim["application_id"]
        assert again["claimed_at"] >= claim["claimed_at"]
        problem(await working.client.delete(path), 404, "claim_not_found")
    assert (await working.get(CLAIMS)).json()["items"] == [again]


async def test_a_command_without_a_claim_holds_and_so_does_one_on_anothers(working: Api) -> None:
    (application_id,) = await applied(working, 1, ("/context", CONTEXT))
    assert len(await claimed(working, "risk")) == 1
    path = f"{APPLICATIONS}/{application_id}"
    assert (await working.post(f"{path}/score", SCORE)).status_code == 200


async def test_nobody_holds_more_than_a_limit(working: Api) -> None:
    await applied(working, 2)
    most = limits.WORK_CLAIMS_MAX_ITEMS
    rows = f"""
        insert into work.claims
        select 0, gen_random_uuid(), gen_random_uuid(), 'risk', 'score', now(), 1, 'local', now(),
               now() + interval '1 hour' from generate_series(1, {most - 1}) returning 1
    """
    assert len(working.rows(rows)) == most - 1
    assert len(await claimed(working, "context", 2)) == 1
    refused = await working.post(CLAIMS, {"role": "context"})
    assert problem(refused, 409, "too_many_claims")["retryable"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/role"),
        ({"role": "boss"}, "/role"),
        ({"role": "risk", "limit": 0}, "/limit"),
        ({"role": "risk", "limit": 101}, "/limit"),
        ({"role": "risk", "limit": 1.5}, "/limit"),
        ({"role": "risk", "limit": True}, "/limit"),
        ({"role": "risk", "seconds": 3601}, "/seconds"),
        ({"role": "risk", "seconds": "60"}, "/seconds"),
        ({"role": "risk", "command": "score"}, "/command"),
    ],
)
async def test_malformed_claims(shared: Api, body: Any, pointer: str) -> None:
    answer = problem(await shared.post(CLAIMS, body), 422, "invalid_request")
    assert answer["errors"][0]["pointer"] == pointer


async def test_nothing_at_all_and_what_is_no_json_is_no_claim(shared: Api) -> None:
    problem(await shared.post(CLAIMS), 422, "invalid_request")
    problem(await shared.post(CLAIMS, content=b"{"), 400, "malformed_json")
    problem(await shared.client.post(CLAIMS, content=b"{}"), 415, "unsupported_media_type")
    problem(await shared.post(f"{CLAIMS}?x=1", {"role": "risk"}), 422, "invalid_request")


@pytest.mark.parametrize(
    "query",
    ["role=boss", "role=", "limit=0", "limit=1001", "after=3", "min_position=0:1",
     "after=2026-02-30T00:00:00Z_00000000-0000-7000-8000-000000000000", "after=2026-01-01T00:00:00Z_x"],
)  # fmt: skip
async def test_malformed_questions(shared: Api, query: str) -> None:
    problem(await shared.get(f"{WORK}?{query}"), 422, "invalid_request")


async def test_a_claim_that_was_never_made(shared: Api) -> None:
    path = f"{CLAIMS}/{uuid4()}"
    problem(await shared.client.delete(path), 404, "claim_not_found")
    problem(await shared.post(f"{path}/renewal", {"seconds": 5}), 404, "claim_not_found")
    problem(await shared.client.delete(f"{CLAIMS}/3"), 422, "invalid_id")
    problem(await shared.post(f"{path}/renewal", {"seconds": 0}), 422, "invalid_request")
    problem(await shared.get(f"{path}"), 405, "method_not_allowed")


async def test_a_read_model_of_older_code_is_said_to_be_due_for_a_rebuild(api: Api) -> None:
    with psycopg.connect(api.database_url) as connection:
        connection.execute("alter view read.loan_applications rename waits_for_role to other")
    for answer in (await api.get(WORK), await api.post(CLAIMS, {"role": "risk"})):
        assert "lending rebuild loan_applications" in problem(answer, 503, "not_ready")["detail"]


async def test_answers_fit_their_schemas(working: Api) -> None:
    document = (await working.get("/openapi.json")).json()

    def fits(component: str, value: Any) -> bool:
        root = {"$ref": f"#/components/schemas/{component}", "components": document["components"]}
        return bool(Draft202012Validator(root, format_checker=FormatChecker()).is_valid(value))

    await applied(working, 2, ("/decision", REJECTED))
    (claim,) = await claimed(working, "underwriter")
    renewal = f"{CLAIMS}/{claim['claim_id']}/renewal"
    renewed = (await working.post(renewal, {"seconds": 7})).json()
    page = (await working.get(WORK)).json()
    assert fits("WorkClaim", claim)
    assert fits("WorkClaim", renewed)
    assert len(page["items"]) == 2
    assert all(fits("Task", item) for item in page["items"])
    assert fits("TaskQueue", page["queues"][0])
    operation = document["paths"][CLAIMS]["post"]["requestBody"]
    assert fits("ClaimWork", operation["content"]["application/json"]["example"])
    assert operation["required"]


async def test_a_claim_is_its_own_principals_and_a_queue_its_own_roles(working: Api) -> None:
    first, second, intake = [
        await actor(working, somebody(name, role))
        for name, role in (("risk-1", "risk"), ("risk-2", "risk"), ("intake-1", "intake"))
    ]
    await applied(working, 1, ("/context", CONTEXT))
    taken = (await first.post(CLAIMS, {"role": "risk"})).json()["items"]
    (claim,) = taken
    path = f"{CLAIMS}/{claim['claim_id']}"
    problem(await second.post(f"{path}/renewal", {"seconds": 60}), 404, "claim_not_found")
    problem(await second.delete(path), 404, "claim_not_found")
    assert (await second.get(CLAIMS)).json()["items"] == []
    assert (await first.get(CLAIMS)).json()["items"] == taken
    (seen,) = (await second.get(WORK)).json()["items"]
    assert (seen["claim_id"], seen["claimed_until"]) == (None, claim["expires_at"])
    problem(await intake.get(f"{WORK}?role=risk"), 403, "forbidden")
    problem(await intake.post(CLAIMS, {"role": "risk"}), 403, "forbidden")
    assert (await intake.get(WORK)).json()["items"] == []
    auditor = await actor(working, somebody("auditor-1", "auditor"))
    problem(await auditor.get(WORK), 403, "forbidden")
    assert (await first.delete(path)).status_code == 204
