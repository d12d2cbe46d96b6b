"""Amounts: the digits of each currency (ISO 4217), and nothing finer."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain import money


@pytest.mark.parametrize(
    ("currency", "digits"),
    [
        ("USD", 2),
        ("EUR", 2),
        ("JPY", 0),
        ("ISK", 0),
        ("BHD", 3),
        ("TND", 3),
        ("CLF", 4),
        ("UYW", 4),
    ],
)
def test_currencies_have_their_digits(currency: str, digits: int) -> None:
    assert money.MINOR_UNIT_DIGITS[currency] == digits


def test_loans_in_currencies_that_have_ended_of_late_are_still_counted() -> None:
    """ANG left ISO 4217's list one in 2025, and BGN in 2026."""
    assert money.MINOR_UNIT_DIGITS["ANG"] == money.MINOR_UNIT_DIGITS["BGN"] == 2
    assert money.is_currency("XCG")


def test_currencies_are_three_capital_letters() -> None:
    codes = money.MINOR_UNIT_DIGITS
    assert all(code.isalpha() and code.isupper() and len(code) == 3 for code in codes)


@pytest.mark.parametrize("code", ["XAU", "XXX", "XTS", "XDR", "usd", "US", "", "DEM"])
def test_metals_tests_and_former_currencies_are_none(code: str) -> None:
    assert not money.is_currency(code)


@given(
    units=st.integers(-(10**18), 10**18),
    currency=st.sampled_from(sorted(money.MINOR_UNIT_DIGITS)),
    zeros=st.integers(0, 2),
)
def test_a_whole_number_of_minor_units_is_exact_and_keeps_its_value(
    units: int, currency: str, zeros: int
) -> None:
    digits = money.MINOR_UNIT_DIGITS[currency]
    amount = Decimal(units * 10**zeros).scaleb(-digits - zeros)
    assert money.is_exact(amount, currency)
    written = money.in_currency(amount, currency)
    assert written == amount
    assert written.as_tuple().exponent == -digits
    assert str(written) != f"-{written.copy_abs()}" or written < 0


@given(currency=st.sampled_from(sorted(money.MINOR_UNIT_DIGITS)), units=st.integers(0, 10**12))
def test_a_tenth_of_a_minor_unit_is_too_fine(currency: str, units: int) -> None:
    digits = money.MINOR_UNIT_DIGITS[currency]
    assert not money.is_exact(Decimal(units * 10 + 1).scaleb(-digits - 1), currency)


@given(
    amount=st.integers(-(10**9), 10**9),
    weights=st.lists(st.decimals("0", "1000", places=3), min_size=1, max_size=12),
    currency=st.sampled_from(["JPY", "EUR", "BHD"]),
)
def test_the_parts_of_an_amount_sum_to_it_and_none_is_a_unit_off(
    amount: int, weights: list[Decimal], currency: str
) -> None:
    if not sum(weights):
        return
    unit = Decimal(1).scaleb(-money.MINOR_UNIT_DIGITS[currency])
    whole = amount * unit
    parts = money.split(whole, weights, currency)
    assert sum(parts) == whole
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - whole * weight / sum(weights)) < unit
        assert part == part.quantize(unit)


def test_of_equal_remainders_the_earlier_gets_the_unit() -> None:
    parts = money.split(Decimal("1.00"), [Decimal(1)] * 3, "EUR")
    assert parts == [Decimal("0.34"), Decimal("0.33"), Decimal("0.33")]


def test_remainders_are_compared_exactly() -> None:
    """Four thirds and one third leave the same, though not in 28 digits."""
    parts = money.split(Decimal("0.02"), [Decimal(4), Decimal(1), Decimal(1)], "EUR")
    assert parts == [Decimal("0.02"), Decimal("0.00"), Decimal("0.00")]
