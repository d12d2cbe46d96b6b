"""What may be asked of an application. One class a command; the HTTP body is derived from it.

A command's name in `allowed_commands` is its class name in snake case (`MakeOffer` is
`make_offer`).
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Annotated, Final, get_args
from uuid import UUID

from annotated_types import MaxLen, MinLen

from lending.domain.application.reasons import Reason
from lending.domain.fields import (
    Amount,
    Code,
    Currency,
    Example,
    Facts,
    FreeText,
    Name,
    NonNegativeAmount,
    OfferId,
    Personal,
    RatePercent,
    ScoreValue,
    Sha256,
    TermMonths,
)
from lending.domain.loan.terms import InstalmentCount
from lending.domain.servicing import commands as servicing
from lending.domain.servicing.commands import ServicingCommand

MAX_CO_APPLICANTS = 10
MAX_INFORMATION_ITEMS = 32
MAX_SCORE_FACTORS = 16


class CreditKind(StrEnum):
    """Whose credit it is; notices and retention follow from it (12 CFR 1002.9, 1002.12)."""

    CONSUMER = "consumer"
    BUSINESS = "business"


class ContextKind(StrEnum):
    """What a piece of context is about."""

    CUSTOMER_CONTEXT = "customer_context"
    VERIFICATION = "verification"
    DOCUMENT = "document"


class Outcome(StrEnum):
    """What a decision may say.

    Less, or other terms, than asked is a counter-offer (12 CFR 1002.2(c)(1)).
    """

    APPROVED = "approved"
    REJECTED = "rejected"
    REFERRED = "referred"
    COUNTER_OFFERED = "counter_offered"


class HoldKind(StrEnum):
    """Why an application is held."""

    FRAUD = "fraud"
    LEGAL = "legal"
    BANKRUPTCY = "bankruptcy"


class WithdrawnBy(StrEnum):
    """Who withdrew the application."""

    APPLICANT = "applicant"
    LENDER = "lender"
    SYSTEM = "system"


class Closure(StrEnum):
    """As what an application ends that nobody withdrew."""

    EXPIRED = "expired"
    INCOMPLETE = "incomplete"


class FailedOn(StrEnum):
    """On which part of an evaluation by score and judgement an application failed.

    The reasons come from that part (12 CFR 1002.9(b)(2), comment 7). `both`: the score alone did not
    settle it, and the judgement after it said no.
    """

    SCORE = "score"
    JUDGEMENT = "judgement"
    BOTH = "both"


class NoticeKind(StrEnum):
    """Which notice was sent to the applicant (12 CFR 1002.9(a) and (c))."""

    ADVERSE_ACTION = "adverse_action"
    COUNTER_OFFER = "counter_offer"
    INCOMPLETENESS = "incompleteness"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoApplicant:
    """Somebody who applies together with the applicant."""

    applicant_id: Annotated[Name, Example("cust_2003")]
    income: Annotated[NonNegativeAmount | None, Personal(subject_field="applicant_id")] = None


InformationItems = Annotated[
    tuple[Code, ...], MinLen(1), MaxLen(MAX_INFORMATION_ITEMS), Example(["proof_of_income"])
]
Reasons = Annotated[tuple[Reason, ...], MaxLen(8)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Open an application. What is not known yet may come by amendment.

    `income` is monthly; `reference` is the caller's own number; `continues` names an ended
    application.
    """

    applicant_id: Annotated[Name, Example("cust_2002")]
    amount: Amount
    term_months: TermMonths | None = None
    income: Annotated[NonNegativeAmount | None, Personal()] = None
    currency: Currency = "USD"
    purpose: Annotated[FreeText | None, Personal(), Example("a used car")] = None
    credit_kind: CreditKind = CreditKind.CONSUMER
    co_applicants: Annotated[tuple[CoApplicant, ...], MaxLen(MAX_CO_APPLICANTS)] = ()
    reference: Annotated[Name | None, Example("branch-7/2026-118")] = None
    continues: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Change what was applied for, while nothing is decided.

    Voids offers that are open or accepted, and makes the score stale.
    """

    amount: Amount | None = None
    term_months: TermMonths | None = None
    income: Annotated[NonNegativeAmount | None, Personal()] = None
    purpose: Annotated[FreeText | None, Personal()] = None
    co_applicants: Annotated[tuple[CoApplicant, ...] | None, MaxLen(MAX_CO_APPLICANTS)] = None
    reference: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachContext:
    """Attach what is known of the applicant, a verification step, or a document by its digest."""

    kind: ContextKind
    stage: Name | None = None
    source: Name | None = None
    digest: Sha256 | None = None
    facts: Annotated[Facts | None, Personal(), Example({"employer": "verified"})] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInformation:
    """Ask the applicant for what is missing."""

    items: InformationItems
    due_on: date | None = None
    text: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyInformation:
    """Record that requested information came in."""

    items: InformationItems
    text: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Record a score of the application as it stands."""

    model: Annotated[Name, Example("credit-risk")]
    model_version: Annotated[Name, Example("2026-10")]
    score: ScoreValue
    score_low: ScoreValue | None = None
    score_high: ScoreValue | None = None
    scored_on: date | None = None
    provider: Name | None = None
    artifact_digest: Sha256 | None = None
    input_digest: Sha256 | None = None
    factors: Annotated[tuple[Name, ...], MaxLen(MAX_SCORE_FACTORS)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """Decide the application. Without an outcome the active credit policy decides.

    `amount` and `term_months` are a counter-offer's terms; an approval is always of what was
    applied for. `other_reason` specifies the reason `other`. `failed_on` says that a score, judgement
    or both said no: of a score, the reasons are among its factors.
    """

    outcome: Annotated[Outcome | None, Example("rejected")] = None
    amount: Amount | None = None
    term_months: TermMonths | None = None
    policy: Name | None = None
    policy_version: Name | None = None
    reasons: Annotated[Reasons, Example(["excessive_obligations"])] = ()
    other_reason: Annotated[FreeText | None, Personal()] = None
    failed_on: FailedOn | None = None
    text: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Replace a decision by a person's own. The only way back from a rejection."""

    outcome: Annotated[Outcome, Example("approved")]
    justification: Annotated[FreeText, Personal(), Example("collateral was valued again")]
    amount: Amount | None = None
    term_months: TermMonths | None = None
    reasons: Reasons = ()
    other_reason: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordNotice:
    """Record that a notice was sent to the applicant: not before what it is about, and not later than
    on the day the command counts from (or the next, which it may be elsewhere).
    """

    kind: NoticeKind
    sent_on: date
    channel: Annotated[Name, Example("letter")]
    digest: Sha256 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddNote:
    """Put a note on file. Legal in every status."""

    text: Annotated[FreeText, Personal(), Example("applicant called back")]
    topic: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Stop decisions, offers and money until the hold is released."""

    kind: HoldKind
    text: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Release a hold."""

    kind: HoldKind
    text: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """End the application because the applicant, the lender or the system withdrew it."""

    by: WithdrawnBy = WithdrawnBy.APPLICANT
    text: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseUnfunded:
    """End the application because it expired or stayed incomplete."""

    closed_as: Closure
    text: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeOffer:
    """Make an offer, before the decision (conditional) or after it. `valid_until` is its last day.

    Without `offer_id` the offer is named by its ordinal in the application: 1, 2, ... With a
    `product` (its current version, unless one is named) the offer has its terms, frozen, with
    `rate_percent` and `instalments` where the product leaves them open; `term_months` says the
    number of instalments too; of periods that are no months it is the months within which the last
    one falls due. The schedule and the rates disclosed are for a loan paid out on
    `disburse_on`, or today, whose first instalment is due on `first_due_on`.
    """

    amount: Amount
    offer_id: OfferId | None = None
    term_months: TermMonths | None = None
    rate_percent: RatePercent | None = None
    valid_until: date | None = None
    product: Annotated[Code | None, Example("personal-loan")] = None
    product_version: Name | None = None
    instalments: InstalmentCount | None = None
    first_due_on: date | None = None
    disburse_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnOffer:
    """Record that the signed offer came back."""

    offer_id: OfferId


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptOffer:
    """The applicant accepts an open offer; the other open ones are void."""

    offer_id: OfferId


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseOffer:
    """The applicant refuses an open offer."""

    offer_id: OfferId
    text: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawOffer:
    """The lender withdraws an open offer."""

    offer_id: OfferId
    text: Annotated[FreeText | None, Personal()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireOffer:
    """Record that an open offer's last day has passed."""

    offer_id: OfferId


@dataclass(frozen=True, slots=True, kw_only=True)
class Disburse:
    """Pay out the accepted offer. Moves money, so it needs an idempotency key.

    `amount` defaults to what is left of the offer. Under a product's terms it may be less: a
    tranche. An offer without terms is paid out whole. `reference` and `channel` are the payment's; a
    reference names one payout of the loan only, compared as that of a repayment.
    """

    amount: Amount | None = None
    reference: Name | None = None
    channel: Name | None = None


OriginationCommand = (
    Apply
    | Amend
    | AttachContext
    | RequestInformation
    | SupplyInformation
    | Score
    | Decide
    | Override
    | RecordNotice
    | AddNote
    | Hold
    | Release
    | Withdraw
    | CloseUnfunded
    | MakeOffer
    | ReturnOffer
    | AcceptOffer
    | RefuseOffer
    | WithdrawOffer
    | ExpireOffer
    | Disburse
)
"""Any command from application to payment."""

ORIGINATION_COMMANDS: Final[tuple[type[OriginationCommand], ...]] = get_args(OriginationCommand)
"""Every command class of origination, in the order of an application's life."""

Command = OriginationCommand | ServicingCommand
"""Any command on an application, or on the loan that it became."""

COMMANDS: Final[tuple[type[Command], ...]] = get_args(Command)
"""Every command class, in the order of an application's life."""

MOVES_MONEY: Final[tuple[type[Command], ...]] = (Disburse, *servicing.MOVES_MONEY)
"""Commands that need an idempotency key: issued twice, they would count twice."""

DATED: Final[tuple[type[Command], ...]] = (Disburse, *servicing.SERVICING_COMMANDS)
"""Commands whose events count money from a day: the day they are decided for is the one on record."""


def command_name(command: type[Command]) -> str:
    """The name of a command wherever one is named: its class name in snake case."""
    return _snake_case(command.__name__)


@cache
def _snake_case(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)[1:]
