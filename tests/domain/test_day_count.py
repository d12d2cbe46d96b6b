"""What holds of every day count, besides the figures of others in tests/conformance."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.day_count import DayCount, days, year_fraction

DATES = st.dates(date(1900, 1, 1), date(2150, 12, 31))
SPLIT_AT_WILL = (
    DayCount.ACTUAL_360,
    DayCount.ACTUAL_364,
    DayCount.ACTUAL_365F,
    DayCount.NL_365,
    DayCount.ACTUAL_ACTUAL_ISDA,
    DayCount.ACTUAL_ACTUAL_31_DECEMBER,
)


@pytest.mark.parametrize("convention", DayCount)
@given(day=DATES)
def test_no_time_is_no_fraction(convention: DayCount, day: date) -> None:
    assert year_fraction(convention, day, day) == 0


@pytest.mark.parametrize("convention", SPLIT_AT_WILL)
@given(days_of_three=st.lists(DATES, min_size=3, max_size=3))
def test_time_counted_by_days_may_be_split_anywhere(
    convention: DayCount, days_of_three: list[date]
) -> None:
    first, middle, last = sorted(days_of_three)
    parts = year_fraction(convention, first, middle) + year_fraction(convention, middle, last)
    assert parts == year_fraction(convention, first, last)


@pytest.mark.parametrize("convention", DayCount)
@given(day=DATES, length=st.integers(0, 4000))
def test_no_convention_is_further_from_the_days_than_a_week_a_year(
    convention: DayCount, day: date, length: int
) -> None:
    end = day + timedelta(days=length)
    about = Fraction(length, 365)
    assert abs(year_fraction(convention, day, end) - about) <= Fraction(7, 365) * (about + 1)


@given(day=DATES, months=st.integers(0, 48))
def test_thirty_day_months_are_all_alike(day: date, months: int) -> None:
    first = day.replace(day=1)
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    for convention in list(DayCount)[:5]:
        assert days(convention, first, date(year, month + 1, 1)) == 30 * months


@pytest.mark.parametrize("convention", DayCount)
def test_the_whole_of_the_calendar_has_a_fraction(convention: DayCount) -> None:
    """A century has 36,524 or 36,525 days: at most 0.07 % from 365, 1.5 % from 360."""
    years = year_fraction(convention, date.min, date.max)
    assert abs(years / 9999 - 1) < Fraction(2, 100)


def test_where_a_year_begins_is_a_convention() -> None:
    between = date(2023, 12, 1), date(2024, 1, 31)
    assert year_fraction(DayCount.ACTUAL_ACTUAL_ISDA, *between) == Fraction(31, 365) + Fraction(
        30, 366
    )
    assert year_fraction(DayCount.ACTUAL_ACTUAL_31_DECEMBER, *between) == Fraction(
        30, 365
    ) + Fraction(31, 366)


def test_the_last_year_of_the_calendar_counts_as_any_other() -> None:
    last = date(9998, 12, 30), date(9999, 12, 31)
    assert year_fraction(DayCount.ACTUAL_ACTUAL_ISDA, *last) == Fraction(366, 365)
    assert year_fraction(DayCount.ACTUAL_ACTUAL_31_DECEMBER, *last) == Fraction(366, 365)
