"""Unit-periods: which one a transaction has, and how time is counted in it."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.calendar import PeriodUnit, add_periods, days_in_month
from lending.domain.unit_periods import (
    Elapsed,
    UnitKind,
    UnitPeriod,
    due_day,
    elapsed,
    months_back,
    unit_period,
    units_a_year,
)

START = date(2026, 1, 15)
MONTH = UnitPeriod(UnitKind.MONTH)


def days_apart(*gaps: int) -> list[date]:
    found = [START]
    for gap in gaps:
        found.append(found[-1] + timedelta(days=gap))
    return found[1:]


@pytest.mark.parametrize(
    ("paid_on", "unit"),
    [
        ([add_periods(START, n, PeriodUnit.MONTHS) for n in range(1, 6)], MONTH),
        ([date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)], MONTH),
        (days_apart(7, 7, 7), UnitPeriod(UnitKind.WEEK)),
        (days_apart(40, 14, 14), UnitPeriod(UnitKind.WEEK, 2)),
        (days_apart(33, 1, 1), UnitPeriod(UnitKind.DAY)),
        (days_apart(15, 15, 15, 15), UnitPeriod(UnitKind.DAY, 15)),
        (days_apart(30, 30, 30, 30), UnitPeriod(UnitKind.DAY, 30)),
        (days_apart(17, 14, 14, 14, 14), UnitPeriod(UnitKind.WEEK, 2)),
        (days_apart(400, 400), UnitPeriod(UnitKind.YEAR)),
        (days_apart(7, 7, 14, 14), UnitPeriod(UnitKind.WEEK)),
        ([date(2026, m, d) for m in (2, 3) for d in (1, 15)], UnitPeriod(UnitKind.SEMIMONTH)),
        (days_apart(33, 25), UnitPeriod(UnitKind.WEEK, 4)),
        (days_apart(33, 28), MONTH),
        ([date(2026 + year, 1, 15) for year in (1, 2, 4)], UnitPeriod(UnitKind.YEAR)),
        ([date(2026, 10, 2)], UnitPeriod(UnitKind.TERM)),
        ([date(2028, 1, 15)], UnitPeriod(UnitKind.YEAR)),
    ],
)
def test_the_unit_period_is_the_commonest_period(paid_on: list[date], unit: UnitPeriod) -> None:
    assert unit_period([START], paid_on) == unit


@pytest.mark.parametrize(
    ("unit", "start", "end", "expected"),
    [
        (MONTH, date(2026, 1, 15), date(2026, 3, 15), (2, 0)),
        (MONTH, date(2026, 1, 10), date(2026, 3, 15), (2, Fraction(5, 30))),
        (MONTH, date(2026, 1, 31), date(2026, 2, 28), (1, 0)),
        (MONTH, date(2026, 1, 30), date(2026, 2, 27), (0, Fraction(28, 30))),
        (
            UnitPeriod(UnitKind.MONTH, 2),
            date(2026, 1, 10),
            date(2026, 4, 15),
            (1, Fraction(35, 60)),
        ),
        (
            UnitPeriod(UnitKind.SEMIMONTH),
            date(2026, 1, 10),
            date(2026, 2, 28),
            (3, Fraction(3, 15)),
        ),
        (UnitPeriod(UnitKind.WEEK, 2), date(2026, 1, 1), date(2026, 1, 20), (1, Fraction(5, 14))),
        (UnitPeriod(UnitKind.DAY), date(2026, 1, 1), date(2026, 1, 20), (19, 0)),
        (UnitPeriod(UnitKind.YEAR), date(2026, 1, 1), date(2027, 7, 1), (1, Fraction(1, 2))),
        (UnitPeriod(UnitKind.YEAR), date(2026, 1, 1), date(2027, 1, 31), (1, Fraction(30, 365))),
        (UnitPeriod(UnitKind.TERM), date(2026, 1, 1), date(2026, 5, 2), (1, 0)),
    ],
)
def test_time_is_counted_back_from_the_later_date(
    unit: UnitPeriod, start: date, end: date, expected: tuple[int, Fraction | int]
) -> None:
    assert elapsed(unit, start, end) == Elapsed(expected[0], Fraction(expected[1]))


# series at the end of months


def month_ends(first: date, count: int) -> list[date]:
    """The last days of so many months."""
    begun = (add_periods(first.replace(day=1), n, PeriodUnit.MONTHS) for n in range(count))
    return [day.replace(day=days_in_month(day)) for day in begun]


def test_months_are_measured_between_last_days_where_a_series_is_due_on_them() -> None:
    """Without the series 28 February less a month were 28 January: paragraph (b)(3)(iv)."""
    advanced = date(2026, 1, 10)
    series = month_ends(date(2026, 1, 31), 12)
    day = due_day(advanced, series)
    assert day == 31
    counted = [elapsed(MONTH, advanced, due, day) for due in series]
    assert counted == [Elapsed(months, Fraction(21, 30)) for months in range(12)]


@pytest.mark.parametrize(
    ("start", "series", "expected"),
    [
        (date(2026, 1, 30), [date(2026, 2, 28), date(2026, 3, 30), date(2026, 4, 30)], 30),
        (date(2026, 1, 31), [date(2026, 4, 30), date(2026, 6, 30)], 31),
        (date(2026, 1, 30), [date(2026, 4, 30), date(2026, 6, 30)], 30),
        (date(2026, 1, 15), [date(2026, 2, 15), date(2026, 3, 15)], 15),
        (date(2026, 1, 15), [date(2026, 2, 28), date(2026, 3, 30), date(2026, 4, 29)], None),
        (date(2026, 1, 31), [date(2026, 4, 30)], None),
    ],
)
def test_a_series_has_a_due_day(start: date, series: list[date], expected: int | None) -> None:
    assert due_day(start, series) == expected


@given(
    start=st.dates(date(1950, 1, 1), date(2100, 1, 1)),
    first=st.integers(0, 3),
    count=st.integers(2, 30),
)
def test_a_series_anchored_to_its_start_is_whole_months(
    start: date, first: int, count: int
) -> None:
    series = [add_periods(start, first + n, PeriodUnit.MONTHS) for n in range(1, count + 1)]
    day = due_day(start, series)
    counted = [months_back(start, due, day) for due in series]
    assert counted == [(first + n, 0) for n in range(1, count + 1)]


@given(
    start=st.dates(date(1950, 1, 1), date(2100, 1, 1)),
    days=st.integers(0, 3000),
    day=st.integers(1, 31),
)
def test_what_is_left_of_months_is_less_than_one_and_makes_up_the_time(
    start: date, days: int, day: int
) -> None:
    end = start + timedelta(days=days)
    anchored = day if end.day == min(day, days_in_month(end)) and day > 28 else None
    months, rest = months_back(start, end, anchored)
    assert 0 <= rest <= 31
    if not anchored:
        assert start + timedelta(days=rest) <= end
        assert months == 0 or abs((end - start).days - rest - months * 30.44) < 4


@pytest.mark.parametrize(
    ("unit", "a_year"),
    [
        (UnitPeriod(UnitKind.DAY), 365),
        (UnitPeriod(UnitKind.DAY, 15), Fraction(73, 3)),
        (UnitPeriod(UnitKind.WEEK, 2), 26),
        (UnitPeriod(UnitKind.SEMIMONTH), 24),
        (UnitPeriod(UnitKind.MONTH, 3), 4),
        (UnitPeriod(UnitKind.YEAR), 1),
    ],
)
def test_a_year_has_so_many_unit_periods(unit: UnitPeriod, a_year: Fraction | int) -> None:
    assert units_a_year(unit, START, date(2027, 1, 15)) == a_year


def test_a_term_is_a_part_of_the_year_by_months_or_else_by_days() -> None:
    term = UnitPeriod(UnitKind.TERM)
    assert units_a_year(term, START, date(2026, 7, 15)) == 2
    assert units_a_year(term, START, date(2026, 7, 16)) == Fraction(365, 182)
