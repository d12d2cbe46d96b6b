"""Decisions, overrides and notices."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.circumstances import FactsMissing
from lending.domain.application.commands import FailedOn, NoticeKind, Outcome
from lending.domain.application.decide import decide
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.reasons import MAX_REASONS, REASON_TEXTS, Reason
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import OfferStatus, Status
from tests.domain.builders import (
    accepted,
    applied,
    approved,
    approving,
    by_policy,
    counter_offered,
    decided,
    disbursed,
    money,
    offered,
    referred,
    rejected,
    rejecting,
    scored,
)
from tests.domain.spec import APPLIED_AT, circumstances, fold, given

APPROVE = c.Decide(outcome=Outcome.APPROVED)
REJECT = c.Decide(outcome=Outcome.REJECTED, reasons=(Reason.EXCESSIVE_OBLIGATIONS,))
REFER = c.Decide(outcome=Outcome.REFERRED)
COUNTER = c.Decide(
    outcome=Outcome.COUNTER_OFFERED,
    amount=Decimal(9000),
    reasons=(Reason.INCOME_INSUFFICIENT,),
)
POLICY_DECIDES = c.Decide()


class TestOutcomes:
    def test_an_approval_is_of_what_was_applied_for(self) -> None:
        after = given(applied()).when(APPROVE).then(approved()).after
        assert after.status is Status.APPROVED

    def test_an_approval_may_repeat_what_was_applied_for(self) -> None:
        named = replace(APPROVE, amount=Decimal(12000), term_months=36)
        given(applied()).when(named).then(approved())

    @pytest.mark.parametrize("terms", [{"amount": Decimal(9000)}, {"term_months": 12}])
    def test_approving_other_terms_is_a_counter_offer(self, terms: dict[str, Any]) -> None:
        command = replace(APPROVE, **terms)
        given(applied()).when(command).then(Refusal.COUNTER_OFFER_REQUIRED)

    def test_a_counter_offer_names_what_differs_and_keeps_the_rest(self) -> None:
        after = given(applied()).when(COUNTER).then(counter_offered("9000.00", 36)).after
        assert after.status is Status.COUNTER_OFFERED

    def test_a_counter_offer_may_be_of_another_term_only(self) -> None:
        command = replace(COUNTER, amount=None, term_months=60)
        given(applied()).when(command).then(counter_offered("12000.00", 60))

    @pytest.mark.parametrize("terms", [{"amount": None}, {"amount": Decimal(12000)}])
    def test_a_counter_offer_of_what_was_asked_is_none(self, terms: dict[str, Any]) -> None:
        given(applied()).when(replace(COUNTER, **terms)).then(Refusal.COUNTER_TERMS_SAME)

    def test_a_counter_offers_amount_is_an_amount(self) -> None:
        pending = given(applied())
        nothing, finer = (
            replace(COUNTER, amount=Decimal(0)),
            replace(COUNTER, amount=money("0.001")),
        )
        pending.when(nothing).then(Refusal.AMOUNT_NOT_POSITIVE)
        pending.when(finer).then(Refusal.AMOUNT_TOO_FINE)

    @pytest.mark.parametrize("command", [REJECT, REFER])
    @pytest.mark.parametrize("terms", [{"amount": Decimal(9000)}, {"term_months": 12}])
    def test_a_rejection_or_referral_has_no_terms(
        self, command: c.Decide, terms: dict[str, Any]
    ) -> None:
        given(applied()).when(replace(command, **terms)).then(Refusal.TERMS_NOT_ALLOWED)

    def test_a_referred_application_is_decided_again(self) -> None:
        when = given(applied(), referred()).when(APPROVE)
        assert when.then(approved()).after.status is Status.APPROVED

    def test_a_rejection_closes_the_offers(self) -> None:
        history = (applied(), offered("1"), e.OfferRefused(offer_id="1"), offered("2"))
        after = given(*history).when(REJECT).then(rejected()).after
        assert after.status is Status.REJECTED
        assert after.offers["1"].status is OfferStatus.REFUSED
        assert after.offers["2"].status is OfferStatus.VOID

    def test_a_rejection_voids_an_acceptance_before_it(self) -> None:
        after = given(applied(), offered(), accepted()).when(REJECT).after
        assert after.status is Status.REJECTED
        assert after.accepted_offer is None

    def test_says_what_it_rests_on(self) -> None:
        command = replace(APPROVE, policy="house-rules", policy_version="7", text="strong file")
        cited = e.PolicyCited(name="house-rules", version="7")
        given(applied()).when(command).then(replace(approved(), policy=cited, text="strong file"))

    @pytest.mark.parametrize("half", [{"policy": "x"}, {"policy_version": "1"}])
    def test_a_policy_is_cited_whole(self, half: dict[str, Any]) -> None:
        given(applied()).when(replace(APPROVE, **half)).then(Refusal.POLICY_INCOMPLETE)


class TestReasons:
    @pytest.mark.parametrize("count", range(1, MAX_REASONS + 1))
    def test_one_to_four_reasons_are_given(self, count: int) -> None:
        reasons = tuple(Reason)[:count]
        when = given(applied()).when(replace(REJECT, reasons=reasons))
        when.then(rejected(*reasons))

    @pytest.mark.parametrize("command", [REJECT, COUNTER])
    def test_a_rejection_or_counter_offer_needs_reasons(self, command: c.Decide) -> None:
        pending = given(applied())
        pending.when(replace(command, reasons=())).then(Refusal.REASONS_REQUIRED)
        five = tuple(Reason)[: MAX_REASONS + 1]
        pending.when(replace(command, reasons=five)).then(Refusal.TOO_MANY_REASONS)
        twice = (Reason.BANKRUPTCY, Reason.BANKRUPTCY)
        pending.when(replace(command, reasons=twice)).then(Refusal.REASON_REPEATED)

    @pytest.mark.parametrize("command", [APPROVE, REFER])
    def test_an_approval_or_referral_has_none(self, command: c.Decide) -> None:
        pending = given(applied())
        named = replace(command, reasons=(Reason.BANKRUPTCY,))
        pending.when(named).then(Refusal.REASONS_NOT_ALLOWED)
        pending.when(replace(command, other_reason="x")).then(Refusal.REASONS_NOT_ALLOWED)

    def test_the_reason_other_is_specified_and_only_it(self) -> None:
        pending = given(applied())
        other = replace(REJECT, reasons=(Reason.OTHER,))
        pending.when(other).then(Refusal.REASON_UNSPECIFIED)
        pending.when(replace(REJECT, other_reason="x")).then(Refusal.REASON_UNSPECIFIED)
        specified = replace(other, other_reason="runs a circus")
        pending.when(specified).then(replace(rejected(Reason.OTHER), other_reason="runs a circus"))

    def test_not_recorded_is_for_imported_history_only(self) -> None:
        command = replace(REJECT, reasons=(Reason.NOT_RECORDED,))
        given(applied()).when(command).then(Refusal.REASON_FOR_IMPORT_ONLY)
        given(applied()).when(command, backdated=True).then(rejected(Reason.NOT_RECORDED))

    @pytest.mark.parametrize(
        ("said", "wording"),
        [
            (
                "Internal standards or policies",
                "it names the creditor's standards (internal and standard, policies): name what does"
                " not meet them",
            ),
            (
                "failed to achieve a qualifying  SCORE",
                "it names a score (score): name what lowered it",
            ),
            (" . ", "it has no words"),
        ],
    )
    def test_the_creditors_standards_and_a_missed_score_are_no_reason(
        self, said: str, wording: str
    ) -> None:
        command = replace(REJECT, reasons=(Reason.OTHER,), other_reason=said)
        pending = given(applied())
        pending.when(command).then(Refusal.REASON_INSUFFICIENT).naming(wording)
        told = replace(rejected(Reason.OTHER), other_reason=said)
        pending.when(command, backdated=True).then(told)

    @pytest.mark.parametrize(
        ("failed_on", "reasons", "refused"),
        [
            (FailedOn.SCORE, (Reason.BANKRUPTCY,), None),
            (FailedOn.SCORE, (Reason.OTHER, Reason.RECENT_ACCOUNTS), None),
            (
                FailedOn.SCORE,
                (Reason.BANKRUPTCY, Reason.TEMPORARY_RESIDENCE),
                "temporary_residence",
            ),
            (FailedOn.BOTH, (Reason.BANKRUPTCY, Reason.TEMPORARY_RESIDENCE), None),
            (FailedOn.BOTH, (Reason.TEMPORARY_RESIDENCE,), "temporary_residence"),
            (FailedOn.JUDGEMENT, (Reason.TEMPORARY_RESIDENCE,), None),
        ],
    )
    def test_the_reasons_come_from_the_part_that_failed(
        self, failed_on: FailedOn, reasons: tuple[Reason, ...], refused: str | None
    ) -> None:
        factors = ("bankruptcy", "Age of automobile", "Number of accounts recently opened")
        other = "age of automobile" if Reason.OTHER in reasons else None
        scored_so = given(applied(), replace(scored(), factors=factors))
        command = replace(REJECT, reasons=reasons, other_reason=other, failed_on=failed_on)
        outcome = scored_so.when(command)
        if refused is None:
            told = rejected(*reasons)
            outcome.then(replace(told, other_reason=other, failed_on=failed_on))
        else:
            outcome.then(Refusal.REASON_NOT_SCORED).naming(refused)

    def test_a_score_that_is_stale_or_gave_no_factors_gives_no_reasons(self) -> None:
        command = replace(REJECT, failed_on=FailedOn.SCORE)
        given(applied(), scored()).when(command).then(Refusal.REASON_NOT_SCORED)
        score = replace(scored(), factors=REJECT.reasons)
        amended = e.Amended(amount=Decimal(11000))
        given(applied(), score, amended).when(command).then(Refusal.REASON_NOT_SCORED)
        given(applied()).when(command, backdated=True).then(
            replace(rejected(*REJECT.reasons), failed_on=FailedOn.SCORE)
        )

    def test_every_reason_has_a_wording(self) -> None:
        assert list(REASON_TEXTS) == list(Reason)


class TestPolicy:
    def test_decides_where_no_outcome_is_named(self) -> None:
        when = given(applied()).when(POLICY_DECIDES, verdict=approving())
        assert when.then(by_policy(approving())).after.status is Status.APPROVED

    def test_rejects_with_its_reasons(self) -> None:
        when = given(applied()).when(POLICY_DECIDES, verdict=rejecting())
        assert when.then(by_policy(rejecting(), amount=None)).after.status is Status.REJECTED

    def test_that_is_not_active_cannot_decide(self) -> None:
        given(applied()).when(POLICY_DECIDES).then(Refusal.NO_ACTIVE_POLICY)

    def test_names_the_facts_it_lacks(self) -> None:
        when = given(applied()).when(POLICY_DECIDES, verdict=FactsMissing(("income", "age")))
        when.then(Refusal.FACTS_MISSING).naming("income, age")

    @pytest.mark.parametrize(
        "command",
        [
            c.Decide(amount=Decimal(1)),
            c.Decide(text="x"),
            c.Decide(reasons=(Reason.BANKRUPTCY,)),
            c.Decide(policy="debt-to-income", policy_version="1"),
        ],
    )
    def test_decides_only_where_nothing_at_all_is_said(self, command: c.Decide) -> None:
        given(applied()).when(command, verdict=approving()).then(Refusal.OUTCOME_REQUIRED)


class TestSecondDecision:
    def test_on_the_same_facts_by_the_same_policy_is_so_already(self) -> None:
        for verdict, amount in ((approving(), "12000.00"), (rejecting(), None)):
            history = (applied(), by_policy(verdict, amount))
            given(*history).when(POLICY_DECIDES, verdict=verdict).then_already_so()

    def test_on_other_facts_is_refused(self) -> None:
        decided_once = given(applied(), by_policy(approving()))
        other = approving(income="7000.00")
        decided_once.when(POLICY_DECIDES, verdict=other).then(Refusal.ALREADY_DECIDED)

    def test_by_another_version_of_the_policy_is_refused(self) -> None:
        newer = replace(approving(), policy=replace(approving().policy, version="2"))
        decided_once = given(applied(), by_policy(approving()))
        decided_once.when(POLICY_DECIDES, verdict=newer).then(Refusal.ALREADY_DECIDED)

    @pytest.mark.parametrize(
        ("command", "decision"),
        [
            (APPROVE, approved()),
            (REJECT, rejected()),
            (REFER, referred()),
            (COUNTER, counter_offered()),
        ],
    )
    def test_by_a_principal_to_the_same_end_is_so_already(
        self, command: c.Decide, decision: e.Event
    ) -> None:
        given(applied(), decision).when(command).then_already_so()

    def test_by_a_principal_to_another_end_is_refused(self) -> None:
        given(applied(), approved()).when(REJECT).then(Refusal.ALREADY_DECIDED)
        given(applied(), rejected()).when(APPROVE).then(Refusal.APPLICATION_REJECTED)
        other_reason = replace(REJECT, reasons=(Reason.BANKRUPTCY,))
        given(applied(), rejected()).when(other_reason).then(Refusal.APPLICATION_REJECTED)

    def test_by_a_principal_where_the_policy_decided_is_refused(self) -> None:
        given(applied(), by_policy(approving())).when(APPROVE).then(Refusal.ALREADY_DECIDED)

    def test_on_amended_facts_is_a_new_one(self) -> None:
        history = (applied(), referred(), e.Amended(term_months=12))
        given(*history).when(REFER).then(referred())

    def test_after_the_end_the_same_answer_still_stands(self) -> None:
        history = (applied(), approved(), e.Withdrawn(by=c.WithdrawnBy.APPLICANT))
        given(*history).when(APPROVE).then_already_so()
        given(*history).when(REJECT).then(Refusal.APPLICATION_ENDED)


class TestOverride:
    TO_APPROVED = c.Override(outcome=Outcome.APPROVED, justification="valued again")

    def test_brings_a_rejected_application_back(self) -> None:
        after = (
            given(applied(), rejected())
            .when(self.TO_APPROVED)
            .then(
                e.Overridden(
                    outcome=Outcome.APPROVED,
                    justification="valued again",
                    amount=money("12000.00"),
                    term_months=36,
                )
            )
            .after
        )
        assert after.status is Status.APPROVED
        assert after.decision is not None
        assert after.decision.overridden

    def test_to_rejected_closes_the_offers(self) -> None:
        command = c.Override(
            outcome=Outcome.REJECTED, justification="x", reasons=(Reason.BANKRUPTCY,)
        )
        after = given(applied(), approved(), offered(), accepted()).when(command).after
        assert after.status is Status.REJECTED
        assert after.accepted_offer is None

    def test_to_less_uncovers_the_accepted_offer(self) -> None:
        command = c.Override(
            outcome=Outcome.COUNTER_OFFERED,
            justification="x",
            amount=Decimal(9000),
            reasons=(Reason.INCOME_INSUFFICIENT,),
        )
        after = given(applied(), approved(), offered(), accepted()).when(command).after
        assert after.status is Status.COUNTER_OFFERED

    def test_to_referred_opens_the_decision_again(self) -> None:
        command = c.Override(outcome=Outcome.REFERRED, justification="x")
        after = given(applied(), rejected()).when(command).after
        assert after.status is Status.REFERRED
        back = e.Overridden(outcome=Outcome.REFERRED, justification="x")
        given(applied(), rejected(), back).when(APPROVE).then(approved())

    def test_needs_a_decision(self) -> None:
        given(applied()).when(self.TO_APPROVED).then(Refusal.NOT_DECIDED)

    def test_is_over_with_the_end_and_the_payment(self) -> None:
        ended = given(applied(), approved(), e.Withdrawn(by=c.WithdrawnBy.LENDER))
        ended.when(self.TO_APPROVED).then(Refusal.APPLICATION_ENDED)
        paid = given(applied(), approved(), offered(), accepted(), disbursed())
        paid.when(self.TO_APPROVED).then(Refusal.ALREADY_DISBURSED)

    @pytest.mark.parametrize(
        ("fields", "refusal"),
        [
            ({"amount": Decimal(1)}, Refusal.COUNTER_OFFER_REQUIRED),
            ({"reasons": (Reason.BANKRUPTCY,)}, Refusal.REASONS_NOT_ALLOWED),
            ({"outcome": Outcome.REJECTED}, Refusal.REASONS_REQUIRED),
        ],
    )
    def test_keeps_the_rules_of_a_decision(self, fields: dict[str, Any], refusal: Refusal) -> None:
        given(applied(), rejected()).when(replace(self.TO_APPROVED, **fields)).then(refusal)

    def test_is_no_second_decision_on_the_same_facts(self) -> None:
        """What a person decided is not taken for the policy's own answer."""
        overridden = e.Overridden(
            outcome=Outcome.APPROVED, justification="x", amount=money("12000.00"), term_months=36
        )
        history = (applied(), rejected(), overridden)
        given(*history).when(APPROVE).then(Refusal.ALREADY_DECIDED)


SENT_ON = date(2026, 3, 9)


@pytest.mark.parametrize(
    ("kind", "history"),
    [
        (NoticeKind.ADVERSE_ACTION, (rejected(),)),
        (NoticeKind.ADVERSE_ACTION, (counter_offered(),)),
        (NoticeKind.ADVERSE_ACTION, (e.ClosedUnfunded(closed_as=c.Closure.INCOMPLETE),)),
        (NoticeKind.ADVERSE_ACTION, (e.ClosedUnfunded(closed_as=c.Closure.EXPIRED),)),
        (NoticeKind.ADVERSE_ACTION, (e.Withdrawn(by=c.WithdrawnBy.LENDER),)),
        (NoticeKind.APPROVAL, (approved(),)),
        (NoticeKind.COUNTER_OFFER, (counter_offered(),)),
        (NoticeKind.INCOMPLETENESS, (e.InformationRequested(items=("payslip",)),)),
    ],
)
def test_a_notice_is_recorded_where_something_happened_that_it_is_about(
    kind: NoticeKind, history: tuple[e.Event, ...]
) -> None:
    command = c.RecordNotice(kind=kind, sent_on=SENT_ON, channel="letter", digest="a" * 64)
    sent = e.NoticeSent(kind=kind, sent_on=SENT_ON, channel="letter", digest="a" * 64)
    given(applied(), *history).when(command).then(sent)


@pytest.mark.parametrize(
    ("sent_on", "refusal"),
    [
        (date(1999, 1, 1), Refusal.DATED_BEFORE_APPLICATION),
        (date(2026, 3, 1), Refusal.DATED_BEFORE_APPLICATION),
        (date(2026, 3, 2), None),
        (date(2026, 3, 12), Refusal.DATED_AHEAD),
    ],
)
def test_a_notice_is_dated_from_the_application_up_to_now(
    sent_on: date, refusal: Refusal | None
) -> None:
    command = c.RecordNotice(kind=NoticeKind.ADVERSE_ACTION, sent_on=sent_on, channel="letter")
    sent = e.NoticeSent(kind=command.kind, sent_on=sent_on, channel="letter")
    given(applied(), rejected()).when(command).then(refusal or sent)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (NoticeKind.ADVERSE_ACTION, rejected()),
        (NoticeKind.ADVERSE_ACTION, e.ClosedUnfunded(closed_as=c.Closure.EXPIRED)),
        (NoticeKind.APPROVAL, approved()),
        (NoticeKind.COUNTER_OFFER, counter_offered()),
        (NoticeKind.INCOMPLETENESS, e.InformationRequested(items=("payslip",))),
    ],
)
def test_a_notice_of_what_had_not_happened_by_its_day_is_refused(
    kind: NoticeKind, event: e.Event
) -> None:
    at = APPLIED_AT + timedelta(days=4)
    state = evolve(fold((applied(),)), event, Occurrence(2, at, at.date(), "ada"))
    for days, refused in ((3, True), (4, False)):
        sent_on = APPLIED_AT.date() + timedelta(days=days)
        command = c.RecordNotice(kind=kind, sent_on=sent_on, channel="letter")
        answer = decide(command, state, circumstances())
        assert isinstance(answer, Refused) is refused
        if isinstance(answer, Refused):
            assert answer == Refused(Refusal.NOTICE_UNFOUNDED, "it counts from 2026-03-06")


@pytest.mark.parametrize(
    ("kind", "history"),
    [
        (NoticeKind.ADVERSE_ACTION, ()),
        (NoticeKind.ADVERSE_ACTION, (approved(),)),
        (NoticeKind.ADVERSE_ACTION, (e.Withdrawn(by=c.WithdrawnBy.APPLICANT),)),
        (NoticeKind.APPROVAL, (counter_offered(),)),
        (NoticeKind.COUNTER_OFFER, (rejected(),)),
        (NoticeKind.INCOMPLETENESS, ()),
        (NoticeKind.INCOMPLETENESS, (decided(Outcome.REFERRED),)),
    ],
)
def test_a_notice_about_nothing_is_refused(kind: NoticeKind, history: tuple[e.Event, ...]) -> None:
    command = c.RecordNotice(kind=kind, sent_on=SENT_ON, channel="letter")
    given(applied(), *history).when(command).then(Refusal.NOTICE_UNFOUNDED)
