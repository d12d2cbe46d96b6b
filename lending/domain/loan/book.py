"""The book of a loan: what its entries come to on a day. Immutable values for everyone else."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from lending.domain.loan.lines import LineKind
from lending.domain.loan.rounding import ZERO
from lending.domain.loan.terms import Component


class LoanStatus(StrEnum):
    """Where the money of a loan stands."""

    ACTIVE = "active"
    OVERPAID = "overpaid"
    PAID_OFF = "paid_off"
    WRITTEN_OFF = "written_off"
    SETTLED = "settled"
    REFINANCED = "refinanced"
    TRANSFERRED = "transferred"


PAID: Final = (LoanStatus.PAID_OFF, LoanStatus.OVERPAID)
"""The statuses of a loan on which the borrower owes nothing."""

_COLUMNS: Final = {
    Component.PRINCIPAL: 0,
    Component.INTEREST: 1,
    Component.FEE: 2,
    Component.PENALTY: 3,
}


class Sums(NamedTuple):
    """Amounts by component."""

    principal: Decimal = ZERO
    interest: Decimal = ZERO
    fees: Decimal = ZERO
    penalties: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.principal + self.interest + self.fees + self.penalties

    def of(self, component: Component) -> Decimal:
        """The amount of one component."""
        return self[_COLUMNS[component]]

    @classmethod
    def of_parts(cls, parts: Iterable[tuple[Component, Decimal]]) -> "Sums":
        """The parts by component."""
        amounts = [ZERO, ZERO, ZERO, ZERO]
        for component, amount in parts:
            amounts[_COLUMNS[component]] += amount
        return cls(*amounts)

    def add(self, other: "Sums") -> "Sums":
        """These and others, component by component."""
        return Sums(
            self.principal + other.principal,
            self.interest + other.interest,
            self.fees + other.fees,
            self.penalties + other.penalties,
        )

    def less(self, other: "Sums") -> "Sums":
        """These without others, component by component."""
        return Sums(
            self.principal - other.principal,
            self.interest - other.interest,
            self.fees - other.fees,
            self.penalties - other.penalties,
        )

    def plus(self, component: Component, amount: Decimal) -> "Sums":
        """These with `amount` more of `component`."""
        amounts = list(self)
        amounts[_COLUMNS[component]] += amount
        return Sums._make(amounts)


class Instalment(NamedTuple):
    """A line of the book: what it asks for and what became of that, by component.

    `balance` is the principal left after it by schedule, `agreed` its due date before any business day
    rule. `paid_in_advance` and `paid_late` are the
    parts of `paid.total` before and after its due date. `met_on` is the day nothing was left of it.
    """

    number: int
    kind: LineKind
    start: date
    due: date
    owed: Sums
    paid: Sums
    waived: Sums
    written_off: Sums
    balance: Decimal
    agreed: date
    paid_in_advance: Decimal
    paid_late: Decimal
    met_on: date | None

    @property
    def outstanding(self) -> Decimal:
        """What is still to be paid of it."""
        return self.owed.total - self.paid.total - self.waived.total - self.written_off.total

    @property
    def left(self) -> Sums:
        """What is still to be paid of it, component by component."""
        return self.owed.less(self.paid).less(self.waived).less(self.written_off)


class Charge(NamedTuple):
    """A fee or penalty, or a part of one: what of it was unpaid when new terms took it over.

    `entry` is the number of the one that assessed it, `shown_with` that of the instalment that holds
    it, if one does any more.
    """

    entry: int
    component: Component
    due_on: date
    amount: Decimal
    paid: Decimal
    waived: Decimal
    written_off: Decimal
    shown_with: int | None

    @property
    def outstanding(self) -> Decimal:
        """What is still to be paid of it."""
        return self.amount - self.paid - self.waived - self.written_off


class Portion(NamedTuple):
    """A part of an entry's amount: to the instalment due that day, or to principal at large."""

    due: date | None
    component: Component
    amount: Decimal


class Allocation(NamedTuple):
    """What an entry did.

    `sums` is what it paid, or for money that went out what it made owed; `credit` what it added to
    the credit balance (below zero: took from it); `recovered` how much of it is recovered of a loan
    that was taken to loss or had ended; `balance` the principal outstanding after it.
    """

    entry: int
    sums: Sums
    credit: Decimal
    recovered: Decimal
    balance: Decimal
    portions: tuple[Portion, ...] = ()


class LoanBook(NamedTuple):
    """A loan on a day: its instalments, charges, what each entry did, and what follows from them.

    `allocations` holds the entries that count, by number: a reversed one is not among them.
    `principal` is what is outstanding of it, `capitalised_in_grace` the part of it that was interest
    of instalments in grace, `credit` what the borrower has paid too much.
    """

    on: date
    status: LoanStatus
    instalments: tuple[Instalment, ...]
    charges: tuple[Charge, ...]
    allocations: Mapping[int, Allocation]
    principal: Decimal
    capitalised_in_grace: Decimal
    credit: Decimal
    accrued_interest: Decimal
    charged_off_on: date | None
    delinquency_pauses: tuple[tuple[date, date], ...]

    @property
    def outstanding(self) -> Decimal:
        """All that is still to be paid, interest to come included."""
        return sum((one.outstanding for one in self.instalments), ZERO)

    @property
    def owed(self) -> Sums:
        """What all instalments ask for."""
        return _added(one.owed for one in self.instalments)

    @property
    def paid(self) -> Sums:
        """What was paid of all instalments."""
        return _added(one.paid for one in self.instalments)

    @property
    def overdue(self) -> Decimal:
        """What fell due before the day and is unpaid."""
        return sum((left.total for due, left in self.unpaid() if due < self.on), ZERO)

    def unpaid(self) -> Iterator[tuple[date, Sums]]:
        """What is still to be paid, by the day on which it fell or falls due: charges on their own."""
        for one, charges in self.with_charges():
            left = one.left
            for charge in charges:
                own = Sums().plus(charge.component, charge.outstanding)
                left = left.less(own)
                if charge.outstanding:
                    yield charge.due_on, own
            if left.total:
                yield one.due, left

    def with_charges(self) -> Iterator[tuple[Instalment, Sequence[Charge]]]:
        """The instalments, each with the charges that are shown with it and have due dates of their
        own.
        """
        held: defaultdict[int | None, list[Charge]] = defaultdict(list)
        for charge in self.charges:
            held[charge.shown_with].append(charge)
        return ((one, held[one.number]) for one in self.instalments)


def _added(sums: Iterable[Sums]) -> Sums:
    columns = list(zip(*sums, strict=True))
    return Sums(*(sum(column, ZERO) for column in columns)) if columns else Sums()
