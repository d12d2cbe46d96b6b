"""The course of principal and interest: a balance that accrues, line by line, as days go by.

Interest is summed unrounded over the parts of a period and rounded once an instalment. One course
serves both a schedule, where all is assumed to be paid when due, and a loan that was lived.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple, assert_never

from lending.domain.loan.accrual import Accrual, Period
from lending.domain.loan.lines import Line, LineKind
from lending.domain.loan.rounding import ZERO, interest_rounder, zero
from lending.domain.loan.terms import (
    InterestAfterMaturity,
    InterestBasis,
    InterestGrace,
    NegativeAmortization,
    Precision,
    PrepaidInterest,
    Terms,
)


class Place(NamedTuple):
    """Where a course stands.

    `balance` bears interest since `since`; `accrued` and `elapsed` are the current line's unrounded
    interest, and that on a balance of 1; `carried` is rounded interest of earlier lines that falls
    due with the next, `deferred` that of lines in grace; `lent` is all principal there is to repay,
    `assigned` what settled lines took of it, `ahead` what was paid early to lines after the current
    one, `pending` what was paid early and lowers the balance at the period's end.
    """

    since: date
    current: int
    balance: Decimal
    accrued: Decimal
    elapsed: Decimal
    carried: Decimal
    deferred: Decimal
    lent: Decimal
    assigned: Decimal
    ahead: Decimal
    pending: Decimal


class Course:
    """Lines in order of their due dates, and the place reached.

    `current` is the index of the first line that is not settled: its due date has not passed.
    `stale` says that lines to come have to be projected anew before they are looked at.
    """

    def __init__(self, terms: Terms, start: date) -> None:
        self._terms = terms
        self.accrual = Accrual(terms)
        self._round = interest_rounder(terms)
        self._nothing = zero(terms)
        self._basis = terms.interest_basis
        self._precomputed = self._basis is InterestBasis.SCHEDULED
        self._carries = terms.precision is Precision.CARRIED
        self._may_grow = terms.negative_amortization is NegativeAmortization.ALLOWED
        self._accrues_late = (
            terms.interest_after_maturity is InterestAfterMaturity.ACCRUES
            and terms.interest_basis is InterestBasis.OUTSTANDING
        )
        self._late = self._late_due = ZERO
        self.lines: list[Line] = []
        self.stale = True
        self._since = start
        self.current = 0
        self.balance = self._accrued = self._elapsed = self._carried = ZERO
        self._deferred = self.lent = self._assigned = self._ahead = self._pending = ZERO

    def place(self) -> Place:
        """Where it stands."""
        return Place(
            self._since,
            self.current,
            self.balance,
            self._accrued,
            self._elapsed,
            self._carried,
            self._deferred,
            self.lent,
            self._assigned,
            self._ahead,
            self._pending,
        )

    def back_to(self, place: Place) -> None:
        """Stand at `place` again."""
        self._since, self.current, self.balance, self._accrued, self._elapsed = place[:5]
        self._carried, self._deferred, self.lent = place[5:8]
        self._assigned, self._ahead, self._pending = place[8:]

    # time

    def run_to(self, day: date, *, assume_paid: bool = False) -> None:
        """Accrue to `day` and settle each line whose due date it reaches."""
        lines = self.lines
        last_open = None
        while self.current < len(lines) and lines[self.current].period.due <= day:
            if last_open is None:
                last_open = self._last_open()
            line = lines[self.current]
            self._accrue(line, line.period.due, assume_paid=assume_paid)
            self._settle(line, last_open, assume_paid=assume_paid)
            self.current += 1
            self._accrued = self._elapsed = ZERO
            if self._ahead and self.current < len(lines):
                self._ahead -= lines[self.current].own_early
        if self.current < len(lines):
            self._accrue(lines[self.current], day, assume_paid=assume_paid)
        elif self._accrues_late and not assume_paid:
            self._accrue_late(day)

    def ensure_projected(self) -> None:
        """Project, unless nothing has changed since that the schedule rests on."""
        if self.stale:
            self.project()

    def insert_due(self, line: Line, *, assume_paid: bool) -> None:
        """Let a line fall due now, in the middle of the current one, whose interest runs on."""
        running = (self._accrued, self._elapsed, self._carried, self._pending)
        self._accrued = self._elapsed = self._carried = self._pending = ZERO
        self.lines.insert(self.current, line)
        self._settle(line, len(self.lines), assume_paid=assume_paid)
        self.current += 1
        self._accrued, self._elapsed, self._carried, self._pending = running

    def project(self) -> None:
        """Fill the lines to come as if what is due were paid at once, and all else when due."""
        self.stale = False
        if self.current == len(self.lines):
            return
        place = self.place()
        self.balance -= self._overdue()
        self.run_to(self.lines[-1].period.due, assume_paid=True)
        self.back_to(place)

    def _accrue(self, line: Line, until: date, *, assume_paid: bool) -> None:
        if until <= self._since:
            return
        if self._accrues_late and line.kind is LineKind.ADDITIONAL and not assume_paid:
            self._accrue_late(until)
            return
        start = max(self._since, line.period.start)
        self._since = until
        if start < until and line.kind is not LineKind.ADDITIONAL:
            factor = self.accrual.factor(line.rate, line.period, start, until)
            self._elapsed += factor
            self._accrued += self.balance * factor

    def _accrue_late(self, until: date) -> None:
        """Interest after the last instalment, on principal that is late; due with the last line."""
        settled = self.lines[: self.current]
        instalments = (line for line in reversed(settled) if line.kind is LineKind.INSTALMENT)
        last = next(instalments, None)
        if last is None or until <= self._since:
            return
        start, self._since = max(self._since, last.due), until
        self._late += self._overdue() * self.accrual.simple(last.rate, last.due, start, until)
        due = max(self._round(self._late) - self._late_due, ZERO)
        self._late_due += due
        settled[-1].interest.amount += due

    def _settle(self, line: Line, last_open: int, *, assume_paid: bool) -> None:
        interest, first = self._interest_due(line)
        scheduled = self._principal_due(line, first, last_open)
        line.scheduled = scheduled
        if self._deferred:
            interest += self._deferred_due(line)
        line.interest.amount = max(
            interest + line.added_interest, line.interest.paid + line.interest.waived
        )
        line.principal.amount = scheduled + line.added
        self._assigned += scheduled
        self._lower(line, assume_paid=assume_paid)
        line.carried_balance = self.balance

    def _interest_due(self, line: Line) -> tuple[Decimal, Decimal]:
        """The interest a line asks for, and what a level payment leaves to it before principal."""
        if line.interest_grace:
            return self._nothing, self._excuse(line)
        if line.flat_interest is not None:
            return line.flat_interest, line.flat_interest
        due = rounded = self._round(self._carried + self._accrued)
        if line.early and line.level is not None and not self._precomputed:
            due = min(rounded, max(line.target - line.early, self._nothing))
        self._carried = rounded - due
        return due, due

    def _excuse(self, line: Line) -> Decimal:
        """Do with the interest of a line in grace as the terms say; what principal gives way to."""
        interest = line.flat_interest
        if interest is None:
            interest, self._carried = self._round(self._carried + self._accrued), ZERO
        match self._terms.interest_grace_as:
            case InterestGrace.DEFERRED:
                self._deferred += interest
                return interest
            case InterestGrace.CAPITALISED:
                line.capitalised = interest
                self.lend(interest)
                return self._nothing
            case InterestGrace.WAIVED:
                return self._nothing
            case _:
                assert_never(self._terms.interest_grace_as)

    def _deferred_due(self, line: Line) -> Decimal:
        if line.interest_grace or line.kind is not LineKind.INSTALMENT:
            return ZERO
        due, self._deferred = self._deferred, ZERO
        return due

    def _principal_due(self, line: Line, interest: Decimal, last_open: int) -> Decimal:
        rest = self.unassigned
        last = self.current >= last_open
        if last and line.kind is LineKind.INSTALMENT and not line.closed:
            return rest
        if line.level is not None:
            principal = line.level - interest
            if not self._may_grow:
                principal = max(principal, self._nothing)
        else:
            principal = line.part or self._nothing
        if line.early:
            principal = max(principal, line.own_early)
        return min(principal, rest)

    def _last_open(self) -> int:
        """The last instalment that was not paid in full ahead of its time: it absorbs the rest."""
        for index in range(len(self.lines) - 1, self.current, -1):
            line = self.lines[index]
            if line.kind is LineKind.INSTALMENT and (self._precomputed or not line.prepaid):
                return index
        return self.current

    def _lower(self, line: Line, *, assume_paid: bool) -> None:
        """Lower the balance by what counts as paid on the line's due date."""
        if self._precomputed and self._carries:
            principal = (line.exact_level or line.scheduled + self._accrued) - self._accrued
            self.balance = max(self.balance - principal, ZERO)
        elif self._precomputed:
            self.balance -= line.principal.amount
        elif self._basis is InterestBasis.PREPAID:
            self.balance -= line.principal.amount - line.early
        elif assume_paid:
            self.balance -= line.principal.outstanding
        if self._pending:
            self.balance -= self._pending
            self._pending = ZERO

    def move(self, index: int, period: Period) -> None:
        """Let a line cover another period; what accrued of the current one is measured by that."""
        line = self.lines[index]
        if index == self.current:
            share = self.accrual.share(line.period, period)
            self._accrued *= share
            self._elapsed *= share
        line.move(period)
        self.stale = True

    # money

    def lend(self, amount: Decimal) -> None:
        """Principal was advanced: it bears interest and is to be repaid."""
        self.lent += amount
        self.balance += amount
        self.stale = True

    def unassign(self, line: Line, amount: Decimal) -> None:
        """Principal of a settled line that was not paid is to be taken by lines to come."""
        line.scheduled -= amount
        line.principal.amount -= amount
        self._assigned -= amount
        if self._basis is not InterestBasis.OUTSTANDING:
            self.balance += amount

    def curtail(self, amount: Decimal) -> None:
        """Principal was repaid at once that no line had asked for yet."""
        self.lent -= amount
        self.stale = True
        if self._terms.prepaid_interest is PrepaidInterest.PERIOD_END:
            self._pending += amount
        else:
            self.balance -= amount

    def stop_bearing(self) -> None:
        """Nothing is left to come: what a precomputed schedule still holds bears no interest."""
        self.stale = True
        if not self._precomputed or self.current == len(self.lines):
            return
        if self._terms.prepaid_interest is PrepaidInterest.PERIOD_END:
            self._pending = self.balance - self.lines[self.current].early
        else:
            self.balance = ZERO

    def write_off(self, amount: Decimal) -> None:
        """Principal of a settled line will not be paid: it bears no interest any more."""
        if self._basis is InterestBasis.OUTSTANDING:
            self.balance -= amount

    def carry(self, interest: Decimal) -> None:
        """Interest of days before the course began falls due with its first line."""
        self._carried += interest

    @property
    def added_to_come(self) -> Decimal:
        """Principal added to lines that are not settled."""
        return sum((line.added for line in self.lines[self.current :]), ZERO)

    @property
    def added_unpaid(self) -> Decimal:
        """What of it was not paid ahead."""
        return sum((line.added_unpaid for line in self.lines[self.current :]), ZERO)

    def call_in(self) -> None:
        """What was added to lines to come is unassigned again."""
        for line in self.lines[self.current :]:
            self.lent += line.added
            line.principal.amount -= line.added
            line.added = ZERO
        self._ahead = sum((line.own_early for line in self.lines[self.current + 1 :]), ZERO)
        self.stale = True

    def replace_to_come(self, lines: list[Line]) -> None:
        """Put other lines in the place of those to come; what these had in mind is unassigned.

        What accrued so far falls due with a line after the new ones.
        """
        self.call_in()
        for line in self.lines[self.current :]:
            line.added_interest = ZERO
        self._carried += self._accrued - sum((x.interest.paid for x in lines), ZERO)
        self._accrued = self._elapsed = ZERO
        self._ahead = sum((line.own_early for line in lines[1:]), ZERO)
        self.lines[self.current :] = lines
        self.stale = True

    def add_back(self, index: int, amount: Decimal) -> None:
        """Principal that was repaid is owed again, with that line."""
        line = self.lines[index]
        before = line.own_early
        line.added += amount
        line.principal.amount += amount
        if index > self.current:
            self._ahead += line.own_early - before
        if index >= self.current or self._basis is InterestBasis.OUTSTANDING:
            self.balance += amount
        self.stale = True

    def repay(self, index: int, amount: Decimal, on: date) -> None:
        """Principal of a line was paid."""
        line, basis = self.lines[index], self._basis
        early = on < line.period.due
        if early:
            self._repay_early(line, amount, later=index > self.current)
        if basis is InterestBasis.SCHEDULED or (basis is InterestBasis.PREPAID and not early):
            return
        if early and self._terms.prepaid_interest is PrepaidInterest.PERIOD_END:
            self._pending += amount
        else:
            self.balance -= amount

    def _repay_early(self, line: Line, amount: Decimal, *, later: bool) -> None:
        before = line.own_early
        line.early += amount
        if later:
            self._ahead += line.own_early - before

    # questions

    @property
    def unassigned(self) -> Decimal:
        """Principal that the current line and those after it have to take."""
        return self.lent - self._assigned - self._ahead

    @property
    def to_come(self) -> Decimal:
        """Principal that is not paid yet and has not fallen due."""
        if self.current == len(self.lines):
            return self.unassigned
        return self.unassigned - self.lines[self.current].own_early

    def accrued_interest(self, on: date) -> Decimal:
        """The interest of the current line that a payment on `on` has to bear, rounded."""
        line = self.lines[self.current]
        if line.interest_grace:
            return self._nothing
        until = on
        if self._terms.prepaid_interest is PrepaidInterest.PERIOD_END:
            until = line.period.due
        start = max(self._since, line.period.start)
        exact = self._carried + self._accrued
        if start < until and line.kind is LineKind.INSTALMENT:
            bearing = self.balance - self._overdue()
            exact += bearing * self.accrual.factor(line.rate, line.period, start, until)
        return self._round(exact) + self._deferred

    def _overdue(self) -> Decimal:
        """Principal that bears interest though it fell due: a payment ahead has paid it before."""
        if self._basis is not InterestBasis.OUTSTANDING:
            return ZERO
        settled = self.lines[: self.current]
        return sum((line.principal.outstanding for line in settled), ZERO)

    def accrued_by(self, on: date) -> Decimal:
        """Interest of the current line to `on`, rounded; nothing when no line is to come."""
        if self.current == len(self.lines) or on < self._since:
            return self._nothing
        return self._round(self._carried + self._accrued)

    def factor_of(self, index: int) -> Decimal:
        """The unrounded interest on 1 over a whole line, elapsed days of the current one as lived."""
        line = self.lines[index]
        start = line.period.start
        if index == self.current and self._since > start:
            rest = self.accrual.factor(line.rate, line.period, self._since, line.period.due)
            return self._elapsed + rest
        return self.accrual.factor(line.rate, line.period, start, line.period.due)
