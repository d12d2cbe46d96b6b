"""What may be asked of a loan. One class a command; the HTTP body is derived from it.

Every amount is in the loan's currency. What a command does counts from the date of its effective
instant, which may be past: entries after it are then computed anew.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, get_args
from uuid import UUID

from annotated_types import Ge, Le, MaxLen

from lending.domain.calendar import PeriodUnit
from lending.domain.fields import (
    Amount,
    Code,
    Currency,
    Example,
    FreeText,
    Name,
    NonNegativeAmount,
    OfferId,
    Personal,
)
from lending.domain.loan.terms import InstalmentCount, PaymentKind, SignedRatePercent

MAX_ARREARS: Final = 120

EventVersion = Annotated[int, Ge(1), Le(2**31 - 1), Example(7)]
"""The version of the event in the application's stream: the number of a transaction."""

Text = Annotated[FreeText | None, Personal()]
"""What somebody wrote."""


class ChargeKind(StrEnum):
    """What a charge is: a fee for a service, or a penalty for a breach."""

    FEE = "fee"
    PENALTY = "penalty"


class ReversalReason(StrEnum):
    """Why a transaction never counted."""

    RETURNED_UNPAID = "returned_unpaid"
    WRONG_LOAN = "wrong_loan"
    FRAUD = "fraud"
    MISTAKE = "mistake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrears:
    """What is unpaid of an instalment that fell due by the day to which interest is settled."""

    due_on: date
    principal: NonNegativeAmount | None = None
    interest: NonNegativeAmount | None = None
    fees: NonNegativeAmount | None = None
    penalties: NonNegativeAmount | None = None


# fund


@dataclass(frozen=True, slots=True, kw_only=True)
class Redisclose:
    """Disclose the accepted offer's terms again, for another day of payment or first due date.

    Needed where the rate at funding leaves the one disclosed by more than its tolerance
    (12 CFR 1026.22(a)).
    """

    offer_id: OfferId
    disburse_on: date | None = None
    first_due_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Take over a running loan, under the terms of a product, of an application that is decided.

    Needs an idempotency key. `principal` is what is owed and not yet due, `paid_through` the day to
    which interest is settled: from then on it is computed. `accrued_interest` is unpaid interest of
    days before that, due with the first instalment. `instalments` are those to come, the first due
    on `first_due_on`; `arrears` what fell due by `paid_through` and is unpaid.
    `instalment_amount` is the level payment that was agreed, where the terms would compute another.
    """

    product: Annotated[Code, Example("personal-loan")]
    product_version: Name | None = None
    principal: Amount
    paid_through: date
    rate_percent: SignedRatePercent | None = None
    instalments: InstalmentCount | None = None
    first_due_on: date | None = None
    instalment_amount: Amount | None = None
    accrued_interest: NonNegativeAmount | None = None
    arrears: Annotated[tuple[Arrears, ...], MaxLen(MAX_ARREARS)] = ()
    reference: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTerms:
    """Give terms to a loan that was paid out without any, as if it had had them from its first day."""

    product: Annotated[Code, Example("personal-loan")]
    product_version: Name | None = None
    rate_percent: SignedRatePercent | None = None
    instalments: InstalmentCount | None = None
    first_due_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse:
    """Reverse a transaction: it never counted. What came after it is computed anew.

    Needs an idempotency key.
    """

    version: EventVersion
    reason: Annotated[ReversalReason, Example("returned_unpaid")]
    text: Text = None


# pay


@dataclass(frozen=True, slots=True, kw_only=True)
class Repay:
    """Record money that came in or was credited; allocated by the product's rule for its kind.

    What exceeds all that is owed becomes a credit balance. `reference` is the payer's, and names one
    payment of the loan only: space around it and how its letters are composed (Unicode's form C) make
    no difference, upper and lower case do. A `charge_adjustment`, and nothing else, names the
    `charge` that it corrects, by the version of its event. It is at most what was charged, less what
    was waived of it and adjusted before, and pays what is unpaid of it first; the rest, which was
    paid of it, pays other things by the rule of its kind. Needs an idempotency key.
    """

    amount: Amount
    kind: PaymentKind = PaymentKind.INSTALMENT
    currency: Currency | None = None
    channel: Annotated[Name | None, Example("direct_debit")] = None
    reference: Annotated[Name | None, Example("SEPA-2026-0001")] = None
    charge: EventVersion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover:
    """Record money recovered on a loan that was taken to loss. Needs an idempotency key.

    `reference` names one payment of the loan only, repayments before it included.
    """

    amount: Amount
    currency: Currency | None = None
    channel: Name | None = None
    reference: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeBack:
    """Record that a payment was taken back, whole or in part: it is owed again from now on.

    Without `amount`, what is left of it. `reference` may be the payment's own; it names one charge-back
    of the loan only, compared as that of a repayment. Needs an idempotency key.
    """

    version: EventVersion
    amount: Amount | None = None
    reference: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundCredit:
    """Pay a credit balance back, whole without `amount`. Needs an idempotency key.

    `reference` names one refund of the loan only, compared as that of a repayment.
    """

    amount: Amount | None = None
    channel: Name | None = None
    reference: Name | None = None


# charge


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessCharge:
    """Charge a fee or a penalty; due on the day it counts from, unless said otherwise.

    Needs an idempotency key.
    """

    kind: Annotated[ChargeKind, Example("fee")]
    amount: Amount
    due_on: date | None = None
    name: Annotated[Name | None, Example("returned direct debit")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiveCharge:
    """Ask no longer for what is unpaid of a charge, or for `amount` of it."""

    version: EventVersion
    amount: Amount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiveInterest:
    """Ask no longer for interest that fell due, oldest first."""

    amount: Amount


# terms


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRate:
    """Another nominal annual rate from now on, and with `instalment_amount` another level payment.

    The rate is inside the bounds of the product whose terms the loan has.
    """

    rate_percent: SignedRatePercent
    instalment_amount: Amount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveDueDate:
    """Let the instalment due on `due_on` be due on `to`, and those after it follow."""

    due_on: date
    to: Annotated[date, Example("2026-11-15")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """Add instalments at the end; principal is spread over all that are to come."""

    instalments: InstalmentCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A payment holiday: leave out the next instalments; the others come that much later."""

    instalments: InstalmentCount


@dataclass(frozen=True, slots=True, kw_only=True)
class ReAge:
    """Let all that is unpaid be owed in new instalments, the first due on `first_due_on`."""

    first_due_on: Annotated[date, Example("2027-01-01")]
    instalments: InstalmentCount
    every: Annotated[int, Ge(1), Le(366)] = 1
    period: PeriodUnit = PeriodUnit.MONTHS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReAmortise:
    """Spread what is overdue over the instalments to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capitalise:
    """Add unpaid interest and charges that fell due to principal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgive:
    """Ask no longer for so much principal, what is overdue first."""

    amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseDelinquency:
    """Do not count the days up to `until` towards delinquency."""

    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeDelinquency:
    """Count days towards delinquency again."""


# end


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeOff:
    """Take the loan to loss. It is still owed; what is paid from now on is recovered."""

    text: Text = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoChargeOff:
    """Take the charge-off back: it never counted."""

    text: Text = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOff:
    """Give up all that is owed: the loan ends."""

    text: Text = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Take `amount` for all that is owed and give up the rest: the loan ends.

    Needs an idempotency key.
    """

    amount: Amount
    channel: Name | None = None
    reference: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinance:
    """Pay this loan off out of another of this ledger, which is paid out by this: both or neither.

    `into` is an application whose accepted offer has terms, of somebody who owes this loan: as its
    applicant or jointly. Needs an idempotency key.
    """

    into: Annotated[UUID, Example("019c1111-2222-7000-8333-444455556666")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Hand the loan over to somebody else, for `price`: it ends here. Needs an idempotency key."""

    to: Annotated[Name, Example("a servicer's name")]
    price: NonNegativeAmount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseLoan:
    """Close a loan on which nothing is owed either way. A reversal, charge-back or charge reopens it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseDay:
    """Book what the end of a day, and of all days before it that were not closed, brings, each event
    on its own day: interest accrued at the ends of periods and months, late fees, offers that have
    expired, and what the product charges off or writes off by itself. Once a day; again, it books
    what is missing. After some 40 events it stops: send it again.
    """


ServicingCommand = (
    Redisclose
    | Board
    | SetTerms
    | Reverse
    | Repay
    | Recover
    | ChargeBack
    | RefundCredit
    | AssessCharge
    | WaiveCharge
    | WaiveInterest
    | ChangeRate
    | MoveDueDate
    | Extend
    | Pause
    | ReAge
    | ReAmortise
    | Capitalise
    | Forgive
    | PauseDelinquency
    | ResumeDelinquency
    | ChargeOff
    | UndoChargeOff
    | WriteOff
    | Settle
    | Refinance
    | Transfer
    | CloseLoan
    | CloseDay
)
"""Any command on a loan."""

SERVICING_COMMANDS: Final[tuple[type[ServicingCommand], ...]] = get_args(ServicingCommand)
"""Every command class of servicing, in the order of a loan's life."""

MOVES_MONEY: Final = (
    Board,
    Reverse,
    Repay,
    Recover,
    ChargeBack,
    RefundCredit,
    AssessCharge,
    Settle,
    Refinance,
    Transfer,
)
"""Commands of servicing that need an idempotency key: issued twice, they would count twice."""
