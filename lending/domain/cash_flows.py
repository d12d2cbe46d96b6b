"""The value of dated cash flows at a rate, and the rate at which it is nothing.

Rates are fractions, compounded once a period: a year of 365 actual days from the first flow for XNPV
and XIRR, the distance of the flows for IRR (OpenDocument 1.3, part 4, section 6.12). What is received
is positive, what is paid negative.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, localcontext
from typing import Final

from lending.domain.rates import DIGITS, HIGHEST, LOWEST, ManyRates, NoRate, TimedFlow, rates

DatedFlow = tuple[date, Decimal]
_DAYS_A_YEAR: Final = 365


def xnpv(rate: Decimal, flows: Iterable[DatedFlow]) -> Decimal:
    """What flows are worth on the day of the first, at a rate above -1. Raises NoRate."""
    if rate <= -1:
        raise NoRate("a rate of -1 or less leaves nothing")
    with localcontext() as context:
        context.prec = DIGITS
        discount = (-(1 + rate).ln() / _DAYS_A_YEAR).exp()
        return _worth(_by_days(flows), discount)


def xirr(flows: Iterable[DatedFlow]) -> Decimal:
    """The one rate at which flows are worth nothing. Raises NoRate and ManyRates."""
    return only(rates(_by_days(flows), _DAYS_A_YEAR))


def irr(values: Sequence[Decimal]) -> Decimal:
    """The one rate a period of flows that are a period apart. Raises NoRate and ManyRates."""
    return only(rates(list(enumerate(values)), 1))


def only(found: Sequence[Decimal]) -> Decimal:
    """The one rate there is. Raises NoRate and ManyRates."""
    if not found:
        raise NoRate(f"the flows are worth nothing at no rate from {LOWEST} to {HIGHEST}")
    if len(found) > 1:
        raise ManyRates(found)
    return found[0]


def _by_days(flows: Iterable[DatedFlow]) -> list[TimedFlow]:
    """The flows by their days since the first day of all, each day once."""
    sums: defaultdict[date, Decimal] = defaultdict(Decimal)
    for on, amount in flows:
        sums[on] += amount
    first = min(sums, default=None)
    return [((on - first).days, sums[on]) for on in sorted(sums)] if first else []


def _worth(flows: Sequence[TimedFlow], discount: Decimal) -> Decimal:
    value, factor, at = Decimal(0), Decimal(1), 0
    for day, amount in flows:
        factor *= discount ** (day - at)
        value += amount * factor
        at = day
    return value
