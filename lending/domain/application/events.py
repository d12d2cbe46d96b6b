"""What is stored of an application. One class an event.

WARNING: `stored_as`, the field names and the values of the enums are the storage format. They never
change: a new shape is a new `schema_version` with an upcaster in `lending.ledger.upcasters`.
Amounts are in the application's currency. Time, actor and position are not here: they are the
envelope's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Final, get_args
from uuid import UUID

from lending.domain.application.commands import (
    Closure,
    ContextKind,
    CreditKind,
    HoldKind,
    NoticeKind,
    Outcome,
    WithdrawnBy,
)
from lending.domain.application.reasons import Reason
from lending.domain.fields import Erased, FactValue, Personal
from lending.domain.loan.terms import Terms
from lending.domain.servicing.events import (
    BindingSchedule,
    Booking,
    Disclosed,
    ProductCited,
    ServicingEvent,
)
from lending.domain.subjects import SubjectErased

PersonalText = Annotated[str | Erased | None, Personal()]
PersonalAmount = Annotated[Decimal | Erased | None, Personal()]
PersonalFacts = Annotated[Mapping[str, FactValue] | Erased | None, Personal()]


@dataclass(frozen=True, slots=True, kw_only=True)
class JointApplicant:
    """Somebody who applies together with the applicant; the income is monthly."""

    applicant_id: str
    income: Annotated[Decimal | Erased | None, Personal(subject_field="applicant_id")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCited:
    """The version of a credit policy that decided. `digest` is the SHA-256 of its definition.

    `registry_position` is the position of its publication in the shard's log; none where the caller
    names a policy that the ledger does not hold.
    """

    name: str
    version: str
    digest: str | None = None
    registry_position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """An application was opened. `income` is monthly."""

    stored_as: ClassVar[str] = "applied"
    schema_version: ClassVar[int] = 1
    applicant_id: str
    amount: Decimal
    currency: str
    credit_kind: CreditKind
    term_months: int | None = None
    income: PersonalAmount = None
    purpose: PersonalText = None
    co_applicants: tuple[JointApplicant, ...] = ()
    reference: str | None = None
    continues: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """What was applied for changed: only the fields given.

    Offers that were open or accepted are void, the score is stale.
    """

    stored_as: ClassVar[str] = "amended"
    schema_version: ClassVar[int] = 1
    amount: Decimal | None = None
    term_months: int | None = None
    income: PersonalAmount = None
    purpose: PersonalText = None
    co_applicants: tuple[JointApplicant, ...] | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextAttached:
    """Something became known of the applicant, a verification moved on, or a document came in."""

    stored_as: ClassVar[str] = "context_attached"
    schema_version: ClassVar[int] = 1
    kind: ContextKind
    stage: str | None = None
    source: str | None = None
    digest: str | None = None
    facts: PersonalFacts = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationRequested:
    """The applicant was asked for these items."""

    stored_as: ClassVar[str] = "information_requested"
    schema_version: ClassVar[int] = 1
    items: tuple[str, ...]
    due_on: date | None = None
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationSupplied:
    """These items came in."""

    stored_as: ClassVar[str] = "information_supplied"
    schema_version: ClassVar[int] = 1
    items: tuple[str, ...]
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A model scored the application as it stood."""

    stored_as: ClassVar[str] = "scored"
    schema_version: ClassVar[int] = 1
    model: str
    model_version: str
    score: Decimal
    score_low: Decimal | None = None
    score_high: Decimal | None = None
    scored_on: date | None = None
    provider: str | None = None
    artifact_digest: str | None = None
    input_digest: str | None = None
    factors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The application was decided. `decider` is `policy:NAME@VERSION` or `principal`.

    `amount` and `term_months` are what was approved or counter-offered. `facts` and
    `personal_facts` are the values that the policy saw, by the version `fact_schema` of the fact
    schema (none: amounts in major units, as decimal strings); `trace` names the rules that fired,
    in order. `trace_digest` is the SHA-256 of the whole trace, without times, that `engine` of
    `engine_version` gave: personal, for what the policy saw could be guessed and held against it.
    """

    stored_as: ClassVar[str] = "decided"
    schema_version: ClassVar[int] = 2
    outcome: Outcome
    decider: str
    amount: Decimal | None = None
    term_months: int | None = None
    policy: PolicyCited | None = None
    reasons: tuple[Reason, ...] = ()
    other_reason: PersonalText = None
    text: PersonalText = None
    facts: Mapping[str, FactValue] | None = None
    personal_facts: PersonalFacts = None
    trace: tuple[str, ...] = ()
    fact_schema: int | None = None
    engine: str | None = None
    engine_version: str | None = None
    trace_digest: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overridden:
    """A person replaced the decision."""

    stored_as: ClassVar[str] = "overridden"
    schema_version: ClassVar[int] = 1
    outcome: Outcome
    justification: Annotated[str | Erased, Personal()]
    amount: Decimal | None = None
    term_months: int | None = None
    reasons: tuple[Reason, ...] = ()
    other_reason: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSent:
    """A notice went to the applicant."""

    stored_as: ClassVar[str] = "notice_sent"
    schema_version: ClassVar[int] = 1
    kind: NoticeKind
    sent_on: date
    channel: str
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A note was put on file."""

    stored_as: ClassVar[str] = "noted"
    schema_version: ClassVar[int] = 1
    text: Annotated[str | Erased, Personal()]
    topic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The application is held."""

    stored_as: ClassVar[str] = "held"
    schema_version: ClassVar[int] = 1
    kind: HoldKind
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A hold was released."""

    stored_as: ClassVar[str] = "released"
    schema_version: ClassVar[int] = 1
    kind: HoldKind
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """The application ended by withdrawal; open offers closed with it."""

    stored_as: ClassVar[str] = "withdrawn"
    schema_version: ClassVar[int] = 1
    by: WithdrawnBy
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedUnfunded:
    """The application ended without a loan; open offers closed with it."""

    stored_as: ClassVar[str] = "closed_unfunded"
    schema_version: ClassVar[int] = 1
    closed_as: Closure
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """An offer was made. Its terms are frozen here; one of an amount alone has none.

    `disclosed` is what they come to if the loan is paid out on `disburse_on` and its first
    instalment is due on `first_due_on`, or as the terms have it.
    """

    stored_as: ClassVar[str] = "offered"
    schema_version: ClassVar[int] = 2
    offer_id: str
    amount: Decimal
    term_months: int | None = None
    rate_percent: Decimal | None = None
    valid_until: date | None = None
    product: ProductCited | None = None
    terms: Terms | None = None
    first_due_on: date | None = None
    disburse_on: date | None = None
    disclosed: Disclosed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferReturned:
    """The signed offer came back."""

    stored_as: ClassVar[str] = "offer_returned"
    schema_version: ClassVar[int] = 1
    offer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAccepted:
    """The applicant accepted the offer; the other open offers are void."""

    stored_as: ClassVar[str] = "offer_accepted"
    schema_version: ClassVar[int] = 1
    offer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redisclosed:
    """The accepted offer's terms were disclosed again."""

    stored_as: ClassVar[str] = "redisclosed"
    schema_version: ClassVar[int] = 1
    offer_id: str
    disburse_on: date
    disclosed: Disclosed
    first_due_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRefused:
    """The applicant refused the offer."""

    stored_as: ClassVar[str] = "offer_refused"
    schema_version: ClassVar[int] = 1
    offer_id: str
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWithdrawn:
    """The lender withdrew the offer."""

    stored_as: ClassVar[str] = "offer_withdrawn"
    schema_version: ClassVar[int] = 1
    offer_id: str
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferExpired:
    """The offer's last day passed without an answer."""

    stored_as: ClassVar[str] = "offer_expired"
    schema_version: ClassVar[int] = 1
    offer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disbursed:
    """The loan was paid out, or a tranche of it.

    Of an offer with terms: `principal` is what is owed for it, with a fee that was added; `fee` was
    kept, `refinanced` paid another loan off, `paid_out` went to the borrower. `schedule` is the
    binding one, dated from funding, and `disclosed` what was true of it, of a loan paid out whole.
    """

    stored_as: ClassVar[str] = "disbursed"
    schema_version: ClassVar[int] = 2
    offer_id: str
    amount: Decimal
    reference: str | None = None
    channel: str | None = None
    principal: Decimal | None = None
    fee: Decimal | None = None
    paid_out: Decimal | None = None
    refinanced: Decimal | None = None
    refinances: UUID | None = None
    schedule: BindingSchedule | None = None
    disclosed: Disclosed | None = None
    booking: Booking | None = None


Event = (
    Applied
    | Amended
    | ContextAttached
    | InformationRequested
    | InformationSupplied
    | Scored
    | Decided
    | Overridden
    | NoticeSent
    | Noted
    | Held
    | Released
    | Withdrawn
    | ClosedUnfunded
    | Offered
    | OfferReturned
    | OfferAccepted
    | Redisclosed
    | OfferRefused
    | OfferWithdrawn
    | OfferExpired
    | Disbursed
    | SubjectErased
    | ServicingEvent
)
"""Any event of an application."""

EVENTS: Final[tuple[type[Event], ...]] = get_args(Event)
"""Every event class of an application."""
