"""From the products and loans of Apache Fineract's test tables to terms."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from lending.domain.calendar import PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan.terms import (
    AllocationStep,
    Amortization,
    Component,
    DelinquencyBucket,
    DownPaymentMode,
    InterestBasis,
    LastInstalment,
    PaymentKind,
    PaymentRule,
    PeriodInterest,
    PrepaidInterest,
    Prepayment,
    Processing,
    Terms,
    Timing,
)
from tests.conformance.loan_outcomes import Case, Unsupported

_DAY_COUNT: Final = {
    "360": DayCount.ACTUAL_360,
    "364": DayCount.ACTUAL_364,
    "365": DayCount.ACTUAL_365F,
    "ACTUAL": DayCount.ACTUAL_ACTUAL_31_DECEMBER,
}
_PREPAYMENT: Final = {
    "NEXT_INSTALLMENT": Prepayment.NEXT,
    "LAST_INSTALLMENT": Prepayment.LAST,
    "REAMORTIZATION": Prepayment.REAMORTISE,
}
_KIND: Final = {
    "DEFAULT": None,
    "GOODWILL_CREDIT": PaymentKind.GOODWILL_CREDIT,
    "MERCHANT_ISSUED_REFUND": PaymentKind.MERCHANT_REFUND,
    "PAYOUT_REFUND": PaymentKind.PAYOUT_REFUND,
}
_PROCESSING: Final = {"HORIZONTAL": Processing.BY_INSTALMENT, "VERTICAL": Processing.BY_STEP}
_COMPONENT: Final = {
    "penalty": Component.PENALTY,
    "penalties": Component.PENALTY,
    "fee": Component.FEE,
    "fees": Component.FEE,
    "interest": Component.INTEREST,
    "principal": Component.PRINCIPAL,
}


def terms_of(
    product: Case, loan: Case, rules: Mapping[str, str], buckets: tuple[DelinquencyBucket, ...]
) -> Terms:
    """The terms of a loan of this product. Raises Unsupported."""
    _refuse_older_rules(product, loan)
    progressive = product["schedule"] == "PROGRESSIVE"
    unit = product["instalment_in_multiples_of"]
    return Terms(
        currency=product["currency"],
        rate_percent=Decimal(loan["rate_percent"]),
        instalments=int(loan["installments"]),
        every=int(loan["every"]),
        period=PeriodUnit(loan["frequency"].lower()),
        amortization=_amortization(loan, progressive=progressive),
        principal_grace=int(loan.get("grace_principal", 0)),
        instalment_unit=None if unit is None else Decimal(unit),
        interest_basis=_basis(product),
        prepaid_interest=_prepaid_interest(product),
        last_instalment=LastInstalment.SPREAD if progressive else LastInstalment.ABSORB,
        payment_rules=_rules(product, rules),
        charge_back_order=_charge_back_order(product),
        down_payment_percent=Decimal(product["down_payment_percent"]) or None,
        down_payment_mode=_down_payment_mode(product),
        delinquency_grace_days=product["grace_on_arrears_days"],
        delinquency_buckets=buckets,
        **_interest(product, loan, progressive=progressive),
    )


def _refuse_older_rules(product: Case, loan: Case) -> None:
    if product["interest_recalculation"] and product["schedule"] == "CUMULATIVE":
        raise Unsupported("interest recalculation of the older, cumulative generator")
    if int(loan.get("grace_interest", 0)):
        raise Unsupported("a grace on interest that charges interest all the same")


def _amortization(loan: Case, *, progressive: bool) -> Amortization:
    if loan.get("amortization") == "EQUAL_PRINCIPAL_PAYMENTS":
        return Amortization.EQUAL_PRINCIPAL
    flat = loan.get("interest_type", "FLAT") == "FLAT"
    return Amortization.FLAT if flat and not progressive else Amortization.EQUAL_INSTALMENTS


def _interest(product: Case, loan: Case, *, progressive: bool) -> dict[str, Any]:
    """A period is a twelfth of a year, or counts by its days.

    The cumulative generator counts days over 365 and levels by equal periods all the same.
    """
    daily = loan.get("interest_period") == "DAILY" and product["days_in_month"] != "30"
    year = product["days_in_year"] if progressive else "365"
    return {
        "period_interest": PeriodInterest.DAYS if daily else PeriodInterest.EQUAL_PERIODS,
        "level_interest": None if progressive else PeriodInterest.EQUAL_PERIODS,
        "day_count": _DAY_COUNT[year],
    }


def _basis(product: Case) -> InterestBasis:
    recalculated = product["interest_recalculation"]
    return InterestBasis.OUTSTANDING if recalculated else InterestBasis.SCHEDULED


def _prepaid_interest(product: Case) -> PrepaidInterest:
    till_end = product.get("pre_closure_interest") == "TILL_REST_FREQUENCY_DATE"
    return PrepaidInterest.PERIOD_END if till_end else PrepaidInterest.PAYMENT_DATE


def _down_payment_mode(product: Case) -> DownPaymentMode:
    automatic = product.get("auto_down_payment", False)
    return DownPaymentMode.AUTOMATIC if automatic else DownPaymentMode.AWAITED


def _charge_back_order(product: Case) -> tuple[Component, ...]:
    order = product.get("chargeback_credit_allocation")
    if order is None:
        return (Component.PRINCIPAL, Component.INTEREST, Component.FEE, Component.PENALTY)
    return tuple(Component(name.lower()) for name in order)


def _rules(product: Case, rules: Mapping[str, str]) -> tuple[PaymentRule, ...]:
    if product["strategy"] != "ADVANCED":
        return (PaymentRule(order=_spelled_out(product["strategy"])),)
    order = tuple(AllocationStep(name.lower()) for name in product["allocation_order"])
    processing = _PROCESSING[product.get("processing", "HORIZONTAL")]
    prepayments = {**product["future_installment_rule"], **rules}
    return tuple(
        PaymentRule(
            kind=_KIND[name], order=order, processing=processing, prepayment=_PREPAYMENT[how]
        )
        for name, how in prepayments.items()
    )


def _spelled_out(strategy: str) -> tuple[AllocationStep, ...]:
    """`a>b` for all, or `due a>b, then in-advance b>a`; past due is paid as due is."""
    due, _, ahead = strategy.partition(", then in-advance ")
    orders = {
        Timing.PAST_DUE: due.removeprefix("due "),
        Timing.DUE: due.removeprefix("due "),
        Timing.IN_ADVANCE: ahead or due,
    }
    return tuple(
        AllocationStep(f"{timing}_{_COMPONENT[name]}")
        for timing, order in orders.items()
        for name in order.split(">")
    )
