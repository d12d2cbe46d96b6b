"""The account of a loan while its entries are folded: lines, charges, credit, what each entry did."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Final, NamedTuple

from lending.domain.loan.accrual import Period
from lending.domain.loan.book import Sums
from lending.domain.loan.course import Course
from lending.domain.loan.due_dates import (
    DueDates,
    Rhythm,
    as_agreed,
    due_dates,
    periods,
    rhythm_of,
)
from lending.domain.loan.entries import Ending
from lending.domain.loan.lines import Line, LineKind, Owed
from lending.domain.loan.planning import Planner
from lending.domain.loan.rounding import ONE, ZERO, zero
from lending.domain.loan.terms import (
    Component,
    InterestBasis,
    InterestGrace,
    PaymentKind,
    PaymentRule,
    Terms,
    payment_rule,
)

_DUE: Final = attrgetter("period.due")
_CHARGES: Final = (Component.FEE, Component.PENALTY)


class Taken(NamedTuple):
    """What a payment paid: a part of something owed with a line, or of principal at large."""

    line: Line | None
    owed: Owed | None
    component: Component
    amount: Decimal


class Effect(NamedTuple):
    """What an entry did: paid or made owed, added to the credit balance, and to which lines."""

    sums: Sums = Sums()
    credit: Decimal = ZERO
    recovered: Decimal = ZERO
    taken: tuple[Taken, ...] = ()


class Done(NamedTuple):
    """An entry's effect, and the principal outstanding after it."""

    effect: Effect
    balance: Decimal


class Account:
    """The mutable heart of a replay.

    `oldest` is the first line that may have something unpaid, `credit_of` what is left of the credit
    that each entry brought, `passed_to` the day up to which credit was applied, `charges` the parts of
    each charge that was assessed: what is unpaid of it is the last. Due dates follow `rhythm`, whose
    periods are `relative_length` of the terms', and are moved by `business_days`. `next_rate` is that
    from the next advance on, where it changed when nothing was owed.
    """

    def __init__(self, terms: Terms, start: date) -> None:
        self.terms = terms
        self.course = Course(terms, start)
        self.planner = Planner(terms)
        self.nothing = zero(terms)
        self._rules: dict[PaymentKind, PaymentRule] = {}
        self.rhythm = Rhythm(start, terms.every, terms.period)
        self.relative_length = ONE
        self.next_rate: Decimal | None = None
        self.business_days: dict[date, date] = {}
        self.moves: list[tuple[date, Decimal]] = []
        self.charges: dict[int, list[Owed]] = {}
        self.done: dict[int, Done] = {}
        self.credit_of: dict[int, Decimal] = {}
        self.charged_back: dict[int, Sums] = {}
        self.pauses: list[tuple[date, date]] = []
        self.charged_off_on: date | None = None
        self.ending: Ending | None = None
        self.credit = self.nothing
        self.passed_to = start
        self.principal = self.nothing
        self.oldest = 0
        self.funded = False

    def first_periods(
        self, start: date, due: tuple[date, ...], agreed: tuple[date, ...]
    ) -> list[Period]:
        """The periods of the first funding: to the due dates stored with it, else by the terms."""
        if not due:
            dues = due_dates(self.terms, start)
        else:
            dues = DueDates(due, agreed) if agreed else as_agreed(self.terms, start, due)
        self.rhythm = rhythm_of(self.terms, start, dues.agreed)
        self.know_business_days(zip(dues.agreed, dues.due, strict=True))
        return periods(start, dues, self.rhythm)

    def know_business_days(self, moved: Iterable[tuple[date, date]]) -> None:
        """Dates that were agreed on, each with the business day it is moved to."""
        self.business_days.update((agreed, due) for agreed, due in moved if agreed != due)

    def next_periods(self, agreed: Sequence[date], last: Period) -> list[Period]:
        """The periods to these dates, each moved to the business day it is known to have, after `last`."""
        found = []
        for day in agreed:
            due = self.business_days.get(day, day)
            length = self.rhythm.length(last.agreed, day)
            if self.relative_length is not ONE:
                length *= self.relative_length
            last = Period(last.due, due, length, None if due == day else day)
            found.append(last)
        return found

    def fund(self, lines: list[Line]) -> None:
        """Take the instalments of the first funding; charges may have come before it."""
        self.funded = True
        self.course.lines = sorted(self.course.lines + lines, key=_DUE)

    def rule(self, kind: PaymentKind) -> PaymentRule:
        """The rule by which payments of `kind` are allocated."""
        found = self._rules.get(kind)
        if found is None:
            found = self._rules[kind] = payment_rule(self.terms, kind)
        return found

    @property
    def instalments_to_come(self) -> bool:
        """Whether there is an instalment whose due date has not passed."""
        to_come = self.course.lines[self.course.current :]
        return any(line.kind is LineKind.INSTALMENT for line in to_come)

    @property
    def bears_interest(self) -> bool:
        """Whether principal is owed, or an instalment to come asks for anything but charges."""
        if self.principal + self.capitalised_in_grace():
            return True
        self.course.ensure_projected()
        to_come = self.course.lines[self.course.current :]
        return any(line.principal.outstanding or line.interest.outstanding for line in to_come)

    @property
    def instalment_count(self) -> int:
        """How many instalments there are, settled ones included."""
        return sum(line.kind is LineKind.INSTALMENT for line in self.course.lines)

    def record(self, number: int, effect: Effect) -> None:
        """Keep what the entry with this number did."""
        if effect.credit:
            self._move_credit(number, effect.credit)
        self.done[number] = Done(effect, self.principal)

    def _move_credit(self, number: int, amount: Decimal) -> None:
        self.credit += amount
        if amount > ZERO:
            self.credit_of[number] = amount
        else:
            self._use_credit(-amount)

    def _use_credit(self, amount: Decimal) -> None:
        """Money that went out takes the oldest credit first."""
        for number, left in list(self.credit_of.items()):
            used = min(amount, left)
            self.credit_of[number] -= used
            amount -= used

    def apply_credit(self, number: int, effect: Effect) -> None:
        """What the entry with this number had left over has paid something since."""
        done = self.done[number]
        before = done.effect
        self.credit += effect.credit
        self.credit_of[number] += effect.credit
        merged = before._replace(
            sums=before.sums.add(effect.sums),
            credit=before.credit + effect.credit,
            recovered=before.recovered + (effect.sums.total if before.recovered else ZERO),
            taken=before.taken + effect.taken,
        )
        self.done[number] = done._replace(effect=merged)

    # what can be paid

    def payable(self, index: int, owed: Owed, on: date) -> Decimal:
        """What may be paid of `owed`, held by the line at `index`, on this day."""
        course = self.course
        if index < course.current or owed.component in _CHARGES:
            return owed.outstanding
        if self.terms.interest_basis is InterestBasis.SCHEDULED:
            course.ensure_projected()
            there_is = course.to_come + course.lines[index].added_unpaid
            principal = owed.component is Component.PRINCIPAL
            return min(owed.outstanding, there_is) if principal else owed.outstanding
        line = course.lines[index]
        interest = self._interest_ahead(index, line, on)
        if owed.component is Component.INTEREST:
            return max(interest - line.interest.paid - line.interest.waived, self.nothing)
        return self._principal_ahead(index, line, interest)

    def unearned(self, index: int, line: Line, on: date) -> Decimal:
        """The part of a line's unpaid interest that is of days after `on`."""
        unpaid = line.interest.outstanding
        earned = line.added_interest - line.interest.paid - line.interest.waived
        if index == self.course.current:
            earned += self.course.accrued_interest(on)
        return max(unpaid - max(earned, self.nothing), self.nothing)

    def _interest_ahead(self, index: int, line: Line, on: date) -> Decimal:
        if index > self.course.current or line.kind is not LineKind.INSTALMENT:
            return line.added_interest
        accrued = self.course.accrued_interest(on)
        if line.early and line.level is not None:
            accrued = min(accrued, max(line.target - line.early, self.nothing))
        return accrued + line.added_interest

    def _principal_ahead(self, index: int, line: Line, interest: Decimal) -> Decimal:
        left = self.course.to_come
        if index == self._only_open():
            return left + line.added_unpaid
        target = line.target - line.early
        if line.level is not None:
            target -= interest - line.added_interest
        return max(min(target, left + line.added_unpaid), self.nothing)

    def _only_open(self) -> int | None:
        """The line that takes all that is left: the only one that was not paid ahead in full, or
        the current one where all were and something is owed again.
        """
        lines, current = self.course.lines, self.course.current
        found = [index for index in range(current, len(lines)) if lines[index].may_take_more]
        if not found:
            return current
        return found[0] if len(found) == 1 else None

    # paying

    def pay(self, index: int, owed: Owed, amount: Decimal, on: date) -> Taken:
        """Pay `amount` of what the line at `index` holds."""
        line = self.course.lines[index]
        due = line.period.due
        owed.paid += amount
        line.touched_on = on
        if on < due:
            line.paid_in_advance += amount
        elif on > due:
            line.paid_late += amount
        if owed.component is Component.PRINCIPAL:
            self.principal -= amount
            self.course.repay(index, amount, on)
        return Taken(line, owed, owed.component, amount)

    def bear(self, rate: Decimal) -> None:
        """Principal bears interest at another rate from now on."""
        self.next_rate = None
        for line in self.course.lines[self.course.current :]:
            line.rate = rate
        self.course.stale = True

    def lend(self, amount: Decimal, on: date) -> None:
        """More principal is owed; below zero, less."""
        self.moves.append((on, amount))
        self.principal += amount
        self.course.lend(amount)

    def curtail(self, amount: Decimal, on: date) -> Taken:
        """Repay principal at once."""
        self.moves.append((on, -amount))
        self.principal -= amount
        self.course.curtail(amount)
        return Taken(None, None, Component.PRINCIPAL, amount)

    def charge(self, number: int | None) -> Owed | None:
        """What may be unpaid of the charge that the entry with this number assessed."""
        parts = self.charges.get(number) if number is not None else None
        return None if parts is None else parts[-1]

    def write_off(self, owed: Owed, amount: Decimal) -> None:
        """Take `amount` of something owed off the account, unpaid."""
        owed.written_off += amount
        if owed.component is Component.PRINCIPAL and amount:
            self.principal -= amount
            self.course.write_off(amount)

    def capitalised_in_grace(self) -> Decimal:
        """Interest of settled instalments in grace that became principal."""
        settled = self.course.lines[: self.course.current]
        return sum((line.capitalised for line in settled), self.nothing)

    def outstanding(self) -> Sums:
        """All that is still to be paid, interest to come included."""
        sums = Sums()
        for line in self.course.lines:
            for owed in line.everything():
                sums = sums.plus(owed.component, owed.outstanding)
        return sums

    def call_in(self, on: date) -> None:
        """Principal added to lines to come may be repaid at once, like all other."""
        self.moves.append((on, self.course.added_to_come))
        self.course.call_in()

    def end_terms(self) -> None:
        """Nothing is left to come: interest is not flat, nor in grace unless waived, nor put off, and
        fees that come with instalments come no more.
        """
        waived = self.terms.interest_grace_as is InterestGrace.WAIVED
        for line in self.course.lines[self.course.current :]:
            for owed in line.charges:
                owed.amount -= owed.outstanding if owed.entry is None else ZERO
            line.flat_interest = line.level = None
            line.part = line.own_early
            line.interest_grace = line.interest_grace and waived
            line.capitalised = ZERO
        self.course.stale = True

    # lines by date

    def index_for(self, on: date) -> int | None:
        """The instalment whose period `on` falls into; its first day counts for the first one."""
        lines = self.course.lines
        index = bisect_left(lines, on, key=_DUE)
        while index < len(lines) and lines[index].kind is LineKind.DOWN_PAYMENT:
            index += 1
        return index if index < len(lines) else None

    def line_for(self, due_on: date, now: date) -> int:
        """The line for an amount due on a day, an additional one after the last instalment."""
        found = self.index_for(due_on)
        if found is None:
            lines = self.course.lines
            lines.append(self.planner.additional(lines[-1].due if lines else now, due_on))
            self.course.run_to(now)
            found = len(lines) - 1
        self.oldest = min(self.oldest, found)
        return found

    def lines_begun(self) -> range:
        """The indices of lines in which something can be due by now."""
        return range(self.oldest, min(self.course.current + 1, len(self.course.lines)))

    def skip_paid(self) -> None:
        """Move `oldest` past lines that are settled and paid, but the last of them.

        Interest after maturity may still fall due with that one.
        """
        lines, oldest = self.course.lines, self.oldest
        while oldest < self.course.current - 1 and not lines[oldest].outstanding:
            oldest += 1
        self.oldest = oldest
