"""Unit-periods: what time is counted in for an annual percentage rate, and how.

12 CFR 1026, Appendix J, paragraphs (b)(3) to (b)(5).
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from lending.domain.calendar import PeriodUnit, add_periods, days_in_month

_MONTHS_A_YEAR: Final = 12
_DAYS_A_YEAR: Final = 365
_WEEKS_A_YEAR: Final = 52
_DAYS_A_MONTH: Final = 30
_DAYS_A_SEMIMONTH: Final = 15
_LAST_DAY: Final = 31


class UnitKind(StrEnum):
    """What a unit-period is made of (paragraph (b)(4)); a term is that of a single payment."""

    DAY = "day"
    WEEK = "week"
    SEMIMONTH = "semimonth"
    MONTH = "month"
    YEAR = "year"
    TERM = "term"


@dataclass(frozen=True, slots=True)
class UnitPeriod:
    """The unit-period of a transaction: so many days, weeks, months, or one of the others."""

    kind: UnitKind
    multiple: int = 1


class Elapsed(NamedTuple):
    """Time since the term began: full unit-periods, and the fraction of one."""

    full: int
    fraction: Fraction


def unit_period(advanced_on: Collection[date], paid_on: Collection[date]) -> UnitPeriod:
    """The unit-period of a transaction (paragraph (b)(4)): its commonest period, the shorter where
    two are as common; where none is common, the standard interval nearest to the average. At most
    a year. The caller has checked that no payment comes before the first advance, and one after it.

    A common period that is no standard interval is so many days. Dates that business day rules have
    moved hide the common period: take them as agreed (12 CFR 1026.17(c)(3)).
    """
    start = min(advanced_on)
    if len(set(advanced_on)) == len(set(paid_on)) == 1:
        return _of_a_single_payment(start, max(paid_on))
    series = sorted(set(advanced_on)), [start, *sorted(set(paid_on) - {start})]
    pairs = [pair for days in series for pair in pairwise(days)]
    return _commonest(pairs) or _average([(end - begin).days for begin, end in pairs])


def units_a_year(unit: UnitPeriod, start: date, last: date) -> Fraction:
    """How many unit-periods a year has; of a single payment's term it depends on the dates."""
    match unit.kind:
        case UnitKind.DAY:
            return Fraction(_DAYS_A_YEAR, unit.multiple)
        case UnitKind.WEEK:
            return Fraction(_WEEKS_A_YEAR, unit.multiple)
        case UnitKind.SEMIMONTH:
            return Fraction(2 * _MONTHS_A_YEAR)
        case UnitKind.MONTH:
            return Fraction(_MONTHS_A_YEAR, unit.multiple)
        case UnitKind.YEAR:
            return Fraction(1)
        case UnitKind.TERM:
            months, rest = months_back(start, last)
            return Fraction(_DAYS_A_YEAR, (last - start).days) if rest else Fraction(12, months)


def elapsed(unit: UnitPeriod, start: date, end: date, due_day: int | None = None) -> Elapsed:
    """The unit-periods from `start` to `end` (paragraph (b)(5)), counted back from the later.

    `due_day` is that of the series `end` belongs to, as `due_day` finds it.
    """
    days = (end - start).days
    match unit.kind:
        case UnitKind.TERM:
            return Elapsed(1 if days else 0, Fraction(0))
        case UnitKind.DAY:
            return _split(days, unit.multiple)
        case UnitKind.WEEK:
            return _split(days, 7 * unit.multiple)
        case UnitKind.YEAR:
            return _years(start, end, due_day)
        case UnitKind.MONTH | UnitKind.SEMIMONTH:
            months, rest = months_back(start, end, due_day)
            half = unit.kind is UnitKind.SEMIMONTH
            length = _DAYS_A_SEMIMONTH if half else _DAYS_A_MONTH * unit.multiple
            return _split(_DAYS_A_MONTH * months + rest, length)


def due_day(start: date, series: Collection[date]) -> int | None:
    """The day of the month that a series is due on, 31 being the last; in shorter months their last.

    Months are then measured between such days (paragraph (b)(3)(iv)). None where the dates have no
    such day in common, or there is one only; where they allow the 30th and the last day, that which
    `start` has too.
    """
    latest = max(day.day for day in series)
    found = [
        day
        for day in (latest, _LAST_DAY)
        if all(one.day == min(day, days_in_month(one)) for one in series)
    ]
    if len(series) < 2 or not found:
        return None
    return next((day for day in found if start.day == min(day, days_in_month(start))), found[0])


def months_back(start: date, end: date, due_day: int | None = None) -> tuple[int, int]:
    """Full months back from `end` that do not pass `start`, and the days that are left.

    `start` is not after `end`.
    """
    if due_day is None and (whole := _whole_months(start, end)):
        return whole, 0
    months = (end.year - start.year) * _MONTHS_A_YEAR + end.month - start.month
    while months and _months_before(end, months, due_day) < start:
        months -= 1
    return months, (_months_before(end, months, due_day) - start).days


def _months_before(end: date, months: int, due_day: int | None) -> date:
    before = add_periods(end, -months, PeriodUnit.MONTHS)
    return before.replace(day=min(due_day, days_in_month(before))) if due_day else before


def _whole_months(start: date, end: date) -> int:
    """The months between two dates of the same day, or of the last days of months; else none."""
    months = (end.year - start.year) * _MONTHS_A_YEAR + end.month - start.month
    forward = add_periods(start, months, PeriodUnit.MONTHS) == end
    return months if forward or add_periods(end, -months, PeriodUnit.MONTHS) == start else 0


def _split(days: int, length: int) -> Elapsed:
    full, rest = divmod(days, length)
    return Elapsed(full, Fraction(rest, length))


def _years(start: date, end: date, due_day: int | None) -> Elapsed:
    months, rest = months_back(start, end, due_day)
    years, months = divmod(months, _MONTHS_A_YEAR)
    if not rest:
        return Elapsed(years, Fraction(months, _MONTHS_A_YEAR))
    since = _months_before(end, years * _MONTHS_A_YEAR, due_day)
    return Elapsed(years, Fraction((since - start).days, _DAYS_A_YEAR))


# which unit-period


def _of_a_single_payment(start: date, paid_on: date) -> UnitPeriod:
    """The term of the transaction, at most a year (paragraph (b)(4)(ii))."""
    within = paid_on < add_periods(start, 1, PeriodUnit.YEARS)
    return UnitPeriod(UnitKind.TERM) if within else UnitPeriod(UnitKind.YEAR)


def _commonest(pairs: Sequence[tuple[date, date]]) -> UnitPeriod | None:
    """The unit that most of the periods between pairs of dates are, if more than one is.

    A period may be several: from 1 February to 1 March is a month and, but for leap years, four
    weeks. Where the same periods are two units, the one that the calendar gives is meant.
    """
    where: defaultdict[UnitPeriod, set[int]] = defaultdict(set)
    for number, pair in enumerate(pairs):
        for unit in _lengths(*pair):
            where[unit].add(number)
    by_periods: dict[frozenset[int], UnitPeriod] = {}
    for unit, numbers in where.items():
        known = by_periods.setdefault(frozenset(numbers), unit)
        if _is_calendars(unit) and not _is_calendars(known):
            by_periods[frozenset(numbers)] = unit
    common = [(len(n), unit) for n, unit in by_periods.items() if len(n) > 1]
    return min(common, key=lambda one: (-one[0], _length_days(one[1])), default=(0, None))[1]


def _is_calendars(unit: UnitPeriod) -> bool:
    return unit.kind not in (UnitKind.DAY, UnitKind.WEEK)


def _lengths(begin: date, end: date) -> Iterator[UnitPeriod]:
    """All the units that the period between two dates is one of."""
    days = (end - begin).days
    if months := _whole_months(begin, end):
        year = months >= _MONTHS_A_YEAR
        yield UnitPeriod(UnitKind.YEAR) if year else UnitPeriod(UnitKind.MONTH, months)
    if _is_semimonth(begin, end):
        yield UnitPeriod(UnitKind.SEMIMONTH)
    if days >= _DAYS_A_YEAR:
        yield UnitPeriod(UnitKind.YEAR)
    elif days % 7:
        yield UnitPeriod(UnitKind.DAY, days)
    else:
        yield UnitPeriod(UnitKind.WEEK, days // 7)


def _is_semimonth(begin: date, end: date) -> bool:
    """From the middle of a month (the 15th or 16th) to its end or the next 1st, or to the middle of
    a month from there.
    """
    near = (end - begin).days < _DAYS_A_MONTH
    turns = [one.day == 1 or (one + timedelta(days=1)).day == 1 for one in (begin, end)]
    middles = [one.day in (15, 16) for one in (begin, end)]
    return near and ((turns[0] and middles[1]) or (middles[0] and turns[1]))


def _average(lengths: Sequence[int]) -> UnitPeriod:
    """The standard interval nearest to the average length, the shorter of two as near."""
    average = Fraction(sum(lengths), len(lengths))
    standard = [
        UnitPeriod(UnitKind.DAY),
        *(UnitPeriod(UnitKind.WEEK, weeks) for weeks in range(1, _WEEKS_A_YEAR)),
        UnitPeriod(UnitKind.SEMIMONTH),
        *(UnitPeriod(UnitKind.MONTH, months) for months in range(1, _MONTHS_A_YEAR)),
        UnitPeriod(UnitKind.YEAR),
    ]
    return min(standard, key=lambda unit: (abs(_length_days(unit) - average), _length_days(unit)))


def _length_days(unit: UnitPeriod) -> int:
    lengths = {
        UnitKind.DAY: 1,
        UnitKind.WEEK: 7,
        UnitKind.SEMIMONTH: _DAYS_A_SEMIMONTH,
        UnitKind.MONTH: _DAYS_A_MONTH,
    }
    return lengths.get(unit.kind, _DAYS_A_YEAR) * unit.multiple
