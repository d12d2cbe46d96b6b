"""Day counts: how many days, and what fraction of a year, lie between two dates."""

from calendar import isleap
from datetime import date
from enum import StrEnum
from fractions import Fraction


class DayCount(StrEnum):
    """A day count convention (ISDA 2006, section 4.16, and the sources named)."""

    THIRTY_360_US = "30/360_us"
    ACTUAL_360 = "actual/360"
    ACTUAL_364 = "actual/364"
    ACTUAL_365F = "actual/365f"
    ACTUAL_ACTUAL_ISDA = "actual/actual_isda"


def year_fraction(convention: DayCount, start: date, end: date) -> Fraction:
    """The fraction of a year from `start` to `end`."""
    days = (end - start).days
    if convention is DayCount.ACTUAL_360:
        return Fraction(days, 360)
    if convention is DayCount.ACTUAL_364:
        return Fraction(days, 364)
    if convention is DayCount.ACTUAL_365F:
        return Fraction(days, 365)
    if convention is DayCount.THIRTY_360_US:
        first, last = min(start.day, 30), end.day
        last = 30 if last == 31 and first == 30 else last
        months = (end.year - start.year) * 12 + end.month - start.month
        return Fraction(months * 30 + last - first, 360)
    parts, begin = Fraction(0), start
    while begin < end:
        until = min(end, date(begin.year + 1, 1, 1))
        parts += Fraction((until - begin).days, 366 if isleap(begin.year) else 365)
        begin = until
    return parts
