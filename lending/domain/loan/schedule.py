"""The schedule of instalments that terms and advances give, before anything is paid."""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from lending.domain.loan.course import Course
from lending.domain.loan.due_dates import DueDates, due_dates, periods, rhythm_of
from lending.domain.loan.lines import Line, LineKind
from lending.domain.loan.planning import Planner
from lending.domain.loan.rounding import ZERO, interest_rounder, zero
from lending.domain.loan.terms import Precision, Terms


class Advance(NamedTuple):
    """Principal paid out on a day; a fee withheld from it is still principal."""

    on: date
    amount: Decimal


class ScheduledInstalment(NamedTuple):
    """One line of a schedule; `balance` is the principal left after it, `agreed` its due date before
    the business day rule.
    """

    number: int
    kind: LineKind
    start: date
    due: date
    principal: Decimal
    interest: Decimal
    fees: Decimal
    balance: Decimal
    agreed: date

    @property
    def payment(self) -> Decimal:
        """What is due."""
        return self.principal + self.interest + self.fees


class Schedule(NamedTuple):
    """The lines of a loan in order of their due dates."""

    instalments: tuple[ScheduledInstalment, ...]

    @property
    def interest(self) -> Decimal:
        """All interest, if all is paid when due."""
        return sum((one.interest for one in self.instalments), ZERO)

    @property
    def total(self) -> Decimal:
        """The total of payments (12 CFR 1026.18(h))."""
        return sum((one.payment for one in self.instalments), ZERO)


def schedule(
    terms: Terms,
    advances: Sequence[Advance],
    *,
    start: date | None = None,
    dues: DueDates | None = None,
) -> Schedule:
    """The schedule of `advances` in order of their days, the first funding the loan.

    Periods run from `start`, else from the first advance. `dues` are due dates as stored, else
    those of the terms.
    """
    start = start or advances[0].on
    course, planner = Course(terms, start), Planner(terms)
    dues = dues or due_dates(terms, start)
    found = periods(start, dues, rhythm_of(terms, start, dues.agreed))
    course.lines = planner.lines(found, terms.rate_percent)
    for advance in advances:
        course.run_to(advance.on, assume_paid=True)
        course.lend(advance.amount)
        planner.disburse(course, advance.amount, advance.on, assume_paid=True)
    course.project()
    moves = [(advance.on, advance.amount) for advance in advances]
    return Schedule(tuple(_instalments(course.lines, balances(terms, course.lines, moves))))


def balances(
    terms: Terms, lines: Sequence[Line], moves: Sequence[tuple[date, Decimal]]
) -> list[Decimal]:
    """The principal left by schedule after each line; `moves` are changes of what was lent."""
    if terms.precision is Precision.CARRIED:
        to_cents = interest_rounder(terms)
        return [to_cents(line.carried_balance) for line in lines]
    left, balance, found = deque(sorted(moves)), zero(terms), []
    for line in lines:
        while left and left[0][0] <= line.due:
            balance += left.popleft()[1]
        balance += line.capitalised - line.scheduled
        found.append(balance)
    return found


def _instalments(lines: list[Line], left: list[Decimal]) -> Iterator[ScheduledInstalment]:
    for number, (line, balance) in enumerate(zip(lines, left, strict=True), 1):
        yield ScheduledInstalment(
            number,
            line.kind,
            line.period.start,
            line.period.due,
            line.principal.amount,
            line.interest.amount,
            sum([charge.amount for charge in line.charges], ZERO) if line.charges else ZERO,
            balance,
            line.period.agreed,
        )
