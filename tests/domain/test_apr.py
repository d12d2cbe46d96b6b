"""The annual percentage rate: what it is by construction, how time is counted, what has no rate."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.annuity import Annuity
from lending.domain.apr import (
    CashFlow,
    Elapsed,
    NoRate,
    UnitKind,
    UnitPeriod,
    apr_percent,
    disclose,
    effective_annual_percent,
    elapsed,
    unit_period,
)
from lending.domain.calendar import PeriodUnit, add_periods

START = date(2026, 1, 15)
ADVANCE = [CashFlow(START, Decimal(10000))]
MONTH = UnitPeriod(UnitKind.MONTH)


def monthly(amount: Decimal, count: int, start: date = START) -> list[CashFlow]:
    return [
        CashFlow(add_periods(start, number, PeriodUnit.MONTHS), amount)
        for number in range(1, count + 1)
    ]


@given(rate=st.decimals("0.01", "400", places=3), count=st.integers(2, 120))
def test_regular_payments_give_back_the_rate_they_were_made_of(rate: Decimal, count: int) -> None:
    payment = -Annuity(rate=rate / 1200, nper=count).payment(ADVANCE[0].amount)
    assert abs(apr_percent(ADVANCE, monthly(payment, count)) - rate) < Decimal("1e-9")


@given(amounts=st.lists(st.decimals("1", "5000", places=2), min_size=2, max_size=40))
def test_at_the_rate_found_the_payments_are_worth_the_advance(amounts: list[Decimal]) -> None:
    payments = [
        CashFlow(add_periods(START, number, PeriodUnit.MONTHS), amount)
        for number, amount in enumerate(amounts, 1)
    ]
    if sum(amounts) <= ADVANCE[0].amount:
        return
    rate = apr_percent(ADVANCE, payments) / 1200
    worth = sum(amount / (1 + rate) ** number for number, amount in enumerate(amounts, 1))
    assert abs(worth - ADVANCE[0].amount) < Decimal("1e-6")


def test_what_costs_nothing_has_a_rate_of_zero() -> None:
    assert apr_percent(ADVANCE, monthly(Decimal(1000), 10)) == 0


@pytest.mark.parametrize(
    "payments", [monthly(Decimal(999), 10), [], [CashFlow(START, Decimal(10001))]]
)
def test_what_has_no_rate_is_refused(payments: list[CashFlow]) -> None:
    with pytest.raises(NoRate):
        apr_percent(ADVANCE, payments)


def test_a_finance_charge_and_a_total_are_sums() -> None:
    disclosed = disclose(ADVANCE, monthly(Decimal("888.49"), 12))
    assert disclosed.total_of_payments == Decimal("10661.88")
    assert disclosed.finance_charge == Decimal("661.88")
    assert round(disclosed.apr_percent, 2) == Decimal("12.00")


def test_the_rate_of_the_eu_is_compounded() -> None:
    """1 % a month is 12.68 % a year; the months' unequal days leave a hundredth or two."""
    found = effective_annual_percent(ADVANCE, monthly(Decimal("888.4879"), 12))
    assert abs(found - Decimal("12.68")) < Decimal("0.1")
    year = [CashFlow(START + timedelta(days=365), Decimal(10750))]
    assert round(effective_annual_percent(ADVANCE, year), 9) == Decimal("7.5")


# unit-periods


def days_apart(*gaps: int) -> list[date]:
    found = [START]
    for gap in gaps:
        found.append(found[-1] + timedelta(days=gap))
    return found[1:]


@pytest.mark.parametrize(
    ("paid_on", "unit"),
    [
        ([one.on for one in monthly(Decimal(1), 5)], MONTH),
        ([date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)], MONTH),
        (days_apart(7, 7, 7), UnitPeriod(UnitKind.WEEK)),
        (days_apart(40, 14, 14), UnitPeriod(UnitKind.WEEK, 2)),
        (days_apart(33, 1, 1), UnitPeriod(UnitKind.DAY)),
        (days_apart(7, 7, 14, 14), UnitPeriod(UnitKind.WEEK)),
        ([date(2026, m, d) for m in (2, 3) for d in (1, 15)], UnitPeriod(UnitKind.SEMIMONTH)),
        (days_apart(33, 25), UnitPeriod(UnitKind.WEEK, 4)),
        (days_apart(33, 28), MONTH),
        ([date(2026 + year, 1, 15) for year in (1, 2, 4)], UnitPeriod(UnitKind.YEAR)),
        ([date(2026, 10, 2)], UnitPeriod(UnitKind.TERM)),
        ([date(2028, 1, 15)], UnitPeriod(UnitKind.YEAR)),
    ],
)
def test_the_unit_period_is_the_commonest_period(paid_on: list[date], unit: UnitPeriod) -> None:
    assert unit_period([START], paid_on) == unit


@pytest.mark.parametrize(
    ("unit", "start", "end", "expected"),
    [
        (MONTH, date(2026, 1, 15), date(2026, 3, 15), (2, 0)),
        (MONTH, date(2026, 1, 10), date(2026, 3, 15), (2, Fraction(5, 30))),
        (MONTH, date(2026, 1, 31), date(2026, 2, 28), (1, 0)),
        (MONTH, date(2026, 1, 30), date(2026, 2, 27), (0, Fraction(28, 30))),
        (
            UnitPeriod(UnitKind.MONTH, 2),
            date(2026, 1, 10),
            date(2026, 4, 15),
            (1, Fraction(35, 60)),
        ),
        (
            UnitPeriod(UnitKind.SEMIMONTH),
            date(2026, 1, 10),
            date(2026, 2, 28),
            (3, Fraction(3, 15)),
        ),
        (UnitPeriod(UnitKind.WEEK, 2), date(2026, 1, 1), date(2026, 1, 20), (1, Fraction(5, 14))),
        (UnitPeriod(UnitKind.DAY), date(2026, 1, 1), date(2026, 1, 20), (19, 0)),
        (UnitPeriod(UnitKind.YEAR), date(2026, 1, 1), date(2027, 7, 1), (1, Fraction(1, 2))),
        (UnitPeriod(UnitKind.YEAR), date(2026, 1, 1), date(2027, 1, 31), (1, Fraction(30, 365))),
        (UnitPeriod(UnitKind.TERM), date(2026, 1, 1), date(2026, 5, 2), (1, 0)),
    ],
)
def test_time_is_counted_back_from_the_later_date(
    unit: UnitPeriod, start: date, end: date, expected: tuple[int, Fraction | int]
) -> None:
    assert elapsed(unit, start, end) == Elapsed(expected[0], Fraction(expected[1]))
