"""An application as an agent sees it: what the ledger says it is now, and what has happened to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lending.client import Event

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """One application at one version."""

    application_id: str
    version: int
    status: str
    allowed: frozenset[str]
    events: tuple[Event, ...]

    def all(self, event_type: str) -> Iterator[Data]:
        """What the events of a type say, in order."""
        return (event.data for event in self.events if event.event_type == event_type)

    def last(self, event_type: str) -> Data | None:
        """What the last event of a type says."""
        return next((e.data for e in reversed(self.events) if e.event_type == event_type), None)

    @property
    def asked(self) -> Data:
        """What was applied for."""
        return next(self.all("applied"))

    @property
    def share_of_income(self) -> Decimal:
        """The amount asked for, as a share of a year's income."""
        return Decimal(self.asked["amount"]) / (12 * Decimal(self.asked["income"]))

    @property
    def score(self) -> int | None:
        """What the model said last."""
        scored = self.last("scored")
        return None if scored is None else int(Decimal(scored["score"]))

    @property
    def decision(self) -> Data | None:
        """The decision in force, an override before the decision it replaced."""
        return self.last("overridden") or self.last("decided")

    @property
    def open_offer(self) -> Data | None:
        """The offer that the customer has not answered."""
        answered = {
            data["offer_id"]
            for ending in ("offer_accepted", "offer_refused", "offer_withdrawn", "offer_expired")
            for data in self.all(ending)
        }
        return next((o for o in self.all("offered") if o["offer_id"] not in answered), None)

    def knows(self, kind: str) -> bool:
        """Whether context of this kind is on file."""
        return any(data["kind"] == kind for data in self.all("context_attached"))

    def noticed(self, kind: str) -> bool:
        """Whether a notice of this kind was sent."""
        return any(data["kind"] == kind for data in self.all("notice_sent"))
