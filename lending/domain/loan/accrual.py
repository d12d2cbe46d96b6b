"""Interest on one unit of balance, over a period or a part of it."""

from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from lending.domain.calendar import PeriodUnit
from lending.domain.day_count import DayCount, year_fraction
from lending.domain.loan.rounding import HUNDRED, ONE, ZERO
from lending.domain.loan.terms import PeriodInterest, Terms

_PERIODS_A_YEAR: Final = {
    PeriodUnit.WEEKS: Decimal(52),
    PeriodUnit.FORTNIGHTS: Decimal(26),
    PeriodUnit.MONTHS: Decimal(12),
    PeriodUnit.YEARS: Decimal(1),
}
_DAYS_OF_YEAR: Final = Decimal(365)
_DAYS_A_YEAR: Final = {
    DayCount.ACTUAL_360: 360,
    DayCount.ACTUAL_364: 364,
    DayCount.ACTUAL_365F: 365,
}


class Period(NamedTuple):
    """From the day after `start` to `due`; `length` in periods of the terms, 1 unless odd.

    `moved_from` is the day agreed on, where that is no business day.
    """

    start: date
    due: date
    length: Decimal = ONE
    moved_from: date | None = None

    @property
    def agreed(self) -> date:
        """The day its end was agreed on, before any business day rule."""
        return self.moved_from or self.due


def relative_length(terms: Terms, every: int, period: PeriodUnit) -> Decimal:
    """How many periods of the terms `every` units are; a year has 365 days, 52 weeks, 12 months."""
    if (every, period) == (terms.every, terms.period):
        return ONE
    theirs, ours = (_PERIODS_A_YEAR.get(one, _DAYS_OF_YEAR) for one in (period, terms.period))
    return (every / theirs) / (terms.every / ours)


class Accrual:
    """How interest accrues under some terms. Rates are nominal, annual, in percent."""

    def __init__(self, terms: Terms) -> None:
        self._day_count = terms.day_count
        self._every, self._period = terms.every, terms.period
        self._compoundings = terms.compoundings_per_year
        equal = terms.period_interest is PeriodInterest.EQUAL_PERIODS
        per_year = _PERIODS_A_YEAR.get(terms.period) if equal else None
        self._years = None if per_year is None else terms.every / per_year
        self._days_a_year = None if equal else _DAYS_A_YEAR.get(terms.day_count)
        self._rate = self._whole = ZERO

    def factor(self, rate: Decimal, period: Period, start: date, end: date) -> Decimal:
        """The unrounded interest on 1 from `start` to `end`, both inside `period`.

        Equal periods: rate/100 x length/periods a year x days/days of the period; else rate/100 x
        the day count's year fraction. Compounded m times a year: (1 + rate/100m)^(m x years) - 1
        for the whole period, a part of it by days. A rate below zero counts as zero.
        """
        if rate < ZERO:
            return ZERO
        if self._years is not None:
            whole = self._equal(rate, self._years)
            if period.length is not ONE:
                whole *= period.length
        elif self._compoundings is None:
            return self._by_days(rate, start, end)
        else:
            whole = self._over(rate, self._fraction(period.start, period.due))
        if start == period.start and end == period.due:
            return whole
        return whole * (end - start).days / (period.due - period.start).days

    def simple(self, rate: Decimal, origin: date, start: date, end: date) -> Decimal:
        """Simple interest on 1 from `start` to `end`, days counted from `origin`: parts sum to it."""
        rate = max(rate, ZERO)
        return rate * (self._fraction(origin, end) - self._fraction(origin, start)) / HUNDRED

    def _equal(self, rate: Decimal, years: Decimal) -> Decimal:
        """The interest on 1 over an equal period; the rate asked for last is remembered."""
        if rate != self._rate:
            self._rate, self._whole = rate, self._over(rate, years)
        return self._whole

    def _by_days(self, rate: Decimal, start: date, end: date) -> Decimal:
        if self._days_a_year is not None:
            return rate * (end - start).days / (HUNDRED * self._days_a_year)
        return self._over(rate, self._fraction(start, end))

    def _fraction(self, start: date, end: date) -> Decimal:
        fraction = year_fraction(self._day_count, start, end)
        return Decimal(fraction.numerator) / fraction.denominator

    def share(self, old: Period, new: Period) -> Decimal:
        """What a day in `new` bears of what it bore in `old`: days of a period are its equal parts."""
        if self._years is None:
            return ONE
        by_old = old.length / (old.due - old.start).days
        return new.length / (new.due - new.start).days / by_old

    def whole_period(self, rate: Decimal) -> Decimal:
        """The interest on 1 over a period of usual length, days counted as part of 365."""
        rate, years = max(rate, ZERO), self._years
        if years is None:
            per_year = _PERIODS_A_YEAR.get(self._period, _DAYS_OF_YEAR)
            years = self._every / per_year
        return self._over(rate, years)

    def _over(self, rate: Decimal, years: Decimal) -> Decimal:
        times = self._compoundings
        if times is None:
            return rate * years / HUNDRED
        return (ONE + rate / (HUNDRED * times)) ** (times * years) - ONE
