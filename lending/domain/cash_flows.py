"""The value of dated cash flows at a rate, and the rate at which it is nothing.

Rates are annual fractions, compounded annually, years counted as actual days over 365 from the
first flow (the spreadsheets' XNPV and XIRR; OpenDocument 1.3, part 4, section 6.12). What is
received is positive, what is paid negative.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, localcontext
from typing import Final

DIGITS: Final = 34
LOWEST: Final = Decimal("-0.999999")
"""Rates are looked for from here on: what is lost is less than everything."""
HIGHEST: Final = Decimal(10**6)
"""Rates are looked for up to here."""
STEPS_MAX: Final = 200
"""After so many halvings the search for a rate has all digits that it keeps."""
INTERVALS: Final = 480
"""The parts, equal in the logarithm of 1 + rate, in each of which one root is looked for."""

DatedFlow = tuple[date, Decimal]
_DAYS_A_YEAR: Final = 365
_CLOSE: Final = Decimal("1e-20")


class NoRate(ValueError):
    """At no rate between LOWEST and HIGHEST are the flows worth nothing."""


class ManyRates(ValueError):
    """The flows are worth nothing at several rates: none of them says how well they do."""

    def __init__(self, rates: Sequence[Decimal]) -> None:
        super().__init__(f"there are {len(rates)} rates")
        self.rates = rates


def xnpv(rate: Decimal, flows: Iterable[DatedFlow]) -> Decimal:
    """What flows are worth on the day of the first, at a rate above -1."""
    if rate <= -1:
        raise NoRate("a rate of -1 or less leaves nothing")
    with localcontext() as context:
        context.prec = DIGITS
        return _worth(_by_days(flows), _daily(rate))


def xirr(flows: Iterable[DatedFlow]) -> Decimal:
    """The one rate at which flows are worth nothing. Raises NoRate and ManyRates."""
    with localcontext() as context:
        context.prec = DIGITS
        found = _rates(_by_days(flows))
    if not found:
        raise NoRate("the flows are worth nothing at no rate")
    if len(found) > 1:
        raise ManyRates(found)
    return found[0]


_Flows = Sequence[tuple[int, Decimal]]


def _by_days(flows: Iterable[DatedFlow]) -> _Flows:
    """The flows that are not zero, in the order of their days since the first day of all."""
    ordered = sorted(flows)
    return [((on - ordered[0][0]).days, amount) for on, amount in ordered if amount]


def _daily(rate: Decimal) -> Decimal:
    """The factor that discounts one day."""
    return (-(1 + rate).ln() / _DAYS_A_YEAR).exp()


def _worth(flows: _Flows, discount: Decimal) -> Decimal:
    value, factor, at = Decimal(0), Decimal(1), 0
    for day, amount in flows:
        factor *= discount ** (day - at)
        value += amount * factor
        at = day
    return value


def _rates(flows: _Flows) -> list[Decimal]:
    """The rates at which the value changes its sign, the lowest first."""
    signs = [amount > 0 for _, amount in flows]
    if len(set(signs)) < 2:
        return []
    low, high = (1 + LOWEST).ln(), (1 + HIGHEST).ln()
    width = (high - low) / INTERVALS
    points = [(-(low + width * number) / _DAYS_A_YEAR).exp() for number in range(INTERVALS + 1)]
    worths = [_worth(flows, point) for point in points]
    return [
        _between(flows, points[n], points[n + 1], rising=worths[n + 1] > 0)
        for n in range(INTERVALS)
        if (worths[n] > 0) is not (worths[n + 1] > 0)
    ]


def _between(flows: _Flows, one: Decimal, other: Decimal, *, rising: bool) -> Decimal:
    """The rate between two daily factors: by halving, since the value is known to change its sign."""
    for _ in range(STEPS_MAX):
        middle = (one + other) / 2
        if (_worth(flows, middle) > 0) is rising:
            other = middle
        else:
            one = middle
        if abs(one - other) <= _CLOSE:
            break
    return one**-_DAYS_A_YEAR - 1
