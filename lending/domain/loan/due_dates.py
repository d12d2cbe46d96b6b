"""Due dates and the periods between them, from terms and the day of funding."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from lending.domain.calendar import BusinessDayRule, PeriodUnit, add_periods, adjust, days_in_month
from lending.domain.loan.accrual import Period
from lending.domain.loan.rounding import ONE
from lending.domain.loan.terms import Terms

IsBusinessDay = Callable[[date], bool]

_MOVED_AT_MOST: Final = timedelta(days=7)
_STEP_DAYS: Final = {
    PeriodUnit.DAYS: 1,
    PeriodUnit.WEEKS: 7,
    PeriodUnit.FORTNIGHTS: 14,
    PeriodUnit.MONTHS: 31,
    PeriodUnit.YEARS: 366,
}
"""The most days that a unit has."""


class DueDates(NamedTuple):
    """The due dates of instalments, and those agreed: before they were moved to business days."""

    due: tuple[date, ...]
    agreed: tuple[date, ...]


class Rhythm(NamedTuple):
    """How due dates follow one another: every so many units, each counted from the anchor.

    31 January, 28 February, 31 March: whatever a month is short of is not lost to the next one.
    """

    anchor: date
    every: int
    unit: PeriodUnit

    def day(self, number: int) -> date:
        """The date of this number; the anchor's is 0."""
        return add_periods(self.anchor, number * self.every, self.unit)

    def last(self, day: date) -> int:
        """The number of the last date that is not after `day`."""
        number = (day - self.anchor).days // (self.every * _STEP_DAYS[self.unit])
        while self.day(number) > day:
            number -= 1
        while self.day(number + 1) <= day:
            number += 1
        return number

    def after(self, day: date, count: int) -> list[date]:
        """The next `count` dates after `day`."""
        last = self.last(day)
        return [self.day(last + n) for n in range(1, count + 1)]

    def length(self, start: date, due: date) -> Decimal:
        """How many periods lie from `start` to `due`: whole ones back from `due`, then a part by days."""
        until = self.last(due)
        if self.day(until) != due:
            return self._replace(anchor=due).length(start, due)
        before = self.last(start)
        begun, ended = self.day(before), self.day(before + 1)
        if until == before + 1 and begun == start:
            return ONE
        part = Decimal((ended - start).days) / (ended - begun).days
        return Decimal(until - before - 1) + part


def due_dates(
    terms: Terms,
    start: date,
    *,
    first_due_on: date | None = None,
    is_business_day: IsBusinessDay | None = None,
) -> DueDates:
    """The due dates of a loan funded on `start`, moved by the terms' rule to business days.

    They are anchored to the day of the first one, or to `due_day`: 31 January, 28 February,
    31 March. Store them with the loan: calendars change.
    """
    agreed = tuple(_plain(terms, start, first_due_on))
    if is_business_day is None or terms.business_day_rule is BusinessDayRule.NONE:
        return DueDates(agreed, agreed)
    due = tuple(adjust(day, terms.business_day_rule, is_business_day) for day in agreed)
    return DueDates(due, agreed)


def as_agreed(terms: Terms, start: date, due: Sequence[date]) -> DueDates:
    """Stored due dates without those agreed: what the terms give, where these can come of it."""
    stored = tuple(due)
    if terms.business_day_rule is BusinessDayRule.NONE or len(stored) != terms.instalments:
        return DueDates(stored, stored)
    agreed = tuple(_plain(terms, start, None))
    near = all(abs(a - b) <= _MOVED_AT_MOST for a, b in zip(agreed, stored, strict=True))
    return DueDates(stored, agreed if near else stored)


def rhythm_of(terms: Terms, start: date, agreed: Sequence[date]) -> Rhythm:
    """The rhythm of agreed dates, anchored to the latest day of a month that is among them."""
    if add_periods(start, terms.every, terms.period) == agreed[0]:
        return Rhythm(start, terms.every, terms.period)
    anchor = agreed[0]
    if terms.period in (PeriodUnit.MONTHS, PeriodUnit.YEARS):
        anchor = max(agreed, key=lambda day: day.day)
    return _on_the_day(Rhythm(anchor, terms.every, terms.period), terms.due_day)


def _on_the_day(rhythm: Rhythm, day: int | None) -> Rhythm:
    """The rhythm anchored to a month that has this day, where one of its months does."""
    if day is None or rhythm.anchor.day >= day:
        return rhythm
    found = (rhythm.day(number) for number in range(12))
    long = next((one for one in found if days_in_month(one) >= day), None)
    return rhythm if long is None else rhythm._replace(anchor=long.replace(day=day))


def periods(start: date, dues: DueDates, rhythm: Rhythm) -> list[Period]:
    """The periods that end on due dates; the first may be shorter or longer than the rest."""
    moved_from = [None if a == b else b for a, b in zip(*dues, strict=True)]
    first = rhythm.length(start, dues.agreed[0])
    rest = zip(pairwise(dues.due), moved_from[1:], strict=True)
    return [
        Period(start, dues.due[0], first, moved_from[0]),
        *(Period(begun, due, ONE, agreed) for (begun, due), agreed in rest),
    ]


def _plain(terms: Terms, start: date, first_due_on: date | None) -> list[date]:
    """Due dates before any business day rule."""
    if first_due_on is None and terms.due_day is not None:
        return _on_due_day(terms, terms.due_day, start)
    natural = add_periods(start, terms.every, terms.period)
    rhythm = Rhythm(start, terms.every, terms.period)
    if first_due_on is None or first_due_on == natural:
        return rhythm.after(start, terms.instalments)
    from_first = rhythm._replace(anchor=first_due_on)
    return [first_due_on, *from_first.after(first_due_on, terms.instalments - 1)]


def _on_due_day(terms: Terms, day: int, start: date) -> list[date]:
    """Due dates on a day of the month; the period is months or years."""
    earliest = start + timedelta(days=max(terms.first_period_days, 1))
    anchor = date(earliest.year, 1, day)  # January has every day there is
    first = earliest.month - 1
    first += add_periods(anchor, first, PeriodUnit.MONTHS) < earliest
    step = terms.every * (12 if terms.period is PeriodUnit.YEARS else 1)
    months = (first + n * step for n in range(terms.instalments))
    return [add_periods(anchor, count, PeriodUnit.MONTHS) for count in months]
