"""From when the events of a command count: from its own instant, or from days of their own."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lending.domain.application.circumstances import Answer, days_of
from lending.ledger.submission import EncodedEvent


class Since(NamedTuple):
    """An instant, and the date of it in the ledger's time zone."""

    at: datetime
    on: date


def own_instants(answer: Answer, on: date, zone: ZoneInfo) -> list[Since | None]:
    """From when each of a command's events counts; None: from when the command does, which is `on`.

    A day of its own counts from its end.
    """
    return [
        None if day == on else Since(datetime.combine(day, time.max, zone), day)
        for day in days_of(answer, on)
    ]


def instants(events: Sequence[EncodedEvent], at: datetime, zone: ZoneInfo) -> list[Since]:
    """From when each event counts, of a command that counts from `at`."""
    command = Since(at, at.astimezone(zone).date())
    return [command if one.effective is None else Since(*one.effective) for one in events]
