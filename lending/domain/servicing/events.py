"""What is stored of a loan. One class an event.

WARNING: `stored_as`, the field names and the values of the enums are the storage format, as in
`lending.domain.application.events`. Amounts are in the loan's currency. An event with a `booking` is
a transaction; its number is its version in the stream, its day the envelope's `effective_on`.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Final, get_args
from uuid import UUID

from lending.domain.calendar import PeriodUnit
from lending.domain.fields import Erased, Personal
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.entries import Arrears
from lending.domain.loan.journal import Posting
from lending.domain.loan.terms import PaymentKind, Terms
from lending.domain.servicing.commands import ChargeKind, ReversalReason

PersonalText = Annotated[str | Erased | None, Personal()]


class TermsChange(StrEnum):
    """Which of the terms changed."""

    RATE = "rate"
    DUE_DATE = "due_date"
    EXTENDED = "extended"
    PAUSED = "paused"
    RE_AGED = "re_aged"
    RE_AMORTISED = "re_amortised"
    CAPITALISED = "capitalised"
    FORGIVEN = "forgiven"
    DELINQUENCY_PAUSED = "delinquency_paused"
    DELINQUENCY_RESUMED = "delinquency_resumed"


class Regularity(StrEnum):
    """Whether a transaction is irregular: several advances, odd periods or uneven payments.

    The tolerance of the APR depends on it (12 CFR 1026.22(a)(3)).
    """

    REGULAR = "regular"
    IRREGULAR = "irregular"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductCited:
    """The version of a product whose terms were taken. `digest` is the SHA-256 of its definition,
    `registry_position` the position of its publication in the shard's log.
    """

    name: str
    version: str
    digest: str
    registry_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRun:
    """So many payments of the same amount, one a period, the first due that day."""

    count: int
    amount: Decimal
    first_due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """What the terms come to (12 CFR 1026.18). Rates are annual, in percent.

    `apr_percent` by Regulation Z, Appendix J, `effective_percent` by Directive 2008/48/EC, Annex I;
    None where the flows have no such rate. `payments` is the payment schedule.
    """

    apr_percent: Decimal | None = None
    effective_percent: Decimal | None = None
    amount_financed: Decimal
    finance_charge: Decimal
    total_of_payments: Decimal
    payments: tuple[PaymentRun, ...]
    regularity: Regularity


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingSchedule:
    """Instalments as they are owed if all is paid when due, one a place of each list.

    Without amounts the due dates alone bind: of a loan taken over in the middle of a period. `fees`
    is left out where there are none, `down_payments` says how many of the first lines are. `agreed` are
    the dues before the business day rule, left out where it moved none.
    """

    due_on: tuple[date, ...]
    principal: tuple[Decimal, ...]
    interest: tuple[Decimal, ...]
    fees: tuple[Decimal, ...] = ()
    down_payments: int = 0
    agreed: tuple[date, ...] = ()

    @property
    def dues(self) -> tuple[date, ...]:
        """The due dates of the instalments."""
        return self.due_on[self.down_payments :]

    @property
    def moved(self) -> tuple[tuple[date, date], ...]:
        """The dates agreed that are no business days, each with the day it was moved to."""
        pairs = zip(self.agreed, self.dues, strict=True) if self.agreed else ()
        return tuple((agreed, due) for agreed, due in pairs if agreed != due)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reallocated:
    """An earlier transaction came to something else: by how much more, component by component, and how much more of it
    is recovered; events of earlier days do not say that (None).
    """

    version: int
    principal: Decimal
    interest: Decimal
    fees: Decimal
    penalties: Decimal
    credit: Decimal
    recovered: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """What a transaction came to.

    Principal, interest, fees and penalties are what it paid or, for what raised the debt, made owed;
    `credit` is what it added to the credit balance, `recovered` how much of it is
    recovered: all that came in on a loan that had ended, and, of one that is charged off, all that it
    paid of what is still owed (below zero where it brought that back). `balance` is the principal
    owed afterwards and `status` where the loan stands then. `through` is the day to which the loan was computed.
    `postings` sum to zero. `reallocated` are earlier transactions that it changed, `left_out` how
    many more there are than fit.
    """

    principal: Decimal
    interest: Decimal
    fees: Decimal
    penalties: Decimal
    credit: Decimal
    recovered: Decimal
    balance: Decimal
    status: LoanStatus
    through: date
    postings: tuple[Posting, ...] = ()
    reallocated: tuple[Reallocated, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Boarded:
    """A running loan was taken over, under these terms."""

    stored_as: ClassVar[str] = "boarded"
    schema_version: ClassVar[int] = 1
    product: ProductCited
    terms: Terms
    principal: Decimal
    accrued_interest: Decimal
    paid_through: date
    schedule: BindingSchedule
    booking: Booking
    arrears: tuple[Arrears, ...] = ()
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsSet:
    """A loan that was paid out without terms has these, from its first day."""

    stored_as: ClassVar[str] = "terms_set"
    schema_version: ClassVar[int] = 1
    product: ProductCited
    terms: Terms
    schedule: BindingSchedule
    booking: Booking


@dataclass(frozen=True, slots=True, kw_only=True)
class DisbursementReversed:
    """A disbursement never took place. Without a booking, of a loan without terms."""

    stored_as: ClassVar[str] = "disbursement_reversed"
    schema_version: ClassVar[int] = 1
    of: int
    reason: ReversalReason
    booking: Booking | None = None
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaid:
    """Money came in, or was credited; `charge` is the one that an adjustment is of."""

    stored_as: ClassVar[str] = "repaid"
    schema_version: ClassVar[int] = 1
    amount: Decimal
    kind: PaymentKind
    booking: Booking
    channel: str | None = None
    reference: str | None = None
    charge: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Money was recovered on a loan that had been taken to loss."""

    stored_as: ClassVar[str] = "recovered"
    schema_version: ClassVar[int] = 1
    amount: Decimal
    booking: Booking
    channel: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepaymentReversed:
    """A payment never counted."""

    stored_as: ClassVar[str] = "repayment_reversed"
    schema_version: ClassVar[int] = 1
    of: int
    reason: ReversalReason
    booking: Booking
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryReversed:
    """A transaction that was neither a payment nor a disbursement never counted."""

    stored_as: ClassVar[str] = "entry_reversed"
    schema_version: ClassVar[int] = 1
    of: int
    reason: ReversalReason
    booking: Booking
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedBack:
    """A part of a payment was taken back: it is owed again."""

    stored_as: ClassVar[str] = "charged_back"
    schema_version: ClassVar[int] = 1
    of: int
    amount: Decimal
    booking: Booking
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRefunded:
    """A credit balance was paid back."""

    stored_as: ClassVar[str] = "credit_refunded"
    schema_version: ClassVar[int] = 1
    amount: Decimal
    booking: Booking
    channel: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeAssessed:
    """A fee or a penalty was charged; `late_for` is the due date that a late fee is for."""

    stored_as: ClassVar[str] = "charge_assessed"
    schema_version: ClassVar[int] = 1
    kind: ChargeKind
    amount: Decimal
    due_on: date
    booking: Booking
    name: str | None = None
    late_for: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeWaived:
    """A part of a charge is not asked for any more."""

    stored_as: ClassVar[str] = "charge_waived"
    schema_version: ClassVar[int] = 1
    of: int
    amount: Decimal
    booking: Booking


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestWaived:
    """Interest that fell due is not asked for any more."""

    stored_as: ClassVar[str] = "interest_waived"
    schema_version: ClassVar[int] = 1
    amount: Decimal
    booking: Booking


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsChanged:
    """The terms changed: what `change` says, with its own fields. `schedule` is what is to come."""

    stored_as: ClassVar[str] = "terms_changed"
    schema_version: ClassVar[int] = 1
    change: TermsChange
    booking: Booking
    schedule: BindingSchedule | None = None
    rate_percent: Decimal | None = None
    due_on: date | None = None
    to: date | None = None
    instalments: int | None = None
    first_due_on: date | None = None
    every: int | None = None
    period: PeriodUnit | None = None
    amount: Decimal | None = None
    until: date | None = None
    instalment_amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedOff:
    """The loan was taken to loss; it is still owed."""

    stored_as: ClassVar[str] = "charged_off"
    schema_version: ClassVar[int] = 1
    booking: Booking
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeOffUndone:
    """The charge-off never counted."""

    stored_as: ClassVar[str] = "charge_off_undone"
    schema_version: ClassVar[int] = 1
    of: int
    booking: Booking
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenOff:
    """All that was owed was given up."""

    stored_as: ClassVar[str] = "written_off"
    schema_version: ClassVar[int] = 1
    booking: Booking
    text: PersonalText = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the settlement left unpaid was given up."""

    stored_as: ClassVar[str] = "settled"
    schema_version: ClassVar[int] = 1
    booking: Booking


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinanced:
    """The loan was paid off, for `amount`, out of another."""

    stored_as: ClassVar[str] = "refinanced"
    schema_version: ClassVar[int] = 1
    into: UUID
    amount: Decimal
    booking: Booking


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """The loan was handed over, for a price."""

    stored_as: ClassVar[str] = "transferred"
    schema_version: ClassVar[int] = 1
    to: str
    price: Decimal
    booking: Booking


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The account was closed with nothing owed either way."""

    stored_as: ClassVar[str] = "closed"
    schema_version: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestAccrued:
    """Interest earned since the last booking went into the journal."""

    stored_as: ClassVar[str] = "interest_accrued"
    schema_version: ClassVar[int] = 1
    booking: Booking


ServicingEvent = (
    Boarded
    | TermsSet
    | DisbursementReversed
    | Repaid
    | Recovered
    | RepaymentReversed
    | EntryReversed
    | ChargedBack
    | CreditRefunded
    | ChargeAssessed
    | ChargeWaived
    | InterestWaived
    | TermsChanged
    | ChargedOff
    | ChargeOffUndone
    | WrittenOff
    | Settled
    | Refinanced
    | Transferred
    | Closed
    | InterestAccrued
)
"""Any event of a loan after its first disbursement, which is an event of the application's."""

SERVICING_EVENTS: Final[tuple[type[ServicingEvent], ...]] = get_args(ServicingEvent)
"""Every event class of servicing."""
