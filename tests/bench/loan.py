"""What the money of one loan costs: a schedule, and a payment on a loan with a long history.

What belongs here: processor time of the engine alone, in this process; no service and no database.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from lending.domain.loan import entries as e
from lending.domain.loan.engine import replay
from lending.domain.loan.entries import Entry
from lending.domain.loan.schedule import Advance, ScheduledInstalment, schedule
from lending.domain.loan.terms import Component, Terms
from tests.bench.figures import Figure

TIMES: Final = 100
"""How often each is done; the figure is the least, which is the one least disturbed."""
EVENTS: Final = 200
"""The advance, 119 payments, and 40 fees with the payments of them."""
_MORTGAGE: Final = Terms(currency="USD", rate_percent=Decimal("6.5"), instalments=360)
_TEN_YEARS: Final = Terms(currency="USD", rate_percent=Decimal("6.5"), instalments=120)
_FUNDED_ON: Final = date(2015, 1, 15)
_LENT: Final = Decimal("250000.00")
_FEE: Final = Decimal("15.00")


def measure() -> list[Figure]:
    """The figures, in milliseconds of the processor."""
    figures = [
        _figure(
            "schedule of 360 instalments", _schedule, "decimals, due dates, rounded to the cent"
        )
    ]
    by_others = _by_numpy_financial()
    if by_others is not None:
        figures.append(
            _figure(
                "the same by numpy-financial", by_others, "binary floats, no dates, nothing rounded"
            )
        )
    history = list(_history())
    *_, last = history
    figures.append(
        _figure(
            f"payment on a loan of ten years and {EVENTS} events, from cold",
            lambda: replay(_TEN_YEARS, history, last.on),
            "all of them replayed, and the payment after them",
        )
    )
    return figures


def _figure(what: str, do: Callable[[], object], beside: str) -> Figure:
    return Figure(what=what, value=_least_ms(do), unit="ms", beside=beside)


def _least_ms(do: Callable[[], object]) -> float:
    least = float("inf")
    for _ in range(TIMES):
        began = time.process_time_ns()
        do()
        least = min(least, time.process_time_ns() - began)
    return least / 1e6


def _schedule() -> None:
    schedule(_MORTGAGE, [Advance(_FUNDED_ON, _LENT)])


def _by_numpy_financial() -> Callable[[], Any] | None:
    """Interest and principal of every payment, where the package is installed."""
    try:
        import numpy_financial  # noqa: PLC0415 measured beside the engine, and not needed by it
    except ImportError:
        return None
    count, lent = _MORTGAGE.instalments, float(_LENT)
    rate, numbers = float(_MORTGAGE.rate_percent) / 1200, range(1, count + 1)
    return lambda: (
        numpy_financial.ipmt(rate, numbers, count, lent),
        numpy_financial.ppmt(rate, numbers, count, lent),
    )


def _history() -> Iterator[Entry]:
    """So many events of ten years, and the last payment."""
    *paid_when_due, last = schedule(_TEN_YEARS, [Advance(_FUNDED_ON, _LENT)]).instalments
    acts = [(_FUNDED_ON, e.Disbursed(amount=_LENT)), *_in_mid_life(paid_when_due)]
    paying = (last.due, e.Paid(amount=last.payment))
    for number, (on, act) in enumerate([*acts, paying], 1):
        yield Entry(number, on, act)


def _in_mid_life(instalments: Iterable[ScheduledInstalment]) -> Iterator[tuple[date, e.Act]]:
    """Each is paid when due; every third brings a fee, which is paid too."""
    for one in instalments:
        later = one.due + timedelta(days=5)
        yield one.due, e.Paid(amount=one.payment)
        if one.number % 3 == 1:
            yield later, e.ChargeAssessed(component=Component.FEE, amount=_FEE, due_on=later)
            yield later, e.Paid(amount=_FEE)
