"""Periods between dates: frequencies anchored to the month's end, and business days."""

from calendar import isleap
from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

CLOSED_MAX_DAYS: Final = 31
"""Days in a row that may be no business days."""


class OutOfCalendar(OverflowError):
    """A date before the year 1 or after the year 9999."""


class NoBusinessDay(ValueError):
    """There is no business day within CLOSED_MAX_DAYS: the calendar is no calendar of this date."""


class PeriodUnit(StrEnum):
    """A unit of the frequency of instalments."""

    DAYS = "days"
    WEEKS = "weeks"
    FORTNIGHTS = "fortnights"
    MONTHS = "months"
    YEARS = "years"


class BusinessDayRule(StrEnum):
    """Where a date goes that is no business day."""

    NONE = "none"
    FOLLOWING = "following"
    MODIFIED_FOLLOWING = "modified_following"
    PRECEDING = "preceding"


def days_in_month(day: date) -> int:
    """How many days the month of `day` has."""
    return _month_length(day.year, day.month)


def _month_length(year: int, month: int) -> int:
    return 29 if month == 2 and isleap(year) else _MONTH_DAYS[month - 1]


_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LENGTH_MONTHS: Final = {PeriodUnit.MONTHS: 1, PeriodUnit.YEARS: 12}
_LENGTH_DAYS: Final = {PeriodUnit.DAYS: 1, PeriodUnit.WEEKS: 7, PeriodUnit.FORTNIGHTS: 14}


def add_periods(anchor: date, count: int, unit: PeriodUnit) -> date:
    """`count` units after `anchor`, before it if below zero; in a shorter month its last day.

    So 31 January is followed by 28 February and 31 March where each is counted from the anchor.
    Raises OutOfCalendar.
    """
    try:
        if unit in _LENGTH_DAYS:
            return anchor + timedelta(days=count * _LENGTH_DAYS[unit])
        months = count * _LENGTH_MONTHS[unit]
        year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
        return date(year, month + 1, min(anchor.day, _month_length(year, month + 1)))
    except (ValueError, OverflowError):
        raise OutOfCalendar(f"{count} {unit} from {anchor} is out of the calendar") from None


def adjust(day: date, rule: BusinessDayRule, is_business_day: Callable[[date], bool]) -> date:
    """`day`, moved to a business day by `rule` (ISDA 2006 Definitions, section 4.12).

    Modified following is the one before where the one after lies in another month. Raises
    NoBusinessDay and OutOfCalendar.
    """
    if rule is BusinessDayRule.NONE:
        return day
    if rule is BusinessDayRule.PRECEDING:
        return _nearest(day, -1, is_business_day)
    moved = _nearest(day, 1, is_business_day)
    if rule is BusinessDayRule.MODIFIED_FOLLOWING and moved.month != day.month:
        return _nearest(day, -1, is_business_day)
    return moved


def _nearest(day: date, step: int, is_business_day: Callable[[date], bool]) -> date:
    for distance in range(CLOSED_MAX_DAYS + 1):
        moved = add_periods(day, distance * step, PeriodUnit.DAYS)
        if is_business_day(moved):
            return moved
    raise NoBusinessDay(f"there is no business day within {CLOSED_MAX_DAYS} days of {day}")
