"""What the money of one loan costs: a schedule, and a payment on a loan with a long history.

What belongs here: processor time of the rules and the codec, in this process; no service and no
database.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

from lending.domain.application import commands as c
from lending.domain.application.circumstances import own_events
from lending.domain.application.events import Event
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refused
from lending.domain.application.state import INITIAL
from lending.domain.loan.schedule import Advance, schedule
from lending.domain.loan.terms import Terms
from lending.domain.servicing import commands as s
from lending.ledger.canonical import canonical_json, parse_json
from lending.ledger.codec import Codec, NoKeyring
from tests.bench.figures import Bar, Figure
from tests.domain.servicing.lives import PAYOUT, Life, accepted_offer, noon, on_record

TIMES: Final = 100
"""How often each is done; the figure is the least, which is the one least disturbed."""
MONTHS: Final = 120
"""The age of the mortgage: the payment that is measured is that of this instalment."""
FEES: Final = 38
"""Every third instalment brings one, so long as there are any; each is paid."""
_MORTGAGE: Final = Terms(currency="USD", rate_percent=Decimal("6.5"), instalments=360)
_LENT: Final = Decimal("250000.00")
_FEE: Final = Decimal("15.00")
_PAYMENT: Final = s.Repay(amount=Decimal("1580.17"))
_PAID_ON: Final = date(2036, 1, 1)


def measure() -> list[Figure]:
    """The figures, in milliseconds of the processor."""
    figures = [
        _figure(
            "schedule of 360 instalments",
            _schedule,
            "decimals, due dates, rounded to the cent",
            Bar(5, at_most=True),
        )
    ]
    by_others = _by_numpy_financial()
    if by_others is not None:
        figures.append(
            _figure(
                "the same by numpy-financial", by_others, "binary floats, no dates, nothing rounded"
            )
        )
    codec = Codec()
    stored = list(_stored(_ten_years(), codec))
    figures.append(
        _figure(
            f"payment on a mortgage of ten years and {len(stored)} events, from cold",
            lambda: paid(stored, codec),
            "all of them decoded as they are stored, folded and replayed; what it causes encoded",
            Bar(10, at_most=True),
        )
    )
    return figures


def _figure(what: str, do: Callable[[], object], beside: str, bar: Bar | None = None) -> Figure:
    return Figure(what=what, value=_least_ms(do), unit="ms", bar=bar, beside=beside)


def _least_ms(do: Callable[[], object]) -> float:
    least = float("inf")
    for _ in range(TIMES):
        began = time.process_time_ns()
        do()
        least = min(least, time.process_time_ns() - began)
    return least / 1e6


def _schedule() -> None:
    schedule(_MORTGAGE, [Advance(PAYOUT, _LENT)])


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


class Stored(NamedTuple):
    """An event as the log has it, as far as its application needs it."""

    version: int
    on: date
    event_type: str
    schema_version: int
    data: bytes


def paid(stored: Iterable[Stored], codec: Codec) -> list[bytes]:
    """What the next payment causes, in the form in which it is stored."""
    nobody, state = NoKeyring(), INITIAL
    for one in stored:
        event = codec.decode(one.event_type, one.schema_version, parse_json(one.data), nobody)
        happening = Occurrence(one.version, noon(one.on), one.on, "local")
        state = evolve(state, cast(Event, event), happening)
    answer = Life(state=state).answer(_PAYMENT, _PAID_ON)
    assert not isinstance(answer, Refused), answer
    return [canonical_json(codec.encode(event, nobody, "")) for event in own_events(answer)]


def _stored(life: Life, codec: Codec) -> Iterator[Stored]:
    nobody = NoKeyring()
    for version, (on, event) in enumerate(life.events, 1):
        data = canonical_json(codec.encode(event, nobody, ""))
        yield Stored(version, on, event.stored_as, event.schema_version, data)


def _ten_years() -> Life:
    """Each instalment is paid when due, and the fees are."""
    life = accepted_offer(str(_LENT), on_record(_MORTGAGE)).does(c.Disburse(), PAYOUT)
    fee = s.AssessCharge(kind=s.ChargeKind.FEE, amount=_FEE)
    for one in life.book().instalments[: MONTHS - 1]:
        life.does(s.Repay(amount=one.outstanding), one.due)
        if one.number % 3 == 1 and one.number <= 3 * FEES:
            life.does(fee, one.due + timedelta(days=5))
            life.does(s.Repay(amount=_FEE), one.due + timedelta(days=5))
    return life
