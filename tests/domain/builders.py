"""Events with ordinary values, so that a test says only what it is about."""

from datetime import date
from decimal import Decimal
from typing import Final

from lending.domain.application import events as e
from lending.domain.application.circumstances import Verdict
from lending.domain.application.commands import CreditKind, Outcome
from lending.domain.application.reasons import Reason

POLICY: Final = e.PolicyCited(
    name="debt-to-income", version="1", digest="d" * 64, registry_position=1
)


def money(text: str) -> Decimal:
    """An amount."""
    return Decimal(text)


def applied(
    amount: str = "12000.00",
    *,
    term_months: int | None = 36,
    income: str | None = "6500.00",
    currency: str = "USD",
    co_applicants: tuple[e.JointApplicant, ...] = (),
) -> e.Applied:
    """The application of cust_2002."""
    return e.Applied(
        applicant_id="cust_2002",
        amount=Decimal(amount),
        currency=currency,
        credit_kind=CreditKind.CONSUMER,
        term_months=term_months,
        income=None if income is None else Decimal(income),
        purpose="a used car",
        co_applicants=co_applicants,
        reference="branch-7/118",
    )


def scored(score: str = "712") -> e.Scored:
    """A score by the model credit-risk."""
    return e.Scored(model="credit-risk", model_version="2026-10", score=Decimal(score))


def approved(amount: str = "12000.00", term_months: int | None = 36) -> e.Decided:
    """A principal's approval of what was applied for."""
    return decided(Outcome.APPROVED, amount=amount, term_months=term_months)


def referred() -> e.Decided:
    """A principal's referral."""
    return decided(Outcome.REFERRED)


def rejected(*reasons: Reason) -> e.Decided:
    """A principal's rejection, for excessive obligations unless said otherwise."""
    return decided(Outcome.REJECTED, reasons=reasons or (Reason.EXCESSIVE_OBLIGATIONS,))


def counter_offered(amount: str = "9000.00", term_months: int | None = 36) -> e.Decided:
    """A principal's counter-offer."""
    return decided(
        Outcome.COUNTER_OFFERED,
        amount=amount,
        term_months=term_months,
        reasons=(Reason.INCOME_INSUFFICIENT,),
    )


def decided(
    outcome: Outcome,
    *,
    amount: str | None = None,
    term_months: int | None = None,
    reasons: tuple[Reason, ...] = (),
) -> e.Decided:
    """A principal's decision."""
    return e.Decided(
        outcome=outcome,
        decider="principal",
        amount=None if amount is None else Decimal(amount),
        term_months=term_months,
        reasons=reasons,
    )


def offered(
    offer_id: str = "1",
    amount: str = "12000.00",
    *,
    term_months: int | None = None,
    valid_until: date | None = None,
) -> e.Offered:
    """An offer."""
    return e.Offered(
        offer_id=offer_id, amount=Decimal(amount), term_months=term_months, valid_until=valid_until
    )


def accepted(offer_id: str = "1") -> e.OfferAccepted:
    """The acceptance of an offer."""
    return e.OfferAccepted(offer_id=offer_id)


def disbursed(offer_id: str = "1", amount: str = "12000.00") -> e.Disbursed:
    """The payment of an accepted offer."""
    return e.Disbursed(offer_id=offer_id, amount=Decimal(amount))


def approving(income: str = "6500.00") -> Verdict:
    """What the policy says of an application it approves."""
    return Verdict(
        policy=POLICY,
        outcome=Outcome.APPROVED,
        reasons=(),
        facts={"amount": "12000.00", "currency": "USD"},
        personal_facts={"income": income},
        trace=("debt_to_income_below_limit",),
    )


def rejecting() -> Verdict:
    """What the policy says of an application it rejects."""
    return Verdict(
        policy=POLICY,
        outcome=Outcome.REJECTED,
        reasons=(Reason.INCOME_INSUFFICIENT,),
        facts={"amount": "12000.00", "currency": "USD"},
        personal_facts={"income": "100.00"},
        trace=("debt_to_income_not_below_limit",),
    )


def by_policy(verdict: Verdict, amount: str | None = "12000.00") -> e.Decided:
    """The event that a policy's verdict becomes."""
    return e.Decided(
        outcome=verdict.outcome,
        decider=f"policy:{verdict.policy.name}@{verdict.policy.version}",
        amount=None if amount is None else Decimal(amount),
        term_months=None if amount is None else 36,
        policy=verdict.policy,
        reasons=verdict.reasons,
        facts=verdict.facts,
        personal_facts=verdict.personal_facts,
        trace=verdict.trace,
    )
