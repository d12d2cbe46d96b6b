"""Changes of the schedule in mid-life: rates, due dates, holidays, extensions, re-aging."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from lending.domain.loan.account import Account
from lending.domain.loan.accrual import Period, relative_length
from lending.domain.loan.book import Sums
from lending.domain.loan.course import Course
from lending.domain.loan.due_dates import Rhythm
from lending.domain.loan.entries import DueDateMoved, Extended, Paused, RateChanged, ReAged
from lending.domain.loan.lines import Line, LineKind, Owed
from lending.domain.loan.rounding import ZERO, interest_rounder, quantum
from lending.domain.loan.terms import MAX_INSTALMENTS, Component, RateChangeEffect

TAKEN_OVER: Final = 0
"""The number of no entry: marks charges that a line took over from others."""


def change_rate(account: Account, act: RateChanged) -> None:
    """Another rate from now on, for the rest of the current period too; where nothing is owed, from
    the next advance on.
    """
    if not account.bears_interest:
        account.next_rate = act.rate_percent
        return
    course = account.course
    keeps = account.terms.rate_change_effect is RateChangeEffect.KEEP_INSTALMENT
    in_time = keeps and _beyond_level(account) == ZERO
    account.bear(act.rate_percent)
    if act.instalment_amount is not None:
        account.planner.fix(act.instalment_amount)
        account.planner.plan(course, course.current)
    elif not keeps:
        account.planner.plan(course, course.current, capped=True)
    elif in_time:
        _lengthen(account, act.rate_percent)


def _beyond_level(account: Account) -> Decimal:
    """What the last instalment has to take beyond its level payment, but for what rounding leaves."""
    course = account.course
    course.ensure_projected()
    last = _last_level(account)
    if last is None:
        return ZERO
    level = last.level or ZERO
    beyond = last.scheduled + last.interest.amount - last.added_interest - level
    to_come = len(course.lines) - course.current
    return beyond if beyond > quantum(account.terms) * to_come / 2 else ZERO


def _last_level(account: Account) -> Line | None:
    """The last instalment to come that is not paid ahead, where it has a level payment."""
    course = account.course
    for line in reversed(course.lines[course.current :]):
        if line.kind is LineKind.INSTALMENT and not line.prepaid:
            return None if line.level is None or line.flat_interest is not None else line
    return None


def _lengthen(account: Account, rate: Decimal) -> None:
    """Add instalments until the level payment repays principal; none if it never would."""
    terms, course = account.terms, account.course
    left, pattern, last = _beyond_level(account), _last_level(account), course.lines[-1]
    if pattern is None or pattern.level is None:
        return
    room = (terms.lengthened_instalments_max or MAX_INSTALMENTS) - account.instalment_count
    to_interest, periods, before = interest_rounder(terms), list[Period](), last.period
    while left > ZERO and len(periods) < room:
        (before,) = account.next_periods(account.rhythm.after(before.agreed, 1), before)
        periods.append(before)
        factor = course.accrual.factor(rate, before, before.start, before.due)
        interest = to_interest(left * factor)
        if interest >= pattern.level:
            return
        left -= pattern.level - interest
    for added in account.planner.lines(periods, rate, graced=False):
        added.level, added.exact_level = pattern.level, pattern.exact_level
        course.lines.append(added)
    course.stale = True


def move_due_date(account: Account, act: DueDateMoved) -> None:
    """The instalments from that one on are due on other days."""
    lines = account.course.lines
    to_come = range(account.course.current, len(lines))
    first = next((index for index in to_come if lines[index].due == act.due_on), None)
    if first is None or act.to <= lines[first].period.start:
        return
    account.rhythm = account.rhythm._replace(anchor=act.to)
    _reschedule(account, first, [act.to, *account.rhythm.after(act.to, len(lines) - first - 1)])


def pause(account: Account, act: Paused) -> None:
    """Leave out instalments: the current period becomes that much longer."""
    course = account.course
    agreed = [line.period.agreed for line in course.lines[course.current :]]
    agreed += account.rhythm.after(agreed[-1], act.instalments)
    _reschedule(account, course.current, agreed[act.instalments :])


def extend(account: Account, act: Extended) -> None:
    """Add instalments at the end and spread principal over all that are to come."""
    course = account.course
    last = course.lines[-1]
    agreed = account.rhythm.after(last.period.agreed, act.instalments)
    added = account.next_periods(agreed, last.period)
    course.lines += account.planner.lines(added, last.rate, graced=False)
    account.planner.plan(course, course.current)


def re_age(account: Account, act: ReAged, on: date) -> Sums:
    """Move all that is unpaid into new instalments; what they take over."""
    moved, overdue = _take_out_overdue(account, on)
    course = account.course
    rate = course.lines[-1].rate
    left = drop_to_come(account, on)
    before = course.lines[-1].period if course.lines else Period(on, on)
    account.rhythm = Rhythm(act.first_due_on, act.every, act.period)
    account.relative_length = relative_length(account.terms, act.every, act.period)
    agreed = [account.rhythm.day(number) for number in range(act.instalments)]
    found = account.next_periods(agreed, before)
    course.lines += account.planner.lines(found, rate, graced=False)
    principal = course.unassigned
    first = course.lines[course.current]
    first.added_interest += left.interest
    for charge in left.charges:
        first.take(charge, on)
    _put(account, course.current, moved, overdue)
    account.planner.plan(course, course.current)
    return moved._replace(principal=principal)


def re_amortise(account: Account, on: date) -> Sums:
    """Spread what is overdue over the instalments to come."""
    moved, overdue = _take_out_overdue(account, on)
    _put(account, account.course.current, moved, overdue)
    account.planner.plan(account.course, account.course.current)
    return moved


def _take_out_overdue(account: Account, on: date) -> tuple[Sums, dict[int, Owed]]:
    """Take what is unpaid out of the lines that fell due, and what of it is of charges assessed.

    Its principal is to be assigned anew.
    """
    moved, charges = Sums(), dict[int, Owed]()
    for line in account.course.lines[account.oldest : account.course.current]:
        for owed in line.everything():
            rest = owed.outstanding
            if rest:
                moved = moved.plus(owed.component, rest)
                line.touched_on = on
                if owed is line.principal:
                    account.course.unassign(line, rest)
                else:
                    owed.amount -= rest
                if owed.entry is not None and owed.entry in account.charges:
                    charges[owed.entry] = Owed(owed.component, on, rest, entry=owed.entry)
    return moved, charges


def take_out_charges(account: Account, on: date) -> Sums:
    """Take unpaid interest and charges out of the lines that fell due."""
    moved = Sums()
    for line in account.course.lines[account.oldest : account.course.current]:
        for owed in (*line.charges, line.interest):
            if owed.outstanding:
                moved = moved.plus(owed.component, owed.outstanding)
                owed.amount -= owed.outstanding
                line.touched_on = on
    return moved


def accelerate(account: Account, on: date) -> Sums:
    """Let all principal and the interest accrued so far fall due now; all that is owed then."""
    course = account.course
    left = drop_to_come(account, on)
    line = account.planner.additional(course.lines[-1].due if course.lines else on, on)
    line.part, line.added_interest = course.unassigned, left.interest
    for charge in left.charges:
        line.take(charge, on)
    course.lines.append(line)
    course.run_to(on)
    return account.outstanding()


class Left(NamedTuple):
    """What dropped lines held beside the schedule's own: charges, and interest charged back."""

    interest: Decimal
    charges: list[Owed]


def drop_to_come(account: Account, on: date) -> Left:
    """Drop the lines to come; of one that was paid in part, what was paid falls due now."""
    course = account.course
    dropped = course.lines[course.current :]
    interest = sum((line.added_interest for line in dropped), ZERO)
    charges = list[Owed]()
    for line in dropped:
        assessed = [owed for owed in line.charges if owed.entry is not None]
        charges += [line.let_go(owed) for owed in assessed]
        line.charges = [owed for owed in line.charges if owed.paid]
        line.keep_what_was_paid(on)
    course.replace_to_come([line for line in dropped if line.principal.paid or line.interest.paid])
    course.run_to(on)
    return Left(interest, charges)


def _put(account: Account, index: int, moved: Sums, assessed: dict[int, Owed]) -> None:
    """Let the line at `index` take over interest and charges; principal is spread by the plan.

    What was assessed stays the charge that it is; others become one.
    """
    line = account.course.lines[index]
    line.added_interest += moved.interest
    for number, charge in assessed.items():
        moved = moved.plus(charge.component, -charge.amount)
        charge.due_on = line.due
        line.charges.append(charge)
        parts = [part for part in account.charges[number] if part.amount]
        account.charges[number] = [*parts, charge]
    for component, amount in ((Component.FEE, moved.fees), (Component.PENALTY, moved.penalties)):
        if amount:
            line.charge(component, line.due, amount, TAKEN_OVER)


def _reschedule(account: Account, first: int, agreed: Sequence[date]) -> None:
    course = account.course
    for index, period in enumerate(account.next_periods(agreed, _before(course, first)), first):
        course.move(index, period)
    _keep_charges_with_their_day(account, first)
    account.planner.plan(account.course, account.course.current)


def _before(course: Course, index: int) -> Period:
    """The period that ends where the line at `index` begins."""
    start = course.lines[index].period.start
    found = (line.period for line in reversed(course.lines[:index]) if line.due == start)
    return next(found, Period(start, start))


def _keep_charges_with_their_day(account: Account, first: int) -> None:
    """Charges that did not move with their line are held by the one whose period they now fall in."""
    for line in account.course.lines[first:]:
        for owed in [owed for owed in line.charges if owed.due_on != line.due]:
            index = account.index_for(owed.due_on)
            if index is not None:
                account.course.lines[index].take(line.let_go(owed), line.touched_on)
