"""Business days by the name of a calendar."""

from datetime import date

import pytest

from lending.service.calendars import UnknownCalendar, business_days


def closed(name: str, *days: tuple[int, int, int]) -> list[bool]:
    return [not business_days(name)(date(*day)) for day in days]


def test_weekends_and_holidays_are_no_business_days() -> None:
    new_year, friday, saturday, sunday, monday = range(1, 6)
    january = [(2026, 1, day) for day in (new_year, friday, saturday, sunday, monday)]
    assert closed("us", *january) == [True, False, True, True, False]


def test_a_holiday_that_falls_on_a_weekend_closes_the_day_it_is_observed() -> None:
    assert closed("us", (2026, 7, 3), (2021, 12, 31), (2026, 12, 31)) == [True, True, False]


def test_a_part_of_a_country_has_its_own_holidays() -> None:
    epiphany = (2026, 1, 6)
    assert closed("de", epiphany) == closed("de-be", epiphany) == [False]
    assert closed("de-by", epiphany) == [True]
    lincolns_birthday = (2026, 2, 12)
    assert closed("us", lincolns_birthday) == [False]
    assert closed("us-ny", lincolns_birthday) == [True]


def test_markets_and_central_banks_have_calendars() -> None:
    good_friday = (2026, 4, 3)
    assert closed("us", good_friday) == [False]
    assert closed("nyse", good_friday) == closed("ecb", good_friday) == [True]
    national_holiday = (2025, 10, 3)
    assert closed("de", national_holiday) == [True]
    assert closed("ecb", national_holiday) == [False]


def test_a_country_has_its_own_weekend() -> None:
    friday, sunday = (2026, 6, 12), (2026, 6, 14)
    assert closed("il", friday, sunday) == [True, False]


def test_names_have_neither_capitals_nor_spaces() -> None:
    assert closed("au-nsw_western", (2026, 1, 26)) == [True]


@pytest.mark.parametrize(
    "name", ["zz", "usa", "us-zz", "us-", "ecb-", "nyse-us", "unheard-of", "base", "public"]
)
def test_a_calendar_that_there_is_not_is_unknown(name: str) -> None:
    with pytest.raises(UnknownCalendar, match=name):
        business_days(name)
