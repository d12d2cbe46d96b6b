"""Handling commands: idempotency, versions, conflicts, policy, and what is kept of refusals."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from lending.domain.application import commands as c
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import Refusal
from lending.domain.application.state import Status
from lending.domain.identifiers import registry_id
from lending.service.history import Moment, UnknownMoment
from lending.service.ledger import new_id
from lending.service.requests import (
    CommandAnswer,
    EventTooLarge,
    KeyRequired,
    KeyReused,
    UnknownApplication,
    VersionMismatch,
)
from tests.ledgers import Issuer, opened_ledger

pytestmark = pytest.mark.anyio
APPLY = c.Apply(
    applicant_id="cust_2002", amount=Decimal(12000), term_months=36, income=Decimal(6500)
)


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(query).fetchall()


def known(answer: CommandAnswer) -> UUID:
    assert answer.application_id is not None
    return answer.application_id


async def applied(issue: Issuer, **given: Any) -> UUID:
    return known(await issue(APPLY, **given))


async def test_a_repeated_key_gets_the_stored_answer_and_does_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        first = await issue(APPLY, key="k")
        decided = await issue(c.Decide(), known(first), key="d")
        again = await issue(APPLY, key="k")
        assert (again.replayed, again.application_id) == (True, first.application_id)
        assert (again.version, again.state.status) == (1, Status.PENDING)
        assert [e for _, e in again.events] == [e for _, e in first.events]
        repeated = await issue(c.Decide(), known(first), key="d")
        assert (repeated.replayed, repeated.version) == (True, decided.version)
        assert repeated.allowed_commands == decided.allowed_commands
        assert await ledger.history.head(0) == 4


async def test_repetitions_are_answered_alike_in_any_order(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        application = await applied(issue)
        commands: list[c.Command] = [
            c.AddNote(text="a"),
            c.Decide(),
            c.AddNote(text="b"),
            c.Amend(),
            c.Withdraw(),
        ]
        first = [await issue(one, application, key=str(n)) for n, one in enumerate(commands)]
        for order in ([0, 1, 2, 3, 4], [4, 4, 3, 2, 0, 1], [2, 2, 4, 1]):
            for n in order:
                again = await issue(commands[n], application, key=str(n))
                assert again.replayed
                assert (again.state, again.version, again.position, again.refused) == (
                    first[n].state,
                    first[n].version,
                    first[n].position,
                    first[n].refused,
                )
                assert [e for _, e in again.events] == [e for _, e in first[n].events]
                assert again.allowed_commands == first[n].allowed_commands


async def test_a_refusal_is_replayed_even_when_the_command_would_hold_by_now(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        application = await applied(issue)
        await issue(c.Hold(kind=c.HoldKind.FRAUD), application)
        refused = await issue(c.Decide(), application, key="d")
        await issue(c.Release(kind=c.HoldKind.FRAUD), application)
        again = await issue(c.Decide(), application, key="d")
        assert refused.refused is not None
        assert again.refused == refused.refused
        assert again.replayed
        assert (await issue(c.Decide(), application)).state.status is Status.APPROVED


async def test_a_key_for_another_request_is_refused_before_the_version_is_looked_at(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        application = await applied(issue)
        await issue(c.AddNote(text="one"), application, key="n", if_match=frozenset({1}))
        with pytest.raises(KeyReused):
            await issue(c.AddNote(text="two"), application, key="n", if_match=frozenset({7}))
        again = await issue(c.AddNote(text="one"), application, key="n", if_match=frozenset({7}))
        assert again.replayed
        with pytest.raises(VersionMismatch) as mismatch:
            await issue(c.AddNote(text="two"), application, key="m", if_match=frozenset({7}))
        assert mismatch.value.current_version == 2


async def test_a_fingerprint_does_not_depend_on_how_a_number_is_written(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        await issue(APPLY, key="k")
        written = c.Apply(
            applicant_id="cust_2002",
            amount=Decimal("12000.00"),
            term_months=36,
            income=Decimal(6500),
        )
        assert (await issue(written, key="k")).replayed


async def test_two_at_once_on_one_application_both_hold_or_are_refused_by_the_rules(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        opened_ledger(database_url, tmp_path) as one,
        opened_ledger(database_url, tmp_path) as two,
    ):
        issuers = [Issuer(one), Issuer(two)]
        application = await applied(issuers[0])
        decisions = [
            issuers[n % 2](
                c.Decide(outcome=c.Outcome.APPROVED)
                if n % 4 < 2
                else c.Decide(outcome=c.Outcome.REJECTED, reasons=(Reason.BANKRUPTCY,)),
                application,
            )
            for n in range(12)
        ]
        notes = [issuers[n % 2](c.AddNote(text=str(n)), application) for n in range(20)]
        answers = await asyncio.gather(*decisions, *notes)
        assert sum(len(a.events) for a in answers[:12]) == 1
        assert all(a.refused is None for a in answers[12:])
        assert (await one.history.now(application)).version == 22


async def test_a_policy_decision_names_the_registry_position_of_its_policy(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        application = await applied(issue)
        decided = await issue(c.Decide(), application)
        assert decided.state.decision is not None
        policy = decided.state.decision.policy
        assert policy is not None
        assert (policy.name, policy.version, policy.registry_position) == ("debt-to-income", "1", 1)
        registry = await ledger.history.feed(0, 0, 2)
        assert {e.application_id for e, _ in registry.events} == {registry_id(0)}
        again = await issue(c.Decide(), application)
        assert (again.refused, again.events, again.version) == (None, [], decided.version)


async def test_facts_missing_are_named(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        answer = await issue(c.Apply(applicant_id="x", amount=Decimal(5)))
        refused = (await issue(c.Decide(), known(answer))).refused
        assert refused is not None
        assert (refused.refusal, refused.detail) == (Refusal.FACTS_MISSING, "income")


async def test_every_refusal_is_on_record_key_or_not(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        await issue(c.Apply(applicant_id="x", amount=Decimal(0)))
        application = await applied(issue)
        await issue(c.AcceptOffer(offer_id="1"), application, key="a")
    found = rows(
        database_url, "select command, refusal, key from command_keys order by recorded_at"
    )
    assert found == [("apply", "amount_not_positive", None), ("accept_offer", "no_open_offer", "a")]


async def test_a_dry_run_leaves_no_trace(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        assert (await issue(APPLY, dry_run=True, key="k")).application_id is None
        application = await applied(issue, key="k")
        rehearsed = await issue(c.Decide(), application, dry_run=True, key="d")
        assert (rehearsed.state.status, rehearsed.position) == (Status.APPROVED, None)
        assert (await ledger.history.now(application)).state.status is Status.PENDING
        refused = await issue(c.AcceptOffer(offer_id="1"), application, dry_run=True)
        assert refused.refused is not None
    assert rows(database_url, "select key from command_keys") == [("k",)]


async def test_unknown_applications_are_told_apart_from_refusals(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        elsewhere = new_id(7)
        for unknown in (new_id(0), elsewhere, registry_id(0), UUID(int=0)):
            with pytest.raises(UnknownApplication):
                await issue(c.AddNote(text="x"), unknown, key="k")
    assert rows(database_url, "select 1 from command_keys") == []


async def test_money_needs_a_key(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        application = await applied(issue)
        with pytest.raises(KeyRequired):
            await issue(c.Disburse(), application)


async def test_an_event_that_is_too_large_is_refused_before_the_lane(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        application = await applied(issue)
        facts = {f"fact_{n}": "\U0001f600" * 500 for n in range(32)}
        with pytest.raises(EventTooLarge):
            await issue(c.AttachContext(kind=c.ContextKind.DOCUMENT, facts=facts), application)
        assert (await ledger.history.now(application)).version == 1


async def test_a_new_application_continues_one_that_ended(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        ended = await applied(issue)

        def next_one(continues: UUID) -> c.Apply:
            return c.Apply(applicant_id="cust_2002", amount=Decimal(5), continues=continues)

        for unknown in (new_id(0), UUID(int=3)):
            refused = (await issue(next_one(unknown))).refused
            assert refused is not None
            assert refused.refusal is Refusal.CONTINUED_UNKNOWN
        refused = (await issue(next_one(ended))).refused
        assert refused is not None
        assert refused.refusal is Refusal.CONTINUED_NOT_ENDED
        await issue(c.Withdraw(), ended)
        assert (await issue(next_one(ended))).state.status is Status.PENDING


async def test_any_moment_can_be_had_again(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        early = datetime.now(UTC) - timedelta(days=400)
        application = await applied(issue, effective_at=early)
        between = datetime.now(UTC)
        await issue(c.Decide(), application, effective_at=early + timedelta(days=3))
        history = ledger.history
        assert (await history.at(application, Moment(version=1))).state.status == "pending"
        assert (await history.at(application, Moment(as_of=between))).version == 1
        then = Moment(effective_on=(early + timedelta(days=2)).date())
        assert (await history.at(application, then)).state.status == "pending"
        assert (await history.at(application, Moment())).state.status == "approved"
        for nothing in (
            Moment(version=3),
            Moment(as_of=early),
            Moment(effective_on=date(1999, 1, 1)),
        ):
            with pytest.raises(UnknownMoment):
                await history.at(application, nothing)


async def test_a_long_stream_is_read_in_stretches(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        application = await applied(issue)
        for n in range(1_050):
            await issue(c.AddNote(text=str(n)), application)
    async with opened_ledger(database_url, tmp_path) as cold:
        assert (await cold.history.now(application)).version == 1_051
        page = await cold.history.events(application, 1_000, 40)
        assert ([e.version for e, _ in page.events], page.more) == (list(range(1_001, 1_041)), True)
        assert (await Issuer(cold)(c.Decide(), application)).version == 1_052


async def test_personal_data_is_sealed_in_the_log_and_clear_in_answers(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        joint = c.CoApplicant(applicant_id="cust_2003", income=Decimal("4321.99"))
        answer = await issue(
            c.Apply(
                applicant_id="cust_2002", amount=Decimal(9), income=Decimal("6512.34"),
                purpose="Zaunkönig", co_applicants=(joint,),
            )
        )  # fmt: skip
        await issue(c.Decide(), known(answer))
        await issue(c.AddNote(text="Rotkehlchen"), known(answer))
        stored = str(rows(database_url, "select data, e.* from loan_events e"))
        for secret in ("6512.34", "Zaunkönig", "Rotkehlchen", "4321.99"):
            assert secret not in stored
        state = (await ledger.history.at(known(answer), Moment())).state
        assert (state.income, state.purpose) == (Decimal("6512.34"), "Zaunkönig")
        keys = rows(database_url, "select subject from vault.subject_keys order by 1")
        assert keys == [("cust_2002",), ("cust_2003",)]


async def test_a_ledger_closes_only_after_what_was_queued_is_on_record(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        waiting = [asyncio.ensure_future(issue(APPLY)) for _ in range(50)]
        await asyncio.sleep(0)
    assert all(answer.position for answer in await asyncio.gather(*waiting))
    assert len(rows(database_url, "select 1 from loan_events")) == 52
