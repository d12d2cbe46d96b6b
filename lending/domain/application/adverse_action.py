"""Adverse action: which notices an application calls for by which day, and how it is reported.

Source: Regulation B, 12 CFR 1002.9 (notices) and 1002.12(b) (retention); Regulation C, 12 CFR
1003.4(a)(8) (action taken). What of them is covered is in docs/reference/regulation.md. Everything
is computed from what is on record of one application, and days are dates of the ledger's time zone.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from lending.domain.application.commands import (
    Closure,
    CreditKind,
    NoticeKind,
    Outcome,
    WithdrawnBy,
)
from lending.domain.application.state import Application
from lending.domain.calendar import PeriodUnit, add_periods

NOTICE_DAYS: Final = 30
"""After completion, or after adverse action on an incomplete application (1002.9(a)(1)(i), (ii))."""

COUNTER_OFFER_DAYS: Final = 90
"""After notifying of a counter-offer that is not taken (1002.9(a)(1)(iv))."""

RETENTION_MONTHS: Final = {CreditKind.CONSUMER: 25, CreditKind.BUSINESS: 12}
"""How long the record is kept after a notice (1002.12(b)(1))."""


class ActionTaken(IntEnum):
    """The disposition of an application, by its code in Regulation C (12 CFR 1003.4(a)(8))."""

    ORIGINATED = 1
    APPROVED_NOT_ACCEPTED = 2
    DENIED = 3
    WITHDRAWN_BY_APPLICANT = 4
    CLOSED_FOR_INCOMPLETENESS = 5


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
    """A notice that is called for: counted from when, by when, and when it was given."""

    basis: Basis
    from_on: date
    due_on: date
    sent_on: date | None

    def standing(self, on: date) -> Standing:
        """Where it stands at the end of the day `on`."""
        if self.sent_on is not None and self.sent_on <= on:
            return Standing.SENT if self.sent_on <= self.due_on else Standing.SENT_LATE
        return Standing.DUE if on <= self.due_on else Standing.LATE


def clocks(state: Application) -> tuple[Clock, ...]:
    """The notices that an application calls for.

    None where the applicant expressly withdrew it (comment 9-2), and none of a loan that was taken
    over running: another decided it.
    """
    if state.ending is not None and state.ending.kind is WithdrawnBy.APPLICANT:
        return ()
    if state.loan is not None and state.decision is None:
        return ()
    return (*_of_action(state), *_of_counter_offer(state))


def retained_until(state: Application) -> date | None:
    """Until which day the record is kept, counted from the last notice; none before there is one."""
    if not state.notices:
        return None
    months = RETENTION_MONTHS[state.credit_kind]
    return add_periods(max(state.notices.values()), months, PeriodUnit.MONTHS)


def action_taken(state: Application) -> ActionTaken | None:
    """How the application is reported; none while it is under way."""
    if state.loan is not None:
        return ActionTaken.ORIGINATED
    if state.rejected:
        return ActionTaken.DENIED
    if state.ending is None:
        return None
    return _of_decided(state) if state.decided else _of_undecided(state)


def _of_decided(state: Application) -> ActionTaken:
    """A counter-offer that was accepted is reported on its own terms, one that was not as denied."""
    approved = state.decision is not None and state.decision.outcome is Outcome.APPROVED
    taken = approved or state.days.accepted_on is not None
    return ActionTaken.APPROVED_NOT_ACCEPTED if taken else ActionTaken.DENIED


def _of_undecided(state: Application) -> ActionTaken:
    """Closed for incompleteness only where the applicant was sent the notice of it."""
    kind = None if state.ending is None else state.ending.kind
    if kind is WithdrawnBy.APPLICANT:
        return ActionTaken.WITHDRAWN_BY_APPLICANT
    told = NoticeKind.INCOMPLETENESS in state.notices
    if kind is Closure.INCOMPLETE and told:
        return ActionTaken.CLOSED_FOR_INCOMPLETENESS
    return ActionTaken.DENIED


def _of_action(state: Application) -> Iterator[Clock]:
    """What is owed of the application itself: of one completed, or of one that is not."""
    days = state.days
    if days.completed_on is not None:
        yield _clock(Basis.COMPLETED, days.completed_on, NOTICE_DAYS, _told_of_action(state))
        return
    acted_on = days.decided_on if state.decided else days.ended_on
    if acted_on is not None:
        told = _first(state.notices.get(NoticeKind.INCOMPLETENESS), _told_of_action(state))
        yield _clock(Basis.ACTION_ON_INCOMPLETE, acted_on, NOTICE_DAYS, told)
    elif days.applied_on is not None:
        told = state.notices.get(NoticeKind.INCOMPLETENESS)
        yield _clock(Basis.INCOMPLETE, days.applied_on, NOTICE_DAYS, told)


def _told_of_action(state: Application) -> date | None:
    """When the applicant was told: of an approval by an offer, of a counter-offer at the latest when
    it was accepted.

    Source: 12 CFR 1002.9(a)(1), comment 2: approval may be told by implication.
    """
    denied = state.notices.get(NoticeKind.ADVERSE_ACTION)
    outcome = None if state.decision is None else state.decision.outcome
    if outcome is Outcome.APPROVED:
        return state.days.offered_on
    if outcome is Outcome.COUNTER_OFFERED:
        told = state.notices.get(NoticeKind.COUNTER_OFFER)
        return _first(told, denied, state.days.accepted_on)
    return denied


def _of_counter_offer(state: Application) -> Iterator[Clock]:
    """A counter-offer of which the applicant was told, and that was not accepted.

    Where the adverse action was told with it, or at any time since, no other notice is owed.
    """
    told_on = state.notices.get(NoticeKind.COUNTER_OFFER)
    if told_on is None or state.rejected or state.days.accepted_on is not None:
        return
    denied = state.notices.get(NoticeKind.ADVERSE_ACTION)
    yield _clock(Basis.COUNTER_OFFER_NOT_TAKEN, told_on, COUNTER_OFFER_DAYS, denied)


def _clock(basis: Basis, from_on: date, days: int, sent_on: date | None) -> Clock:
    return Clock(basis, from_on, from_on + timedelta(days=days), sent_on)


def _first(*days: date | None) -> date | None:
    return min((day for day in days if day is not None), default=None)
