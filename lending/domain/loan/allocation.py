"""How a payment is split over instalments and components."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import groupby
from typing import NamedTuple

from lending.domain.loan.account import Account, Taken
from lending.domain.loan.book import Sums
from lending.domain.loan.lines import Owed
from lending.domain.loan.rounding import ZERO, cents_rounder
from lending.domain.loan.terms import (
    CURTAILS,
    AllocationStep,
    Component,
    PaymentRule,
    Prepayment,
    Processing,
    Timing,
)


class Pass(NamedTuple):
    """One run over the lines: what is due at `timing`, in each line these components in order."""

    timing: Timing
    components: tuple[Component, ...]


@cache
def passes(rule: PaymentRule) -> tuple[Pass, ...]:
    """The runs that a rule's order asks for."""
    if rule.processing is Processing.BY_INSTALMENT:
        grouped = groupby(rule.order, key=lambda step: step.timing)
        return tuple(Pass(timing, _components(steps)) for timing, steps in grouped)
    at_once = rule.prepayment in CURTAILS
    apart = [step for step in rule.order if not (at_once and step.timing is Timing.IN_ADVANCE)]
    together = _components(step for step in rule.order if step not in apart)
    runs = [Pass(step.timing, (step.component,)) for step in apart]
    return (*runs, Pass(Timing.IN_ADVANCE, together)) if together else tuple(runs)


def _components(steps: Iterable[AllocationStep]) -> tuple[Component, ...]:
    return tuple(step.component for step in steps)


def allocate(account: Account, rule: PaymentRule, amount: Decimal, on: date) -> list[Taken]:
    """Pay what `rule` says with `amount`; what is left over is the caller's to credit."""
    account.skip_paid()
    payment, at_once = _Payment(account, amount, on), rule.prepayment in CURTAILS
    for one in passes(rule):
        ahead = one.timing is Timing.IN_ADVANCE
        if ahead and at_once:
            payment.curtail(one, rule.prepayment)
        elif payment.left and ahead:
            payment.prepay(one, rule.prepayment)
        elif payment.left:
            payment.run(one, account.lines_begun())
    return payment.taken


def sums_of(taken: Iterable[Taken]) -> Sums:
    """What was paid, by component."""
    return Sums.of_parts((one.component, one.amount) for one in taken)


class _Payment:
    """A payment under way: what is left of it, and what it has paid."""

    def __init__(self, account: Account, amount: Decimal, on: date) -> None:
        self._account = account
        self._on = on
        self.left = amount
        self.taken: list[Taken] = []

    def run(self, one: Pass, indices: Sequence[int], most: Decimal | None = None) -> None:
        """Pay lines in the order of `indices`, at most `most` altogether."""
        account, on = self._account, self._on
        room = self.left if most is None else min(self.left, most)
        for index in indices:
            for owed in self._asked(one, index):
                if not room:
                    return
                amount = min(account.payable(index, owed, on), room)
                if amount > ZERO:
                    room -= amount
                    self.left -= amount
                    self.taken.append(account.pay(index, owed, amount, on))

    def _asked(self, one: Pass, index: int) -> list[Owed]:
        """What the line holds of it; without charges, all is due on one day."""
        line, on = self._account.course.lines[index], self._on
        if line.charges:
            held = line.owed(one.components)
            return [owed for owed in held if owed.timing(on) is one.timing]
        return line.owed(one.components) if line.principal.timing(on) is one.timing else []

    def prepay(self, one: Pass, how: Prepayment) -> None:
        """Pay instalments to come: from the next on, from the last back, or all in equal parts."""
        ahead = range(self._account.oldest, len(self._account.course.lines))
        if how is Prepayment.REAMORTISE:
            self._spread(one, ahead)
        else:
            self.run(one, ahead[::-1] if how is Prepayment.LAST else ahead)

    def _spread(self, one: Pass, ahead: Sequence[int]) -> None:
        """Equal parts; the last takes what rounding leaves, and what one cannot take goes round."""
        to_cents = cents_rounder(self._account.terms)
        while self.left and (taking := [index for index in ahead if self._takes(one, index)]):
            part = to_cents(self.left / len(taking))
            last = self.left - part * (len(taking) - 1)
            for index in taking[:-1]:
                self.run(one, [index], part)
            self.run(one, taking[-1:], max(last, part))

    def _takes(self, one: Pass, index: int) -> bool:
        payable = self._account.payable
        return any(payable(index, owed, self._on) > ZERO for owed in self._asked(one, index))

    def curtail(self, one: Pass, how: Prepayment) -> None:
        """Lower principal at once; once there is none, pay what else there is."""
        course = self._account.course
        if Component.PRINCIPAL in one.components:
            self._lower_principal(how)
        if self.left:
            self.run(one, range(self._account.oldest, len(course.lines)))

    def _lower_principal(self, how: Prepayment) -> None:
        account, course = self._account, self._account.course
        if self.left >= course.to_come + course.added_unpaid:
            account.call_in(self._on)
        amount = min(self.left, course.to_come)
        if amount > ZERO:
            self.left -= amount
            self.taken.append(account.curtail(amount, self._on))
            if how is Prepayment.KEEP_TERM:
                account.planner.plan(course, course.current)
        if not course.to_come:
            account.end_terms()
            course.stop_bearing()
