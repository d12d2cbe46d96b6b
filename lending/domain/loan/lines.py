"""The lines of a loan's account while it is being computed: what is owed when, and what became of it.

These are the engine's working values and never leave it; what others see is in `book`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from lending.domain.loan.accrual import Period
from lending.domain.loan.rounding import ZERO
from lending.domain.loan.terms import Component, Timing

_PRINCIPAL: Final = Component.PRINCIPAL
_INTEREST: Final = Component.INTEREST
_PAST_DUE: Final = Timing.PAST_DUE
_DUE: Final = Timing.DUE
_IN_ADVANCE: Final = Timing.IN_ADVANCE
# Looked up once: a member of an enum costs more than what is done with it here.


class LineKind(StrEnum):
    """What a line of the schedule is.

    `additional`: an amount that came back after the last instalment.
    """

    INSTALMENT = "instalment"
    DOWN_PAYMENT = "down_payment"
    ADDITIONAL = "additional"


@dataclass(slots=True)
class Owed:
    """One amount owed: the principal or interest of a line, or a charge with a due date of its own."""

    component: Component
    due_on: date
    amount: Decimal = ZERO
    paid: Decimal = ZERO
    waived: Decimal = ZERO
    written_off: Decimal = ZERO
    entry: int | None = None

    @property
    def outstanding(self) -> Decimal:
        """What is still to be paid."""
        return self.amount - self.paid - self.waived - self.written_off

    def timing(self, on: date) -> Timing:
        """When it is due, seen from `on`."""
        if self.due_on < on:
            return _PAST_DUE
        return _DUE if self.due_on == on else _IN_ADVANCE


@dataclass(slots=True)
class Line:
    """One instalment, a down payment, or an additional line.

    `level`, `part` or neither say how its principal is found: the rest of a level payment after
    interest, a fixed part, or nothing. `flat_interest` is fixed interest. `scheduled` is its
    principal by schedule, `added` what was charged back to it, `early` the principal paid before
    its due date. `touched_on` is when it last changed by a payment or another entry. A
    `closed` one was replaced by others and asks for what was paid of it.
    """

    kind: LineKind
    period: Period
    rate: Decimal
    principal: Owed
    interest: Owed
    charges: list[Owed] = field(default_factory=list)
    level: Decimal | None = None
    exact_level: Decimal | None = None
    part: Decimal | None = None
    flat_interest: Decimal | None = None
    interest_grace: bool = False
    closed: bool = False
    scheduled: Decimal = ZERO
    added: Decimal = ZERO
    added_interest: Decimal = ZERO
    capitalised: Decimal = ZERO
    carried_balance: Decimal = ZERO
    early: Decimal = ZERO
    paid_in_advance: Decimal = ZERO
    paid_late: Decimal = ZERO
    touched_on: date | None = None

    @property
    def due(self) -> date:
        """The day its principal and interest are due."""
        return self.period.due

    @property
    def target(self) -> Decimal:
        """The most principal it can take before its interest is known."""
        plan = self.level if self.level is not None else self.part
        return (plan or ZERO) + self.added

    def charge(
        self, component: Component, due_on: date, amount: Decimal, entry: int | None = None
    ) -> Owed:
        """Add a fee or a penalty."""
        owed = Owed(component, due_on, amount, entry=entry)
        self.charges.append(owed)
        return owed

    def let_go(self, charge: Owed) -> Owed:
        """Hold a charge no more; whatever was paid of it was paid before its line fell due."""
        self.charges.remove(charge)
        self.paid_in_advance -= charge.paid
        return charge

    def take(self, charge: Owed, on: date | None) -> None:
        """Hold a charge that another line let go of, last paid by `on`."""
        self.charges.append(charge)
        if charge.paid:
            self.paid_in_advance += charge.paid
            self.touched_on = on

    def move(self, period: Period) -> None:
        """Let it, and what falls due with it, cover another period."""
        for owed in self.everything():
            if owed.due_on == self.due:
                owed.due_on = period.due
        self.period = period

    def keep_what_was_paid(self, on: date) -> None:
        """Ask for what was paid of it and nothing more, due on this day."""
        self.move(Period(min(self.period.start, on), on))
        self.level, self.part = None, self.principal.paid
        self.flat_interest, self.interest_grace = self.interest.paid, False
        self.capitalised = ZERO
        self.closed = True
        self.touched_on = on

    @property
    def own_early(self) -> Decimal:
        """What was paid early of its scheduled principal; what was added to it is paid first."""
        return max(self.early - self.added, ZERO) if self.early else ZERO

    @property
    def added_unpaid(self) -> Decimal:
        """What was added to it and not paid early."""
        return max(self.added - self.early, ZERO) if self.added else ZERO

    @property
    def prepaid(self) -> bool:
        """Whether all its principal was paid ahead of its due date."""
        return bool(self.early) and self.target <= self.early

    @property
    def may_take_more(self) -> bool:
        """Whether principal can still be paid to it ahead of its due date."""
        return self.target > self.early

    def owed(self, components: Iterable[Component]) -> list[Owed]:
        """What it holds of these components, in their order."""
        found = []
        for component in components:
            if component is _PRINCIPAL:
                found.append(self.principal)
            elif component is _INTEREST:
                found.append(self.interest)
            elif self.charges:
                found += [charge for charge in self.charges if charge.component is component]
        return found

    def everything(self) -> list[Owed]:
        """All that it holds."""
        return [*self.charges, self.interest, self.principal]

    @property
    def outstanding(self) -> Decimal:
        """What is still to be paid of it."""
        rest = self.principal.outstanding + self.interest.outstanding
        for charge in self.charges:
            rest += charge.outstanding
        return rest


def line(kind: LineKind, period: Period, rate: Decimal) -> Line:
    """A line that owes nothing yet."""
    due = period.due
    principal, interest = Owed(Component.PRINCIPAL, due), Owed(Component.INTEREST, due)
    return Line(kind, period, rate, principal, interest)
