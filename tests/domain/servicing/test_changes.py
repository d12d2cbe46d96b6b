"""How terms change in mid-life, and what comes of that."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from lending.domain.application import commands as c
from lending.domain.application.refusals import Refusal
from lending.domain.calendar import BusinessDayRule, PeriodUnit
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.journal import LedgerAccount as A
from lending.domain.loan.terms import (
    Amortization,
    InterestBasis,
    PaymentKind,
    PrepaidInterest,
)
from lending.domain.servicing import commands as s
from lending.domain.servicing import events as e
from tests.domain.servicing.drawn import weekdays
from tests.domain.servicing.lives import PAYOUT, accepted_offer, day, posted, running, with_terms

FEB, MAR, APR = date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)
NEW = UUID("019c1111-2222-7000-8333-444455556666")
D = Decimal


# terms


def test_a_new_rate_changes_the_instalments_to_come() -> None:
    life = running().does(s.ChangeRate(rate_percent=D(24)), FEB)
    assert life.last.change is e.TermsChange.RATE
    assert life.last.schedule.due_on[0] == MAR
    assert life.last.schedule.interest[0] > D("20.00")


def test_a_modification_fixes_the_instalment_for_good() -> None:
    life = running().does(s.ChangeRate(rate_percent=D(24), instalment_amount=D(90)), FEB)
    assert life.last.instalment_amount == D("90.00")

    def first(schedule: e.BindingSchedule) -> Decimal:
        return schedule.principal[0] + schedule.interest[0]

    assert first(life.last.schedule) == D("90.00")
    life.does(s.Extend(instalments=6), FEB)
    assert first(life.last.schedule) == D("90.00")
    life.does(s.Capitalise(), MAR)
    life.does(s.ChangeRate(rate_percent=D(12), instalment_amount=D(120)), MAR)
    assert first(life.last.schedule) == D("120.00")


def test_a_fixed_instalment_survives_a_correction_before_it() -> None:
    change = s.ChangeRate(rate_percent=D(24), instalment_amount=D(90))
    life = running().does(change, MAR).does(s.Repay(amount=D("106.62")), FEB)
    to_come = [one for one in life.book(MAR).instalments if one.due > MAR]
    assert to_come[0].owed.total == D("90.00")


def test_new_instalments_are_counted_without_those_they_replace() -> None:
    life = running(product=with_terms(instalments=360))
    life.does(s.ReAge(first_due_on=APR, instalments=480), MAR)
    assert life.last.schedule.due_on[0] == APR
    assert life.refuses(s.ReAge(first_due_on=APR, instalments=599), MAR) is (
        Refusal.TOO_MANY_INSTALMENTS
    )


def test_a_due_date_moves_and_those_behind_it_follow() -> None:
    life = running().does(s.MoveDueDate(due_on=FEB, to=date(2026, 2, 15)), day(5))
    assert life.last.schedule.due_on[:2] == (date(2026, 2, 15), date(2026, 3, 15))


def test_a_payment_holiday_leaves_instalments_out() -> None:
    life = running().does(s.Pause(instalments=2), day(5))
    assert life.last.schedule.due_on[0] == APR
    assert len(life.last.schedule.due_on) == 12


def test_an_extension_adds_instalments() -> None:
    life = running().does(s.Extend(instalments=6), day(5))
    assert len(life.last.schedule.due_on) == 18
    assert sum(life.last.schedule.principal) == D("1200.00")


BUSINESS_DAYS = with_terms(
    business_day_rule=BusinessDayRule.FOLLOWING, holidays="us", late_fee=None
)


@pytest.mark.parametrize(
    "change",
    [
        s.Extend(instalments=6),
        s.Pause(instalments=2),
        s.MoveDueDate(due_on=date(2026, 3, 2), to=date(2026, 3, 14)),
        s.ReAge(first_due_on=date(2026, 5, 30), instalments=12),
    ],
)
def test_due_dates_after_a_change_are_business_days_and_follow_those_agreed(
    change: s.ServicingCommand,
) -> None:
    life = accepted_offer(product=BUSINESS_DAYS, is_business_day=weekdays)
    life.does(c.Disburse(), PAYOUT).does(change, date(2026, 2, 10))
    lines = [one for one in life.book().instalments if one.due > date(2026, 2, 10)]
    assert all(weekdays(one.due) for one in lines)
    days = {one.agreed.day for one in lines}
    assert len(days - {28, 29, 30}) <= 1
    assert any(one.agreed != one.due for one in lines)
    stored = life.last.schedule
    assert stored.due_on == tuple(one.due for one in lines)
    assert stored.agreed == tuple(one.agreed for one in lines)


def test_a_change_before_another_keeps_to_business_days() -> None:
    life = accepted_offer(product=BUSINESS_DAYS, is_business_day=weekdays)
    life.does(c.Disburse(), PAYOUT).does(s.Pause(instalments=1), date(2026, 4, 10))
    life.does(s.Extend(instalments=3), date(2026, 3, 10))
    assert all(weekdays(one.due) for one in life.book().instalments)


def test_a_first_due_date_that_a_calendar_moves_to_the_funding_is_refused() -> None:
    """Due a day after a Friday, and moved to the business day before."""
    daily = with_terms(
        period=PeriodUnit.DAYS, business_day_rule=BusinessDayRule.PRECEDING, holidays="us"
    )
    life = accepted_offer(product=daily, is_business_day=weekdays)
    assert life.refuses(c.Disburse(), date(2026, 1, 2)) is Refusal.TERMS_NOT_POSSIBLE


def test_the_rate_is_that_of_the_dates_agreed() -> None:
    """12 CFR 1026.17(c)(3): that a due date is no business day does not count."""
    life = accepted_offer(product=BUSINESS_DAYS, is_business_day=weekdays)
    disclosed = life.state.offers["1"].disclosed
    assert disclosed is not None
    assert disclosed.apr_percent == D("11.999780")
    assert disclosed.payments[0].first_due_on == date(2026, 2, 2)


def test_what_is_overdue_becomes_principal_or_is_spread_or_is_owed_anew() -> None:
    capitalised = running().does(s.Capitalise(), day(40))
    assert capitalised.loan.balance == D("1212.00")
    spread = running().does(s.ReAmortise(), day(40))
    assert spread.book().overdue == 0
    aged = running().does(s.ReAge(first_due_on=APR, instalments=20), day(40))
    assert len(aged.last.schedule.due_on) == 20
    assert aged.book().overdue == 0


def test_there_is_nothing_to_do_where_nothing_is_overdue() -> None:
    life = running()
    assert life.answer(s.Capitalise(), day(5)) == []
    assert life.answer(s.ReAmortise(), day(5)) == []


def test_principal_is_forgiven() -> None:
    life = running().does(s.Forgive(amount=D(200)), day(5))
    assert life.loan.balance == D("1000.00")
    assert posted(life.last) == {
        A.LOANS_RECEIVABLE: "-200.00",
        A.INTEREST_RECEIVABLE: "1.94",
        A.INTEREST_INCOME: "-1.94",
        A.FORGIVENESS_EXPENSE: "200.00",
    }


def test_days_do_not_count_while_delinquency_is_paused() -> None:
    life = running().does(s.PauseDelinquency(until=day(60)), day(10))
    assert life.book().delinquency_pauses == ((day(10), day(60)),)
    life.does(s.ResumeDelinquency(), day(30))
    assert life.book().delinquency_pauses == ((day(10), day(30)),)


# end


TERMS_THAT_CHANGE = [
    s.Pause(instalments=2),
    s.Extend(instalments=2),
    s.MoveDueDate(due_on=MAR, to=date(2026, 3, 20)),
    s.ChangeRate(rate_percent=D(24)),
]
PAID_AHEAD = [
    {"interest_basis": basis, "amortization": amortization}
    for basis, amortization in (
        (InterestBasis.SCHEDULED, Amortization.EQUAL_INSTALMENTS),
        (InterestBasis.SCHEDULED, Amortization.FLAT),
        (InterestBasis.PREPAID, Amortization.EQUAL_INSTALMENTS),
        (InterestBasis.OUTSTANDING, Amortization.INTEREST_ONLY),
    )
]


@pytest.mark.parametrize("prepaid", PrepaidInterest)
@pytest.mark.parametrize("terms", PAID_AHEAD)
@pytest.mark.parametrize("change", [*TERMS_THAT_CHANGE, s.ReAge(first_due_on=APR, instalments=3)])
@pytest.mark.parametrize("kind", [PaymentKind.GOODWILL_CREDIT, PaymentKind.PAYOFF])
def test_new_terms_make_nothing_owed_on_a_loan_that_had_been_paid_before(
    kind: PaymentKind, change: c.Command, terms: dict[str, Any], prepaid: PrepaidInterest
) -> None:
    life = running(product=with_terms(prepaid_interest=prepaid, **terms)).does(change, day(40))
    life.does(s.Repay(amount=D(2000), kind=kind), FEB)
    assert life.loan.status is LoanStatus.OVERPAID
    assert life.book(date(2027, 6, 1)).outstanding == 0


@pytest.mark.parametrize("change", TERMS_THAT_CHANGE)
@pytest.mark.parametrize("terms", PAID_AHEAD)
def test_terms_of_a_loan_that_owes_a_charge_alone_cannot_change(
    change: c.Command, terms: dict[str, Any]
) -> None:
    life = running(product=with_terms(**terms))
    life.does(s.Repay(amount=D(2000), kind=PaymentKind.GOODWILL_CREDIT), FEB)
    life.does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(5)), day(39))
    assert life.refuses(change, day(40)) is Refusal.NOTHING_TO_COME


def test_a_charge_that_is_owed_alone_bears_no_interest_when_it_is_aged_anew() -> None:
    life = running(product=with_terms(amortization=Amortization.FLAT))
    life.does(s.Repay(amount=D(1344)), FEB)
    life.does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(5)), day(39))
    life.does(s.ReAge(first_due_on=APR, instalments=3), day(40))
    assert life.book(date(2027, 6, 1)).outstanding == D("5.00")
