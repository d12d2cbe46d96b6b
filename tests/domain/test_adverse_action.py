"""Adverse action: clocks, retention and the action taken, by Regulations B and C."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from lending.domain.application import events as e
from lending.domain.application.adverse_action import (
    ActionTaken,
    action_taken,
    clocks,
    retained_until,
)
from lending.domain.application.clocks import Basis, Clock, Standing
from lending.domain.application.commands import (
    Closure,
    CreditKind,
    NoticeKind,
    Outcome,
    WithdrawnBy,
)
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.state import INITIAL, Application
from tests.domain.builders import (
    accepted,
    applied,
    approved,
    counter_offered,
    disbursed,
    offered,
    rejected,
)

ASKED = e.InformationRequested(items=("payslip", "lease"))
PAYSLIP = e.InformationSupplied(items=("payslip",))
LEASE = e.InformationSupplied(items=("lease",))
INCOMPLETE = e.ClosedUnfunded(closed_as=Closure.INCOMPLETE)
EXPIRED = e.ClosedUnfunded(closed_as=Closure.EXPIRED)
BY_APPLICANT = e.Withdrawn(by=WithdrawnBy.APPLICANT)
BY_LENDER = e.Withdrawn(by=WithdrawnBy.LENDER)


def january(day: int) -> date:
    """A day counted from the start of 2026."""
    return date(2025, 12, 31) + timedelta(days=day)


def told(kind: NoticeKind, day: int) -> e.NoticeSent:
    """A notice sent on a day."""
    return e.NoticeSent(kind=kind, sent_on=january(day), channel="letter")


def course(*happened: tuple[int, e.Event]) -> Application:
    """The state after events, each on its day."""
    state = INITIAL
    for version, (day, event) in enumerate(happened, 1):
        on = january(day)
        at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
        state = evolve(state, event, Occurrence(version, at, on, "ada"))
    return state


def test_thirty_days_run_from_applying_where_nothing_is_asked_for() -> None:
    assert clocks(course((1, applied()))) == (
        Clock(Basis.COMPLETED, january(1), january(31), None),
    )


def test_thirty_days_run_from_the_last_information_with_none_outstanding() -> None:
    partly = course((1, applied()), (3, ASKED), (5, PAYSLIP))
    assert clocks(partly) == (Clock(Basis.INCOMPLETE, january(1), january(31), None),)
    whole = course((1, applied()), (3, ASKED), (5, PAYSLIP), (20, LEASE))
    assert clocks(whole) == (Clock(Basis.COMPLETED, january(20), january(50), None),)


def test_the_notice_of_incompleteness_stops_the_clock_of_an_incomplete_application() -> None:
    notice = told(NoticeKind.INCOMPLETENESS, 4)
    (clock,) = clocks(course((1, applied()), (3, ASKED), (4, notice)))
    assert (clock.basis, clock.sent_on) == (Basis.INCOMPLETE, january(4))


def test_action_on_an_incomplete_application_is_told_within_thirty_days_of_it() -> None:
    state = course((1, applied()), (3, ASKED), (40, rejected()))
    assert clocks(state) == (
        Clock(Basis.INCOMPLETE, january(1), january(31), None),
        Clock(Basis.ACTION_ON_INCOMPLETE, january(40), january(70), None),
    )
    closed = course((1, applied()), (3, ASKED), (41, INCOMPLETE))
    assert clocks(closed)[1].due_on == january(71)


def test_who_is_approved_with_something_outstanding_was_complete_with_the_decision() -> None:
    state = course((1, applied()), (3, ASKED), (20, approved()))
    assert clocks(state) == (Clock(Basis.COMPLETED, january(20), january(50), None),)


def test_what_is_asked_for_after_a_decision_moves_no_clock() -> None:
    asked = course((1, applied()), (2, approved()), (3, ASKED))
    assert clocks(asked)[0].due_on == january(31)
    assert clocks(
        course((1, applied()), (2, approved()), (3, ASKED), (9, PAYSLIP), (9, LEASE))
    ) == (Clock(Basis.COMPLETED, january(1), january(31), None),)


def test_a_notice_of_incompleteness_that_was_missed_stays_late() -> None:
    supplied = course((1, applied()), (3, ASKED), (5, PAYSLIP), (50, LEASE))
    missed, current = clocks(supplied)
    assert missed == Clock(Basis.INCOMPLETE, january(1), january(31), None, january(50))
    assert (missed.standing(january(31)), missed.standing(january(400))) == (
        Standing.DUE,
        Standing.LATE,
    )
    assert current == Clock(Basis.COMPLETED, january(50), january(80), None)
    decided_then = course((1, applied()), (3, ASKED), (40, approved()), (41, offered()))
    assert clocks(decided_then)[0] == Clock(
        Basis.INCOMPLETE, january(1), january(31), None, january(40)
    )
    in_time = course((1, applied()), (3, ASKED), (31, PAYSLIP), (31, LEASE))
    assert [one.from_on for one in clocks(in_time)] == [january(31)]
    sent = told(NoticeKind.INCOMPLETENESS, 4)
    met = course((1, applied()), (3, ASKED), (4, sent), (50, PAYSLIP), (50, LEASE))
    assert [one.basis for one in clocks(met)] == [Basis.COMPLETED]
    late = told(NoticeKind.INCOMPLETENESS, 40)
    after = course((1, applied()), (3, ASKED), (40, late), (50, PAYSLIP), (50, LEASE))
    assert [one.standing(january(60)) for one in clocks(after)] == [
        Standing.SENT_LATE,
        Standing.DUE,
    ]


def test_what_was_missed_stays_late_through_all_that_ends_its_clock() -> None:
    for ending in (rejected(), BY_LENDER, INCOMPLETE):
        state = course((1, applied()), (3, ASKED), (50, PAYSLIP), (50, LEASE), (60, ending))
        assert clocks(state)[0].due_on == january(31)
    assert clocks(course((1, applied()), (40, BY_APPLICANT))) == (
        Clock(Basis.COMPLETED, january(1), january(31), None, january(40)),
    )
    made = ((1, applied()), (2, counter_offered()), (3, told(NoticeKind.COUNTER_OFFER, 3)))
    taken = course(*made, (4, offered(amount="9000.00")), (100, accepted()))
    assert [(one.basis, one.standing(january(101))) for one in clocks(taken)] == [
        (Basis.COUNTER_OFFER_NOT_TAKEN, Standing.LATE),
        (Basis.COMPLETED, Standing.SENT),
    ]
    again = e.Overridden(outcome=Outcome.APPROVED, justification="j", amount=Decimal(12000))
    denied = ((1, applied()), (2, rejected()), (40, told(NoticeKind.ADVERSE_ACTION, 40)))
    first, second = clocks(course(*denied, (50, again)))
    assert (first.due_on, first.sent_on, second.from_on) == (january(31), january(40), january(50))


def test_what_is_asked_for_again_is_missed_once() -> None:
    once = ((1, applied()), (3, ASKED), (50, PAYSLIP), (50, LEASE), (60, ASKED))
    assert [one.days for one in clocks(course(*once))] == [
        (Basis.INCOMPLETE, january(1), january(31))
    ]
    twice = course(*once, (70, PAYSLIP), (70, LEASE))
    assert [one.from_on for one in clocks(twice)] == [january(1), january(70)]


def test_what_is_asked_for_late_leaves_one_clock_of_the_same_days() -> None:
    asked = course((1, applied()), (40, ASKED))
    assert clocks(asked) == (Clock(Basis.INCOMPLETE, january(1), january(31), None),)


def test_after_a_notice_of_incompleteness_closing_calls_for_no_other() -> None:
    notice = told(NoticeKind.INCOMPLETENESS, 4)
    both = clocks(course((1, applied()), (3, ASKED), (4, notice), (41, INCOMPLETE)))
    assert [one.standing(january(400)) for one in both] == [Standing.SENT] * 2


def test_a_clock_takes_no_notice_dated_before_what_it_is_about() -> None:
    """Such notices are on record of earlier releases."""
    early = told(NoticeKind.ADVERSE_ACTION, 7)
    own = told(NoticeKind.ADVERSE_ACTION, 9)
    state = course((1, applied()), (8, rejected()), (9, early))
    assert (clocks(state)[0].sent_on, retained_until(state)) == (None, None)
    assert clocks(course((1, applied()), (8, rejected()), (9, early), (9, own)))[
        0
    ].sent_on == january(9)
    asked = course((1, applied()), (3, ASKED), (4, told(NoticeKind.INCOMPLETENESS, 2)))
    assert clocks(asked)[0].sent_on is None
    approval = course((1, applied()), (3, approved()), (4, told(NoticeKind.APPROVAL, 2)))
    assert clocks(approval)[0].sent_on is None
    backdated = course((1, applied()), (3, approved()), (2, offered()))
    assert clocks(backdated)[0].sent_on is None


def test_the_ninety_days_are_met_by_no_notice_dated_before_they_began() -> None:
    made = ((1, applied()), (2, counter_offered()), (9, told(NoticeKind.COUNTER_OFFER, 5)))
    early, later = (told(NoticeKind.ADVERSE_ACTION, day) for day in (4, 6))
    assert clocks(course(*made, (9, early)))[1].sent_on is None
    assert clocks(course(*made, (9, later), (9, early)))[1].sent_on == january(6)
    assert clocks(course(*made, (9, early)))[0].sent_on == january(4)


def test_a_rejection_is_told_by_its_own_notice() -> None:
    other = told(NoticeKind.INCOMPLETENESS, 2)
    own = told(NoticeKind.ADVERSE_ACTION, 9)
    assert clocks(course((1, applied()), (2, other), (8, rejected())))[0].sent_on is None
    assert clocks(course((1, applied()), (8, rejected()), (9, own)))[0].sent_on == january(9)


def test_an_approval_is_told_by_its_notice_or_by_an_offer_after_it() -> None:
    assert clocks(course((1, applied()), (2, approved())))[0].sent_on is None
    assert clocks(course((1, applied()), (2, approved()), (3, offered())))[0].sent_on == january(3)
    notice = told(NoticeKind.APPROVAL, 4)
    assert clocks(course((1, applied()), (2, approved()), (4, notice)))[0].sent_on == january(4)


def test_a_conditional_offer_tells_of_no_approval_until_it_is_paid_out() -> None:
    conditional = ((1, applied()), (2, offered()), (3, accepted()), (9, approved()))
    assert clocks(course(*conditional))[0].sent_on is None
    assert clocks(course(*conditional, (10, disbursed())))[0].sent_on == january(10)


def test_a_decision_after_one_that_was_told_has_a_time_of_its_own() -> None:
    denied = ((1, applied()), (2, rejected()), (3, told(NoticeKind.ADVERSE_ACTION, 3)))
    again = e.Overridden(outcome=Outcome.APPROVED, justification="j", amount=Decimal(12000))
    assert clocks(course(*denied, (50, again)))[0].due_on == january(80)
    untold = course(*denied[:2], (50, again))
    assert clocks(untold)[0].due_on == january(31)


def test_ninety_days_run_from_the_notice_of_a_counter_offer() -> None:
    made = ((1, applied()), (2, counter_offered()), (3, told(NoticeKind.COUNTER_OFFER, 3)))
    first, second = clocks(course(*made))
    assert first.sent_on == january(3)
    assert second == Clock(Basis.COUNTER_OFFER_NOT_TAKEN, january(3), january(93), None)


def test_a_combined_notice_or_acceptance_leaves_nothing_owed_of_a_counter_offer() -> None:
    made = ((1, applied()), (2, counter_offered()), (3, told(NoticeKind.COUNTER_OFFER, 3)))
    combined = course(*made, (3, told(NoticeKind.ADVERSE_ACTION, 3)))
    assert [one.standing(january(200)) for one in clocks(combined)] == [Standing.SENT] * 2
    taken = course(*made, (4, offered(amount="9000.00")), (5, accepted()))
    assert [one.basis for one in clocks(taken)] == [Basis.COMPLETED]


def test_an_offer_accepted_before_the_counter_offer_takes_it_only_where_the_terms_are_its_own() -> (
    None
):
    other = ((1, applied()), (2, offered()), (3, accepted()), (4, counter_offered()))
    notice = told(NoticeKind.COUNTER_OFFER, 5)
    assert clocks(course(*other, (5, notice)))[1].due_on == january(95)
    same = ((1, applied()), (2, offered(amount="9000.00")), (3, accepted()), (4, counter_offered()))
    assert [one.basis for one in clocks(course(*same, (5, notice)))] == [Basis.COMPLETED]


def test_nothing_is_owed_where_the_applicant_withdrew_only() -> None:
    assert clocks(course((1, applied()), (2, BY_APPLICANT))) == ()
    assert clocks(course((1, applied()), (2, BY_LENDER))) != ()


def test_the_last_day_is_in_time_and_the_next_is_late() -> None:
    clock = Clock(Basis.COMPLETED, january(1), january(31), None)
    assert clock.standing(january(31)) is Standing.DUE
    assert clock.standing(january(32)) is Standing.LATE
    late = clock._replace(sent_on=january(33))
    assert late.standing(january(33)) is Standing.SENT_LATE
    assert late.standing(january(32)) is Standing.LATE


def test_the_first_of_two_notices_of_a_kind_counts() -> None:
    sent = [(9, told(NoticeKind.ADVERSE_ACTION, day)) for day in (9, 7, 8)]
    assert clocks(course((1, applied()), (2, rejected()), *sent))[0].sent_on == january(7)


@pytest.mark.parametrize(
    ("kind", "until"),
    [(CreditKind.CONSUMER, date(2028, 2, 29)), (CreditKind.BUSINESS, date(2027, 1, 31))],
)
def test_the_record_is_kept_by_kind_of_credit_to_the_end_of_a_shorter_month(
    kind: CreditKind, until: date
) -> None:
    made = (1, replace(applied(), credit_kind=kind))
    assert retained_until(course(made)) is None
    notice = told(NoticeKind.ADVERSE_ACTION, 31)
    assert retained_until(course(made, (2, rejected()), (31, notice))) == until


def test_the_record_of_a_withdrawn_application_is_kept_from_applying() -> None:
    assert retained_until(course((1, applied()), (9, BY_LENDER))) is None
    assert retained_until(course((1, applied()), (9, BY_APPLICANT))) == date(2028, 2, 1)


def test_the_record_is_kept_from_the_last_notice() -> None:
    sent = [(40, told(NoticeKind.ADVERSE_ACTION, day)) for day in (31, 32, 9)]
    assert retained_until(course((1, applied()), (2, rejected()), *sent)) == date(2028, 3, 1)


NOTICE = told(NoticeKind.INCOMPLETENESS, 4)
FUNDED = ((2, approved()), (3, offered()), (4, accepted()), (5, disbursed()))
COUNTERED = ((2, counter_offered()), (3, offered(amount="9000.00")))


@pytest.mark.parametrize(
    ("happened", "taken"),
    [
        ((), None),
        (FUNDED[:3], None),
        (FUNDED, ActionTaken.ORIGINATED),
        (((2, rejected()),), ActionTaken.DENIED),
        ((*FUNDED[:3], (6, BY_APPLICANT)), ActionTaken.APPROVED_NOT_ACCEPTED),
        (((2, approved()), (9, EXPIRED)), ActionTaken.APPROVED_NOT_ACCEPTED),
        ((*COUNTERED, (9, EXPIRED)), ActionTaken.DENIED),
        ((*COUNTERED, (9, BY_APPLICANT)), ActionTaken.DENIED),
        ((*COUNTERED, (4, accepted()), (9, EXPIRED)), ActionTaken.APPROVED_NOT_ACCEPTED),
        (((2, BY_APPLICANT),), ActionTaken.WITHDRAWN_BY_APPLICANT),
        (((2, BY_LENDER),), ActionTaken.DENIED),
        (((3, ASKED), (4, NOTICE), (41, INCOMPLETE)), ActionTaken.CLOSED_FOR_INCOMPLETENESS),
        (((3, ASKED), (41, INCOMPLETE)), ActionTaken.DENIED),
    ],
)
def test_the_action_taken_is_that_of_regulation_c(
    happened: tuple[tuple[int, e.Event], ...], taken: ActionTaken | None
) -> None:
    assert action_taken(course((1, applied()), *happened)) is taken
