"""What a notice to the applicant has to say, as far as it is on record.

Source: Regulation B, 12 CFR 1002.9(a)(2) (adverse action), 1002.9(a)(1), comment 6 (combined with a
counter-offer), and 1002.9(c)(2) (incompleteness). Of an approval (1002.9(a)(1)) nothing is prescribed.
Names, addresses and the wording of letters are not here. What of all this is covered is in
docs/reference/regulation.md.
"""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import NamedTuple, assert_never

from lending.domain.application.adverse_action import (
    ended_undecided,
    founded_on,
    respond_by,
)
from lending.domain.application.commands import Closure, NoticeKind, Outcome
from lending.domain.application.reasons import REASON_TEXTS, Reason
from lending.domain.application.state import Application
from lending.domain.fields import Erased


class Unwritten(Enum):
    """Why a notice cannot be written from what is on record, and what to do."""

    UNDECIDED = (
        "It is not decided, and nothing is outstanding: the notice that is due tells of the action"
        " taken. Decide it, or ask for the information that is missing."
    )
    UNFOUNDED = "Nothing has happened that such a notice would be about."
    REASONS_UNKNOWN = (
        "No specific reasons are on record: it ended undecided, or its history was imported without"
        " them. Write this notice by hand."
    )
    REASON_ERASED = "The reason that was given in words was erased with the applicant's data."
    PERIOD_UNKNOWN = (
        "The applicant was given no day for what is outstanding. Ask for it again with due_on."
    )


class StatedReason(NamedTuple):
    """A reason with the wording that the applicant reads."""

    code: Reason
    text: str


class CounterTerms(NamedTuple):
    """What is offered instead of what was applied for; a term left open is none."""

    amount: Decimal
    term_months: int | None


class Notice(NamedTuple):
    """The content of a notice. `records` are the kinds it is recorded as, once it was sent.

    One that tells of a counter-offer tells of the adverse action too, so that no other is owed if
    the applicant does not take it.
    """

    kind: NoticeKind
    records: tuple[NoticeKind, ...]
    reasons: tuple[StatedReason, ...] = ()
    counter_offer: CounterTerms | None = None
    missing: tuple[str, ...] = ()
    respond_by: date | None = None


def called_for(state: Application) -> NoticeKind | Unwritten:
    """The notice whose turn it is, or why there is none."""
    outcome = None if state.decision is None else state.decision.outcome
    if state.rejected or ended_undecided(state):
        return NoticeKind.ADVERSE_ACTION
    if outcome is Outcome.COUNTER_OFFERED:
        return NoticeKind.ADVERSE_ACTION if state.ending else NoticeKind.COUNTER_OFFER
    if founded_on(NoticeKind.APPROVAL, state) is not None:
        return NoticeKind.APPROVAL
    if state.decided or state.ending is not None or state.loan is not None:
        return Unwritten.UNFOUNDED
    return NoticeKind.INCOMPLETENESS if state.outstanding else Unwritten.UNDECIDED


def notice(kind: NoticeKind, state: Application) -> Notice | Unwritten:
    """The content of a notice of this kind, or why it cannot be written."""
    if founded_on(kind, state) is None:
        return Unwritten.UNFOUNDED
    match kind:
        case NoticeKind.APPROVAL:
            return Notice(kind, (kind,))
        case NoticeKind.INCOMPLETENESS:
            return _of_incompleteness(state)
        case NoticeKind.ADVERSE_ACTION | NoticeKind.COUNTER_OFFER:
            return _of_action(kind, state)
        case _:
            assert_never(kind)


def _of_incompleteness(state: Application) -> Notice | Unwritten:
    until = respond_by(state)
    if until is None:
        return Unwritten.PERIOD_UNKNOWN
    missing = tuple(sorted(state.outstanding))
    kind = NoticeKind.INCOMPLETENESS
    return Notice(kind, (kind,), missing=missing, respond_by=until)


def _of_action(kind: NoticeKind, state: Application) -> Notice | Unwritten:
    reasons = _reasons(state)
    if isinstance(reasons, Unwritten):
        return reasons
    decision = state.decision
    if kind is NoticeKind.ADVERSE_ACTION or decision is None or decision.amount is None:
        return Notice(NoticeKind.ADVERSE_ACTION, (NoticeKind.ADVERSE_ACTION,), reasons)
    terms = CounterTerms(decision.amount, decision.term_months)
    return Notice(kind, (kind, NoticeKind.ADVERSE_ACTION), reasons, terms)


def _reasons(state: Application) -> tuple[StatedReason, ...] | Unwritten:
    """Those of the decision; of one closed as incomplete, that it was (1002.9(a)(1), comment 3)."""
    decision = state.decision
    codes = () if decision is None else decision.reasons
    if not codes and state.ending is not None and state.ending.kind is Closure.INCOMPLETE:
        codes = (Reason.CREDIT_APPLICATION_INCOMPLETE,)
    if not codes or Reason.NOT_RECORDED in codes:
        return Unwritten.REASONS_UNKNOWN
    other = None if decision is None else decision.other_reason
    if isinstance(other, Erased):
        return Unwritten.REASON_ERASED
    texts = {**REASON_TEXTS, Reason.OTHER: other or REASON_TEXTS[Reason.OTHER]}
    return tuple(StatedReason(code, texts[code]) for code in codes)
