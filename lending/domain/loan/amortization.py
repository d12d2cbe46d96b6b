"""Level payments: the amount that repays a balance over periods of given interest factors."""

from collections.abc import Sequence
from decimal import Decimal

from lending.domain.loan.rounding import ONE, ZERO


def level_payment(balance: Decimal, factors: Sequence[Decimal], left: Decimal = ZERO) -> Decimal:
    """The unrounded payment that brings `balance` to `left` over the periods.

    (P x prod(1 + r_k) - left) / F with F_1 = 1, F_k = 1 + F_(k-1) x (1 + r_k): the annuity
    P x i / (1 - (1 + i)^-n) where all factors are equal (Apache Fineract, progressive schedules).
    """
    growth, sum_of_growth = ONE, ZERO
    for factor in factors:
        growing = ONE + factor
        growth *= growing
        sum_of_growth = ONE + sum_of_growth * growing
    return (balance * growth - left) / sum_of_growth


def level_principal(balance: Decimal, count: int, left: Decimal = ZERO) -> Decimal:
    """The unrounded equal part of principal that brings `balance` to `left` in `count` parts."""
    return (balance - left) / count
