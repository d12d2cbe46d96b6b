"""Plans: which principal each instalment is to take, computed anew whenever the terms change."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import assert_never

from lending.domain.loan.accrual import Accrual, Period
from lending.domain.loan.amortization import level_payment, level_principal
from lending.domain.loan.course import Course
from lending.domain.loan.entries import Arrears
from lending.domain.loan.lines import Line, LineKind, Owed, line
from lending.domain.loan.rounding import (
    HUNDRED,
    ONE,
    ZERO,
    cents_rounder,
    instalment_rounder,
    interest_rounder,
    quantum,
)
from lending.domain.loan.terms import (
    Amortization,
    Component,
    InterestGrace,
    LastInstalment,
    Precision,
    RateChangeEffect,
    RateStep,
    Terms,
)


class Planner:
    """Makes lines under some terms and says what each is to take."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._fixed = terms.instalment_amount
        self._to_instalment = instalment_rounder(terms)
        self._to_cents = cents_rounder(terms)
        self._to_interest = interest_rounder(terms)
        level_by = terms.level_interest or terms.period_interest
        differs = level_by is not terms.period_interest
        self._level_accrual = Accrual(replace(terms, period_interest=level_by)) if differs else None

    def fix(self, level: Decimal) -> None:
        """Whatever is planned from now on has this level payment."""
        self._fixed = level

    def lines(self, periods: Sequence[Period], rate: Decimal, *, graced: bool = True) -> list[Line]:
        """Instalments for `periods`; without `graced` all of them bear interest."""
        made = [line(LineKind.INSTALMENT, period, rate) for period in periods]
        for one in made[: self._terms.interest_grace if graced else 0]:
            one.interest_grace = True
        fee = self._terms.instalment_fee
        if fee is not None:
            for one in made:
                one.charges.append(Owed(Component.FEE, one.due, fee.amount))
        return made

    def overdue(self, arrears: Arrears) -> Line:
        """An instalment that fell due unpaid before the loan was taken over."""
        made = line(
            LineKind.INSTALMENT, Period(arrears.due_on, arrears.due_on), self._terms.rate_percent
        )
        made.part, made.flat_interest = arrears.principal, arrears.interest
        for component, amount in (
            (Component.FEE, arrears.fees),
            (Component.PENALTY, arrears.penalties),
        ):
            if amount:
                made.charge(component, arrears.due_on, amount)
        return made

    def disburse(
        self, course: Course, amount: Decimal, on: date, *, assume_paid: bool = False
    ) -> None:
        """Plan for principal just lent: a down payment is due at once, the rest is spread."""
        down_payment = self._down_payment(amount, on)
        if down_payment is not None:
            course.insert_due(down_payment, assume_paid=assume_paid)
        self.plan(course, course.current)

    def _down_payment(self, amount: Decimal, on: date) -> Line | None:
        percent = self._terms.down_payment_percent
        if not percent:
            return None
        made = line(LineKind.DOWN_PAYMENT, Period(on, on), self._terms.rate_percent)
        made.part = self._to_cents(amount * percent / HUNDRED)
        return made

    def additional(self, after: date, on: date) -> Line:
        """A line for what is owed on `on`, after the last instalment; it bears no interest."""
        return line(LineKind.ADDITIONAL, Period(after, on), self._terms.rate_percent)

    def plan(self, course: Course, first: int, *, capped: bool = False) -> None:
        """Spread what is not assigned over the instalments from `first` on.

        `capped` bounds a new level payment by the terms' payment cap.
        """
        open_lines = _open(course, first)
        if open_lines:
            place = course.place()
            cap = self._cap(course, open_lines[0]) if capped else None
            _set_rate(course, open_lines[0], course.lines[open_lines[0]].rate)
            self._level(course, open_lines, cap)
            for index, step in self._steps(course, open_lines[0]):
                course.run_to(course.lines[index].period.start, assume_paid=True)
                self._step(course, index, step)
            course.back_to(place)
        course.stale = True

    def _steps(self, course: Course, first: int) -> Iterator[tuple[int, RateStep]]:
        if not self._terms.rate_steps:
            return
        numbered = _instalments(course)
        for step in self._terms.rate_steps:
            if step.from_instalment <= len(numbered):
                index = numbered[step.from_instalment - 1]
                if index > first:
                    yield index, step

    def _step(self, course: Course, index: int, step: RateStep) -> None:
        _set_rate(course, index, step.rate_percent)
        if self._terms.rate_change_effect is RateChangeEffect.NEW_INSTALMENT:
            self._level(course, _open(course, index), self._cap(course, index))

    def _cap(self, course: Course, index: int) -> Decimal | None:
        percent, level = self._terms.payment_cap_percent, course.lines[index].level
        if percent is None or level is None:
            return None
        return self._to_instalment(level * (ONE + percent / HUNDRED))

    def _level(self, course: Course, indices: list[int], cap: Decimal | None) -> None:
        for index in indices:
            one = course.lines[index]
            one.level = one.part = one.flat_interest = None
        paying = self._after_grace(course, indices)
        if not paying:
            return
        match self._terms.amortization:
            case Amortization.EQUAL_INSTALMENTS:
                self._equal_instalments(course, paying, cap)
            case Amortization.EQUAL_PRINCIPAL:
                self._equal_principal(course, paying)
            case Amortization.FLAT:
                self._flat(course, paying)
            case Amortization.INTEREST_ONLY:
                pass
            case _:
                assert_never(self._terms.amortization)

    def _after_grace(self, course: Course, indices: list[int]) -> list[int]:
        grace = self._terms.principal_grace
        if not grace:
            return indices
        excused = set(_instalments(course)[:grace])
        return [index for index in indices if index not in excused]

    def _equal_instalments(self, course: Course, indices: list[int], cap: Decimal | None) -> None:
        exact = self._fixed or self._raw(course, indices)
        level = self._to_instalment(exact)
        if cap is not None:
            level = min(level, cap)
        exact_level = exact if level != cap else level
        for index in indices:
            one = course.lines[index]
            one.level, one.exact_level = level, exact_level
        if self._terms.last_instalment is LastInstalment.SPREAD:
            self._spread(course, indices, level)

    def _raw(self, course: Course, indices: list[int]) -> Decimal:
        carried = self._terms.precision is Precision.CARRIED
        balance = course.balance if carried else self._to_repay(course)
        factors = [self._factor(course, index) for index in indices]
        beyond = self._terms.amortization_instalments
        if beyond is not None:
            factors += factors[-1:] * (beyond - self._terms.instalments)
        return level_payment(balance, factors, self._left(course))

    def _to_repay(self, course: Course) -> Decimal:
        """What is not assigned, and the interest that instalments without payment will add to it."""
        balance = course.unassigned
        if self._terms.interest_grace_as is InterestGrace.CAPITALISED:
            free = min(self._terms.interest_grace, self._terms.principal_grace)
            for index in _instalments(course)[:free]:
                if index >= course.current and course.lines[index].interest_grace:
                    balance *= ONE + course.factor_of(index)
        return balance

    def _factor(self, course: Course, index: int) -> Decimal:
        one = course.lines[index]
        if one.interest_grace and self._terms.interest_grace_as is InterestGrace.WAIVED:
            return ZERO
        if self._level_accrual is None:
            return course.factor_of(index)
        return self._level_accrual.factor(one.rate, one.period, one.period.start, one.due)

    def _left(self, course: Course) -> Decimal:
        percent = self._terms.balloon_percent
        return min(course.lent * percent / HUNDRED, course.unassigned) if percent else ZERO

    def _spread(self, course: Course, indices: list[int], level: Decimal) -> None:
        """One try at a level payment nearer to the last one (Apache Fineract, progressive)."""
        gap = self._gap(course, indices[-1], level)
        if abs(gap) / quantum(self._terms) <= len(indices) // 2:
            return
        nearer = self._to_instalment(level + gap / len(indices))
        _set_level(course, indices, nearer)
        if abs(self._gap(course, indices[-1], nearer)) >= abs(gap):
            _set_level(course, indices, level)

    def _gap(self, course: Course, last: int, level: Decimal) -> Decimal:
        course.project()
        one = course.lines[last]
        return one.scheduled + one.interest.amount - one.added_interest - level

    def _equal_principal(self, course: Course, indices: list[int]) -> None:
        left = self._left(course)
        part = self._to_cents(level_principal(self._to_repay(course), len(indices), left))
        for index in indices:
            course.lines[index].part = part

    def _flat(self, course: Course, indices: list[int]) -> None:
        part = level_principal(course.unassigned, len(indices), self._left(course))
        bearing = course.lent if course.unassigned else ZERO
        for index in indices:
            one = course.lines[index]
            one.flat_interest = self._to_interest(bearing * self._factor(course, index))
            one.level = self._to_instalment(part + one.flat_interest)


def _instalments(course: Course) -> list[int]:
    """The indices of the instalments; the n-th is at n - 1."""
    lines = course.lines
    return [index for index, one in enumerate(lines) if one.kind is LineKind.INSTALMENT]


def _open(course: Course, first: int) -> list[int]:
    """The instalments from `first` on that are not paid in full ahead of their time."""
    return [
        index
        for index in range(first, len(course.lines))
        if course.lines[index].kind is LineKind.INSTALMENT and not course.lines[index].prepaid
    ]


def _set_rate(course: Course, first: int, rate: Decimal) -> None:
    for one in course.lines[first:]:
        one.rate = rate


def _set_level(course: Course, indices: list[int], level: Decimal) -> None:
    for index in indices:
        course.lines[index].level = level
