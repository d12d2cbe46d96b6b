"""Adverse action: which notices an application calls for by which day, and how it is reported.

Source: Regulation B, 12 CFR 1002.9 (notices) and 1002.12(b) (retention); Regulation C, 12 CFR
1003.4(a)(8) (action taken). What of them is covered is in docs/reference/regulation.md. Everything
is computed from what is on record of one application, and days are dates of the ledger's time zone.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from enum import IntEnum
from typing import Final, assert_never

from lending.domain.application.clocks import Basis, Clock, Standing
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


def clocks(state: Application) -> tuple[Clock, ...]:
    """The notices that an application calls for, and before them those that it called for and that
    were not given in time, though nothing asks for them any more.
    """
    running = _running(state)
    again = {clock.days for clock in running}
    return (*(clock for clock in state.missed if clock.days not in again), *running)


def missed(before: Application, after: Application, on: date) -> tuple[Clock, ...]:
    """The notices called for before something of the day `on` that are not after it, and were late by
    then. One that goes on under another paragraph, from the same day to the same, is not missed yet.
    """
    left = {(clock.from_on, clock.due_on) for clock in _running(after)}
    known = {clock.days for clock in before.missed}
    return tuple(
        clock._replace(ended_on=on)
        for clock in _running(before)
        if (clock.from_on, clock.due_on) not in left
        and clock.days not in known
        and clock.standing(on) in (Standing.LATE, Standing.SENT_LATE)
    )


def _running(state: Application) -> tuple[Clock, ...]:
    """None where the applicant expressly withdrew it (comment 9-2), and none of a loan that was taken
    over running: another decided it.
    """
    if _withdrawn(state):
        return ()
    if state.loan is not None and state.decision is None:
        return ()
    return (*_of_action(state), *_of_counter_offer(state))


def retained_until(state: Application) -> date | None:
    """Until which day the record is kept; none before the time for it has begun.

    Counted from the last day on which the applicant was told (1002.12(b)(1)), or, of an application
    that calls for no notice because it was withdrawn, from applying (1002.12(b)(3)).
    """
    start = state.days.noticed_on
    if start is None and _withdrawn(state):
        start = state.days.applied_on
    if start is None:
        return None
    return add_periods(start, RETENTION_MONTHS[state.credit_kind], PeriodUnit.MONTHS)


def respond_by(state: Application) -> date | None:
    """The last day that the applicant was given for what is outstanding, if any was (1002.9(c)(2))."""
    return max((day for day in state.outstanding.values() if day is not None), default=None)


def action_taken(state: Application) -> ActionTaken | None:
    """How the application is reported; none while it is under way, and none of a loan taken over."""
    if state.disbursement is not None:
        return ActionTaken.ORIGINATED
    if state.loan is not None:
        return None
    if state.rejected:
        return ActionTaken.DENIED
    if state.ending is None:
        return None
    return _of_decided(state) if state.decided else _of_undecided(state)


def told_of_action(state: Application) -> date | None:
    """When the applicant was told of the decision in force, or of the end without one.

    By a notice of its own kind; of an approval or a counter-offer by deed as well, and of a
    counter-offer by one combined with it. Source: 1002.9(a)(1), comments 2 and 6.
    """
    denied = _sent(state, NoticeKind.ADVERSE_ACTION)
    outcome = None if state.decision is None else state.decision.outcome
    if outcome is Outcome.APPROVED:
        return _first(_sent(state, NoticeKind.APPROVAL), state.days.told_on)
    if outcome is Outcome.COUNTER_OFFERED:
        return _first(_sent(state, NoticeKind.COUNTER_OFFER), denied, state.days.told_on)
    return denied


def founded_on(kind: NoticeKind, state: Application) -> date | None:
    """The day of what a notice of this kind would be about; none where nothing of it has happened.

    Adverse action is a rejection, a counter-offer that was not taken up, or an end without approval
    that the applicant did not ask for (1002.9(a)(1) and (c)). Who was paid knows of the approval.
    """
    outcome, days = None if state.decision is None else state.decision.outcome, state.days
    match kind:
        case NoticeKind.APPROVAL:
            founded = outcome is Outcome.APPROVED and state.loan is None
            return days.decided_on if founded else None
        case NoticeKind.ADVERSE_ACTION:
            if outcome in (Outcome.REJECTED, Outcome.COUNTER_OFFERED):
                return days.decided_on
            return days.ended_on if ended_undecided(state) else None
        case NoticeKind.COUNTER_OFFER:
            return days.decided_on if outcome is Outcome.COUNTER_OFFERED else None
        case NoticeKind.INCOMPLETENESS:
            return days.asked_on
        case _:
            assert_never(kind)


def ended_undecided(state: Application) -> bool:
    """Whether the lender let it end without a decision: as good as a denial."""
    return state.ending is not None and not _withdrawn(state) and not state.decided


def _withdrawn(state: Application) -> bool:
    return state.ending is not None and state.ending.kind is WithdrawnBy.APPLICANT


def _of_decided(state: Application) -> ActionTaken:
    """A counter-offer that was accepted is reported on its own terms, one that was not as denied."""
    approved = state.decision is not None and state.decision.outcome is Outcome.APPROVED
    taken = approved or state.days.taken_on is not None
    return ActionTaken.APPROVED_NOT_ACCEPTED if taken else ActionTaken.DENIED


def _of_undecided(state: Application) -> ActionTaken:
    """Closed for incompleteness only where the applicant was sent the notice of it."""
    if _withdrawn(state):
        return ActionTaken.WITHDRAWN_BY_APPLICANT
    incomplete = state.ending is not None and state.ending.kind is Closure.INCOMPLETE
    if incomplete and NoticeKind.INCOMPLETENESS in state.notices:
        return ActionTaken.CLOSED_FOR_INCOMPLETENESS
    return ActionTaken.DENIED


def _of_action(state: Application) -> Iterator[Clock]:
    """What is owed of the application itself: of one completed, or of one that is not.

    Who could approve it, or offer other terms, had what is normally considered: it is complete with
    the decision at the latest (1002.9(a)(1), comment 1).
    """
    days, told = state.days, told_of_action(state)
    completed_on = days.completed_on
    if completed_on is None and state.decided and not state.rejected:
        completed_on = days.decided_on
    if completed_on is not None:
        yield _clock(Basis.COMPLETED, completed_on, NOTICE_DAYS, told)
    elif days.applied_on is not None:
        told = _first(_sent(state, NoticeKind.INCOMPLETENESS), told)
        yield _clock(Basis.INCOMPLETE, days.applied_on, NOTICE_DAYS, told)
        acted_on = days.decided_on if state.decided else days.ended_on
        if acted_on is not None:
            yield _clock(Basis.ACTION_ON_INCOMPLETE, acted_on, NOTICE_DAYS, told)


def _of_counter_offer(state: Application) -> Iterator[Clock]:
    """A counter-offer of which the applicant was told, and that was not accepted.

    Where the adverse action was told with it, or at any time since, no other notice is owed.
    """
    decision = state.decision
    if decision is None or decision.outcome is not Outcome.COUNTER_OFFERED:
        return
    told_on = _first(_sent(state, NoticeKind.COUNTER_OFFER), state.days.told_on)
    if told_on is not None and state.days.taken_on is None:
        denied = _sent(state, NoticeKind.ADVERSE_ACTION, told_on)
        yield _clock(Basis.COUNTER_OFFER_NOT_TAKEN, told_on, COUNTER_OFFER_DAYS, denied)


def _clock(basis: Basis, from_on: date, days: int, sent_on: date | None) -> Clock:
    return Clock(basis, from_on, from_on + timedelta(days=days), sent_on)


def _sent(state: Application, kind: NoticeKind, since: date = date.min) -> date | None:
    """The first day, of those since then, on which a notice of this kind was sent."""
    return _first(*(day for day in state.notices.get(kind, ()) if day >= since))


def _first(*days: date | None) -> date | None:
    return min((day for day in days if day is not None), default=None)
