"""Explanations of decisions as data: where the application stands, the decision with the values that
each rule saw and the events they came from, and what came of asking again.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lending.contract.explanation_words import sentences
from lending.contract.positions import position_text
from lending.domain.application.events import Decided
from lending.domain.application.reasons import REASON_TEXTS
from lending.domain.fields import Erased, FactValue
from lending.policy import debt_to_income
from lending.policy.engine import Evaluation
from lending.policy.facts import SCHEMA
from lending.service.explaining import Account, Made, Source, source_of
from lending.service.explanations import Explanation, PolicyTexts, PolicyThen
from lending.service.rerunning import FactDrift, Rerun

_ERASED = {"erased": True}
Values = Mapping[str, Any]


def explanation(found: Explanation) -> dict[str, Any]:
    """The explanation whole; every member is always there."""
    account, again = found.account, found.rerun
    ended, made = account.ended, account.made
    decision = None if made is None else _decision(account, made, found)
    return {
        "application_id": account.application_id,
        "version": account.last.version,
        "position": position_text(account.last.shard, account.last.position),
        "status": account.state.status,
        "stands": account.stands,
        "words": sentences(found, () if decision is None else decision["rules"]),
        "decision": decision,
        "decisions_at_versions": list(account.decided_at_versions),
        "ended": None
        if ended is None
        else {
            **source(source_of(ended[0])),
            "by": getattr(ended[1], "by", None),
            "closed_as": getattr(ended[1], "closed_as", None),
            "actor": ended[0].provenance.actor,
        },
        "rerun": _rerun(again),
    }


def source(one: Source) -> dict[str, Any]:
    """An event that something came from."""
    return {
        "position": position_text(one.shard, one.position),
        "version": one.version,
        "event_type": one.event_type,
        "recorded_at": one.recorded_at,
    }


def _decision(account: Account, made: Made, found: Explanation) -> dict[str, Any]:
    event, by = made.event, made.envelope.provenance
    decided = event if isinstance(event, Decided) else None
    cited = None if decided is None else decided.policy
    in_force = account.state.decision
    return {
        **source(source_of(made.envelope)),
        "effective_at": made.envelope.effective_at,
        "backdated": made.backdated,
        "made_by": made.by,
        "actor": by.actor,
        "actor_kind": by.actor_kind,
        "on_behalf_of": by.on_behalf_of,
        "outcome": event.outcome,
        "amount": event.amount,
        "currency": account.state.currency,
        "term_months": event.term_months,
        "reasons": [{"code": one, "text": REASON_TEXTS[one]} for one in event.reasons],
        "other_reason": _personal(event.other_reason),
        "amended_since": in_force is not None and in_force.stale,
        "policy": None
        if cited is None
        else {
            "name": cited.name,
            "version": cited.version,
            "digest": cited.digest,
            "registry_position": cited.registry_position,
            "engine": None if decided is None else decided.engine,
            "engine_version": None if decided is None else decided.engine_version,
            "fact_schema": None if decided is None else decided.fact_schema,
            **_then(found.policy_then),
        },
        "facts": [] if decided is None else _facts(decided, made),
        "rules": [] if decided is None else _rules(decided, made, found),
    }


def _then(then: PolicyThen | None) -> dict[str, Any]:
    """How the policy stood at the instant from which the decision counts; null where that is unknown."""
    return {
        "published_at": None if then is None else then.published_at,
        "published_then": None if then is None else then.published,
        "active_then": None if then is None else then.active,
    }


def _facts(event: Decided, made: Made) -> list[dict[str, Any]]:
    given: dict[str, Any] = dict(event.facts or {})
    personal = event.personal_facts
    if isinstance(personal, Erased):
        given |= {name: _ERASED for name in made.origins if SCHEMA[name].personal}
    else:
        given |= personal or {}
    return [
        {
            "name": name,
            "value": value,
            "meaning": _meaning(name),
            "from": [source(one) for one in made.origins.get(_in_schema(name), ())],
        }
        for name, value in given.items()
    ]


def _in_schema(name: str) -> str:
    return debt_to_income.FACTS.get(name, name)


def _meaning(name: str) -> str | None:
    """What a fact is; of the text that was the first policy, what it says itself."""
    return SCHEMA[name].meaning if name in SCHEMA else None


def _rules(event: Decided, made: Made, found: Explanation) -> list[dict[str, Any]]:
    """The rules that fired, with what each saw: of the trace where asking again gave it, else the
    facts alone.
    """
    seen = _seen(event, found.rerun)
    return [_rule(name, found.texts, seen, made) for name in event.trace]


def _rule(name: str, texts: PolicyTexts, seen: Mapping[str, Values], made: Made) -> dict[str, Any]:
    rule = texts.rules.get(name)
    if rule is None:
        return {"rule": name, "conditions": [], "saw": _saw_all(made)}
    values = seen.get(rule.node, seen[""])
    return {
        "rule": name,
        "conditions": list(rule.conditions),
        "saw": [
            {
                "name": one,
                "value": values[one] if one in values else _unseen(facts, made),
                "from": _from(facts, made),
                "made_of": _made_of(one, facts, seen, made),
            }
            for one in rule.looks_at
            for facts in [texts.made_of.get(one, frozenset({one}))]
        ],
    }


def _made_of(
    name: str, facts: Iterable[str], seen: Mapping[str, Values], made: Made
) -> list[dict[str, Any]]:
    """What a name that the policy computes is made of: the facts, and what was computed beside it."""
    parts = sorted(one for one in facts if one != name)
    if not parts:
        return []
    known = seen[""]
    found = {one: known[one] if one in known else _unseen((one,), made) for one in parts}
    beside = seen.get(_beside(name), {})
    found |= {one: value for one, value in beside.items() if one != name and one not in known}
    return [{"name": one, "value": value} for one, value in found.items()]


def _beside(name: str) -> str:
    """Under what the values computed beside a name are found among those seen; no node is called so."""
    return f"\0{name}"


def _unseen(facts: Iterable[str], made: Made) -> Any:
    """What a name stands for that asking again did not give: erased, where it is made of what was."""
    gone = isinstance(made.event, Decided) and isinstance(made.event.personal_facts, Erased)
    personal = any(one in SCHEMA and SCHEMA[one].personal for one in facts)
    return _ERASED if gone and personal else None


def _saw_all(made: Made) -> list[dict[str, Any]]:
    """What a rule saw of which the text is not on record: the facts, all of them."""
    event = made.event
    facts = _facts(event, made) if isinstance(event, Decided) else []
    return [
        {**{name: one[name] for name in ("name", "value", "from")}, "made_of": []} for one in facts
    ]


def _from(facts: Iterable[str], made: Made) -> list[dict[str, Any]]:
    found = {one for name in facts for one in made.origins.get(name, ())}
    return [source(one) for one in sorted(found, key=lambda one: one.version)]


def _seen(event: Decided, again: Rerun) -> dict[str, Values]:
    """What each node saw, by its name; under the empty name the facts."""
    facts: dict[str, FactValue] = dict(event.facts or {})
    if isinstance(event.personal_facts, Mapping):
        facts |= event.personal_facts
    found: dict[str, Values] = {"": facts}
    if again.answer is not None:
        for node in json.loads(again.answer.trace):
            if isinstance(node.get("input"), dict):
                found[node.get("node", "")] = node["input"]
            output = node.get("output")
            for name in output if isinstance(output, dict) else ():
                found.setdefault(_beside(name), output)
    return found


def _personal(text: str | Erased | None) -> Any:
    return _ERASED if isinstance(text, Erased) else text


def _rerun(again: Rerun) -> dict[str, Any]:
    return {
        "verdict": again.verdict,
        "drifts": [one._asdict() for one in again.drifts],
        "facts_differing": [_differing(one) for one in again.facts],
        "fault": None if again.fault is None else again.fault._asdict(),
        "answer": _answer(again.answer),
        "answer_to_rebuilt_facts": _answer(again.answer_to_rebuilt),
    }


def _differing(one: FactDrift) -> dict[str, Any]:
    return {"name": one.name, "recorded": one.recorded, "rebuilt": one.rebuilt}


def _answer(found: Evaluation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "outcome": found.outcome,
        "reasons": list(found.reasons),
        "amount_minor": found.amount_minor,
        "term_months": found.term_months,
        "rules": list(found.rules),
        "engine": found.engine,
        "engine_version": found.engine_version,
        "trace": json.loads(found.trace),
    }
