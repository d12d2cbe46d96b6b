"""Histories out of the domain's own rules, and what the read model should make of them.

What belongs here: an oracle that counts and looks up for itself, beside the domain's fold.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lending.domain.application import events as e
from lending.domain.application.circumstances import Circumstances, own_events
from lending.domain.application.commands import Apply, Command
from lending.domain.application.decide import decide
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refused
from lending.domain.application.state import INITIAL, Application, OfferStatus, Status
from lending.domain.application.work import Task, waiting_for
from lending.domain.fields import Erased
from tests.projections.worlds import Stream, World

COUNTED = {
    "amendments": (e.Amended,),
    "contexts": (e.ContextAttached,),
    "information_requests": (e.InformationRequested,),
    "scores": (e.Scored,),
    "decisions": (e.Decided, e.Overridden),
    "notices": (e.NoticeSent,),
    "notes": (e.Noted,),
    "offers": (e.Offered,),
}
FIRST = {
    "first_scored_at": (e.Scored,),
    "first_decided_at": (e.Decided, e.Overridden),
    "first_offered_at": (e.Offered,),
}
LATEST = {
    "scored_at": (e.Scored,),
    "offered_at": (e.Offered,),
    "offer_returned_at": (e.OfferReturned,),
    "accepted_at": (e.OfferAccepted,),
}
UNDECIDED = (Status.PENDING, Status.REFERRED, Status.COUNTER_OFFERED)


def events_of(commands: Sequence[Command], at: datetime) -> list[e.Event]:
    """What the commands cause that hold, one after the other."""
    state = INITIAL
    history: list[e.Event] = []
    for command in commands:
        if isinstance(command, Apply) != (not history):
            continue
        answer = decide(command, state, Circumstances(effective_at=at, effective_on=at.date()))
        if isinstance(answer, Refused):
            continue
        for event in own_events(answer):
            history.append(event)
            state = evolve(state, event, Occurrence(len(history), at, at.date(), "local"))
    return history


def expected(world: World, stream: Stream, history: Sequence[e.Event]) -> dict[str, Any]:
    """The row that the read model should have."""
    log = world.rows(
        "select effective_at, recorded_at, position, event_type, on_behalf_of from loan_events"
        " where application_id = %s order by version",
        [stream.id],
    )
    state, outcome_at = INITIAL, None
    tasks: list[Task | None] = []
    for version, (event, (at, *_)) in enumerate(zip(history, log, strict=True), 1):
        state = evolve(state, event, Occurrence(version, at, at.date(), "local"))
        tasks.append(waiting_for(state))
        if outcome_at is None and state.status not in UNDECIDED:
            outcome_at = at
    last = log[-1]
    return {
        **_of_state(state),
        **_counted(history, [row[0] for row in log]),
        "id": stream.id,
        "shard": 0,
        "continues": None,
        "outcome_at": outcome_at,
        "created_at": log[0][1],
        "updated_at": last[1],
        "last_event_at": last[0],
        "position": last[2],
        "last_event_type": last[3],
        "last_actor": last[4],
        "version": len(history),
        **_waiting(tasks, [row[1] for row in log]),
    }


def _waiting(tasks: Sequence[Task | None], recorded: Sequence[datetime]) -> dict[str, Any]:
    """What is waited for after the last event, and since which of them it is the same."""
    task, since = tasks[-1], len(tasks)
    while since > 1 and tasks[since - 2] == task:
        since -= 1
    return {
        "waits_for_role": task and str(task.role),
        "waits_for_command": task and task.command,
        "waiting_since": task and recorded[since - 1],
        "waiting_since_version": task and since,
    }


def _counted(history: Sequence[e.Event], times: Sequence[datetime]) -> dict[str, Any]:
    kinds = Counter(type(event) for event in history)
    row: dict[str, Any] = {}
    for column, wanted in COUNTED.items():
        row[column] = sum(kinds[kind] for kind in wanted)
    for column, wanted in {**FIRST, **LATEST}.items():
        found = [at for event, at in zip(history, times, strict=True) if type(event) in wanted]
        row[column] = found[0 if column in FIRST else -1] if found else None
    return row


def _of_state(state: Application) -> dict[str, Any]:
    score, decision, disbursement = state.score, state.decision, state.disbursement
    ended_at = state.ending.ended_at if state.ending else None
    if state.status is Status.REJECTED and decision is not None:
        ended_at = decision.decided_at
    return {
        "applicant_id": state.applicant_id,
        "reference": state.reference,
        "amount": state.amount,
        "currency": state.currency,
        "term_months": state.term_months,
        "income": None if isinstance(state.income, Erased) else state.income,
        "purpose": None if isinstance(state.purpose, Erased) else state.purpose,
        "erased": Erased.ERASED in (state.income, state.purpose),
        "credit_kind": str(state.credit_kind),
        "co_applicants": len(state.co_applicants),
        "status": str(state.status),
        "stage": str(state.stage),
        "verification_stage": state.verification_stage,
        "holds": sorted(str(kind) for kind in state.holds),
        "outstanding": sorted(state.outstanding),
        "score": score and score.score,
        "score_model": score and score.model,
        "score_model_version": score and score.model_version,
        "score_stale": score and score.stale,
        "decision": decision and str(decision.outcome),
        "decision_amount": decision and decision.amount,
        "decision_term_months": decision and decision.term_months,
        "decider": decision and decision.decider,
        "policy": decision and decision.policy and decision.policy.name,
        "policy_version": decision and decision.policy and decision.policy.version,
        "reasons": [str(reason) for reason in decision.reasons] if decision else [],
        "overridden": bool(decision and decision.overridden),
        "decided_at": decision and decision.decided_at,
        "disbursed_amount": disbursement and disbursement.amount,
        "disbursed_at": disbursement and disbursement.disbursed_at,
        "applied_at": state.applied_at,
        "ended_at": ended_at,
        **_offer(state),
    }


def _offer(state: Application) -> dict[str, Any]:
    terms = ("offer_id", "amount", "term_months", "rate_percent", "valid_until", "status")
    offers: list[Any] = list(state.offers.values())
    opened = [offer for offer in offers if offer.status is OfferStatus.OPEN]
    offer = (opened or offers or [None])[-1]
    if state.accepted_offer_id is not None:
        offer = state.offers[state.accepted_offer_id]
    row = {f"offer_{term.removeprefix('offer_')}": getattr(offer, term, None) for term in terms}
    return {**row, "offer_status": None if offer is None else str(offer.status)}
