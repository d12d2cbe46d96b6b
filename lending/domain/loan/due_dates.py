"""Due dates and the periods between them, from terms and the day of funding."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal

from lending.domain.calendar import BusinessDayRule, PeriodUnit, add_periods, adjust
from lending.domain.loan.accrual import Period
from lending.domain.loan.rounding import ONE, ZERO
from lending.domain.loan.terms import Terms

IsBusinessDay = Callable[[date], bool]

_MOVED_AT_MOST_DAYS = 4


def due_dates(
    terms: Terms,
    start: date,
    *,
    first_due_on: date | None = None,
    is_business_day: IsBusinessDay | None = None,
) -> tuple[date, ...]:
    """The due dates of a loan funded on `start`, moved by the terms' rule to business days.

    They are anchored to the day of the first one, or to `due_day`: 31 January, 28 February,
    31 March. Store them with the loan: calendars change.
    """
    plain = _plain(terms, start, first_due_on)
    if is_business_day is None or terms.business_day_rule is BusinessDayRule.NONE:
        return tuple(plain)
    return tuple(adjust(day, terms.business_day_rule, is_business_day) for day in plain)


def periods(terms: Terms, start: date, dues: Sequence[date]) -> list[Period]:
    """The periods that end on `dues`; the first may be shorter or longer than the rest."""
    found = [Period(start, dues[0], _length(terms, start, dues[0]))]
    for due in dues[1:]:
        found.append(Period(found[-1].due, due))
    return found


def following(terms: Terms, due: date, count: int) -> list[date]:
    """`count` due dates after `due`, anchored to it."""
    return [add_periods(due, n * terms.every, terms.period) for n in range(1, count + 1)]


def _plain(terms: Terms, start: date, first_due_on: date | None) -> list[date]:
    """Due dates before any business day rule."""
    if first_due_on is None and terms.due_day is not None:
        return _on_due_day(terms, terms.due_day, start)
    natural = add_periods(start, terms.every, terms.period)
    if first_due_on in (None, natural):
        return following(terms, start, terms.instalments)
    return [first_due_on, *following(terms, first_due_on, terms.instalments - 1)]


def _on_due_day(terms: Terms, day: int, start: date) -> list[date]:
    """Due dates on a day of the month; the period is months or years."""
    earliest = start + timedelta(days=max(terms.first_period_days, 1))
    anchor = date(earliest.year, 1, day)  # January has every day there is
    first = earliest.month - 1
    first += add_periods(anchor, first, PeriodUnit.MONTHS) < earliest
    step = terms.every * (12 if terms.period is PeriodUnit.YEARS else 1)
    months = (first + n * step for n in range(terms.instalments))
    return [add_periods(anchor, count, PeriodUnit.MONTHS) for count in months]


def _length(terms: Terms, start: date, due: date) -> Decimal:
    """How many periods lie from `start` to `due`: whole ones back from `due`, then a part by days."""
    if abs((add_periods(start, terms.every, terms.period) - due).days) <= _tolerance(terms):
        return ONE
    whole, end = ZERO, due
    while (before := add_periods(due, -(int(whole) + 1) * terms.every, terms.period)) >= start:
        whole, end = whole + 1, before
    if end == start:
        return whole
    return whole + Decimal((end - start).days) / (end - before).days


def _tolerance(terms: Terms) -> int:
    return 0 if terms.business_day_rule is BusinessDayRule.NONE else _MOVED_AT_MOST_DAYS
