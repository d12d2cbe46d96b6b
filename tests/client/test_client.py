"""The client against a served ledger: every test runs with the blocking client and with asyncio's."""

from dataclasses import is_dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, cast, get_args, get_type_hints

import pytest

from lending import client as client_package
from lending.api.policy_routes import EXAMPLE
from lending.client import (
    AcceptOffer,
    AddNote,
    Amend,
    Apply,
    CommandAnswer,
    Configuration,
    Decide,
    Disburse,
    Event,
    InvalidRequest,
    LedgerError,
    MakeOffer,
    NotFound,
    Order,
    Outcome,
    Refused,
    Unsendable,
    VersionMismatch,
    Wanted,
)
from lending.client.sync import LedgerClient
from tests.api.served import Api
from tests.client.both import Client

APPLY = Apply(applicant_id="cust_2002", amount=Decimal("12000.50"), income=Decimal(6500))


async def test_an_application_goes_its_way_in_typed_commands(client: Client) -> None:
    opened: CommandAnswer = await client.call("apply", APPLY)
    assert opened.status == "stored"
    assert opened.version == 1
    assert opened.application_id is not None
    about = opened.application_id
    approved = await client.call("decide", about, Decide(outcome=Outcome.APPROVED))
    assert approved.status == "approved"
    assert "make_offer" in {step.command for step in approved.allowed_commands}
    await client.call("issue", MakeOffer(amount=Decimal("12000.50")), about)
    await client.call("issue", AcceptOffer(offer_id="1"), about)
    paid = await client.call("disburse", about, Disburse(channel="bank transfer"))
    assert paid.status == "active"
    seen = await client.call("application", about)
    assert seen.amount == Decimal("12000.50")
    assert seen.version == paid.version
    history: list[Event] = await client.take(None, "history", about)
    assert [event.version for event in history] == list(range(1, paid.version + 1))
    assert history[0].data["amount"] == "12000.50"
    assert history[0].application_id == about


async def test_the_same_key_gets_the_same_answer(client: Client) -> None:
    key = f"once-{id(client)}"
    first = await client.call("apply", APPLY, key=key)
    again = await client.call("apply", APPLY, key=key)
    assert not first.replayed
    assert again.replayed
    assert replace(again, replayed=False, correlation_id=None) == replace(
        first, correlation_id=None
    )


async def test_without_a_key_every_call_has_its_own(client: Client) -> None:
    first, second = await client.call("apply", APPLY), await client.call("apply", APPLY)
    assert first.application_id != second.application_id


async def test_a_refusal_says_what_may_be_asked_instead(client: Client) -> None:
    opened = await client.call("apply", APPLY)
    with pytest.raises(Refused) as caught:
        await client.call("disburse", opened.application_id)
    assert caught.value.code
    assert not caught.value.retryable
    assert "decide" in {step.command for step in caught.value.allowed_commands}
    assert caught.value.current_version == 1


async def test_each_way_to_fail_has_its_class(client: Client) -> None:
    opened = await client.call("apply", APPLY)
    note = AddNote(text="seen")
    with pytest.raises(VersionMismatch):
        await client.call("issue", note, opened.application_id, if_match=7)
    with pytest.raises(NotFound):
        await client.call("application", "01890000-0000-7000-8000-000000000000")
    with pytest.raises(InvalidRequest) as caught:
        await client.call("issue", AddNote(text=""), opened.application_id)
    assert caught.value.errors[0]["pointer"] == "/text"


async def test_what_is_about_no_application_is_not_even_sent(client: Client) -> None:
    with pytest.raises(ValueError, match="add_note needs"):
        await client.call("issue", AddNote(text="x"))
    with pytest.raises(ValueError, match="apply opens"):
        await client.call("issue", APPLY, "01890000-0000-7000-8000-000000000000")


@pytest.mark.parametrize(
    ("given", "beside", "why"),
    [
        (AddNote(text="x"), {"key": "a\r\nX: y"}, "Idempotency-Key"),
        (AddNote(text="x"), {"key": "é"}, "Idempotency-Key"),
        (AddNote(text="x"), {"correlation_id": ""}, "Correlation-Id"),
        (AddNote(text="x"), {"effective_at": datetime(2026, 1, 1)}, "zone"),  # noqa: DTZ001
        (Amend(amount=cast(Any, 1.5)), {}, "1.5 is a float"),
    ],
)
async def test_what_cannot_be_sent_is_the_callers_at_once(
    client: Client, given: Any, beside: dict[str, Any], why: str
) -> None:
    with pytest.raises(Unsendable, match=why) as caught:
        await client.call("issue", given, "01890000-0000-7000-8000-000000000000", **beside)
    assert isinstance(caught.value, LedgerError)


async def test_what_was_known_when_is_read_as_it_is_said(client: Client) -> None:
    about = (await client.call("apply", APPLY)).application_id
    decided = await client.call("decide", about)
    told = await client.take(None, "timeline", about)
    assert [one["event_type"] for one in told] == ["applied", "decided"]
    assert len(await client.take(None, "timeline", about, version=1)) == 1
    found = await client.call("difference", about, from_version=1)
    assert "/status" in [one["pointer"] for one in found["differences"]]
    seen = await client.call("decision_view", about, decided.version)
    assert seen["seen"]["version"] == 1
    with pytest.raises(NotFound) as none:
        await client.call("decision_view", about, 1)
    assert none.value.code == "decision_not_found"


async def test_a_dry_run_records_nothing(client: Client) -> None:
    opened = await client.call("apply", APPLY)
    about = opened.application_id
    rehearsed = await client.call("issue", AddNote(text="x"), about, dry_run=True)
    assert rehearsed.events[0].position is None
    assert (await client.call("application", about)).version == 1


async def test_many_commands_are_answered_each_in_its_place(client: Client) -> None:
    answers = await client.call(
        "bulk",
        [
            Order(command=APPLY),
            Order(command=AddNote(text="first"), application_of=0),
            Order(command=Disburse(), application_of=0),
            Order(command=replace(APPLY, amount=Decimal(0))),
            Order(command=AddNote(text="never"), application_of=3),
            Order(command=AcceptOffer(offer_id="1"), application_of=0),
        ],
    )
    opened, noted, *bad = answers
    assert isinstance(opened, CommandAnswer)
    assert noted.application_id == opened.application_id
    assert noted.version == 2
    assert isinstance(bad[0], Refused)
    assert isinstance(bad[1], Refused)
    assert [problem.code for problem in bad[2:3]] == ["not_attempted"]
    assert isinstance(bad[3], Refused)


async def test_the_feed_has_everything_in_order_by_stream_and_by_poll(client: Client) -> None:
    before = (await client.call("apply", APPLY)).position
    for number in range(5):
        await client.call("apply", replace(APPLY, reference=f"r{number}"))
    for polling in (False, True):
        seen: list[Event] = await client.take(5, "follow", before, polling=polling)
        assert [event.data["reference"] for event in seen] == [f"r{n}" for n in range(5)]
        rest = await client.take(3, "follow", seen[1].cursor, polling=polling)
        assert [event.position for event in rest] == [event.position for event in seen[2:]]
        assert seen[0].cursor is not None
        assert "@" in seen[0].cursor


def test_a_filter_says_what_it_leaves_out() -> None:
    assert Wanted().everything
    assert not Wanted(event_types=["applied"]).everything
    assert Wanted(event_types=["a", "b"]).query() == [("event_type", "a,b")]


async def test_the_credential_is_shown_nowhere(shared: Api) -> None:
    secret = "lk_do_not_show"
    configuration = Configuration(url=str(shared.client.base_url), credential=secret)
    with LedgerClient(configuration) as client:
        shown = f"{configuration!r} {client!r} {vars(client)!r}"
        assert secret not in shown
        with pytest.raises(ValueError, match="printable") as caught:
            LedgerClient(replace(configuration, credential=f"{secret}\r\nX: 1"))
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://x", "http://", "http://h:port", "http://h/?a", "http://u@h"]
)
def test_what_is_no_url_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        LedgerClient(url)


def test_whatever_a_command_is_made_of_comes_with_the_client() -> None:
    found: set[Any] = set()

    def see(hint: Any) -> None:
        if is_dataclass(hint) or (isinstance(hint, type) and issubclass(hint, Enum)):
            found.add(hint)
        if is_dataclass(hint):
            for inner in get_type_hints(hint).values():
                see(inner)
        for argument in get_args(hint):
            see(argument)

    see(client_package.Command)
    assert {one.__name__ for one in found} <= set(client_package.__all__)
    assert all(getattr(client_package, one.__name__) is one for one in found)


async def test_a_policy_is_published_tried_and_activated_and_a_model_registered(
    client: Client,
) -> None:
    policy = {**EXAMPLE, "name": f"by-{type(client.client).__name__.lower()}"}
    named = (policy["name"], policy["version"])
    await client.call("publish_policy", policy)
    await client.call("publish_policy", policy)
    facts = {"amount_minor": 1_200_000, "currency": "USD", "term_months": 36}
    tried = await client.call("evaluate_policy", *named, facts)
    assert (tried["outcome"], tried["rules"]) == ("approved", ["limits/small"])
    with pytest.raises(Refused) as unfit:
        await client.call("evaluate_policy", *named, {})
    assert unfit.value.code == "facts_unfit"
    await client.call("activate_policy", *named, "2099-01-01T00:00:00Z")
    read = await client.call("policy", *named)
    assert read["activations"] == ["2099-01-01T00:00:00.000000Z"]
    with pytest.raises(NotFound):
        await client.call("policy", "unheard-of", "1")
    model = {
        "name": "m",
        "version": "1",
        "artifact_digest": "a" * 64,
        "owner": "o",
        "valid_from": "2026-01-01",
    }
    await client.call("register_model", model)
