"""What is done to a loan in mid-life, and what its book says then."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from lending.domain.calendar import PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan import entries as e
from lending.domain.loan.book import LoanBook, LoanStatus
from lending.domain.loan.engine import payoff, replay
from lending.domain.loan.entries import Act, Ending, Entry
from lending.domain.loan.terms import (
    AllocationStep,
    Amortization,
    Component,
    CreditBalance,
    InterestAfterMaturity,
    InterestBasis,
    InterestGrace,
    PaymentKind,
    PaymentRule,
    PeriodInterest,
    Prepayment,
    Processing,
    RateChangeEffect,
    Terms,
)

TERMS = Terms(currency="USD", rate_percent=Decimal(12), instalments=12)
SIMPLE = replace(
    TERMS,
    interest_basis=InterestBasis.OUTSTANDING,
    period_interest=PeriodInterest.DAYS,
    day_count=DayCount.ACTUAL_365F,
)
YEARLY = replace(SIMPLE, period=PeriodUnit.YEARS)
KEEPS = replace(TERMS, rate_change_effect=RateChangeEffect.KEEP_INSTALMENT)
ACCRUING = replace(SIMPLE, interest_after_maturity=InterestAfterMaturity.ACCRUES, instalments=1)
APPLYING = replace(
    TERMS,
    credit_balance=CreditBalance.APPLIED,
    payment_rules=(
        PaymentRule(order=(AllocationStep.DUE_INTEREST, AllocationStep.DUE_PRINCIPAL)),
        PaymentRule(kind=PaymentKind.PREPAYMENT, order=(AllocationStep.DUE_FEE,)),
    ),
)
FUNDED = date(2024, 1, 1)
THOUSAND = Decimal("1000.00")


def after(terms: Terms, *acts: tuple[date, Act], on: date | None = None) -> LoanBook:
    """The book of a loan of 1,000 after these acts, on the day of the last one."""
    entries = entered(*acts)
    return replay(terms, entries, on or entries[-1].on)


def entered(*acts: tuple[date, Act]) -> list[Entry]:
    funded = (FUNDED, e.Disbursed(amount=THOUSAND))
    return [Entry(number, day, act) for number, (day, act) in enumerate((funded, *acts), 1)]


def paid(day: date, amount: str, kind: PaymentKind = PaymentKind.INSTALMENT) -> tuple[date, Act]:
    return day, e.Paid(amount=Decimal(amount), kind=kind)


def ruled(prepayment: Prepayment) -> Terms:
    return replace(TERMS, payment_rules=(PaymentRule(prepayment=prepayment),))


def test_late_principal_bears_interest_where_it_is_outstanding() -> None:
    """31 days on 1,000.00, then 29 days on 1,000.00 still: nothing was paid."""
    book = after(SIMPLE, on=date(2024, 3, 1))
    assert [one.owed.interest for one in book.instalments[:2]] == [
        Decimal("10.19"),
        Decimal("9.53"),
    ]


def test_after_the_last_due_date_interest_stops_or_accrues_day_by_day() -> None:
    """1,000.00 and 31 days' interest fell due on 1 February; 10 days more are 3.29."""
    on = date(2024, 2, 11)
    stopped = after(replace(SIMPLE, instalments=1), on=on)
    accrued = after(ACCRUING, on=on)
    assert [book.outstanding for book in (stopped, accrued)] == [
        Decimal("1010.19"),
        Decimal("1013.48"),
    ]
    assert accrued.overdue == accrued.outstanding


def test_interest_after_maturity_is_on_what_is_left_unpaid_and_rounded_once() -> None:
    """10 days on 1,000.00, 10 on 400.00: 4.6027, whenever the book is looked at."""
    paying = paid(date(2024, 2, 11), "613.48")
    book = after(ACCRUING, paying, on=date(2024, 2, 21))
    assert book.instalments[0].owed.interest == Decimal("10.19") + Decimal("4.60")
    assert book.principal == 400
    assert book.outstanding == Decimal("401.31")


def test_what_is_owed_again_after_maturity_bears_interest_from_then_on() -> None:
    """500.00 charged back after all was paid: nothing for the days before, 10 days after."""
    back = (date(2024, 3, 1), e.ChargedBack(of=2, amount=Decimal("500.00")))
    terms = replace(ACCRUING, charge_back_order=tuple(reversed(Component)))
    book = after(terms, paid(date(2024, 2, 1), "1010.19"), back, on=date(2024, 3, 11))
    assert book.outstanding == Decimal("501.64")
    cleared = Entry(4, date(2024, 3, 11), e.Paid(amount=Decimal("501.64")))
    entries = entered(paid(date(2024, 2, 1), "1010.19"), back)
    assert replay(terms, [*entries, cleared], date(2024, 4, 1)).outstanding == 0


def test_what_is_paid_early_saves_interest_where_it_is_outstanding() -> None:
    """16 days on 1,000.00 and 15 on 500.00."""
    terms = replace(SIMPLE, payment_rules=(PaymentRule(prepayment=Prepayment.KEEP_INSTALMENT),))
    book = after(terms, paid(date(2024, 1, 17), "500.00"))
    assert book.instalments[0].owed.interest == Decimal("7.73")


def test_keeping_the_instalment_shortens_the_term() -> None:
    book = after(ruled(Prepayment.KEEP_INSTALMENT), paid(date(2024, 1, 1), "500.00"))
    assert len(book.instalments) == 6
    assert book.instalments[0].owed.total == Decimal("88.85")


def test_keeping_the_term_lowers_the_instalment() -> None:
    book = after(ruled(Prepayment.KEEP_TERM), paid(date(2024, 1, 1), "500.00"))
    assert len(book.instalments) == 12
    assert book.instalments[0].owed.total == Decimal("44.42")


def test_by_step_a_component_is_paid_everywhere_before_the_next() -> None:
    interest_first = PaymentRule(
        order=(AllocationStep.PAST_DUE_INTEREST, AllocationStep.PAST_DUE_PRINCIPAL),
        processing=Processing.BY_STEP,
    )
    terms = replace(TERMS, payment_rules=(interest_first,))
    book = after(terms, paid(date(2024, 3, 2), "20.00"))
    assert [one.paid.interest for one in book.instalments[:2]] == [
        Decimal("10.00"),
        Decimal("9.21"),
    ]
    assert book.instalments[0].paid.principal == Decimal("0.79")


def test_money_that_no_step_takes_is_a_credit_balance() -> None:
    only_due = PaymentRule(order=(AllocationStep.DUE_INTEREST, AllocationStep.DUE_PRINCIPAL))
    book = after(replace(TERMS, payment_rules=(only_due,)), paid(date(2024, 2, 1), "100.00"))
    assert book.credit == Decimal("11.15")


def test_a_credit_balance_that_is_applied_pays_what_falls_due() -> None:
    """88.85 a month; of 200.00 paid on the first due date, 111.15 are left over."""
    entries = entered(paid(date(2024, 2, 1), "200.00"))
    at_once, later, last = (replay(APPLYING, entries, date(2024, month, 1)) for month in (2, 3, 4))
    assert [book.credit for book in (at_once, later, last)] == [
        Decimal("111.15"),
        Decimal("22.30"),
        Decimal("0.00"),
    ]
    assert later.instalments[1].met_on == date(2024, 3, 1)
    did = last.allocations[2]
    assert did.sums.total == 200
    assert did.credit == 0
    assert {portion.due for portion in did.portions} == {one.due for one in last.instalments[:3]}


def test_a_credit_balance_that_is_held_stays() -> None:
    held = replace(APPLYING, credit_balance=CreditBalance.HELD)
    book = after(held, paid(date(2024, 2, 1), "200.00"), on=date(2024, 6, 1))
    assert book.credit == Decimal("111.15")
    assert book.overdue == 3 * Decimal("88.85")


def test_the_oldest_credit_is_applied_or_refunded_first() -> None:
    prepaid = [
        paid(date(2024, 1, 10 + n), amount, PaymentKind.PREPAYMENT)
        for n, amount in enumerate(("50.00", "100.00"))
    ]
    refund = (date(2024, 1, 15), e.CreditRefunded(amount=Decimal("20.00")))
    book = after(APPLYING, *prepaid, refund, on=date(2024, 2, 1))
    assert [book.allocations[n].sums.total for n in (2, 3)] == [Decimal("30.00"), Decimal("58.85")]
    assert book.credit == Decimal("41.15")


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


def test_forgiven_principal_is_not_asked_for() -> None:
    book = after(TERMS, (date(2024, 1, 1), e.Forgiven(amount=Decimal("900.00"))))
    assert book.principal == 100


@pytest.mark.parametrize("how", Ending)
def test_an_end_leaves_nothing_to_pay(how: Ending) -> None:
    book = after(TERMS, paid(date(2024, 2, 1), "88.85"), (date(2024, 2, 10), e.Ended(how=how)))
    assert book.outstanding == book.principal == 0
    assert book.status == LoanStatus(how.value)
    assert book.allocations[3].sums.principal == Decimal("921.15")


def test_what_is_recovered_later_is_no_credit() -> None:
    book = after(
        TERMS,
        (date(2024, 2, 10), e.Ended(how=Ending.WRITTEN_OFF)),
        paid(date(2024, 5, 1), "50.00", PaymentKind.RECOVERY),
    )
    assert book.allocations[3].recovered == 50
    assert book.credit == 0


def test_a_payoff_pays_interest_to_its_day_and_no_more() -> None:
    """14 of 29 days of February on 921.15 at 1% a month."""
    entries = entered(paid(date(2024, 2, 1), "88.85"))
    on = date(2024, 2, 15)
    quoted = payoff(TERMS, entries, on)
    assert (quoted.principal, quoted.interest) == (Decimal("921.15"), Decimal("4.45"))
    paying = Entry(3, on, e.Paid(amount=quoted.total, kind=PaymentKind.PAYOFF))
    book = replay(TERMS, [*entries, paying], on)
    assert book.status is LoanStatus.PAID_OFF
    assert book.outstanding == book.credit == 0


def test_a_payoff_of_nothing_still_ends_interest_to_come() -> None:
    """All principal was paid ahead, before its interest; of what was precomputed none is earned."""
    steps = sorted(AllocationStep, key=lambda step: step.component is not Component.PRINCIPAL)
    rule = PaymentRule(order=tuple(steps), processing=Processing.BY_STEP)
    terms = replace(TERMS, payment_rules=(rule,))
    entries = entered(paid(FUNDED, "1000.00"))
    before = replay(terms, entries, FUNDED)
    assert before.principal == 0 < before.outstanding
    assert payoff(terms, entries, FUNDED).total == 0
    paying = Entry(3, FUNDED, e.Paid(amount=Decimal("0.00"), kind=PaymentKind.PAYOFF))
    assert replay(terms, [*entries, paying], FUNDED).status is LoanStatus.PAID_OFF


def test_interest_in_grace_that_a_payoff_ended_becomes_no_principal() -> None:
    terms = replace(TERMS, interest_grace=2, interest_grace_as=InterestGrace.CAPITALISED)
    looked_at = (FUNDED, e.ChargedOff())
    paying = paid(FUNDED, "1000.00", PaymentKind.PAYOFF)
    book = after(terms, looked_at, paying, on=date(2024, 4, 1))
    assert book.principal == book.capitalised_in_grace == book.outstanding == 0


def test_what_is_lent_after_an_end_is_owed_at_once_and_can_be_paid_off() -> None:
    entries = entered(
        (date(2024, 2, 10), e.Ended(how=Ending.WRITTEN_OFF)),
        (date(2024, 3, 1), e.Disbursed(amount=Decimal("50.00"))),
    )
    on = date(2024, 3, 1)
    assert replay(TERMS, entries, on).principal == payoff(TERMS, entries, on).total == 50
    paying = Entry(4, on, e.Paid(amount=Decimal("50.00"), kind=PaymentKind.PAYOFF))
    assert replay(TERMS, [*entries, paying], on).outstanding == 0


def test_a_waived_charge_is_not_asked_for() -> None:
    charge = e.ChargeAssessed(
        component=Component.FEE, amount=Decimal("25.00"), due_on=date(2024, 1, 20)
    )
    book = after(
        TERMS,
        (date(2024, 1, 20), charge),
        (date(2024, 1, 21), e.ChargeWaived(of=2, amount=Decimal("25.00"))),
    )
    assert book.charges[0].outstanding == 0
    assert book.instalments[0].outstanding == Decimal("88.85")


def test_a_boarded_loan_goes_on_from_where_it_was() -> None:
    boarded = e.Boarded(
        principal=Decimal("900.00"),
        paid_through=date(2024, 5, 1),
        overdue=(
            e.Arrears(
                due_on=date(2024, 5, 1), principal=Decimal("80.00"), interest=Decimal("9.00")
            ),
        ),
    )
    book = replay(TERMS, [Entry(1, date(2024, 5, 10), boarded)], date(2024, 5, 10))
    assert book.principal == 980
    assert book.overdue == 89
    assert book.instalments[1].owed.interest == 9
    assert book.instalments[1].due == date(2024, 6, 1)


def test_a_back_dated_payment_takes_its_place_by_its_date() -> None:
    late = entered(paid(date(2024, 2, 10), "88.85"), paid(date(2024, 2, 1), "88.85"))
    book = replay(TERMS, late, date(2024, 2, 10))
    assert book.instalments[0].met_on == date(2024, 2, 1)
    assert book.instalments[1].paid_in_advance == Decimal("88.85")


def test_a_reversed_payment_never_was() -> None:
    book = after(TERMS, paid(date(2024, 2, 1), "88.85"), (date(2024, 2, 5), e.Reversed(of=2)))
    assert 2 not in book.allocations
    assert book.overdue == Decimal("88.85")


def test_a_down_payment_in_mid_period_leaves_its_interest_running() -> None:
    """15 of 31 days on 750.00, 16 on 825.00: both advances less their down payments."""
    terms = replace(TERMS, down_payment_percent=Decimal(25))
    book = after(terms, (date(2024, 1, 16), e.Disbursed(amount=Decimal("100.00"))))
    assert [one.owed.principal for one in book.instalments[:2]] == [250, 25]
    assert book.instalments[2].owed.interest == Decimal("7.89")


@pytest.mark.parametrize("basis", InterestBasis)
@pytest.mark.parametrize("prepayment", [Prepayment.LAST, Prepayment.NEXT])
def test_what_is_owed_again_of_a_loan_paid_ahead_is_paid_once(
    basis: InterestBasis, prepayment: Prepayment
) -> None:
    free = replace(
        TERMS,
        rate_percent=Decimal(0),
        instalments=3,
        interest_basis=basis,
        payment_rules=(PaymentRule(prepayment=prepayment),),
    )
    book = after(
        free,
        (date(2024, 1, 10), e.Paid(amount=THOUSAND)),
        (date(2024, 3, 10), e.CreditRefunded(amount=Decimal("0.01"))),
        (date(2024, 3, 20), e.Paid(amount=Decimal("250.00"))),
    )
    assert (book.principal, book.credit) == (Decimal(0), Decimal("249.99"))
    assert all(one.outstanding == 0 for one in book.instalments)


@pytest.mark.parametrize("becomes", InterestGrace)
def test_who_pays_what_is_quoted_owes_nothing_whatever_became_of_interest_in_grace(
    becomes: InterestGrace,
) -> None:
    terms = replace(TERMS, instalments=3, interest_grace=1, interest_grace_as=becomes)
    on = date(2024, 2, 20)
    entries = entered()
    quoted = payoff(terms, entries, on)
    paid = Entry(2, on, e.Paid(amount=quoted.total, kind=PaymentKind.PAYOFF))
    assert replay(terms, [*entries, paid], on).status is LoanStatus.PAID_OFF
