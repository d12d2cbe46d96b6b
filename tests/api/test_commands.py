"""The answers of commands: their shape, their headers, and every command through its route."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from lending.contract.command_table import APPLICATION, ROUTES
from lending.domain.application import commands as c
from tests.api.served import APPLICATIONS, STORY, Api, names, problem

pytestmark = pytest.mark.anyio

# One life in which each command is issued once where it is legal: suffix and body.
LIFE: list[tuple[str, dict[str, Any] | None]] = [
    ("/amendments", {"amount": "12500.00"}),
    ("/context", {"kind": "verification", "stage": "identity", "facts": {"employer": "verified"}}),
    ("/information-requests", {"items": ["proof_of_income"], "due_on": "2030-01-31"}),
    ("/information", {"items": ["proof_of_income"]}),
    ("/score", {"model": "credit-risk", "model_version": "2026-10", "score": 712.5}),
    ("/notes", {"text": "first line\nsecond line"}),
    ("/holds", {"kind": "fraud"}),
    ("/holds/fraud/release", None),
    ("/offers", {"amount": 12500, "term_months": 36, "rate_percent": "7.25"}),
    ("/offers/1/withdrawal", {}),
    ("/offers", {"offer_id": "b", "amount": 12500}),
    ("/offers/b/refusal", {"text": "too dear"}),
    ("/offers", {"offer_id": "c", "amount": 12500, "valid_until": "2030-01-31"}),
    ("/offers/c/return", None),
    ("/offers/c/acceptance", None),
    ("/decision", None),
    ("/override", {"outcome": "approved", "justification": "looked at again"}),
    ("/disbursements", {"amount": "12500.00", "reference": "pay-1", "channel": "sepa"}),
]
TOMORROW = str(datetime.now(UTC).date() + timedelta(days=1))
"""A day that is not over before the tests are; a notice may be dated so much ahead."""
LONG_AGO = {"lending-effective-at": "2020-01-01T09:00:00Z"}
# Other ends: suffix, body and headers of each step.
ENDINGS: list[list[tuple[str, dict[str, Any] | None, dict[str, str]]]] = [
    [("/withdrawal", None, {})],
    [("/closure", {"closed_as": "incomplete"}, {})],
    [
        ("/offers", {"amount": 1, "valid_until": "2020-01-01"}, LONG_AGO),
        ("/offers/1/expiry", None, {}),
    ],
    [
        ("/decision", {"outcome": "rejected", "reasons": ["excessive_obligations"]}, {}),
        ("/notices", {"kind": "adverse_action", "sent_on": TOMORROW, "channel": "letter"}, {}),
    ],
]


async def test_apply_answers_201_with_the_application_and_what_may_come_next(api: Api) -> None:
    answer = await api.post(APPLICATIONS, STORY)
    body = answer.json()
    assert answer.status_code == 201
    assert set(body) == {
        "application_id", "status", "version", "position", "events", "allowed_commands", "warnings",
    }  # fmt: skip
    assert body["status"] == "stored"
    assert body["version"] == 1
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"{APPLICATIONS}/{body['application_id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert "decide" in names(body["allowed_commands"])
    (event,) = body["events"]
    assert body["position"] == f"{event['shard']}:{event['position']}"
    assert event["data"] == {
        "applicant_id": "cust_2002", "amount": "12000.00", "currency": "USD", "term_months": 36,
        "income": "6500.00", "credit_kind": "consumer", "co_applicants": [],
    }  # fmt: skip
    assert (event["actor"], event["actor_kind"], event["epoch"]) == ("local", "system", 1)
    assert event["effective_at"] == event["recorded_at"]
    assert (await api.get(answer.headers["location"])).json()["status"] == "pending"


async def test_every_command_has_a_route_that_reaches_it(api: Api) -> None:
    path = await api.applied()
    issued = {"applied"}
    for suffix, body in LIFE:
        answer = await api.post(
            path + suffix, body, headers={"idempotency-key": f"k{suffix}{body}"}
        )
        assert answer.status_code == 200, (suffix, answer.text)
        version = answer.json()["version"]
        assert answer.headers["etag"] == f'"{version}"'
        issued |= {event["event_type"] for event in answer.json()["events"]}
    assert (await api.get(path)).json()["status"] == "active"
    for ending in ENDINGS:
        opened = await api.post(APPLICATIONS, STORY, headers=LONG_AGO)
        path = opened.headers["location"]
        for suffix, body, headers in ending:
            answer = await api.post(path + suffix, body, headers=headers)
            assert answer.status_code == 200, (suffix, answer.text)
            issued |= {event["event_type"] for event in answer.json()["events"]}
    assert len(issued) == len(c.ORIGINATION_COMMANDS)


def test_each_command_class_is_in_the_table_once() -> None:
    assert [route.command for route in ROUTES] == sorted(
        c.COMMANDS, key=[route.command for route in ROUTES].index
    )
    assert len({route.path for route in ROUTES}) == len(c.COMMANDS)
    assert all(route.path.startswith(APPLICATION) for route in ROUTES if not route.opens)


async def test_what_is_so_already_is_answered_without_an_event(api: Api) -> None:
    path = await api.applied()
    await api.post(f"{path}/withdrawal", {"by": "lender"})
    again = await api.post(f"{path}/withdrawal")
    assert again.status_code == 200
    assert (again.json()["events"], again.json()["version"]) == ([], 2)
    assert again.json()["position"] == (await api.get(path)).json()["position"]


async def test_a_refusal_is_409_and_says_what_is_allowed(api: Api) -> None:
    path = await api.applied()
    body = problem(
        await api.post(f"{path}/disbursements", headers={"idempotency-key": "d"}),
        409, "no_accepted_offer",
    )  # fmt: skip
    assert "make_offer" in names(body["allowed_commands"])
    assert body["current_version"] == 1
    assert not body["retryable"]


async def test_amounts_finer_than_the_currency_are_refused_by_the_rules(api: Api) -> None:
    body = problem(
        await api.post(APPLICATIONS, {**STORY, "amount": "12000.001"}), 409, "amount_too_fine"
    )
    assert "amount" in body["detail"]
    yen = {**STORY, "currency": "JPY", "amount": "12000.5"}
    problem(await api.post(APPLICATIONS, yen), 409, "amount_too_fine")


@pytest.mark.parametrize(
    "written", ["12000", "12000.0", "1.2e4", '"12000"', '"12000.00"', '"12000.000000"']
)
async def test_numbers_and_decimal_strings_are_the_same_amount(shared: Api, written: str) -> None:
    raw = f'{{"applicant_id":"cust_2002","amount":{written}}}'.encode()
    answer = await shared.post(APPLICATIONS, content=raw)
    assert answer.json()["events"][0]["data"]["amount"] == "12000.00"


async def test_numbers_are_read_exactly(shared: Api) -> None:
    raw = b'{"applicant_id":"a","currency":"CLF","amount":123456789012345.6789}'
    answer = await shared.post(APPLICATIONS, content=raw)
    assert answer.json()["events"][0]["data"]["amount"] == "123456789012345.6789"


async def test_a_dry_run_says_what_would_happen_and_records_nothing(api: Api) -> None:
    path = await api.applied()
    before = api.count(), api.count("ledger.command_keys")
    decided = await api.post(f"{path}/decision?dry_run=true", headers={"idempotency-key": "k"})
    body = decided.json()
    assert decided.status_code == 200
    assert (body["application_id"], body["position"], body["status"]) == (None, None, "approved")
    assert body["version"] == 2
    (event,) = body["events"]
    assert event["event_type"] == "decided"
    assert event["data"]["outcome"] == "approved"
    assert [event[name] for name in ("position", "command_id", "application_id")] == [None] * 3
    applied = await api.post(f"{APPLICATIONS}?dry_run=true", STORY)
    assert (applied.status_code, applied.json()["status"]) == (200, "stored")
    assert "location" not in applied.headers
    disbursements = f"{path}/disbursements?dry_run=true"
    problem(await api.post(disbursements), 409, "no_accepted_offer")  # no key is needed
    problem(await api.post(f"{path}/disbursements"), 400, "key_required")
    assert before == (api.count(), api.count("ledger.command_keys"))
    assert (await api.post(f"{path}/decision", headers={"idempotency-key": "k"})).status_code == 200


async def test_every_problem_of_a_command_says_what_it_belongs_to(api: Api) -> None:
    path = await api.applied()
    said = {"correlation-id": "case 7", "idempotency-key": "k"}
    await api.post(f"{path}/notes", {"text": "t"}, headers=said)
    problems = [
        await api.post(f"{path}/notes", {"text": "other"}, headers=said),
        await api.post(f"{path}/notes", {"text": ""}, headers=said),
        await api.post(f"{path}/notes", content=b"{", headers=said),
        await api.post(f"{path}/notes?nonsense=1", {"text": "t"}, headers=said),
        await api.post(f"{APPLICATIONS}/x/notes", {"text": "t"}, headers=said),
        await api.post(f"{APPLICATIONS}/{uuid4()}/notes", {"text": "t"}, headers=said),
        await api.post(
            f"{path}/notes", {"text": "t"}, headers={"correlation-id": "case 7", "if-match": "9"}
        ),
        await api.post(f"{path}/disbursements", headers={"correlation-id": "case 7"}),
    ]
    assert [one.status_code for one in problems] == [422, 422, 400, 422, 422, 404, 412, 400]
    assert {one.headers["correlation-id"] for one in problems} == {"case 7"}
    unsaid = await api.post(f"{path}/notes", {"text": ""})
    assert len(unsaid.headers["correlation-id"]) == 32


@pytest.mark.parametrize(
    "wrong",
    [{"idempotency-key": "k" * 256}, {"if-match": "x"}, {"lending-effective-at": "now"},
     {"causation-id": ""}, {"origin": "http://elsewhere.example"}],
    ids="".join,
)  # fmt: skip
async def test_a_header_that_is_wrong_takes_no_correlation_away(
    shared: Api, wrong: dict[str, str]
) -> None:
    answer = await shared.post(APPLICATIONS, STORY, headers={"correlation-id": "case 7", **wrong})
    assert answer.status_code in {403, 422}
    assert answer.headers["correlation-id"] == "case 7"


@pytest.mark.parametrize("given", [["c" * 201], [""], ["a", "b"]], ids=["long", "empty", "two"])
async def test_a_correlation_id_that_is_none_is_not_given_back(
    shared: Api, given: list[str]
) -> None:
    said = [("correlation-id", one) for one in given]
    answer = await shared.client.post(APPLICATIONS, json=STORY, headers=said)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["header"] == "Correlation-Id"
    assert len(answer.headers["correlation-id"]) == 32


async def test_a_command_that_the_service_failed_says_what_it_belongs_to(api: Api) -> None:
    path = await api.applied()
    with psycopg.connect(api.database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update ledger.loan_events set data = '{}', recorded_at = recorded_at + interval '1 s'"
            " where version = 1"
        )
    failed = await api.post(
        f"{path}/notes", {"text": "t"}, headers={"correlation-id": "case 7", "if-match": "9"}
    )
    problem(failed, 500, "internal_fault")
    assert failed.headers["correlation-id"] == "case 7"


MINIMAL = {"prefer": "return=minimal", "idempotency-key": "k"}


async def test_a_minimal_answer_says_the_outcome_alone(api: Api) -> None:
    applied = await api.post(APPLICATIONS, STORY, headers=MINIMAL)
    assert applied.status_code == 201
    assert applied.headers["preference-applied"] == "return=minimal"
    assert applied.headers["location"] == f"{APPLICATIONS}/{applied.json()['application_id']}"
    told = {"status", "version", "position", "outcome", "application_id"}
    assert applied.json().keys() == told
    again = await api.post(APPLICATIONS, STORY, headers=MINIMAL)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == applied.json()
    whole = await api.post(APPLICATIONS, STORY, headers={"idempotency-key": "k"})
    assert "preference-applied" not in whole.headers
    assert len(whole.json()["events"]) == 1
    same = {"status", "version", "position", "application_id"}
    assert {name: whole.json()[name] for name in same} == {n: applied.json()[n] for n in same}


async def test_a_minimal_answer_tells_what_was_so_already_from_what_is_new(api: Api) -> None:
    path = await api.applied()
    hold = {"kind": "fraud"}
    outcomes = [
        (await api.post(f"{path}/holds", hold, headers={"prefer": "wait=1, return=minimal"})).json()
        for _ in range(2)
    ]
    assert [one["outcome"] for one in outcomes] == ["accepted", "already_so"]


async def test_refusals_and_dry_runs_are_told_whole_however_little_is_preferred(api: Api) -> None:
    path = await api.applied()
    refused = await api.post(f"{path}/disbursements", None, headers=MINIMAL)
    assert problem(refused, 409, "no_accepted_offer")["allowed_commands"]
    rehearsed = await api.post(f"{path}/notes?dry_run=true", {"text": "t"}, headers=MINIMAL)
    assert "preference-applied" not in rehearsed.headers
    assert rehearsed.json()["events"]


async def test_two_at_once_on_one_application_are_put_in_order(api: Api) -> None:
    path = await api.applied()
    notes = [api.post(f"{path}/notes", {"text": f"note {n}"}) for n in range(20)]
    decisions = [api.post(f"{path}/decision") for _ in range(5)]
    answers = await asyncio.gather(*notes, *decisions)
    assert {answer.status_code for answer in answers} == {200}
    assert sum(len(answer.json()["events"]) for answer in answers[20:]) == 1
    assert (await api.get(path)).json()["version"] == 22
    versions = [e["version"] for answer in answers for e in answer.json()["events"]]
    assert sorted(versions) == list(range(2, 23))


async def test_the_same_id_in_capitals_is_the_same_application_and_request(api: Api) -> None:
    path = await api.applied()
    head, _, application_id = path.rpartition("/")
    key = {"idempotency-key": "k"}
    first = await api.post(f"{path}/decision", headers=key)
    again = await api.post(f"{head}/{application_id.upper()}/decision", headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
