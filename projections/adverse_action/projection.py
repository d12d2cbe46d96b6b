"""How the row of an application's notices follows from where it stands.

What it says is the domain's own: the clocks, the retention and the action taken by
`lending.domain.application.adverse_action`. How the clocks stand on a day is asked of the function
`read.notice_clocks`.
"""

from importlib.resources import files
from typing import Final

from lending.domain.application import adverse_action as rules
from lending.domain.application import events as e
from lending.domain.application.state import Application
from lending.domain.registry import REGISTRY_EVENTS
from lending.domain.servicing.events import Boarded
from lending.domain.servicing.evolve import REVERSALS
from lending.runtime.sql import load_queries
from projections.model import Happened, Key, Loan, ReadModel, Row, Rows

THE_ROW: Final[Key] = ()
"""An application has one row."""

FOLDS: Final = frozenset(
    kind.stored_as
    for kind in (
        e.Applied, e.Amended, e.InformationRequested, e.InformationSupplied, e.Decided, e.Overridden,
        e.NoticeSent, e.Withdrawn, e.ClosedUnfunded, e.Offered, e.OfferAccepted, e.Disbursed, Boarded,
        *REVERSALS,
    )
)  # fmt: skip
"""The events after which something else may be owed, or be reported."""


_DECISIONS: Final = frozenset({e.Decided.stored_as, e.Overridden.stored_as})


def apply(rows: Rows, happened: Happened, _loan: Loan) -> Rows:
    """The row with where its event stands; the rest comes with `settle`."""
    if happened.event_type not in FOLDS:
        return {}
    before = rows.get(THE_ROW, {})
    decided = happened.event_type in _DECISIONS
    return {
        THE_ROW: {
            **before,
            "decision_recorded_at": (
                happened.recorded_at if decided else before.get("decision_recorded_at")
            ),
            "shard": happened.shard,
            "application_id": happened.application_id,
            "updated_at": happened.recorded_at,
            "version": happened.version,
            "position": happened.position,
        }
    }


def settle(rows: Rows, _happened: Happened, loan: Loan) -> Rows:
    """The row with what the application calls for."""
    return {THE_ROW: {**rows[THE_ROW], **standing(loan())}}


def standing(state: Application) -> Row:
    """The columns that say what an application calls for, and how it is reported."""
    days, decision, clocks = state.days, state.decision, rules.clocks(state)
    taken = rules.action_taken(state)
    return {
        "credit_kind": state.credit_kind.value,
        "applied_on": days.applied_on,
        "completed_on": days.completed_on,
        "decided_on": days.decided_on,
        "ended_on": days.ended_on,
        "decision": None if decision is None else decision.outcome.value,
        "reasons": [] if decision is None else [reason.value for reason in decision.reasons],
        "respond_by": rules.respond_by(state),
        "clock_basis": [clock.basis.value for clock in clocks],
        "clock_from_on": [clock.from_on for clock in clocks],
        "clock_due_on": [clock.due_on for clock in clocks],
        "clock_sent_on": [clock.sent_on for clock in clocks],
        "clock_ended_on": [clock.ended_on for clock in clocks],
        "noticed_on": days.noticed_on,
        "retained_until": rules.retained_until(state),
        "action_taken": None if taken is None else taken.name.lower(),
        "action_taken_code": None if taken is None else taken.value,
    }


MODEL: Final = ReadModel(
    name="adverse_action",
    code_version=2,
    columns=(
        *("shard", "application_id", "credit_kind", "applied_on", "completed_on", "decided_on"),
        *("ended_on", "decision", "reasons", "respond_by", "clock_basis", "clock_from_on"),
        *(
            "clock_due_on",
            "clock_sent_on",
            "clock_ended_on",
            "noticed_on",
            "retained_until",
            "action_taken",
        ),
        *("action_taken_code", "decision_recorded_at", "updated_at", "version", "position"),
    ),
    key_columns=2,
    folds=FOLDS,
    opens=frozenset(),
    apply=apply,
    settle=settle,
    passes_over=frozenset(kind.stored_as for kind in (*e.EVENTS, *REGISTRY_EVENTS)) - FOLDS,
    queries=load_queries(files("projections.adverse_action") / "statements.sql"),
)
"""The read model."""
