"""What holds of every annuity, besides the figures of others in tests/conformance."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.annuity import Annuity, NoAnnuity, When, periods

RATES = st.decimals("0.0001", "0.5", places=6)
AMOUNTS = st.decimals("1", "1000000", places=2)
COUNTS = st.integers(1, 480)
CLOSE = Decimal("1e-9")


@given(rate=RATES, nper=COUNTS, pv=AMOUNTS, when=st.sampled_from(When))
def test_the_quantities_agree(rate: Decimal, nper: int, pv: Decimal, when: When) -> None:
    annuity = Annuity(rate=rate, nper=nper, when=when)
    payment = annuity.payment(pv)
    assert abs(annuity.present_value(payment) - pv) <= CLOSE * pv
    assert abs(annuity.future_value(payment, pv)) <= CLOSE * pv * (1 + rate) ** nper


@given(rate=RATES, nper=st.integers(1, 60), pv=AMOUNTS, when=st.sampled_from(When))
def test_what_payments_repay_is_what_was_lent(
    rate: Decimal, nper: int, pv: Decimal, when: When
) -> None:
    annuity = Annuity(rate=rate, nper=nper, when=when)
    repaid = sum(annuity.principal_part(number, pv) for number in range(1, nper + 1))
    assert abs(repaid + pv) <= CLOSE * pv


@given(rate=RATES, nper=st.integers(1, 200), pv=AMOUNTS)
def test_the_number_of_payments_is_found_again(rate: Decimal, nper: int, pv: Decimal) -> None:
    payment = Annuity(rate=rate, nper=nper).payment(pv)
    if (1 + rate) ** nper < 10**9:  # beyond, what the payments repay is lost in their digits
        assert abs(periods(rate, payment, pv) - nper) < Decimal("1e-6")


def test_without_interest_payments_are_equal_parts() -> None:
    assert Annuity(rate=Decimal(0), nper=8).payment(Decimal(1000)) == -125
    assert periods(Decimal(0), Decimal(-125), Decimal(1000)) == 8


@pytest.mark.parametrize("payment", ["-5", "-10", "0", "5"])
def test_payments_that_never_end_are_refused(payment: str) -> None:
    """The interest alone is 10 a period."""
    with pytest.raises(NoAnnuity):
        periods(Decimal("0.01"), Decimal(payment), Decimal(1000))


def test_a_payment_that_is_none_of_them_is_refused() -> None:
    annuity = Annuity(rate=Decimal("0.01"), nper=12)
    for number in (0, 13):
        with pytest.raises(NoAnnuity):
            annuity.interest_part(number, Decimal(1000))
    with pytest.raises(NoAnnuity):
        Annuity(rate=Decimal("0.01"), nper=0).payment(Decimal(1000))
