"""Intake: applying, amending, context, information, scores."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.refusals import Refusal
from lending.domain.application.state import OfferStatus, Status
from lending.domain.fields import ERASED
from tests.domain.builders import (
    accepted,
    applied,
    approved,
    counter_offered,
    disbursed,
    money,
    offered,
    referred,
    rejected,
    scored,
)
from tests.domain.spec import given

APPLY = c.Apply(
    applicant_id="cust_2002",
    amount=Decimal(12000),
    term_months=36,
    income=Decimal(6500),
    purpose="a used car",
    reference="branch-7/118",
)
WITHDRAWN = e.Withdrawn(by=c.WithdrawnBy.APPLICANT)
JOINT = c.CoApplicant(applicant_id="cust_2003", income=Decimal("1000.5"))


class TestApplying:
    def test_records_the_application_with_exactly_the_digits_of_its_currency(self) -> None:
        after = given().when(APPLY).then(applied()).after
        assert after.status is Status.PENDING
        assert str(after.amount) == "12000.00"
        assert str(after.income) == "6500.00"

    def test_what_is_missing_may_come_later(self) -> None:
        bare = c.Apply(applicant_id="cust_2002", amount=Decimal(1))
        given().when(bare).then(
            e.Applied(
                applicant_id="cust_2002",
                amount=money("1.00"),
                currency="USD",
                credit_kind=c.CreditKind.CONSUMER,
            )
        )

    def test_happens_once(self) -> None:
        given(applied()).when(APPLY).then(Refusal.APPLICATION_EXISTS)

    @pytest.mark.parametrize("amount", ["0", "-1", "-0.01", "0.00"])
    def test_for_nothing_or_less_is_refused(self, amount: str) -> None:
        command = replace(APPLY, amount=Decimal(amount))
        given().when(command).then(Refusal.AMOUNT_NOT_POSITIVE).naming("amount")

    @pytest.mark.parametrize(
        ("currency", "amount", "stored"),
        [
            ("USD", "12000.5", "12000.50"),
            ("EUR", "0.01", "0.01"),
            ("JPY", "150000", "150000"),
            ("JPY", "150000.000", "150000"),
            ("BHD", "1.234", "1.234"),
            ("BHD", "1", "1.000"),
            ("CLF", "1.2345", "1.2345"),
        ],
    )
    def test_amounts_take_the_digits_of_their_currency(
        self, currency: str, amount: str, stored: str
    ) -> None:
        command = replace(APPLY, currency=currency, amount=Decimal(amount), income=None)
        assert str(given().when(command).after.amount) == stored

    @pytest.mark.parametrize(
        ("currency", "amount", "digits"),
        [("USD", "0.001", 2), ("JPY", "0.5", 0), ("BHD", "1.2345", 3), ("CLF", "1.00001", 4)],
    )
    def test_amounts_finer_than_their_currency_are_refused(
        self, currency: str, amount: str, digits: int
    ) -> None:
        command = replace(APPLY, currency=currency, amount=Decimal(amount), income=None)
        detail = f"amount: {currency} has {digits} decimal places"
        given().when(command).then(Refusal.AMOUNT_TOO_FINE).naming(detail)

    def test_incomes_finer_than_the_currency_are_refused_whose_ever_they_are(self) -> None:
        finer = Decimal("0.001")
        given().when(replace(APPLY, income=finer)).then(Refusal.AMOUNT_TOO_FINE).naming(
            "income: USD has 2 decimal places"
        )
        joint = (JOINT, c.CoApplicant(applicant_id="cust_2004", income=finer))
        given().when(replace(APPLY, co_applicants=joint)).then(Refusal.AMOUNT_TOO_FINE).naming(
            "co_applicants[1].income: USD has 2 decimal places"
        )

    def test_an_income_may_be_zero_and_is_never_negative_zero(self) -> None:
        assert str(given().when(replace(APPLY, income=Decimal("-0"))).after.income) == "0.00"

    @pytest.mark.parametrize("currency", ["XXX", "XAU", "ABC", "DEM"])
    def test_a_currency_that_is_none_is_refused(self, currency: str) -> None:
        command = replace(APPLY, currency=currency)
        given().when(command).then(Refusal.CURRENCY_UNKNOWN).naming(currency)

    def test_people_apply_together(self) -> None:
        stored = e.JointApplicant(applicant_id="cust_2003", income=money("1000.50"))
        given().when(replace(APPLY, co_applicants=(JOINT,))).then(applied(co_applicants=(stored,)))

    @pytest.mark.parametrize("people", [("cust_2002",), ("cust_2003", "cust_2003")])
    def test_nobody_applies_twice_in_one_application(self, people: tuple[str, ...]) -> None:
        joint = tuple(c.CoApplicant(applicant_id=person) for person in people)
        given().when(replace(APPLY, co_applicants=joint)).then(Refusal.CO_APPLICANT_REPEATED)


class TestContinuing:
    COMMAND = replace(APPLY, continues=UUID(int=7))

    @pytest.mark.parametrize(
        "ending",
        [
            WITHDRAWN,
            e.ClosedUnfunded(closed_as=c.Closure.EXPIRED),
            e.ClosedUnfunded(closed_as=c.Closure.INCOMPLETE),
        ],
    )
    def test_an_ended_application_is_continued_by_a_new_one(self, ending: e.Event) -> None:
        continued = given(applied(), ending).state
        after = given().when(self.COMMAND, continued=continued)
        after.then(replace(applied(), continues=UUID(int=7)))

    def test_an_unknown_application_is_not_continued(self) -> None:
        given().when(self.COMMAND).then(Refusal.CONTINUED_UNKNOWN)
        given().when(self.COMMAND, continued=given().state).then(Refusal.CONTINUED_UNKNOWN)

    @pytest.mark.parametrize(
        "history",
        [
            (applied(),),
            (applied(), rejected()),
            (applied(), approved(), offered(), accepted(), disbursed()),
        ],
    )
    def test_a_running_rejected_or_paid_out_application_is_not_continued(
        self, history: tuple[e.Event, ...]
    ) -> None:
        continued = given(*history).state
        given().when(self.COMMAND, continued=continued).then(Refusal.CONTINUED_NOT_ENDED)


class TestAmending:
    def test_changes_only_what_is_given(self) -> None:
        after = (
            given(applied())
            .when(c.Amend(amount=Decimal(9000)))
            .then(e.Amended(amount=money("9000.00")))
            .after
        )
        assert (str(after.amount), after.term_months, str(after.income)) == (
            "9000.00",
            36,
            "6500.00",
        )

    def test_can_change_every_field(self) -> None:
        command = c.Amend(
            amount=Decimal(1),
            term_months=12,
            income=Decimal(2),
            purpose="a boat",
            co_applicants=(JOINT,),
            reference="x",
        )
        after = given(applied()).when(command).after
        assert (str(after.amount), after.term_months, str(after.income)) == ("1.00", 12, "2.00")
        assert (after.purpose, after.reference) == ("a boat", "x")
        assert [person.applicant_id for person in after.co_applicants] == ["cust_2003"]

    def test_co_applicants_can_be_removed(self) -> None:
        joint = (e.JointApplicant(applicant_id="cust_2003"),)
        when = given(applied(co_applicants=joint)).when(c.Amend(co_applicants=()))
        assert when.then(e.Amended(co_applicants=())).after.co_applicants == ()

    def test_voids_offers_open_or_accepted(self) -> None:
        history = (applied(), offered("1"), accepted("1"), offered("2"))
        after = given(*history).when(c.Amend(term_months=12)).after
        assert {offer.status for offer in after.offers.values()} == {OfferStatus.VOID}
        assert after.accepted_offer is None

    def test_leaves_offers_that_were_answered(self) -> None:
        history = (applied(), offered("1"), e.OfferRefused(offer_id="1"))
        after = given(*history).when(c.Amend(term_months=12)).after
        assert after.offers["1"].status is OfferStatus.REFUSED

    def test_makes_the_score_stale_until_the_next(self) -> None:
        after = given(applied(), scored()).when(c.Amend(term_months=12)).after
        assert after.score is not None
        assert after.score.stale
        again = given(applied(), scored(), e.Amended(term_months=12), scored()).state.score
        assert again is not None
        assert not again.stale

    def test_to_what_is_so_already_causes_nothing(self) -> None:
        same = c.Amend(amount=Decimal(12000), term_months=36, income=Decimal("6500.0"))
        given(applied()).when(same).then_already_so()
        given(applied()).when(c.Amend(co_applicants=())).then_already_so()

    def test_nothing_is_refused(self) -> None:
        given(applied()).when(c.Amend()).then(Refusal.NOTHING_GIVEN)

    def test_is_legal_while_referred(self) -> None:
        when = given(applied(), referred()).when(c.Amend(term_months=12))
        assert when.then(e.Amended(term_months=12)).after.status is Status.REFERRED

    @pytest.mark.parametrize(
        ("decision", "refusal"),
        [
            (approved(), Refusal.ALREADY_DECIDED),
            (counter_offered(), Refusal.ALREADY_DECIDED),
            (rejected(), Refusal.APPLICATION_REJECTED),
            (WITHDRAWN, Refusal.APPLICATION_ENDED),
        ],
    )
    def test_is_over_with_the_decision(self, decision: e.Event, refusal: Refusal) -> None:
        given(applied(), decision).when(c.Amend(term_months=12)).then(refusal)

    def test_takes_amounts_as_applying_does(self) -> None:
        pending = given(applied())
        pending.when(c.Amend(amount=Decimal(0))).then(Refusal.AMOUNT_NOT_POSITIVE)
        pending.when(c.Amend(amount=Decimal("0.001"))).then(Refusal.AMOUNT_TOO_FINE)
        pending.when(c.Amend(income=Decimal("0.001"))).then(Refusal.AMOUNT_TOO_FINE)
        alone = (c.CoApplicant(applicant_id="cust_2002"),)
        pending.when(c.Amend(co_applicants=alone)).then(Refusal.CO_APPLICANT_REPEATED)

    def test_an_erased_income_can_be_given_again(self) -> None:
        erased = replace(applied(), income=ERASED)
        given(erased).when(c.Amend(income=Decimal(1))).then(e.Amended(income=money("1.00")))


class TestContext:
    def test_is_attached(self) -> None:
        command = c.AttachContext(
            kind=c.ContextKind.DOCUMENT, source="upload", digest="a" * 64, facts={"pages": "3"}
        )
        after = (
            given(applied())
            .when(command)
            .then(
                e.ContextAttached(
                    kind=c.ContextKind.DOCUMENT,
                    source="upload",
                    digest="a" * 64,
                    facts={"pages": "3"},
                )
            )
            .after
        )
        assert after.context_kinds == {c.ContextKind.DOCUMENT}

    def test_of_verification_says_the_stage(self) -> None:
        stages = [
            e.ContextAttached(kind=c.ContextKind.VERIFICATION, stage="preaccepted"),
            e.ContextAttached(kind=c.ContextKind.VERIFICATION, digest="a" * 64),
            e.ContextAttached(kind=c.ContextKind.CUSTOMER_CONTEXT, stage="other"),
        ]
        assert given(applied(), *stages).state.verification_stage == "preaccepted"

    def test_without_content_is_refused(self) -> None:
        command = c.AttachContext(kind=c.ContextKind.DOCUMENT, source="upload", facts={})
        given(applied()).when(command).then(Refusal.NOTHING_GIVEN)

    @pytest.mark.parametrize("decision", [approved(), rejected(), referred()])
    def test_is_welcome_whatever_was_decided(self, decision: e.Event) -> None:
        command = c.AttachContext(kind=c.ContextKind.VERIFICATION, stage="late")
        given(applied(), decision).when(command).then(
            e.ContextAttached(kind=c.ContextKind.VERIFICATION, stage="late")
        )


class TestInformation:
    def test_is_requested_and_supplied(self) -> None:
        request = c.RequestInformation(items=("payslip", "passport"), due_on=date(2026, 4, 1))
        asked = given(applied()).when(request).after
        assert asked.outstanding == {
            "payslip": date(2026, 4, 1),
            "passport": date(2026, 4, 1),
        }
        history = (applied(), e.InformationRequested(items=("payslip", "passport")))
        after = (
            given(*history)
            .when(c.SupplyInformation(items=("payslip", "payslip")))
            .then(e.InformationSupplied(items=("payslip",)))
            .after
        )
        assert after.outstanding == {"passport": None}

    def test_asked_for_again_is_asked_for_once(self) -> None:
        asked = given(applied(), e.InformationRequested(items=("payslip",)))
        asked.when(c.RequestInformation(items=("payslip",))).then_already_so()
        asked.when(c.RequestInformation(items=("payslip", "passport", "passport"))).then(
            e.InformationRequested(items=("passport",))
        )

    def test_may_be_asked_for_by_another_day(self) -> None:
        first, second = date(2026, 4, 1), date(2026, 5, 1)
        asked = given(applied(), e.InformationRequested(items=("payslip",), due_on=first))
        asked.when(c.RequestInformation(items=("payslip",), due_on=first)).then_already_so()
        asked.when(c.RequestInformation(items=("payslip",), due_on=second)).then(
            e.InformationRequested(items=("payslip",), due_on=second)
        )

    def test_that_nobody_asked_for_is_refused(self) -> None:
        asked = given(applied(), e.InformationRequested(items=("payslip",)))
        command = c.SupplyInformation(items=("payslip", "passport"))
        asked.when(command).then(Refusal.INFORMATION_NOT_OUTSTANDING).naming("passport")

    def test_is_not_requested_once_decided_but_may_still_come_in(self) -> None:
        history = (applied(), e.InformationRequested(items=("payslip",)), approved())
        given(*history).when(c.RequestInformation(items=("x",))).then(Refusal.ALREADY_DECIDED)
        given(*history).when(c.SupplyInformation(items=("payslip",))).then(
            e.InformationSupplied(items=("payslip",))
        )


class TestScoring:
    def test_is_recorded(self) -> None:
        command = c.Score(
            model="credit-risk",
            model_version="2026-10",
            score=Decimal(712),
            score_low=Decimal(300),
            score_high=Decimal(850),
            scored_on=date(2026, 3, 9),
            provider="bureau",
            artifact_digest="a" * 64,
            input_digest="b" * 64,
            factors=("utilisation", "inquiries"),
        )
        given(applied()).when(command).then(
            e.Scored(
                model="credit-risk",
                model_version="2026-10",
                score=Decimal(712),
                score_low=Decimal(300),
                score_high=Decimal(850),
                scored_on=date(2026, 3, 9),
                provider="bureau",
                artifact_digest="a" * 64,
                input_digest="b" * 64,
                factors=("utilisation", "inquiries"),
            )
        )

    @pytest.mark.parametrize(
        ("low", "score", "high"), [("300", "299", None), (None, "851", "850"), ("9", "8", "7")]
    )
    def test_outside_its_own_range_is_refused(
        self, low: str | None, score: str, high: str | None
    ) -> None:
        command = c.Score(
            model="m",
            model_version="1",
            score=Decimal(score),
            score_low=None if low is None else Decimal(low),
            score_high=None if high is None else Decimal(high),
        )
        given(applied()).when(command).then(Refusal.SCORE_OUT_OF_RANGE)

    @pytest.mark.parametrize("score", ["300", "850"])
    def test_may_be_an_end_of_its_range(self, score: str) -> None:
        command = c.Score(
            model="m",
            model_version="1",
            score=Decimal(score),
            score_low=Decimal(300),
            score_high=Decimal(850),
        )
        assert given(applied()).when(command).after.score is not None

    def test_the_last_score_counts(self) -> None:
        score = given(applied(), scored("600"), scored("700")).state.score
        assert score is not None
        assert score.score == 700

    def test_is_over_once_paid_out(self) -> None:
        history = (applied(), approved(), offered(), accepted(), disbursed())
        command = c.Score(model="m", model_version="1", score=Decimal(1))
        given(*history).when(command).then(Refusal.ALREADY_DISBURSED)
