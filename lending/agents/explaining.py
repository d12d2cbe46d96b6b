"""An application in words: where it stands, what that rests on, and how it came about.

Everything told here is read from the log. What a person wrote is quoted.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from lending.contract.moment_words import told
from lending.contract.moments import entry
from lending.contract.words import because, by_whom, facts, policy, terms
from lending.domain.application.events import Decided, Overridden
from lending.domain.application.state import Application, Decision
from lending.ledger.codec import StoredEvent
from lending.ledger.leaf import Envelope
from lending.ledger.plain import decimal_text
from lending.service.aggregates import Aggregate

Told = Sequence[tuple[Envelope, StoredEvent]]


def explanation(application_id: UUID, aggregate: Aggregate, events: Told) -> str:
    """The application as it stands, then its events; `events` are the latest ones, in order."""
    return "\n".join(_lines(application_id, aggregate, events)) + "\n"


def _lines(application_id: UUID, aggregate: Aggregate, events: Told) -> Iterator[str]:
    state = aggregate.state
    yield (
        f"Application {application_id} of {state.applicant_id} is {state.status.value} at version"
        f" {aggregate.version}; it is in the stage {state.stage.value}."
    )
    yield f"Asked for: {terms(state.amount, state.currency, state.term_months)}."
    yield from _standing(state)
    yield _decision(state, events)
    yield ""
    yield "What happened:"
    first = events[0][0].version if events else 1
    if first > 1:
        yield f"({first - 1} earlier events are not told here)"
    for envelope, event in events:
        yield told(entry(envelope, event, state.currency))


def _standing(state: Application) -> Iterator[str]:
    if state.score is not None:
        stale = "; it is stale: the application was amended since" if state.score.stale else ""
        yield (
            f"Score: {decimal_text(state.score.score)} by {state.score.model} version"
            f" {state.score.model_version}{stale}."
        )
    if state.outstanding:
        yield f"Still missing from the applicant: {', '.join(sorted(state.outstanding))}."
    for offer in state.offers.values():
        given = terms(offer.amount, state.currency, offer.term_months, offer.rate_percent)
        yield f"Offer {offer.offer_id}: {given}, {offer.status.value}."
    if state.holds:
        yield f"Held for: {', '.join(sorted(kind.value for kind in state.holds))}."
    if state.disbursement is not None:
        yield f"Paid out: {terms(state.disbursement.amount, state.currency)}."


def _decision(state: Application, events: Told) -> str:
    decision = state.decision
    if decision is None:
        return "It is not decided."
    given = terms(decision.amount, state.currency, decision.term_months)
    how = "by override" if decision.overridden else f"by {_decider(decision)}"
    parts = [
        f"Decision: {decision.outcome.value}{f', {given}' if given else ''}, {how}",
        _asked_by(events),
        because(decision.reasons),
        f", on the facts {facts(decision.facts)}" if decision.facts else "",
        f", and of the person {facts(decision.personal_facts)}" if decision.personal_facts else "",
        "; it is stale: the application was amended since" if decision.stale else "",
    ]
    return "".join(parts) + "."


def _decider(decision: Decision) -> str:
    return "the principal itself" if decision.policy is None else policy(decision.policy)


def _asked_by(events: Told) -> str:
    """Who issued the decision in force, where it is among the events told."""
    deciding: Any = (Decided, Overridden)
    found = [envelope for envelope, event in events if isinstance(event, deciding)]
    return f", asked by {by_whom(found[-1])} in version {found[-1].version}" if found else ""
