"""Roundings of terms: the nearest that can be owed, by every mode, to minor units and to multiples."""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.loan.rounding import cents_rounder, instalment_rounder, interest_rounder
from lending.domain.loan.terms import Terms
from lending.domain.money import MINOR_UNIT_DIGITS, Rounding

CURRENCIES = ("JPY", "USD", "BHD", "CLF")
AMOUNTS = st.decimals("-1000000", "1000000", places=6)
HALVES = st.integers(-(10**6), 10**6).map(lambda n: Decimal(n) / 2)


def terms(currency: str, rounding: Rounding, unit: Decimal | None = None) -> Terms:
    return Terms(
        currency=currency,
        rate_percent=Decimal(6),
        instalments=12,
        interest_rounding=rounding,
        instalment_rounding=rounding,
        instalment_unit=unit,
    )


def by_definition(units: Fraction, rounding: Rounding) -> int:
    """A number of units as whole ones, from what each mode means."""
    low, high = floor(units), ceil(units)
    outward, inward = (high, low) if units > 0 else (low, high)
    middle = units - low == Fraction(1, 2)
    nearest = low if units - low < Fraction(1, 2) else high
    return {
        Rounding.CEILING: high,
        Rounding.FLOOR: low,
        Rounding.UP: outward,
        Rounding.DOWN: inward,
        Rounding.HALF_UP: outward if middle else nearest,
        Rounding.HALF_DOWN: inward if middle else nearest,
        Rounding.HALF_EVEN: (low if low % 2 == 0 else high) if middle else nearest,
    }[rounding]


@pytest.mark.parametrize("rounding", Rounding)
@given(units=AMOUNTS | HALVES, currency=st.sampled_from(CURRENCIES))
def test_amounts_are_rounded_to_minor_units(
    rounding: Rounding, units: Decimal, currency: str
) -> None:
    digits, own = MINOR_UNIT_DIGITS[currency], terms(currency, rounding)
    expected = Decimal(by_definition(Fraction(units), rounding)).scaleb(-digits)
    for rounder in (interest_rounder(own), cents_rounder(own), instalment_rounder(own)):
        rounded = rounder(units.scaleb(-digits))
        assert rounded == expected
        assert rounded.as_tuple().exponent == -digits


@pytest.mark.parametrize("rounding", Rounding)
@given(units=AMOUNTS | HALVES, unit=st.sampled_from(("0.05", "1", "5", "10", "0.25")))
def test_level_payments_are_rounded_to_multiples(
    rounding: Rounding, units: Decimal, unit: str
) -> None:
    rounded = instalment_rounder(terms("USD", rounding, Decimal(unit)))(units * Decimal(unit))
    assert rounded == by_definition(Fraction(units), rounding) * Decimal(unit)
    assert rounded.as_tuple().exponent == -2
