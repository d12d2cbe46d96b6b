"""Policies as they are told: a version in one line, whole, and what it answered."""

import json
from typing import Any

from lending.contract.positions import position_text
from lending.domain.policies import PolicyOnRecord
from lending.ledger.canonical import instant_text
from lending.policy import debt_to_income
from lending.policy.catalogue import fact_schema, facts_needed, is_document
from lending.policy.document import ENGINE, read
from lending.policy.engine import Evaluation
from lending.service.authority import FIRST_SHARD
from lending.service.policies import Standing


def recorded_at(one: PolicyOnRecord) -> int:
    """At which position a version stands."""
    return one.cited.registry_position or 0


def row(one: PolicyOnRecord, standing: Standing) -> dict[str, Any]:
    """A version in one line: what it needs, where it stands in the log, and whether it decides.

    `activations` are the instants from which it decides, or did, until another one does.
    """
    cited, policies = one.cited, standing.policies
    suspended = standing.registry.suspensions.of_policy(cited.name, cited.version)
    return {
        "name": cited.name,
        "version": cited.version,
        "digest": cited.digest,
        "position": position_text(FIRST_SHARD, recorded_at(one)),
        "engine": ENGINE if is_document(one.definition) else debt_to_income.ENGINE,
        "fact_schema": fact_schema(one.definition),
        "facts": list(facts_needed(one.definition)),
        "active": policies.active(standing.at) is one,
        "activations": [
            instant_text(activation.since)
            for activation in policies.activations
            if (activation.name, activation.version) == (cited.name, cited.version)
        ],
        "suspended": suspended is not None,
        "withdrawn": one.withdrawn,
    }


def published(one: PolicyOnRecord) -> dict[str, Any] | None:
    """A version as it could be published; none where it is no document."""
    if not is_document(one.definition):
        return None
    document = read(one.definition)
    return {
        "name": one.cited.name,
        "version": one.cited.version,
        "facts": list(document.facts),
        "graph": document.graph,
        "cases": list(document.cases),
    }


def evaluated(found: Evaluation) -> dict[str, Any]:
    """What a policy answered, by which rules, with the trace."""
    return found.said() | {
        "trace": json.loads(found.trace),
        "trace_digest": found.trace_digest,
    }
