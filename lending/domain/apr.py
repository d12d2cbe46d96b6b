"""The annual percentage rate of closed-end credit (12 CFR 1026, Appendix J), and the EU's beside it.

The unit-period and how time is counted in it are those of Appendix J, paragraphs (b)(2) to (b)(6);
the equation is that of paragraph (b)(8), actuarial method:
    sum of A / ((1 + e i)(1 + i)^q) = sum of P / ((1 + f i)(1 + i)^t),
advances A and payments P, each after q or t full unit-periods and the fraction e or f of one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from lending.domain.calendar import PeriodUnit, add_periods

DIGITS: Final = 34
"""Digits that rates are computed with."""
STEPS_MAX: Final = 200
"""After so many steps of the search for a rate it is given up."""
_CLOSE: Final = Decimal("1e-18")
_HIGHEST: Final = Decimal(10) ** 6
_ONE: Final = Decimal(1)
_MONTHS_A_YEAR: Final = 12
_DAYS_A_YEAR: Final = 365
_WEEKS_A_YEAR: Final = 52
_DAYS_A_MONTH: Final = 30
_DAYS_A_SEMIMONTH: Final = 15


class NoRate(ValueError):
    """No rate from zero on makes payments worth the advances."""


class CashFlow(NamedTuple):
    """Money that changes hands on a day, above zero."""

    on: date
    amount: Decimal


class UnitKind(StrEnum):
    """What a unit-period is made of (paragraph (b)(4)); a term is that of a single payment."""

    DAY = "day"
    WEEK = "week"
    SEMIMONTH = "semimonth"
    MONTH = "month"
    YEAR = "year"
    TERM = "term"


@dataclass(frozen=True, slots=True)
class UnitPeriod:
    """The unit-period of a transaction: so many days, weeks, months, or one of the others."""

    kind: UnitKind
    multiple: int = 1


class Elapsed(NamedTuple):
    """Time since the first advance: full unit-periods, and the fraction of one."""

    full: int
    fraction: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What is disclosed of a loan (12 CFR 1026.18): the rate in percent, unrounded, and amounts."""

    apr_percent: Decimal
    finance_charge: Decimal
    total_of_payments: Decimal


def disclose(
    advances: Sequence[CashFlow], payments: Sequence[CashFlow], unit: UnitPeriod | None = None
) -> Disclosure:
    """APR, finance charge and total of payments of a loan. Raises NoRate.

    `advances` are what the borrower has the use of: prepaid finance charges are taken off. Without
    `unit` the unit-period is found from the dates.
    """
    total = sum((one.amount for one in payments), Decimal(0))
    return Disclosure(
        apr_percent=apr_percent(advances, payments, unit),
        finance_charge=total - sum((one.amount for one in advances), Decimal(0)),
        total_of_payments=total,
    )


def apr_percent(
    advances: Sequence[CashFlow], payments: Sequence[CashFlow], unit: UnitPeriod | None = None
) -> Decimal:
    """The annual percentage rate, unrounded, in percent. Raises NoRate."""
    if not advances or not payments:
        raise NoRate("without an advance or without a payment there is no rate")
    start, last = min(one.on for one in advances), max(one.on for one in payments)
    unit = unit or unit_period([one.on for one in advances], [one.on for one in payments])
    flows = [
        *((one.amount, elapsed(unit, start, one.on)) for one in advances),
        *((-one.amount, elapsed(unit, start, one.on)) for one in payments),
    ]
    with localcontext() as context:
        context.prec = DIGITS
        year = units_a_year(unit, start, last)
        return _rate(flows) * year.numerator / year.denominator * 100


def effective_annual_percent(advances: Iterable[CashFlow], payments: Iterable[CashFlow]) -> Decimal:
    """The EU's annual percentage rate of charge, unrounded, in percent. Raises NoRate.

    Compounded annually, years counted as days over 365 (Directive 2008/48/EC, Annex I, part I, with
    remark (c): a year has 365 days).
    """
    flows = [
        *((one.on, one.amount) for one in advances),
        *((one.on, -one.amount) for one in payments),
    ]
    start = min(on for on, _ in flows)
    counted = [(amount, Elapsed((on - start).days, Fraction(0))) for on, amount in flows]
    with localcontext() as context:
        context.prec = DIGITS
        daily = _rate(counted)
        return ((1 + daily) ** _DAYS_A_YEAR - 1) * 100


# unit-periods


def unit_period(advanced_on: Sequence[date], paid_on: Sequence[date]) -> UnitPeriod:
    """The unit-period of a transaction (paragraph (b)(4)): its commonest period, the shorter where
    two are as common, and of none the average; at most a year.
    """
    start = min(advanced_on)
    if len(set(advanced_on)) == len(set(paid_on)) == 1:
        return _of_a_single_payment(start, paid_on[0])
    dates = [sorted(set(days)) for days in (advanced_on, paid_on)]
    first = [start, *dates[1]]
    pairs = [pair for days in (dates[0], first) for pair in pairwise(days)]
    periods = [_standard(*pair) for pair in pairs]
    found = Counter(period for period in periods if period is not None)
    common = [period for period, times in found.items() if times > 1]
    if common:
        return min(common, key=lambda period: (-found[period], _length_days(period)))
    return _average([(end - begin).days for begin, end in pairs])


def units_a_year(unit: UnitPeriod, start: date, last: date) -> Fraction:
    """How many unit-periods a year has; of a single payment's term it depends on the dates."""
    match unit.kind:
        case UnitKind.DAY:
            return Fraction(_DAYS_A_YEAR, unit.multiple)
        case UnitKind.WEEK:
            return Fraction(_WEEKS_A_YEAR, unit.multiple)
        case UnitKind.SEMIMONTH:
            return Fraction(2 * _MONTHS_A_YEAR)
        case UnitKind.MONTH:
            return Fraction(_MONTHS_A_YEAR, unit.multiple)
        case UnitKind.YEAR:
            return Fraction(1)
        case UnitKind.TERM:
            months = _whole_months(start, last)
            if months:
                return Fraction(_MONTHS_A_YEAR, months)
            return Fraction(_DAYS_A_YEAR, (last - start).days)


def elapsed(unit: UnitPeriod, start: date, end: date) -> Elapsed:
    """The unit-periods from `start` to `end` (paragraph (b)(5)), counted back from the later."""
    days = (end - start).days
    match unit.kind:
        case UnitKind.TERM:
            return Elapsed(1 if days else 0, Fraction(0))
        case UnitKind.DAY:
            return _split(days, unit.multiple)
        case UnitKind.WEEK:
            return _split(days, 7 * unit.multiple)
        case UnitKind.YEAR:
            return _years(start, end)
        case UnitKind.MONTH | UnitKind.SEMIMONTH:
            months, rest = _months_back(start, end)
            length = _DAYS_A_MONTH * unit.multiple
            half = unit.kind is UnitKind.SEMIMONTH
            return _split(_DAYS_A_MONTH * months + rest, _DAYS_A_SEMIMONTH if half else length)


def _split(days: int, length: int) -> Elapsed:
    full, rest = divmod(days, length)
    return Elapsed(full, Fraction(rest, length))


def _years(start: date, end: date) -> Elapsed:
    months, rest = _months_back(start, end)
    years, months = divmod(months, _MONTHS_A_YEAR)
    if not rest:
        return Elapsed(years, Fraction(months, _MONTHS_A_YEAR))
    since = add_periods(end, -years, PeriodUnit.YEARS)
    return Elapsed(years, Fraction((since - start).days, _DAYS_A_YEAR))


def _months_back(start: date, end: date) -> tuple[int, int]:
    """Full months back from `end` that do not pass `start`, and the days that are left."""
    if whole := _whole_months(start, end):
        return whole, 0
    months = (end.year - start.year) * 12 + end.month - start.month
    while months and add_periods(end, -months, PeriodUnit.MONTHS) < start:
        months -= 1
    return months, (add_periods(end, -months, PeriodUnit.MONTHS) - start).days


def _whole_months(start: date, end: date) -> int:
    """The months between two dates of the same day, or of the last days of months; else none."""
    months = (end.year - start.year) * 12 + end.month - start.month
    forward = add_periods(start, months, PeriodUnit.MONTHS) == end
    return months if forward or add_periods(end, -months, PeriodUnit.MONTHS) == start else 0


def _of_a_single_payment(start: date, paid_on: date) -> UnitPeriod:
    """The term of the transaction, at most a year (paragraph (b)(4)(ii))."""
    if paid_on <= start:
        raise NoRate("the payment does not come after the advance")
    within = paid_on < add_periods(start, 1, PeriodUnit.YEARS)
    return UnitPeriod(UnitKind.TERM) if within else UnitPeriod(UnitKind.YEAR)


def _standard(begin: date, end: date) -> UnitPeriod | None:
    """The standard interval between two dates, if it is one; months before weeks."""
    months = _whole_months(begin, end)
    if months:
        year = months >= _MONTHS_A_YEAR
        return UnitPeriod(UnitKind.YEAR) if year else UnitPeriod(UnitKind.MONTH, months)
    if _is_semimonth(begin, end):
        return UnitPeriod(UnitKind.SEMIMONTH)
    days = (end - begin).days
    weeks, rest = divmod(days, 7)
    if not rest and 0 < weeks <= _WEEKS_A_YEAR:
        return UnitPeriod(UnitKind.WEEK, weeks)
    return UnitPeriod(UnitKind.DAY) if days == 1 else None


def _is_semimonth(begin: date, end: date) -> bool:
    """From the middle of a month (the 15th or 16th) to its end or the next 1st, or to the middle of
    a month from there.
    """
    near = (end - begin).days < _DAYS_A_MONTH
    turns = [one.day == 1 or (one + timedelta(days=1)).day == 1 for one in (begin, end)]
    middles = [one.day in (15, 16) for one in (begin, end)]
    return near and ((turns[0] and middles[1]) or (middles[0] and turns[1]))


def _average(lengths: Sequence[int]) -> UnitPeriod:
    """The standard unit-period nearest to the average length, the shorter of two as near."""
    average = Fraction(sum(lengths), len(lengths))
    standard = [
        UnitPeriod(UnitKind.DAY),
        *(UnitPeriod(UnitKind.WEEK, weeks) for weeks in range(1, _WEEKS_A_YEAR)),
        UnitPeriod(UnitKind.SEMIMONTH),
        *(UnitPeriod(UnitKind.MONTH, months) for months in range(1, _MONTHS_A_YEAR)),
        UnitPeriod(UnitKind.YEAR),
    ]
    return min(standard, key=lambda unit: (abs(_length_days(unit) - average), _length_days(unit)))


def _length_days(unit: UnitPeriod) -> int:
    lengths = {
        UnitKind.DAY: 1,
        UnitKind.WEEK: 7,
        UnitKind.SEMIMONTH: _DAYS_A_SEMIMONTH,
        UnitKind.MONTH: _DAYS_A_MONTH,
    }
    return lengths.get(unit.kind, _DAYS_A_YEAR) * unit.multiple


# the equation


_Flow = tuple[Decimal, Elapsed]


def _rate(flows: Iterable[_Flow]) -> Decimal:
    """The rate a unit-period, from zero on, at which flows are worth nothing together.

    Newton's steps inside a bracket, halved where one leaves it. Raises NoRate.
    """
    ordered = sorted(flows, key=lambda flow: flow[1].full + flow[1].fraction)
    low, high = Decimal(0), _ONE
    at_zero = _worth(ordered, low).value
    if not at_zero:
        return low
    if at_zero > 0:
        raise NoRate("the payments are less than the advances")
    while _worth(ordered, high).value <= 0:
        low, high = high, high * 4
        if high > _HIGHEST:
            raise NoRate("no rate is high enough")
    rate = (low + high) / 2
    for _ in range(STEPS_MAX):
        worth = _worth(ordered, rate)
        low, high = (rate, high) if worth.value < 0 else (low, rate)
        following = rate - worth.value / worth.slope if worth.slope else (low + high) / 2
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - rate) <= _CLOSE * (1 + rate):
            return following
        rate = following
    raise NoRate("the search for the rate did not end")


class _Worth(NamedTuple):
    value: Decimal
    slope: Decimal


def _worth(ordered: Iterable[_Flow], rate: Decimal) -> _Worth:
    """What flows in order of time are worth at the beginning, and how that changes with the rate."""
    discount = 1 / (1 + rate)
    value = slope = Decimal(0)
    factor, full = _ONE, 0
    for amount, (periods, fraction) in ordered:
        if periods != full:
            step = periods - full
            factor *= discount if step == 1 else discount**step
            full = periods
        part = (
            Decimal(fraction.numerator) / fraction.denominator if fraction else fraction.numerator
        )
        odd = 1 + part * rate
        worth = amount * factor / odd
        value += worth
        slope -= worth * (periods * discount + part / odd)
    return _Worth(value, slope)
