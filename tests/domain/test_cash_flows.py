"""Rates of dated flows: the one there is, or why none is told."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.cash_flows import irr, xirr, xnpv
from lending.domain.rates import ManyRates, NoRate

START = date(2026, 1, 1)


@given(
    rate=st.decimals("-0.9", "9", places=4),
    after=st.lists(st.integers(1, 4000), min_size=1, max_size=8, unique=True),
)
def test_the_rate_that_made_the_flows_is_found(rate: Decimal, after: list[int]) -> None:
    received = [(START + timedelta(days=days), Decimal(1000)) for days in after]
    lent = (START, -xnpv(rate, [(START, Decimal(0)), *received]))
    assert abs(xirr([lent, *received]) - rate) < Decimal("1e-9")


def test_flows_of_one_sign_have_no_rate() -> None:
    with pytest.raises(NoRate):
        xirr([(START, Decimal(1)), (START + timedelta(days=9), Decimal(2))])
    with pytest.raises(NoRate):
        xirr([])


def test_flows_with_two_rates_say_so() -> None:
    """100 out, 230 in, 132 out: 10 % and 20 %."""
    flows = [(START + timedelta(days=365 * n), Decimal(a)) for n, a in enumerate((-100, 230, -132))]
    with pytest.raises(ManyRates) as many:
        xirr(flows)
    assert [round(rate, 9) for rate in many.value.rates] == [Decimal("0.1"), Decimal("0.2")]


def test_nothing_is_worth_anything_at_a_rate_that_loses_all() -> None:
    with pytest.raises(NoRate):
        xnpv(Decimal(-1), [(START, Decimal(1))])


def test_flows_of_one_day_are_one_flow_whatever_their_order() -> None:
    later = START + timedelta(days=365)
    flows = [
        (later, Decimal(60)),
        (START, Decimal(-130)),
        (START, Decimal(30)),
        (later, Decimal(50)),
    ]
    assert abs(xirr(flows) - Decimal("0.1")) < Decimal("1e-20")


def test_flows_a_period_apart_have_a_rate_a_period() -> None:
    assert abs(irr([Decimal(-100), Decimal(60), Decimal(60)]) - Decimal("0.1306623863")) < Decimal(
        "1e-10"
    )
    with pytest.raises(NoRate):
        irr([Decimal(100), Decimal(60)])
