"""Loans of 1,000 and what is done to them, as tests of the engine tell it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from lending.domain.calendar import PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan import entries as e
from lending.domain.loan.book import LoanBook
from lending.domain.loan.engine import replay
from lending.domain.loan.entries import Act, Entry
from lending.domain.loan.terms import (
    AllocationStep,
    CreditBalance,
    InterestAfterMaturity,
    InterestBasis,
    PaymentKind,
    PaymentRule,
    PeriodInterest,
    Prepayment,
    RateChangeEffect,
    Terms,
)

TERMS = Terms(currency="USD", rate_percent=Decimal(12), instalments=12)
SIMPLE = replace(
    TERMS,
    interest_basis=InterestBasis.OUTSTANDING,
    period_interest=PeriodInterest.DAYS,
    day_count=DayCount.ACTUAL_365F,
)
YEARLY = replace(SIMPLE, period=PeriodUnit.YEARS)
KEEPS = replace(TERMS, rate_change_effect=RateChangeEffect.KEEP_INSTALMENT)
ACCRUING = replace(SIMPLE, interest_after_maturity=InterestAfterMaturity.ACCRUES, instalments=1)
APPLYING = replace(
    TERMS,
    credit_balance=CreditBalance.APPLIED,
    payment_rules=(
        PaymentRule(order=(AllocationStep.DUE_INTEREST, AllocationStep.DUE_PRINCIPAL)),
        PaymentRule(kind=PaymentKind.PREPAYMENT, order=(AllocationStep.DUE_FEE,)),
    ),
)
FUNDED = date(2024, 1, 1)
THOUSAND = Decimal("1000.00")


def after(terms: Terms, *acts: tuple[date, Act], on: date | None = None) -> LoanBook:
    """The book of a loan of 1,000 after these acts, on the day of the last one."""
    entries = entered(*acts)
    return replay(terms, entries, on or entries[-1].on)


def entered(*acts: tuple[date, Act]) -> list[Entry]:
    funded = (FUNDED, e.Disbursed(amount=THOUSAND))
    return [Entry(number, day, act) for number, (day, act) in enumerate((funded, *acts), 1)]


def paid(day: date, amount: str, kind: PaymentKind = PaymentKind.INSTALMENT) -> tuple[date, Act]:
    return day, e.Paid(amount=Decimal(amount), kind=kind)


def ruled(prepayment: Prepayment) -> Terms:
    return replace(TERMS, payment_rules=(PaymentRule(prepayment=prepayment),))
