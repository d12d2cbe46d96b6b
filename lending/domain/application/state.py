"""What is true of an application now: the fold of its events, and what follows from it.

Values here are named tuples, not dataclasses: every event makes a new one out of the last, and
`_replace` costs a quarter of `dataclasses.replace`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from lending.domain.application.clocks import Clock
from lending.domain.application.commands import (
    Closure,
    ContextKind,
    CreditKind,
    HoldKind,
    NoticeKind,
    Outcome,
    WithdrawnBy,
)
from lending.domain.application.events import JointApplicant, PolicyCited
from lending.domain.application.reasons import Reason
from lending.domain.fields import Erased, FactValue
from lending.domain.loan.terms import Terms
from lending.domain.servicing.events import Disclosed, ProductCited
from lending.domain.servicing.state import Loan


class Status(StrEnum):
    """Where an application stands, as its applicant would say."""

    PENDING = "pending"
    REFERRED = "referred"
    COUNTER_OFFERED = "counter_offered"
    APPROVED = "approved"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ACTIVE = "active"
    OVERPAID = "overpaid"
    PAID_OFF = "paid_off"
    WRITTEN_OFF = "written_off"
    SETTLED = "settled"
    REFINANCED = "refinanced"
    TRANSFERRED = "transferred"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    INCOMPLETE = "incomplete"


class Stage(StrEnum):
    """What an application waits for."""

    INTAKE = "intake"
    ASSESSMENT = "assessment"
    OFFER = "offer"
    FUNDING = "funding"
    SERVICING = "servicing"
    CLOSED = "closed"


class OfferStatus(StrEnum):
    """Where an offer stands.

    `void`: another was accepted, the application was amended, or it was rejected or ended.
    """

    OPEN = "open"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    VOID = "void"


class ScoreOnFile(NamedTuple):
    """The latest score, with the range of its scale; stale once the application was amended after it."""

    model: str
    model_version: str
    score: Decimal
    stale: bool = False
    low: Decimal | None = None
    high: Decimal | None = None
    factors: tuple[str, ...] = ()


class Decision(NamedTuple):
    """The decision in force and what it rests on; stale once the application was amended."""

    outcome: Outcome
    decider: str
    amount: Decimal | None
    term_months: int | None
    policy: PolicyCited | None
    reasons: tuple[Reason, ...]
    facts: Mapping[str, FactValue] | None
    personal_facts: Mapping[str, FactValue] | Erased | None
    decided_at: datetime
    overridden: bool = False
    stale: bool = False
    other_reason: str | Erased | None = None


class Offer(NamedTuple):
    """An offer: its frozen terms and where it stands."""

    offer_id: str
    amount: Decimal
    term_months: int | None
    rate_percent: Decimal | None
    valid_until: date | None
    status: OfferStatus = OfferStatus.OPEN
    returned: bool = False
    product: ProductCited | None = None
    terms: Terms | None = None
    first_due_on: date | None = None
    disburse_on: date | None = None
    disclosed: Disclosed | None = None

    def lapsed_on(self, day: date) -> bool:
        """Whether the offer's last day is before `day`, recorded or not."""
        return self.valid_until is not None and day > self.valid_until


class Ending(NamedTuple):
    """How the application ended without a loan."""

    kind: WithdrawnBy | Closure
    ended_at: datetime

    @property
    def status(self) -> Status:
        """The status of an application that ended so."""
        match self.kind:
            case Closure.EXPIRED:
                return Status.EXPIRED
            case Closure.INCOMPLETE:
                return Status.INCOMPLETE
            case _:
                return Status.WITHDRAWN


class Days(NamedTuple):
    """The days, in the ledger's time zone, from which the times of adverse action are counted.

    `completed_on` is the later of applying and the last information supplied with none outstanding
    (none while any is); what is asked for after a decision does not move it. `asked_on` is when the
    first of what is outstanding was asked for. `told_on` is the first
    day after the decision in force on which an offer was made or accepted, or money was paid out:
    the applicant was told of it by deed. `taken_on` is when an accepted offer was one that the
    decision covers, even where the application ended afterwards. `noticed_on` is the last day on
    which the applicant was told anything.
    """

    applied_on: date | None = None
    completed_on: date | None = None
    asked_on: date | None = None
    decided_on: date | None = None
    told_on: date | None = None
    taken_on: date | None = None
    ended_on: date | None = None
    noticed_on: date | None = None

    def told(self, on: date) -> "Days":
        """The days once the applicant was told of the decision in force by deed."""
        noticed_on = on if self.noticed_on is None else max(on, self.noticed_on)
        return self._replace(told_on=self.told_on or on, noticed_on=noticed_on)


class Disbursement(NamedTuple):
    """The payment that made the application a loan: the first, of several."""

    offer_id: str
    amount: Decimal
    disbursed_at: datetime


_DECIDED_STATUS: Final = {
    Outcome.APPROVED: Status.APPROVED,
    Outcome.REJECTED: Status.REJECTED,
    Outcome.REFERRED: Status.REFERRED,
    Outcome.COUNTER_OFFERED: Status.COUNTER_OFFERED,
}


class Application(NamedTuple):
    """One application. `INITIAL` is the application that nobody has applied for yet.

    `outstanding` gives what the applicant was asked for, and by when; `decision_version` the version
    of the decision in force; `notices` which the applicant was sent about how the application stands,
    and on which days; `missed` the clocks that ended late; `scorers` all who have scored it, or on
    whose behalf it was scored; `erased` the persons whose data were erased.
    """

    applicant_id: str = ""
    amount: Decimal = Decimal(0)
    currency: str = ""
    credit_kind: CreditKind = CreditKind.CONSUMER
    applied_at: datetime | None = None
    term_months: int | None = None
    income: Decimal | Erased | None = None
    purpose: str | Erased | None = None
    co_applicants: tuple[JointApplicant, ...] = ()
    reference: str | None = None
    score: ScoreOnFile | None = None
    context_kinds: frozenset[ContextKind] = frozenset()
    verification_stage: str | None = None
    outstanding: Mapping[str, date | None] = MappingProxyType({})
    decision: Decision | None = None
    decision_version: int = 0
    offers: Mapping[str, Offer] = MappingProxyType({})
    accepted_offer_id: str | None = None
    notices: Mapping[NoticeKind, tuple[date, ...]] = MappingProxyType({})
    days: Days = Days()
    missed: tuple[Clock, ...] = ()
    holds: frozenset[HoldKind] = frozenset()
    ending: Ending | None = None
    disbursement: Disbursement | None = None
    loan: Loan | None = None
    scorers: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()

    @property
    def exists(self) -> bool:
        """Whether somebody applied."""
        return self.applied_at is not None

    @property
    def borrowers(self) -> frozenset[str]:
        """The pseudonyms of all who apply, or owe the loan."""
        joint = (one.applicant_id for one in self.co_applicants)
        return frozenset({self.applicant_id, *joint})

    @property
    def product(self) -> ProductCited | None:
        """The version of a product whose terms the loan has, or the accepted offer."""
        if self.loan is not None and self.loan.product is not None:
            return self.loan.product
        offer = self.accepted_offer
        return None if offer is None else offer.product

    @property
    def decided(self) -> bool:
        """Whether a decision other than a referral is in force."""
        return self.decision is not None and self.decision.outcome is not Outcome.REFERRED

    @property
    def rejected(self) -> bool:
        """Whether the decision in force is a rejection."""
        return self.decision is not None and self.decision.outcome is Outcome.REJECTED

    @property
    def accepted_offer(self) -> Offer | None:
        """The offer that the applicant accepted, covered by a decision or not."""
        return None if self.accepted_offer_id is None else self.offers[self.accepted_offer_id]

    @property
    def undisbursed(self) -> Decimal:
        """What is left to be paid out of the accepted offer."""
        offer = self.accepted_offer
        if offer is None:
            return Decimal(0)
        return offer.amount if self.loan is None else offer.amount - self.loan.advanced

    @property
    def covered(self) -> bool:
        """Whether the accepted offer is one that the decision in force covers."""
        offer = self.accepted_offer
        return (
            offer is not None
            and self.decision is not None
            and covers(self.decision, offer.amount, offer.term_months)
        )

    def admits(self, amount: Decimal, term_months: int | None) -> bool:
        """Whether an offer of these terms is legal: conditional, or covered by the decision."""
        return (
            self.decision is None or not self.decided or covers(self.decision, amount, term_months)
        )

    @property
    def status(self) -> Status:
        """Where the application stands: money first, then its end, then decision and acceptance."""
        if self.loan is not None:
            return Status(self.loan.status.value)
        if self.ending is not None:
            return self.ending.status
        if self.decision is None:
            return Status.PENDING
        return Status.ACCEPTED if self.covered else _DECIDED_STATUS[self.decision.outcome]

    @property
    def stage(self) -> Stage:
        """What the application waits for."""
        match self.status:
            case Status.PENDING if self.outstanding or not (
                self.score or self.context_kinds or self.offers
            ):
                return Stage.INTAKE
            case Status.PENDING | Status.REFERRED:
                return Stage.ASSESSMENT
            case Status.APPROVED | Status.COUNTER_OFFERED:
                return Stage.OFFER
            case Status.ACCEPTED:
                return Stage.FUNDING
            case Status.ACTIVE | Status.OVERPAID:
                return Stage.SERVICING
            case _:
                return Stage.CLOSED

    def open_offers(self) -> list[Offer]:
        """The offers that can still be answered, in the order they were made."""
        return [offer for offer in self.offers.values() if offer.status is OfferStatus.OPEN]


INITIAL: Final = Application()
"""The state before the first event."""


def covers(decision: Decision, amount: Decimal, term_months: int | None) -> bool:
    """Whether `decision` covers an offer of `amount` over `term_months`.

    An approval covers any offer of at most its amount; a counter-offer covers its own terms only. A
    term that either side leaves open does not differ.
    """
    if None not in (term_months, decision.term_months) and term_months != decision.term_months:
        return False
    if decision.amount is None:
        return False
    if decision.outcome is Outcome.APPROVED:
        return amount <= decision.amount
    return decision.outcome is Outcome.COUNTER_OFFERED and amount == decision.amount
