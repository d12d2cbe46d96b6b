"""All rates at which timed flows are worth nothing.

With y = ln(1 + rate) a flow of a after t periods is worth a exp(-y t). Let P(y) be the worth of what
is received and N(y) that of what is paid; rates are the zeros of h(y) = ln P - ln N. Its slope is the
mean time of what is paid less that of what is received, each weighted by worth; both means fall as y
rises, so their values at the ends of an interval bound the slope inside. Where the bounds have one
sign there is one zero at most; where h in the middle is further from zero than the slope can bring it
there is none; else the interval is halved. So no zero is overlooked, and none is found twice.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

DIGITS: Final = 34
"""Digits that rates are computed with."""
LOWEST: Final = Decimal("-0.999999")
"""Rates are looked for from here on: what is lost is less than everything."""
HIGHEST: Final = Decimal(10**6)
"""Rates are looked for up to here."""
INTERVALS_MAX: Final = 4_000
"""After so many intervals the search for rates is given up."""
STEPS_MAX: Final = 120
"""After so many steps towards one rate it is given up; halving alone takes 100."""
_APART: Final = Decimal("1e-9")
"""Zeros of h nearer to each other than this are told as one."""
_CLOSE: Final = Decimal("1e-28")

TimedFlow = tuple[int, Decimal]
"""Money after so many ticks: received above zero, paid below."""


class NoRate(ValueError):
    """At no rate that is looked for are the flows worth nothing."""


class ManyRates(ValueError):
    """The flows are worth nothing at several rates: none of them says how well they do."""

    def __init__(self, rates: Sequence[Decimal]) -> None:
        super().__init__(f"there are {len(rates)} rates")
        self.rates = rates


def rates(
    flows: Sequence[TimedFlow], ticks: int, lowest: Decimal = LOWEST, highest: Decimal = HIGHEST
) -> list[Decimal]:
    """The rates from `lowest` to `highest` at which flows are worth nothing, the lowest first.

    `flows` are in order of time, each time once; a rate is compounded every `ticks` ticks. Raises
    NoRate when they are not found within INTERVALS_MAX intervals and STEPS_MAX steps in each.
    """
    present = [(tick, amount) for tick, amount in flows if amount]
    if len({amount > 0 for _, amount in present}) < 2:
        return []
    with localcontext() as context:
        context.prec = DIGITS
        function = _Worth(present, ticks)
        ends = function.at((1 + lowest).ln()), function.at((1 + highest).ln())
        return [point.exp() - 1 for point in sorted(_zeros(function, *ends))]


class _Point(NamedTuple):
    """h at y, with the mean times of what is received and of what is paid."""

    y: Decimal
    h: Decimal
    received: Decimal
    paid: Decimal

    @property
    def slope(self) -> Decimal:
        return self.paid - self.received


class _Worth:
    """h as a function of y."""

    def __init__(self, flows: Sequence[TimedFlow], ticks: int) -> None:
        self._flows, self._ticks = flows, ticks

    def at(self, y: Decimal) -> _Point:
        discount = (-y / self._ticks).exp()
        worth, moment = [Decimal(0)] * 2, [Decimal(0)] * 2
        factor, at = Decimal(1), 0
        for tick, amount in self._flows:
            factor *= discount if tick - at == 1 else discount ** (tick - at)
            at, part, side = tick, amount * factor, amount < 0
            worth[side] += part
            moment[side] += part * tick
        received, paid = (m / w / self._ticks for m, w in zip(moment, worth, strict=True))
        return _Point(y, (worth[0] / -worth[1]).ln(), received, paid)


def _zeros(function: _Worth, first: _Point, last: _Point) -> Iterator[Decimal]:
    waiting = [(first, last)]
    for _ in range(INTERVALS_MAX):
        if not waiting:
            break
        low, high = waiting.pop()
        slopes = high.paid - low.received, low.paid - high.received
        if slopes[0] > 0 or slopes[1] < 0:
            if low.h.is_signed() is not high.h.is_signed():
                yield _zero(function, low, high)
            continue
        middle = function.at((low.y + high.y) / 2)
        if abs(middle.h) > max(-slopes[0], slopes[1]) * (high.y - low.y) / 2:
            continue
        if high.y - low.y < _APART:
            yield middle.y
        else:
            waiting += [(middle, high), (low, middle)]
    if waiting:
        raise NoRate("the search for rates did not end")


def _zero(function: _Worth, low: _Point, high: _Point) -> Decimal:
    """The zero between two points of unlike signs: Newton's steps, halved where one leads out."""
    point = function.at((low.y + high.y) / 2)
    for _ in range(STEPS_MAX):
        if point.h.is_signed() is low.h.is_signed():
            low = point
        else:
            high = point
        middle = (low.y + high.y) / 2
        following = point.y - point.h / point.slope if point.slope else middle
        if min(abs(following - point.y), high.y - low.y) <= _CLOSE:
            return following
        point = function.at(following if low.y < following < high.y else middle)
    raise NoRate("the search for the rate did not end")
