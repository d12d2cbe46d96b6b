"""Rates of timed flows: all there are, each once."""

from decimal import Decimal, localcontext
from itertools import pairwise
from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lending.domain.rates import HIGHEST, LOWEST, TimedFlow, rates

FLOWS = st.lists(
    st.tuples(st.integers(0, 4000), st.decimals("-100000", "100000", places=2)),
    min_size=2,
    max_size=12,
    unique_by=lambda flow: flow[0],
)


def worth(flows: list[TimedFlow], rate: Decimal, ticks: int) -> Decimal:
    return sum((amount * (1 + rate) ** (-Decimal(at) / ticks) for at, amount in flows), Decimal(0))


def with_zeros(found: list[Decimal]) -> list[TimedFlow]:
    """The polynomial in 1 / (1 + rate) that has these zeros, as flows a tick apart."""
    coefficients = [Decimal(1)]
    for rate in found:
        shifted = [Decimal(0), *coefficients]
        raised = [*coefficients, Decimal(0)]
        coefficients = [s * (1 + rate) - r for s, r in zip(shifted, raised, strict=True)]
    return list(enumerate(coefficients))


@given(
    found=st.lists(
        st.decimals("-0.9", "5", places=3), min_size=1, max_size=5, unique_by=lambda r: round(r, 2)
    )
)
def test_every_rate_is_found(found: list[Decimal]) -> None:
    # four rates within two percent are more than the bounded search tells apart
    assume(all(high - low >= Decimal("0.02") for low, high in pairwise(sorted(found))))
    with localcontext() as context:
        context.prec = 50
        flows = with_zeros(found)
    assert [round(rate, 12) for rate in rates(flows, 1)] == [round(r, 12) for r in sorted(found)]


@given(flows=FLOWS, ticks=st.sampled_from([1, 12, 365]))
def test_at_each_rate_the_flows_are_worth_nothing(flows: list[TimedFlow], ticks: int) -> None:
    with localcontext() as context:
        context.prec = 50
        for rate in rates(sorted(flows), ticks):
            size = sum(abs(a) * (1 + rate) ** (-Decimal(at) / ticks) for at, a in flows)
            assert abs(worth(flows, rate, ticks)) <= Decimal("1e-20") * size


@given(flows=FLOWS)
def test_there_is_an_odd_number_of_rates_where_the_worth_changes_its_sign(
    flows: list[TimedFlow],
) -> None:
    with localcontext() as context:
        context.prec = 50
        ends = [worth(flows, rate, 365) for rate in (LOWEST, HIGHEST)]
    assume(all(ends))
    assert len(rates(sorted(flows), 365)) % 2 == (prod(ends) < 0)


@given(
    lent=st.decimals("1", "100000", places=2),
    paid=st.lists(st.decimals("0.01", "1000", places=2), min_size=1, max_size=40),
)
def test_flows_that_change_their_sign_once_have_one_rate_at_most(
    lent: Decimal, paid: list[Decimal]
) -> None:
    flows = [(0, -lent), *enumerate(paid, 1)]
    assert len(rates(flows, 12)) <= 1


@pytest.mark.parametrize("flows", [[], [(0, Decimal(1))], [(0, Decimal(0)), (9, Decimal(-2))]])
def test_flows_of_one_sign_have_no_rate(flows: list[TimedFlow]) -> None:
    assert rates(flows, 1) == []


def test_rates_near_to_each_other_are_told_apart() -> None:
    near = [Decimal("0.1"), Decimal("0.1000001")]
    with localcontext() as context:
        context.prec = 50
        flows = with_zeros(near)
    assert [round(rate, 9) for rate in rates(flows, 1)] == near


def test_a_worth_that_touches_nothing_without_changing_its_sign_is_a_rate() -> None:
    """-100 + 220 / (1 + r) - 121 / (1 + r)^2 is nothing at 10 % only, and below it elsewhere."""
    found = rates(list(enumerate(map(Decimal, (-100, 220, -121)))), 1)
    assert found
    assert all(abs(rate - Decimal("0.1")) < Decimal("1e-7") for rate in found)
