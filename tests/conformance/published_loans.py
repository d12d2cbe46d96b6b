"""Worked examples of textbooks, regulators and banks: level payments, rows and balloons."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from lending.domain.calendar import PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan.schedule import Advance, Schedule, schedule
from lending.domain.loan.terms import (
    InstalmentFee,
    NegativeAmortization,
    PeriodInterest,
    Precision,
    RateStep,
    Terms,
)
from lending.domain.money import Rounding, in_currency
from tests.conformance.loan_outcomes import Case, same

_CURRENCY: Final = {"US": "USD", "CA": "CAD", "IT": "EUR", "FR": "EUR", "JP": "JPY", "KR": "KRW"}
_FREQUENCY: Final = {
    "monthly": (1, PeriodUnit.MONTHS, 12),
    "quarterly": (3, PeriodUnit.MONTHS, 4),
    "annual": (1, PeriodUnit.YEARS, 1),
    "biweekly": (1, PeriodUnit.FORTNIGHTS, 26),
}
_PRECISION: Final = {"round_each": Precision.ROUNDED, "carry_precision": Precision.CARRIED}
_COMPOUNDING: Final = {"annual": 1, "semi_annual": 2, "monthly": 12}


def check(case: Case) -> None:
    """Compare the schedule of a published loan. Raises Differs."""
    loan = case["loan"]
    terms = terms_of(case)
    start = date.fromisoformat(loan.get("start_date", "2023-01-01"))
    found = schedule(
        terms, [Advance(start, in_currency(Decimal(loan["principal"]), terms.currency))]
    )
    _check_payments(case, terms, found)
    for row in case.get("expected_rows", ()):
        _check_row(row, found)


def terms_of(case: Case) -> Terms:
    """The terms that a case states."""
    loan = case["loan"]
    every, period, per_year = _FREQUENCY[loan.get("payment_frequency", "monthly")]
    by_days = loan.get("day_count", "30/360") != "30/360"
    return Terms(
        currency=_CURRENCY[case["country"]],
        rate_percent=Decimal(loan["annual_rate"]),
        instalments=_count(loan["term_months"], per_year),
        every=every,
        period=period,
        amortization_instalments=_optional(loan.get("amortization_period_months"), per_year),
        principal_grace=loan.get("interest_only_months", 0),
        day_count=DayCount(loan["day_count"]) if by_days else DayCount.THIRTY_360_US,
        period_interest=PeriodInterest.DAYS if by_days else PeriodInterest.EQUAL_PERIODS,
        level_interest=PeriodInterest.EQUAL_PERIODS,
        compoundings_per_year=_COMPOUNDING.get(loan.get("compounding", "")),
        interest_rounding=Rounding(loan["interest_rounding"].removeprefix("ROUND_").lower()),
        instalment_rounding=Rounding(loan["payment_rounding"].removeprefix("ROUND_").lower()),
        instalment_amount=_decimal(loan.get("payment_override")),
        precision=_precision(case),
        instalment_fee=_fee(loan.get("fee_per_period")),
        **_steps(loan.get("rate_schedule", ())),
    )


def _steps(steps: Sequence[Case]) -> dict[str, Any]:
    """Rates of later instalments, and the cap on what they may raise the payment to."""
    caps = [Decimal(step["payment_cap_factor"]) for step in steps if "payment_cap_factor" in step]
    return {
        "rate_steps": tuple(
            RateStep(
                from_instalment=step["effective_payment_number"],
                rate_percent=Decimal(step["new_annual_rate"]),
            )
            for step in steps
        ),
        "payment_cap_percent": (caps[0] - 1) * 100 if caps else None,
        "negative_amortization": NegativeAmortization.ALLOWED
        if caps
        else NegativeAmortization.REFUSED,
    }


def _precision(case: Case) -> Precision:
    """As stated; where nothing is, a balance over actual days is a formula's, which carries."""
    by_days = case["loan"].get("day_count", "30/360") != "30/360"
    by_default = "carry_precision" if by_days else "round_each"
    return _PRECISION[case["loan"].get("balance_tracking", by_default)]


def _check_payments(case: Case, terms: Terms, found: Schedule) -> None:
    expected = case["expected"]
    level = found.instalments[0].payment - found.instalments[0].fees
    for name in ("periodic_payment", "monthly_payment"):
        if name in expected:
            same(name, Decimal(expected[name]), level)
    if "balloon_at_term" in expected:
        left = _balance_at_term(terms, found)
        same("balloon at term", Decimal(expected["balloon_at_term"]), left)


def _balance_at_term(terms: Terms, found: Schedule) -> Decimal:
    """What the whole amortization would leave after the term's last payment."""
    count = terms.amortization_instalments or terms.instalments
    whole = replace(terms, instalments=count, amortization_instalments=None)
    first = found.instalments[0]
    advance = Advance(first.start, sum((one.principal for one in found.instalments), Decimal(0)))
    return schedule(whole, [advance]).instalments[terms.instalments - 1].balance


def _check_row(row: Case, found: Schedule) -> None:
    one = found.instalments[int(row["payment"]) - 1]
    ours = {
        "payment_amount": one.payment,
        "principal": one.principal,
        "interest": one.interest,
        "fee": one.fees,
        "balance": one.balance,
    }
    for name, value in ours.items():
        if name in row:
            same(f"{name} of payment {row['payment']}", Decimal(row[name]), value)


def _count(months: int, per_year: int) -> int:
    return months * per_year // 12


def _optional(months: int | None, per_year: int) -> int | None:
    return None if months is None else _count(months, per_year)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _fee(text: str | None) -> InstalmentFee | None:
    return None if text is None else InstalmentFee(amount=Decimal(text))
