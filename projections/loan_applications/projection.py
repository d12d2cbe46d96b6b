"""How the row of an application follows from its events.

Most columns say where the application stands: a pure function of the domain's fold. The others
count, or keep the moment of a step. Times of steps are effective times; when something was recorded
is `created_at` and `updated_at`.
"""

from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from lending.domain.application import events as e
from lending.domain.application.state import Application, Offer, Status
from lending.domain.application.work import waiting_for
from lending.domain.fields import Erased
from lending.runtime.sql import load_queries
from projections.model import Happened, Key, Loan, ReadModel, Row, Rows

THE_ROW: Final[Key] = ()
"""An application has one row."""

OUTCOMES: Final = frozenset(Status) - {Status.PENDING, Status.REFERRED, Status.COUNTER_OFFERED}
"""The statuses that are an outcome."""

ENDED: Final = frozenset({Status.REJECTED, Status.WITHDRAWN, Status.EXPIRED, Status.INCOMPLETE})
"""The statuses in which an application has ended without a loan."""


class OutOfTurn(Exception):
    """An event is not the next one of its application: one is missing, or came twice."""


def apply(rows: Rows, happened: Happened, loan: Loan) -> Rows:
    """The application's row after an event."""
    row = rows.get(THE_ROW)
    if happened.version != (1 if row is None else row["version"] + 1):
        raise OutOfTurn(f"version {happened.version} follows on {row and row['version']}")
    event = happened.event
    after = _opened(happened) if row is None else row.copy()
    after["last_event_at"] = happened.effective_at
    after["last_event_type"] = happened.event_type
    after["last_actor"] = happened.on_behalf_of or happened.actor
    after["updated_at"] = happened.recorded_at
    after["version"] = happened.version
    after["position"] = happened.position
    step = _STEPS.get(type(event))
    if step is not None:
        after.update(step(after, happened))
    if happened.event_type in FOLDS:
        state = loan()
        after.update(standing(state))
        after.update(_waiting(after, state, happened))
        if after["outcome_at"] is None and state.status in OUTCOMES:
            after["outcome_at"] = happened.effective_at
    return {THE_ROW: after}


def _opened(happened: Happened) -> Row:
    """The row before its first event, with what only that event says."""
    if not isinstance(happened.event, e.Applied):
        raise OutOfTurn(f"the first event is {happened.event_type}")
    return {
        **_BLANK,
        "shard": happened.shard,
        "id": happened.application_id,
        "continues": happened.event.continues,
        "created_at": happened.recorded_at,
    }


def _counts(column: str) -> Callable[[Row, Happened], Row]:
    return lambda row, _: {column: row[column] + 1}


def _scored(row: Row, happened: Happened) -> Row:
    at = happened.effective_at
    return {
        "scores": row["scores"] + 1,
        "first_scored_at": row["first_scored_at"] or at,
        "scored_at": at,
    }


def _decided(row: Row, happened: Happened) -> Row:
    return {
        "decisions": row["decisions"] + 1,
        "first_decided_at": row["first_decided_at"] or happened.effective_at,
    }


def _offered(row: Row, happened: Happened) -> Row:
    at = happened.effective_at
    return {
        "offers": row["offers"] + 1,
        "first_offered_at": row["first_offered_at"] or at,
        "offered_at": at,
    }


def _waiting(row: Row, loan: Application, happened: Happened) -> Row:
    """The columns that say what the application waits for, and since which event."""
    task = waiting_for(loan)
    if task is None:
        return _NO_TASK
    if task == (row["waits_for_role"], row["waits_for_command"]):
        return {}
    return {
        "waits_for_role": task.role.value,
        "waits_for_command": task.command,
        "waiting_since": happened.recorded_at,
        "waiting_since_version": happened.version,
    }


_NO_TASK: Final[Row] = dict.fromkeys(
    ("waits_for_role", "waits_for_command", "waiting_since", "waiting_since_version")
)
_STEPS: Final[Mapping[type[Any], Callable[[Row, Happened], Row]]] = MappingProxyType(
    {
        e.Amended: _counts("amendments"),
        e.ContextAttached: _counts("contexts"),
        e.InformationRequested: _counts("information_requests"),
        e.Scored: _scored,
        e.Decided: _decided,
        e.Overridden: _decided,
        e.NoticeSent: _counts("notices"),
        e.Noted: _counts("notes"),
        e.Offered: _offered,
        e.OfferReturned: lambda _, happened: {"offer_returned_at": happened.effective_at},
        e.OfferAccepted: lambda _, happened: {"accepted_at": happened.effective_at},
    }
)
"""What an event adds to its application's row besides where the application stands."""

FOLDS: Final = frozenset(kind.stored_as for kind in e.EVENTS if kind is not e.Noted)
"""The events after which an application may stand elsewhere."""


def standing(loan: Application) -> Row:
    """The columns that say where an application stands."""
    status = loan.status
    disbursement = loan.disbursement
    erased = isinstance(loan.income, Erased) or isinstance(loan.purpose, Erased)
    return {
        "applicant_id": loan.applicant_id,
        "reference": loan.reference,
        "amount": loan.amount,
        "currency": loan.currency,
        "term_months": loan.term_months,
        "income": _clear(loan.income),
        "purpose": _clear(loan.purpose),
        "credit_kind": loan.credit_kind.value,
        "co_applicants": len(loan.co_applicants),
        "erased": erased,
        "status": status.value,
        "stage": loan.stage.value,
        "verification_stage": loan.verification_stage,
        "holds": sorted([kind.value for kind in loan.holds]),
        "outstanding": sorted(loan.outstanding),
        "applied_at": loan.applied_at,
        "disbursed_amount": None if disbursement is None else disbursement.amount,
        "disbursed_at": None if disbursement is None else disbursement.disbursed_at,
        "ended_at": _ended_at(loan, status),
        **_score(loan),
        **_decision(loan),
        **_offer(_offer_at_hand(loan)),
    }


def _clear(value: Any) -> Any:
    return None if isinstance(value, Erased) else value


def _ended_at(loan: Application, status: Status) -> Any:
    if status not in ENDED:
        return None
    if loan.ending is not None:
        return loan.ending.ended_at
    return None if loan.decision is None else loan.decision.decided_at


def _score(loan: Application) -> Row:
    score = loan.score
    if score is None:
        return _NO_SCORE
    return {
        "score": score.score,
        "score_model": score.model,
        "score_model_version": score.model_version,
        "score_stale": score.stale,
    }


def _decision(loan: Application) -> Row:
    decision = loan.decision
    if decision is None:
        return _NO_DECISION
    policy = decision.policy
    return {
        "decision": decision.outcome.value,
        "decision_amount": decision.amount,
        "decision_term_months": decision.term_months,
        "decider": decision.decider,
        "policy": None if policy is None else policy.name,
        "policy_version": None if policy is None else policy.version,
        "reasons": [reason.value for reason in decision.reasons],
        "overridden": decision.overridden,
        "decided_at": decision.decided_at,
    }


def _offer_at_hand(loan: Application) -> Offer | None:
    """The accepted offer, else the latest open one, else the latest."""
    if not loan.offers:
        return None
    return loan.accepted_offer or [*loan.offers.values(), *loan.open_offers()][-1]


def _offer(offer: Offer | None) -> Row:
    if offer is None:
        return _NO_OFFER
    return {
        "offer_id": offer.offer_id,
        "offer_amount": offer.amount,
        "offer_term_months": offer.term_months,
        "offer_rate_percent": offer.rate_percent,
        "offer_valid_until": offer.valid_until,
        "offer_status": offer.status.value,
    }


_NO_SCORE: Final[Row] = dict.fromkeys(
    ("score", "score_model", "score_model_version", "score_stale")
)
_NO_DECISION: Final[Row] = {
    **dict.fromkeys(("decision", "decision_amount", "decision_term_months", "decider", "policy")),
    "policy_version": None,
    "reasons": [],
    "overridden": False,
    "decided_at": None,
}
_NO_OFFER: Final[Row] = dict.fromkeys(
    (
        "offer_id",
        "offer_amount",
        "offer_term_months",
        "offer_rate_percent",
        "offer_valid_until",
        "offer_status",
    )
)
_BLANK: Final[Row] = {
    **dict.fromkeys(
        (
            *("shard", "id", "continues", "created_at"),
            *("first_scored_at", "scored_at", "first_decided_at", "first_offered_at"),
            *("offered_at", "offer_returned_at", "accepted_at", "outcome_at"),
        )
    ),
    **_NO_TASK,
    **dict.fromkeys(
        (
            *("amendments", "contexts", "information_requests", "scores"),
            *("decisions", "notices", "notes", "offers"),
        ),
        0,
    ),
}
"""A row before its first event; the columns that say where the application stands come with it."""

MODEL: Final = ReadModel(
    name="loan_applications",
    code_version=3,
    columns=(
        *("shard", "id"),
        *("applicant_id", "reference", "amount", "currency", "term_months", "income", "purpose"),
        *("credit_kind", "co_applicants", "continues", "erased", "status", "stage"),
        *("verification_stage", "holds", "outstanding"),
        *("score", "score_model", "score_model_version", "score_stale"),
        *("decision", "decision_amount", "decision_term_months", "decider", "policy"),
        *("policy_version", "reasons", "overridden"),
        *("offer_id", "offer_amount", "offer_term_months", "offer_rate_percent"),
        *("offer_valid_until", "offer_status", "disbursed_amount"),
        *("applied_at", "first_scored_at", "scored_at", "first_decided_at", "decided_at"),
        *("first_offered_at", "offered_at", "offer_returned_at", "accepted_at", "outcome_at"),
        *("disbursed_at", "ended_at", "last_event_at"),
        *("amendments", "contexts", "information_requests", "scores", "decisions", "notices"),
        *("notes", "offers", "last_event_type", "last_actor"),
        *("created_at", "updated_at", "version", "position"),
        *("waits_for_role", "waits_for_command", "waiting_since", "waiting_since_version"),
    ),
    key_columns=2,
    folds=FOLDS,
    opens=frozenset({"applied.income", "applied.purpose", "amended.income", "amended.purpose"}),
    apply=apply,
    queries=load_queries(files("projections.loan_applications") / "statements.sql"),
)
"""The read model."""
