"""What holds of every annuity, besides the figures of others in tests/conformance."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lending.domain.annuity import NPER_MAX, Annuity, NoAnnuity, When, periodic_rate, periods
from lending.domain.rates import ManyRates, NoRate

RATES = st.decimals("0.0001", "0.5", places=6)
AMOUNTS = st.decimals("1", "1000000", places=2)
COUNTS = st.integers(1, 480)
CLOSE = Decimal("1e-9")
DIGITS = Decimal("1e-24")


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


@given(nper=COUNTS, number=st.integers(1, 480), rate=RATES, pv=AMOUNTS)
@example(nper=480, number=480, rate=Decimal("0.5"), pv=Decimal(1000))
def test_interest_and_principal_keep_their_digits_however_late(
    nper: int, number: int, rate: Decimal, pv: Decimal
) -> None:
    """Interest is that on the payments still to come, and the last payment repays all that is left."""
    number = min(number, nper)
    annuity, to_come = Annuity(rate=rate, nper=nper), Annuity(rate=rate, nper=nper - number + 1)
    payment = annuity.payment(pv)
    owed = to_come.present_value(payment)
    assert abs(annuity.interest_part(number, pv) + owed * rate) <= DIGITS * pv
    assert abs(annuity.principal_part(nper, pv) * (1 + rate) - payment) <= DIGITS * pv


@given(nper=st.integers(2, 480), rate=RATES, pv=AMOUNTS)
@example(nper=480, rate=Decimal("0.5"), pv=Decimal(1000))
def test_the_last_payment_ahead_is_all_principal_but_the_interest_of_one_period(
    nper: int, rate: Decimal, pv: Decimal
) -> None:
    annuity = Annuity(rate=rate, nper=nper, when=When.BEGIN)
    payment = annuity.payment(pv)
    assert abs(annuity.interest_part(nper, pv) * (1 + rate) - payment * rate) <= DIGITS * pv


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


@pytest.mark.parametrize("when", When)
def test_a_rate_so_small_that_it_hides_in_the_digits_still_counts(when: When) -> None:
    """To first order the payment is 1/n + r (n + 1) / 2n, or r (n - 1) / 2n, of what is lent."""
    payment = -Annuity(rate=Decimal("1e-20"), nper=10, when=when).payment(Decimal(1))
    first_order = Decimal("0.55e-20") if when is When.END else Decimal("0.45e-20")
    assert abs(payment - Decimal("0.1") - first_order) < Decimal("1e-27")


# RATE


@given(rate=st.decimals("-0.05", "0.5", places=6), nper=st.integers(1, 360))
@pytest.mark.parametrize("when", When)
def test_the_rate_that_made_the_payment_is_found(when: When, rate: Decimal, nper: int) -> None:
    if when is When.BEGIN and nper == 1:
        return
    pv = Decimal(10000)
    payment = Annuity(rate=rate, nper=nper, when=when).payment(pv)
    assert abs(periodic_rate(nper, payment, pv, when=when) - rate) < Decimal("1e-18")


def test_savings_have_a_rate_too() -> None:
    """1,000 a year make 12,577.89 in ten: 5 %."""
    grown = Annuity(rate=Decimal("0.05"), nper=10).future_value(Decimal(-1000))
    found = periodic_rate(10, Decimal(-1000), Decimal(0), grown)
    assert abs(found - Decimal("0.05")) < Decimal("1e-20")


def test_where_there_is_no_rate_or_more_than_one_none_is_told() -> None:
    with pytest.raises(NoRate):
        periodic_rate(12, Decimal(10), Decimal(100))
    with pytest.raises(ManyRates) as many:
        periodic_rate(2, Decimal(230), Decimal(-100), Decimal(-362))  # -100, 230, -132
    assert [round(rate, 9) for rate in many.value.rates] == [Decimal("0.1"), Decimal("0.2")]
    for nper in (0, NPER_MAX + 1):
        with pytest.raises(NoAnnuity):
            periodic_rate(nper, Decimal(-10), Decimal(100))


def test_payments_before_a_rate_that_loses_all_are_none() -> None:
    with pytest.raises(NoAnnuity):
        Annuity(rate=Decimal(-1), nper=3, when=When.BEGIN).payment(Decimal(100))
