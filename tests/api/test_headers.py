"""Every row of the header table: what each header does, and how it is refused."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.api.served import APPLICATIONS, STORY, Api, problem

pytestmark = pytest.mark.anyio
PROVENANCE = {
    "lending-actor": "agent-7",
    "lending-agent-build": "intake/3.2 model=m prompt=p4",
    "correlation-id": "case 118",
    "causation-id": "mail-55",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def shown(value: str | bytes) -> str:
    """A parameter in a test's name."""
    return f"{ascii(value)[:20]}:{len(value)}"


# Idempotency-Key


async def test_a_key_is_done_once_and_answered_the_same(api: Api) -> None:
    key = {"idempotency-key": "k-1"}
    first = await api.post(APPLICATIONS, STORY, headers=key)
    again = await api.post(APPLICATIONS, STORY, headers=key)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.json()) == (201, first.json())
    for name in ("location", "etag"):
        assert again.headers[name] == first.headers[name]
    assert api.count("ledger.loan_events where event_type = 'applied'") == 1


async def test_a_replay_answers_as_it_was_then(api: Api) -> None:
    path = await api.applied()
    key = {"idempotency-key": "k"}
    first = await api.post(f"{path}/notes", {"text": "one"}, headers=key)
    await api.post(f"{path}/decision")
    again = await api.post(f"{path}/notes", {"text": "one"}, headers=key)
    assert again.json() == first.json()
    assert again.headers["etag"] == '"2"'


async def test_a_refusal_is_replayed_too(api: Api) -> None:
    path = await api.applied()
    key = {"idempotency-key": "k"}
    first = problem(await api.post(f"{path}/offers/1/return", headers=key), 409, "no_open_offer")
    await api.post(f"{path}/offers", {"amount": 100})
    again = await api.post(f"{path}/offers/1/return", headers=key)
    assert problem(again, 409, "no_open_offer") == first
    assert again.headers["idempotency-replayed"] == "true"


async def test_many_at_once_with_one_key_are_one(api: Api) -> None:
    path = await api.applied()
    asked = [
        api.post(f"{path}/notes", {"text": "t"}, headers={"idempotency-key": "k"})
        for _ in range(10)
    ]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 9


async def test_many_applies_at_once_with_one_key_open_one_application(api: Api) -> None:
    key = {"idempotency-key": "k"}
    asked = [api.post(APPLICATIONS, STORY, headers=key) for _ in range(10)]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1


async def test_another_request_under_the_same_key_is_refused(api: Api) -> None:
    key = {"idempotency-key": "k"}
    await api.post(APPLICATIONS, STORY, headers=key)
    other = {**STORY, "amount": 1}
    problem(await api.post(APPLICATIONS, other, headers=key), 422, "idempotency_key_reused")
    dated = {**key, "lending-effective-at": "2020-01-01T00:00:00Z"}
    problem(await api.post(APPLICATIONS, STORY, headers=dated), 422, "idempotency_key_reused")
    also = {**key, "lending-actor": "someone else", "correlation-id": "other"}
    assert (await api.post(APPLICATIONS, STORY, headers=also)).status_code == 201


async def test_a_key_belongs_to_its_application(api: Api) -> None:
    key = {"idempotency-key": "k"}
    for _ in range(2):
        path = await api.applied()
        answer = await api.post(f"{path}/notes", {"text": "t"}, headers=key)
        assert "idempotency-replayed" not in answer.headers


async def test_bare_and_quoted_keys_are_the_same(api: Api) -> None:
    await api.post(APPLICATIONS, STORY, headers={"idempotency-key": 'a"b c'})
    again = await api.post(APPLICATIONS, STORY, headers={"idempotency-key": r'"a\"b c"'})
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["k" * 255, '"' + "k" * 255 + '"', "~", "a b"])
async def test_keys_that_are_taken(shared: Api, key: str) -> None:
    assert (
        await shared.post(APPLICATIONS, STORY, headers={"idempotency-key": key})
    ).status_code == 201


@pytest.mark.parametrize(
    "key",
    [
        "k" * 256, '"' + "k" * 256 + '"', "", '""', '"open', '"a"b"', '"a";q=1', '"a\\x"', "a\tb",
        "é".encode(), b"\xff", "k" * 5000,
    ],
    ids=shown,
)  # fmt: skip
async def test_keys_that_are_refused(shared: Api, key: str | bytes) -> None:
    before = shared.count()
    answer = await shared.post(APPLICATIONS, STORY, headers={"idempotency-key": key})
    body = problem(answer, 422, "idempotency_key_invalid")
    assert body["errors"][0]["header"] == "Idempotency-Key"
    assert shared.count() == before


async def test_money_needs_a_key(shared: Api) -> None:
    path = await shared.applied()
    problem(await shared.post(f"{path}/disbursements"), 400, "key_required")


async def test_a_header_given_twice_is_refused(shared: Api) -> None:
    twice = [
        ("idempotency-key", "a"),
        ("idempotency-key", "b"),
        ("content-type", "application/json"),
    ]
    answer = await shared.client.post(APPLICATIONS, content=b"{}", headers=twice)
    assert "twice" in problem(answer, 422, "idempotency_key_invalid")["detail"]


# ETag and If-Match


@pytest.mark.parametrize("matching", ['"1"', "1", "*", '"7", "1"', '"7","1"'])
async def test_if_match_lets_its_versions_pass(shared: Api, matching: str) -> None:
    path = await shared.applied()
    answer = await shared.post(f"{path}/notes", {"text": "t"}, headers={"if-match": matching})
    assert answer.status_code == 200


async def test_if_match_of_another_version_is_412_with_the_current_one(shared: Api) -> None:
    path = await shared.applied()
    answer = await shared.post(f"{path}/notes", {"text": "t"}, headers={"if-match": '"2"'})
    assert problem(answer, 412, "precondition_failed")["current_version"] == 1
    assert (await shared.get(path)).json()["version"] == 1


@pytest.mark.parametrize(
    "matching", ['W/"1"', '"one"', '"1', "", "1;2", "-1", '"1" "2"', b"\xb2"], ids=shown
)
async def test_if_match_that_names_no_version_is_refused(
    shared: Api, matching: str | bytes
) -> None:
    path = await shared.applied()
    answer = await shared.post(f"{path}/notes", {"text": "t"}, headers={"if-match": matching})
    problem(answer, 422, "if_match_invalid")


async def test_an_apply_has_nothing_to_match(shared: Api) -> None:
    answer = await shared.post(APPLICATIONS, STORY, headers={"if-match": "*"})
    problem(answer, 422, "if_match_invalid")


# Provenance


async def test_provenance_is_recorded_with_the_event(api: Api) -> None:
    answer = await api.post(APPLICATIONS, STORY, headers=PROVENANCE)
    (event,) = answer.json()["events"]
    assert event["actor"] == "local"
    assert event["on_behalf_of"] == "agent-7"
    assert event["agent_build"] == PROVENANCE["lending-agent-build"]
    assert event["correlation_id"] == answer.headers["correlation-id"] == "case 118"
    assert event["causation_id"] == "mail-55"
    kept = api.rows("select traceparent from ledger.loan_events order by position desc limit 1")
    assert kept == [(PROVENANCE["traceparent"],)]
    (read,) = (await api.get(f"{answer.headers['location']}/events")).json()["items"]
    assert read == event


@pytest.mark.parametrize(
    "name", ["lending-actor", "lending-agent-build", "correlation-id", "causation-id"]
)
@pytest.mark.parametrize("value", ["x" * 201, "", "a\tb", "é".encode(), b"\x80"], ids=shown)
async def test_malformed_provenance_is_refused_by_name(
    shared: Api, name: str, value: str | bytes
) -> None:
    answer = await shared.post(APPLICATIONS, STORY, headers={name: value})
    body = problem(answer, 422, name.replace("-", "_") + "_invalid")
    assert body["errors"][0]["header"].lower() == name


@pytest.mark.parametrize(
    "trace",
    ["", "00-x", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
     "00-00000000000000000000000000000000-b7ad6b7169203331-01", "é".encode()],
)  # fmt: skip
async def test_a_malformed_traceparent_is_ignored(shared: Api, trace: str | bytes) -> None:
    answer = await shared.post(APPLICATIONS, STORY, headers={"traceparent": trace})
    assert answer.status_code == 201


async def test_a_correlation_id_is_made_where_none_is_given(shared: Api) -> None:
    answer = await shared.post(APPLICATIONS, STORY)
    assert answer.json()["events"][0]["correlation_id"] == answer.headers["correlation-id"]


# Lending-Effective-At


async def test_the_effective_instant_counts_in_the_ledgers_time(shared: Api) -> None:
    given = {"lending-effective-at": "2011-10-01T00:38:44.546+02:00"}
    (event,) = (await shared.post(APPLICATIONS, STORY, headers=given)).json()["events"]
    assert event["effective_at"] == "2011-09-30T22:38:44.546000Z"
    assert event["effective_on"] == "2011-09-30"
    assert event["recorded_at"] > event["effective_at"]


@pytest.mark.parametrize(
    "instant",
    ["2011-10-01", "2011-10-01T00:00:00", "2011-10-01 00:00:00Z", "2011-13-01T00:00:00Z", "now", "",
     "2011-10-01T00:00:00.1234567Z", "0001-01-01T00:00:00+14:00", "2011-10-01T00:00:00+99:00",
     "9999-12-31T23:59:59Z"],
)  # fmt: skip
async def test_malformed_or_later_effective_instants_are_refused(shared: Api, instant: str) -> None:
    headers = {"lending-effective-at": instant}
    answer = await shared.post(APPLICATIONS, STORY, headers=headers)
    problem(answer, 422, "lending_effective_at_invalid")


async def test_an_instant_of_other_times_is_told_from_when_on_one_is_taken(shared: Api) -> None:
    headers = {"lending-effective-at": "1899-12-31T23:59:59Z"}
    answer = await shared.post(APPLICATIONS, STORY, headers=headers)
    told = problem(answer, 422, "lending_effective_at_invalid")
    assert "an instant from 1900 on" in told["detail"]
    asked = await shared.get(f"{APPLICATIONS}/{uuid4()}?as_of=1899-12-31T23:59:59Z")
    assert "an instant from 1900 on" in asked.text


async def test_a_slightly_fast_clock_is_forgiven_and_no_more(shared: Api) -> None:
    def headers(seconds: float) -> dict[str, Any]:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        return {"lending-effective-at": at.isoformat()}

    assert (await shared.post(APPLICATIONS, STORY, headers=headers(2))).status_code == 201
    answer = await shared.post(APPLICATIONS, STORY, headers=headers(60))
    problem(answer, 422, "lending_effective_at_invalid")


# Prefer


@pytest.mark.parametrize(
    "prefer", ["wait", "wait=x", "wait=-1", "respond-async", "", "wait=1e3", ";;"]
)
async def test_a_preference_that_is_not_understood_is_ignored(shared: Api, prefer: str) -> None:
    head = (await shared.get("/loan/events?limit=1000")).json()["position"]
    answer = await shared.get(f"/loan/events?after={head}", prefer=prefer)
    assert answer.status_code == 200
    assert answer.elapsed < timedelta(seconds=2)
