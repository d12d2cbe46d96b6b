"""Schedules: what each parameter of the terms does, and what holds for all of them."""

import sys
import time
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.calendar import BusinessDayRule, PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan.due_dates import Rhythm, due_dates, rhythm_of
from lending.domain.loan.lines import LineKind
from lending.domain.loan.schedule import Advance, Schedule, schedule
from lending.domain.loan.terms import (
    Amortization,
    InstalmentFee,
    InterestGrace,
    NegativeAmortization,
    NegativeRate,
    PeriodInterest,
    RateStep,
    Terms,
)
from lending.domain.money import Rounding
from tests.domain.loan.histories import FUNDED_ON, amounts
from tests.domain.loan.histories import terms as any_terms

ONE_YEAR = Terms(currency="USD", rate_percent=Decimal(12), instalments=12)
FUNDED = date(2024, 1, 1)
THOUSAND = Decimal("1000.00")


def of(terms: Terms, amount: Decimal = THOUSAND, on: date = FUNDED) -> Schedule:
    return schedule(terms, [Advance(on, amount)])


def payments(terms: Terms) -> list[Decimal]:
    return [one.payment for one in of(terms).instalments]


@given(any_terms, st.lists(amounts, min_size=1, max_size=3))
def test_principal_sums_to_what_was_advanced_and_no_balance_is_below_zero(
    terms: Terms, advanced: list[Decimal]
) -> None:
    advances = [Advance(FUNDED_ON, amount) for amount in advanced]
    found = schedule(terms, advances).instalments
    grown = terms.interest_grace_as is InterestGrace.CAPITALISED and terms.interest_grace > 0
    if not grown:
        assert sum(one.principal for one in found) == sum(advanced)
    assert all(one.principal >= 0 and one.interest >= 0 for one in found)
    assert all(one.balance >= 0 for one in found)
    assert found[-1].balance == 0


def test_level_payments_are_the_annuity() -> None:
    assert payments(ONE_YEAR) == [Decimal("88.85")] * 11 + [Decimal("88.84")]


def test_equal_principal_falls_with_the_interest() -> None:
    found = payments(replace(ONE_YEAR, amortization=Amortization.EQUAL_PRINCIPAL))
    assert found[:2] == [Decimal("93.33"), Decimal("92.50")]


def test_interest_only_repays_all_at_the_end() -> None:
    found = payments(replace(ONE_YEAR, amortization=Amortization.INTEREST_ONLY))
    assert found == [Decimal("10.00")] * 11 + [Decimal("1010.00")]


def test_flat_interest_is_on_the_first_principal() -> None:
    found = of(replace(ONE_YEAR, amortization=Amortization.FLAT)).instalments
    assert {one.interest for one in found} == {Decimal("10.00")}
    assert found[0].payment == Decimal("93.33")


def test_a_balloon_is_left_to_the_last_instalment() -> None:
    found = of(replace(ONE_YEAR, balloon_percent=Decimal(40))).instalments
    assert found[0].payment == Decimal("57.31")
    assert found[-1].payment == Decimal("457.32")


def test_amortization_longer_than_the_term_leaves_a_balloon() -> None:
    found = of(replace(ONE_YEAR, amortization_instalments=24)).instalments
    assert found[0].payment == Decimal("47.07")
    assert found[-1].payment == Decimal("576.93")


def test_in_grace_on_principal_interest_alone_is_due() -> None:
    found = payments(replace(ONE_YEAR, principal_grace=2))
    assert found[:3] == [Decimal("10.00"), Decimal("10.00"), Decimal("105.58")]


def in_grace(as_: InterestGrace, interest: int, principal: int = 0) -> Schedule:
    terms = replace(
        ONE_YEAR, interest_grace_as=as_, interest_grace=interest, principal_grace=principal
    )
    return of(terms)


def test_deferred_interest_comes_with_the_first_instalment_after() -> None:
    found = in_grace(InterestGrace.DEFERRED, interest=1)
    payments = [one.payment for one in found.instalments]
    assert payments[:3] == [Decimal("78.85"), Decimal("98.85"), Decimal("88.85")]
    assert found.interest == of(ONE_YEAR).interest


def test_waived_interest_is_never_charged() -> None:
    found = in_grace(InterestGrace.WAIVED, interest=1)
    assert {one.payment for one in found.instalments[:-1]} == {Decimal("87.97")}
    assert found.instalments[0].interest == 0


def test_capitalised_interest_is_repaid_as_principal() -> None:
    found = in_grace(InterestGrace.CAPITALISED, interest=2, principal=2)
    assert [one.payment for one in found.instalments[:3]] == [0, 0, Decimal("107.70")]
    assert [one.balance for one in found.instalments[:2]] == [
        Decimal("1010.00"),
        Decimal("1020.10"),
    ]


def test_a_level_payment_is_rounded_to_the_unit() -> None:
    found = payments(replace(ONE_YEAR, instalment_unit=Decimal(5)))
    assert found == [Decimal("90.00")] * 11 + [Decimal("75.41")]


def test_a_given_instalment_leaves_the_rest_to_the_last() -> None:
    found = payments(replace(ONE_YEAR, instalment_amount=Decimal("50.00")))
    assert found[:2] == [Decimal("50.00")] * 2
    assert found[-1] == Decimal("542.71")


def test_a_rate_step_makes_a_new_instalment() -> None:
    step = RateStep(from_instalment=7, rate_percent=Decimal(24))
    found = payments(replace(ONE_YEAR, rate_steps=(step,)))
    assert found[5:7] == [Decimal("88.85"), Decimal("91.93")]


def test_a_payment_cap_may_leave_interest_unpaid() -> None:
    step = RateStep(from_instalment=7, rate_percent=Decimal(300))
    capped = replace(ONE_YEAR, rate_steps=(step,), payment_cap_percent=Decimal(5))
    allowed = of(replace(capped, negative_amortization=NegativeAmortization.ALLOWED))
    assert allowed.instalments[6].payment == Decimal("93.29")
    assert allowed.instalments[6].principal < 0
    refused = of(capped)
    assert refused.instalments[6].principal == 0
    assert refused.instalments[6].payment == refused.instalments[6].interest


def test_compounding_makes_the_nominal_rate_another_by_the_period() -> None:
    """12% compounded twice a year is 1.06^(1/6) - 1 a month."""
    found = of(replace(ONE_YEAR, compoundings_per_year=2))
    assert found.instalments[0].interest == Decimal("9.76")


def test_a_fee_comes_with_every_instalment() -> None:
    found = of(replace(ONE_YEAR, instalment_fee=InstalmentFee(amount=Decimal("2.50"))))
    assert {one.fees for one in found.instalments} == {Decimal("2.50")}
    assert found.total == THOUSAND + found.interest + 30


def test_a_down_payment_is_due_with_the_advance() -> None:
    first, second, *_ = of(replace(ONE_YEAR, down_payment_percent=Decimal(25))).instalments
    assert (first.kind, first.due) == (LineKind.DOWN_PAYMENT, FUNDED)
    assert first.principal == 250
    assert second.interest == Decimal("7.50")


def test_days_count_by_the_convention() -> None:
    by_days = replace(ONE_YEAR, period_interest=PeriodInterest.DAYS, day_count=DayCount.ACTUAL_360)
    assert of(by_days).instalments[0].interest == Decimal("10.33")


def test_due_dates_are_anchored_to_the_months_end() -> None:
    found = due_dates(ONE_YEAR, date(2024, 1, 31)).due
    assert found[:3] == (date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30))


@pytest.mark.parametrize(
    ("funded", "days", "first"),
    [
        (date(2024, 1, 10), 0, date(2024, 1, 15)),
        (date(2024, 1, 15), 0, date(2024, 2, 15)),
        (date(2024, 1, 10), 20, date(2024, 2, 15)),
        (date(2024, 12, 20), 0, date(2025, 1, 15)),
    ],
)
def test_a_due_day_is_kept(funded: date, days: int, first: date) -> None:
    terms = replace(ONE_YEAR, due_day=15, first_period_days=days)
    found = due_dates(terms, funded).due
    assert found[0] == first
    assert {due.day for due in found} == {15}


def test_a_long_first_period_bears_interest_for_all_of_it() -> None:
    """From 15 January to 1 March: a month and 17 days of the 31 before it."""
    found = schedule(
        ONE_YEAR,
        [Advance(date(2024, 1, 15), THOUSAND)],
        dues=due_dates(ONE_YEAR, date(2024, 1, 15), first_due_on=date(2024, 3, 1)),
    )
    assert found.instalments[0].interest == Decimal("15.48")


def test_a_holiday_moves_the_due_date() -> None:
    def business(day: date) -> bool:
        return day.weekday() < 5

    following = replace(ONE_YEAR, business_day_rule=BusinessDayRule.FOLLOWING)
    found = due_dates(following, FUNDED, is_business_day=business)
    assert [found.due[n] for n in (5, 8, 10)] == [
        date(2024, 7, 1), date(2024, 10, 1), date(2024, 12, 2),
    ]  # fmt: skip
    assert all(day.day == 1 for day in found.agreed)


def test_a_rate_below_zero_counts_as_zero() -> None:
    below = replace(ONE_YEAR, rate_percent=Decimal(-2), negative_rate=NegativeRate.ALLOWED)
    assert of(below).instalments == of(replace(ONE_YEAR, rate_percent=Decimal(0))).instalments


RHYTHM = Rhythm(date(2024, 1, 31), 1, PeriodUnit.MONTHS)


@pytest.mark.parametrize(
    ("start", "due", "length"),
    [
        (date(2024, 1, 31), date(2024, 2, 29), "1"),
        (date(2024, 2, 29), date(2024, 4, 30), "2"),
        (date(2024, 2, 10), date(2024, 2, 29), str(Decimal(19) / 29)),
        (date(2023, 10, 20), date(2023, 11, 30), str(1 + Decimal(11) / 31)),
        (date(2024, 1, 1), date(2024, 3, 20), str(2 + Decimal(19) / 31)),
        (date(2024, 5, 5), date(2024, 5, 5), "0"),
    ],
)
def test_a_period_is_whole_ones_and_a_part_by_days(start: date, due: date, length: str) -> None:
    assert RHYTHM.length(start, due) == Decimal(length)


def test_the_months_end_is_kept_though_the_first_month_is_short() -> None:
    end_of_february, terms = date(2023, 2, 28), replace(ONE_YEAR, due_day=31, instalments=1)
    rhythm = rhythm_of(terms, date(2023, 2, 10), [end_of_february])
    assert rhythm.after(end_of_february, 2) == [date(2023, 3, 31), date(2023, 4, 30)]


def test_weeks_and_fortnights_are_parts_of_a_year() -> None:
    weekly = replace(ONE_YEAR, period=PeriodUnit.WEEKS, rate_percent=Decimal(52))
    assert of(weekly).instalments[0].interest == Decimal("10.00")
    fortnightly = replace(ONE_YEAR, period=PeriodUnit.FORTNIGHTS, rate_percent=Decimal(26))
    assert of(fortnightly).instalments[0].interest == Decimal("10.00")


def test_a_currency_without_minor_units_has_none() -> None:
    yen = of(replace(ONE_YEAR, currency="JPY"), Decimal(1000))
    assert {one.payment.as_tuple().exponent for one in yen.instalments} == {0}


def test_360_instalments_take_a_few_milliseconds() -> None:
    terms = replace(ONE_YEAR, instalments=360)
    taken = []
    for _ in range(5):
        started = time.process_time()
        of(terms)
        taken.append(time.process_time() - started)
    sys.stdout.write(f"a schedule of 360 instalments: {min(taken) * 1000:.1f} ms\n")
    assert min(taken) < 0.05


def test_half_a_cent_of_interest_is_half_a_cent_though_a_twelfth_has_no_end() -> None:
    terms = replace(
        ONE_YEAR, rate_percent=Decimal("6.5"), interest_rounding=Rounding.HALF_UP, instalments=360
    )
    assert of(terms, Decimal("134364.00")).instalments[0].interest == Decimal("727.81")
    terms = replace(terms, rate_percent=Decimal("6.25"))
    assert of(terms, Decimal("176527.68")).instalments[0].interest == Decimal("919.42")
