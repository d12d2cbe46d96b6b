"""Periods and business days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.calendar import (
    CLOSED_MAX_DAYS,
    BusinessDayRule,
    NoBusinessDay,
    OutOfCalendar,
    PeriodUnit,
    add_periods,
    adjust,
    days_in_month,
)

DATES = st.dates(date(1900, 1, 1), date(2150, 12, 31))
BY_DAYS = {PeriodUnit.DAYS: 1, PeriodUnit.WEEKS: 7, PeriodUnit.FORTNIGHTS: 14}


def is_weekday(day: date) -> bool:
    return day.weekday() < 5


@given(anchor=DATES, count=st.integers(-400, 400))
def test_days_weeks_and_fortnights_are_days(anchor: date, count: int) -> None:
    for unit, length in BY_DAYS.items():
        assert add_periods(anchor, count, unit) == anchor + timedelta(days=length * count)


@given(anchor=DATES, count=st.integers(-400, 400))
def test_months_keep_the_day_or_take_their_last(anchor: date, count: int) -> None:
    moved = add_periods(anchor, count, PeriodUnit.MONTHS)
    assert (moved.year - anchor.year) * 12 + moved.month - anchor.month == count
    assert moved.day == min(anchor.day, days_in_month(moved))


@given(anchor=DATES, count=st.integers(-100, 100))
def test_a_year_is_twelve_months(anchor: date, count: int) -> None:
    years = add_periods(anchor, count, PeriodUnit.YEARS)
    assert years == add_periods(anchor, 12 * count, PeriodUnit.MONTHS)


def test_the_end_of_months_is_kept() -> None:
    anchor = date(2027, 12, 31)
    ends = [add_periods(anchor, n, PeriodUnit.MONTHS) for n in range(1, 5)]
    assert ends == [date(2028, 1, 31), date(2028, 2, 29), date(2028, 3, 31), date(2028, 4, 30)]
    leap_day = date(2028, 2, 29)
    assert [add_periods(leap_day, n, PeriodUnit.YEARS) for n in (1, 4)] == [
        date(2029, 2, 28),
        date(2032, 2, 29),
    ]


@pytest.mark.parametrize("unit", PeriodUnit)
@pytest.mark.parametrize("count", [-(10**5), 10**5, 10**8, 10**30])
def test_what_lies_beyond_the_calendar_is_refused(unit: PeriodUnit, count: int) -> None:
    anchor = date(9998, 1, 1) if count > 0 else date(2, 1, 1)
    with pytest.raises(OutOfCalendar):
        add_periods(anchor, count, unit)


@pytest.mark.parametrize(
    ("day", "rule", "moved"),
    [
        (date(2026, 5, 30), BusinessDayRule.NONE, date(2026, 5, 30)),
        (date(2026, 5, 30), BusinessDayRule.FOLLOWING, date(2026, 6, 1)),
        (date(2026, 5, 30), BusinessDayRule.MODIFIED_FOLLOWING, date(2026, 5, 29)),
        (date(2026, 5, 16), BusinessDayRule.MODIFIED_FOLLOWING, date(2026, 5, 18)),
        (date(2026, 5, 31), BusinessDayRule.PRECEDING, date(2026, 5, 29)),
        (date(2026, 8, 1), BusinessDayRule.PRECEDING, date(2026, 7, 31)),
    ],
)
def test_a_saturday_or_sunday_moves_by_the_rule(
    day: date, rule: BusinessDayRule, moved: date
) -> None:
    assert adjust(day, rule, is_weekday) == moved


@given(day=DATES, closed=st.sets(st.integers(0, 6), max_size=6))
@pytest.mark.parametrize("rule", list(BusinessDayRule)[1:])
def test_a_date_moves_to_a_business_day_and_a_business_day_stays(
    rule: BusinessDayRule, day: date, closed: set[int]
) -> None:
    moved = adjust(day, rule, lambda one: one.weekday() not in closed)
    assert moved.weekday() not in closed
    assert abs(moved - day).days < 7
    if day.weekday() not in closed:
        assert moved == day


@pytest.mark.parametrize("rule", list(BusinessDayRule)[1:])
def test_a_calendar_without_business_days_is_refused(rule: BusinessDayRule) -> None:
    reopened = date(2026, 5, 1) + timedelta(days=CLOSED_MAX_DAYS + 1)
    with pytest.raises(NoBusinessDay):
        adjust(date(2026, 5, 1), rule, lambda day: day >= reopened)


def test_holidays_beside_a_weekend_are_stepped_over() -> None:
    """Good Friday and Easter Monday of 2026."""
    closed = (date(2026, 4, 3), date(2026, 4, 6))

    def is_open(day: date) -> bool:
        return is_weekday(day) and day not in closed

    assert adjust(closed[0], BusinessDayRule.FOLLOWING, is_open) == date(2026, 4, 7)
    assert adjust(closed[1], BusinessDayRule.PRECEDING, is_open) == date(2026, 4, 2)


@given(day=DATES)
@pytest.mark.parametrize("rule", list(BusinessDayRule)[1:])
def test_a_date_that_was_moved_stays(rule: BusinessDayRule, day: date) -> None:
    moved = adjust(day, rule, is_weekday)
    assert adjust(moved, rule, is_weekday) == moved
    if rule is BusinessDayRule.MODIFIED_FOLLOWING:
        assert moved.month == day.month


def test_the_last_day_of_the_calendar_has_none_after_it() -> None:
    with pytest.raises(OutOfCalendar):
        adjust(date.max, BusinessDayRule.FOLLOWING, lambda day: day != date.max)
