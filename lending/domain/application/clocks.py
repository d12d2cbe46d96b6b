"""The clock of a notice: what it is counted by, from when to when, and where it stands on a day.

Which clocks run is in adverse_action.py. Source: Regulation B, 12 CFR 1002.9.
"""

from datetime import date
from enum import StrEnum
from typing import NamedTuple


class Basis(StrEnum):
    """Which paragraph of 12 CFR 1002.9 a time is counted by."""

    COMPLETED = "1002.9(a)(1)(i)"
    ACTION_ON_INCOMPLETE = "1002.9(a)(1)(ii)"
    COUNTER_OFFER_NOT_TAKEN = "1002.9(a)(1)(iv)"
    INCOMPLETE = "1002.9(c)(1)"


class Standing(StrEnum):
    """Where a clock stands at the end of a day; `sent_late` is sent after the last day for it."""

    DUE = "due"
    LATE = "late"
    SENT = "sent"
    SENT_LATE = "sent_late"


class Clock(NamedTuple):
    """A notice that is called for: counted from when, by when, and when it was given.

    `ended_on` is there of one that was not given in time: the day from which it is called for no more,
    because what it was about is over. It stays late.
    """

    basis: Basis
    from_on: date
    due_on: date
    sent_on: date | None
    ended_on: date | None = None

    @property
    def days(self) -> tuple[Basis, date, date]:
        """What tells it from the application's other clocks."""
        return self.basis, self.from_on, self.due_on

    @property
    def owed(self) -> bool:
        """Whether the notice is still to be given."""
        return self.sent_on is None and self.ended_on is None

    def standing(self, on: date) -> Standing:
        """Where it stands at the end of the day `on`."""
        if self.sent_on is not None and self.sent_on <= on:
            return Standing.SENT if self.sent_on <= self.due_on else Standing.SENT_LATE
        return Standing.DUE if on <= self.due_on else Standing.LATE
