"""What answers say of an application's moments: its timeline, two of them held against each other, and
what a decider could see; as JSON.

An event reads here as people need it, with its sentence; as it is stored it reads everywhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from lending.contract.differences import differing_fields
from lending.contract.positions import position_text
from lending.contract.rendering import application, members
from lending.contract.words import by_whom, sentence
from lending.domain.application.events import Decided, PolicyCited, Scored
from lending.domain.application.state import INITIAL
from lending.domain.identifiers import shard_of
from lending.domain.models import ModelOnRecord
from lending.domain.policies import PolicyOnRecord
from lending.ledger.codec import StoredEvent
from lending.ledger.leaf import Envelope
from lending.ledger.plain import plain
from lending.service.aggregates import Aggregate
from lending.service.moments import Change, DecisionView, Difference, Timeline


def timeline(found: Timeline) -> dict[str, Any]:
    """A stretch of a timeline."""
    currency = found.aggregate.state.currency
    return {
        "application_id": found.application_id,
        **_moment(found.application_id, found.aggregate),
        "items": [
            {**entry(one.envelope, one.event, currency), "changes": changed}
            for one, changed in zip(found.changes, _changes(found.changes), strict=True)
        ],
        "next": str(found.changes[-1].envelope.version) if found.more else None,
    }


def entry(envelope: Envelope, event: StoredEvent, currency: str) -> dict[str, Any]:
    """An event in words, with when it was recorded, from when it counts, and who caused it."""
    by = envelope.provenance
    return {
        "version": envelope.version,
        "position": position_text(envelope.shard, envelope.position),
        "event_type": envelope.event_type,
        "recorded_at": envelope.recorded_at,
        "effective_at": envelope.effective_at,
        "effective_on": envelope.effective_on,
        "backdated": envelope.effective_at < envelope.recorded_at,
        "actor": by.actor,
        "actor_kind": by.actor_kind,
        "agent_build": by.agent_build,
        "on_behalf_of": by.on_behalf_of,
        "by": by_whom(envelope),
        "says": sentence(event, currency),
    }


def _changes(changes: Sequence[Change]) -> Iterator[list[dict[str, Any]]]:
    """What each event changed. Mostly one begins where the one before it ended."""
    state, told = INITIAL, members(INITIAL)
    for one in changes:
        before = told if one.before is state else members(one.before)
        state, told = one.after, before if one.after is one.before else members(one.after)
        yield [] if told is before else differing_fields(before, told)


def difference(found: Difference) -> dict[str, Any]:
    """Two moments held against each other."""
    first, second = found.first, found.second
    before: Mapping[str, Any] = {} if first is None else members(first.state)
    currency = second.state.currency
    return {
        "application_id": found.application_id,
        "from": None if first is None else _moment(found.application_id, first),
        "to": _moment(found.application_id, second),
        "differences": differing_fields(before, members(second.state)),
        "events": [
            {**entry(*happening, currency), "counts_at": side} for side, happening in found.events
        ],
        "more": found.more,
    }


def _moment(application_id: UUID, aggregate: Aggregate) -> dict[str, Any]:
    return {
        "version": aggregate.version,
        "position": position_text(shard_of(application_id), aggregate.position),
        "recorded_at": aggregate.recorded_at,
    }


def decision_view(found: DecisionView) -> dict[str, Any]:
    """What a decider could see, and what it could not."""
    envelope, event = found.decision
    currency = found.seen.state.currency
    decided = event if isinstance(event, Decided) else None
    return {
        "decision": {**entry(envelope, event, currency), "data": plain(event)},
        "seen": application(found.application_id, found.seen, None),
        "facts": {} if decided is None else plain(decided.facts or {}),
        "personal_facts": {} if decided is None else plain(decided.personal_facts or {}),
        "score": None if found.score is None else _score(*found.score, found.model, currency),
        "policy": {
            "cited": None if decided is None else _cited(decided.policy, found.cited_policy),
            "active": None if found.active_policy is None else plain(found.active_policy.cited),
        },
        "counting_later": [entry(*one, currency) for one in found.counting_later],
        "known_afterwards": [entry(*one, currency) for one in found.known_afterwards],
        "more": found.more,
    }


def _cited(cited: PolicyCited | None, on_record: PolicyOnRecord | None) -> dict[str, Any] | None:
    """The policy that the decision names, and whether it was on record as it is named."""
    if cited is None:
        return None
    return {
        "name": cited.name,
        "version": cited.version,
        "digest": cited.digest,
        "registry_position": cited.registry_position,
        "on_record": on_record is not None and on_record.cited == cited,
        "withdrawn": on_record is not None and on_record.withdrawn,
    }


def _score(
    envelope: Envelope, event: Scored, model: ModelOnRecord | None, currency: str
) -> dict[str, Any]:
    """The last score, and its model as it was registered by then."""
    registered = None
    if model is not None:
        registered = {
            "owner": model.registered.owner,
            "artifact_digest": model.registered.artifact_digest,
            "valid_from": model.registered.valid_from,
            "valid_to": model.registered.valid_to,
            "registry_position": position_text(envelope.shard, model.registry_position),
            "withdrawn": model.withdrawn,
        }
    return {**entry(envelope, event, currency), "data": plain(event), "registered": registered}
