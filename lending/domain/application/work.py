"""What an application waits for next, and of whom: one task each, or none.

What belongs here: the one next step of the ordinary course, as the state says it. It commands nothing:
every command that holds may be issued at any time, by whoever may issue it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from lending.domain.application import commands as c
from lending.domain.application.adverse_action import clocks
from lending.domain.application.refusals import MAX_OFFERS
from lending.domain.application.state import Application
from lending.domain.authority import Role


class Task(NamedTuple):
    """What an application waits for: a command, by its name, and the role it waits for."""

    role: Role
    command: str


WORKERS: Final[Mapping[type[c.Command], Role]] = MappingProxyType(
    {
        c.SupplyInformation: Role.INTAKE,
        c.AttachContext: Role.CONTEXT,
        c.Score: Role.RISK,
        c.Decide: Role.UNDERWRITER,
        c.Release: Role.UNDERWRITER,
        c.MakeOffer: Role.UNDERWRITER,
        c.RecordNotice: Role.UNDERWRITER,
        c.CloseUnfunded: Role.UNDERWRITER,
        c.AcceptOffer: Role.INTAKE,
        c.Disburse: Role.SERVICING,
    }
)
"""Whom each command is waited for from, of those that are waited for at all."""


def waiting_for(state: Application) -> Task | None:
    """What the application waits for; None where nothing is to be done any more.

    A command of the task's kind can cause an event, with one exception: an offer that was not
    accepted by its last day is waited for still, because no event says that a day has passed.
    """
    command = _next(state)
    return None if command is None else _TASKS[command]


def _next(state: Application) -> type[c.Command] | None:
    if not state.exists or state.disbursement is not None:
        return None
    if state.ending is not None or state.rejected:
        return c.RecordNotice if _owes_notice(state) else None
    if state.holds:
        return c.Release
    return _after_decision(state) if state.decided else _before_decision(state)


def _owes_notice(state: Application) -> bool:
    """Whether the applicant has to be told how it ended and was not (12 CFR 1002.9(a)(1) and (c))."""
    if state.ending is None:
        return c.NoticeKind.ADVERSE_ACTION not in state.notices
    return any(clock.owed for clock in clocks(state))


def _before_decision(state: Application) -> type[c.Command]:
    """A referral without a score is for a person to decide; one that was amended is scored anew."""
    if state.outstanding:
        return c.SupplyInformation
    if state.score is not None:
        return c.Score if state.score.stale else c.Decide
    if state.decision is not None:
        return c.Decide
    known = c.ContextKind.CUSTOMER_CONTEXT in state.context_kinds
    return c.Score if known else c.AttachContext


def _after_decision(state: Application) -> type[c.Command]:
    """Under an approval or a counter-offer, of which the applicant is told with the offer."""
    if state.covered:
        return c.Disburse
    open_offers = state.open_offers()
    if not any(state.admits(offer.amount, offer.term_months) for offer in open_offers):
        return c.MakeOffer if len(state.offers) < MAX_OFFERS else c.CloseUnfunded
    return c.RecordNotice if _owes_counter_offer(state) else c.AcceptOffer


def _owes_counter_offer(state: Application) -> bool:
    """Whether the applicant was not told of a counter-offer yet (12 CFR 1002.9(a)(1)(iv))."""
    countered = state.decision is not None and state.decision.outcome is c.Outcome.COUNTER_OFFERED
    told = state.notices.keys() & {c.NoticeKind.COUNTER_OFFER, c.NoticeKind.ADVERSE_ACTION}
    return countered and not told


_TASKS: Final[Mapping[type[c.Command], Task]] = MappingProxyType(
    {command: Task(role, c.command_name(command)) for command, role in WORKERS.items()}
)
