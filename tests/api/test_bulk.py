"""Many commands in one request: each is answered as it would be alone, and none is done twice."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from lending.runtime import limits
from tests.api.served import APPLICATIONS, STORY, Api, problem

pytestmark = pytest.mark.anyio
BULK = "/loan/commands"
APPLY: dict[str, Any] = {"command": "apply", "body": STORY}
# One loan from application to payment: what follows the apply.
COURSE: list[dict[str, Any]] = [
    {"command": "attach_context", "body": {"kind": "verification", "stage": "identity"}},
    {"command": "score", "body": {"model": "m", "model_version": "1", "score": 712}},
    {"command": "decide"},
    {"command": "make_offer", "body": {"amount": 12000}},
    {"command": "accept_offer", "body": {"offer_id": "1"}},
    {"command": "disburse"},
]


async def bulk(api: Api, *commands: Any, atomic: bool = False) -> list[dict[str, Any]]:
    """The items that answer these commands."""
    answer = await api.post(BULK, {"commands": list(commands), "atomic": atomic})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    items: list[dict[str, Any]] = answer.json()["items"]
    assert len(items) == len(commands)
    return items


def loan(name: str, at: int = 0) -> list[dict[str, Any]]:
    """A whole loan, opened by the command at place `at`; every command has a key."""
    rest = [{**one, "application_of": at} for one in COURSE]
    return [{**one, "idempotency_key": f"{name}-{n}"} for n, one in enumerate([APPLY, *rest])]


def statuses(items: list[dict[str, Any]]) -> list[int]:
    return [item["status"] for item in items]


def codes(items: list[dict[str, Any]]) -> list[str | None]:
    return [item["body"].get("code") for item in items]


# each by itself


async def test_loans_go_from_application_to_payment_in_one_request(api: Api) -> None:
    commands = [one for n in range(5) for one in loan(f"loan {n}", at=7 * n)]
    items = await bulk(api, *commands)
    assert statuses(items) == [201, 200, 200, 200, 200, 200, 200] * 5
    for n in range(5):
        versions = [item["body"]["version"] for item in items[7 * n : 7 * n + 7]]
        assert versions == [1, 2, 3, 4, 5, 6, 7]
        path = items[7 * n]["headers"]["Location"]
        found = (await api.get(path)).json()
        assert (found["version"], found["status"]) == (7, "active")
        assert found["position"] == items[7 * n + 6]["body"]["position"]
        events = (await api.get(f"{path}/events")).json()["items"]
        assert events == [e for i in items[7 * n : 7 * n + 7] for e in i["body"]["events"]]


async def test_an_item_is_answered_as_the_command_alone_would_be(api: Api) -> None:
    """The same key says so: alone, each is the very request that it was among many."""
    items = await bulk(
        api, *loan("x"), {"command": "withdraw", "application_of": 0, "idempotency_key": "w"}
    )
    path = items[0]["headers"]["Location"]
    suffixes = ["", "/context", "/score", "/decision", "/offers", "/offers/1/acceptance",
                "/disbursements", "/withdrawal"]  # fmt: skip
    bodies = [STORY, *(one.get("body") for one in COURSE), None]
    bodies[5] = None
    for n, (suffix, body) in enumerate(zip(suffixes, bodies, strict=True)):
        key = {"idempotency-key": f"x-{n}" if n < 7 else "w"}
        alone = await api.post(path + suffix if n else APPLICATIONS, body, headers=key)
        assert alone.headers["idempotency-replayed"] == "true", alone.text
        assert (alone.status_code, alone.json()) == (items[n]["status"], items[n]["body"])
        for name in ("etag", "location"):
            told = {k.lower(): v for k, v in items[n]["headers"].items()}
            assert alone.headers.get(name) == told.get(name)


async def test_a_bulk_that_prefers_so_is_told_each_outcome_alone(api: Api) -> None:
    commands = [*loan("x"), {"command": "make_offer", "application_of": 0, "body": {"amount": 1}}]
    told = await api.post(BULK, {"commands": commands}, headers={"prefer": "return=minimal"})
    assert told.headers["preference-applied"] == "return=minimal"
    *held, refused = told.json()["items"]
    assert statuses(held) == [201, 200, 200, 200, 200, 200, 200]
    assert {frozenset(item["body"]) for item in held} == {
        frozenset(("application_id", "status", "version", "position", "outcome"))
    }
    assert refused["body"]["code"] == "already_disbursed"
    assert refused["body"]["allowed_commands"]
    whole = await bulk(api, *commands[:-1])
    assert [item["body"]["position"] for item in whole] == [i["body"]["position"] for i in held]
    assert all(item["body"]["events"] for item in whole)


async def test_what_was_done_alone_is_repeated_by_a_bulk(api: Api) -> None:
    path = await api.applied()
    application_id = path.rpartition("/")[2]
    key = {"idempotency-key": "n"}
    first = await api.post(f"{path}/notes", {"text": "one"}, headers=key)
    note = {
        "command": "add_note", "application_id": application_id.upper(), "idempotency_key": '"n"',
        "body": {"text": "one"},
    }  # fmt: skip
    (again,) = await bulk(api, note)
    assert (again["status"], again["body"]) == (200, first.json())
    assert again["headers"]["Idempotency-Replayed"] == "true"
    other = {**note, "body": {"text": "two"}}
    assert codes(await bulk(api, other)) == ["idempotency_key_reused"]


async def test_a_repeated_bulk_answers_every_item_the_same(api: Api) -> None:
    commands = [
        *loan("a"),
        *loan("b", at=7),
        {**APPLY, "idempotency_key": "no", "body": {**STORY, "amount": 0}},
    ]
    first = await bulk(api, *commands)
    events = api.count()
    for _ in range(3):
        again = await bulk(api, *commands)
        for one, other in zip(first, again, strict=True):
            assert (other["status"], other["body"]) == (one["status"], one["body"])
            assert other["headers"].pop("Idempotency-Replayed") == "true"
            del one["headers"]["Correlation-Id"], other["headers"]["Correlation-Id"]
            assert other["headers"] == one["headers"]
            one["headers"]["Correlation-Id"] = ""
    assert api.count() == events


async def test_a_bulk_that_was_done_in_part_is_completed(api: Api) -> None:
    commands = loan("p")
    first = await bulk(api, *commands[:4])
    whole = await bulk(api, *commands)
    assert [i["body"] for i in whole[:4]] == [i["body"] for i in first]
    assert [i["body"]["version"] for i in whole] == [1, 2, 3, 4, 5, 6, 7]
    assert ["Idempotency-Replayed" in i["headers"] for i in whole] == [True] * 4 + [False] * 3


async def test_a_key_given_twice_in_a_bulk_is_one_command(api: Api) -> None:
    path = await api.applied()
    note = {
        "command": "add_note", "application_id": path.rpartition("/")[2], "idempotency_key": "k",
        "body": {"text": "t"},
    }  # fmt: skip
    last = {**note, "idempotency_key": "l"}
    items = await bulk(
        api, note, note, last, {**APPLY, "idempotency_key": "k"}, {**APPLY, "idempotency_key": "k"}
    )
    assert statuses(items) == [200, 200, 200, 201, 201]
    assert items[0]["body"] == items[1]["body"]
    assert items[3]["body"] == items[4]["body"]
    assert items[2]["body"]["version"] == 3


async def test_a_malformed_command_is_its_own_fault_and_nobody_elses(api: Api) -> None:
    path = await api.applied()
    application_id = path.rpartition("/")[2]
    note = {"command": "add_note", "application_id": application_id, "body": {"text": "t"}}
    wrong: list[tuple[Any, int, str]] = [
        (7, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
        ({"command": "steal"}, 422, "invalid_request"),
        ({**note, "extra": 1}, 422, "invalid_request"),
        ({**note, "body": {"text": ""}}, 422, "invalid_request"),
        ({**note, "body": None}, 422, "invalid_request"),
        ({**note, "idempotency_key": 7}, 422, "invalid_request"),
        ({**note, "idempotency_key": "k" * 256}, 422, "idempotency_key_invalid"),
        ({**note, "if_match": "x"}, 422, "if_match_invalid"),
        ({**note, "effective_at": "now"}, 422, "lending_effective_at_invalid"),
        ({**note, "on_behalf_of": "é"}, 422, "lending_actor_invalid"),
        ({**note, "agent_build": ""}, 422, "lending_agent_build_invalid"),
        ({**note, "application_id": "x"}, 422, "invalid_request"),
        ({**note, "application_of": 0}, 422, "invalid_request"),
        ({**note, "application_id": None}, 422, "invalid_request"),
        ({**note, "application_id": None, "application_of": 0}, 422, "invalid_request"),
        ({**note, "application_id": None, "application_of": -1}, 422, "invalid_request"),
        ({**note, "application_id": None, "application_of": True}, 422, "invalid_request"),
        ({**note, "application_id": None, "application_of": 99}, 422, "invalid_request"),
        ({**note, "application_id": str(uuid4())}, 404, "application_not_found"),
        ({**note, "if_match": '"7"'}, 412, "precondition_failed"),
        ({**APPLY, "if_match": '"1"'}, 422, "if_match_invalid"),
        ({**APPLY, "application_of": 0}, 422, "invalid_request"),
        ({"command": "disburse", "application_id": application_id}, 400, "key_required"),
        ({"command": "accept_offer", "application_id": application_id}, 422, "invalid_request"),
        ({"command": "accept_offer", "application_id": application_id, "body": {"offer_id": 1}}, 422,
         "invalid_request"),
        ({"command": "accept_offer", "application_id": application_id, "body": []}, 422,
         "invalid_request"),
    ]  # fmt: skip
    items = await bulk(api, note, *(item for item, _, _ in wrong), note)
    assert [(i["status"], i["body"]["code"]) for i in items[1:-1]] == [(s, c) for _, s, c in wrong]
    assert [items[0]["body"]["version"], items[-1]["body"]["version"]] == [2, 3]
    for item in items[1:-1]:
        assert item["body"]["status"] == item["status"]


async def test_an_id_that_is_none_is_pointed_at_in_its_item(api: Api) -> None:
    (item,) = await bulk(api, {"command": "decide", "application_id": "x"})
    assert item["body"]["errors"] == [{"pointer": "/application_id", "message": "must be a UUID"}]


async def test_every_item_says_what_it_belongs_to(api: Api) -> None:
    items = await bulk(
        api,
        {**APPLY, "correlation_id": "a"},
        {"command": "disburse", "application_of": 0, "correlation_id": "b"},
        {"command": "disburse", "application_of": 0, "idempotency_key": "k"},
        {"command": "decide", "application_id": str(uuid4()), "correlation_id": "d"},
        {"command": "decide", "application_id": "x", "correlation_id": "e"},
        {"command": "unheard-of", "correlation_id": ""},
        7,
    )
    assert codes(items) == [
        None, "key_required", "no_accepted_offer", "application_not_found", "invalid_request",
        "invalid_request", "invalid_request",
    ]  # fmt: skip
    told = [item["headers"]["Correlation-Id"] for item in items]
    assert (told[0], told[1], told[3], told[4]) == ("a", "b", "d", "e")
    assert [len(told[place]) for place in (2, 5, 6)] == [32, 32, 32]


async def test_what_follows_an_apply_that_does_not_hold_is_not_attempted(api: Api) -> None:
    def note(of: int) -> dict[str, Any]:
        return {
            "command": "add_note",
            "application_of": of,
            "body": {"text": "t"},
            "idempotency_key": "n",
        }

    refused = {**APPLY, "body": {**STORY, "amount": 0}}
    malformed = {**APPLY, "body": {}}
    items = await bulk(api, refused, note(0), malformed, note(2), APPLY, note(4))
    assert codes(items) == [
        "amount_not_positive", "not_attempted", "invalid_request", "not_attempted", None, None,
    ]  # fmt: skip
    assert statuses(items)[1::2] == [409, 409, 200]
    assert items[1]["body"]["retryable"] is False
    assert api.count("ledger.command_keys where command = 'add_note'") == 1


async def test_a_refusal_in_the_middle_changes_nothing_for_what_follows(api: Api) -> None:
    commands = loan("r")
    early = {"command": "disburse", "application_of": 0, "idempotency_key": "early"}
    items = await bulk(api, commands[0], early, *commands[1:])
    assert codes(items) == [None, "no_accepted_offer", *[None] * 6]
    assert items[1]["body"]["current_version"] == 1
    path = items[0]["headers"]["Location"]
    alone = await api.post(f"{path}/disbursements", headers={"idempotency-key": "early"})
    assert alone.json() == items[1]["body"]
    assert (await api.get(path)).json()["status"] == "active"


async def test_versions_seen_inside_a_bulk_match_its_own_commands(api: Api) -> None:
    def note(if_match: str) -> dict[str, Any]:
        return {
            "command": "add_note",
            "application_of": 0,
            "body": {"text": "t"},
            "if_match": if_match,
        }

    items = await bulk(
        api, APPLY, note('"1"'), note('"1"'), note('"2"'), note('"1", "3"'), note("*")
    )
    assert statuses(items) == [201, 200, 412, 200, 200, 200]
    assert items[2]["body"]["current_version"] == 2
    assert items[5]["headers"]["ETag"] == '"5"'


async def test_an_instant_of_ones_own_is_held_against_what_is_on_record(api: Api) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=40)).isoformat()
    ahead = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    note = {"command": "add_note", "application_of": 0, "body": {"text": "t"}}
    items = await bulk(
        api, APPLY, {**note, "effective_at": long_ago}, {**note, "effective_at": ahead}, note
    )
    assert codes(items) == [None, "effective_before_application", None, None]
    dated = await bulk(api, {**APPLY, "effective_at": long_ago}, {**note, "effective_at": long_ago})
    assert statuses(dated) == [201, 200]
    assert dated[1]["body"]["events"][0]["effective_at"][:10] == long_ago[:10]


async def test_provenance_is_recorded_with_each_command(api: Api) -> None:
    said = {
        "on_behalf_of": "agent-7", "agent_build": "import/1", "correlation_id": "case 1",
        "causation_id": "mail 2",
    }  # fmt: skip
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await api.post(BULK, {"commands": [{**APPLY, **said}]}, headers={"traceparent": trace})
    (item,) = answer.json()["items"]
    (event,) = item["body"]["events"]
    assert {name: event[name] for name in said} == said
    assert item["headers"]["Correlation-Id"] == "case 1"
    kept = api.rows("select traceparent from ledger.loan_events order by position desc limit 1")
    assert kept == [(trace,)]


async def test_two_bulks_and_single_commands_on_one_application_all_hold(api: Api) -> None:
    path = await api.applied()
    application_id = path.rpartition("/")[2]

    def notes(name: str) -> list[dict[str, Any]]:
        return [
            {"command": "add_note", "application_id": application_id, "idempotency_key": f"{name}{n}",
             "body": {"text": "t"}}
            for n in range(100)
        ]  # fmt: skip

    alone = [api.post(f"{path}/notes", {"text": "alone"}) for _ in range(20)]
    many = [bulk(api, *notes(name)) for name in "abca"]
    answers, items = await asyncio.gather(asyncio.gather(*alone), asyncio.gather(*many))
    assert {answer.status_code for answer in answers} == {200}
    assert {status for one in items for status in statuses(one)} == {200}
    assert [i["body"] for i in items[0]] == [i["body"] for i in items[3]]
    assert (await api.get(path)).json()["version"] == 1 + 20 + 300


# the envelope


@pytest.mark.parametrize(
    "body",
    [[], 7, {}, {"commands": []}, {"commands": {}}, {"commands": [APPLY], "atomic": 1},
     {"commands": [APPLY], "extra": 1}, {"commands": [APPLY] * (limits.BULK_MAX_COMMANDS + 1)}],
    ids=["array", "number", "nothing", "none", "object", "atomic", "extra", "too many"],
)  # fmt: skip
async def test_a_malformed_envelope_is_the_whole_requests(shared: Api, body: Any) -> None:
    before = shared.count()
    problem(await shared.post(BULK, body), 422, "invalid_request")
    assert shared.count() == before


async def test_an_envelope_is_read_like_every_body(shared: Api) -> None:
    problem(await shared.post(BULK), 422, "invalid_request")
    problem(await shared.post(BULK, content=b'{"commands":[{"a":1,"a":2}]}'), 400, "malformed_json")
    answer = await shared.client.post(BULK, content=b"{}", headers={"content-type": "text/plain"})
    problem(answer, 415, "unsupported_media_type")
    too_large = b'{"commands":["' + b"x" * limits.BODY_MAX_BYTES + b'"]}'
    problem(await shared.post(BULK, content=too_large), 413, "body_too_large")
    problem(
        await shared.post(f"{BULK}?dry_run=true", {"commands": [APPLY]}), 422, "invalid_request"
    )


@pytest.mark.parametrize(
    "name", ["idempotency-key", "if-match", "lending-actor", "lending-effective-at"]
)
async def test_what_is_said_of_a_command_is_said_in_its_item(shared: Api, name: str) -> None:
    answer = await shared.post(BULK, {"commands": [APPLY]}, headers={name: "1"})
    code = name.replace("-", "_") + "_invalid"
    assert problem(answer, 422, code)["errors"][0]["header"].lower() == name


async def test_the_largest_bulk_is_answered(shared: Api) -> None:
    small = {"command": "apply", "body": {"applicant_id": "a", "amount": 1}}
    items = await bulk(shared, *[small] * limits.BULK_MAX_COMMANDS)
    assert set(statuses(items)) == {201}
    assert len({item["headers"]["Location"] for item in items}) == limits.BULK_MAX_COMMANDS


# all or none


async def test_an_atomic_bulk_is_recorded_whole(api: Api) -> None:
    items = await bulk(api, *loan("w"), atomic=True)
    assert statuses(items) == [201, 200, 200, 200, 200, 200, 200]
    path = items[0]["headers"]["Location"]
    assert (await api.get(path)).json()["status"] == "active"
    again = await bulk(api, *loan("w"), atomic=True)
    assert [i["body"] for i in again] == [i["body"] for i in items]
    assert all(i["headers"]["Idempotency-Replayed"] == "true" for i in again)


async def test_an_atomic_bulk_with_a_refusal_records_the_refusal_alone(api: Api) -> None:
    path = await api.applied()
    application_id = path.rpartition("/")[2]
    commands = [
        {"command": "decide", "application_id": application_id, "idempotency_key": "d"},
        {"command": "disburse", "application_id": application_id, "idempotency_key": "p"},
        {"command": "add_note", "application_id": application_id, "body": {"text": "t"}},
    ]
    items: list[dict[str, Any]] = []
    for again in (False, True):
        items = await bulk(api, *commands, atomic=True)
        assert codes(items) == ["not_attempted", "no_accepted_offer", "not_attempted"]
        assert items[0]["body"]["retryable"] is False
        assert items[1]["body"]["current_version"] == 1
        assert ("Idempotency-Replayed" in items[1]["headers"]) is again
    assert (await api.get(path)).json()["version"] == 1
    assert api.rows("select command, outcome, version from ledger.command_keys") == [
        ("disburse", "refused", 1)
    ]
    alone = await api.post(f"{path}/disbursements", headers={"idempotency-key": "p"})
    assert alone.json() == items[1]["body"]


async def test_an_atomic_bulk_opens_no_application_for_commands_that_are_refused(api: Api) -> None:
    before = api.count()
    offer = {"command": "accept_offer", "application_of": 0, "body": {"offer_id": "1"}}
    items = await bulk(api, APPLY, offer, atomic=True)
    assert codes(items) == ["not_attempted", "no_open_offer"]
    refused = {**APPLY, "body": {**STORY, "amount": 0}}
    note = {"command": "add_note", "application_of": 0, "body": {"text": "t"}}
    assert codes(await bulk(api, refused, note, atomic=True)) == [
        "amount_not_positive",
        "not_attempted",
    ]
    assert api.count() == before


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"body": {}}, "invalid_request"),
        ({"if_match": '"9"'}, "precondition_failed"),
        ({"idempotency_key": "same"}, "idempotency_key_reused"),
        ({"effective_at": "2026-01-01T00:00:00Z"}, "invalid_request"),
        ({"command": "disburse", "body": {}}, "key_required"),
    ],
)
async def test_an_atomic_bulk_with_a_fault_records_nothing(
    api: Api, wrong: dict[str, Any], code: str
) -> None:
    path = await api.applied()
    before = api.count(), api.count("ledger.command_keys")
    note = {"command": "add_note", "application_id": path.rpartition("/")[2], "body": {"text": "t"}}
    items = await bulk(
        api, {**note, "idempotency_key": "same"}, {**note, **wrong}, note, atomic=True
    )
    assert codes(items) == ["not_attempted", code, "not_attempted"]
    assert (api.count(), api.count("ledger.command_keys")) == before


async def test_an_atomic_bulk_is_about_one_application(shared: Api) -> None:
    one, two = [(await shared.applied()).rpartition("/")[2] for _ in range(2)]
    note = {"command": "add_note", "body": {"text": "t"}}
    for commands in (
        [{**note, "application_id": one}, {**note, "application_id": two}],
        [APPLY, APPLY],
        [APPLY, {**note, "application_id": one}],
    ):
        answer = await shared.post(BULK, {"commands": commands, "atomic": True})
        problem(answer, 422, "invalid_request")


async def test_atomic_bulks_at_the_same_time_do_not_mix(api: Api) -> None:
    path = await api.applied()
    application_id = path.rpartition("/")[2]

    def notes(name: str) -> list[dict[str, Any]]:
        return [
            {
                "command": "add_note",
                "application_id": application_id,
                "body": {"text": f"{name} {n}"},
            }
            for n in range(20)
        ]

    await asyncio.gather(*(bulk(api, *notes(name), atomic=True) for name in "abcdef"))
    events = (await api.get(f"{path}/events?limit=1000")).json()["items"][1:]
    names = [event["data"]["text"].split()[0] for event in events]
    assert sorted(names[::20]) == list("abcdef")
    assert all(len(set(names[at : at + 20])) == 1 for at in range(0, 120, 20))
