"""The agents of the demonstration: each looks at an application and says what it would do next.

An agent is a function of what it sees; it keeps nothing in mind. It proposes only what the ledger
allows just then, and proposing the same twice is harmless: the key is made of agent, application,
version and command, and the ledger refuses what has moved on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from lending.client import (
    AcceptOffer,
    AttachContext,
    Command,
    ContextKind,
    Decide,
    Disburse,
    MakeOffer,
    NoticeKind,
    Outcome,
    Override,
    Reason,
    RecordNotice,
    Score,
    Withdraw,
)
from lending.demo.customers import Answer, Customer
from lending.demo.view import View

REFER_BELOW_SCORE: Final = 640
COUNTER_FROM_SCORE: Final = 740
SHARE_OF_INCOME_MAX: Final = Decimal("0.35")
SHARE_OF_INCOME_COUNTERED_MAX: Final = Decimal("0.50")
COUNTER_SHARE_OF_INCOME: Final = Decimal("0.34")
COUNTER_STEP: Final = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """What an agent wants to do, and what it calls that."""

    name: str
    command: Command


Agent = Callable[[View, Customer, date], Step | None]
"""What it sees, whom it is about, today; what it would do, or nothing."""


def intake(seen: View, customer: Customer, _: date) -> Step | None:
    """Speak for the customer: answer an offer, or withdraw."""
    offer = seen.open_offer
    if offer is None:
        return None
    if customer.answer is Answer.THINKS_BETTER_OF_IT and "withdraw" in seen.allowed:
        return Step("withdrawal", Withdraw(text="found cheaper credit elsewhere"))
    if "accept_offer" in seen.allowed:
        return Step("acceptance", AcceptOffer(offer_id=offer["offer_id"]))
    return None


def context(seen: View, customer: Customer, _: date) -> Step | None:
    """Find out about the customer, then verify what was said."""
    if "attach_context" not in seen.allowed or seen.status != "pending":
        return None
    if not seen.knows("customer_context"):
        facts = {"relationship": "customer since 2019" if customer.known else "new customer"}
        kind = ContextKind.CUSTOMER_CONTEXT
        return Step("context", AttachContext(kind=kind, source="crm", facts=facts))
    if not seen.knows("verification"):
        kind = ContextKind.VERIFICATION
        found = AttachContext(kind=kind, stage="income_verified", source="payroll")
        return Step("context", found)
    return None


def risk(seen: View, customer: Customer, today: date) -> Step | None:
    """Score what was verified."""
    if "score" not in seen.allowed or seen.score is not None or not seen.knows("verification"):
        return None
    score = Score(
        model="credit-risk",
        model_version="2026-10",
        score=Decimal(customer.score),
        scored_on=today,
        factors=("income_stability", "time_at_address"),
    )
    return Step("score", score)


def policy(seen: View, customer: Customer, today: date) -> Step | None:
    """Decide what was scored, offer what was decided, pay out what was accepted."""
    if "disburse" in seen.allowed:
        return Step("disbursement", Disburse(channel="bank transfer"))
    if seen.status == "rejected" and not seen.noticed("adverse_action"):
        return _notice(NoticeKind.ADVERSE_ACTION, today)
    if seen.status == "counter_offered" and not seen.noticed("counter_offer"):
        return _notice(NoticeKind.COUNTER_OFFER, today)
    if "make_offer" in seen.allowed and seen.open_offer is None and _may_offer(seen, customer):
        return _offer(seen)
    waits_for_the_customer = customer.known and seen.last("offer_accepted") is None
    if "decide" in seen.allowed and seen.status == "pending" and not waits_for_the_customer:
        return _decision(seen)
    return None


def underwriter(seen: View, _customer: Customer, _: date) -> Step | None:
    """A person: look at what was referred, and decide it."""
    if seen.status != "referred" or "override" not in seen.allowed:
        return None
    why = "spoke with the applicant, who holds two steady jobs; the model knows of one"
    return Step("override", Override(outcome=Outcome.APPROVED, justification=why))


AGENTS: Final[Mapping[str, Agent]] = {
    "intake-agent": intake,
    "context-agent": context,
    "risk-agent": risk,
    "policy-agent": policy,
    "underwriter-07": underwriter,
}
"""Four agents and one person, by the names they act under."""

PEOPLE: Final = frozenset({"underwriter-07"})
"""Those of them that are no software."""


def _may_offer(seen: View, customer: Customer) -> bool:
    if seen.status in ("approved", "counter_offered"):
        return True
    return seen.status == "pending" and customer.known and seen.score is not None


def _offer(seen: View) -> Step:
    """What was decided, else what was asked for; the rate follows the score."""
    terms = seen.decision or seen.asked
    rate = Decimal("12.5") - Decimal(seen.score or 0) / 100
    offer = MakeOffer(
        amount=Decimal(terms["amount"]),
        term_months=terms.get("term_months") or seen.asked["term_months"],
        rate_percent=rate,
    )
    return Step("offer", offer)


def _decision(seen: View) -> Step | None:
    if seen.score is None:
        return None
    if seen.score < REFER_BELOW_SCORE:
        return Step("decision", Decide(outcome=Outcome.REFERRED))
    share = seen.share_of_income
    tight = SHARE_OF_INCOME_MAX <= share < SHARE_OF_INCOME_COUNTERED_MAX
    if tight and seen.score >= COUNTER_FROM_SCORE:
        affordable = COUNTER_SHARE_OF_INCOME * 12 * Decimal(seen.asked["income"])
        amount = affordable // COUNTER_STEP * COUNTER_STEP
        reasons = (Reason.INCOME_INSUFFICIENT,)
        outcome = Outcome.COUNTER_OFFERED
        return Step("decision", Decide(outcome=outcome, amount=amount, reasons=reasons))
    return Step("decision", Decide())


def _notice(kind: NoticeKind, today: date) -> Step:
    return Step("notice", RecordNotice(kind=kind, sent_on=today, channel="email"))
