"""Business days by the name of a calendar, as the library `holidays` knows them.

What belongs here: what a name means. A country is its ISO 3166 code (`us`, `de`), a part of it the
code and the part's as the library has it (`us-ny`, `de-by`), a market or a central bank its own name
(`ecb`, `nyse`). A business day is neither a weekend's nor a holiday there. Calendars of years to come
are what is law today, and a later release of the library may know another: due dates are stored.
"""

from collections.abc import Callable
from datetime import date
from functools import cache, lru_cache
from typing import Final

from holidays import HolidayBase, country_holidays, financial_holidays
from holidays.registry import EntityLoader

from lending.runtime import limits
from lending.service.requests import RequestFault

_ISO_LENGTH: Final = 2
_ANY_YEAR: Final = 2026


class UnknownCalendar(RequestFault):
    """There is no holidays calendar of this name."""


def business_days(name: str) -> Callable[[date], bool]:
    """Whether a day is a business day of the calendar `name`. Raises UnknownCalendar."""
    _calendar(name, _ANY_YEAR)

    def is_business_day(day: date) -> bool:
        calendar = _calendar(name, day.year)
        return not (calendar.is_weekend(day) or day in calendar)

    return is_business_day


@lru_cache(maxsize=limits.CALENDAR_YEARS_MAX)
def _calendar(name: str, year: int) -> HolidayBase:
    """One year of a calendar; it is never asked for another."""
    entity, dash, part = name.partition("-")
    code = entity.upper()
    if code in _countries():
        subdivision = _subdivision(name, code, part) if dash else None
        return country_holidays(code, subdiv=subdivision, years=year, expand=False)
    if code in _markets() and not dash:
        return financial_holidays(code, years=year, expand=False)
    raise UnknownCalendar(f"there is no holidays calendar {name}")


def _subdivision(name: str, code: str, part: str) -> str:
    """A part of a country as the library writes it: names have neither capitals nor spaces."""
    known = country_holidays(code, expand=False).subdivisions
    found = {written.lower().replace(" ", "_"): written for written in known}
    if part not in found:
        raise UnknownCalendar(f"there is no holidays calendar {name}: {code} has no such part")
    return found[part]


@cache
def _countries() -> frozenset[str]:
    return frozenset(code for code in EntityLoader.get_country_codes() if len(code) == _ISO_LENGTH)


@cache
def _markets() -> frozenset[str]:
    return frozenset(EntityLoader.get_financial_codes())
