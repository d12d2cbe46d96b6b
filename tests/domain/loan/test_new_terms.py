"""New terms in mid-life: rates, due dates, holidays, extensions, re-aging, and what the book says then."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from lending.domain.calendar import PeriodUnit
from lending.domain.loan import entries as e
from lending.domain.loan.engine import replay
from lending.domain.loan.entries import Entry
from lending.domain.loan.terms import (
    Amortization,
    Component,
    InterestBasis,
    PaymentKind,
)
from tests.domain.loan.loans import (
    FUNDED,
    KEEPS,
    SIMPLE,
    TERMS,
    THOUSAND,
    YEARLY,
    after,
    entered,
)


def test_a_rate_change_makes_a_new_instalment_from_its_day() -> None:
    book = after(TERMS, (date(2024, 2, 1), e.RateChanged(rate_percent=Decimal(24))))
    assert book.instalments[0].owed.total == Decimal("88.85")
    assert book.instalments[1].owed.total == Decimal("94.12")


def test_a_tranche_after_a_rate_change_of_a_loan_paid_off_before_bears_the_new_rate() -> None:
    """A payoff that was booked later than the rate change, and dated before it."""
    paid = (date(2024, 1, 11), e.Paid(amount=Decimal("1003.29"), kind=PaymentKind.PAYOFF))
    new_rate = (date(2024, 1, 20), e.RateChanged(rate_percent=Decimal(24)))
    again = (date(2024, 2, 1), e.Disbursed(amount=THOUSAND))
    book = after(SIMPLE, paid, new_rate, again)
    assert book.instalments[1].owed.interest == Decimal("19.07")  # 29 days of 0.6575...


def test_a_rate_change_may_keep_the_instalment() -> None:
    """921.15 at 2 % a month takes 11 payments of 88.85, and one of 65.41 a month later."""
    book = after(KEEPS, (date(2024, 2, 1), e.RateChanged(rate_percent=Decimal(24))))
    assert {one.owed.total for one in book.instalments[:-1]} == {Decimal("88.85")}
    assert [one.owed.total for one in book.instalments[12:]] == [Decimal("65.41")]
    assert book.instalments[-1].due == date(2025, 2, 1)
    assert sum(one.owed.principal for one in book.instalments) == THOUSAND


def test_a_kept_instalment_lengthens_the_term_by_as_many_as_it_takes_and_shortens_it_again() -> (
    None
):
    risen = (date(2024, 2, 1), e.RateChanged(rate_percent=Decimal(60)))
    fallen = (date(2024, 3, 1), e.RateChanged(rate_percent=Decimal(12)))
    assert len(after(KEEPS, risen).instalments) == 16
    assert len(after(KEEPS, risen, fallen).instalments) == 13


def test_a_kept_instalment_lengthens_the_term_up_to_a_limit_and_the_last_takes_the_rest() -> None:
    terms = replace(KEEPS, lengthened_instalments_max=14)
    book = after(terms, (date(2024, 2, 1), e.RateChanged(rate_percent=Decimal(60))))
    assert {one.owed.total for one in book.instalments[:-1]} == {Decimal("88.85")}
    assert len(book.instalments) == 14
    assert book.instalments[-1].owed.total > Decimal("88.85")


def test_a_kept_instalment_that_would_never_repay_lengthens_nothing() -> None:
    """10 % a month of 921.15 is more than the instalment."""
    book = after(KEEPS, (date(2024, 2, 1), e.RateChanged(rate_percent=Decimal(120))))
    assert len(book.instalments) == 12
    assert book.instalments[-1].owed.principal == Decimal("921.15")


def test_a_balloon_stays_one_where_the_instalment_is_kept() -> None:
    terms = replace(KEEPS, balloon_percent=Decimal(50))
    book = after(terms, (date(2024, 2, 1), e.RateChanged(rate_percent=Decimal(13))))
    assert len(book.instalments) == 12
    assert book.instalments[-1].owed.principal > 500


def test_a_payment_holiday_makes_the_period_longer() -> None:
    book = after(TERMS, (date(2024, 1, 10), e.Paused(instalments=2)))
    first = book.instalments[0]
    assert (first.start, first.due) == (FUNDED, date(2024, 4, 1))
    assert first.owed.interest == Decimal("30.00")
    assert book.instalments[-1].due == date(2025, 3, 1)


def test_a_moved_due_date_makes_its_period_longer_by_days() -> None:
    """From 1 January to 20 March: two months, and 19 of the 31 days before them."""
    moved = e.DueDateMoved(due_on=date(2024, 2, 1), to=date(2024, 3, 20))
    book = after(TERMS, (date(2024, 1, 10), moved))
    assert book.instalments[0].owed.interest == Decimal("26.13")
    assert book.instalments[1].due == date(2024, 4, 20)
    assert book.instalments[1].owed.interest < 10


def test_a_charge_is_due_on_its_day_whatever_is_done_to_the_instalments() -> None:
    """It was assessed for the second instalment's period, which the holiday made part of the first's."""
    charge = e.ChargeAssessed(
        component=Component.FEE, amount=Decimal("25.00"), due_on=date(2024, 2, 20)
    )
    entries = entered((date(2024, 1, 10), charge), (date(2024, 1, 12), e.Paused(instalments=1)))
    on = date(2024, 2, 20)
    assert [one.owed.fees for one in replay(TERMS, entries, on).instalments[:2]] == [25, 0]
    paying = Entry(4, on, e.Paid(amount=Decimal("25.00")))
    assert replay(TERMS, [*entries, paying], on).charges[0].paid == 25


def test_an_extension_spreads_principal_over_more_instalments() -> None:
    book = after(TERMS, (date(2024, 1, 10), e.Extended(instalments=12)))
    assert len(book.instalments) == 24
    assert book.instalments[0].owed.total == Decimal("47.07")


def test_re_amortising_spreads_what_is_overdue() -> None:
    book = after(TERMS, (date(2024, 3, 15), e.ReAmortised()))
    assert [one.outstanding for one in book.instalments[:2]] == [0, 0]
    assert book.overdue == 0
    assert book.instalments[2].owed.interest > Decimal("28.00")
    assert sum(one.owed.principal for one in book.instalments) == THOUSAND


def test_capitalising_makes_principal_of_overdue_interest() -> None:
    book = after(TERMS, (date(2024, 2, 15), e.Capitalised()))
    assert book.allocations[2].sums.interest == Decimal("10.00")
    assert book.principal == Decimal("1010.00")


def test_re_aging_moves_all_that_is_unpaid() -> None:
    re_aged = e.ReAged(
        first_due_on=date(2024, 4, 1), instalments=10, every=1, period=PeriodUnit.MONTHS
    )
    book = after(TERMS, (date(2024, 3, 15), re_aged))
    assert book.overdue == 0
    assert [one.due for one in book.instalments[2:4]] == [date(2024, 4, 1), date(2024, 5, 1)]
    assert len(book.instalments) == 12


def test_re_aging_bears_interest_for_all_the_time_until_the_first_instalment() -> None:
    """20.00 fell due; 4.52 had accrued, 14 of 31 days; of six months in 184 days, 170 are to come."""
    re_aged = e.ReAged(
        first_due_on=date(2024, 9, 1), instalments=6, every=1, period=PeriodUnit.MONTHS
    )
    terms = replace(TERMS, interest_basis=InterestBasis.OUTSTANDING)
    book = after(terms, (date(2024, 3, 15), re_aged))
    assert book.instalments[2].owed.interest == Decimal("79.95")


def test_interest_accrued_before_re_aging_is_rounded_once_with_what_accrues_after() -> None:
    """61 days of 0.3287...: three before the re-aging, which would be 0.99, and 58 after."""
    re_aged = e.ReAged(
        first_due_on=date(2024, 3, 2), instalments=12, every=1, period=PeriodUnit.MONTHS
    )
    book = after(YEARLY, (date(2024, 1, 4), re_aged))
    assert book.instalments[0].owed.interest == Decimal("20.05")


def test_a_charge_paid_ahead_is_counted_with_the_line_that_re_aging_gives_it_to() -> None:
    charged = e.ChargeAssessed(component=Component.FEE, amount=Decimal(10), due_on=date(2024, 2, 1))
    re_aged = e.ReAged(
        first_due_on=date(2024, 3, 1), instalments=12, every=1, period=PeriodUnit.MONTHS
    )
    book = after(
        TERMS,
        (date(2024, 1, 2), charged),
        (date(2024, 1, 3), e.Paid(amount=Decimal(15))),
        (date(2024, 1, 20), re_aged),
    )
    kept, first = book.instalments[:2]
    assert (kept.paid.total, kept.paid_in_advance) == (Decimal(5), Decimal(5))
    assert first.paid.fees == first.paid_in_advance == Decimal(10)


@pytest.mark.parametrize(
    ("every", "period", "interest"),
    [(1, PeriodUnit.WEEKS, "2.31"), (10, PeriodUnit.DAYS, "3.29")],
)
def test_periods_after_re_aging_bear_interest_by_their_own_length(
    every: int, period: PeriodUnit, interest: str
) -> None:
    """A week is 1/52 of a year, a day 1/365, a month 1/12."""
    re_aged = e.ReAged(first_due_on=date(2024, 1, 1), instalments=2, every=every, period=period)
    terms = replace(TERMS, amortization=Amortization.INTEREST_ONLY)
    book = after(terms, (FUNDED, re_aged))
    assert book.instalments[-1].owed.interest == Decimal(interest)


def test_an_extension_goes_on_at_the_months_end() -> None:
    """The last instalment fell due on 28 February, the loan was funded on the 31st."""
    terms = replace(TERMS, instalments=1)
    funded = Entry(1, date(2023, 1, 31), e.Disbursed(amount=THOUSAND))
    entries = [funded, Entry(2, date(2023, 2, 1), e.Extended(instalments=2))]
    dues = [one.due for one in replay(terms, entries, date(2023, 2, 1)).instalments]
    assert dues == [date(2023, 2, 28), date(2023, 3, 31), date(2023, 4, 30)]
