"""The annual percentage rate: what it is by construction, and what has none."""

from datetime import date, timedelta
from decimal import Decimal
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.annuity import Annuity
from lending.domain.apr import CashFlow, apr_percent, disclose, effective_annual_percent
from lending.domain.calendar import PeriodUnit, add_periods
from lending.domain.rates import NoRate

START = date(2026, 1, 15)
ADVANCE = [CashFlow(START, Decimal(10000))]


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
    "payments",
    [
        monthly(Decimal(999), 10),
        [],
        [CashFlow(START, Decimal(10001))],
        [CashFlow(date(2026, 1, 14), Decimal(1)), CashFlow(date(2026, 3, 1), Decimal(10500))],
    ],
)
def test_what_has_no_rate_is_refused(payments: list[CashFlow]) -> None:
    with pytest.raises(NoRate):
        apr_percent(ADVANCE, payments)


def test_a_finance_charge_and_a_total_are_sums() -> None:
    disclosed = disclose(ADVANCE, monthly(Decimal("888.49"), 12))
    assert disclosed.total_of_payments == Decimal("10661.88")
    assert disclosed.finance_charge == Decimal("661.88")
    assert round(disclosed.apr_percent, 2) == Decimal("12.00")


# the EU's


@given(rate=st.decimals("0.01", "400", places=3), count=st.integers(1, 120))
def test_the_eus_months_are_equal(rate: Decimal, count: int) -> None:
    """So a monthly rate compounds to it exactly, whatever the days of the months."""
    payment = -Annuity(rate=rate / 1200, nper=count).payment(ADVANCE[0].amount)
    found = effective_annual_percent(ADVANCE, monthly(payment, count))
    assert abs(found - ((1 + rate / 1200) ** 12 - 1) * 100) < Decimal("1e-9") * (1 + found)


def test_the_eus_weeks_are_52_a_year() -> None:
    payment = -Annuity(rate=Decimal("0.01"), nper=10).payment(ADVANCE[0].amount)
    weekly = [CashFlow(START + timedelta(days=7 * n), payment) for n in range(1, 11)]
    expected = (Decimal("1.01") ** 52 - 1) * 100
    assert abs(effective_annual_percent(ADVANCE, weekly) - expected) < Decimal("1e-9")


@pytest.mark.parametrize(
    ("advanced", "paid", "years"),
    [
        (date(2026, 1, 15), date(2026, 2, 20), Decimal(1) / 12 + Decimal(5) / 365),
        (date(2028, 12, 10), date(2029, 1, 15), Decimal(1) / 12 + Decimal(5) / 366),
        (date(2028, 1, 15), date(2028, 1, 25), Decimal(10) / 365),
        (date(2028, 2, 25), date(2028, 3, 6), Decimal(10) / 366),
        (date(2026, 1, 31), date(2027, 1, 31), Decimal(1)),
    ],
)
def test_the_eus_days_are_parts_of_the_year_they_end(
    advanced: date, paid: date, years: Decimal
) -> None:
    """The days that whole months leave, over the days of the year that ends with the last."""
    lent, repaid = CashFlow(advanced, Decimal(1000)), CashFlow(paid, Decimal(1100))
    expected = (Decimal("1.1") ** (1 / years) - 1) * 100
    found = effective_annual_percent([lent], [repaid])
    assert abs(found - expected) < Decimal("1e-9") * expected


def test_the_eus_rate_of_what_costs_nothing_is_zero_and_of_a_gain_is_none() -> None:
    assert effective_annual_percent(ADVANCE, monthly(Decimal(1000), 10)) == 0
    with pytest.raises(NoRate):
        effective_annual_percent(ADVANCE, monthly(Decimal("999.99"), 10))


def test_the_eus_rate_of_a_long_loan_takes_milliseconds() -> None:
    payments = monthly(Decimal("79.54"), 360, date(2026, 2, 3))
    begun = process_time()
    assert round(effective_annual_percent(ADVANCE, payments), 1) == Decimal("9.2")
    assert process_time() - begun < 2
