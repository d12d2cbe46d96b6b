"""What can happen at any time: holds, notes, withdrawal, closure; and the status that follows."""

from datetime import timedelta

import pytest

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.commands import Closure, HoldKind, Outcome, WithdrawnBy
from lending.domain.application.refusals import Refusal
from lending.domain.application.state import Stage, Status
from tests.domain.builders import (
    accepted,
    applied,
    approved,
    counter_offered,
    disbursed,
    offered,
    referred,
    rejected,
    scored,
)
from tests.domain.spec import APPLIED_AT, given

HELD = e.Held(kind=HoldKind.FRAUD)
WITHDRAWN = e.Withdrawn(by=WithdrawnBy.APPLICANT)
EXPIRED = e.ClosedUnfunded(closed_as=Closure.EXPIRED)
INCOMPLETE = e.ClosedUnfunded(closed_as=Closure.INCOMPLETE)
ACTIVE = (approved(), offered(), accepted(), disbursed())


@pytest.mark.parametrize(
    ("history", "status", "stage"),
    [
        ((), Status.PENDING, Stage.INTAKE),
        ((scored(),), Status.PENDING, Stage.ASSESSMENT),
        ((scored(), e.InformationRequested(items=("x",))), Status.PENDING, Stage.INTAKE),
        ((offered(),), Status.PENDING, Stage.ASSESSMENT),
        ((offered(), accepted()), Status.PENDING, Stage.ASSESSMENT),
        ((referred(),), Status.REFERRED, Stage.ASSESSMENT),
        ((counter_offered(),), Status.COUNTER_OFFERED, Stage.OFFER),
        ((approved(),), Status.APPROVED, Stage.OFFER),
        ((approved(), offered(), accepted()), Status.ACCEPTED, Stage.FUNDING),
        ((offered(), accepted(), approved()), Status.ACCEPTED, Stage.FUNDING),
        (
            (counter_offered(), offered(amount="9000.00"), accepted()),
            Status.ACCEPTED,
            Stage.FUNDING,
        ),
        (ACTIVE, Status.ACTIVE, Stage.SERVICING),
        ((rejected(),), Status.REJECTED, Stage.CLOSED),
        ((WITHDRAWN,), Status.WITHDRAWN, Stage.CLOSED),
        ((approved(), EXPIRED), Status.EXPIRED, Stage.CLOSED),
        ((offered(), accepted(), INCOMPLETE), Status.INCOMPLETE, Stage.CLOSED),
    ],
)
def test_status_and_stage_follow_from_decision_offers_and_money(
    history: tuple[e.Event, ...], status: Status, stage: Stage
) -> None:
    state = given(applied(), *history).state
    assert (state.status, state.stage) == (status, stage)


class TestEnding:
    @pytest.mark.parametrize("by", WithdrawnBy)
    @pytest.mark.parametrize(
        "history",
        [
            (),
            (referred(),),
            (approved(),),
            (counter_offered(),),
            (offered(), accepted()),
            (approved(), offered(), accepted()),
            (HELD,),
        ],
    )
    def test_an_application_is_withdrawn_from_any_status_before_active(
        self, history: tuple[e.Event, ...], by: WithdrawnBy
    ) -> None:
        when = given(applied(), *history).when(c.Withdraw(by=by, text="changed my mind"))
        when.then(e.Withdrawn(by=by, text="changed my mind"))
        assert when.after.status is Status.WITHDRAWN

    @pytest.mark.parametrize("closed_as", Closure)
    def test_an_application_is_closed_unfunded(self, closed_as: Closure) -> None:
        when = given(applied(), approved()).when(c.CloseUnfunded(closed_as=closed_as))
        when.then(e.ClosedUnfunded(closed_as=closed_as))
        assert when.after.status.value == closed_as.value

    @pytest.mark.parametrize("command", [c.Withdraw(), c.CloseUnfunded(closed_as=Closure.EXPIRED)])
    def test_a_rejected_or_running_loan_does_not_end_so(self, command: c.Command) -> None:
        given(applied(), rejected()).when(command).then(Refusal.APPLICATION_REJECTED)
        given(applied(), *ACTIVE).when(command).then(Refusal.ALREADY_DISBURSED)

    def test_ending_twice_is_so_already(self) -> None:
        given(applied(), WITHDRAWN).when(c.Withdraw(by=WithdrawnBy.LENDER)).then_already_so()
        for closed_as in Closure:
            ended = given(applied(), e.ClosedUnfunded(closed_as=closed_as))
            ended.when(c.CloseUnfunded(closed_as=closed_as)).then_already_so()

    def test_ending_otherwise_is_refused(self) -> None:
        given(applied(), EXPIRED).when(c.Withdraw()).then(Refusal.APPLICATION_ENDED)
        incomplete = c.CloseUnfunded(closed_as=Closure.INCOMPLETE)
        given(applied(), EXPIRED).when(incomplete).then(Refusal.APPLICATION_ENDED)
        given(applied(), WITHDRAWN).when(incomplete).then(Refusal.APPLICATION_ENDED)


class TestHolding:
    def test_stops_decisions_offers_and_money(self) -> None:
        held = given(applied(), offered(), HELD)
        held.when(c.Decide(outcome=Outcome.APPROVED)).then(Refusal.APPLICATION_HELD)
        held.when(c.MakeOffer(amount=applied().amount)).then(Refusal.APPLICATION_HELD)
        held.when(c.AcceptOffer(offer_id="1")).then(Refusal.APPLICATION_HELD)
        decided = given(applied(), approved(), offered(), accepted(), HELD)
        decided.when(c.Disburse()).then(Refusal.APPLICATION_HELD)
        override = c.Override(outcome=Outcome.REFERRED, justification="x")
        decided.when(override).then(Refusal.APPLICATION_HELD)

    def test_leaves_intake_and_withdrawal_free(self) -> None:
        held = given(applied(), offered(), HELD)
        held.when(c.Amend(term_months=12)).then(e.Amended(term_months=12))
        held.when(c.WithdrawOffer(offer_id="1")).then(e.OfferWithdrawn(offer_id="1"))
        held.when(c.Withdraw()).then(WITHDRAWN)

    def test_for_one_reason_twice_is_so_already(self) -> None:
        held = given(applied(), HELD)
        held.when(c.Hold(kind=HoldKind.FRAUD)).then_already_so()
        held.when(c.Hold(kind=HoldKind.LEGAL)).then(e.Held(kind=HoldKind.LEGAL))

    def test_ends_when_every_hold_is_released(self) -> None:
        both = given(applied(), HELD, e.Held(kind=HoldKind.LEGAL))
        after = (
            both.when(c.Release(kind=HoldKind.FRAUD)).then(e.Released(kind=HoldKind.FRAUD)).after
        )
        assert after.holds == {HoldKind.LEGAL}

    def test_is_not_released_where_there_is_none(self) -> None:
        given(applied()).when(c.Release(kind=HoldKind.FRAUD)).then(Refusal.NOT_HELD)
        given(applied(), HELD).when(c.Release(kind=HoldKind.LEGAL)).then(Refusal.NOT_HELD)

    def test_is_possible_on_a_running_loan_but_not_after_the_end(self) -> None:
        hold = c.Hold(kind=HoldKind.FRAUD, text="reported")
        given(applied(), *ACTIVE).when(hold).then(e.Held(kind=HoldKind.FRAUD, text="reported"))
        given(applied(), WITHDRAWN).when(hold).then(Refusal.APPLICATION_ENDED)
        given(applied(), HELD, WITHDRAWN).when(c.Release(kind=HoldKind.FRAUD)).then(
            e.Released(kind=HoldKind.FRAUD)
        )


@pytest.mark.parametrize(
    "history", [(), (HELD,), (approved(),), (rejected(),), (WITHDRAWN,), (EXPIRED,), ACTIVE]
)
def test_a_note_is_put_on_file_in_every_status(history: tuple[e.Event, ...]) -> None:
    when = given(applied(), *history).when(c.AddNote(text="called back", topic="phone"))
    when.then(e.Noted(text="called back", topic="phone"))
    assert when.after == when.state


OF_EVERY_KIND: tuple[c.Command, ...] = (
    c.Amend(term_months=1),
    c.Decide(outcome=Outcome.APPROVED),
    c.AddNote(text="x"),
    c.Withdraw(),
    c.MakeOffer(amount=applied().amount),
    c.WithdrawOffer(offer_id="1"),
    c.Disburse(),
)


@pytest.mark.parametrize("command", OF_EVERY_KIND)
def test_nothing_happens_to_an_application_that_nobody_made(command: c.Command) -> None:
    given().when(command).then(Refusal.APPLICATION_UNKNOWN)


@pytest.mark.parametrize("command", OF_EVERY_KIND)
def test_nothing_counts_from_before_the_application(command: c.Command) -> None:
    before = APPLIED_AT - timedelta(microseconds=1)
    given(applied()).when(command, at=before).then(Refusal.EFFECTIVE_BEFORE_APPLICATION)


def test_a_command_may_count_from_the_very_instant_of_the_application() -> None:
    given(applied()).when(c.AddNote(text="x"), at=APPLIED_AT).then(e.Noted(text="x"))


def test_times_of_decision_end_and_payment_are_effective_times() -> None:
    state = given(applied(), *ACTIVE).state
    assert state.applied_at == APPLIED_AT
    assert state.decision is not None
    assert state.decision.decided_at == APPLIED_AT + timedelta(minutes=1)
    assert state.disbursement is not None
    assert state.disbursement.disbursed_at == APPLIED_AT + timedelta(minutes=4)
    ending = given(applied(), WITHDRAWN).state.ending
    assert ending is not None
    assert ending.ended_at == APPLIED_AT + timedelta(minutes=1)
