"""What can happen to the money of a loan: the effective-dated entries its book is computed from.

A correction is another entry: one that is back-dated takes its place by its date, a reversal takes
the entry it names out of the account as if it had never been. Amounts are in the loan's currency.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from lending.domain.calendar import PeriodUnit
from lending.domain.loan.terms import Component, PaymentKind


class Ending(StrEnum):
    """How what is owed leaves the account without being paid."""

    WRITTEN_OFF = "written_off"
    SETTLED = "settled"
    REFINANCED = "refinanced"
    TRANSFERRED = "transferred"


MovedDates = tuple[tuple[date, date], ...]
"""Dates that were agreed on, each with the business day it was moved to: what a calendar said when a
change of the terms was recorded.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disbursed:
    """Principal was advanced. `dues` are the due dates as stored with the first disbursement, `agreed`
    those before the business day rule, where any differ.

    Without them they follow from the terms. Periods run from `start`, else from the first day. `fee`
    is the part of it that was kept, `refinanced` the part that paid off another loan; `advance` what
    of an offer it used up, without a fee that was added.
    """

    amount: Decimal
    advance: Decimal = Decimal(0)
    dues: tuple[date, ...] = ()
    agreed: tuple[date, ...] = ()
    start: date | None = None
    fee: Decimal = Decimal(0)
    refinanced: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boarded:
    """A running loan was taken over: the principal not yet due, interest since `paid_through`.

    `overdue` are instalments that fell due unpaid, oldest first.
    """

    principal: Decimal
    paid_through: date
    accrued_interest: Decimal = Decimal(0)
    dues: tuple[date, ...] = ()
    agreed: tuple[date, ...] = ()
    overdue: tuple["Arrears", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrears:
    """What is left unpaid of an instalment that fell due before boarding.

    WARNING: it is stored in events, as `lending.domain.servicing.events` has them.
    """

    due_on: date
    principal: Decimal = Decimal(0)
    interest: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    penalties: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directed:
    """A part of a payment that its payer or servicer allocated: to the instalment due that day."""

    due_on: date
    component: Component
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Money came in, or was credited; allocated by the terms' rule for `kind` unless directed.

    What adjusts the charge assessed by entry `charge` pays first what is unpaid of that.
    """

    amount: Decimal
    kind: PaymentKind = PaymentKind.INSTALMENT
    directed: tuple[Directed, ...] = ()
    charge: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversed:
    """The entry with number `of` never counted."""

    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedBack:
    """A part of payment `of` was taken back: it is owed again with the instalment of that day, but of a
    loan that has ended, where it is lost.
    """

    of: int
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRefunded:
    """A credit balance was paid out; what exceeds it is owed again as principal."""

    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeAssessed:
    """A fee or a penalty, due on a day of its own, shown with the instalment of that day."""

    component: Component
    amount: Decimal
    due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeWaived:
    """A part of charge `of` is not asked for any more."""

    of: int
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestWaived:
    """Interest that fell due is not asked for any more, oldest first."""

    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChanged:
    """The nominal annual rate is another, from this day or the day before, as the terms say.

    `instalment_amount` fixes the level payment from then on.
    """

    rate_percent: Decimal
    instalment_amount: Decimal | None = None
    moved: MovedDates = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDateMoved:
    """The instalment due on `due_on` is due on `to`, and those after it follow."""

    due_on: date
    to: date
    moved: MovedDates = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A payment holiday: the next `instalments` are left out, the others come that much later."""

    instalments: int
    moved: MovedDates = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """So many instalments more, over which principal is spread anew."""

    instalments: int
    moved: MovedDates = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReAged:
    """All that is unpaid, overdue or to come, is owed in new instalments from `first_due_on` on."""

    first_due_on: date
    instalments: int
    every: int
    period: PeriodUnit
    moved: MovedDates = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReAmortised:
    """What is overdue is spread over the instalments to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capitalised:
    """Unpaid interest and charges that fell due became principal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgiven:
    """Principal is not asked for any more, what is overdue first."""

    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedOff:
    """The loan was taken to loss; it is still owed, and payments count as recoveries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """All that is owed left the account, for `proceeds` from whoever took it over."""

    how: Ending
    proceeds: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelinquencyPaused:
    """Days until `until` do not count towards delinquency."""

    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DelinquencyResumed:
    """A pause of delinquency ends on this day."""


Act = (
    Disbursed
    | Boarded
    | Paid
    | Reversed
    | ChargedBack
    | CreditRefunded
    | ChargeAssessed
    | ChargeWaived
    | InterestWaived
    | RateChanged
    | DueDateMoved
    | Paused
    | Extended
    | ReAged
    | ReAmortised
    | Capitalised
    | Forgiven
    | ChargedOff
    | Ended
    | DelinquencyPaused
    | DelinquencyResumed
)
"""Whatever an entry can be."""


class Entry(NamedTuple):
    """An act, the day it counts from, and its number: the order of recording, dense or not."""

    number: int
    on: date
    act: Act
