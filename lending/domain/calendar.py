"""Periods between dates: frequencies anchored to the month's end, and business days."""

from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum


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


def add_periods(anchor: date, count: int, unit: PeriodUnit) -> date:
    """`count` units after `anchor`; in a shorter month its last day."""
    if unit is PeriodUnit.DAYS:
        return anchor + timedelta(days=count)
    if unit is PeriodUnit.WEEKS:
        return anchor + timedelta(days=7 * count)
    if unit is PeriodUnit.FORTNIGHTS:
        return anchor + timedelta(days=14 * count)
    months = count * 12 if unit is PeriodUnit.YEARS else count
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


def adjust(day: date, rule: BusinessDayRule, is_business_day: Callable[[date], bool]) -> date:
    """`day`, moved to a business day by `rule`."""
    step = -1 if rule is BusinessDayRule.PRECEDING else 1
    moved = day
    while rule is not BusinessDayRule.NONE and not is_business_day(moved):
        moved += timedelta(days=step)
    if rule is BusinessDayRule.MODIFIED_FOLLOWING and moved.month != day.month:
        return adjust(day, BusinessDayRule.PRECEDING, is_business_day)
    return moved
