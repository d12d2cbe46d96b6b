"""Day counts: how many days, and what fraction of a year, lie between two dates.

The 30/360 family counts every month as 30 days and differs in what it makes of the 31st and of the
end of February. Fractions are exact.
"""

from calendar import isleap, monthrange
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final


class DayCount(StrEnum):
    """A day count convention (ISDA 2006 Definitions, section 4.16, unless another source is named).

    `30/360_isda`: section 4.16(f), the "bond basis". `30/360_us`: the same with the end of February
    counted as the 30th (SIFMA, Standard Securities Calculation Methods). `30e/360`: (g), both 31sts
    are 30ths. `30e/360_isda`: (h), and so is the end of February, that of the last period too, which
    (h) exempts: a fraction depends on its two dates alone. `30e+/360`: the second 31st is the 1st of
    the next month. `nl/365`: actual days without 29 February. `actual/actual_isda`: (b), the
    days of leap years over 366, a year beginning on 1 January; `actual/actual_31_december` has it
    begin on 31 December, as Apache Fineract does.
    """

    THIRTY_360_US = "30/360_us"
    THIRTY_360_ISDA = "30/360_isda"
    THIRTY_E_360 = "30e/360"
    THIRTY_E_360_ISDA = "30e/360_isda"
    THIRTY_E_PLUS_360 = "30e+/360"
    ACTUAL_360 = "actual/360"
    ACTUAL_364 = "actual/364"
    ACTUAL_365F = "actual/365f"
    NL_365 = "nl/365"
    ACTUAL_ACTUAL_ISDA = "actual/actual_isda"
    ACTUAL_ACTUAL_31_DECEMBER = "actual/actual_31_december"


_Days = Callable[[date, date], int]


def days(convention: DayCount, start: date, end: date) -> int:
    """The days from `start` to `end`, which is not before it, as the convention counts them."""
    return _DAYS.get(convention, _actual)(start, end) if start != end else 0


def year_fraction(convention: DayCount, start: date, end: date) -> Fraction:
    """The fraction of a year from `start` to `end`, which is not before it."""
    year = _YEARS.get(convention)
    if year is not None:
        return Fraction(days(convention, start, end), year)
    begun_days = 1 if convention is DayCount.ACTUAL_ACTUAL_31_DECEMBER else 0
    return _by_calendar_year(start, end, begun_days)


def _actual(start: date, end: date) -> int:
    return (end - start).days


def _thirty(start: date, first: int, end: date, last: int) -> int:
    """Days of 30-day months, `first` and `last` standing for the days of the dates."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return months * 30 + last - first


def _thirty_isda(start: date, end: date) -> int:
    first = min(start.day, 30)
    last = 30 if end.day == 31 and first == 30 else end.day
    return _thirty(start, first, end, last)


def _thirty_us(start: date, end: date) -> int:
    if not _ends_february(start):
        return _thirty_isda(start, end)
    last = 30 if _ends_february(end) or end.day == 31 else end.day
    return _thirty(start, 30, end, last)


def _thirty_e(start: date, end: date) -> int:
    return _thirty(start, min(start.day, 30), end, min(end.day, 30))


def _thirty_e_isda(start: date, end: date) -> int:
    first = 30 if _ends_february(start) else min(start.day, 30)
    last = 30 if _ends_february(end) else min(end.day, 30)
    return _thirty(start, first, end, last)


def _thirty_e_plus(start: date, end: date) -> int:
    # The 1st of the next month, which a 31st stands for, is one day after the 30th.
    return _thirty(start, min(start.day, 30), end, end.day)


def _without_leap_days(start: date, end: date) -> int:
    return _actual(start, end) - (_leap_days_to(end) - _leap_days_to(start))


def _leap_days_to(day: date) -> int:
    """How many 29ths of February there were up to a day, itself included."""
    year = (
        day.year if day >= date(day.year, 3, 1) or (day.month, day.day) == (2, 29) else day.year - 1
    )
    return year // 4 - year // 100 + year // 400


def _ends_february(day: date) -> bool:
    return day.month == 2 and day.day == monthrange(day.year, 2)[1]


def _by_calendar_year(start: date, end: date, begun_days: int) -> Fraction:
    """Days over the length of the year they lie in, years beginning `begun_days` before 1 January.

    What lies between is the years up to `end` less those up to `start`, with the part of each one's
    own year that has passed.
    """
    first, last = (366 if isleap(day.year) else 365 for day in (start, end))
    before, after = ((day - date(day.year, 1, 1)).days + begun_days for day in (start, end))
    years = end.year - start.year
    return Fraction(years * first * last + after * first - before * last, first * last)


_DAYS: Final[Mapping[DayCount, _Days]] = MappingProxyType(
    {
        DayCount.THIRTY_360_US: _thirty_us,
        DayCount.THIRTY_360_ISDA: _thirty_isda,
        DayCount.THIRTY_E_360: _thirty_e,
        DayCount.THIRTY_E_360_ISDA: _thirty_e_isda,
        DayCount.THIRTY_E_PLUS_360: _thirty_e_plus,
        DayCount.NL_365: _without_leap_days,
    }
)
_YEARS: Final[Mapping[DayCount, int]] = MappingProxyType(
    {
        DayCount.THIRTY_360_US: 360,
        DayCount.THIRTY_360_ISDA: 360,
        DayCount.THIRTY_E_360: 360,
        DayCount.THIRTY_E_360_ISDA: 360,
        DayCount.THIRTY_E_PLUS_360: 360,
        DayCount.ACTUAL_360: 360,
        DayCount.ACTUAL_364: 364,
        DayCount.ACTUAL_365F: 365,
        DayCount.NL_365: 365,
    }
)
