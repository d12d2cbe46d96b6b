"""The built-in credit policy `debt-to-income`, version 1."""

from decimal import Decimal
from typing import Final

from lending.domain.application.commands import Outcome
from lending.domain.application.decide import FactsMissing, Verdict
from lending.domain.application.events import PolicyCited
from lending.domain.application.reasons import Reason
from lending.domain.application.state import Application

NAME: Final = "debt-to-income"
VERSION: Final = "1"
LIMIT_PERCENT: Final = 35
DEFINITION: Final = (
    "debt-to-income version 1. "
    "Facts: amount (of credit requested), income (the applicant's, monthly, same currency). "
    "Approve if amount x 100 < 35 x max(12 x income, 1), compared exactly; "
    "otherwise reject with the reason income_insufficient. "
    "Without an income the application cannot be judged."
)
"""What is published in the registry; its SHA-256 is the policy's digest."""

BELOW_LIMIT: Final = "debt_to_income_below_limit"
NOT_BELOW_LIMIT: Final = "debt_to_income_not_below_limit"


def evaluate(application: Application, policy: PolicyCited) -> Verdict | FactsMissing:
    """The verdict on `application`; an income never given, or erased, is a missing fact."""
    income = application.income
    if not isinstance(income, Decimal):
        return FactsMissing(("income",))
    approved = application.amount * 100 < LIMIT_PERCENT * max(12 * income, Decimal(1))
    return Verdict(
        policy=policy,
        outcome=Outcome.APPROVED if approved else Outcome.REJECTED,
        reasons=() if approved else (Reason.INCOME_INSUFFICIENT,),
        facts={"amount": f"{application.amount:f}", "currency": application.currency},
        personal_facts={"income": f"{income:f}"},
        trace=(BELOW_LIMIT if approved else NOT_BELOW_LIMIT,),
    )
