"""The events of a loan's money, as the read models about loans take them.

What belongs here: which events those are, and what of them all of these read models need.
"""

from typing import Any, Final

from lending.domain.application.events import EVENTS, Disbursed
from lending.domain.registry import REGISTRY_EVENTS
from lending.domain.servicing.events import SERVICING_EVENTS, Booking, Closed

LOAN_EVENTS: Final = frozenset(kind.stored_as for kind in (Disbursed, *SERVICING_EVENTS))
"""The events after which a loan may stand elsewhere."""

PASSED_OVER: Final = frozenset(kind.stored_as for kind in (*EVENTS, *REGISTRY_EVENTS)) - LOAN_EVENTS
"""The other events there are, which concern no loan."""

TRANSACTIONS: Final = LOAN_EVENTS - {Closed.stored_as}
"""Those of them that are transactions: each has its number, which is its version, and a day."""


def booking_of(event: Any) -> Booking | None:
    """What a transaction came to; None of a loan without terms."""
    booking: Booking | None = getattr(event, "booking", None)
    return booking
