"""The annual percentage rate of closed-end credit (12 CFR 1026, Appendix J), and the EU's beside it.

Appendix J, paragraph (b)(8), actuarial method:
    sum of A / ((1 + e i)(1 + i)^q) = sum of P / ((1 + f i)(1 + i)^t),
advances A and payments P, each after q or t full unit-periods and the fraction e or f of one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from math import lcm
from typing import Final, NamedTuple, TypeVar

from lending.domain.calendar import PeriodUnit, add_periods
from lending.domain.cash_flows import only
from lending.domain.rates import DIGITS, NoRate, rates
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

STEPS_MAX: Final = 200
"""After so many steps of the search for a rate it is given up."""
_CLOSE: Final = Decimal("1e-18")
_HIGHEST: Final = Decimal(10) ** 6
_ONE: Final = Decimal(1)
Time = TypeVar("Time")


class CashFlow(NamedTuple):
    """Money that changes hands on a day, above zero."""

    on: date
    amount: Decimal


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
    """The annual percentage rate, unrounded, in percent. Raises NoRate.

    Where an advance comes after a payment there may be several; one of them is told.
    """
    start, last = _term(advances, payments)
    unit = unit or _unit_period(advances, payments)
    flows = _timed(advances, payments, lambda on, day: elapsed(unit, start, on, day))
    with localcontext() as context:
        context.prec = DIGITS
        year = units_a_year(unit, start, last)
        return _rate(flows) * year.numerator / year.denominator * 100


def effective_annual_percent(advances: Sequence[CashFlow], payments: Sequence[CashFlow]) -> Decimal:
    """The EU's annual percentage rate of charge, unrounded, in percent. Raises NoRate and ManyRates.

    X with sum of A (1 + X)^-t = sum of P (1 + X)^-t, t in years (Directive 2008/48/EC, Annex I,
    part I), from zero on. A year is 12 equal months or 52 weeks (remark (c)): weeks where the
    unit-period is made of them, else months, counted back from the later date; the days that are
    left are divided by the days of the year that ends with the last of them (Directive 2014/17/EU,
    Annex I, part I, remark (c)).
    """
    start, _ = _term(advances, payments)
    weekly = _unit_period(advances, payments).kind is UnitKind.WEEK
    flows = _timed(advances, payments, lambda on, day: _years(start, on, day, weekly=weekly))
    ticks = lcm(*(years.denominator for _, years in flows))
    by_tick: defaultdict[int, Decimal] = defaultdict(Decimal)
    for amount, years in flows:
        by_tick[int(years * ticks)] -= amount
    gained = sum(by_tick.values(), Decimal(0))
    if gained < 0:
        raise NoRate("the payments are less than the advances")
    rate = only(rates(sorted(by_tick.items()), ticks, Decimal(0))) if gained else Decimal(0)
    return rate * 100


def _term(advances: Sequence[CashFlow], payments: Sequence[CashFlow]) -> tuple[date, date]:
    """From the first advance to the last payment (paragraph (b)(2)). Raises NoRate."""
    if not advances or not payments:
        raise NoRate("without an advance or without a payment there is no rate")
    start, last = min(one.on for one in advances), max(one.on for one in payments)
    if min(one.on for one in payments) < start or last == start:
        raise NoRate("a payment comes before the first advance, or none after it")
    return start, last


def _unit_period(advances: Sequence[CashFlow], payments: Sequence[CashFlow]) -> UnitPeriod:
    return unit_period([one.on for one in advances], [one.on for one in payments])


def _timed(
    advances: Sequence[CashFlow],
    payments: Sequence[CashFlow],
    time: Callable[[date, int | None], Time],
) -> list[tuple[Decimal, Time]]:
    """Advances and, below zero, payments, by the time of their days in their series."""
    start = min(one.on for one in advances)
    days = [due_day(start, [one.on for one in flows]) for flows in (advances, payments)]
    return [
        *((one.amount, time(one.on, days[0])) for one in advances),
        *((-one.amount, time(one.on, days[1])) for one in payments),
    ]


def _years(start: date, end: date, due_day: int | None, *, weekly: bool) -> Fraction:
    if weekly:
        weeks, rest = divmod((end - start).days, 7)
        whole = Fraction(weeks, 52)
    else:
        months, rest = months_back(start, end, due_day)
        whole = Fraction(months, 12)
    last = start + timedelta(days=rest)
    return whole + Fraction(rest, (last - add_periods(last, -1, PeriodUnit.YEARS)).days)


# the equation of Appendix J


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
