"""The first built-in credit policy, `debt-to-income` version 1, as releases before JDM published it.

Ledgers that began under such a release have this text on record, and decide by it until another
version is activated; what a new ledger begins with is debt_to_income.json, which decides the same.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from lending.domain.application.circumstances import FactsMissing
from lending.domain.application.state import Application
from lending.domain.fields import FactValue
from lending.policy.facts import Facts

NAME: Final = "debt-to-income"
VERSION: Final = "1"
ENGINE: Final = "built-in"
LIMIT_PERCENT: Final = 35
DEFINITION: Final = (
    "debt-to-income version 1. "
    "Facts: amount (of credit requested), income (the applicant's, monthly, same currency). "
    "Approve if amount x 100 < 35 x max(12 x income, 1), compared exactly; "
    "otherwise reject with the reason income_insufficient. "
    "Without an income the application cannot be judged."
)
"""What was published in the registry; its SHA-256 is the policy's digest."""

FACTS: Final[Mapping[str, str]] = MappingProxyType(
    {"amount": "amount_minor", "currency": "currency", "income": "income_monthly_minor"}
)
"""The facts it sees, and what each is called in the fact schema."""

BELOW_LIMIT: Final = "debt_to_income_below_limit"
NOT_BELOW_LIMIT: Final = "debt_to_income_not_below_limit"


def facts_of(application: Application) -> Facts | FactsMissing:
    """What it sees: amounts in major units, as decimal strings, as it was when this was the only
    policy; an income never given, or erased, is a missing fact.
    """
    income = application.income
    if not isinstance(income, Decimal):
        return FactsMissing(("income",))
    return Facts(
        open={"amount": f"{application.amount:f}", "currency": application.currency},
        personal={"income": f"{income:f}"},
    )


def below_limit(facts: Mapping[str, FactValue]) -> bool:
    """Whether it approves."""
    amount, income = Decimal(facts["amount"]), Decimal(facts["income"])
    return amount * 100 < LIMIT_PERCENT * max(12 * income, Decimal(1))
