"""Loans drawn at random: terms that may be on record, each with some of what terms can say.

Some say a thing in vain, which a product that is published today may not: those on record may.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st

from lending.domain.calendar import BusinessDayRule, PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan.terms import (
    Amortization,
    Component,
    CreditBalance,
    DownPaymentMode,
    FeeTreatment,
    InstalmentFee,
    InterestAfterMaturity,
    InterestBasis,
    InterestGrace,
    LastInstalment,
    LateFee,
    LateFeeBase,
    NegativeAmortization,
    OriginationFee,
    PaymentKind,
    PaymentRule,
    PeriodInterest,
    Precision,
    PrepaidInterest,
    Prepayment,
    Processing,
    RateChangeDay,
    RateChangeEffect,
    RateStep,
    Terms,
)
from lending.domain.products import terms_of
from tests.domain.servicing.lives import LATE_FEE, on_record

PRINCIPAL: Final = Decimal(1200)
RATES: Final = [Decimal(rate) for rate in ("0", "6", "12", "48")]

PLAIN: Final = st.builds(
    Terms,
    currency=st.just("USD"),
    rate_percent=st.sampled_from(RATES),
    instalments=st.sampled_from([1, 3, 6, 12]),
    period=st.sampled_from([PeriodUnit.MONTHS, PeriodUnit.WEEKS]),
    amortization=st.sampled_from(
        [Amortization.EQUAL_INSTALMENTS, Amortization.EQUAL_PRINCIPAL, Amortization.INTEREST_ONLY]
    ),
    interest_basis=st.sampled_from(InterestBasis),
    period_interest=st.sampled_from(PeriodInterest),
    day_count=st.sampled_from([DayCount.ACTUAL_365F, DayCount.THIRTY_360_US]),
    late_fee=st.sampled_from([None, LATE_FEE]),
)
"""What every loan has."""

_WITHHELD: Final = OriginationFee(percent=Decimal(3))
_ADDED: Final = OriginationFee(percent=Decimal(2), treatment=FeeTreatment.ADDED)
_PERCENT_LATE: Final = LateFee(
    percent=Decimal(5), base=LateFeeBase.INSTALMENT, grace_days=0, maximum=Decimal(15)
)
_STEPS: Final = (
    RateStep(from_instalment=2, rate_percent=Decimal(30)),
    RateStep(from_instalment=3, rate_percent=Decimal(3)),
)
_LEVEL: Final = Amortization.EQUAL_INSTALMENTS

PARTICULARS: Final[tuple[Mapping[str, Any], ...]] = (
    {"amortization": Amortization.FLAT, "interest_basis": InterestBasis.SCHEDULED},
    {"amortization": _LEVEL, "balloon_percent": Decimal(40)},
    {"amortization": _LEVEL, "amortization_instalments": 24},
    {"amortization": _LEVEL, "instalment_unit": Decimal(5)},
    {"amortization": _LEVEL, "last_instalment": LastInstalment.SPREAD},
    {"amortization": _LEVEL, "instalment_amount": Decimal(450)},
    {"down_payment_percent": Decimal(25)},
    {"down_payment_percent": Decimal(10), "down_payment_mode": DownPaymentMode.AUTOMATIC},
    {"rate_steps": _STEPS},
    {"rate_steps": _STEPS, "amortization": _LEVEL, "payment_cap_percent": Decimal(2)},
    {
        "rate_steps": _STEPS,
        "amortization": _LEVEL,
        "payment_cap_percent": Decimal(1),
        "negative_amortization": NegativeAmortization.ALLOWED,
    },
    {"amortization": _LEVEL, "rate_change_effect": RateChangeEffect.KEEP_INSTALMENT},
    {
        "amortization": _LEVEL,
        "rate_change_effect": RateChangeEffect.KEEP_INSTALMENT,
        "lengthened_instalments_max": 24,
        "rate_change_day": RateChangeDay.DAY_BEFORE,
    },
    {"credit_balance": CreditBalance.APPLIED},
    {"precision": Precision.CARRIED},
    {"principal_grace": 2},
    *(
        {"interest_grace": count, "interest_grace_as": how}
        for how in InterestGrace
        for count in (1, 2)
    ),
    {"business_day_rule": BusinessDayRule.MODIFIED_FOLLOWING, "holidays": "us"},
    {
        "business_day_rule": BusinessDayRule.PRECEDING,
        "due_day": 31,
        "first_period_days": 10,
        "holidays": "us",
    },
    {"prepaid_interest": PrepaidInterest.PERIOD_END, "interest_basis": InterestBasis.PREPAID},
    {
        "interest_basis": InterestBasis.OUTSTANDING,
        "interest_after_maturity": InterestAfterMaturity.ACCRUES,
    },
    {"compoundings_per_year": 2},
    {"origination_fee": _WITHHELD},
    {"origination_fee": _ADDED},
    {"instalment_fee": InstalmentFee(amount=Decimal("2.50"))},
    {"late_fee": _PERCENT_LATE},
    *({"payment_rules": (PaymentRule(prepayment=how),)} for how in Prepayment),
    {"payment_rules": (PaymentRule(processing=Processing.BY_STEP),)},
    {"payment_rules": (PaymentRule(kind=PaymentKind.PREPAYMENT, prepayment=Prepayment.LAST),)},
    {"charge_back_order": tuple(reversed(Component))},
    {"write_off_below": Decimal(20)},
    {"charge_off_days": 60},
)
"""What some loans have, each a way in which lenders differ."""


def _published(terms: Terms) -> bool:
    product = on_record(terms).product
    asked = terms_of(product, amount=PRINCIPAL, rate_percent=None, instalments=None)
    return isinstance(asked, Terms) and terms.interest_grace < terms.instalments


def _with(terms: Terms, particulars: list[Mapping[str, Any]]) -> Terms:
    for one in particulars:
        terms = replace(terms, **one)
    return terms


TERMS_DRAWN: Final = st.builds(
    _with, PLAIN, st.lists(st.sampled_from(PARTICULARS), max_size=3)
).filter(_published)
"""Terms without a fault for a loan of `PRINCIPAL`."""


def grows(terms: Terms) -> bool:
    """Whether the schedule may ask for more principal than is owed today: interest becomes some."""
    in_grace = bool(terms.interest_grace) and terms.interest_grace_as is InterestGrace.CAPITALISED
    return in_grace or terms.negative_amortization is NegativeAmortization.ALLOWED


def weekdays(day: date) -> bool:
    """A calendar without any holiday."""
    return day.weekday() < 5
